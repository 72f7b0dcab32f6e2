"""`thrace dump`: the graph of a function, as text, a picture, or what JAX is given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..ir.graph import Graph
from .command import Command, CommandError, user_code
from .console import add_colour, print_rich, wants_colour
from .files import reason, write_output
from .picture import PICTURES, RenderError, render, rendered
from .rich_text import highlighted
from .subject import add_arguments, find_subject

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
    add_arguments(parser)
    parser.add_argument("--format", choices=FORMATS, help="default: by FILE's ending, or text")
    parser.add_argument(
        "--depth", type=int, metavar="N", help="fold scopes nested deeper than N (text, pictures)"
    )
    parser.add_argument(
        "--cost", action="store_true", help="operations, bytes moved and bytes live (text)"
    )
    parser.add_argument(
        "--brief",
        action="store_true",
        help="leave out the graphs that nodes hold and shorten lists: to read, not to read back",
    )
    parser.add_argument(
        "--names",
        choices=("number", "scope"),
        default="number",
        help="call results by number, or by scope and op, which a change elsewhere leaves alone",
    )
    add_colour(parser)
    parser.add_argument("--output", metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace) -> int:
    form = args.format or ENDINGS.get(Path(args.output or "").suffix.lower(), "text")
    if form in PICTURES and form != "svg" and args.output is None:
        raise CommandError(f"--format {form} needs --output FILE")
    if args.depth is not None and args.depth < 0:
        raise CommandError(f"--depth must not be negative, got {args.depth}")
    graph, kind = find_subject(args)
    print(f"thrace dump: {kind}, {len(graph)} nodes", file=sys.stderr)
    _write(graph, form, args)
    return 0


def _write(graph: Graph, form: str, args: argparse.Namespace) -> None:
    if form in PICTURES:
        _draw(graph, form, args)
        return
    if form == "text":
        text = graph.to_text(
            depth=args.depth, cost=args.cost, names=args.names, held=not args.brief
        )
        if args.output is None and wants_colour(args.color):
            print_rich(highlighted(text))
            return
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
  thrace dump model.py:Net --input f32[64,1,8,8] --depth 1 --cost
  thrace dump model.py:Net --input f32[64,1,8,8] --grad --output net.svg
  thrace dump package.models:make_net --input f32[1,3,32,32] --eval --format stablehlo
""",
    configure,
    run,
)
