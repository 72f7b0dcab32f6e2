"""`Distribution`: shapes, validation, what all share. Public as `distributions`."""

from __future__ import annotations

from typing import Any

from ..api.creation import scalar_tensor
from ..api.shape import broadcast_tensors
from ..grad_mode import no_grad
from ..state import STATE
from ..tensor import Size, Tensor
from . import constraints


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the tensors."""
    first = next((v for v in values if isinstance(v, Tensor)), None)
    options = {} if first is None else {"dtype": first.dtype, "device": first.device}
    tensors = [v if isinstance(v, Tensor) else scalar_tensor(v, **options) for v in values]
    return tuple(broadcast_tensors(*tensors))


class Distribution:
    """The base of all: `batch_shape` many distributions of values of `event_shape`.

    `sample(shape)` draws without history; `rsample(shape)` so that gradients reach the parameters.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: dict[str, constraints.Constraint] = {}
    support: Any = None
    _validate_args = True

    def __init__(
        self,
        batch_shape: Any = (),
        event_shape: Any = (),
        validate_args: bool | None = None,
    ):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and not _is_recorded():
            for name, constraint in self.arg_constraints.items():
                value = self.__dict__.get(name)
                if not isinstance(value, Tensor) or constraints.is_dependent(constraint):
                    continue
                if not constraint.check(value.detach()).all():
                    raise ValueError(
                        f"Expected parameter {name} ({type(value).__name__} of shape "
                        f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                        f"{constraint!r}, but found invalid values:\n{value}"
                    )

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check parameters and samples unless told otherwise."""
        if value not in (True, False):
            raise ValueError("validate_args is either True or False")
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Size:
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        return self._event_shape

    @property
    def mean(self) -> Any:
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Any:
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw `sample_shape` times, without history."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw `sample_shape` times, so that gradients reach the parameters."""
        raise NotImplementedError

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density or probability of a value."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """The probability of what is not above a value."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value that is not exceeded with a probability."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values, along a new first dim."""
        raise NotImplementedError

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its parameters expanded to another `batch_shape`."""
        shape = Size(batch_shape)
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._batch_shape = shape
        for name, constraint in self._parameters().items():
            value = self.__dict__.get(name)
            if isinstance(value, Tensor):
                inner = len(value.shape) - len(self._batch_shape)
                event = value.shape[len(value.shape) - inner :] if inner else ()
                new.__dict__[name] = value.expand((*shape, *event))
            del constraint
        return new

    def _parameters(self) -> dict[str, Any]:
        """Names of what `expand` expands."""
        return dict(self.arg_constraints)

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*Size(sample_shape), *self._batch_shape, *self._event_shape))

    def _check(self, value: Any) -> None:
        """Raises: ValueError for a sample of another shape, or outside the support."""
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        inner = len(self._event_shape)
        if inner and value.shape[len(value.shape) - inner :] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event_shape}."
            )
        outer = value.shape[: len(value.shape) - inner] if inner else value.shape
        for i, j in zip(reversed(outer), reversed(self._batch_shape), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                    f"{self._batch_shape + self._event_shape}."
                )
        if _is_recorded():
            return
        support = self.support
        if support is not None and not support.check(value.detach()).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) of the distribution {self!r}, but found "
                f"invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        names = [k for k in self.arg_constraints if k in self.__dict__]
        shown = []
        for name in names:
            value = self.__dict__[name]
            shown.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_recorded() -> bool:
    """Whether values cannot be looked at: in a recording run, or inside `vmap`."""
    return STATE.session is not None or STATE.levels > 0


class ExponentialFamily(Distribution):
    """Distributions whose density is the exponential of a product of two vectors."""
