"""The `thrace` program (`python -m thrace` the same): a table of subcommands, a file each."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata

from . import bisect_command, cost, diff, doctor, dump, explain, nan_hunt, profile, run, show
from .command import CommandError, error_text
from .files import reason

COMMANDS = (
    dump.COMMAND,
    show.COMMAND,
    diff.COMMAND,
    cost.COMMAND,
    profile.COMMAND,
    explain.COMMAND,
    nan_hunt.COMMAND,
    bisect_command.COMMAND,
    run.COMMAND,
    doctor.COMMAND,
)
INTERRUPTED = 130  # what a shell reports for Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line. 0: done; 1: it ran and found something wrong; 2: bad input."""
    _open_streams()
    try:
        args = _parse(argv)
    except SystemExit as e:  # argparse has said why, or shown its help
        return e.code if isinstance(e.code, int) else 2
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except CommandError as e:
        print(f"thrace {args.command}: {e}", file=sys.stderr)
        return e.code
    except BrokenPipeError:  # `thrace dump ... | head` has seen enough
        _give_up_stdout()
        return 0
    except OSError as e:  # a full disk behind `thrace dump ... >graph.txt`
        print(f"thrace {args.command}: cannot write the output: {reason(e)}", file=sys.stderr)
        _give_up_stdout()
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as e:
        # A setting in the environment that is none, or a defect of ours: a sentence all the same.
        if getattr(args, "traceback", False):
            traceback.print_exc()
        print(f"thrace {args.command}: {error_text(e)}", file=sys.stderr)
        return 2


def _open_streams() -> None:
    """Whoever closed stdout or stderr (`>&-`) does not want to see what is written there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _give_up_stdout() -> None:
    """What is still unwritten goes nowhere, or Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    program = parser()
    args, unknown = program.parse_known_args(argv)
    if unknown:
        # argparse would show the program's usage, not the command's.
        command = program.commands.choices[args.command]
        command.error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


class _Parser(argparse.ArgumentParser):
    commands: argparse._SubParsersAction[argparse.ArgumentParser]


def parser() -> _Parser:
    out = _Parser(
        prog="thrace",
        description="Graphs of PyTorch-style programs: see them, run them, check this machine.",
        epilog=_examples("".join(c.examples for c in COMMANDS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out.add_argument("--version", action="version", version=f"thrace {version()}")
    out.commands = commands = out.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for c in COMMANDS:
        sub = commands.add_parser(
            c.name,
            help=c.summary,
            description=f"{c.summary[0].upper()}{c.summary[1:]}.",
            epilog=_examples(c.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        c.configure(sub)
        sub.set_defaults(run=c.run)
    return out


def version() -> str:
    try:
        return metadata.version("thrace")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _examples(lines: str) -> str:
    return f"examples:\n{lines}"
