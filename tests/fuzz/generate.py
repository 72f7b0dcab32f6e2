"""Drawing a program: PyTorch runs it statement by statement as it grows, on two sets of inputs.

A form (see `forms_*`) drafts a statement for the variables there are; what PyTorch makes of it
decides whether it stays. Results that hang on the last bits of their operands (comparisons,
sorting, rounding) are drafted only for operands that are exact: small multiples of a power
of two that went through nothing that rounds.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

import thrace

from .limits import Limits
from .program import NAME, Input, Program, Statement
from .run import Overwritten, execute, fresh, oracle, refusal_counts

FLOATS = ("float64", "float32", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
HALVES = ("float16", "bfloat16")
MAX_NUMEL = 48
MAX_DIM = 4
LARGE = 1e4
LARGE_INTEGER = 2**40
SHAPES = (
    *((), (1,), (2,), (3,), (4,), (2, 3), (3, 2), (3, 3), (2, 2), (4, 3), (1, 3), (3, 1)),
    *((2, 3, 2), (2, 1, 3), (3, 2, 2), (2, 2, 3), (1, 2, 3), (2, 2, 1, 3), (2, 3), (3, 4), (3,)),
)
EMPTY = ((0,), (0, 3), (2, 0))


class Draft(NamedTuple):
    """A statement to try. `{new}` in the source stands for names to bind.

    `smooth`: small changes of the operands change the results little. `rounds`: the results'
    last bits may differ from one library to the other. `writes`: it changes storages.
    """

    source: str
    features: tuple[str, ...]
    smooth: bool = True
    rounds: bool = False
    writes: bool = False
    binds: int = 1
    bound: tuple[str, ...] = ()
    python: bool = False  # binds Python values


class Stop(Exception):
    """The program ends before this statement, or after it."""


Form = Callable[["Generator"], "Draft | None"]


class Generator:
    """One program being drawn. `spaces` are PyTorch's namespaces, one per set of inputs."""

    def __init__(self, rng: random.Random, forms: dict[Form, float]):
        self.rng = rng
        self.forms = list(forms)
        self.weights = list(forms.values())
        self.captured = rng.random() < 0.35
        self.float = rng.choices(FLOATS, (40, 40, 4, 3))[0]
        self.mixed = rng.random() < 0.35
        self.graded = rng.random() < 0.8
        self.special = rng.random() < 0.03
        self.wild = False
        self.observing = rng.random() < 0.2
        self.inputs = self._inputs()
        self.statements: list[Statement] = []
        self.refusals = 0
        self.dynamic = False
        self.inside = 0
        self.start = 0
        self.count = 0
        self.inexact: set[int] = set()
        self.spaces = [fresh(self._program(), torch, which) for which in (0, 1)]
        self.limits = Limits(self.spaces[0], [i.name for i in self.inputs])

    # Inputs

    def _dtype(self) -> str:
        kinds = ("float", "int64", "bool", "other_int", "other_float", "complex")
        kind = self.rng.choices(kinds, (70, 11, 6, 4, 4, 5) if self.mixed else (82, 11, 7, 0, 0, 0))
        if kind[0] == "float":
            return self.float
        if kind[0] == "other_int":
            return self.rng.choice(INTEGERS[1:])
        if kind[0] == "other_float":
            return self.rng.choices(FLOATS, (4, 4, 1, 1))[0]
        return self.rng.choices(COMPLEX)[0] if kind[0] == "complex" else kind[0]

    def _inputs(self) -> tuple[Input, ...]:
        out: list[Input] = []
        base = self.rng.choice(SHAPES)
        for i in range(self.rng.choices((1, 2, 3, 4), (2, 5, 4, 1))[0]):
            dtype = self._dtype() if i else self.float
            shape = base if self.rng.random() < 0.5 else self.rng.choice(SHAPES)
            if self.rng.random() < 0.03:
                shape = self.rng.choice(EMPTY)
            floating = dtype in FLOATS or dtype in COMPLEX
            grad = floating and self.graded and self.rng.random() < 0.6
            values = (self.nested(shape, dtype), self.nested(shape, dtype))
            out.append(Input(f"x{i}", dtype, shape, grad, values))
        return tuple(out)

    def nested(self, shape: Sequence[int], dtype: str) -> Any:
        if shape:
            return [self.nested(shape[1:], dtype) for _ in range(shape[0])]
        return self.number(dtype)

    def number(self, dtype: str) -> Any:
        rng = self.rng
        if dtype == "bool":
            return rng.random() < 0.5
        if dtype == "uint8":
            return rng.randrange(0, 7)
        if dtype in INTEGERS:
            return rng.randrange(-4, 6)
        if dtype in COMPLEX:
            return complex(rng.randrange(-6, 7) / 4, rng.randrange(-6, 7) / 4)
        if self.special and rng.random() < 0.1:
            return rng.choice((0.0, -0.0, 1e3, -1e-3))
        return rng.randrange(-10, 11) / 4

    # What forms ask for

    def variables(self, want: Callable[[torch.Tensor], bool] | None = None) -> list[str]:
        space = self.spaces[0]
        out = []
        for name, value in space.items():
            known = isinstance(value, torch.Tensor) and NAME.fullmatch(name)
            if known and (want is None or self.wild or want(value)):
                out.append(name)
        return out

    def pick(self, want: Callable[[torch.Tensor], bool] | None = None) -> str | None:
        """A variable, rather a late one."""
        names = self.variables(want)
        if not names:
            return None
        if self.rng.random() < 0.35:
            return names[-1 - self.rng.randrange(min(3, len(names)))]
        return self.rng.choice(names)

    def tensor(self, name: str) -> torch.Tensor:
        return self.spaces[0][name]

    def both(self, name: str, check: Callable[[torch.Tensor], Any]) -> bool:
        """Whether something holds of a variable's values for both sets of inputs."""
        return all(bool(check(s[name])) for s in self.spaces if name in s)

    def exact(self, *names: str) -> bool:
        return not any(self._storage(n) in self.inexact for n in names if n[0] != "s")

    def _storage(self, name: str) -> int:
        value = self.spaces[0].get(name)
        return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else 0

    def scalar(self, dtype: torch.dtype | None = None) -> str:
        """A Python number, mostly of the kind of `dtype`."""
        kind = self.rng.random()
        name = str(dtype)[6:]
        if name == "uint8":
            return str(self.rng.randrange(4))
        scalars = [n for n, v in self.spaces[0].items() if n[0] == "s" and n[1:].isdigit()]
        if scalars and self.rng.random() < 0.3:
            return self.rng.choice(scalars)
        if kind < 0.2 or (kind < 0.6 and (name in INTEGERS or name == "bool")):
            return str(self.rng.randrange(-3, 5))
        if kind < 0.25:
            return str(self.rng.random() < 0.5)
        if name in COMPLEX and kind < 0.5:
            return str(complex(self.rng.randrange(-4, 5) / 4, self.rng.randrange(-4, 5) / 4))
        return str(self.rng.randrange(-8, 9) / 4)

    def literal(self, shape: Sequence[int], dtype: str) -> str:
        """A tensor written out in the statement."""
        if 0 in shape:
            return f"T.zeros({tuple(shape)}, dtype=T.{dtype})"
        return f"T.tensor({self.nested(shape, dtype)}, dtype=T.{dtype})"

    def integers(self, shape: Sequence[int], size: int) -> str:
        """An index tensor written out: numbers below `size`."""

        def nested(shape: Sequence[int]) -> Any:
            if shape:
                return [nested(shape[1:]) for _ in range(shape[0])]
            return self.rng.randrange(max(size, 1))

        if 0 in shape:
            return f"T.zeros({tuple(shape)}, dtype=T.int64)"
        return f"T.tensor({nested(shape)})"

    def dim(self, t: torch.Tensor) -> int:
        """A dim of `t`, of either sign."""
        n = max(t.ndim, 1)
        if self.wild and self.rng.random() < 0.4:
            return self.rng.choice((n, -n - 1, n + 2))
        return self.rng.randrange(-n, n)

    # Growing

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.wild = self.rng.random() < 0.05
            form = self.rng.choices(self.forms, self.weights)[0]
            try:
                draft = form(self)
            except Exception:
                if not self.wild:  # a form may trip over operands that do not fit
                    raise
                continue
            if draft is None:
                continue
            try:
                self.attempt(draft)
            except Stop:
                break

    def grow_with(self, *forms: Form) -> None:
        self.wild = False
        draft = self.rng.choice(forms)(self)
        if draft is not None:
            with contextlib.suppress(Stop):
                self.attempt(draft)

    def attempt(self, draft: Draft) -> bool:
        """Run a draft on PyTorch; keep it if both sets of inputs agree on what it does."""
        source = draft.source
        binds = draft.bound
        if "{new" in source:
            letter = "s" if draft.python else "v"
            binds = tuple(f"{letter}{self.count + i}" for i in range(draft.binds))
            source = source.replace("{new}", ", ".join(binds) + "," * (draft.binds > 1))
        if lacking(source):
            return False
        operands = [n for n in NAME.findall(source) if n in self.spaces[0]]
        rounded = not self.exact(*operands)
        if rounded and not draft.smooth:
            return False
        beyond = self.limits.refuses(source)  # unless PyTorch refuses it as well
        if beyond and not (self.wild and self.rng.random() < 0.3):
            return False
        statement = Statement(source, frozenset(draft.features), binds)
        versions = self._versions()
        overwritten = Overwritten.count
        errors = [execute(statement, s) for s in self.spaces]
        if errors[0] is not None:
            return self._refused(statement, errors, versions)
        if beyond:
            self._restart()
            return False
        if len(self.spaces) > 1 and (errors[1] is not None or not self._agree(binds)):
            self.dynamic = True
            del self.spaces[1:]
        if not draft.writes and (not self._sound(binds) or any(map(self.limits.odd, binds))):
            for s in self.spaces:
                for n in binds:
                    s.pop(n, None)
            return False
        features = set(draft.features)
        if Overwritten.count > overwritten:
            features.add("saved overwritten")
        self._features(features, operands, binds, source)
        self.count += len(binds)
        self.statements.append(statement._replace(features=frozenset(features)))
        if draft.rounds or rounded:
            tainted = (*binds, *(operands if draft.writes else ()))
            self.inexact.update(self._storage(n) for n in tainted)
        self.limits.note(source)
        if draft.writes:
            self._forget_invalid()
            if not self._sound(self.variables()):
                raise Stop
        return True

    def _forget_invalid(self) -> None:
        """PyTorch makes what `split` and `unbind` gave useless once its base was written to:
        even `is_leaf` raises then."""
        for name in self.variables():
            if name[0] != "x" and self.limits.odd(name):
                for s in self.spaces:
                    s.pop(name, None)
                self.statements.append(Statement(f"del {name}"))

    def _versions(self) -> list[int]:
        """Each variable's state, as far as a refused statement might change it."""
        return [
            (id(v.grad), v.grad._version, v._version, v.requires_grad, v.shape)
            if v.grad is not None
            else (0, 0, v._version, v.requires_grad, v.shape)
            for n, v in self.spaces[0].items()
            if isinstance(v, torch.Tensor)
        ]  # type: ignore[return-value]

    def _refused(self, statement: Statement, errors: list[Any], versions: list[int]) -> bool:
        """A statement that PyTorch refuses, leaving all as it was, may stay as a check."""
        text = str(errors[0])
        # A refused masked_scatter_ has written what elements there were.
        if self._versions() != versions or "masked_scatter_(" in statement.source:
            self._restart()
            return False
        if self.refusals >= 2 or self.rng.random() < 0.4:
            return False
        if any(type(e) is not type(errors[0]) for e in errors) or not refusal_counts(text):
            return False
        self.refusals += 1
        name = type(errors[0]).__name__
        features = statement.features | {"refused"}
        self.statements.append(Statement(statement.source, features, (), name))
        return True

    def _restart(self) -> None:
        """A refused statement left traces: go back to before it."""
        self.spaces = [fresh(self._program(), torch, which) for which in range(len(self.spaces))]
        for s in self.statements:
            for space in self.spaces:
                execute(s, space)
        self.limits.space = self.spaces[0]
        self.inexact.update(self._storage(n) for n in self.variables())

    def _agree(self, binds: tuple[str, ...]) -> bool:
        a, b = (
            [(s[n].shape, s[n].dtype) if isinstance(s[n], torch.Tensor) else None for n in binds]
            for s in self.spaces
        )
        return a == b

    def _sound(self, names: Sequence[str]) -> bool:
        """Small enough in size and in numbers that rounding stays what it is."""
        for space in self.spaces:
            for n in names:
                t = space.get(n)
                if isinstance(t, tuple):
                    return False
                if not isinstance(t, torch.Tensor):
                    continue
                if t.numel() > MAX_NUMEL or t.ndim > MAX_DIM + 1 or t.dtype is torch.complex32:
                    return False
                for x in (t, t.grad):
                    if x is None or not x.numel() or x.dtype is torch.bool:
                        continue
                    x = x.detach()
                    if x.dtype in (torch.int64, torch.int32):
                        if x.abs().max() > LARGE_INTEGER:
                            return False
                    elif x.is_floating_point() or x.is_complex():
                        top = x.abs().max().item()
                        if not (top <= LARGE) and not (self.special and top != top):
                            return False
        return True

    def _features(
        self, features: set[str], operands: Sequence[str], binds: tuple[str, ...], source: str
    ) -> None:
        """Add what shows in the operands and results rather than in the form."""
        space = self.spaces[0]
        tensors = [space[n] for n in operands if isinstance(space.get(n), torch.Tensor)]
        made = [space[n] for n in binds if isinstance(space.get(n), torch.Tensor)]
        if len({t.dtype for t in tensors}) > 1:
            features.add("promotion")
        if len({t.shape for t in tensors}) > 1 and "elementwise" in features:
            features.add("broadcasting")
        if len(tensors) > 1 and any(not t.ndim for t in tensors):
            features.add("0-d beside others")
        for t in (*tensors, *made):
            name = str(t.dtype)[6:]
            if name in HALVES:
                features.add("half precision")
            elif name in COMPLEX:
                features.add("complex")
            elif name in INTEGERS:
                features.add("integers")
            elif name == "bool":
                features.add("bool")
            if not t.numel():
                features.add("empty")
        viewed = any(t._is_view() for t in tensors)
        if viewed:
            features.add("view as operand")
        if any(t._is_view() for t in made):
            features.update(("view", "view of view") if viewed else ("view",))
        if len(self.spaces) == 1:
            features.add("data-dependent shape")

    def _program(self) -> Program:
        return Program(
            *(self.inputs, tuple(getattr(self, "statements", ())), getattr(self, "inside", 0)),
            start=getattr(self, "start", 0),
            captured=self.captured,
            dynamic=getattr(self, "dynamic", False),
        )

    def drop_locals(self) -> None:
        """The function ends here."""
        self.inside = len(self.statements)
        program = self._program()
        live = {*program.live(), *program.parameters()}
        for space in self.spaces:
            for name in [n for n in space if NAME.fullmatch(n) and n not in live]:
                del space[name]

    def draw(self, backward: Form, gradient: Form) -> Program:
        with oracle(), contextlib.redirect_stdout(io.StringIO()):
            if self.rng.random() < 0.35:
                self.grow(self.rng.randrange(1, 7))
                self.start = len(self.statements)
            self.grow(self.rng.randrange(8, 30))
            if self.rng.random() < 0.4:
                self.grow_with(backward, gradient)
            self.drop_locals()
            if self.rng.random() < 0.6:
                self.grow(self.rng.randrange(1, 6))
                self.grow_with(backward)
        return self._program()


@functools.cache
def lacks(path: str) -> bool:
    """Whether thrace does not have what follows `T`, or tensors do not have a method."""
    first, *rest = path.split(".")
    owner: Any = thrace if first == "T" else thrace.Tensor
    for name in rest:
        if not hasattr(owner, name):
            return True
        owner = getattr(owner, name)
    return False


MISSING: set[str] = set()
# `T.nn.functional.relu`, and the names of methods and attributes of other things.
PATH = re.compile(r"(?<![\w.])T(?:\.[A-Za-z_]\w*)+|(?<=[\w)\]])\.[A-Za-z_]\w*")


def lacking(source: str) -> bool:
    """Whether a statement calls what thrace does not have; what that is, is noted."""
    missing = {n for n in PATH.findall(source) if n not in (".grad", ".apply") and lacks(n)}
    MISSING.update(missing)
    return bool(missing)
