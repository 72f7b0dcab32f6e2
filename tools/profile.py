"""`thrace profile`: a graph run on drawn inputs, and where its time goes."""

from __future__ import annotations

import argparse

from ..ir.errors import ThraceError
from ..runtime.device import normalize
from . import inputs
from .command import Command, CommandError
from .files import reason
from .picture import RenderError
from .profiler import GROUPS, METHODS, Profile, profile_graph
from .subject import add_arguments, find_filled


def configure(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument("--by", choices=GROUPS, default="line", help="default: line")
    parser.add_argument("--top", type=int, default=15, metavar="N", help="rows (default: 15)")
    parser.add_argument(
        "--depth", type=int, metavar="N", help="of scopes in the table and the picture"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="steps (default: 5)")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="trace: JAX's profiler; segments: parts of the step timed by themselves; "
        "auto: the trace where there is one",
    )
    inputs.add_arguments(parser)
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda, cuda:1")
    parser.add_argument("--trace", metavar="FILE.json", help="for chrome://tracing and Perfetto")
    parser.add_argument("--picture", metavar="FILE", help="the graph, coloured by time")


def run(args: argparse.Namespace) -> int:
    for name in ("top", "repeats"):
        if getattr(args, name) < 1:
            raise CommandError(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.depth is not None and args.depth < 0:
        raise CommandError(f"--depth must not be negative, got {args.depth}")
    try:
        device = normalize(args.device)
    except RuntimeError as e:  # a device name that is none, or one that is not there
        raise CommandError(f"--device: {e}") from None
    subject = find_filled(args)
    arrays = inputs.inputs_for(subject.graph, subject.data, args, args.seed)
    try:
        found = profile_graph(
            subject.graph,
            arrays,
            device,
            repeats=args.repeats,
            method=args.method,
            name=subject.kind,
        )
    except ThraceError as e:
        raise CommandError(str(e)) from None
    except (MemoryError, RuntimeError) as e:
        raise CommandError(f"{type(e).__name__}: {str(e).partition(chr(10))[0]}", code=1) from None
    print(found.table(args.by, args.top, 2 if args.depth is None else args.depth))
    _write(found, args)
    return 0


def _write(found: Profile, args: argparse.Namespace) -> None:
    path = args.trace
    try:
        if args.trace is not None:
            found.chrome_trace(args.trace)
        path = args.picture
        if args.picture is not None:
            found.render(args.picture, depth=args.depth)
    except (RenderError, ValueError) as e:
        raise CommandError(f"--picture: {e}") from None
    except OSError as e:
        raise CommandError(f"cannot write {path}: {reason(e)}") from None


COMMAND = Command(
    "profile",
    "run a graph and say where its time goes",
    """\
  thrace profile model.py:step --input f32[64,10] --input i64[64]
  thrace profile model.py:Net --input f32[64,1,28,28] --grad --by scope --picture net.svg
  thrace profile graph.txt --device cuda --trace step.json
""",
    configure,
    run,
)
