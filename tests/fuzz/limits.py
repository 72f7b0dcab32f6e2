"""What programs do without, because PyTorch's answer is open or deprecated, or because thrace's
documentation says that it differs. Each method says why; they look at a state of PyTorch's run,
so they hold for programs that are being shrunk as well as for those being drawn.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

import torch

from .program import NAME, Program
from .run import execute, fresh, oracle

# Statements that write to elements: the name, what stands between it and the write, how.
ASSIGNED = re.compile(r"^(?:with T\.no_grad\(\): )?([xv]\d+)(.*?) (\S{0,2})= ")
CALLED = re.compile(r"^(?:with T\.no_grad\(\): )?([xv]\d+)(.*)\.\w+_\(")
METADATA = re.compile(r"\.(requires_grad|detach|squeeze|unsqueeze|t|transpose)_\(|\.data = ")


class Limits:
    """Follows a program in one of PyTorch's namespaces."""

    def __init__(self, space: dict[str, Any], inputs: Sequence[str]):
        self.space = space
        self.asked: set[str] = set(inputs)

    def tensor(self, name: str) -> torch.Tensor | None:
        value = self.space.get(name)
        return value if isinstance(value, torch.Tensor) else None

    def storage(self, name: str) -> int:
        t = self.tensor(name)
        return 0 if t is None else t.untyped_storage()._cdata

    def refuses(self, source: str) -> bool:
        """Whether a statement is not to be run."""
        leaf = re.match(r"([xv]\d+)\.requires_grad_\(", source)
        if leaf is not None:
            return self._has_views(leaf[1])
        leaf = re.match(r"([xv]\d+)\.detach_\(", source)
        if leaf is not None:
            return self._has_views(leaf[1]) and not self.is_view(leaf[1])
        given = re.search(r"out=([xv]\d+)\)", source)
        if given is not None:
            t = self.tensor(given[1])
            # PyTorch refuses, but not where it has no formula.
            return t is None or t.requires_grad or self._expanded(given[1])
        target, rest = written(source)
        if target is None or self.tensor(target) is None:
            return False
        operands = operands_of(source, target)
        return self._overlaps(source, target, rest, operands) or self._expanded(target)

    def note(self, source: str) -> None:
        """A statement was run."""
        if ".requires_grad_()" in source or ".detach_()" in source:
            self.asked.update(NAME.findall(source))

    def odd(self, name: str) -> bool:
        """A view of a tensor that requires grad, made under no_grad or before that one did,
        says that it requires grad in PyTorch 2.13, against its documentation; no gradient
        flows there."""
        t = self.tensor(name)
        if t is None or name in self.asked:
            return False
        try:
            return t.requires_grad and t._is_view() and t.grad_fn is None
        except RuntimeError:  # made invalid by a write to another output of split
            return True

    def is_view(self, name: str) -> bool:
        t = self.tensor(name)
        return t is not None and t._is_view()

    def _has_views(self, name: str) -> bool:
        """A view that becomes a leaf, or a tensor with views: what PyTorch then says of the
        views' history changes when the base is written to."""
        t = self.tensor(name)
        others = [v for v in self.space.values() if isinstance(v, torch.Tensor)]
        return t is not None and (t._is_view() or any(v._base is t for v in others))

    def _overlaps(self, source: str, target: str, rest: str, operands: list[str]) -> bool:
        """A write that reads what it writes to, in an order of its own: PyTorch refuses some of
        these and leaves the others' results open; in thrace values are read first."""
        shown = self.tensor(target)
        assert shown is not None
        by_place = "[" in rest or re.search(r"\.(index|scatter|copy|masked)\w*_\(", source)
        for other in operands:
            t = self.tensor(other)
            if t is None or self.storage(other) != self.storage(target):
                continue
            if not rest and not by_place and same_place(t, shown):
                continue
            if elements(t) & elements(shown):
                return True
        return False

    def _expanded(self, target: str) -> bool:
        """A write through a tensor of which several elements lie in one place: PyTorch refuses
        most of them, and deprecates the others; sums by `out=` all come to stand in that place."""
        t = self.tensor(target)
        assert t is not None
        return len(elements(t)) < t.numel()


def written(source: str) -> tuple[str | None, str]:
    """The name that a statement writes to, and what stands between it and the write."""
    if METADATA.search(source) or ".grad" in source:
        return None, ""
    found = ASSIGNED.match(source)
    if found is not None and "," not in found[2].partition("[")[0]:
        bound = not found[2] and not found[3]
        return (None, "") if bound else (found[1], found[2])
    called = CALLED.match(source)
    return (None, "") if called is None else (called[1], called[2])


def operands_of(source: str, target: str) -> list[str]:
    """The names a write reads: all that it names but the target's first place."""
    names = NAME.findall(source)
    names.remove(target)
    return names


def same_place(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (a.shape, a.stride(), a.storage_offset()) == (b.shape, b.stride(), b.storage_offset())


def elements(t: torch.Tensor) -> set[int]:
    """The places in its storage that a tensor shows."""
    places = {int(t.storage_offset())} if t.numel() else set()
    for n, step in zip(t.shape, t.stride(), strict=True):
        places = {p + i * step for p in places for i in range(n)}
    return places


def allowed(program: Program) -> bool:
    """Whether a program keeps to what is compared: for programs that were changed."""
    space = fresh(program, torch)
    limits = Limits(space, [i.name for i in program.inputs])
    with oracle(), contextlib.redirect_stdout(io.StringIO()):
        for s in program.statements:
            if not s.refused and limits.refuses(s.source):
                return False
            execute(s, space)
            if s.refused:
                continue
            limits.note(s.source)
            live = [n for n in space if NAME.fullmatch(n) and n[0] in "xv"]
            if any(map(limits.odd, live)):
                return False
    return True
