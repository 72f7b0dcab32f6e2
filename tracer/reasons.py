"""Why a call is not replayed: the closed list of reasons, each with what to do about it.

`docs/fallbacks.md` is this list for readers; a test holds the two equal. Imported by the
session and all that watch a recording run.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from ..ir.source import Location


class Why(Enum):
    """Reasons to run uncompiled: what is said (`{}` is filled in) and the remedy."""

    text: str
    remedy: str

    VALUE = (
        "it needs a tensor's value in Python",
        "use thrace.where or thrace.cond, or look at the value after the call",
    )
    PRINTS = ("it prints", "print what the call returns")
    INPUT = ("it reads input", "read it before the call and pass it as an argument")
    FILE = ("it opens a file or uses one", "use the file outside of the call")
    SENDS = ("it calls {}()", "do so outside of the call")
    WARNS = ("it warns", "warn outside of the call")
    CLOCK = ("it reads the clock", "measure around the call, or pass the time as an argument")
    RANDOM = (
        "it draws Python's random numbers",
        "draw thrace's (thrace.rand), or pass the number as a tensor",
    )
    NUMPY_RANDOM = (
        "it draws NumPy's random numbers",
        "draw thrace's (thrace.rand), or pass the numbers as a tensor",
    )
    SYSTEM = ("it talks to the operating system", "do so outside of the call")
    LOOKUP = (
        "it looks names up with {}, so nobody can tell which ones",
        "name the variable or the attribute, or use getattr",
    )
    IDENTITY = (
        "it asks for the address of a tensor ({})",
        "compare tensors with `is`",
    )
    WEAK = ("it follows a weak reference", "hold the object itself, or look it up outside")
    ITERATOR = (
        "it advances an iterator that outlives the call",
        "call next() outside and pass what it gives",
    )
    CONTAINER = (
        "it changes a container that outlives the call",
        "return the value, and change the container outside",
    )
    ARGUMENT = (
        "it changes argument {}",
        "return the new value instead of putting it into the argument",
    )
    CHANGES = (
        "it changes {}",
        "return the new value and assign it outside, or keep it in a tensor",
    )
    MODE = ("it leaves {} changed", "use the mode as a context (`with thrace.no_grad():`)")
    HYPERS = (
        "it changes hyper-parameters of an optimizer",
        "use a scheduler, or change them outside of the call",
    )
    NUMPY_DATA = (
        "it makes a tensor of NumPy data",
        "pass it as an argument instead",
    )
    NUMPY_WRITES = (
        "NumPy writes to a tensor's memory in it",
        "write with the tensor's own methods, or outside of the call",
    )
    NUMPY_SHARED = (
        "it writes to a tensor that shares memory with another by NumPy",
        "make a copy: thrace.tensor(array)",
    )
    LARGE_ARRAY = ("it names a large NumPy array", "make it a tensor outside of the call")
    LARGE_CONTAINER = (
        "it names a container of more than {} items",
        "pass the items it needs as arguments",
    )
    RETURNS = (
        "it returns {} made in the call",
        "return tensors, numbers, strings, and tuples, lists, dicts and dataclasses of them",
    )
    SHARED = (
        "it returns or sets a {} that was there before the call, or does so twice",
        "return or set a copy of it",
    )
    ESCAPES = (
        "a tensor made in the call outlives it where a replay could not put it",
        "return the tensor, or assign it to an attribute",
    )
    ELSEWHERE = (
        "it sets {} to a tensor made elsewhere",
        "copy the tensor (clone), or assign it outside of the call",
    )
    DETACHED = (
        "it gives a detached tensor that outlives the call history of its own",
        "clone what is detached before writing to it",
    )
    DEVICES = ("it uses {}", "keep a call on one device")
    HISTORY = (
        "{} history that was recorded outside",
        "compile the forward pass and the backward pass together, or detach the tensor",
    )
    HOOK = (
        "it registers a hook on a tensor or module made outside",
        "register it once, outside of the call",
    )
    LATE_HOOK = (
        "a hook is to see a gradient that comes after the call",
        "call backward() inside, or register the hook on what the call returns",
    )
    FUNCTION = (
        "the gradient of what it returns is an autograd.Function's",
        "call backward() inside",
    )
    LEAF = (
        "{} a leaf made in the call",
        "make the leaf outside of the call",
    )
    RETAINED = (
        "it keeps or uses the gradient of a tensor that is no leaf",
        "return autograd.grad of it",
    )
    REQUIRES_GRAD = (
        "it changes requires_grad of a tensor made outside",
        "change it outside of the call",
    )
    CONTROL_FLOW = ("{}", "make the function of the branch or the loop free of side effects")
    TRACES = (
        "it has {} traces already, and {} keeps changing",
        "make what changes a tensor, or allow more with compile(..., max_traces=...)",
    )

    def __init__(self, text: str, remedy: str):
        self.text = text
        self.remedy = remedy


class Reason(NamedTuple):
    """Why a run cannot be replayed, and where: `why` is the kind, `reason` says it in words."""

    reason: str
    location: Location | None
    why: Why

    @property
    def remedy(self) -> str:
        return self.why.remedy

    def __str__(self) -> str:
        return f"{self.reason} ({self.location})" if self.location else self.reason


def reason(why: Why, location: Location | None, *details: Any) -> Reason:
    return Reason(why.text.format(*details), location, why)


class Recompile(NamedTuple):
    """A run that was recorded although there were traces: the guard that did not hold, its
    value now and in the trace, and where the call was made."""

    guard: str
    now: str
    was: str
    location: Location | None = None
    place: Location | None = None  # where the function reads what changed

    @property
    def reason(self) -> str:
        return f"{self.guard} is {self.now}, was {self.was}"

    def __str__(self) -> str:
        where = self.place or self.location
        return f"{self.reason} ({where})" if where else self.reason


class NotReplayable(Exception):
    """A finished run cannot become a trace: for this reason, or without one for those noted."""

    def __init__(self, why: Why | None = None, *details: Any):
        super().__init__(why and why.text.format(*details))
        self.why = why
        self.details = details
