"""Memory that a storage shares with NumPy: what one side writes, the other reads.

Buffers are never written to, so a storage whose memory NumPy can reach keeps that memory
beside its value. Reading such a storage takes a copy of the memory if it was written since
the last look; writing evaluates and puts the result there at once (in a compiled function at
the end of the call). When nobody else has the memory any more, the storage is an ordinary
one again. Imported by the tracer alone.
"""

from __future__ import annotations

import sys
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.graph import Value
from ..ir.types import TensorType, dtype_from_numpy
from . import bits, views
from .devices import CPU
from .recording import Recorder, settle_foreign
from .state import LOCK, STATE
from .storage import Storage, Strides, root
from .strided import memory_order, span, start_of

if TYPE_CHECKING:
    from .tensor import Tensor
    from .views import Link

_HELD = Storage.__dict__["value"]

# The storages that share memory now, by where it begins, its layout and dtype.
_SHARING: dict[tuple, weakref.ref[SharedStorage]] = {}

READ_ONLY = (
    "The given {} is not writable, and tensors that cannot be written to are not supported: a "
    "write to this tensor will give it memory of its own. You may want to copy the data, or make "
    "it writable, before converting it to a tensor."
)


class Memory:
    """A piece of memory: `flat` in the order of places, `shaped` as the storage's base.

    `owner` is the array that has it, None if that cannot be told; `stale` says that the
    storage's value has yet to be put there; `session` is the run in which it was last shown.
    """

    __slots__ = ("begin", "end", "flat", "key", "order", "owner", "session", "shaped", "stale")

    def __init__(self, flat: np.ndarray, type: TensorType, strides: Strides, owner: Any):
        steps = strides if strides and type.numel else views.contiguous_strides(type.shape)
        order = memory_order(type.shape, steps) if type.numel else (*range(type.ndim),)
        assert order is not None
        size = flat.dtype.itemsize
        self.flat = flat
        self.shaped = np.ndarray(type.shape, flat.dtype, flat, 0, [s * size for s in steps])
        self.order = order
        self.owner = owner
        self.stale = False
        self.session = STATE.session
        self.begin = flat.ctypes.data
        self.end = self.begin + flat.nbytes
        self.key = (self.begin, type, steps)

    def is_abandoned(self) -> bool:
        """Whether nobody but us can reach the memory."""
        return self.owner is not None and sys.getrefcount(self.owner) <= _OWNER_REFS

    def shows(self, array: np.ndarray) -> bool:
        """Whether what is there is `array`, bit for bit."""
        unit = f"u{min(self.flat.dtype.itemsize, 8)}"
        array = np.ascontiguousarray(array.transpose(self.order)).reshape(-1)
        return np.array_equal(self.flat.view(unit), array.view(unit))

    def copy(self) -> np.ndarray:
        array = self.shaped.copy("C")
        array.setflags(write=False)
        return array

    def overlaps(self, other: Memory) -> bool:
        return self.begin < other.end and other.begin < self.end

    def window(self, t: Tensor) -> np.ndarray:
        """The elements of a tensor on this memory, where they are."""
        if not t._type.numel:  # NumPy refuses strides over no memory
            return np.empty(t._type.shape, t._type.dtype.np)
        size = t._type.dtype.itemsize
        return np.ndarray(
            t._type.shape,
            t._type.dtype.np,
            self.flat,
            start_of(t) * size,
            [s * size for s in t.stride()],
        )


class SharedStorage(Storage):
    """What a `Storage` is while it shares memory; `export` has the memory."""

    __slots__ = ()

    export: Memory

    @property
    def value(self) -> Value:  # type: ignore[override]
        """The base's value, read anew if the memory was written."""
        with LOCK:
            held: Value = _HELD.__get__(self)
            memory = self.export
            if memory is None:  # another thread has just found that nobody shares it
                return held
            buffer = root(held).buffer
            if memory.stale:
                if not _is_data(buffer):
                    return held  # pending in a compiled function, or without data
                self._put(buffer)
                return held
            if buffer is not None and not _is_data(buffer):
                return held
            alone = memory.is_abandoned()
            if buffer is None or not memory.shows(_host(buffer)):
                session = STATE.session
                if session is not None:
                    session.note_outside_write(self)
                held = Value(held.type, edge=held.edge, buffer=_taken(memory, alone))
                _HELD.__set__(self, held)
                self.cache = None
            if alone:
                self._leave()
            return held

    @value.setter
    def value(self, new: Value) -> None:
        with LOCK:
            _HELD.__set__(self, new)
            if self.export is None:
                return
            self.export.stale = True
            source = root(new)
            if source.node is not None:
                owner = source.node.owner
                if type(owner) is not Recorder:
                    return  # one example of many, or a branch: written where that ends
                if owner.session is not None and not owner.session.sees(self):
                    return  # written when the call ends
                _compute(owner, source)
            self.flush()

    def set(self, value: Value, counted: bool = True) -> None:
        source = root(value)
        if source.node is not None:
            owner = source.node.owner
            if type(owner) is Recorder and owner.session is None:
                _evaluate(source)
        Storage.set(self, value, counted)

    def read(self, link: Link | None) -> Value:
        held = self.value  # forgets the views if it changed
        return held if link is None else Storage.read(self, link)

    def address(self) -> int:
        return self.export.begin

    def flush(self) -> None:
        """Put a value that has data into the memory."""
        with LOCK:
            source = root(_HELD.__get__(self))
            if self.export.stale and source.node is not None and source.buffer is None:
                _evaluate(source)
            if self.export.stale and _is_data(source.buffer):
                self._put(source.buffer)

    def _put(self, buffer: Any) -> None:
        memory = self.export
        memory.stale = False
        if memory.shaped.flags.writeable:
            memory.shaped[...] = _host(buffer)
        elif not memory.shows(_host(buffer)):
            self._leave()

    def _leave(self) -> None:
        """Be an ordinary storage, which keeps its value."""
        found = _SHARING.get(self.export.key)
        if found is not None and found() is self:
            del _SHARING[self.export.key]
        self.export = None  # type: ignore[assignment]
        self.__class__ = Storage  # type: ignore[assignment]


def _is_data(buffer: Any) -> bool:
    """Whether a buffer has numbers: it is there, stands for some, and no call consumed it."""
    if isinstance(buffer, np.ndarray):
        return True
    return hasattr(buffer, "is_deleted") and not buffer.is_deleted()


def _host(buffer: Any) -> np.ndarray:
    from ..runtime.buffer import to_numpy

    return to_numpy(buffer)


def _taken(memory: Memory, alone: bool) -> np.ndarray:
    """What is in the memory: that itself if we alone have it, else a copy."""
    if alone and memory.shaped.flags.c_contiguous:
        array = memory.shaped
        array.setflags(write=False)
        return array
    return memory.copy()


def _evaluate(source: Value) -> None:
    """Give a pending value its data, and all that is pending with it."""
    from .evaluate import evaluate

    owner = source.node.owner  # type: ignore[union-attr]
    if owner.thread == threading.get_ident():
        evaluate(owner, [source])
    else:
        settle_foreign(source)


def _compute(owner: Recorder, source: Value) -> None:
    """Give a pending value its data and leave it pending: NumPy is about to look."""
    from .evaluate import Plan, prepare

    if source.buffer is None:
        results: list[Any] = []
        prepared = prepare(Plan(list(owner.nodes), [source]), owner.device, results)
        if prepared is not None:
            prepared(results)
        (source.buffer,) = results


def sharing() -> list[SharedStorage]:
    """The storages that share memory."""
    return [s for r in list(_SHARING.values()) if (s := r()) is not None and s.export is not None]


def are_several() -> bool:
    return len(_SHARING) > 1


def is_seen(storage: Storage, arrays: list[np.ndarray]) -> bool:
    """Whether one of the arrays, or another storage, is on a storage's memory."""
    assert isinstance(storage, SharedStorage)
    memory = storage.export
    for array in arrays:
        low, high = np.lib.array_utils.byte_bounds(array)
        if low < memory.end and memory.begin < high:
            return True
    return any(s is not storage and s.export.overlaps(memory) for s in sharing())


def is_entangled(storages: list[Any], written: list[Any]) -> bool:
    """Whether one of the written storages shares memory with another storage."""
    others = [s for s in storages if isinstance(s, SharedStorage)]
    return any(
        a is not b and a.export.overlaps(b.export)
        for a in written
        if isinstance(a, SharedStorage)
        for b in others
    )


def _share(storage: Storage, memory: Memory) -> None:
    storage.export = memory
    storage.__class__ = SharedStorage  # type: ignore[assignment]
    key = memory.key
    # In C: an interrupt in a callback of ours would be forgotten.
    _SHARING[key] = weakref.ref(storage, partial(_SHARING.pop, key))  # type: ignore


def export(t: Tensor) -> np.ndarray:
    """An array on the memory of a tensor, which has data and is on the CPU."""
    with LOCK:
        storage = t._storage
        base = t._handle(storage, None, storage.value.type)
        if not isinstance(storage, SharedStorage):
            data = base._host()
            owner = np.empty(data.size, data.dtype)
            memory = Memory(owner[:], base._type, storage.strides, owner)
            memory.shaped[...] = data
            _share(storage, memory)
        elif STATE.session is not None:
            base._observe()
            storage.flush()
        storage.export.session = STATE.session
        return storage.export.window(t)  # type: ignore[union-attr]


def owner_of(array: np.ndarray) -> np.ndarray | None:
    """The array whose memory `array` shows, None if something else may have it too."""
    while type(array) is np.ndarray and array.base is not None:
        array = array.base
    return array if type(array) is np.ndarray and array.flags.owndata else None


def from_array(array: np.ndarray) -> Tensor:
    """A tensor on the memory of an array.

    Raises: ValueError for strides and byte orders that no tensor has, TypeError for dtypes.
    """
    dtype = _dtype_of(array)
    size = dtype.itemsize
    if any(s % size for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    strides = tuple(s // size for s in array.strides)
    if any(s < 0 for s in strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) "
        )
    shape = array.shape
    if 0 in shape:
        strides = views.contiguous_strides(shape)
    elif memory_order(shape, strides) is None:
        count = span(shape, strides)
        line = np.lib.stride_tricks.as_strided(array, (count,), (size,))
        return _windowed(_on_memory(line, None, array), shape, strides)
    return _on_memory(array, strides, array)


def _on_memory(array: np.ndarray, strides: Any, given: np.ndarray) -> Tensor:
    """A tensor of its own storage on the memory of an array without gaps."""
    from .tensor import Tensor

    type_ = TensorType(array.shape, dtype_from_numpy(array.dtype))
    if strides == views.contiguous_strides(array.shape):
        strides = None
    owner = owner_of(given)
    flat = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,))
    if owner is not None and owner.flags.forc:
        # A view that the owner alone keeps alive, so that its references can be counted.
        whole = owner.reshape(-1, order="A")
        first = (array.ctypes.data - owner.ctypes.data) // owner.itemsize
        whole = whole.view(array.dtype) if whole.dtype != array.dtype else whole
        flat = whole[first : first + array.size]
        del whole
    else:
        owner = None
    if not given.flags.writeable:
        flat = flat.view()
        flat.setflags(write=False)
    with LOCK:
        memory = Memory(flat, type_, strides, owner)
        found = _SHARING.get(memory.key)
        storage = None if found is None or not array.size else found()
        if storage is not None and storage.value.edge is None and storage.export is not None:
            t = object.__new__(Tensor)
            t._point(storage, None, type_)
            return t
        t = Tensor._wrap(Value(type_), CPU, strides)  # without data: it is read when needed
        _share(t._storage, memory)
    return t


def _windowed(t: Tensor, shape: Any, strides: Any) -> Tensor:
    from .strided import as_strided

    return as_strided(t, shape, strides, 0, "")


def _dtype_of(array: np.ndarray) -> Any:
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    try:
        return dtype_from_numpy(array.dtype)
    except TypeError:
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype.type.__module__}."
            f"{array.dtype.type.__name__}. The only supported types are: float64, float32, "
            "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, "
            "uint8, and bool."
        ) from None


def check_exportable(t: Tensor) -> None:
    """Raises: RuntimeError or TypeError where a tensor has no NumPy array that shows it."""
    if t.requires_grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if t.is_cuda:
        raise TypeError(
            f"can't convert {t.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
            "tensor to host memory first."
        )
    if t._type.dtype.name == "bfloat16":
        raise TypeError("Got unsupported ScalarType BFloat16")
    for shows, what, name in (
        (bits.is_conj, "conjugate", "conj"),
        (bits.is_neg, "negative", "neg"),
    ):
        if shows(t._view):
            raise RuntimeError(
                f"Can't call numpy() on Tensor that has {what} bit set. Use "
                f"tensor.resolve_{name}().numpy() instead."
            )


def _count_references() -> int:
    """References to an owner that a `Memory` alone has."""
    owner = np.empty(2)
    memory = Memory(owner[:], TensorType((2,), dtype_from_numpy(owner.dtype)), None, owner)
    del owner
    return sys.getrefcount(memory.owner)


_OWNER_REFS = _count_references()
