"""How near a graph's estimated cost and memory come to XLA's own analysis.

Of the three training steps: operations against XLA's count for the program it is given,
memory against what it allocates once compiled. `python benchmarks/costs.py [mlp cnn gpt]`
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from models_thrace import Side
from programs import FULL, QUICK, Program

import thrace


class Row(NamedTuple):
    """What we say and what XLA says, of one step."""

    name: str
    flops: int
    xla_flops: int
    transcendentals: int
    xla_transcendentals: int
    peak_bytes: int
    xla_bytes: int


def step_graph(program: Program) -> Any:
    """The training step as a graph, optimized as it is before it is compiled."""
    from thrace.ir.passes.strip import strip_history

    side = Side("thrace")
    side.uncompiled(program)
    specs = [thrace.tensor(a) for a in program.batches()[0]]
    return strip_history(thrace.trace(side.step, *specs)).optimize()


def compare(name: str, program: Program, *, donate: bool) -> Row:
    """Our estimate and XLA's analysis of the step; with `donate` it updates its state in place."""
    import jax

    from thrace.lowering import lower
    from thrace.runtime.executable import compile_graph

    graph = step_graph(program)
    updated = {n.removesuffix(".new") for n in graph.output_names if n.endswith(".new")}
    lent = tuple(i for i, n in enumerate(graph.input_names) if n in updated and donate)
    cost = graph.cost(donate=lent)
    with jax.enable_x64(True):
        types = [jax.ShapeDtypeStruct(t.shape, t.dtype.np) for t in graph.input_types]
        counted: Any = jax.jit(lower(graph), keep_unused=True).lower(*types).cost_analysis()
    # As it runs: what it allocates, and its inputs.
    allocated = compile_graph(graph, donate=lent).memory_bytes + cost.memory.input_bytes
    return Row(
        name,
        cost.total.flops,
        int(counted["flops"]),
        cost.total.transcendentals,
        int(counted["transcendentals"]),
        cost.memory.peak_bytes,
        allocated,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=list(FULL), metavar="STEP")
    parser.add_argument("--quick", action="store_true", help="the small sizes")
    args = parser.parse_args()
    programs = QUICK if args.quick else FULL
    print(
        f"{'step':12} {'flops':>16} {'XLA':>16} {'ratio':>7} {'peak MB':>9} {'XLA':>9} {'ratio':>7}"
    )
    for name in args.steps:
        for donate in (False, True):
            row = compare(name, programs[name], donate=donate)
            title = f"{name}, donated" if donate else name
            flops, memory = row.flops / row.xla_flops, row.peak_bytes / row.xla_bytes
            print(
                f"{title:12} {row.flops:16,} {row.xla_flops:16,} {flops:7.4f} "
                f"{row.peak_bytes / 1e6:9.2f} {row.xla_bytes / 1e6:9.2f} {memory:7.3f}"
            )


if __name__ == "__main__":
    main()
