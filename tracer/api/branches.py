"""Recording branches and loops: one node that holds the graphs of the functions it was given.

Imported by `control.py` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.graph import Value
from ...ir.ops import OPS
from ...ir.types import TensorType, bool_, int64
from .. import prims, trees
from ..recording import recorder_for, user_error
from ..regions import Key, Region, Unrecordable
from ..state import STATE, scope
from ..storage import Storage, alias
from ..tensor import Tensor
from .creation import as_tensor

_COND, _WHILE, _SCAN = OPS["cond"], OPS["while_loop"], OPS["scan"]


def no_tensor(name: str, leaf: Any) -> None:
    if leaf is not None:
        raise user_error(TypeError(f"{name}: outputs must be tensors, got {type(leaf).__name__}"))


def check_carried(name: str, before: Any, after: Any) -> None:
    old, structure = trees.flatten(before)
    new, same = trees.flatten(after)
    check_leaves(name, structure, old, same, new)


def check_leaves(
    name: str, structure: Any, before: Sequence[Any], same: Any, after: Sequence[Any]
) -> None:
    """Raises: TypeError for another structure, ShapeError or DTypeError for another type."""
    if structure != same:
        raise user_error(
            TypeError(f"{name}: a step must give the structure of the carry it was given")
        )
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if isinstance(old, Tensor) != isinstance(new, Tensor):
            raise user_error(
                TypeError(
                    f"{name}: carry {i} begins as a {type(old).__name__} and a step makes it "
                    f"a {type(new).__name__}"
                )
            )
        if isinstance(old, Tensor) and old._type is not new._type:
            raise differ(name, f"carry {i}", old._type, new._type)


def differ(name: str, what: str, before: TensorType, after: TensorType) -> Exception:
    kind = ShapeError if before.shape != after.shape else DTypeError
    return user_error(kind(f"{name}: {what} is {before} before a step and {after} after it"))


@contextmanager
def _regions() -> Iterator[list[Region]]:
    made: list[Region] = []
    try:
        yield made
    finally:
        for region in made:
            region.close()


def _named(fn: Any, default: str) -> str:
    name = getattr(fn, "__name__", "").strip("<>")
    return default if name in ("", "lambda") else name


def _inexact(t: TensorType) -> bool:
    return t.dtype.is_floating_point or t.dtype.is_complex


def _keys(regions: Sequence[Region]) -> dict[Key, Value]:
    """The outside values that any of the regions read."""
    return {key: value for region in regions for key, value in region.sources.items()}


def _emit(name: str, op: Any, device: Any, operands: Sequence[Value], attrs: tuple) -> Any:
    with scope(name):
        return recorder_for(device).emit(op, tuple(operands), attrs)


def _as_result(value: Value, ends: Sequence[Value]) -> Value:
    """A node's result with history only if it had some inside."""
    return value if any(end.edge is not None for end in ends) else alias(value, None)


def record_cond(pred: Tensor, true_fn: Any, false_fn: Any, operands: Sequence[Any]) -> Any:
    device = pred.device
    taken = prims.convert(prims.reshape(pred, shape=()) if pred.ndim else pred, bool_)
    recorder_for(device)
    with _regions() as regions:
        for fn in (true_fn, false_fn):
            regions.append(Region(STATE.session, device))
            regions[-1].run(fn, operands, {})
        first, second = regions
        _check_branches(first, second)
        written: dict[int, Storage] = first.written | second.written
        for region in regions:
            for key, storage in written.items():
                if key not in region.after:
                    region.after[key] = region.lift(storage.value)
        keys = _keys(regions)
        graphs = [
            region.graph(
                _named(fn, name),
                [region.value_of(key) for key in keys],
                [*region.outputs, *(region.after[key] for key in written)],
                [f"arg{i}" for i in range(len(keys))],
            )
            for region, fn, name in zip(
                regions, (true_fn, false_fn), ("true_branch", "false_branch"), strict=True
            )
        ]
        got = _emit("cond", _COND, device, [taken._value(), *keys.values()], tuple(graphs))
        ends = [*zip(first.outputs, second.outputs, strict=True)]
        ends += [(first.after[key], second.after[key]) for key in written]
        values = iter([_as_result(v, pair) for v, pair in zip(got, ends, strict=True)])
        leaves = [
            Tensor._wrap(next(values), device) if isinstance(leaf, Tensor) else leaf
            for leaf in first.results
        ]
        for storage in written.values():
            storage.set(next(values))
        return trees.unflatten(first.structure, leaves)


def _check_branches(first: Region, second: Region) -> None:
    """Raises: TypeError, ShapeError or DTypeError where the branches' results differ."""
    if first.structure != second.structure:
        raise user_error(
            TypeError("cond: true_fn and false_fn return different structures of results")
        )
    for i, (a, b) in enumerate(zip(first.results, second.results, strict=True)):
        if not isinstance(a, Tensor) or not isinstance(b, Tensor):
            if isinstance(a, Tensor) or isinstance(b, Tensor) or a != b:
                raise user_error(
                    TypeError(f"cond: output {i} is {a!r} in true_fn and {b!r} in false_fn")
                )
        elif a._type is not b._type:
            kind = ShapeError if a._type.shape != b._type.shape else DTypeError
            raise user_error(
                kind(f"cond: output {i} is {a._type} in true_fn and {b._type} in false_fn")
            )


class _Loop:
    """The values that go round a loop, and what has been found out about its functions.

    `state` has the outside storages that a step writes to: they are carried as well. `flows`
    says whether carries may have history.
    """

    def __init__(self, device: Any, carried: Sequence[Tensor], xs: Sequence[Tensor]):
        self.device = device
        self.carried = [t._type for t in carried]
        self.begin = [t._value() for t in carried]
        self.xs = [x._value() for x in xs]
        self.state: dict[int, Storage] = {}
        self.flows = STATE.grad_enabled and any(v.edge is not None for v in self.begin + self.xs)
        self.region: Region | None = None
        self.inputs: list[Value] = []
        self.slices: list[Value] = []

    def record(self, made: list[Region], fn: Callable[..., Any]) -> Region:
        """`fn` recorded on carries and slices; once more if it showed that there is more to
        carry, or that what is carried has history."""
        while True:
            region = Region(STATE.session, self.device)
            made.append(region)
            inputs = [region.take(t, self.flows and _inexact(t)) for t in self.carried]
            inputs += [
                region.take(storage.value.type, storage.value.edge is not None)
                for storage in self.state.values()
            ]
            slices = [
                region.take(v.type.with_shape(v.type.shape[1:]), v.edge is not None)
                for v in self.xs
            ]
            primed = dict(
                zip(
                    self.state,
                    zip(self.state.values(), inputs[len(self.carried) :], strict=True),
                    strict=True,
                )
            )
            own = [*inputs[: len(self.carried)], *slices]

            def run(values: Any = own) -> Any:
                return fn(*(Tensor._wrap(v, self.device) for v in values))

            region.run(run, (), primed)
            new = {k: s for k, s in region.written.items() if k not in self.state}
            late = not self.flows and STATE.grad_enabled and any(k[1] for k in region.inputs)
            if not new and not late:
                self.inputs, self.slices = inputs, slices
                return region
            self.state |= new
            self.flows = self.flows or late

    def graph(
        self, region: Region, name: str, keys: dict[Key, Value], outputs: Sequence[Value]
    ) -> Any:
        """A region's graph: carries, what is written, slices, and what every step reads."""
        inputs = [*self.inputs, *self.slices, *(region.value_of(key) for key in keys)]
        count = len(self.carried)
        names = [f"carry{i}" for i in range(count)]
        names += [f"state{i}" for i in range(len(self.state))]
        names += [f"x{i}" for i in range(len(self.slices))]
        names += [f"const{i}" for i in range(len(keys))]
        return region.graph(name, inputs, outputs, names)

    def operands(self, keys: dict[Key, Value]) -> list[Value]:
        held = [storage.value for storage in self.state.values()]
        return [*self.begin, *held, *self.xs, *keys.values()]

    def write(self, region: Region, values: Sequence[Value]) -> None:
        """Give the outside storages what the loop left for them."""
        for (key, storage), v in zip(self.state.items(), values, strict=True):
            storage.set(_as_result(v, [region.after.get(key, v)]))

    def after(self, region: Region, inputs: Sequence[Value]) -> list[Value]:
        """What a step makes of the outside storages."""
        held = inputs[len(self.carried) :]
        return [region.after.get(key, before) for key, before in zip(self.state, held, strict=True)]


def record_scan(
    name: str,
    step: Callable[..., Any],
    init: list[Tensor],
    structure: Any,
    xs: list[Tensor],
    length: int,
    reverse: bool,
) -> tuple[Any, Any]:
    device = xs[0].device
    recorder_for(device)
    loop = _Loop(device, init, xs)
    results: list[Any] = []

    def flat_step(*flat: Tensor) -> Any:
        after, y = step(*flat)
        leaves, same = trees.flatten(after)
        check_leaves(name, structure, flat[: len(init)], same, leaves)
        made, shape = trees.flatten(y)
        for leaf in made:
            if not isinstance(leaf, Tensor):
                no_tensor(name, leaf)
        results[:] = [made, shape]
        return [*leaves, *made]

    with _regions() as made:
        region = loop.record(made, flat_step)
        count, total = len(init), len(init) + len(loop.state)
        carried, ys = region.outputs[:count], region.outputs[count:]
        keys = _keys([region])
        graph = loop.graph(
            *(region, f"{name}_step", keys),
            [*carried, *loop.after(region, loop.inputs), *ys],
        )
        operands = loop.operands(keys)
        saves = STATE.grad_enabled and any(v.edge is not None for v in operands)
        attrs = (graph, total, len(xs), length, reverse, saves)
        got = _emit(name, _SCAN, device, operands, attrs)
        # A carry has history after the first step if it began with some.
        ends = [(v, b) for v, b in zip(carried, loop.begin, strict=True)]
        last = [
            Tensor._wrap(_as_result(v, pair), device)
            for v, pair in zip(got[:count], ends, strict=True)
        ]
        loop.write(region, got[count:total])
        stacked = iter(
            Tensor._wrap(_as_result(v, [end]), device)
            for v, end in zip(got[total : total + len(ys)], ys, strict=True)
        )
        leaves = [next(stacked) if isinstance(leaf, Tensor) else leaf for leaf in results[0]]
        results[0] = None
        return trees.unflatten(structure, last), trees.unflatten(results[1], leaves)


def record_while(cond_fn: Any, body_fn: Any, leaves: list[Any], structure: Any) -> Any:
    tensors = [t for t in leaves if isinstance(t, Tensor)]
    device = tensors[0].device if tensors else STATE.session.device  # type: ignore[union-attr]
    recorder_for(device)
    carried = [
        t
        if isinstance(t, Tensor)
        else as_tensor(t, dtype=int64 if isinstance(t, int) else None, device=device)
        for t in leaves
    ]
    loop = _Loop(device, carried, [])

    def body(*flat: Tensor) -> Any:
        after = body_fn(*trees.unflatten(structure, list(flat)))
        after = tuple(after) if isinstance(after, (tuple, list)) else (after,)
        found, same = trees.flatten(after)
        found = [
            as_tensor(new, dtype=old.dtype)
            if isinstance(new, (int, float)) and not isinstance(given, Tensor)
            else new
            for given, old, new in zip(leaves, flat, found, strict=False)
        ]
        check_leaves("while_loop", structure, flat, same, found)
        return found

    def condition(*flat: Tensor) -> Any:
        pred = cond_fn(*trees.unflatten(structure, list(flat)))
        if not isinstance(pred, Tensor):
            return prims.full(bool(pred), shape=(), dtype=bool_, device=device)
        if pred._type.numel != 1:
            raise user_error(
                ShapeError(f"while_loop: cond_fn must give one bool, got shape {pred._type.shape}")
            )
        return prims.convert(prims.reshape(pred, shape=()) if pred.ndim else pred, bool_)

    with _regions() as made:
        step = loop.record(made, body)
        inputs = loop.inputs
        outputs = [*step.outputs, *loop.after(step, inputs)]
        before = len(loop.state)
        test = loop.record(made, condition)
        if test.written or len(loop.state) > before:
            raise Unrecordable("its condition writes to a tensor outside")
        keys = _keys([step, test])
        test_graph = loop.graph(test, _named(cond_fn, "condition"), keys, test.outputs)
        loop.inputs = inputs
        step_graph = loop.graph(step, _named(body_fn, "body"), keys, outputs)
        attrs = (test_graph, step_graph, len(outputs))
        got = _emit("while_loop", _WHILE, device, loop.operands(keys), attrs)
        ends = zip(step.outputs, loop.begin, strict=True)
        last = [
            Tensor._wrap(_as_result(v, pair), device)
            for v, pair in zip(got[: len(carried)], ends, strict=True)
        ]
        loop.write(step, got[len(carried) :])
        return trees.unflatten(structure, last)
