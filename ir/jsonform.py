"""The JSON form of a graph, for programs that read graphs; nothing in it is ever executed.

    {"thrace": 1, "scopes": [...], "locations": [...], "graphs": [...]}

The last graph is the program; those before it are held by nodes. A graph's values are
numbered: inputs first, then results in order. An operand is such a number, or a literal
`{"float": 0.5}`. Scopes name their parent by position, nodes their scope, location and cause.
Reached through `Graph.to_json` and `Graph.from_json`; tools may import it.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .collector import without_collector
from .errors import GraphError
from .graph import Graph, Node, Operand, Scope, Value
from .limits import LIMITS, SCOPES, Limits, SizeCheck
from .nested import nested_graphs
from .ops import OPS
from .ops.shape import Constant
from .source import Location, RawLocation, resolve
from .types import DType, dtype_from_name, dtype_from_numpy, parse_type
from .verifier import check_node

VERSION = 1


@without_collector
def to_json(graph: Graph, *, indent: int | None = None) -> str:
    """The graph as JSON text; `indent` spreads it over lines."""
    writer = _Writer()
    graphs = [writer.graph(g) for g in nested_graphs(graph)]
    document = {
        "thrace": VERSION,
        "scopes": writer.scopes,
        "locations": [list(place) for place in writer.locations],
        "graphs": graphs,
    }
    return json.dumps(document, indent=indent, allow_nan=False)


class _Writer:
    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.locations: dict[Location, int] = {}
        self._scope_index: dict[Scope, int] = {}
        self._raw_index: dict[tuple[int, int], int] = {}
        self._graph_index: dict[int, int] = {}

    def graph(self, g: Graph) -> dict[str, Any]:
        numbers: dict[Value, int] = {v: i for i, v in enumerate(g.inputs)}
        nodes = []
        for node in g.nodes:
            row: dict[str, Any] = {
                "op": node.op.name,
                "operands": [
                    numbers[o] if isinstance(o, Value) else _number_json(o) for o in node.operands
                ],
            }
            if node.attrs:
                row["attrs"] = {k: self._attribute(a) for k, a in node.attr_dict().items()}
            row["types"] = [str(v.type) for v in node.outputs]
            if node.scope is not None:
                row["scope"] = self._scope(node.scope)
            if node.loc is not None:
                row["loc"] = self._location(node.loc)
            if node.cause is not None:
                row["cause"] = self._location(node.cause)
            nodes.append(row)
            for v in node.outputs:
                numbers[v] = len(numbers)
        self._graph_index[id(g)] = len(self._graph_index)
        return {
            "name": g.name,
            "inputs": [
                {"name": name, "type": str(v.type), "requires_grad": flag}
                for name, v, flag in zip(g.input_names, g.inputs, g.requires_grad, strict=True)
            ],
            "nodes": nodes,
            "outputs": [
                {"name": name, "value": numbers[v]}
                for name, v in zip(g.output_names, g.outputs, strict=True)
            ],
        }

    def _scope(self, scope: Scope) -> int:
        todo: list[Scope] = []
        step: Scope | None = scope
        while step is not None and step not in self._scope_index:
            todo.append(step)
            step = step.parent
        for step in reversed(todo):
            parent = None if step.parent is None else self._scope_index[step.parent]
            self._scope_index[step] = len(self.scopes)
            self.scopes.append({"name": step.name, "kind": step.kind, "parent": parent})
        return self._scope_index[scope]

    def _location(self, raw: RawLocation | Location) -> int:
        if isinstance(raw, Location):
            return self.locations.setdefault(raw, len(self.locations))
        # A code object hashes its whole content: its id does for as long as the dump lasts.
        key = (id(raw[0]), raw[1])
        found = self._raw_index.get(key)
        if found is None:
            place = resolve(raw)
            assert place is not None
            found = self._raw_index[key] = self.locations.setdefault(place, len(self.locations))
        return found

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return [self._attribute(item) for item in value]
        if isinstance(value, DType):
            return {"dtype": value.name}
        if isinstance(value, Graph):
            return {"graph": self._graph_index[id(value)]}
        if isinstance(value, Constant):
            array = value.array
            data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            return {
                "constant": f"{dtype_from_numpy(array.dtype).short}{list(array.shape)}",
                "base64": base64.b64encode(data).decode(),
            }
        if value is None or isinstance(value, str | bool):
            return value
        if type(value) is int:
            return value
        return _number_json(value)


def _number_json(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"bool": value}
    if isinstance(value, int):
        return {"int": int(value)}
    if isinstance(value, float):
        return {"float": _float_json(value)}
    if isinstance(value, complex):
        return {"complex": [_float_json(value.real), _float_json(value.imag)]}
    raise GraphError(f"a {type(value).__name__} has no JSON form: {value!r}")


def _float_json(value: float) -> float | str:
    return float(value) if math.isfinite(value) else repr(float(value))


@without_collector
def from_json(text: str, limits: Limits = LIMITS) -> Graph:
    """The graph in JSON text. Raises: GraphError naming the place at fault."""
    size = SizeCheck(limits)
    size.text(text)
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise GraphError("the JSON text is nested too deep") from None
    except ValueError as e:
        raise GraphError(f"not JSON: {e}") from None
    if not isinstance(document, dict) or "thrace" not in document:
        raise GraphError('not a graph: there is no "thrace" version')
    if document["thrace"] != VERSION:
        raise GraphError(f"version {document['thrace']!r} is unknown; this reads {VERSION}")
    return _Reader(document, size).read()


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class _Reader:
    def __init__(self, document: dict[str, Any], size: SizeCheck):
        self.document = document
        self.size = size
        self.at = ""  # the place being read
        self.scopes: list[Scope] = []
        self.levels: list[int] = []  # of each scope, from 1
        self.locations: list[Location] = []
        self.graphs: list[Graph] = []

    def read(self) -> Graph:
        try:
            for i, row in enumerate(self._rows("scopes", self.document.get("scopes", []))):
                self.at = f"scopes[{i}]"
                parent = row["parent"]
                above = None if parent is None else self._pick(self.scopes, parent)
                self.levels.append(1 if parent is None else self.levels[parent] + 1)
                if self.levels[-1] > SCOPES:
                    raise ValueError(f"more than {SCOPES} scopes inside one another")
                self.scopes.append(Scope(_str(row["name"]), _str(row["kind"]), above))
            for i, row in enumerate(self._rows("locations", self.document.get("locations", []))):
                self.at = f"locations[{i}]"
                file, line, function, said = row
                self.locations.append(Location(_str(file), _int(line), _str(function), _str(said)))
            for i, row in enumerate(self._rows("graphs", self.document.get("graphs", []))):
                self.graphs.append(self._graph(row, f"graphs[{i}]"))
                self.size.add(self.graphs[-1])
        except GraphError as e:
            raise GraphError(f"{self.at}: {e}") from None
        except KeyError as e:
            raise GraphError(f"{self.at}: {e} is missing") from None
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as e:
            raise GraphError(f"{self.at}: {e}") from None
        if not self.graphs:
            raise GraphError("graphs: there is none")
        return self.graphs[-1]

    def _rows(self, name: str, rows: Any) -> list:
        self.at = name
        if not isinstance(rows, list):
            raise ValueError(f"must be a list, got {_shown(rows)}")
        return rows

    def _pick(self, items: list, i: Any) -> Any:
        """Item `i`, which must have come before."""
        if type(i) is not int or not 0 <= i < len(items):
            raise ValueError(f"{_shown(i)} is not the position of something defined before")
        return items[i]

    def _graph(self, row: Any, at: str) -> Graph:
        self.at = at
        name = _str(row["name"])
        values: list[Value] = []
        names, flags = [], []
        for i, item in enumerate(self._rows(f"{at}.inputs", row["inputs"])):
            self.at = f"{at}.inputs[{i}]"
            names.append(_str(item["name"]))
            flags.append(_bool(item.get("requires_grad", False)))
            values.append(Value(parse_type(_str(item["type"]))))
        lead = len(values)
        nodes: list[Node] = []
        for i, item in enumerate(self._rows(f"{at}.nodes", row["nodes"])):
            self.at = f"{at}.nodes[{i}]"
            self.size.node()
            nodes.append(self._node(item, values, i))
            values += nodes[-1].outputs
        outputs = []
        for i, item in enumerate(self._rows(f"{at}.outputs", row["outputs"])):
            self.at = f"{at}.outputs[{i}]"
            outputs.append((_str(item["name"]), self._pick(values, item["value"])))
        return Graph(
            *(values[:lead], nodes, [v for _, v in outputs]),
            name=name,
            input_names=names,
            output_names=[n for n, _ in outputs],
            requires_grad=flags,
        )

    def _node(self, row: Any, values: list[Value], seq: int) -> Node:
        op = OPS.get(_str(row["op"]))
        if op is None:
            raise ValueError(f"unknown op {row['op']!r}")
        operands: tuple[Operand, ...] = tuple(
            _number(o) if isinstance(o, dict) else self._pick(values, o) for o in row["operands"]
        )
        given = row.get("attrs", {})
        if given.keys() != set(op.attrs):
            raise ValueError(f"{op.name} takes attributes {list(op.attrs)}, got {list(given)}")
        attrs = tuple(self._attribute(given[name]) for name in op.attrs)
        types = check_node(op, operands, attrs)
        if row.get("types", [str(t) for t in types]) != [str(t) for t in types]:
            declared = _shown(row["types"])
            raise ValueError(f"{op.name} gives {list(map(str, types))}, declared {declared}")
        scope, loc, cause = (
            None if row.get(key) is None else self._pick(items, row[key])
            for key, items in (
                ("scope", self.scopes),
                ("loc", self.locations),
                ("cause", self.locations),
            )
        )
        node = Node(op, operands, attrs, loc, scope, cause, seq)
        node.outputs = tuple(Value(t, node, i) for i, t in enumerate(types))
        return node

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, list):  # json.loads has bounded the depth
            return tuple(self._attribute(item) for item in value)
        if not isinstance(value, dict):
            if isinstance(value, float):
                raise ValueError('a number with a fraction is written {"float": ...}')
            return value
        if "dtype" in value:
            return dtype_from_name(_str(value["dtype"]))
        if "graph" in value:
            return self._pick(self.graphs, value["graph"])
        if "constant" in value:
            type = parse_type(_str(value["constant"]))
            data = base64.b64decode(_str(value["base64"]), validate=True)
            if len(data) != type.size_bytes:
                raise ValueError(f"{type} has {type.size_bytes} bytes, got {len(data)}")
            array = np.frombuffer(data, type.dtype.np.newbyteorder("<")).astype(type.dtype.np)
            return Constant(array.reshape(type.shape))
        return _number(value)


_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "bool": lambda v: _bool(v),
    "int": lambda v: _int(v),
    "float": lambda v: _float(v),
    "complex": lambda v: complex(*map(_float, v)) if len(v) == 2 else _refuse("two parts", v),
}


def _number(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((kind, spelled),) = value.items()
        if kind in _NUMBERS:
            return _NUMBERS[kind](spelled)
    return _refuse("a number such as {'float': 0.5}", value)


def _float(value: Any) -> float:
    if value in ("inf", "-inf", "nan"):
        return float(value)
    return float(value) if type(value) in (int, float) else _refuse("a number", value)


def _int(value: Any) -> int:
    return value if type(value) is int else _refuse("a whole number", value)


def _bool(value: Any) -> bool:
    return value if type(value) is bool else _refuse("true or false", value)


def _str(value: Any) -> str:
    return value if type(value) is str else _refuse("a string", value)


def _refuse(wanted: str, value: Any) -> Any:
    raise ValueError(f"expected {wanted}, got {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
