"""The JSON form: equal after reading back, and bad documents refused with their place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from programs import PROGRAMS, Program, assert_same, graphs

from thrace.ir import Graph
from thrace.ir.errors import GraphError
from thrace.ir.jsonform import VERSION


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_programs_read_back(program: Program):
    for g in (program.graph(), program.graph().backward()):
        assert_same(Graph.from_json(g.to_json()), g)


@given(graphs())
def test_what_is_written_reads_back_the_same(g: Graph):
    text = g.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    back = Graph.from_json(text)
    assert_same(back, g)
    assert back.to_json() == text


def test_says_its_version():
    assert json.loads(PROGRAMS[0].graph().to_json())["thrace"] == 1


def test_indent_spreads_it_over_lines():
    g = PROGRAMS[0].graph()
    assert "\n" not in g.to_json()
    assert "\n" in g.to_json(indent=1)
    assert_same(Graph.from_json(g.to_json(indent=1)), g)


SMALL = """\
graph main(%x: f32[2,3]) -> (out0: f32[3]) {
  %0: f32[2,3] = mul(%x, 2.0)       ; <forward>/net  a.py:1
  %1: f32[3] = sum(%0) axes=(0,)
  return %1
}
"""


def _set(*path: Any):
    *way, last, value = path

    def change(document: dict) -> None:
        item: Any = document
        for key in way:
            item = item[key]
        item[last] = value

    return change


NODE = ("graphs", 0, "nodes", 0)
BAD = [
    (_set("thrace", 2), "version 2 is unknown"),
    (_set("graphs", []), "graphs: there is none"),
    (_set("graphs", 7), "graphs: must be a list"),
    (_set("graphs", 0, 5), "graphs[0]"),
    (_set(*NODE, "op", "frobnicate"), "graphs[0].nodes[0]: unknown op 'frobnicate'"),
    (_set(*NODE, "op", 3), "expected a string, got 3"),
    (_set(*NODE, "operands", [0]), "takes 2 operands, got 1"),
    (_set(*NODE, "operands", [1, 0]), "1 is not the position of something defined before"),
    (_set(*NODE, "operands", [0, True]), "True is not the position"),
    (_set(*NODE, "operands", [0, {"float": "1.0"}]), "expected a number, got '1.0'"),
    (_set(*NODE, "operands", [0, {"number": 1}]), "expected a number such as"),
    (_set(*NODE, "operands", [0, {"complex": [0, 1]}]), "cannot hold the literal 1j"),
    (_set(*NODE, "attrs", {"axis": 1}), "takes attributes [], got ['axis']"),
    (_set(*NODE, "types", ["f32[3]"]), "gives ['f32[2,3]'], declared ['f32[3]']"),
    (_set(*NODE, "scope", 9), "9 is not the position"),
    (_set(*NODE, "loc", -1), "-1 is not the position"),
    (_set("graphs", 0, "nodes", 1, "attrs", {"axes": [0.5]}), "fraction"),
    (_set("graphs", 0, "nodes", 1, "attrs", {"axes": [5]}), "axes (5,)"),
    (_set("graphs", 0, "nodes", 1, "attrs", {"axes": 0}), "must be a tuple of whole numbers"),
    (_set("graphs", 0, "nodes", 1, "attrs", {"axes": [{"graph": 0}]}), "not the position"),
    (_set("graphs", 0, "inputs", 0, "type", "f33[2]"), "unknown dtype 'f33'"),
    (_set("graphs", 0, "inputs", 0, "requires_grad", 1), "expected true or false"),
    (_set("graphs", 0, "inputs", 0, {}), "'name' is missing"),
    (_set("graphs", 0, "outputs", 0, "value", 3), "3 is not the position"),
    (_set("scopes", 0, "parent", 0), "scopes[0]: 0 is not the position"),
    (_set("locations", 0, ["a.py", "1", "f", ""]), "locations[0]: expected a whole number"),
    (_set("locations", 0, ["a.py"]), "locations[0]"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_documents_are_refused(change: Any, message: str):
    document = json.loads(Graph.from_text(SMALL).to_json())
    changed = copy.deepcopy(document)
    change(changed)
    with pytest.raises(GraphError) as caught:
        Graph.from_json(json.dumps(changed))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a graph"),
        ('{"graphs": []}', "not a graph"),
        ('{"thrace": 1, "graphs": [NaN]}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deep"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_not_a_graph_is_refused(text: str, message: str):
    with pytest.raises(GraphError, match=message):
        Graph.from_json(text)


def test_data_of_another_size_is_refused():
    text = '{"constant": "f32[2]", "base64": "AAAA"}'
    node = f'{{"op": "constant", "operands": [], "attrs": {{"data": {text}}}}}'
    graph = f'{{"name": "g", "inputs": [], "nodes": [{node}], "outputs": []}}'
    with pytest.raises(GraphError, match=r"f32\[2\] has 8 bytes, got 3"):
        Graph.from_json(f'{{"thrace": 1, "graphs": [{graph}]}}')


SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "graph.schema.json").read_text())


@given(graphs())
def test_what_is_written_follows_the_schema(graph: Graph):
    Draft202012Validator(SCHEMA).validate(json.loads(graph.to_json()))


def test_the_schema_is_of_this_version_and_names_every_field():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["thrace"]["const"] == VERSION
    node = SCHEMA["$defs"]["node"]["properties"]
    assert set(node) == {"op", "operands", "attrs", "types", "scope", "loc", "cause"}
