"""The graph that a command works on: a function traced now, or a graph saved before."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..ir.errors import GraphError
from ..ir.graph import Graph
from ..ir.interpret import interpret
from ..ir.parser import parse_with_data
from ..tracer.nn.module import Module
from ..tracer.tracing import Spec, trace_with_data
from .command import CommandError, user_code
from .files import read_text
from .target import Target, find_target

SUBJECT = "MODULE_OR_FILE:FUNCTION|GRAPH"
Traced = tuple[Graph, Sequence[np.ndarray | None]]
_SAVED = (".txt", ".json", ".graph")


class Subject(NamedTuple):
    """A graph and what it is of, in words."""

    graph: Graph
    kind: str


class Filled(NamedTuple):
    """A subject, and what its first inputs hold: a parameter's values, None for an argument."""

    graph: Graph
    kind: str
    data: Sequence[np.ndarray | None] = ()


def add_arguments(parser: argparse.ArgumentParser, *, names: tuple[str, ...] = ("target",)) -> None:
    """The subject itself (one argument per name) and the options that say how to trace it."""
    for name in names:
        parser.add_argument(
            name,
            metavar=SUBJECT,
            help="a function, an nn.Module object or class, or a function without arguments that "
            "returns a module (FUNCTION() says so outright); or a graph that `dump` wrote, as "
            "text or JSON (- is stdin)",
        )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="TYPE",
        help="type of the next argument, such as f32[64,1,8,8] or i64[]; 'f32[3] grad' for one "
        "to differentiate by; NAME=TYPE for a keyword argument",
    )
    parser.add_argument("--grad", action="store_true", help="append the gradient")
    parser.add_argument("--optimize", action="store_true", help="run all passes first")
    parser.add_argument("--eval", action="store_true", help="put a module in evaluation mode")
    parser.add_argument("--traceback", action="store_true", help="show Python's traceback too")


def find_subject(args: argparse.Namespace, text: str | None = None) -> Subject:
    """The graph of what the arguments name; `text` in place of `args.target`.

    Raises: CommandError saying what is wrong with the target, the inputs or the file.
    """
    return Subject(*find_filled(args, text)[:2])


def find_filled(args: argparse.Namespace, text: str | None = None) -> Filled:
    """What `find_subject` finds, with the data that its inputs hold."""
    subject: str = args.target if text is None else text
    found = _saved(subject, args) if is_saved(subject) else _from_target(subject, args)
    return found._replace(graph=found.graph.optimize()) if args.optimize else found


def is_saved(text: str) -> bool:
    """Whether the words name a graph file rather than a function."""
    path = Path(text)
    if text == "-" or path.suffix.lower() in _SAVED:
        return True
    return path.suffix != ".py" and path.exists()  # a pipe, as of a shell's <(...), too


def read_graph(path: str) -> Graph:
    """The graph in a text or JSON file."""
    return read_graph_and_data(path)[0]


def read_graph_and_data(path: str) -> tuple[Graph, list[np.ndarray]]:
    """The graph in a text or JSON file, and its inputs' data if the file has that."""
    text = read_text(path)
    try:
        if text.lstrip().startswith("{"):
            return Graph.from_json(text), []
        graph, data = parse_with_data(text)
    except GraphError as e:
        raise CommandError(f"{path}: {e}") from None
    return graph, [] if data is None else interpret(data, [])


def _saved(path: str, args: argparse.Namespace) -> Filled:
    for option, given in (("--input", args.input), ("--eval", args.eval)):
        if given:
            raise CommandError(f"{option} is for functions, and {path} is a saved graph")
    graph, data = read_graph_and_data(path)
    if args.grad:
        if not any(graph.requires_grad):
            raise CommandError(f"--grad: no input of {path} is marked `grad`")
        with user_code("differentiating", show_traceback=args.traceback):
            graph = graph.backward()
    return Filled(graph, f"graph {graph.name}", data)


def _from_target(text: str, args: argparse.Namespace) -> Filled:
    positional, named = input_specs(args.input)
    has_inputs = bool(positional or named)
    target = find_target(text, has_inputs, show_traceback=args.traceback)
    if args.eval:
        if not isinstance(target.call, Module):
            raise CommandError(f"--eval is for modules, and this is {target.kind}")
        target.call.eval()
    graph, data = _graph(text, target, positional, named, args)
    return Filled(graph, target.kind, data)


def input_specs(texts: list[str]) -> tuple[list[Spec], dict[str, Spec]]:
    """What `--input` says of positional and keyword arguments. Raises: CommandError."""
    positional: list[Spec] = []
    named: dict[str, Spec] = {}
    for text in texts:
        name, equals, type_text = text.rpartition("=")
        try:
            found = Spec(type_text.strip())
        except ValueError as e:
            raise CommandError(f"--input: {e}") from None
        if equals and name.strip() in named:
            raise CommandError(f"--input: {name.strip()!r} is given twice")
        if equals:
            named[name.strip()] = found
        else:
            positional.append(found)
    return positional, named


def _graph(
    text: str,
    target: Target,
    positional: list[Spec],
    named: dict[str, Spec],
    args: argparse.Namespace,
) -> Traced:
    check_arguments(target, positional, named)
    graph, data = _traced(text, target, positional, named, args)
    if not args.grad:
        return graph, data
    if not any(graph.requires_grad):
        # Nothing was marked, as in a function without parameters: by all that may be.
        for given in (*positional, *named.values()):
            given.requires_grad = given.type.dtype.kind in ("float", "complex")
        graph, data = _traced(text, target, positional, named, args)
    if not any(graph.requires_grad):
        raise CommandError("--grad: there is no floating-point input to differentiate by")
    with user_code("differentiating", show_traceback=args.traceback):
        return graph.backward(), data


def check_arguments(target: Target, positional: list[Spec], named: dict[str, Spec]) -> None:
    """Refuse inputs that the signature does not take, before a frame of ours is involved."""
    call = target.call.forward if isinstance(target.call, Module) else target.call
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*positional, **named)
    except TypeError as e:
        count = len(positional) + len(named)
        given = "1 --input" if count == 1 else f"{count} --inputs"
        raise CommandError(f"{target.kind} takes {signature}, got {given}: {e}") from None


def _traced(
    text: str,
    target: Target,
    positional: list[Spec],
    named: dict[str, Spec],
    args: argparse.Namespace,
) -> Traced:
    def call(*a: Any, **k: Any) -> Any:
        result = target.call(*a, **k)
        if isinstance(result, Module):
            raise CommandError(f"{target.kind} returned a module; write {text}()")
        return result

    call.__name__ = getattr(target.call, "__name__", type(target.call).__name__)
    forward = getattr(target.call, "forward", target.call)
    call.__signature__ = _signature(forward)  # type: ignore[attr-defined]
    with user_code(f"tracing {target.kind}", show_traceback=args.traceback):
        return trace_with_data(call, *positional, **named)


def _signature(fn: Any) -> inspect.Signature:
    """That of `fn`; arguments are named by it."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        return inspect.signature(lambda *args, **kwargs: None)
