"""Tensor: a handle on a storage and a view of it. Imported by the tracer alone.

Behaviour of its own is spelled out here; operators and the hundreds of methods that are
API functions are bound by `methods.py` from tables.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import DTypeError, ShapeError
from ..ir.graph import Value
from ..ir.ops import OPS
from ..ir.types import DType, TensorType, dtype_from_numpy
from . import formats, strided, views
from .devices import Device, as_device
from .reasons import Why
from .recording import recorder_for, user_error
from .state import HANDLES, LOCK, STATE
from .storage import BARE, Storage, Strides, alias, root

if TYPE_CHECKING:
    from ..ir.build import Builder
    from .engine import GradSlot
    from .grad_fn import GradFn
    from .methods import TensorMethods
else:
    TensorMethods = object

_CONVERT = OPS["convert"]
# How often a handle was pointed at another storage: who shares memory may have changed.
REPOINTED = [0]


class Size(tuple):
    """A shape: a tuple of ints that prints as PyTorch's does."""

    __slots__ = ()

    __module__ = "thrace"  # where users find it, and what `type(x)` prints

    def numel(self) -> int:
        out = 1
        for n in self:
            out *= n
        return out

    def __repr__(self) -> str:
        return f"thrace.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        got = tuple.__getitem__(self, index)
        return Size(got) if isinstance(index, slice) else got

    def __add__(self, other: Any) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, tuple(other)))


class Tensor(TensorMethods):
    """A tensor with PyTorch's interface.

    `_storage` and `_view` say what it shows, `_type` its shape and dtype, `_strides`
    PyTorch's strides, None when contiguous.
    """

    __slots__ = ("__dict__", "__weakref__", "_storage", "_strides", "_type", "_view")
    __module__ = "thrace"  # where users find it, and what `type(x)` prints

    _storage: Storage
    _view: views.Link | None
    _type: TensorType
    _strides: Strides

    _copies_grad = True  # by deepcopy; a Parameter's copy starts without

    # Other array libraries leave operators on a mix to us.
    __array_priority__ = 1000

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        if cls is Tensor:
            from .api.creation import legacy_constructor

            return legacy_constructor(*args, **kwargs)
        return object.__new__(cls)

    # Making handles

    @staticmethod
    def _wrap(value: Value, device: Device, strides: Strides = None) -> Tensor:
        """A tensor of its own storage that holds `value`."""
        t = object.__new__(Tensor)
        t._storage = Storage(value, device, strides)
        t._view = None
        t._type = value.type
        t._strides = strides
        return t

    def _handle(self, storage: Storage, link: views.Link | None, type: TensorType) -> Tensor:
        """Another handle, on `link` of `storage`."""
        t = object.__new__(Tensor)
        t._point(storage, link, type)
        return t

    def _point(self, storage: Storage, link: views.Link | None, type: TensorType) -> None:
        self._storage = storage
        self._view = link
        self._type = type
        strides = storage.strides if link is None else link.strides
        if strides is not None and strides == views.contiguous_strides(type.shape):
            strides = None
        self._strides = strides

    def _repoint(self, storage: Storage, link: views.Link | None, type: TensorType) -> None:
        """Point a handle that somebody has at another storage."""
        REPOINTED[0] += 1
        HANDLES[0] += 1
        self._point(storage, link, type)

    # Reading and writing

    def _value(self) -> Value:
        """The value read now; recorded reads of views are shared until the next write."""
        storage = self._storage
        session = STATE.session
        if session is not None and storage.owner is not session:
            session.capture(self)
        link = self._view
        return storage.value if link is None else storage.read(link)

    def _past_hooks(self) -> Tensor:
        """This tensor as a write in place reads it: views with hooks, be it this or one that it was
        made of, are passed by, as in PyTorch, where the write goes to the base."""
        storage, link = self._storage, self._view
        if storage.hooks is None or link is None:
            return self
        return self._handle(storage, views.apart(link), self._type)

    def _write(self, result: Tensor, alike: bool = False) -> Tensor:
        """Make this tensor's elements those of `result`, in place.

        `alike` says that they are all equal, so that a place may be written twice.
        Raises: ShapeError if the shapes differ, DTypeError if the result's kind does not
        fit, RuntimeError where PyTorch refuses the write (leaves, expanded tensors).
        """
        if result._type.shape != self._type.shape:
            raise user_error(
                ShapeError(
                    f"output with shape {list(self._type.shape)} doesn't match the broadcast "
                    f"shape {list(result._type.shape)}"
                )
            )
        value = result._value()
        if value.type.dtype is not self._type.dtype:
            check_cast(value.type.dtype, self._type.dtype)
            b = recorder_for(self._storage.device)
            value = b.emit(_CONVERT, (value,), (self._type.dtype,))
        self._write_value(value, alike)
        return self

    def _write_value(self, value: Value, alike: bool = False) -> None:
        storage = self._storage
        link = self._view
        session = STATE.session
        if session is not None and storage.owner is not session:
            session.capture(self)
        if link is None:
            old = storage.value
            if not STATE.grad_enabled:
                value = alias(value, old.edge)
            elif old.edge is not None and value.edge is None:
                value = _overwritten(recorder_for(storage.device), old, value)
            storage.set(value)
            return
        enabled = STATE.grad_enabled
        family = self._check_writable(link, value.edge is not None) if enabled else None
        own = link
        if storage.hooks is not None:
            link = views.apart(link)
        detached = not enabled or family is not None
        old = storage.value
        b = recorder_for(storage.device)
        edge = None if family is None else family.edge
        try:
            step: views.Link | None = link
            if link.shared:
                if family is not None:
                    edge = self._edge_in(family, link, b, value, alike)
                STATE.grad_enabled = not detached
                value = strided.write(self, b, old, value, alike)
                step = None
            while step is not None:
                if step is family:  # what is behind gets the new elements and no history
                    if edge is not None and value.edge is None:
                        value = _overwritten(b, storage.read(family), value)
                    edge = value.edge
                    STATE.grad_enabled = False
                parent = storage.read(step.parent)
                value = step.write(b, parent, value)
                step = step.parent
            if not detached and old.edge is not None and value.edge is None:
                value = _overwritten(b, old, value)
        except RuntimeError as error:
            raise user_error(error) from None
        finally:
            STATE.grad_enabled = enabled
        storage.set(alias(value, old.edge) if detached else value, not views.is_data(link))
        if family is not None and edge is not family.edge:
            storage.give_history(family, edge)
        if storage.hooks is not None and own in storage.hooks.stale:
            storage.read(own)  # what `retain_grad` keeps goes over at once

    def _edge_in(
        self, family: views.Link, link: views.Link, b: Builder, value: Value, alike: bool
    ) -> Any:
        """The history of the detached view `family` once this view, `link`, of it, which may show
        a place twice, has become `value`."""
        storage = self._storage
        if 0 in self._type.shape:
            return views.write_nothing(b, storage.read(family), value).edge
        if all(s.kind in BARE for s in views.chain(family) if s):
            return strided.write(self, b, storage.read(family), value, alike).edge
        step: views.Link | None = link
        while step is not None and step is not family:
            if step.repeats():
                return family.edge
            value = step.write(b, storage.read(step.parent), value)
            step = step.parent
        if family.edge is not None and value.edge is None:
            value = _overwritten(b, storage.read(family), value)
        return value.edge

    def _check_writable(self, link: views.Link, tracked: bool) -> views.Link | None:
        """The detached view that a write in grad mode, of a value with history or not, ends at.

        Raises: RuntimeError on a leaf, and with history on one of several views of a call.
        """
        step: views.Link | None = link
        while step is not None:
            if step.kind == "detach":
                return step
            if step.kind == "leaf":
                what = "a leaf" if step is link else "a view of a leaf"
                raise user_error(
                    RuntimeError(
                        f"{what} Variable that requires grad is being used in an in-place "
                        "operation."
                    )
                )
            if step.name in views.MANY and (tracked or self.requires_grad):
                raise user_error(
                    RuntimeError(
                        f"a view made by {step.name}() is being modified inplace. This view is the "
                        "output of a function that returns multiple views. Such functions do not "
                        "allow the output views to be modified inplace. You should replace the "
                        "inplace operation by an out-of-place one."
                    )
                )
            step = step.parent
        return None

    def _observe(self) -> Any:
        """The buffer with this tensor's data, evaluated now if it was pending."""
        from .evaluate import observe

        return observe(self)

    def _host(self) -> np.ndarray:
        """The data as a NumPy array that must not be written to."""
        from ..runtime.buffer import to_numpy

        buffer = self._observe()
        try:
            return to_numpy(buffer)
        except RuntimeError:
            with LOCK:  # another thread's call may have donated it meanwhile
                return to_numpy(self._observe())

    def _host_if_ready(self) -> np.ndarray | None:
        """The data if it is on the host already, without evaluating anything. In a recording
        run only what each call makes anew from the same numbers."""
        if STATE.session is not None:
            return STATE.session.constant(self)
        storage, link = self._storage, self._view
        while link is not None and link.kind in ("leaf", "detach"):
            link = link.parent
        value = storage.value
        if link is not None:
            value = storage.cached(link)
        buffer = None if value is None else root(value).buffer
        return buffer if isinstance(buffer, np.ndarray) else None

    # Properties

    @property
    def dtype(self) -> DType:
        """What its elements are."""
        return self._type.dtype

    @property
    def shape(self) -> Size:
        """Its sizes."""
        return Size(self._type.shape)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return self._type.ndim

    @property
    def device(self) -> Device:
        """Where its data is."""
        return self._storage.device

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._type.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._type.size_bytes

    @property
    def layout(self) -> formats.Layout:
        """How its elements lie: always strided."""
        return formats.strided

    @property
    def is_cuda(self) -> bool:
        """Whether its data is on a CUDA device."""
        return self._storage.device.type == "cuda"

    def stride(self, dim: int | None = None) -> Any:
        """Strides in elements, as PyTorch would have laid the tensor out."""
        strides = self._strides
        if strides is None:
            strides = views.contiguous_strides(self._type.shape)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: Any = formats.contiguous_format) -> bool:
        """Whether the elements lie in row order, or in that of another memory format."""
        if memory_format is not formats.contiguous_format:
            if memory_format is formats.preserve_format:
                raise RuntimeError("preserve memory format is unsupported by is_contiguous")
            return formats.lies_in(self._type.shape, self.stride(), memory_format)
        if self._strides is None or 0 in self._type.shape:
            return True
        step = 1
        for n, s in zip(reversed(self._type.shape), reversed(self._strides), strict=True):
            if n != 1:
                if s != step:
                    return False
                step *= n
        return True

    def data_ptr(self) -> int:
        """A number that tensors share exactly if they start at the same element; the address
        where they do while NumPy shares their memory."""
        storage = self._storage
        start = views.offset(self._view, storage.strides, storage.value.type)
        return storage.address() + start * self.itemsize

    # Autograd

    @property
    def _slot(self) -> GradSlot | None:
        link = self._view
        return link.slot if link is not None and link.kind == "leaf" else None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow through it; may be set on a leaf."""
        link = self._view
        while link is not None:
            if link.kind == "leaf":
                return True
            if link.kind == "detach":
                return link.edge is not None
            link = link.parent
        return self._storage.value.edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Make this tensor a leaf that collects a gradient, or stop that."""
        if bool(requires_grad) == self.requires_grad:
            return self
        if requires_grad and self._storage.inference and not STATE.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed."
            )
        if not requires_grad:
            if self._slot is None:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to "
                    "use a computed variable in a subgraph that doesn't require differentiation "
                    "use var_no_grad = var.detach()."
                )
            assert self._view is not None
            # Kept with its slot: `.grad` stays, and hooks are there again when it thaws.
            self.__dict__["_frozen"] = self._view
            self._view.slot.frozen = True
            link = self._view.parent
        else:
            if not (self.dtype.is_floating_point or self.dtype.is_complex):
                raise RuntimeError(
                    "only Tensors of floating point and complex dtype can require gradients"
                )
            link = self._leaf_link()
        if STATE.session is not None:
            STATE.session.note_handle(self)
        HANDLES[0] += 1
        self._point(self._storage, link, self._type)
        return self

    def _leaf_link(self) -> views.Link:
        """The link that makes this tensor a leaf: the one it had before, if it had one."""
        from .engine import GradSlot

        known: views.Link | None = self.__dict__.pop("_frozen", None)
        if known is not None:
            known.slot.frozen = False
        if known is not None and known.parent is self._view and known.type is self._type:
            return known
        slot = GradSlot() if known is None else known.slot
        if slot.owner is None:
            slot.owner = weakref.ref(self)
        kept = self.__dict__.pop("_retained", None)
        if kept is not None:
            slot.set(kept, self)
        return views.Link(self._view, "leaf", (slot,), self._type, self.stride())

    @property
    def _grad_slot(self) -> GradSlot | None:
        """Where `.grad` is: a leaf's slot, also while it is frozen."""
        link = self._view
        if link is None or link.kind != "leaf":
            link = self.__dict__.get("_frozen")
        return None if link is None else link.slot

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user and not by an operation that records history."""
        return self._slot is not None or not self.requires_grad

    @property
    def grad(self) -> Tensor | None:
        """The gradient collected so far: of a leaf, or kept by `retain_grad`."""
        slot = self._grad_slot
        if slot is None:
            if "_retains" not in self.__dict__ and self.requires_grad:
                warnings.warn(
                    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. "
                    "backward() fills it only after retain_grad() on this tensor; perhaps the "
                    "leaf was meant.",
                    UserWarning,
                    stacklevel=2,
                )
            return self._retained_grad()
        if STATE.session is not None:
            STATE.session.note_grad_read(slot, self)
        return slot.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value)}")
        if value is not None and value._type.shape != self._type.shape:
            raise user_error(
                ShapeError(
                    f"assigned grad has data of a different size: {list(value.shape)} for a "
                    f"tensor of size {list(self.shape)}"
                )
            )
        if value is not None and value.dtype is not self.dtype:
            raise user_error(
                DTypeError(f"assigned grad has data of type {value.dtype}, not {self.dtype}")
            )
        slot = self._grad_slot
        if slot is None:
            if STATE.session is not None and self._storage.owner is not STATE.session:
                STATE.session.unfaithful(Why.RETAINED)
            self.__dict__["_retained"] = value
        else:
            slot.set(value, self)

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def _retained_grad(self) -> Tensor | None:
        """What `retain_grad` kept, of a tensor that is no leaf."""
        kept: Tensor | None = self.__dict__.get("_retained")
        session = STATE.session
        if kept is not None and session is not None and kept._storage.owner is not session:
            session.unfaithful(Why.RETAINED)  # whose it is in another call, no trace knows
        return kept

    @property
    def grad_fn(self) -> GradFn | None:
        """The API call that made this tensor, as autograd sees it; None for leaves."""
        if self._slot is not None or not self.requires_grad:
            return None
        from .grad_fn import grad_fn_of

        return grad_fn_of(self._value())

    @property
    def data(self) -> Tensor:
        """The same data without history; assigning puts other data under the tensor."""
        return views.detach(self, data=True)

    @data.setter
    def data(self, new: Tensor) -> None:
        if not isinstance(new, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
        if STATE.session is not None:
            STATE.session.note_handle(self)
        slot = self._slot
        link = new._view
        # A tensor that is no leaf keeps its history.
        edge = None if slot is not None or new._type is not self._type else self._value().edge
        if new.requires_grad or edge is not None:
            link = views.Link(link, "detach", (), new._type, new.stride())
        if edge is not None:
            assert link is not None
            new._storage.give_history(link, edge)
        if slot is not None:
            link = views.Link(link, "leaf", (slot,), new._type, new.stride())
        self._repoint(new._storage, link, new._type)

    def detach(self) -> Tensor:
        """The same data, sharing storage, without history."""
        return views.detach(self)

    def detach_(self) -> Tensor:
        """Drop this handle's history. Raises: RuntimeError for a view."""
        if self._slot is not None:
            return self.requires_grad_(False)  # `.grad` stays
        step = self._view
        while step is not None and step.kind != "detach":
            if step.kind != "leaf":
                raise user_error(
                    RuntimeError(
                        "Can't detach views in-place. Use detach() instead. If you are using "
                        "a DataParallel or DDP module, use detach() on what it returns."
                    )
                )
            step = step.parent
        if STATE.session is not None:
            STATE.session.note_handle(self)
        link = views.Link(self._view, "detach", (), self._type, self.stride())
        HANDLES[0] += 1
        self._point(self._storage, link, self._type)
        return self

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to the `.grad` of the leaves it depends on.

        `gradient` has this tensor's shape and may be left out for a scalar. Raises:
        RuntimeError if nothing requires grad or a graph was freed by an earlier pass.
        """
        from .autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this tensor, which is not a leaf."""
        return self._slot is None and "_retains" in self.__dict__

    @property
    def output_nr(self) -> int:
        """Which of the results of its `grad_fn` this tensor is."""
        from .grad_fn import follow

        return follow(self._value().edge)[1] if self.grad_fn is not None else 0

    def is_inference(self) -> bool:
        """Whether this tensor was made in `inference_mode`."""
        return self._storage.inference

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor that is not a leaf in `.grad`."""
        from .grad_hooks import retain_grad

        retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Call `hook` with this tensor's gradient when it is known; it may return another."""
        from .grad_hooks import register_hook

        return register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Any:
        """Call `hook` with this leaf after its `.grad` was added to."""
        from .grad_hooks import register_post_hook

        return register_post_hook(self, hook)

    # Observation

    def item(self) -> bool | int | float | complex:
        """The only element as a Python number. Raises: RuntimeError for several elements."""
        if self._type.numel != 1:
            raise user_error(
                ShapeError(
                    f"a Tensor with {self._type.numel} elements cannot be converted to Scalar"
                )
            )
        array = self._host()
        if self.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        return array.reshape(()).item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        array = self._host()
        if self.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        return array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy array on this tensor's memory: what one writes, the other reads.

        `force` gives a copy where memory cannot be shared. Raises: RuntimeError if the tensor
        requires grad or shows conjugated numbers, TypeError for bfloat16 and on a GPU.
        """
        from .api.interchange import to_numpy

        return to_numpy(self, force)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to convert {self.dtype} to {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        from .api.interchange import wrap

        return wrap(array)

    def __dlpack__(
        self,
        *,
        stream: Any = -1,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A DLPack capsule on this tensor's memory.

        Raises: BufferError if the tensor requires grad or shows conjugated numbers.
        """
        from .api.interchange import to_dlpack

        return to_dlpack(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self.device.index or 0) if self.is_cuda else (1, 0)

    def __bool__(self) -> bool:
        if self._type.numel != 1:
            if self._type.numel == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())  # type: ignore[arg-type]

    def __float__(self) -> float:
        return float(self.item())  # type: ignore[arg-type]

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in ("bool", "int", "uint") or self._type.numel != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())  # type: ignore[arg-type]

    def __len__(self) -> int:
        if not self._type.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._type.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._type.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter([views.select(self, 0, i, "unbind") for i in range(self._type.shape[0])])

    def __contains__(self, item: Any) -> bool:
        if not isinstance(item, (Tensor, bool, int, float, complex, np.generic)):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(item)}."
            )
        return bool((self == item).any().item())  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self._type.ndim and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        from .formatting import format_tensor

        recorder = STATE.recorder
        if recorder is not None and recorder.is_batched(self._value()):
            from .func.batching import show

            return show(recorder, self)  # type: ignore[arg-type, return-value]
        return format_tensor(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The storage is one object, so what shares it does so again; `copy.copy` shares it too.
        chain: list[tuple] = []
        link = self._view
        while link is not None:
            if link.kind not in ("leaf", "detach"):
                chain.append((link.kind, link.args, link.type, link.strides))
            link = link.parent
        return (_rebuild, (type(self), self._storage, chain[::-1], self.requires_grad))

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment"
            )
        if id(self) in memo:
            return memo[id(self)]
        storage = self._storage
        if STATE.session is not None and storage.owner is not STATE.session:
            STATE.session.capture(self)
        # Tensors that share memory are copied to tensors that share memory.
        shared = memo.get(id(storage))
        if shared is None:
            value = alias(storage.value, None)
            shared = memo[id(storage)] = Storage(value, self.device, storage.strides)
        copy = object.__new__(type(self))
        link = self._view
        if self._slot is not None:
            assert link is not None
            link = link.parent
        copy._point(shared, link, self._type)
        if self._slot is not None:
            copy.requires_grad_()
        memo[id(self)] = copy
        if self._copies_grad and self.grad is not None:
            copy.grad = self.grad.__deepcopy__(memo)
        return copy


def _overwritten(b: Any, old: Value, value: Value) -> Value:
    """`value` in the place of all of `old`, which had history: so has the result, as in
    PyTorch, and the gradient of what was overwritten is zero rather than missing."""
    axes = old.type.ndim
    return b.update_slice(old, value, starts=(0,) * axes, strides=(1,) * axes)


def _rebuild(cls: type, storage: Storage, chain: list[tuple], requires_grad: bool) -> Tensor:
    """The tensor that a pickle describes."""
    link = None
    for step in chain:
        link = views.Link(link, *step)
    type = storage.value.type if link is None else link.type
    if storage.value.edge is not None:  # copied, not read from a pickle
        strides = link.strides if link else storage.strides
        link = views.Link(link, "detach", (), type, strides or views.contiguous_strides(type.shape))
    t = object.__new__(cls)
    t._point(storage, link, type)
    return t.requires_grad_() if requires_grad else t


_KINDS = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def check_cast(source: DType, target: DType) -> None:
    """Raises: DTypeError if a result of dtype `source` may not be written to `target`."""
    if _KINDS[source.kind] > _KINDS[target.kind]:
        raise user_error(
            DTypeError(f"result type {source} can't be cast to the desired output type {target}")
        )


def from_host(
    array: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of the array's data.

    Raises: TypeError for data that no dtype holds (objects, strings, datetimes).
    """
    data = np.asarray(array)
    if dtype is None:
        dtype = dtype_from_numpy(data.dtype)
    data = np.array(data, dtype=dtype.np, order="C")
    data.setflags(write=False)
    value = Value(TensorType(data.shape, dtype), buffer=data)
    with LOCK:
        t = Tensor._wrap(value, as_device(device))
    return t.requires_grad_() if requires_grad else t
