"""The IR's ops as functions on tensors, without promotion. Imported by the tracer's API.

`prims.mul(x, y)` records one node. Operands are tensors, or Python scalars where the op is
elementwise; attributes go by keyword. Dtypes must agree already.
"""

from __future__ import annotations

import builtins
import functools
from typing import Any

from ..ir.errors import DeviceError
from ..ir.ops import OPS
from ..ir.ops.table import Op
from .devices import CPU, Device, as_device
from .recording import recorder_for, user_error
from .state import STATE
from .tensor import Tensor

_new = object.__new__
_CONVERT = OPS["convert"]


def apply(op: Op, operands: tuple[Any, ...], attrs: tuple = (), device: Any = None) -> Any:
    """Record one node on tensors and scalars, and wrap its result(s)."""
    place: Device | None = None
    strided = False
    session = STATE.session
    values = []
    for t in operands:
        if isinstance(t, Tensor):
            storage = t._storage
            if session is not None and storage.owner is not session:
                session.capture(t)
            if place is None:
                place = storage.device
            elif place is not storage.device:
                return apply(op, _one_device(op, operands), attrs, device)
            link = t._view
            values.append(storage.value if link is None else storage.read(link))
            if t._strides is not None:
                strided = True
        else:
            values.append(t)
    if place is None:
        place = CPU if device is None else as_device(device)
    recorder = STATE.recorder
    if recorder is None or recorder.device is not place:
        recorder = recorder_for(place)
    out = recorder.emit(op, tuple(values), attrs)
    if op.multiple:
        return tuple(Tensor._wrap(v, place) for v in out)
    strides = None
    if strided and op.elementwise:
        strides_of = copy_strides if op is _CONVERT else result_strides
        strides = strides_of(out.type.shape, operands)
    return Tensor._wrap(out, place, strides)


def _one_device(op: Op, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands on one device: zero-dimensional CPU tensors join the others, as in PyTorch."""
    places = {t.device for t in operands if isinstance(t, Tensor) and t.ndim}
    places = places or {t.device for t in operands if isinstance(t, Tensor) and t.device != CPU}
    if len(places) == 1:
        place = places.pop()
        moved = [
            t.to(place) if isinstance(t, Tensor) and not t.ndim and t.device == CPU else t  # type: ignore[attr-defined]
            for t in operands
        ]
        # `all` is a primitive in this file.
        if builtins.all(t.device is place for t in moved if isinstance(t, Tensor)):
            return tuple(moved)
    names = " and ".join(sorted({str(t.device) for t in operands if isinstance(t, Tensor)}))
    raise user_error(
        DeviceError(f"{op.name}: expected all tensors to be on the same device, got {names}")
    )


def result_strides(shape: tuple[int, ...], operands: tuple[Any, ...]) -> tuple[int, ...] | None:
    """Strides of an elementwise result: as `copy_strides`, but operands of one shape count as
    contiguous where it has no elements."""
    if 0 in shape and {getattr(t, "shape", None) for t in operands} == {shape}:
        return None
    return copy_strides(shape, operands)


def copy_strides(shape: tuple[int, ...], operands: tuple[Any, ...]) -> tuple[int, ...] | None:
    """Dense strides, the axes in the operands' memory order.

    PyTorch lets the first operand that tells two axes apart decide; axes that none tells
    apart keep their order.
    """
    layouts = [(t._type.shape, t.stride()) for t in operands if isinstance(t, Tensor)]
    return dense_strides(shape, tuple(layouts))


@functools.lru_cache(4096)
def dense_strides(
    shape: tuple[int, ...], layouts: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
) -> tuple[int, ...] | None:
    """`copy_strides` for operands of these shapes and strides."""
    ndim = len(shape)
    padded = []
    for own, strides in layouts:
        lead = ndim - len(own)
        padded.append(
            (0,) * lead
            + tuple(
                0 if n == 1 and m != 1 else s
                for n, m, s in zip(own, shape[lead:], strides, strict=True)
            )
        )

    def inner_first(a: int, b: int) -> int:
        """Below zero if axis `a` lies inside axis `b` in memory, above if outside."""
        for strides in padded:
            if strides[a] == 0 or strides[b] == 0:
                continue
            if strides[a] != strides[b]:
                return -1 if strides[a] < strides[b] else 1
            if shape[a] > shape[b]:
                return 1
        return 0

    order = list(range(ndim - 1, -1, -1))  # innermost first
    for i in range(1, ndim):
        at = i
        for j in range(i - 1, -1, -1):
            sign = inner_first(order[j], order[at])
            if sign > 0:
                order[j], order[at] = order[at], order[j]
                at = j
            elif sign < 0:
                break
    if order == list(range(ndim - 1, -1, -1)):
        return None
    out = [0] * ndim
    step = 1
    for axis in order:
        out[axis] = step
        step *= max(shape[axis], 1)
    return tuple(out)


def _function(row: Op) -> Any:
    if not row.attrs:

        def prim(*operands: Any) -> Any:  # type: ignore[no-redef]
            return apply(row, operands)

    else:

        def prim(*operands: Any, device: Any = None, **attrs: Any) -> Any:
            return apply(row, operands, row.pack(attrs), device)

    prim.__name__ = row.name
    prim.__doc__ = f"Record a `{row.name}` node."
    return prim


def convert(x: Tensor, dtype: Any) -> Tensor:
    """`x` with another dtype; `x` itself if it has that dtype."""
    return x if x._type.dtype is dtype else apply(_CONVERT, (x,), (dtype,))


_CONVERT = OPS["convert"]
for _name, _row in OPS.items():
    if _name != "convert":
        globals()[_name] = _function(_row)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"no primitive op is named {name!r}")
