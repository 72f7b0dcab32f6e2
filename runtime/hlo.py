"""Which nodes of a graph an instruction of the compiled program came from.

Read out of XLA's own text of a program that was lowered with numbered scopes: the name of
an operation then holds `n12`, the position of its node. Used by `measure`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"^[^(]*?[\]})] ([a-z][\w\-]*)\(|^\(.*?\) ([a-z][\w\-]*)\(")
_CALLS = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
_OPERANDS = re.compile(r"%([\w.\-]+)")
_NODE = re.compile(r'op_name="[^"]*?/n(\d+)(?=[/"])')


PRODUCTS = ("convolution", "dot")


class _Instruction(NamedTuple):
    node: int | None
    calls: tuple[str, ...]
    operands: tuple[str, ...]


def instruction_nodes(text: str, maker: Callable[[str, int], int]) -> dict[str, tuple[int, ...]]:
    """Positions of nodes by instruction: its own, and those of what is fused into it.

    `maker(opcode, node)` says which node is meant by a name: a product that took in a
    transpose goes by the transpose's, and one that lost its name is what its reader reads.
    What a compiler pass made up, such as a copy, goes to
    the nodes of what it reads, or else of what reads it.
    """
    inside: dict[str, list[int]] = {}  # nodes per computation
    found: dict[str, _Instruction] = {}
    nameless: dict[str, str] = {}  # products without a name, and their opcodes
    computation = ""
    for line in text.splitlines():
        head = _COMPUTATION.match(line)
        if head is not None:
            computation = head[1]
            inside[computation] = []
            continue
        match = _INSTRUCTION.match(line)
        if match is None:
            continue
        body = line[match.end() :].partition(", metadata=")[0]
        named = _NODE.search(line)
        opcode = _OPCODE.match(body)
        said = (opcode[1] or opcode[2]) if opcode else ""
        node = maker(said, int(named[1])) if named else None
        if node is not None:
            inside[computation].append(node)
        calls = tuple(_CALLS.findall(body))
        operands = tuple(name for name in _OPERANDS.findall(body) if name not in calls)
        found[match[1]] = _Instruction(node, calls, operands)
        if node is None and said in PRODUCTS:
            nameless[match[1]] = said
        elif named:  # readers come after what they read
            for o in operands:
                if o in nameless:
                    made = maker(nameless.pop(o), int(named[1]))
                    inside[computation].append(made)
                    found[o] = found[o]._replace(node=made)
    out: dict[str, tuple[int, ...]] = {}
    for name, instruction in found.items():
        nodes = [n for c in instruction.calls for n in inside.get(c, ())]
        nodes += [] if instruction.node is None else [instruction.node]
        if nodes:
            out[name] = tuple(dict.fromkeys(nodes))
    _fill_gaps(found, out)
    return out


def _fill_gaps(found: dict[str, _Instruction], out: dict[str, tuple[int, ...]]) -> None:
    for name, instruction in found.items():  # operands come before their readers
        if name not in out:
            near = next((out[o] for o in instruction.operands if o in out), None)
            if near is not None:
                out[name] = near
    for name, instruction in reversed(found.items()):
        for o in instruction.operands:
            if name in out and o not in out:
                out[o] = out[name]
