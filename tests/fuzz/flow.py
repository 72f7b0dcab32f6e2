"""What a statement of a program can have an effect on: so that an exclusion covers no more.

Values go from operands to results, through writes to all that shares memory, and from a
backward pass to every `.grad`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .compare import Difference
from .program import NAME, Program, Statement
from .run import run_torch

Start = Callable[[Statement], bool]
SHOWN = re.compile(r"^([xvs]\d+)(\.grad)?")
GRADIENT = re.compile(r"backward\(|autograd\.grad\(")
READS_GRAD = re.compile(r"(?<!autograd)\.grad\b")


class Reach:
    """The names and statements that the statements for which `start` holds can have an effect
    on; `grads` says whether `.grad`s are among them."""

    def __init__(self, program: Program, start: Start):
        self.names: set[str] = set()
        self.sources: set[str] = set()
        self.grads = False
        self.inside = False
        groups = sharing(program)
        body = set(program.body)
        # backward(inputs=) makes what is no leaf keep its gradient as well.
        keeps = any(re.search(r"retain_grad\(|inputs=", s.source) for s in program.statements)
        for _ in range(2):  # the function may be called again on what it left
            for s in program.statements:
                touched = bool(s.names & self.names) or (
                    self.grads and READS_GRAD.search(s.source) is not None
                )
                if not (touched or start(s)):
                    continue
                self.sources.add(s.source)
                self.inside |= s in body
                self.names.update(s.binds)
                if keeps and GRADIENT.search(s.source):
                    self.grads = True
                if "backward(" in s.source:
                    self.grads = True
                elif not s.binds:
                    for name in s.names:
                        self.names |= groups.get(name, {name})

    def shows(self, found: Difference) -> bool:
        """Whether a difference is in something that they can have an effect on."""
        if found.category in ("error", "not refused"):
            if found.text.startswith("'the compiled call'"):
                return self.inside
            return any(found.text.startswith(repr(s)) for s in self.sources)
        shown = SHOWN.match(found.text)
        if shown is None:
            return False
        if shown[2]:
            return self.grads or shown[1] in self.names
        return shown[1] in self.names


def sharing(program: Program) -> dict[str, set[str]]:
    """For each name all that share its memory in the end."""
    outcome = run_torch(program)[0]
    if outcome.snapshot is None:
        return {}
    storages: dict[int, set[str]] = {}
    for name, shown in outcome.snapshot.tensors.items():
        if NAME.fullmatch(name):
            storages.setdefault(shown.storage, set()).add(name)
    return {name: group for group in storages.values() for name in group}
