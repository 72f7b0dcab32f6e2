"""The inputs that a command runs a graph on: parameters as they are, the rest drawn or read."""

from __future__ import annotations

import argparse
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..ir.graph import Graph
from .command import CommandError
from .draw import draw_inputs
from .files import reason


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--integers-below",
        type=int,
        default=2,
        metavar="N",
        help="integer inputs are from 0 to N-1, since they may be indices (default: 2)",
    )


def check_draw_arguments(seed: int, integers_below: int) -> None:
    """Raises: CommandError."""
    if seed < 0:
        raise CommandError(f"--seed must not be negative, got {seed}")
    if integers_below < 1:
        raise CommandError(f"--integers-below must be at least 1, got {integers_below}")


def drawn_inputs(graph: Graph, seed: int, integers_below: int) -> list[np.ndarray]:
    """An array per input. Raises: CommandError if they are too large."""
    try:
        return draw_inputs(graph, seed, integers_below)
    except (MemoryError, ValueError) as e:  # more elements than NumPy can count
        raise CommandError(f"cannot draw the inputs: {e}", code=1) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_draw_arguments(parser)
    parser.add_argument(
        "--normal", action="store_true", help="draw inputs from the standard normal, not [0, 1)"
    )
    parser.add_argument(
        "--data", metavar="FILE.npz", help="arrays for inputs of these names, as np.savez writes"
    )


def inputs_for(
    graph: Graph,
    held: Sequence[np.ndarray | None],
    args: argparse.Namespace,
    seed: int,
) -> list[np.ndarray]:
    """An array per input: from the file, what is held, or drawn.

    Raises: CommandError for a file that does not fit.
    """
    check_draw_arguments(seed, args.integers_below)
    arrays = drawn_inputs(graph, seed, args.integers_below)
    if args.normal:
        rng = np.random.default_rng(seed)
        arrays = [
            rng.standard_normal(a.shape).astype(t.dtype.np) if t.dtype.is_floating_point else a
            for a, t in zip(arrays, graph.input_types, strict=True)
        ]
    for i, array in enumerate(held):
        if array is not None:
            arrays[i] = array
    if args.data is not None:
        _fill(graph, arrays, args.data)
    return arrays


def _fill(graph: Graph, arrays: list[np.ndarray], path: str) -> None:
    try:
        with np.load(Path(path), allow_pickle=False) as found:
            given = {name: found[name] for name in found.files}
    except OSError as e:
        raise CommandError(f"cannot read {path}: {reason(e)}") from None
    except (ValueError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error):
        raise CommandError(f"cannot read {path}: it is no .npz file of plain arrays") from None
    for name, array in given.items():
        if name not in graph.input_names:
            known = ", ".join(graph.input_names)
            raise CommandError(f"{path}: {graph.name} has no input {name!r}; it has {known}")
        i = graph.input_names.index(name)
        wanted = graph.input_types[i]
        if array.shape != wanted.shape or array.dtype != wanted.dtype.np:
            got = f"{array.dtype}{list(array.shape)}"
            raise CommandError(f"{path}: input {name!r} is {wanted}, the file has {got}")
        arrays[i] = array
