"""A program: inputs, and statements that run on PyTorch and on thrace alike.

`T` stands for the library in every statement. Some of them are the body of a function, which
is what gets compiled; others run before it, or after it on what it returned.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any, NamedTuple

NAME = re.compile(r"\b[xvs]\d+\b")


class Input(NamedTuple):
    """A tensor the program starts with: two sets of values, for a first and a later call."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    requires_grad: bool
    values: tuple[Any, Any]  # nested lists
    same_as: str = ""  # the input that is given in its place

    def make(self, lib: Any, which: int) -> Any:
        dtype = getattr(lib, self.dtype)
        if 0 in self.shape:
            return lib.zeros(self.shape, dtype=dtype, requires_grad=self.requires_grad)
        return lib.tensor(self.values[which], dtype=dtype, requires_grad=self.requires_grad)

    def source(self, which: int) -> str:
        if self.same_as:
            return self.same_as
        grad = ", requires_grad=True" if self.requires_grad else ""
        if 0 in self.shape:
            return f"T.zeros({self.shape}, dtype=T.{self.dtype}{grad})"
        return f"T.tensor({self.values[which]}, dtype=T.{self.dtype}{grad})"


class Statement(NamedTuple):
    """One line. `binds` are the names it sets; `refused` is the error that PyTorch raises."""

    source: str
    features: frozenset[str] = frozenset()
    binds: tuple[str, ...] = ()
    refused: str = ""

    @property
    def transforms(self) -> bool:
        return "T.func." in self.source

    @property
    def names(self) -> set[str]:
        return set(NAME.findall(self.source))


@dataclass(frozen=True)
class Program:
    """The statements from `start` to `inside` are the function.

    `captured`: it reads what was there before as globals instead of as arguments.
    `dynamic`: shapes hang on values, so the second set of values says nothing about it.
    """

    inputs: tuple[Input, ...]
    statements: tuple[Statement, ...]
    inside: int
    start: int = 0
    captured: bool = False
    dynamic: bool = False

    @property
    def features(self) -> frozenset[str]:
        return frozenset().union(*(s.features for s in self.statements))

    def with_(self, **changes: Any) -> Program:
        return replace(self, **changes)

    @property
    def before(self) -> tuple[Statement, ...]:
        return self.statements[: self.start]

    @property
    def body(self) -> tuple[Statement, ...]:
        return self.statements[self.start : self.inside]

    @property
    def after(self) -> tuple[Statement, ...]:
        return self.statements[self.inside :]

    def parameters(self) -> tuple[str, ...]:
        """The names that there are when the function is called."""
        return _bound(self.before, [i.name for i in self.inputs])

    def live(self) -> tuple[str, ...]:
        """The names that the function returns: all it has bound and not deleted."""
        return _bound(self.body, [])

    def deleted(self) -> set[str]:
        """Names from before the function that are gone after it."""
        return {s.source[4:] for s in self.body if s.source.startswith("del ")} & {
            *self.parameters()
        }

    def function_source(self, name: str = "program") -> str:
        """The statements inside, as a function."""
        parameters = self.parameters()
        lines = [f"def {name}({'' if self.captured else ', '.join(parameters)}):"]
        assigned = [n for n in parameters if self._assigns(n)]
        if self.captured and assigned:
            lines.append(f"    global {', '.join(assigned)}")
        for s in self.body:
            if not (s.source.startswith("del ") and s.source[4:] in parameters):
                lines += [f"    {line}" for line in _lines(s)]
        returned = self.live()
        lines.append(f"    return ({', '.join(returned)}{',' * (len(returned) == 1)})")
        return "\n".join(lines) + "\n"

    def _assigns(self, name: str) -> bool:
        return any(re.search(rf"(^|: ){name} \S+= ", s.source) for s in self.body)

    def reproduction(self, compiled: bool = False, which: int = 0) -> str:
        """A script that a reader can run; it prints both libraries' answers."""
        lines = ["import torch, thrace", "", "def run(T):"]
        if any(".apply(" in s.source for s in self.statements):
            lines.insert(1, "from tests.fuzz.functions import classes")
            lines.append("    globals().update(classes(T))")
        lines += [f"    {i.name} = {i.source(which)}" for i in self.inputs]
        lines += _indented(self.before)
        if compiled:
            source = self.function_source().replace("    global ", "    nonlocal ", 1)
            lines += [f"    {line}" for line in source.splitlines()]
            lines.append("    if T is thrace:")
            lines.append("        program = T.compile(program)")
            names = self.live()
            target = f"{', '.join(names)}{',' * (len(names) == 1)} = " if names else ""
            call = f"{target}program({'' if self.captured else ', '.join(self.parameters())})"
            lines.append(f"    {call}  # more calls are replays")
        else:
            lines += _indented(self.body)
        lines += _indented(self.after)
        lines += [
            "    for name, t in sorted(locals().items()):",
            "        if isinstance(t, T.Tensor):",
            "            print(name, t, t.requires_grad, t.is_leaf and t.grad)",
            *("", "run(torch)", "run(thrace)"),
        ]
        return "\n".join(lines)


def _bound(statements: Sequence[Statement], names: Sequence[str]) -> tuple[str, ...]:
    """The names there are after statements, `names` having been there before."""
    out = dict.fromkeys(names)
    for s in statements:
        if s.source.startswith("del "):
            out.pop(s.source[4:], None)
        if not s.refused:
            out.update(dict.fromkeys(s.binds))
    return tuple(out)


def _indented(statements: Sequence[Statement]) -> list[str]:
    return [f"    {line}" for s in statements for line in _lines(s)]


def _lines(s: Statement) -> list[str]:
    if not s.refused:
        return [s.source]
    return [
        *("try:", f"    {s.source}", f"except {s.refused}:", "    pass"),
        *("else:", f"    raise AssertionError('not refused: {s.refused}')"),
    ]


@functools.lru_cache(4096)
def code(source: str) -> CodeType:
    return compile(source, "<program>", "exec")
