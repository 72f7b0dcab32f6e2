"""Normalisations. Public as `nn.functional`.

Most share `moments`, whose recorded gradient is the closed form: with m a constant equal to
the mean (its detached value) and d = x - m, the identities mean = m + delta,
var = mean(d**2) - delta**2 and x - mean = d - delta hold for every m. So they may be
differentiated as they stand, to any order, while delta is zero in value. The gradient then
needs one pass of reductions, of g and g * d, instead of two that wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import complex128, float64
from ... import prims, views
from ...amp.autocast import autocasts
from ...api.common import relayout
from ...autograd import no_grad
from ...formats import format_strides, suggested
from ...scoping import scoped
from ...state import LOCK, is_grad_enabled
from ...tensor import Tensor
from .common import Ints, count, keep, narrow, widen


class Moments(NamedTuple):
    """`centred` is x minus a constant equal to the mean; `delta`, if there is one, is the
    mean minus that constant, so that x - mean = centred - delta."""

    centred: Tensor
    delta: Tensor | None
    mean: Tensor
    var: Tensor


def moments(x: Tensor, axes: Ints, shifted: bool = True) -> Moments:
    """Mean and biased variance over `axes`, which stay with size 1.

    Without `shifted` there is no delta, and the gradient reduces twice: that is quicker
    where `axes` are the last and short, as a row then stays in the cache.
    """
    n = count(x._type.shape, axes)
    mean = prims.div(keep(x, prims.sum(x, axes=axes), axes), n)
    if shifted and is_grad_enabled() and mean.requires_grad:
        fixed = views.detach(mean)
        delta = prims.sub(mean, fixed)
    else:
        fixed, delta = mean, None
    centred = prims.sub(x, fixed)
    squares = prims.sum(prims.mul(centred, centred), axes=axes)
    var = prims.div(keep(x, squares, axes), n)
    if delta is not None:
        var = prims.sub(var, prims.mul(delta, delta))
    return Moments(centred, delta, mean, var)


def _scaled(m: Moments, scale: Tensor, shift: Tensor | None) -> Tensor:
    """(x - mean) * scale + shift, with what belongs to whole rows kept small."""
    out = prims.mul(m.centred, scale)
    if m.delta is not None:
        correction = prims.mul(m.delta, scale)
        shift = prims.neg(correction) if shift is None else prims.sub(shift, correction)
    return out if shift is None else prims.add(out, shift)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel (axis 1) with mean 0 and variance 1, then scaled and shifted.

    Under `training` by the batch's own statistics, which also move the running ones by
    `momentum` (a number or a 0-d tensor); otherwise by the running ones.
    Raises: ShapeError for one value per channel under `training`, or if
    statistics, weight or bias do not have one element per channel.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.
    """
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@scoped(name="batch_norm", grad_fn="NativeBatchNormBackward0")
def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: Any,
    eps: float,
) -> Tensor:
    _check_floating("batch_norm", input)
    shape = input._type.shape
    if not input._type.numel and len(shape) == 1:  # PyTorch takes this one as well
        return input.clone()  # type: ignore[attr-defined]
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: input must have a channel axis 1, got shape {shape}")
    for name, t in (
        *(("running_mean", running_mean), ("running_var", running_var)),
        *(("weight", weight), ("bias", bias)),
    ):
        if t is not None and t._type.shape != (shape[1],):
            raise ShapeError(
                f"batch_norm: {name} should contain {shape[1]} elements not {t._type.numel} "
                f"(input of shape {shape})"
            )
    if training and shape[1] and input._type.numel == shape[1]:
        raise ShapeError(
            f"batch_norm: Expected more than 1 value per channel when training, got input size "
            f"{shape}"
        )
    x = widen(input)
    column = (shape[1], *(1,) * (len(shape) - 2))
    if training:
        axes = (0, *range(2, len(shape)))
        m = moments(x, axes)
        n = count(shape, axes)
        _move(running_mean, m.mean, momentum)
        if running_var is not None:
            with no_grad():
                unbiased = prims.mul(m.var, n / (n - 1))
            _move(running_var, unbiased, momentum)
    else:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        mean = _column(running_mean, column, x)
        var = _column(running_var, column, x)
        m = Moments(prims.sub(x, mean), None, mean, var)
    scale = prims.rsqrt(prims.add(m.var, eps))
    if weight is not None:
        scale = prims.mul(scale, _column(weight, column, x))
    shift = None if bias is None else _column(bias, column, x)
    out = narrow(_scaled(m, scale, shift), input._type.dtype)
    return keeping_format(input, out)


def _column(t: Tensor, shape: Ints, like: Tensor) -> Tensor:
    return prims.reshape(prims.convert(t, like._type.dtype), shape=shape)


def _move(running: Tensor | None, batch: Tensor, momentum: Any) -> None:
    """running = (1 - momentum) * running + momentum * batch, in place, without history."""
    if running is None:
        return
    with no_grad():
        fresh = prims.reshape(prims.convert(batch, running._type.dtype), shape=running._type.shape)
        if isinstance(momentum, Tensor):
            momentum = prims.convert(momentum, running._type.dtype)
            rest = prims.sub(1, momentum)
        else:
            rest = 1 - momentum
        with LOCK:
            running._write(prims.add(prims.mul(running, rest), prims.mul(fresh, momentum)))


@autocasts
@scoped(grad_fn="NativeLayerNormBackward0")
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last axes, `normalized_shape`, with mean 0 and variance 1, scaled and shifted.

    Raises: ShapeError if the input does not end in `normalized_shape`, or weight or bias
    do not have it. Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """
    axes = _last_axes("layer_norm", input, normalized_shape, weight, bias)
    x = widen(input)
    m = moments(x, axes, shifted=False)
    out = _scaled(m, prims.rsqrt(prims.add(m.var, eps)), None)
    return relayout(narrow(_affine(out, weight, bias), input._type.dtype), None)


@autocasts
@scoped
def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """The last axes, `normalized_shape`, divided by their root mean square, then scaled.

    Source: Zhang & Sennrich 2019, arXiv:1910.07467.
    """
    axes = _last_axes("rms_norm", input, normalized_shape, weight, None, complex=True)
    x = widen(input)
    if eps is None:
        # The dtype's precision.
        eps = 2.0**-52 if x._type.dtype in (float64, complex128) else 2.0**-23
    squares = prims.sum(prims.mul(x, x), axes=axes)
    mean = prims.div(keep(x, squares, axes), count(x._type.shape, axes))
    mean = prims.add(mean, eps)
    if x._type.dtype.is_complex:
        out = prims.div(x, prims.sqrt(mean))
    else:
        out = prims.mul(x, prims.rsqrt(mean))
    return keeping_format(input, narrow(_affine(out, weight, None), input._type.dtype))


def _last_axes(
    name: str,
    input: Tensor,
    normalized_shape: Any,
    weight: Any,
    bias: Any,
    complex: bool = False,
) -> Ints:
    if not (complex and input._type.dtype.is_complex):
        _check_floating(name, input)
    shape = input._type.shape
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not wanted:
        raise ShapeError(f"{name}: normalized_shape must have at least one dimension")
    if shape[len(shape) - len(wanted) :] != wanted or len(shape) < len(wanted):
        raise ShapeError(
            f"{name}: given normalized_shape={list(wanted)}, expected input whose shape ends "
            f"with it, but got input of shape {shape}"
        )
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._type.shape != wanted:
            raise ShapeError(
                f"{name}: expected {what} to be of shape {wanted}, but got {t._type.shape}"
            )
    return tuple(range(len(shape) - len(wanted), len(shape)))


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        x = prims.mul(x, prims.convert(weight, x._type.dtype))
    if bias is not None:
        x = prims.add(x, prims.convert(bias, x._type.dtype))
    return x


@autocasts
@scoped(grad_fn="NativeGroupNormBackward0")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Groups of channels (axis 1) of each sample with mean 0 and variance 1.

    Raises: ShapeError if the groups do not divide the channels, or if there is one sample
    with one value per group.
    Source: Wu & He 2018, arXiv:1803.08494.
    """
    _check_floating("group_norm", input)
    shape = input._type.shape
    if len(shape) < 2:
        raise ShapeError(f"group_norm: expected at least 2 dimensions, got shape {shape}")
    if num_groups < 1 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {shape} and num_groups={num_groups}"
        )
    if input._type.numel == num_groups and shape[0] == 1:
        raise ShapeError(
            f"group_norm: Expected more than 1 value per channel when training, got input size "
            f"{shape}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._type.shape != (shape[1],):
            raise ShapeError(
                f"group_norm: expected {name} to be a vector of size {shape[1]}, the number of "
                f"channels, but got shape {t._type.shape}"
            )
    wide = widen(input)
    x = prims.reshape(wide, shape=(shape[0], num_groups, shape[1] // num_groups, *shape[2:]))
    m = moments(x, tuple(range(2, len(shape) + 1)))
    out = _scaled(m, prims.rsqrt(prims.add(m.var, eps)), None)
    out = prims.reshape(out, shape=shape)
    column = (shape[1], *(1,) * (len(shape) - 2))
    weight = None if weight is None else prims.reshape(weight, shape=column)
    bias = None if bias is None else prims.reshape(bias, shape=column)
    return keeping_format(input, narrow(_affine(out, weight, bias), input._type.dtype))


def keeping_format(input: Tensor, made: Tensor) -> Tensor:
    """`made`, of the shape of `input`, channels last if that is, else in row order."""
    shape = input._type.shape
    return relayout(made, format_strides("norm", shape, suggested(shape, input.stride())))


@scoped(grad_fn="ViewBackward0")
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample with mean 0 and variance 1.

    Running statistics move by the samples' average. Raises: ShapeError for one value per
    channel. Source: Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022.
    """
    if not use_input_stats:
        return _batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _check_floating("instance_norm", input)
    shape = input._type.shape
    axes = tuple(range(2, len(shape)))
    n = count(shape, axes)
    if n == 1:
        raise ShapeError(
            f"instance_norm: Expected more than 1 spatial element when training, got input size "
            f"{shape}"
        )
    x = widen(input)
    m = moments(x, axes)
    for running, batch, factor in (
        (running_mean, m.mean, 1 / shape[0]),
        (running_var, m.var, n / (n - 1) / shape[0]),
    ):
        if running is not None:
            with no_grad():
                average = prims.mul(prims.sum(batch, axes=(0,)), factor)
            _move(running, average, momentum)
    out = _scaled(m, prims.rsqrt(prims.add(m.var, eps)), None)
    column = (shape[1], *(1,) * (len(shape) - 2))
    weight = None if weight is None else prims.reshape(weight, shape=column)
    bias = None if bias is None else prims.reshape(bias, shape=column)
    return relayout(narrow(_affine(out, weight, bias), input._type.dtype), None)


@scoped
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """`input` divided by a power of the squares of neighbouring channels.

    Source: Krizhevsky et al. 2012, section 3.3.
    """
    ndim = input._type.ndim
    if ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {ndim} dimensions)")
    if not input._type.numel:
        return input
    squares = prims.mul(input, input)
    none = (0,) * ndim
    low = tuple(size // 2 if a == 1 else 0 for a in range(ndim))
    high = tuple((size - 1) // 2 if a == 1 else 0 for a in range(ndim))
    padded = prims.pad(squares, 0, low=low, high=high, interior=none)
    total: Tensor | None = None
    for i in range(size):
        part = padded.narrow(1, i, input._type.shape[1])  # type: ignore[attr-defined]
        total = part if total is None else total + part
    assert total is not None
    return input / (total / size * alpha + k) ** beta


def _check_floating(name: str, input: Tensor) -> None:
    if not input._type.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype}")
