"""Power pooling, fractional pooling, and the way back from maxima. Public as `nn.functional`."""

from __future__ import annotations

import math
from typing import Any

from ....ir.errors import ShapeError
from ....ir.types import int64
from ... import prims
from ...amp.autocast import autocasts_if_listed
from ...api.random import rand
from ...promotion import check_tensor
from ...scoping import scoped
from ...tensor import Tensor
from ..factory import pair
from .common import check_range
from .pool import avg_pool1d, avg_pool2d, avg_pool3d

_AVERAGES = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


def _lp_pool(rank: int) -> Any:
    name = f"lp_pool{rank}d"

    @scoped(name=name)
    def pool(
        input: Tensor,
        norm_type: float,
        kernel_size: Any,
        stride: Any = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        powers = input**norm_type  # type: ignore[operator]
        mean = _AVERAGES[rank](powers, kernel_size, stride, 0, ceil_mode)
        count = math.prod(pair(kernel_size, rank, "kernel_size"))
        sums = mean.sign() * mean.abs().relu() * count  # type: ignore[attr-defined]
        return sums ** (1.0 / norm_type)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = """The `norm_type`-norm of each window; `stride` is `kernel_size` by default."""
    return pool


lp_pool1d, lp_pool2d, lp_pool3d = _lp_pool(1), _lp_pool(2), _lp_pool(3)


def _unpooled(
    rank: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    name = f"max_unpool{rank}d"
    check_tensor(name, input)
    check_tensor(name, indices, "indices", 2)
    kernel = pair(kernel_size, rank, "kernel_size")
    steps = kernel if stride is None else pair(stride, rank, "stride")
    pads = pair(padding, rank, "padding")
    shape = input._type.shape
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(f"{name}: expected {rank + 1} or {rank + 2} dimensions, got {list(shape)}")
    if indices._type.shape != shape:
        raise ShapeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    default = [
        (n - 1) * s - 2 * p + k
        for n, s, p, k in zip(shape[-rank:], steps, pads, kernel, strict=True)
    ]
    sizes = default if output_size is None else list(output_size)[-rank:]
    for d, (n, s) in enumerate(zip(sizes, steps, strict=True)):
        if output_size is not None and not default[d] - s < n < default[d] + s:
            raise ValueError(
                f'invalid output_size "{output_size}" (dim {d} must be between '
                f"{default[d] - s} and {default[d] + s})"
            )
    lead, count = shape[:-rank], math.prod(shape[-rank:])
    at = prims.convert(indices, int64).reshape(*lead, count)
    check_range(at, math.prod(sizes), f"{name}: found an invalid max index: {{}}")
    flat = input.new_zeros(*lead, math.prod(sizes))  # type: ignore[attr-defined]
    return flat.scatter(len(lead), at, input.reshape(*lead, count)).reshape(*lead, *sizes)


def _max_unpool(rank: int) -> Any:
    name = f"max_unpool{rank}d"

    @scoped(name=name)
    def unpool(
        input: Tensor,
        indices: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Tensor:
        return _unpooled(rank, input, indices, kernel_size, stride, padding, output_size)

    unpool.__name__ = unpool.__qualname__ = name
    unpool.__doc__ = f"""What `max_pool{rank}d` took put back where it was, zeros elsewhere.

    `indices` are those that it gave; `output_size` settles what the windows leave open.
    """
    return autocasts_if_listed(unpool)


max_unpool1d, max_unpool2d, max_unpool3d = _max_unpool(1), _max_unpool(2), _max_unpool(3)


def _starts(sample: Tensor, size: int, count: int, kernel: int) -> Tensor:
    """Where `count` windows of one axis begin, (N, C, count): steps vary, the last one fits."""
    if count == 1:
        first = prims.mul(prims.convert(sample, int64), 0)
        return prims.add(first, size - kernel).unsqueeze(-1)  # type: ignore[attr-defined]
    alpha = (size - kernel) / (count - 1)
    line = prims.iota(shape=(count,), axis=0, dtype=sample._type.dtype, device=sample.device)
    moved = prims.mul(prims.add(line, sample.unsqueeze(-1)), alpha)  # type: ignore[attr-defined]
    base = prims.mul(sample, alpha).unsqueeze(-1)  # type: ignore[attr-defined]
    starts = prims.sub(prims.convert(moved, int64), prims.convert(base, int64))
    return prims.select(prims.eq(line, count - 1), size - kernel, starts)


def _fractional(
    name: str, rank: int, input: Tensor, kernel_size: Any, output_size: Any, samples: Tensor
) -> tuple[Tensor, Tensor]:
    kernel, out = pair(kernel_size, rank, "kernel_size"), pair(output_size, rank, "output_size")
    shape = input._type.shape
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{name}: Expected {rank + 1}D or {rank + 2}D tensor, but got: {list(shape)}"
        )
    if 0 in shape[len(shape) - rank - 1 :]:
        raise ShapeError(f"{name}: Expected input to have non-zero size, got {list(shape)}")
    x = input if len(shape) == rank + 2 else input.unsqueeze(0)  # type: ignore[attr-defined]
    n, c, *sizes = x._type.shape
    if samples._type.shape != (n, c, rank):
        raise ShapeError(
            f"{name}: expect _random_samples of shape {(n, c, rank)}, got {list(samples.shape)}"
        )
    for size, k, o in zip(sizes, kernel, out, strict=True):
        if k < 1 or o < 1 or o + k - 1 > size:
            raise ShapeError(
                f"{name}: pool of size {k} and output of size {o} do not fit input of size {size}"
            )
    total = math.prod(sizes)
    line = prims.iota(shape=(total,), axis=0, dtype=int64, device=x.device)
    at = prims.broadcast(prims.reshape(line, shape=tuple(sizes)), shape=(n, c, *sizes))
    x = input.reshape(n, c, *sizes)
    for a, (size, k, o) in enumerate(zip(sizes, kernel, out, strict=True)):
        # PyTorch's samples are in the order W, H, but D, H, W.
        sample = samples[:, :, rank - 1 - a if rank == 2 else a]  # type: ignore[index]
        place = _starts(sample, size, o, k).unsqueeze(-1)  # type: ignore[attr-defined]
        steps = prims.iota(shape=(k,), axis=0, dtype=int64, device=x.device)
        index = prims.add(place, steps).reshape(n, c, *(1,) * a, o * k, *(1,) * (rank - 1 - a))
        index = index.expand(*x._type.shape[: 2 + a], o * k, *x._type.shape[3 + a :])
        x, at = x.gather(2 + a, index), at.gather(2 + a, index)  # type: ignore[attr-defined]
    split = [n for o, k in zip(out, kernel, strict=True) for n in (o, k)]
    perm = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2))
    count = math.prod(kernel)
    x, at = (t.reshape(n, c, *split).permute(perm).reshape(n, c, *out, count) for t in (x, at))
    best, first = x.max(-1)
    at = at.gather(-1, first.unsqueeze(-1)).squeeze(-1)
    return (best, at) if len(shape) == rank + 2 else (best.squeeze(0), at.squeeze(0))


def _fractional_max_pool(rank: int) -> Any:
    name = f"fractional_max_pool{rank}d"

    @scoped(name=name)
    def pool(
        input: Tensor,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Any:
        shape = input._type.shape
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        if output_size is None:
            ratios = (output_ratio,) * rank if isinstance(output_ratio, float) else output_ratio
            if len(ratios) != rank:
                raise ValueError(
                    f"{name} requires output_ratio to either be a single float or tuple of floats."
                )
            sizes = shape[len(shape) - rank :]
            output_size = tuple(int(n * r) for n, r in zip(sizes, ratios, strict=True))
        if _random_samples is None:
            count = shape[0] if len(shape) == rank + 2 else 1
            lead = (count, shape[-rank - 1], rank)
            _random_samples = rand(lead, dtype=input._type.dtype, device=input.device)
        best, at = _fractional(name, rank, input, kernel_size, output_size, _random_samples)
        return (best, at) if return_indices else best

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = """The largest element of windows whose steps are drawn at random.

    The result has `output_size`, or `output_ratio` of the input's. `_random_samples` (N, C,
    axes) takes the place of the draw. Under `return_indices`, also places as in `max_pool2d`.
    Source: Graham 2014, arXiv:1412.6071.
    """
    return autocasts_if_listed(pool)


fractional_max_pool2d, fractional_max_pool3d = _fractional_max_pool(2), _fractional_max_pool(3)
