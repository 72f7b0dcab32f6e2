"""Running programs, and what is compared of them: snapshots.

PyTorch runs with every saved tensor cloned. Where it would refuse a backward pass because
"a variable needed for gradient computation has been modified by an inplace operation", it
then gives the gradient of the values that were read, which is the answer wanted.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

import thrace

from .functions import classes
from .program import NAME, Program, Statement, code


class Failed(Exception):
    """A statement went otherwise than wanted: it raised, or did not."""

    def __init__(self, number: int, statement: Statement, error: BaseException | None):
        what = "was not refused" if error is None else f"raised {type(error).__name__}: {error}"
        super().__init__(f"{statement.source!r} {what[:400]}")
        self.number, self.statement, self.error = number, statement, error


class Overwritten:
    """Counts saved tensors that were overwritten before they were read."""

    count = 0


def _pack(t: torch.Tensor) -> Any:
    seen = t.detach()
    return seen.clone(), seen, seen._version


def _unpack(packed: Any) -> torch.Tensor:
    clone, seen, version = packed
    Overwritten.count += seen._version != version
    return clone


def oracle() -> Any:
    """The context that PyTorch runs in."""
    return torch.autograd.graph.saved_tensors_hooks(_pack, _unpack)


def execute(statement: Statement, space: dict[str, Any]) -> BaseException | None:
    """Run a statement. Returns its exception."""
    if space["T"] is torch and crashes(statement.source, space):
        return NotImplementedError("PyTorch itself would crash")
    source = statement.source
    if space["T"] is torch and statement.transforms:
        source = reading_clones(source)
    try:
        with without_hooks() if statement.transforms else contextlib.nullcontext():
            exec(code(source), space)
    except Exception as error:
        if space["T"] is torch and "a leaf Variable" in str(error) and is_no_leaf(source, space):
            return NotImplementedError(f"taken for a leaf: {source}")
        return error
    return None


def is_no_leaf(source: str, space: dict[str, Any]) -> bool:
    """Whether what a statement names first is a view whose base has history: PyTorch 2.13 takes it
    for a leaf if it got that by a write through another view."""
    name = NAME.search(source)
    t = space.get(name[0]) if name else None
    return isinstance(t, torch.Tensor) and t._is_view() and t._base.grad_fn is not None  # type: ignore[union-attr]


def reading_clones(source: str) -> str:
    """A statement that reads clones of the tensors it names. Transforms run without hooks on saved
    tensors: what they save is then theirs, and no later write changes it."""
    names, equals, expression = source.rpartition(" = ")
    return names + equals + re.sub(r"\b[xv]\d+\b", r"\g<0>.clone()", expression)


@contextlib.contextmanager
def without_hooks() -> Iterator[None]:
    """PyTorch's transforms of functions refuse to run beside hooks on saved tensors."""
    autograd: Any = torch._C._autograd  # type: ignore[attr-defined]
    try:
        autograd._pop_saved_tensors_default_hooks()
        known = True
    except RuntimeError:
        known = False  # thrace's turn
    try:
        yield
    finally:
        if known:
            autograd._push_saved_tensors_default_hooks(_pack, _unpack)


def crashes(source: str, space: dict[str, Any]) -> bool:
    """PyTorch 2.13 crashes at a hook on a view whose base was written to under no_grad."""
    name, _, call = source.partition(".")
    if not call.startswith(("register_hook(", "retain_grad(")):
        return False
    t = space.get(name)
    return isinstance(t, torch.Tensor) and t._is_view() and t._version > 0


def run_statements(
    statements: Sequence[Statement], space: dict[str, Any], seen: set[str], first: int = 0
) -> None:
    """Run statements; the dtypes of what they bind go to `seen`.

    Raises: Failed at the first one that does not go as it says.
    """
    for number, s in enumerate(statements, first):
        error = execute(s, space)
        if "out=" in s.source:
            seen.add("float32")  # of integers it is computed in the default dtype
        seen.update(str(space[n].dtype)[6:] for n in s.binds if hasattr(space.get(n), "dtype"))
        if not s.refused:
            if error is not None:
                raise Failed(number, s, error)
        elif error is None or not compatible(error, s.refused):
            raise Failed(number, s, error)
        elif space["T"] is torch and not refusal_counts(str(error)):
            raise Failed(number, s, error)  # refused of other inputs, and for another reason


# What PyTorch refuses for reasons of its own: it has no kernel for it, or not yet.
UNIMPLEMENTED = (
    "some elements of the input tensor and the written-to tensor",  # here values are read first
    "is not implemented",
    "Found dtype",  # some functions do not convert to the dtype of `out`
    "returned an invalid gradient",  # a defect of PyTorch's own
    "would crash",
    "created in no_grad mode",  # a view of what needs no gradient is one like any other here
    "moved into the graph interior",  # values are no variables here: nothing has moved
    "NoneType",  # a hook that is given no gradient
    "source and destination dtypes match",  # a 0-d tensor is converted, as a number is
    "taken for a leaf",
    "modified by an inplace operation",  # in a transform, which saves without the oracle's hooks
    "second time",  # see exclusions: which operations save something
    "correspond to a device",  # new_tensor of what is conjugated or negated when it is read
    *("not implemented for", "Could not run", "not currently supported", "not support"),
)


def refusal_counts(text: str) -> bool:
    """Whether an error is the fault of the program."""
    return not any(part in text for part in UNIMPLEMENTED)


def compatible(error: BaseException, wanted: str) -> bool:
    """Whether an error may stand for PyTorch's of the class `wanted`."""
    return any(c.__name__ == wanted for c in type(error).__mro__)


class Shown(NamedTuple):
    """What a snapshot has of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    values: np.ndarray
    requires_grad: bool
    is_leaf: bool
    stride: tuple[int, ...]
    storage: int
    offset: int
    identity: int


class Snapshot(NamedTuple):
    """Tensors and scalars by name (`x.grad` among them), and what was printed."""

    tensors: dict[str, Shown]
    scalars: dict[str, Any]
    held: list[Any]  # keeps identities apart


def snapshot(space: dict[str, Any], names: Sequence[str]) -> Snapshot:
    """The state of the variables `names`."""
    tensors: dict[str, Shown] = {}
    scalars: dict[str, Any] = {}
    held: list[Any] = []
    for name in names:
        value = space.get(name)
        if isinstance(value, (torch.Tensor, thrace.Tensor)):
            tensors[name] = show(value)
            held.append(value)
            grad = value.grad
            scalars[f"{name}.grad"] = None if grad is None else "a tensor"
            if grad is not None:
                tensors[f"{name}.grad"] = show(grad)
                held.append(grad)
        else:
            scalars[name] = value
    return Snapshot(tensors, scalars, held)


def show(t: Any) -> Shown:
    if isinstance(t, torch.Tensor):
        plain = t.detach()
        values = (plain.double() if plain.is_floating_point() else plain).numpy(force=True)
        storage, offset = t.untyped_storage()._cdata, int(t.storage_offset())
        return Shown(
            *(str(t.dtype)[6:], tuple(t.shape), values.copy(), t.requires_grad, t.is_leaf),
            *(t.stride(), storage, offset, id(t)),
        )
    values = np.array(t._host())
    if values.dtype.kind not in "biuc":
        values = values.astype(np.float64)
    offset = (t.data_ptr() - id(t._storage)) // t.itemsize
    return Shown(
        *(t.dtype.name, tuple(t.shape), values, t.requires_grad, t.is_leaf),
        *(tuple(t.stride()), id(t._storage), offset, id(t)),
    )


def fresh(program: Program, lib: Any, which: int = 0) -> dict[str, Any]:
    """A namespace with the inputs."""
    space: dict[str, Any] = {"T": lib, **classes(lib)}
    for i in program.inputs:
        space[i.name] = space[i.same_as] if i.same_as else i.make(lib, which)
    return space


def names_of(program: Program) -> list[str]:
    """Everything that is compared at the end."""
    names = dict.fromkeys((*program.parameters(), *program.live()))
    for s in program.after:
        if not s.refused:
            names.update(dict.fromkeys(s.binds))
    return list(names)


class Outcome(NamedTuple):
    """A run: what there was at its end, or how it failed; and what it printed."""

    snapshot: Snapshot | None
    failed: Failed | None
    printed: str
    dtypes: frozenset[str] = frozenset()  # of all that PyTorch made on the way


@contextlib.contextmanager
def seeded(lib: Any) -> Iterator[io.StringIO]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        yield printed


def run_torch(program: Program, which: int = 0, calls: int = 1) -> list[Outcome]:
    """What PyTorch makes of it. With `calls` above 1 the function is called again on what
    the first call left of the inputs; what comes after the function is then left out."""
    out: list[Outcome] = []
    space = fresh(program, torch, which)
    names = names_of(program)
    with oracle():
        for call in range(calls):
            out.append(_call(program, space, names, None, again=call > 0))
            if out[-1].failed:
                break
    return out


def run_plain(program: Program, which: int = 0) -> Outcome:
    """What thrace makes of it uncompiled."""
    return _call(program, fresh(program, thrace, which), names_of(program), None)


class Compiled:
    """The program's function under `thrace.compile`."""

    def __init__(self, program: Program):
        self.program = program
        self.space: dict[str, Any] = {"T": thrace}
        exec(compile(program.function_source(), "<program>", "exec"), self.space)
        self.function = thrace.compile(self.space["program"])
        self.names = names_of(program)

    def __call__(self, which: int = 0, program: Program | None = None) -> Outcome:
        """Call it with fresh inputs of one set of values, or with those of another program
        that has the same function."""
        self.space.update(fresh(program or self.program, thrace, which))
        return _call(self.program, self.space, self.names, self.function)

    def again(self) -> Outcome:
        """Call it with what the last call left of the inputs."""
        return _call(self.program, self.space, self.names, self.function, again=True)

    @property
    def replays(self) -> bool:
        """Whether later calls run the trace of the first."""
        return any(trace.calls > 1 for _, trace in self.function.traces)

    @property
    def reasons(self) -> list[str]:
        return [r.reason for r in self.function.fallbacks]


def _call(
    program: Program, space: dict[str, Any], names: Sequence[str], fn: Any, again: bool = False
) -> Outcome:
    """Run what comes before the function (unless `again`), the function, and what comes after."""
    parameters, live = program.parameters(), program.live()
    seen: set[str] = set()
    with seeded(space["T"]) as printed:
        try:
            if again:
                for name in [n for n in space if NAME.fullmatch(n) and n not in parameters]:
                    del space[name]
            else:
                run_statements(program.before, space, seen)
            if fn is None:
                run_statements(program.body, space, seen, program.start)
                for name in [n for n in space if NAME.fullmatch(n) and n[0] != "x"]:
                    if name not in live and name not in parameters:
                        del space[name]
            else:
                try:
                    results = fn(*([] if program.captured else [space[n] for n in parameters]))
                except Exception as error:
                    raise Failed(-1, Statement("the compiled call"), error) from None
                space.update(zip(live, results, strict=True))
                del results
                for name in program.deleted():
                    space.pop(name, None)
            run_statements(program.after, space, seen, program.inside)
            try:
                shown = snapshot(space, names)
                return Outcome(shown, None, printed.getvalue(), frozenset(seen))
            except RuntimeError as error:
                raise Failed(
                    len(program.statements), Statement("looking at it all"), error
                ) from None
        except Failed as failed:
            failed.__traceback__ = None
            return Outcome(None, failed, printed.getvalue())
