"""Pack: many small inputs and results become few, because each costs XLA's caller a microsecond.

State that a graph reads and writes, such as biases and what an optimizer keeps of them, comes in
and goes out as flat arrays. Its update is computed on those: what is computed alike of each piece
is computed once of all of them, so that XLA has fewer and longer loops to compile.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ..build import Builder
from ..graph import Graph, Node, Value
from ..hash import literal_key
from ..rebuild import Rebuilder
from ..types import TensorType
from .dce import eliminate_dead_code

T = TypeVar("T")

MAX_BYTES = 1 << 14  # of a piece: copying more costs more than it saves
MIN_PIECES, MAX_PIECES = 8, 16  # of a flat array: XLA's compile time grows with the square
_MANY_READERS = 8  # of a number that is one for all
_MAX_DEPTH = 64  # of a computation on flat arrays
_MAX_STATES = 8  # that a new one is computed of


class Place(NamedTuple):
    """Where an input or result is among those of the packed graph: a whole one, or the elements
    of a flat one from `start` on."""

    number: int
    start: int | None
    shape: tuple[int, ...]


class Packed(NamedTuple):
    """A graph with flat inputs and results, behind all others, and where each of those of the
    graph before is. What was written in the place of an input is so again."""

    graph: Graph
    inputs: list[Place]
    outputs: list[Place]


class _Form(NamedTuple):
    """How a value is computed elementwise: of which states, and of one leaf at most."""

    key: int  # equal where it is alike
    leaf: Value | None
    states: frozenset[int]


def pack(graph: Graph, states: Sequence[tuple[int, int]], results: Sequence[int]) -> Packed | None:
    """The graph with small arrays packed, or None if there are too few.

    `states` has an input and the output that takes its place at the next call, of the same type;
    `results` has further outputs that may be parts of others.
    """
    small = [(i, o) for i, o in states if _is_small(graph.outputs[o])]
    wanted = [o for o in results if _is_small(graph.outputs[o])]
    forms = _Forms(graph, [i for i, _ in small], {graph.outputs[o] for o in wanted})
    packs = _packs(graph, small, forms)
    if not packs and len(wanted) < MIN_PIECES:
        return None
    return _Packer(graph, packs, forms).packed(wanted)


def parts_of_flat(types: Sequence[TensorType]) -> Graph:
    """The graph that gives the pieces of a flat array."""
    b = Builder()
    flat = Value(TensorType((sum(t.numel for t in types),), types[0].dtype))
    return b.finish([flat], list(_parts_of(b, flat, types)), name="unpack")


def _parts_of(b: Builder, flat: Value, types: Sequence[TensorType]) -> Iterator[Value]:
    start = 0
    for t in types:
        part = b.slice(flat, starts=(start,), sizes=(t.numel,), strides=(1,))
        yield b.reshape(part, t.shape)
        start += t.numel


def _is_small(value: Value) -> bool:
    return 0 < value.type.size_bytes <= MAX_BYTES


class _Forms:
    """The forms of states and of small values that are computed elementwise. Any other value is a
    leaf, and so is one that is there as a `whole` anyway."""

    def __init__(self, graph: Graph, states: list[int], whole: set[Value]):
        self.keys: dict[tuple, int] = {}
        self.forms: dict[Value, _Form] = {}
        readers = Counter(
            o for node in graph.nodes for o in {*node.operands} if o.__class__ is Value
        )
        self.popular = {v for v, count in readers.items() if count >= _MANY_READERS}
        for i in states:
            v = graph.inputs[i]
            self.forms[v] = _Form(self._key("state", v.type.dtype), None, frozenset((i,)))
        for nodes in _levels(graph, whole):
            found = {node.outputs[0]: form for node in nodes if (form := self._form(node))}
            alike = Counter(form.key for form in found.values())
            # What few are like is a leaf of what many are like.
            self.forms |= {v: form for v, form in found.items() if alike[form.key] >= MIN_PIECES}

    def get(self, value: Value) -> _Form | None:
        return self.forms.get(value)

    def is_shared(self, operand: Value, out: Value) -> bool:
        """Whether an operand is one number for all elements of all pieces, such as a learning
        rate; where the pieces are numbers themselves, it is if many nodes read it."""
        if operand.type.shape != ():
            return False
        return out.type.shape != () or (operand in self.popular and operand not in self.forms)

    def _key(self, *words: object) -> int:
        return self.keys.setdefault(words, len(self.keys))

    def _form(self, node: Node) -> _Form | None:
        out = node.outputs[0]
        words: list[object] = [node.op.name, node.attrs]
        leaves: set[Value | None] = set()
        states: set[int] = set()
        for o in node.operands:
            if not isinstance(o, Value):
                words.append(literal_key(o))
            elif self.is_shared(o, out):
                words.append(o)
            elif o.type.shape != out.type.shape:
                return None
            elif (form := self.forms.get(o)) is None:
                words.append(self._key("leaf", o.type.dtype))
                leaves.add(o)
            else:
                words.append(form.key)
                leaves.add(form.leaf)
                states |= form.states
        if not leaves:
            return None  # of what is shared alone
        leaves.discard(None)
        if len(leaves) > 1 or len(states) > _MAX_STATES:
            return None
        return _Form(self._key(*words), next(iter(leaves), None), frozenset(states))


def _levels(graph: Graph, whole: set[Value]) -> list[list[Node]]:
    """The elementwise nodes with small results by the length of the way to them over others."""
    levels: list[list[Node]] = [[] for _ in range(_MAX_DEPTH)]
    depth: dict[Node | None, int] = {}
    for node in graph.nodes:
        out = node.outputs[0] if node.outputs else None
        if node.op.elementwise and out is not None and _is_small(out) and out not in whole:
            above = [depth.get(o.node, -1) for o in node.operands if isinstance(o, Value)]
            depth[node] = max(above) + 1
            if depth[node] < _MAX_DEPTH:
                levels[depth[node]].append(node)
    return levels


def _packs(
    graph: Graph, states: list[tuple[int, int]], forms: _Forms
) -> list[list[tuple[int, int]]]:
    """Which states go into one flat array each.

    A parameter and what its optimizer keeps of it are a family, found by what is computed of
    what. Families whose members are computed alike are packed member by member, in the same
    order, so that one flat array is computed of others.
    """
    family = {i: {i} for i, _ in states}
    for i, o in states:
        form = forms.get(graph.outputs[o])
        for j in () if form is None else form.states:
            if family[j] is not family[i]:
                family[i] |= family[j]
                for member in family[j]:
                    family[member] = family[i]
    members: dict[int, list[tuple[int, int, int]]] = {}  # by a family's id: key, input, output
    for i, o in states:
        form = forms.get(graph.outputs[o])
        key = -1 if form is None else form.key
        members.setdefault(id(family[i]), []).append((key, i, o))
    alike: dict[tuple, list[list[tuple[int, int]]]] = {}
    for found in members.values():
        found.sort()
        kinds = tuple((key, graph.inputs[i].type.dtype) for key, i, _ in found)
        alike.setdefault(kinds, []).append([(i, o) for _, i, o in found])
    return [
        [*pieces]
        for families in alike.values()
        if len(families) >= MIN_PIECES
        for part in _parts(families, lambda pieces: graph.inputs[pieces[0][0]].type.shape)
        for pieces in zip(*part, strict=True)
    ]


def _parts(items: Sequence[T], shape: Callable[[T], object]) -> list[Sequence[T]]:
    """Pieces cut into parts of at most MAX_PIECES; one that is alone is left out.

    Layers that are alike should get parts that are: XLA compiles a kernel once for all of them,
    if it reads its piece from the same place. A distinct place is taken to cost as much as one
    part more.
    """
    shapes = [shape(item) for item in items]
    best: tuple[int, list[int]] | None = None
    for size in range(MIN_PIECES, MAX_PIECES + 1):
        for first in range(size):
            cuts = [0, *range(first or size, len(items), size), len(items)]
            parts = [tuple(shapes[a:b]) for a, b in itertools.pairwise(cuts)]
            cost = sum(map(len, {*parts})) + len(parts)
            if best is None or cost < best[0]:
                best = cost, cuts
    assert best is not None
    return [items[a:b] for a, b in itertools.pairwise(best[1]) if b - a > 1]


class _Packer:
    """A graph that is being rebuilt with flat arrays."""

    def __init__(self, graph: Graph, packs: list[list[tuple[int, int]]], forms: _Forms):
        self.graph = graph
        self.packs = packs
        self.forms = forms
        self.new = Rebuilder(graph)
        self.flats: list[Value] = []  # inputs
        self.at: dict[Value, tuple[int, int]] = {}  # of a packed input: its pack, and from where
        self.made: dict[tuple[Value, ...], Value] = {}
        self.joined: list[tuple[tuple[Value, ...], Value]] = []  # pieces that were no flat array

    def packed(self, wanted: list[int]) -> Packed:
        graph, new = self.graph, self.new
        inputs = self._inputs()
        for node in graph.nodes:
            new.copy(node, new.map(node.operands))
        places: dict[int, tuple[int, int]] = {}  # of an output: its pack, and from where
        found: list[Value] = []

        def put(numbers: Sequence[int], flat: Value) -> None:
            start = 0
            for o in numbers:
                places[o] = len(found), start
                start += graph.outputs[o].type.numel
            found.append(flat)

        for pieces in self.packs:
            outputs = [o for _, o in pieces]
            put(outputs, self.flat(tuple(graph.outputs[o] for o in outputs)))
        self._put_results(wanted, put)
        kept = [o for o in range(len(graph.outputs)) if o not in places]
        where = {o: Place(n, None, graph.outputs[o].type.shape) for n, o in enumerate(kept)}
        for o, (n, start) in places.items():
            where[o] = Place(len(kept) + n, start, graph.outputs[o].type.shape)
        made = new.finish(
            [*(new.env[graph.outputs[o]] for o in kept), *found],  # type: ignore[list-item]
            input_names=[
                name for name, at in zip(graph.input_names, inputs, strict=True) if at.start is None
            ]
            + [f"packed {n}" for n in range(len(self.flats))],
            output_names=[graph.output_names[o] for o in kept]
            + [f"packed {n} new" for n in range(len(found))],
            requires_grad=[
                flag
                for flag, at in zip(graph.requires_grad, inputs, strict=True)
                if at.start is None
            ]
            + [False] * len(self.flats),
        )
        return Packed(eliminate_dead_code(made), inputs, [where[o] for o in range(len(where))])

    def _inputs(self) -> list[Place]:
        """Put flat inputs behind the others. Returns where each input is."""
        graph, new, b = self.graph, self.new, self.new.builder
        gone = {i for pieces in self.packs for i, _ in pieces}
        kept = [i for i in range(len(graph.inputs)) if i not in gone]
        where = {i: Place(n, None, graph.inputs[i].type.shape) for n, i in enumerate(kept)}
        for n, pieces in enumerate(self.packs):
            values = [graph.inputs[i] for i, _ in pieces]
            flat = Value(TensorType((sum(v.type.numel for v in values),), values[0].type.dtype))
            self.flats.append(flat)
            start = 0
            parts = _parts_of(b, flat, [v.type for v in values])
            for (i, _), v, part in zip(pieces, values, parts, strict=True):
                where[i] = Place(len(kept) + n, start, v.type.shape)
                self.at[v] = n, start
                new.env[v] = part
                start += v.type.numel
        new.inputs = [new.inputs[i] for i in kept] + self.flats
        return [where[i] for i in range(len(where))]

    def _put_results(self, wanted: list[int], put) -> None:
        """Gradients that an update joins are there already."""
        graph = self.graph
        number = {graph.outputs[o]: o for o in wanted}
        for values, flat in self.joined:
            if len({*values}) == len(values) and all(v in number for v in values):
                put([number.pop(v) for v in values], flat)
        by_dtype: dict[object, list[int]] = {}
        for o in number.values():
            by_dtype.setdefault(graph.outputs[o].type.dtype, []).append(o)
        for rest in by_dtype.values():
            if len(rest) >= MIN_PIECES:
                for part in _parts(rest, lambda o: graph.outputs[o].type.shape):
                    put(part, self._joined(tuple(graph.outputs[o] for o in part)))

    def flat(self, values: tuple[Value, ...]) -> Value:
        """The elements of values behind one another, as few nodes as can be."""
        found = self.made.get(values)
        if found is None:
            found = self._of_one_pack(values) or self._alike(values) or self._joined(values)
            self.made[values] = found
        return found

    def _of_one_pack(self, values: tuple[Value, ...]) -> Value | None:
        """A part of a flat input, where the values are one."""
        if values[0] not in self.at:
            return None
        n, first = self.at[values[0]]
        end = first
        for v in values:
            if self.at.get(v) != (n, end):
                return None
            end += v.type.numel
        flat = self.flats[n]
        if flat.type.numel == end - first:
            return flat
        return self.new.builder.slice(flat, starts=(first,), sizes=(end - first,), strides=(1,))

    def _alike(self, values: tuple[Value, ...]) -> Value | None:
        """What the same op gives for flat operands."""
        forms = [self.forms.get(v) for v in values]
        if len({form and form.key for form in forms}) > 1 or values[0].node is None:
            return None
        if forms[0] is None:
            return None
        nodes = [v.node for v in values]
        operands = []
        for o, *others in zip(*(node.operands for node in nodes), strict=True):  # type: ignore
            if isinstance(o, Value) and not self.forms.is_shared(o, values[0]):
                operands.append(self.flat((o, *others)))
            else:
                operands += self.new.map([o])
        node = values[0].node
        return self.new.building(node).emit(node.op, tuple(operands), node.attrs)

    def _joined(self, values: tuple[Value, ...]) -> Value:
        b = self.new.builder
        if values[0].node is not None:
            self.new.building(values[0].node)
        parts = [b.reshape(self.new.env[v], (v.type.numel,)) for v in values]  # type: ignore
        joined = b.concatenate(*parts, axis=0)
        self.joined.append((values, joined))
        return joined
