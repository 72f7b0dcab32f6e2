"""Activation functions. Public as `nn.functional`."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from ....ir.errors import ShapeError
from ....ir.types import DType
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import relayout, with_out
from ...api.random import rand
from ...promotion import to_floating
from ...random import uniform
from ...scoping import scoped
from ...tensor import Tensor
from .common import narrow, widen

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _finish(input: Tensor, out: Tensor, inplace: bool) -> Tensor:
    return input._write(out) if inplace else out


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """The larger of `input` and 0; the gradient at 0 is 0. Dtypes: real."""
    return _finish(input, input.relu(), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`hardtanh` between 0 and 6."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """`input` kept between `min_val` and `max_val`; no gradient at or beyond them."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    return _finish(input, _hardtanh(input, min_val, max_val), inplace)


@scoped(name="hardtanh")
def _hardtanh(x: Tensor, low: float, high: float) -> Tensor:
    return prims.select(prims.le(x, low), low, prims.select(prims.ge(x, high), high, x))


@scoped(name="leaky_relu")
def _leaky_relu(x: Tensor, slope: float) -> Tensor:
    return prims.select(prims.gt(x, 0), x, prims.mul(x, slope))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where positive, `negative_slope * input` elsewhere. Dtypes: floating."""
    return _finish(input, _leaky_relu(input, negative_slope), inplace)


@scoped(name="elu")
def _elu(x: Tensor, alpha: float, scale: float, inner: float) -> Tensor:
    # The branch not taken must stay finite: its gradient is infinity times zero otherwise.
    positive = prims.gt(x, 0)
    low = prims.select(positive, 0, x)
    low = prims.mul(low, inner) if inner != 1 else low
    above = prims.mul(x, scale) if scale != 1 else x
    return prims.select(positive, above, prims.mul(prims.expm1(low), alpha * scale))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where positive, `alpha * (exp(input) - 1)` elsewhere. Dtypes: floating."""
    return _finish(input, _elu(input, alpha, 1.0, 1.0), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`. Dtypes: floating."""
    if alpha == 0:
        raise RuntimeError("celu: alpha cannot be 0")
    return _finish(input, _elu(input, alpha, 1.0, 1.0 / alpha), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled `elu` of self-normalising networks. Dtypes: floating.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """
    return _finish(input, _elu(input, SELU_ALPHA, SELU_SCALE, 1.0), inplace)


@with_out
@scoped
def gelu(input: Tensor, approximate: str = "none", *, out: Tensor | None = None) -> Tensor:
    """`input` times the normal distribution function of it. Dtypes: floating.

    `approximate="tanh"` takes the cheaper form. Raises: RuntimeError for another word.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """
    if approximate == "none":
        half = prims.mul(prims.add(prims.erf(prims.mul(input, 1 / math.sqrt(2))), 1), 0.5)
        return prims.mul(input, half)
    if approximate == "tanh":
        cubic = prims.add(prims.mul(prims.mul(input, input), 0.044715), 1)
        inner = prims.mul(prims.mul(input, cubic), math.sqrt(2 / math.pi))
        return prims.mul(input, prims.mul(prims.add(prims.tanh(inner), 1), 0.5))
    raise RuntimeError("approximate argument must be either none or tanh.")


@scoped(name="silu")
def _silu(x: Tensor) -> Tensor:
    if x._type.dtype.is_complex:
        return prims.div(x, prims.add(prims.exp(prims.neg(x)), 1))
    return prims.mul(x, prims.logistic(x))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * sigmoid(input)`. Dtypes: floating and complex."""
    return _finish(input, _silu(input), inplace)


def sigmoid(input: Tensor) -> Tensor:
    """The logistic function; see `Tensor.sigmoid`."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent; see `Tensor.tanh`."""
    return input.tanh()


def log1p_exp(x: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow.

    Each side of 0 is chosen whole, so that gradients of all orders are right at 0 too, where
    those of `abs` and `maximum` are not.
    """
    above = prims.gt(x, 0)
    rest = prims.log1p(prims.exp(prims.select(above, prims.neg(x), x)))
    return prims.add(prims.select(above, x, 0), rest)


@autocasts
@with_out
@scoped
def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Tensor | None = None
) -> Tensor:
    """`log(1 + exp(beta * input)) / beta`; linear above `threshold`. Dtypes: floating."""
    scaled = input if beta == 1 else prims.mul(input, beta)
    out = log1p_exp(scaled)
    out = out if beta == 1 else prims.div(out, beta)
    return prims.select(prims.gt(scaled, threshold), input, out)


@with_out
@scoped(grad_fn="LogSigmoidBackward0")
def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`log(sigmoid(input))` without overflow. Dtypes: floating."""
    below = prims.lt(input, 0)  # as in log1p_exp
    rest = prims.log1p(prims.exp(prims.select(below, input, prims.neg(input))))
    return relayout(prims.sub(prims.select(below, input, 0), rest), None)


@scoped
def softsign(input: Tensor) -> Tensor:
    """`input / (1 + |input|)`. Integers are promoted to the default dtype."""
    return input / (input.abs() + 1)  # type: ignore[attr-defined]


@scoped
def tanhshrink(input: Tensor) -> Tensor:
    """`input - tanh(input)`. Integers are promoted to the default dtype."""
    x = to_floating(input)
    return prims.sub(x, prims.tanh(x))


@scoped(name="mish")
def _mish(x: Tensor) -> Tensor:
    return prims.mul(x, prims.tanh(log1p_exp(x)))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * tanh(softplus(input))`. Dtypes: floating.

    Source: Misra 2019, arXiv:1908.08681.
    """
    return _finish(input, _mish(input), inplace)


@scoped(name="hardsigmoid")
def _hardsigmoid(x: Tensor) -> Tensor:
    line = prims.add(prims.mul(x, 1 / 6), 0.5)
    return prims.select(prims.le(x, -3), 0, prims.select(prims.ge(x, 3), 1, line))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`input / 6 + 1/2`, kept between 0 and 1. Dtypes: floating."""
    return _finish(input, _hardsigmoid(input), inplace)


@scoped(name="hardswish")
def _hardswish(x: Tensor) -> Tensor:
    curve = prims.mul(prims.mul(x, prims.add(x, 3)), 1 / 6)
    return prims.select(prims.le(x, -3), 0, prims.select(prims.ge(x, 3), x, curve))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * hardsigmoid(input)`. Dtypes: floating."""
    return _finish(input, _hardswish(input), inplace)


@scoped(name="threshold")
def _threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    return prims.select(prims.le(x, threshold), value, x)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` where it is above `threshold`, `value` elsewhere."""
    return _finish(input, _threshold(input, threshold, value), inplace)


@autocasts
@scoped
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`leaky_relu` with a learned slope: one, or one per channel (axis 1).

    Raises: RuntimeError if the number of slopes fits neither.
    """
    if weight._type.ndim > 1:
        raise ShapeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
            f"{weight._type.ndim}"
        )
    channels = input._type.shape[1] if input._type.ndim > 1 else 1
    if weight._type.numel not in (1, channels):
        raise ShapeError(
            "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
            f"{weight._type.numel} and channel size = {channels}."
        )
    lead = max(input._type.ndim - 2, 0)
    shape = (weight._type.numel, *(1,) * lead) if weight._type.numel > 1 else ()
    slope = prims.reshape(weight, shape=shape)
    return prims.select(prims.gt(input, 0), input, prims.mul(input, slope))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second half.

    Raises: RuntimeError if the size of `dim` is odd.
    """
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return _glu(input, dim % input.ndim)


@scoped(name="glu")
def _glu(x: Tensor, axis: int) -> Tensor:
    first, second = x.chunk(2, axis)
    return prims.mul(first, prims.logistic(second))


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """Exponentials along `dim`, scaled to sum to 1; see `Tensor.softmax`."""
    return input.softmax(_implicit_dim(input, dim), dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """`softmax` of `-input`."""
    return (-input).softmax(_implicit_dim(input, dim), dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """The logarithm of `softmax`, without overflow; see `Tensor.log_softmax`."""
    return input.log_softmax(_implicit_dim(input, dim), dtype=dtype)


def _implicit_dim(input: Tensor, dim: int | None) -> int:
    """PyTorch's choice where none is made, for 0, 1 and 3 dimensions the first axis."""
    if dim is not None:
        return dim
    warnings.warn(
        "softmax without dim is deprecated: say along which dimension.", UserWarning, stacklevel=3
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample from the Gumbel-softmax distribution; under `hard` one-hot in value.

    Source: Jang, Gu & Poole 2017, arXiv:1611.01144.
    """
    x = widen(to_floating(logits))
    noise = -(-(uniform(x.shape, x.dtype, device=x.device) + 1e-20).log()).log()
    soft = narrow(((x + noise) / tau).softmax(dim), logits.dtype)
    if not hard:
        return soft
    top = (soft == soft.detach().amax(dim, keepdim=True)).to(soft.dtype)
    return top - soft.detach() + soft


@with_out
@scoped
def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """`input` where it is further from zero than `lambd`, else 0."""
    near = prims.le(prims.abs(input), float(lambd))
    return prims.select(near, 0, input)


@with_out
@scoped
def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """`input` moved towards zero by `lambd`, 0 where it would cross it."""
    if lambd < 0:
        raise ShapeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    far = prims.add(input, float(lambd))
    near = prims.sub(input, float(lambd))
    low = prims.select(prims.lt(input, -float(lambd)), far, prims.mul(input, 0))
    return prims.select(prims.gt(input, float(lambd)), near, low)


@scoped(name="rrelu")
def _rrelu(input: Tensor, lower: float, upper: float, training: bool) -> Tensor:
    slope: Any = (lower + upper) / 2
    if training:
        span = rand(input._type.shape, dtype=input._type.dtype, device=input.device)
        slope = prims.add(prims.mul(span, upper - lower), lower)
    return relayout(prims.select(prims.ge(input, 0), input, prims.mul(input, slope)), None)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """A leaky ReLU whose slope is drawn for each element while training."""
    if lower > upper:
        raise ShapeError(
            f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    out = _rrelu(input, lower, upper, training)
    return input._write(out) if inplace else out


def _written(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`fn_`: the same, written into its argument."""
    name = f"{fn.__name__}_"

    @functools.wraps(fn)
    def inplace(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return fn(input, *args, **kwargs, inplace=True)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"`{fn.__name__}`, written into `input`, which is returned."
    return inplace


relu_, elu_, celu_, selu_ = _written(relu), _written(elu), _written(celu), _written(selu)
hardtanh_, leaky_relu_ = _written(hardtanh), _written(leaky_relu)
threshold_, rrelu_ = _written(threshold), _written(rrelu)
