"""`thrace show`: a graph to look at, as a page of its own or for Google's Model Explorer."""

from __future__ import annotations

import argparse
import json
import sys

from . import explorer, model_explorer, subject
from .command import Command, CommandError
from .files import write_output

FORMATS = ("html", "model-explorer")


def configure(parser: argparse.ArgumentParser) -> None:
    subject.add_arguments(parser)
    parser.add_argument("--html", metavar="FILE", help="write the page there; - is stdout")
    parser.add_argument("--format", choices=FORMATS, help="default: html")
    parser.add_argument("--output", metavar="FILE", help="default: standard output")
    parser.add_argument("--title", default="", help="default: the graph's name")


def run(args: argparse.Namespace) -> int:
    if args.html is not None and (args.format not in (None, "html") or args.output):
        raise CommandError("--html FILE stands for --format html --output FILE")
    output = args.html if args.html is not None else args.output
    graph, kind = subject.find_subject(args)
    print(f"thrace show: {kind}, {len(graph)} nodes", file=sys.stderr)
    if args.format == "model-explorer":
        text = json.dumps(model_explorer.collection(graph, args.title))
    else:
        text = explorer.page(graph, args.title)
    write_output(text, None if output == "-" else output)
    return 0


COMMAND = Command(
    "show",
    "write a page to explore a graph with, or Model Explorer's JSON",
    """\
  thrace show model.py:step --input f32[64,10] --input i64[64] --html step.html
  thrace show model.py:Net --input f32[64,1,8,8] --grad --html net.html
  thrace show graph.txt --format model-explorer --output graph.json
""",
    configure,
    run,
)
