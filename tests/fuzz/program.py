"""A program: inputs, and statements that run on PyTorch and on thrace alike.

`T` stands for the library in every statement. Those up to `inside` are the body of a
function, which is what gets compiled; the rest runs after it, on what it returned.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
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

    def make(self, lib: Any, which: int) -> Any:
        dtype = getattr(lib, self.dtype)
        if 0 in self.shape:
            return lib.zeros(self.shape, dtype=dtype, requires_grad=self.requires_grad)
        return lib.tensor(self.values[which], dtype=dtype, requires_grad=self.requires_grad)

    def source(self, which: int) -> str:
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
    def names(self) -> set[str]:
        return set(NAME.findall(self.source))


@dataclass(frozen=True)
class Program:
    """`captured`: the function reads its inputs as globals instead of as arguments.

    `dynamic`: shapes hang on values, so the second set of values says nothing about it.
    """

    inputs: tuple[Input, ...]
    statements: tuple[Statement, ...]
    inside: int
    captured: bool = False
    dynamic: bool = False
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def features(self) -> frozenset[str]:
        return frozenset().union(*(s.features for s in self.statements))

    def with_(self, **changes: Any) -> Program:
        return replace(self, memo={}, **changes)

    def live(self) -> tuple[str, ...]:
        """The names that the function returns: all it has bound and not deleted."""
        names: dict[str, None] = {}
        for s in self.statements[: self.inside]:
            if s.refused:
                continue
            if s.source.startswith("del "):
                names.pop(s.source[4:], None)
            names.update(dict.fromkeys(s.binds))
        return tuple(n for n in names if not n.startswith("x"))

    def _assigns(self, name: str) -> bool:
        return any(
            re.search(rf"(^|: ){name} \S+= ", s.source) for s in self.statements[: self.inside]
        )

    def function_source(self, name: str = "program") -> str:
        """The statements inside, as a function."""
        parameters = "" if self.captured else ", ".join(i.name for i in self.inputs)
        lines = [f"def {name}({parameters}):"]
        assigned = [i.name for i in self.inputs if self._assigns(i.name)]
        if self.captured and assigned:
            lines.append(f"    global {', '.join(assigned)}")
        for s in self.statements[: self.inside]:
            lines += [f"    {line}" for line in _lines(s)]
        returned = self.live()
        lines.append(f"    return ({', '.join(returned)}{',' * (len(returned) == 1)})")
        return "\n".join(lines) + "\n"

    def reproduction(self, compiled: bool = False, which: int = 0) -> str:
        """A script that a reader can run; it prints both libraries' answers."""
        lines = ["import torch, thrace", "", "def run(T):"]
        lines += [f"    {i.name} = {i.source(which)}" for i in self.inputs]
        body = self.statements
        if compiled:
            source = self.with_(captured=False).function_source().splitlines()
            lines += [f"    {line}" for line in source]
            lines.append("    if T is thrace:")
            lines.append("        program = T.compile(program)")
            names = self.live()
            target = f"{', '.join(names)}{',' * (len(names) == 1)} = " if names else ""
            arguments = ", ".join(i.name for i in self.inputs)
            again = "  # call it twice or thrice: replays" if compiled else ""
            lines.append(f"    {target}program({arguments}){again}")
            body = self.statements[self.inside :]
        for s in body:
            lines += [f"    {line}" for line in _lines(s)]
        lines += [
            "    for name, t in sorted(locals().items()):",
            "        if isinstance(t, T.Tensor):",
            "            print(name, t, t.requires_grad, t.is_leaf and t.grad)",
            *("", "run(torch)", "run(thrace)"),
        ]
        return "\n".join(lines)


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
