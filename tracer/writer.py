"""Python source that is being written, for a function that a trace of its own gets.

Imported by `quick` and `quick_guards`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any


class Miss(Exception):
    """Raised by a function, and caught in it, to leave the call to the long way."""


class Unwritable(Exception):
    """What a trace does has no quick form."""


class Writer:
    """Lines of one function, and the objects they name.

    `tensors` has, by number of the leaf, the variable of a tensor among the arguments; `leaves`
    has those of all leaves in order. `miss` is what a line does where a call goes the long way.
    """

    def __init__(self, name: str, parameters: str, miss: str):
        self.lines = [f"def {name}({parameters}):"]
        self.depth = 1
        self.miss = miss
        self.namespace: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.leaves: list[str] = []
        self.tensors: dict[int, str] = {}

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def miss_if(self, condition: str) -> None:
        self.line(f"if {condition}: {self.miss}")

    @contextmanager
    def block(self, head: str) -> Any:
        self.line(head)
        self.depth += 1
        yield
        self.depth -= 1

    def constant(self, value: Any) -> str:
        """The name of an object, the same for the same object."""
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"k{len(self.names)}"
            self.namespace[name] = value
        return name

    def all_leaves(self) -> str:
        return f"[{', '.join(self.leaves)}]"

    def source(self) -> str:
        return "\n".join(self.lines) + "\n"

    def compile(self, name: str) -> Any:
        """The function of that name."""
        exec(compile(self.source(), f"<thrace {name}>", "exec"), self.namespace)
        return self.namespace[name]


def joined(names: Sequence[str]) -> str:
    """A tuple of expressions."""
    return f"({', '.join(names)},)" if names else "()"
