"""What a recording run depends on outside its arguments, and what it changed there.

A profile hook sees every Python function that runs. The names in its code say which
globals, closure variables and attributes it may read or write; those are noted as the
function starts (`follow.py`), become guards, and are compared when the run ends. Imported by
the recording session alone.
"""

from __future__ import annotations

import gc
import logging
import operator
import sys
import types
from collections.abc import Callable
from enum import EnumMeta
from typing import Any

import numpy as np

from ..ir.source import RawLocation
from . import codes
from .codes import LIBRARY, OURS, USER, file_of, makes_strings, origin
from .entries import MAX_ITEMS, Entry, namespace
from .follow import BY_NAME, Follow, has_form, hypers
from .reasons import Why
from .restoring import Restoring
from .tensor import Tensor
from .unrepeatable import FILE, MUTATORS, TEXT, reason_against

# Names of code that may read an optimizer's hyper-parameters.
_OURS: set[str] = set()  # files of the project, as far as they ran
_READS_HYPERS = frozenset(("param_groups", "get_last_lr", "get_lr", "defaults"))


# What the standard library does with these is known, or guarded as a whole.
_KNOWN = (types.FunctionType, types.ModuleType, EnumMeta, logging.Logger)


class Watch(Follow):
    """Collects names and reasons while a function runs under `sys.setprofile`."""

    def __init__(self, blame: Callable[..., None]):
        super().__init__()
        self.blame = blame
        # Functions that ran, and what was in their closure variables when they did.
        self.entered: dict[tuple[Any, int], tuple[Any, ...]] = {}
        self.mutated: list[tuple[Any, RawLocation]] = []
        self.next_calls: list[RawLocation] = []
        self.paused = 0
        # NumPy's generators raise no event when they draw; their state says that they did.
        self.generators: dict[int, tuple[Any, str, Any]] = {}
        legacy = sys.modules.get("numpy.random")
        if legacy is not None:
            self.generators[id(legacy)] = (legacy, "random", _drawn(legacy))
        # The collector may run at any time, and with it what others hung on it.
        self.ignored = {getattr(callback, "__code__", None) for callback in gc.callbacks}

    def event(self, frame: types.FrameType, kind: str, arg: Any) -> None:
        code = frame.f_code
        if code.co_filename in _OURS:  # nearly all events
            return
        whose = origin(code.co_filename)
        if whose is OURS:
            _OURS.add(code.co_filename)
            return
        if self.paused or code in self.ignored:
            return
        if kind == "c_call":
            self.c_call(frame, arg, whose)
        elif kind == "call":
            if whose is USER:
                self.enter(frame)
            elif code.co_argcount:
                self.enter_library(frame)

    def enter(self, frame: types.FrameType) -> None:
        """Note what a function's code names, before it runs."""
        code = frame.f_code
        if frame.f_globals.get("__name__", "").startswith("namedtuple_"):
            return
        if code.co_name == "<module>" and _importing(frame.f_back):
            return
        variables = frame.f_locals
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & 4) + bool(code.co_flags & 8)
        for name in code.co_varnames[:count]:
            if name in variables and name[0] != ".":  # a comprehension's own iterator
                self.look(variables[name], name, lasting=False)
        # Finding the cells of closure variables takes a look at all objects there are: not for
        # a function with the very variables of one that ran before.
        held = tuple([variables.get(name) for name in code.co_freevars])
        before = self.entered.get((code, id(frame.f_globals)))
        if before is not None and all(map(operator.is_, held, before)):
            return
        if not any(isinstance(value, Tensor) for value in held):  # to be let go when it ends
            self.entered[code, id(frame.f_globals)] = held
        self.read_code(code, frame.f_globals, codes.cells(frame, self.functions))

    def enter_library(self, frame: types.FrameType) -> None:
        """Note what the standard library reads of an object that is followed."""
        code = frame.f_code
        first = frame.f_locals.get(code.co_varnames[0])
        followed = self.objects.get(id(first))
        if followed is None or isinstance(first, _KNOWN):
            return
        if origin(file_of(type(first))) is LIBRARY:
            self.attributes(first, followed.label, set(codes.names(code)))
        elif frame.f_back is not None and origin(frame.f_back.f_code.co_filename) is USER:
            self.attributes(first, followed.label, {"__dict__"})

    def look(self, value: Any, label: str, depth: int = 0, lasting: bool = True) -> None:
        super().look(value, label, depth, lasting)
        if type(value).__module__.startswith("numpy.random") and (
            hasattr(value, "bit_generator") or hasattr(value, "get_state")
        ):
            name = label.rpartition(".")[2]
            self.generators.setdefault(id(value), (value, name, _drawn(value)))

    def c_call(self, frame: types.FrameType, fn: Any, whose: str) -> None:
        """Look at a C function that is about to be called."""
        name = getattr(fn, "__name__", "")
        owner = getattr(fn, "__self__", None)
        against = reason_against(fn)
        if against:
            place = self._user_place(frame)
            if place is not None:
                self.blame(against[0], place, *against[1:])
        elif isinstance(owner, TEXT):
            place = self._user_place(frame)
            if place is not None:
                self.mutated.append((owner, place))
        if whose is not USER:
            return
        place = (frame.f_code, frame.f_lasti)
        if owner is not None and not isinstance(owner, types.ModuleType):
            if name in MUTATORS:
                self.mutated.append((owner, place))
        elif name == "next" and fn is next:
            self.next_calls.append(place)
        elif name in BY_NAME:
            self.name_attributes(frame)
        elif fn is globals or fn is dir:
            self.blame(Why.LOOKUP, place, f"{name}()")
        elif fn is id:
            self.blame(Why.IDENTITY, place, "id()")
        elif fn is vars:
            self.name({"__dict__"})

    def _user_place(self, frame: types.FrameType | None) -> RawLocation | None:
        """Where the user's code called what the standard library does."""
        while frame is not None and origin(frame.f_code.co_filename) is LIBRARY:
            frame = frame.f_back
        if frame is None or origin(frame.f_code.co_filename) is not USER:
            return None
        return (frame.f_code, frame.f_lasti)

    def name_attributes(self, frame: types.FrameType) -> None:
        """Note the attributes that `getattr` and its like may be about to name: those that
        the function's variables spell, or any if it puts strings together."""
        spaces = [frame.f_locals.values(), frame.f_globals.values()]
        names = {v for space in spaces for v in space if isinstance(v, str) and v.isidentifier()}
        self.stored |= names
        if makes_strings(frame.f_code):
            for followed in self.objects.values():
                if not isinstance(followed.value, types.ModuleType):
                    names.update(namespace(followed.value) or ())
        new = names - self.names
        self.names |= new
        self.name(new)

    # What shows only once the run is over

    def blame_silent(self, scheduled: bool) -> None:
        """Give as reasons the changes that raised no event. `scheduled` says that a schedule
        changed the optimizers, which a replay repeats."""
        for generator, name, before in self.generators.values():
            if _drawn(generator) != before:
                self.blame(Why.NUMPY_RANDOM, self.line_naming(name))
        self.forget_own_objects()
        for followed in self.objects.values():
            value, label, kind, _ = followed
            if issubclass(kind, Restoring):
                continue
            if issubclass(kind, FILE):
                if not issubclass(kind, TEXT):
                    self.blame(Why.FILE, self.line_naming(label.rpartition(".")[2]))
            elif hasattr(kind, "__next__"):
                place = self.next_calls[0] if self.next_calls else None
                place = place or self.line_naming(label.rpartition(".")[2].removesuffix("[...]"))
                self.blame(Why.ITERATOR, place)
            if type(value) is not kind:
                self.blame(Why.CHANGES, self.line_naming("__class__"), f"the class of {label}")
        for label in self.large_arrays:
            self.blame(Why.LARGE_ARRAY, self.line_naming(label.rpartition(".")[2]))
        for label in self.weak:
            self.blame(Why.WEAK, self.line_naming(label.rpartition(".")[2].partition("[")[0]))
        for label in self.large:
            name = label.rpartition(".")[2].partition("[")[0]
            self.blame(Why.LARGE_CONTAINER, self.line_naming(name), MAX_ITEMS)
        for optimizer, label, before in self.optimizers.values():
            if not scheduled and hypers(optimizer) != before:
                self.blame(Why.HYPERS, self.line_naming("param_groups"))
            if self.names & _READS_HYPERS:
                for i, group in enumerate(optimizer.param_groups):
                    for name in group:
                        if name != "params":
                            self.note(group, name, f"{label}.param_groups[{i}][{name!r}]")

    def blame_changed_functions(self) -> None:
        for value, label, _, _ in self.objects.values():
            form = self.functions.get(id(value))
            if form is not None and not has_form(value, form):
                self.blame(Why.CHANGES, codes.first_store(self.codes), f"{label} or its defaults")

    def forget_own_objects(self) -> None:
        """Forget objects that the run made and dropped: nobody but us has them any more."""
        # The variables of its own frames that inner functions used.
        cells: dict[int, list[tuple[int, str]]] = {}
        for key, entry in self.entries.items():
            if isinstance(entry.owner, types.CellType):
                cells.setdefault(key[0], []).append(key)
        entry = None
        for own in cells.values():
            # A reference for each entry, and the argument's.
            if sys.getrefcount(self.entries[own[0]].owner) <= 1 + len(own):
                for key in own:
                    del self.entries[key]
        entries: dict[int, list[tuple[int, str]]] = {}
        for key in self.entries:
            entries.setdefault(key[0], []).append(key)
        for number in list(self.objects):
            value = self.objects[number].value
            own = entries.get(number, ())
            # The table's reference, this variable's and the call's, and one for each entry.
            if sys.getrefcount(value) <= 3 + len(own):
                del self.objects[number]
                self.functions.pop(number, None)
                for key in own:
                    del self.entries[key]
            value = None

    def line_naming(self, name: str) -> RawLocation | None:
        """The first place in the functions that ran where a name is read, or where one began."""
        place = codes.place_of(self.codes, name)
        return place or next(((code, 0) for code in self.codes), None)

    def line_changing(self, entry: Entry) -> RawLocation | None:
        """Likewise, where it is written."""
        place = codes.place_of(self.codes, entry.name, written=True)
        return place or self.line_naming(entry.label.partition(".")[0].partition("[")[0])

    def line_changing_name(self, name: str) -> RawLocation | None:
        place = codes.place_of(self.codes, name, written=True)
        return place or self.line_naming(name)

    def line_storing(self) -> RawLocation | None:
        """The first place that writes an item or an attribute."""
        return codes.first_store(self.codes) or self.line_naming("")


def _importing(frame: types.FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")


def _drawn(generator: Any) -> Any:
    """The state of a NumPy generator, or of NumPy's own, in a form that compares."""
    if hasattr(generator, "get_state"):
        return _frozen(generator.get_state(legacy=False))
    return _frozen(generator.bit_generator.state)


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return tuple((key, _frozen(value)) for key, value in state.items())
    return state.tobytes() if isinstance(state, np.ndarray) else state
