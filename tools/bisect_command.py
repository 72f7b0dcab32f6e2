"""`thrace bisect`: the first node in which two ways of running a graph part."""

from __future__ import annotations

import argparse

from ..ir.errors import ThraceError
from . import inputs, subject
from .bisect import replayed, search
from .command import Command, CommandError, user_code
from .files import write_output
from .ways import WAYS, Way, find_way

FOUND = 1  # the exit code


def configure(parser: argparse.ArgumentParser) -> None:
    subject.add_arguments(parser)
    inputs.add_arguments(parser)
    ways = f"{', '.join(WAYS)}, or a device"
    parser.add_argument("--first", default="whole", metavar="WAY", help=f"{ways} (default: whole)")
    parser.add_argument("--second", default="numpy", metavar="WAY", help="default: numpy")
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="the difference allowed, as part of a result's largest magnitude "
        "(default: by its dtype)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write the smallest graph that shows it, for `thrace run`"
    )


def run(args: argparse.Namespace) -> int:
    if args.tolerance is not None and not args.tolerance >= 0:
        raise CommandError(f"--tolerance must not be negative, got {args.tolerance}")
    ways = _way("--first", args.first), _way("--second", args.second)
    filled = subject.find_filled(args)
    arrays = inputs.inputs_for(filled.graph, filled.data, args, args.seed)
    with user_code(f"running {filled.graph.name}", show_traceback=args.traceback):
        found = search(filled.graph, arrays, *ways, tolerance=args.tolerance)
    names = f"{args.first} and {args.second}"
    if found is None:
        print(f"{filled.kind}: {names} agree in all {len(filled.graph)} nodes")
        return 0
    if args.output is not None:
        found = found._replace(path=args.output)
        write_output(replayed(found), args.output)
    print(f"{filled.kind}: {found}")
    return FOUND


def _way(option: str, name: str) -> Way:
    try:
        return find_way(name)
    except (ValueError, ThraceError) as e:
        raise CommandError(f"{option}: {e}") from None


COMMAND = Command(
    "bisect",
    "find the node in which two ways of running a graph part",
    """\
  thrace bisect model.py:step --input f32[64,10] --input i64[64] --output small.txt
  thrace bisect model.py:Net --input f32[8,4] --grad --first numpy --second float64
  thrace bisect graph.txt --first cpu --second cuda
""",
    configure,
    run,
)
