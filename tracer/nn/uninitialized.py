"""Parameters and buffers that have no shape yet. Public as `nn.parameter`."""

from __future__ import annotations

from typing import Any, ClassVar

from ...ir.types import DType
from ..autograd import no_grad
from ..parameter import Parameter
from ..tensor import Tensor
from .factory import filled


def _materialize(self: Any, shape: Any, device: Any = None, dtype: DType | None = None) -> None:
    """Become a tensor of zeros with this shape, for its owner to initialise.

    Device and dtype are those given at first, unless others are given here.
    """
    own_device, own_dtype = self.__dict__.pop("_wanted")
    made = filled(0, tuple(shape), dtype or own_dtype, own_device if device is None else device)
    needs = self.requires_grad
    with no_grad():
        self._repoint(made._storage, made._view, made._type)
    self.__class__ = self.cls_to_become
    if needs:
        self.requires_grad_()


def _no_shape(self: Any) -> Any:
    raise RuntimeError(
        "Can't access the shape of an uninitialized parameter or buffer. This error usually "
        "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
        "initialized one. Call `forward` to initialize the parameters before accessing their "
        "attributes."
    )


def _shown(self: Any, *args: Any) -> str:
    return f"<{type(self).__name__}>"


def _copied(self: Any, memo: dict[int, Any]) -> Any:
    if id(self) not in memo:
        device, dtype = self._wanted
        memo[id(self)] = type(self)(self.requires_grad, device, dtype)
    return memo[id(self)]


class UninitializedParameter(Parameter):
    """A parameter without a shape, until `materialize` gives it one."""

    cls_to_become: ClassVar[Any] = Parameter
    materialize = _materialize
    shape = property(_no_shape)
    __repr__ = _shown
    __deepcopy__ = _copied  # type: ignore[assignment]

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: DType | None = None
    ) -> UninitializedParameter:
        made = super().__new__(cls, filled(0, (0,), dtype, device), requires_grad)
        made._wanted = (device, dtype)  # type: ignore[attr-defined]
        return made  # type: ignore[return-value]


class UninitializedBuffer(Tensor):
    """A buffer without a shape, until `materialize` gives it one."""

    cls_to_become: ClassVar[Any] = Tensor
    materialize = _materialize
    shape = property(_no_shape)  # type: ignore[assignment]
    __repr__ = _shown
    __deepcopy__ = _copied  # type: ignore[assignment]

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        made = object.__new__(cls)
        source = filled(0, (0,), dtype, device)
        made._point(source._storage, source._view, source._type)
        made._wanted = (device, dtype)  # type: ignore[attr-defined]
        return made


def is_lazy(t: Any) -> bool:
    """Whether a tensor has no shape yet."""
    return isinstance(t, (UninitializedParameter, UninitializedBuffer))
