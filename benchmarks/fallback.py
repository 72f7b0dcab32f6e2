"""What a fallback costs: functions that look at a tensor's value, compiled and not.

Both take turns, so that a busy machine slows both: the figure is the median of the ratios.
`python benchmarks/fallback.py [--quick]`
"""

from __future__ import annotations

import argparse
import statistics
import timeit
import warnings
from collections.abc import Callable
from typing import Any

import thrace


def small(x: Any, look: bool = True) -> Any:
    y = x * 2 + 1
    if look and y.sum() > 3:
        return y * 3
    return y - 1


def product(x: Any, look: bool = True) -> Any:
    y = x @ x.t()
    return y.mean() if look and y.sum() > 3 else y.sum()


def training(x: Any, look: bool = True) -> Any:
    w = x.detach().requires_grad_()
    loss = (w * w).mean()
    loss.backward()
    return w.grad * 2 if look and loss > 1 else w.grad


CASES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "branch, 16 numbers": (small, (16,)),
    "branch, product of 128 x 128": (product, (128, 128)),
    "branch after backward": (training, (64,)),
}


def ratio(plain: Callable[..., Any], x: Any, turns: int, alternating: bool = False) -> float:
    """Time compiled over time uncompiled. `alternating` calls are faithful every other time."""
    compiled = thrace.compile(plain)

    def work(fn: Callable[..., Any]) -> Callable[[], Any]:
        def calls() -> None:
            for look in (True, not alternating):
                fn(x, look).sum().item()

        return calls

    both = work(compiled), work(plain)
    for _ in range(max(4, turns // 4)):
        for fn in both:
            fn()
    found = []
    for i in range(turns):
        order = both if i % 2 else both[::-1]
        times = {fn: timeit.timeit(fn, number=5) for fn in order}
        found.append(times[both[0]] / times[both[1]])
    assert thrace.explain(compiled).fallbacks
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few turns, for the tests")
    turns = 4 if parser.parse_args().quick else 200
    warnings.simplefilter("ignore", thrace.FallbackWarning)
    for name, (fn, shape) in CASES.items():
        x = thrace.ones(*shape)
        print(f"{name}: {ratio(fn, x, turns):.2f} of the time without the decorator")
    x = thrace.ones(16)
    print(f"every other call is replayed: {ratio(small, x, turns, alternating=True):.2f}")


if __name__ == "__main__":
    main()
