"""Reading the text form that `printer.to_text` writes.

Each line is cut into tokens by one regular expression, and each node is typed by its op's
own rule, so what comes out is a sound graph. Nothing in the text is ever executed. Types of
results and origins may be left out by hand-written text; `(1)` and `(1,)` are both tuples.
Reached through `Graph.from_text`; tools may import it.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .collector import without_collector
from .errors import GraphError
from .graph import Graph, Node, Operand, Scalar, Value
from .limits import LIMITS, Limits, SizeCheck
from .ops import OPS
from .ops.shape import Constant
from .origin import NAME, STRING, OriginReader, name_of
from .types import DType, TensorType, dtype_from_name, parse_type
from .verifier import check_node

_REAL = r"(?:inf|nan|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<value>%(?:{STRING}|[A-Za-z0-9_.]+)(?:~\d+)?)
    |(?P<graph>@{NAME}(?:~\d+)?)
    |(?P<type>[a-z][a-z0-9]*\[[0-9,\ ]*\])
    |(?P<complex>\(-?{_REAL}[+-]{_REAL}j\)|-?{_REAL}j(?![\w.~]))
    |(?P<number>-?{_REAL}(?![\w.~]))
    |(?P<name>{NAME}(?:~\d+)?)
    |(?P<punctuation>->|[(){{}},:=])
    |(?P<cost>\|[^|]*\|)
    |(?P<origin>;.*)
    |(?P<comment>\#.*)
    |(?P<unknown>.)""",
    re.VERBOSE,
)
_HEAD_START = re.compile(r"graph\s")
_HEAD_END = re.compile(r'\{\s*(?:#[^"]*)?$')
_parse_type = functools.lru_cache(4096)(parse_type)  # a dump repeats few types
_WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}
_SKIPPED = frozenset(("space", "comment", "cost"))
_DEPTH = 64  # of tuples inside tuples; no op needs more than two

Token = tuple[str, str]
_END: Token = ("end", "the end of the line")


class _Bad(Exception):
    """What is wrong with the line being read."""


class _Line:
    """The tokens of one line, read from left to right."""

    def __init__(self, text: str):
        self.origin = ""
        self.tokens: list[Token] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            assert kind is not None
            if kind == "unknown":
                raise _Bad(f"unexpected {match.group()!r}")
            if kind == "origin":
                self.origin = match.group()[1:].strip()
            elif kind not in _SKIPPED:
                self.tokens.append((kind, match.group()))
        self.tokens.append(_END)
        self.at = 0

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self, kind: str, what: str) -> str:
        """The next token, which must be of this kind."""
        found, text = self.tokens[self.at]
        if found != kind:
            raise _Bad(f"expected {what}, found {_shown(text)}")
        self.at += 1
        return text

    def skip(self, text: str) -> bool:
        """Step over the next token if it is this one."""
        if self.tokens[self.at] == ("punctuation", text):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.skip(text):
            raise _Bad(f"expected {text!r}, found {_shown(self.tokens[self.at][1])}")

    def items(self, close: str) -> Iterator[None]:
        """Once per item of a list that `close` ends; a comma may follow the last."""
        while not self.skip(close):
            yield
            if not self.skip(","):
                self.expect(close)
                return

    def end(self) -> None:
        if self.tokens[self.at] is not _END:
            raise _Bad(f"unexpected {_shown(self.tokens[self.at][1])}")


def _shown(text: str) -> str:
    return text if text == _END[1] else repr(text if len(text) <= 40 else f"{text[:40]}...")


# A graph of this name, without inputs, gives the data that the last graph runs on.
DATA = "input_data"


def parse(text: str, limits: Limits = LIMITS) -> Graph:
    """The last graph in `text`. Raises: GraphError naming the line at fault."""
    return parse_with_data(text, limits)[0]


@without_collector
def parse_with_data(text: str, limits: Limits = LIMITS) -> tuple[Graph, Graph | None]:
    """The last graph in `text`, and the one that gives its inputs, if there is one."""
    reader = _Reader(SizeCheck(limits))
    reader.size.text(text)
    number, line = 0, ""
    try:
        for number, line in _joined(text):
            reader.read(line, number)
    except (_Bad, GraphError, ValueError, OverflowError) as e:
        shown = line.strip().split("\n")[0]
        shown = shown if len(shown) <= 120 else f"{shown[:120]}..."
        raise GraphError(f"line {number}: {e}\n  {shown}") from None
    if reader.open is not None:
        raise GraphError(f"line {reader.opened_at}: graph {reader.open.name} is never closed")
    if reader.last is None:
        raise GraphError("there is no graph in the text")
    data = reader.graphs.get(DATA)
    if data is None or data is reader.last:
        return reader.last, None
    if data.inputs or data.output_types != reader.last.input_types:
        wanted = ", ".join(map(str, reader.last.input_types))
        raise GraphError(f"graph {DATA} must take nothing and give ({wanted})")
    return reader.last, data


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a graph's first line goes on up to its brace."""
    head: list[str] = []
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        plain = line.strip()
        if head or _HEAD_START.match(plain):
            start = start if head else number
            head.append(plain)
            if _HEAD_END.search(plain):
                yield start, "\n".join(head)
                head = []
        elif plain and not plain.startswith("#"):
            yield number, plain
    if head:
        yield start, "\n".join(head)


class _Open:
    """A graph whose closing brace has not come yet."""

    def __init__(self, name: str, key: str):
        self.name = name
        self.key = key
        self.inputs: list[Value] = []
        self.input_names: list[str] = []
        self.flags: list[bool] = []
        self.outputs: list[tuple[str, TensorType]] = []
        self.env: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.returned: list[Value] | None = None


class _Reader:
    def __init__(self, size: SizeCheck) -> None:
        self.size = size
        self.graphs: dict[str, Graph] = {}
        self.origins = OriginReader()
        self.open: _Open | None = None
        self.opened_at = 0
        self.last: Graph | None = None

    def read(self, text: str, number: int) -> None:
        if self.open is None and text.startswith(("file ", "file\t")):
            self.origins.add_file(text)
            return
        line = _Line(text)
        kind, word = line.peek()
        if (kind, word) == ("name", "graph"):
            if self.open is not None:
                raise _Bad(f"graph {self.open.name} is not closed yet")
            self.open, self.opened_at = self._header(line), number
        elif kind == "end":
            return
        elif self.open is None:
            raise _Bad(f"expected a graph, found {_shown(word)}")
        elif (kind, word) == ("name", "return"):
            self._return(line, self.open)
        elif word == "}":
            self._close(line, self.open)
        else:
            self._node(line, self.open)

    def _header(self, line: _Line) -> _Open:
        line.at += 1
        key = _name_like(line, "the graph's name")
        if key in self.graphs:
            raise _Bad(f"there is a graph {key} already")
        g = _Open(_without_count(key), key)
        line.expect("(")
        for _ in line.items(")"):
            name = line.take("value", "an input such as %x")
            if name in g.env:
                raise _Bad(f"{name} is defined twice")
            line.expect(":")
            g.env[name] = value = Value(_type(line))
            g.inputs.append(value)
            g.input_names.append(_without_count(name[1:]))
            flag = line.peek() == ("name", "grad")
            line.at += flag
            g.flags.append(flag)
        line.expect("->")
        line.expect("(")
        for _ in line.items(")"):
            name = _name_like(line, "an output's name")
            line.expect(":")
            g.outputs.append((name_of(name), _type(line)))
        line.expect("{")
        line.end()
        return g

    def _return(self, line: _Line, g: _Open) -> None:
        if g.returned is not None:
            raise _Bad("a second return")
        line.at += 1
        found = []
        while line.peek()[0] == "value":
            found.append(_look(g, line.take("value", "a value")))
            if not line.skip(","):
                break
        line.end()
        if len(found) != len(g.outputs):
            raise _Bad(f"the graph has {len(g.outputs)} outputs, {len(found)} are returned")
        for (name, type), v in zip(g.outputs, found, strict=True):
            if v.type is not type:
                raise _Bad(f"output {name} is declared {type}, but what is returned is {v.type}")
        g.returned = found

    def _close(self, line: _Line, g: _Open) -> None:
        line.at += 1
        line.end()
        if g.returned is None:
            raise _Bad(f"graph {g.name} has no return")
        self.last = self.graphs[g.key] = Graph(
            *(g.inputs, g.nodes, g.returned),
            name=g.name,
            input_names=g.input_names,
            output_names=[name for name, _ in g.outputs],
            requires_grad=g.flags,
        )
        self.size.add(self.last)
        self.open = None

    def _node(self, line: _Line, g: _Open) -> None:
        if g.returned is not None:
            raise _Bad("expected '}' after the return")
        names: list[str] = []
        declared: list[TensorType | None] = []
        if line.peek()[0] == "value":
            while True:
                names.append(line.take("value", "a result such as %0"))
                declared.append(_type(line) if line.skip(":") else None)
                if not line.skip(","):
                    break
            line.expect("=")
        op_name = line.take("name", "an op")
        op = OPS.get(op_name)
        if op is None:
            raise _Bad(f"unknown op {_shown(op_name)}")
        line.expect("(")
        operands = tuple(_operand(line, g) for _ in line.items(")"))
        given: dict[str, Any] = {}
        while line.peek()[0] != "end":
            name = line.take("name", "an attribute")
            if name in given:
                raise _Bad(f"attribute {name} is given twice")
            line.expect("=")
            given[name] = self._attribute(line)
        if given.keys() != set(op.attrs):
            wanted = ", ".join(op.attrs) or "none"
            raise _Bad(f"{op.name} takes attributes {wanted}; found {', '.join(given) or 'none'}")
        attrs = tuple(given[name] for name in op.attrs)
        types = check_node(op, operands, attrs)
        if len(types) != len(names):
            raise _Bad(f"{op.name} has {len(types)} results, {len(names)} are named")
        scope, loc, cause = self.origins.read(line.origin) if line.origin else (None,) * 3
        node = Node(op, operands, attrs, loc, scope, cause, len(g.nodes))
        node.outputs = tuple(Value(t, node, i) for i, t in enumerate(types))
        for name, type, v in zip(names, declared, node.outputs, strict=True):
            if type is not None and type is not v.type:
                raise _Bad(f"{name} is declared {type}, but {op.name} gives {v.type}")
            if name in g.env:
                raise _Bad(f"{name} is defined twice")
            g.env[name] = v
        g.nodes.append(node)
        self.size.node()

    def _attribute(self, line: _Line) -> Any:
        """A value, or tuples of them to any legal depth, without recursion."""
        stack: list[list[Any]] = []
        while True:
            if line.skip("("):
                if len(stack) == _DEPTH:
                    raise _Bad("tuples nested too deep")
                stack.append([])
                if not line.skip(")"):
                    continue
                item: Any = tuple(stack.pop())
            else:
                item = self._atom(line)
            while stack:
                stack[-1].append(item)
                if line.skip(","):
                    if not line.skip(")"):
                        break
                else:
                    line.expect(")")
                item = tuple(stack.pop())
            else:
                return item

    def _atom(self, line: _Line) -> Any:
        kind, text = line.peek()
        line.at += 1
        if kind == "number" or kind == "complex":
            return _number(kind, text)
        if kind == "type":
            return _constant(line, parse_type(text))
        if kind == "graph":
            if text[1:] not in self.graphs:
                raise _Bad(f"graph {text} is not defined before it is used")
            return self.graphs[text[1:]]
        if kind == "name":
            if text in _WORDS:
                return _WORDS[text]
            if text.startswith('"'):
                return json.loads(text)
            try:
                return dtype_from_name(text)
            except KeyError:
                pass
        line.at -= 1
        raise _Bad(f"expected an attribute's value, found {_shown(text)}")


def _name_like(line: _Line, what: str) -> str:
    """A name; digits alone, which are a number elsewhere, are one too."""
    kind, text = line.peek()
    if kind not in ("name", "number", "complex") or text[0] in "-(":
        raise _Bad(f"expected {what}, found {_shown(text)}")
    line.at += 1
    return text


def _without_count(text: str) -> str:
    """The name in `x`, `"x"` or `x~2`."""
    if not text.endswith('"'):
        text = re.sub(r"~\d+$", "", text)
    return name_of(text)


def _type(line: _Line) -> TensorType:
    return _parse_type(line.take("type", "a type such as f32[2,3]"))


def _look(g: _Open, name: str) -> Value:
    found = g.env.get(name)
    if found is None:
        raise _Bad(f"{name} is not defined")
    return found


def _operand(line: _Line, g: _Open) -> Operand:
    kind, text = line.peek()
    line.at += 1
    if kind == "value":
        return _look(g, text)
    if kind == "number" or kind == "complex":
        return _number(kind, text)
    if text == "True" or text == "False":
        return text == "True"
    raise _Bad(f"expected an operand, found {_shown(text)}")


def _number(kind: str, text: str) -> Scalar:
    if kind == "complex":
        return complex(text)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _constant(line: _Line, type: TensorType) -> Constant:
    """The array after its type: `(1.0, 2.0)`, or `(base64 "...")`."""
    line.expect("(")
    dtype = type.dtype
    if line.peek() == ("name", "base64"):
        line.at += 1
        data = base64.b64decode(name_of(line.take("name", "the data")), validate=True)
        line.expect(")")
        if len(data) != type.size_bytes:
            raise _Bad(f"{type} has {type.size_bytes} bytes, got {len(data)}")
        array = np.frombuffer(data, dtype.np.newbyteorder("<")).astype(dtype.np)
    else:
        items = [_element(line) for _ in line.items(")")]
        if len(items) != type.numel:
            raise _Bad(f"{type} has {type.numel} elements, got {len(items)}")
        array = listed_array(items, dtype)
    return Constant(array.reshape(type.shape))


def listed_array(items: list[Any], dtype: DType) -> np.ndarray:
    """Numbers as an array of `dtype`. Raises: ValueError if it cannot hold one of them."""
    if not dtype.is_complex and any(isinstance(x, complex) for x in items):
        raise ValueError(f"{dtype} does not hold complex numbers")
    with np.errstate(over="ignore"):
        array = np.array(items, dtype.np)
    if dtype.kind in ("bool", "uint", "int") and array.tolist() != items:
        raise ValueError(f"{dtype} does not hold all of these numbers")
    return array


def _element(line: _Line) -> Scalar:
    kind, text = line.peek()
    line.at += 1
    if kind == "number" or kind == "complex":
        return _number(kind, text)
    if text == "True" or text == "False":
        return text == "True"
    raise _Bad(f"expected a number, found {_shown(text)}")
