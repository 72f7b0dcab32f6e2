"""`thrace diff`: what is different between two graphs; exit code 1 if anything is."""

from __future__ import annotations

import argparse

from .command import Command, CommandError
from .console import Colour, add_colour, print_lines
from .subject import add_arguments, find_subject

STYLES: dict[str, Colour] = {"-": "red", "+": "green", " ": ""}


def configure(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser, names=("old", "new"))
    parser.add_argument(
        "--context", type=int, default=3, metavar="N", help="equal lines shown around (default: 3)"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but the exit code")
    add_colour(parser)


def run(args: argparse.Namespace) -> int:
    if args.context < 0:
        raise CommandError(f"--context must not be negative, got {args.context}")
    if (args.old, args.new) == ("-", "-"):
        raise CommandError("only one of the graphs can be read from standard input")
    old, new = find_subject(args, args.old).graph, find_subject(args, args.new).graph
    found = old.diff(new)
    if not args.quiet:
        lines = found.text(args.context).splitlines()
        print_lines([(line, STYLES.get(line[:1], "")) for line in lines], args.color)
        same = "the same program" if found.same_program else "not the same program"
        print(f"{found.removed} lines only in {args.old}, {found.added} only in {args.new}: {same}")
    return 1 if found else 0


COMMAND = Command(
    "diff",
    "show what is different between two graphs",
    """\
  thrace diff before.txt after.txt
  thrace diff before.json model.py:step --input f32[64,10] --input i64[64]
  thrace diff old.py:Net new.py:Net --input f32[1,3,32,32] --grad --quiet
""",
    configure,
    run,
)
