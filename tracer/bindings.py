"""Where a trace reads its inputs and what it sets: the records that a trace is made of.

Imported by `building.py`, which fills them, `replay.py`, which follows them, and `guards.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .autograd import GradSlot
from .evaluate import observe
from .hyper import read as read_hyper
from .session import Hyper
from .storage import root
from .tensor import Tensor
from .views import Link


class Binding(NamedTuple):
    """Where an input is read at each call.

    `kind`: "argument" (`ref` its number), "storage" (a weak reference to a handle or, for
    storages without a lasting handle, to the storage), "entry" (the `read` of an attribute
    or variable that the run assigns another tensor to), "grad" (the slot), "hyper" (a
    `HyperInput`), "constant" (the buffer). An argument enters as what it shows, or as its
    `whole` storage where that is written.
    """

    kind: str
    ref: Any
    name: str
    whole: bool = False


class Source(NamedTuple):
    """Where a storage's new value comes from: output number, and which output's history it
    has (None: none; -1: that of the value it replaces)."""

    output: int
    history: int | None


class New(NamedTuple):
    """A storage that each call makes."""

    source: Source
    strides: Any
    inference: bool = False
    writes: int = 0


class Leaf(NamedTuple):
    """An entry of the result.

    `kind`: "new" (on the new storage `index`, seen through `link`), "bound" (likewise on the
    storage of a binding; `ref` is the handle of the recording run, returned again if it
    still lives), "again" (the same object as entry `index`), "owner" (the tensor that a
    binding finds, itself), "handle" (the tensor that was there before, which the run has pointed
    elsewhere), "view" (what `link` shows of argument `index`, whose own view was
    `ref`), "below" (likewise, of what it was before the run made it a leaf), "argument" (argument
    `index` itself), "grad" (the `.grad` in slot `index`, on the new storage `ref`), "static"
    (`index` is no tensor).
    """

    kind: str
    index: Any
    link: Link | None = None
    ref: Any = None


# A handle: the number of the argument that it is, or a weak reference.
HandleRef = int | weakref.ref[Tensor]
# A gradient slot: the number of the argument it belongs to, or a weak reference.
SlotRef = int | weakref.ref[GradSlot]


class HyperValue:
    """An input that no storage holds."""

    __slots__ = ("buffer", "source")

    def __init__(self, buffer: Any):
        self.buffer = buffer
        self.source = None


class HyperInput:
    """A hyper-parameter as an input. Its array is made again only when the number changed;
    a tensor gives what it holds."""

    __slots__ = ("after", "group", "holder", "index", "key", "number")

    def __init__(self, hyper: Hyper):
        self.group, self.key, self.index = hyper.group, hyper.key, hyper.index
        self.after = hyper.after
        self.number: Any = None
        self.holder: Any = None

    def value(self) -> Any:
        number = read_hyper(self.group, self.key, self.index)
        if isinstance(number, Tensor):
            observe(number)
            return root(number._storage.value)
        if self.holder is None or number is not self.number:
            self.number = number
            self.holder = HyperValue(np.asarray(number, np.float64))
        return self.holder


def signature_of(view: Link | None) -> tuple:
    """A chain of views, comparable."""
    return () if view is None else view.signature()


def argument_slots(arguments: Sequence[Any]) -> dict[int, int]:
    """Which argument each gradient slot belongs to, frozen ones among them."""
    slots: dict[int, int] = {}
    for i, a in enumerate(arguments):
        slot = a._grad_slot if isinstance(a, Tensor) else None
        if slot is not None:
            slots.setdefault(id(slot), i)
    return slots
