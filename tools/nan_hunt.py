"""`thrace nan-hunt`: which node of a graph makes the first value that is not finite."""

from __future__ import annotations

import argparse
from typing import Any

from ..ir.anomaly import Watch
from ..ir.errors import AnomalyError
from . import inputs, subject
from .command import Command, CommandError, user_code

FOUND = 1  # the exit code


def configure(parser: argparse.ArgumentParser) -> None:
    subject.add_arguments(parser)
    inputs.add_arguments(parser)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="try N seeds in turn")
    parser.add_argument(
        "--above", type=float, metavar="X", help="also find the first magnitude above X"
    )
    parser.add_argument("--no-inf", action="store_true", help="look for nan alone")


def run(args: argparse.Namespace) -> int:
    if args.seeds < 1:
        raise CommandError(f"--seeds must be at least 1, got {args.seeds}")
    if args.above is not None and not args.above > 0:
        raise CommandError(f"--above must be positive, got {args.above}")
    found = subject.find_filled(args)
    graph = found.graph
    options: dict[str, Any] = {"show_traceback": args.traceback, "but": AnomalyError}
    watch = Watch(inf=not args.no_inf, above=args.above)
    for seed in range(args.seed, args.seed + args.seeds):
        arrays = inputs.inputs_for(graph, found.data, args, seed)
        try:
            with user_code(f"running {graph.name}", **options):
                _, marks = watch.run(graph, arrays)
                watch.refuse(marks)
        except AnomalyError as e:
            print(f"{found.kind}, seed {seed}: {e}")
            return FOUND
    tried = "seed" if args.seeds == 1 else "seeds"
    last = "" if args.seeds == 1 else f" to {args.seed + args.seeds - 1}"
    print(f"{found.kind}, {tried} {args.seed}{last}: every value of {len(graph)} nodes is finite")
    return 0


COMMAND = Command(
    "nan-hunt",
    "find the node that makes the first nan, inf or large value",
    """\
  thrace nan-hunt model.py:step --input f32[64,10] --input i64[64]
  thrace nan-hunt model.py:Net --input f32[64,1,8,8] --grad --normal --seeds 20
  thrace nan-hunt graph.txt --data batch.npz --above 1e4
""",
    configure,
    run,
)
