"""`thrace explain`: a function compiled and called, and what became of it."""

from __future__ import annotations

import argparse
import sys

from ..ir.graph import Graph, Value
from ..tracer.api.creation import tensor
from ..tracer.compile import compile
from ..tracer.explain import explain
from ..tracer.nn.module import Module
from ..tracer.tracing import Spec
from .command import Command, CommandError, user_code
from .draw import draw_inputs
from .subject import check_arguments, input_specs
from .target import find_target


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
        help="type of the next argument, such as f32[64,10]; NAME=TYPE for a keyword argument",
    )
    parser.add_argument("--calls", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of inputs (default: 0)")
    parser.add_argument("--integers-below", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--eval", action="store_true", help="put a module in evaluation mode")
    parser.add_argument("--traceback", action="store_true", help="show Python's traceback too")


def run(args: argparse.Namespace) -> int:
    for name, least in (("calls", 1), ("integers_below", 1), ("seed", 0)):
        if getattr(args, name) < least:
            option = name.replace("_", "-")
            raise CommandError(f"--{option} must be at least {least}, got {getattr(args, name)}")
    positional, named = input_specs(args.input)
    target = find_target(args.target, bool(positional or named), show_traceback=args.traceback)
    if args.eval:
        if not isinstance(target.call, Module):
            raise CommandError(f"--eval is for modules, and this is {target.kind}")
        target.call.eval()
    check_arguments(target, positional, named)
    with user_code(f"compiling {target.kind}", show_traceback=args.traceback):
        compiled = compile(target.call)
        for i in range(args.calls):
            drawn = _drawn([*positional, *named.values()], args.seed + i, args.integers_below)
            rest = dict(zip(named, drawn[len(positional) :], strict=True))
            compiled(*drawn[: len(positional)], **rest)
    found = explain(compiled)
    print(found)
    if found.fallbacks:
        print(f"thrace explain: {target.kind} runs uncompiled", file=sys.stderr)
    return 1 if found.fallbacks else 0


def _drawn(specs: list[Spec], seed: int, integers_below: int) -> list:
    graph = Graph([Value(spec.type) for spec in specs], (), ())
    arrays = draw_inputs(graph, seed, integers_below)
    return [
        tensor(a, requires_grad=spec.requires_grad) for a, spec in zip(arrays, specs, strict=True)
    ]


COMMAND = Command(
    "explain",
    "compile a function, call it, and say what became of it",
    """\
  thrace explain model.py:step --input f32[64,10] --input i64[64]
  thrace explain model.py:Net --input f32[1,3,32,32] --eval --calls 3
""",
    configure,
    run,
)
