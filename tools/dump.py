"""`thrace dump`: the graph of a function, as text, a picture, or what JAX is given."""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import Any

from ..ir.graph import Graph
from ..tracer.nn.module import Module
from ..tracer.tracing import Spec, trace
from .command import Command, CommandError, user_code
from .files import reason, write_output
from .picture import PICTURES, RenderError, render, rendered
from .target import Target, find_target

FORMATS = ("text", "json", "dot", *PICTURES, "stablehlo", "jaxpr")
# What an output file's ending says, where no format is given.
ENDINGS = {
    **{f".{picture}": picture for picture in PICTURES},
    ".json": "json",
    ".dot": "dot",
    ".gv": "dot",
    ".mlir": "stablehlo",
    ".jaxpr": "jaxpr",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="MODULE_OR_FILE:FUNCTION",
        help="a function, an nn.Module object or class, or a function without arguments that "
        "returns a module (FUNCTION() says so outright)",
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
    parser.add_argument("--format", choices=FORMATS, help="default: by FILE's ending, or text")
    parser.add_argument("--depth", type=int, metavar="N", help="fold scopes deeper than N (dot)")
    parser.add_argument("--output", metavar="FILE", help="default: standard output")
    parser.add_argument("--traceback", action="store_true", help="show Python's traceback too")


def run(args: argparse.Namespace) -> int:
    form = args.format or ENDINGS.get(Path(args.output or "").suffix.lower(), "text")
    if form in PICTURES and form != "svg" and args.output is None:
        raise CommandError(f"--format {form} needs --output FILE")
    if args.depth is not None and args.depth < 0:
        raise CommandError(f"--depth must not be negative, got {args.depth}")
    positional, named = _specs(args.input)
    has_inputs = bool(positional or named)
    target = find_target(args.target, has_inputs, show_traceback=args.traceback)
    if args.eval:
        if not isinstance(target.call, Module):
            raise CommandError(f"--eval is for modules, and this is {target.kind}")
        target.call.eval()
    graph = _graph(target, positional, named, args)
    if args.optimize:
        graph = graph.optimize()
    print(f"thrace dump: {target.kind}, {len(graph)} nodes", file=sys.stderr)
    _write(graph, form, args)
    return 0


def _specs(texts: list[str]) -> tuple[list[Spec], dict[str, Spec]]:
    positional: list[Spec] = []
    named: dict[str, Spec] = {}
    for text in texts:
        name, equals, type_text = text.rpartition("=")
        type_text = type_text.strip()
        wants_grad = type_text.endswith(" grad")
        try:
            found = Spec(type_text.removesuffix(" grad"), requires_grad=wants_grad)
        except ValueError as e:
            raise CommandError(f"--input: {e}") from None
        if wants_grad and found.type.dtype.kind not in ("float", "complex"):
            raise CommandError(f"--input: {text!r} has no gradient, {found.type.dtype} has none")
        if equals and name.strip() in named:
            raise CommandError(f"--input: {name.strip()!r} is given twice")
        if equals:
            named[name.strip()] = found
        else:
            positional.append(found)
    return positional, named


def _graph(
    target: Target, positional: list[Spec], named: dict[str, Spec], args: argparse.Namespace
) -> Graph:
    _check_arguments(target, positional, named)
    graph = _traced(target, positional, named, args)
    if not args.grad:
        return graph
    if not any(graph.requires_grad):
        # Nothing was marked, as in a function without parameters: by all that may be.
        for given in (*positional, *named.values()):
            given.requires_grad = given.type.dtype.kind in ("float", "complex")
        graph = _traced(target, positional, named, args)
    if not any(graph.requires_grad):
        raise CommandError("--grad: there is no floating-point input to differentiate by")
    with user_code("differentiating", show_traceback=args.traceback):
        return graph.backward()


def _check_arguments(target: Target, positional: list[Spec], named: dict[str, Spec]) -> None:
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
    target: Target, positional: list[Spec], named: dict[str, Spec], args: argparse.Namespace
) -> Graph:
    def call(*a: Any, **k: Any) -> Any:
        result = target.call(*a, **k)
        if isinstance(result, Module):
            raise CommandError(f"{target.kind} returned a module; write {args.target}()")
        return result

    call.__name__ = getattr(target.call, "__name__", type(target.call).__name__)
    forward = getattr(target.call, "forward", target.call)
    call.__signature__ = _signature(forward)  # type: ignore[attr-defined]
    with user_code(f"tracing {target.kind}", show_traceback=args.traceback):
        return trace(call, *positional, **named)


def _signature(fn: Any) -> inspect.Signature:
    """That of `fn`; arguments are named by it."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        return inspect.signature(lambda *args, **kwargs: None)


def _write(graph: Graph, form: str, args: argparse.Namespace) -> None:
    if form in PICTURES:
        _draw(graph, form, args)
        return
    if form == "text":
        text = graph.to_text()
    elif form == "json":
        text = graph.to_json(indent=1)
    elif form == "dot":
        text = graph.to_dot(depth=args.depth)
    else:
        from ..runtime import executable

        write = executable.stablehlo if form == "stablehlo" else executable.jaxpr
        with user_code("lowering", show_traceback=args.traceback):
            text = write(graph)
    write_output(text, args.output)


def _draw(graph: Graph, form: str, args: argparse.Namespace) -> None:
    try:
        if args.output is None:
            write_output(rendered(graph, form, args.depth).decode(), None)
        else:
            render(graph, args.output, format=form, depth=args.depth)
    except RenderError as e:
        raise CommandError(str(e)) from None
    except OSError as e:
        raise CommandError(f"cannot write {args.output}: {reason(e)}") from None


COMMAND = Command(
    "dump",
    "write out the graph of a function",
    """\
  thrace dump model.py:step --input f32[64,10] --input i64[64]
  thrace dump model.py:Net --input f32[64,1,8,8] --grad --output net.svg
  thrace dump package.models:make_net --input f32[1,3,32,32] --eval --format stablehlo
""",
    configure,
    run,
)
