"""Ctrl-C at random moments of a training loop, against a twin that nobody interrupts.

The loop's state (parameters, buffers, optimizer, scheduler, generator) must be what the twin's
was after as many steps: each step is applied whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import thrace
import thrace.nn.functional as F
import thrace.tracer
from thrace import nn
from thrace.ir.passes import pack

# Reads delays in seconds, one a line, and interrupts its parent that much later.
KILLER = """
import os, signal, sys, time
parent = int(sys.argv[1])
for line in sys.stdin:
    end = time.perf_counter() + float(line)
    while time.perf_counter() < end:
        pass
    os.kill(parent, signal.SIGINT)
"""


# Where our code is, and what of others' runs where Python forgets exceptions.
OURS = str(Path(thrace.tracer.__file__).parents[1])
FOREIGN = ("_xla_gc_callback", "gc_cumulative_time")
# A plain one sets no attribute and steps no scheduler, so that code is written for its replays;
# a packed one is plain, and has its state in flat arrays.
KINDS = ("compiled", "plain", "packed", "uncompiled")
PLAIN = ("plain", "packed")


class Model(nn.Module):
    def __init__(self, keeps_total: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            # A bias would have rounding alone for a gradient, which AdamW makes large.
            nn.Linear(6, 12, bias=False),
            nn.BatchNorm1d(12),
            nn.Dropout(0.25),
            nn.ReLU(),
        )
        self.head = nn.Linear(12, 3)
        self.total = thrace.zeros(())
        self.keeps_total = keeps_total

    def forward(self, x: Any) -> Any:
        out = self.head(self.layers(x))
        if self.keeps_total:
            self.total = self.total + out.detach().abs().mean()
        return out


@contextlib.contextmanager
def packing(kind: str) -> Iterator[None]:
    """Few tensors are enough to be packed."""
    before = pack.MIN_PIECES
    pack.MIN_PIECES = 1 if kind == "packed" else before
    try:
        yield
    finally:
        pack.MIN_PIECES = before


class Training:
    """A loop whose every step writes all kinds of state."""

    def __init__(self, compiled: bool, plain: bool = False):
        thrace.manual_seed(7)
        self.plain = plain
        self.model = Model(not plain)
        self.optimizer = thrace.optim.AdamW(self.model.parameters(), lr=0.02)
        self.scheduler = thrace.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=50)
        rng = np.random.default_rng(0)
        self.x = thrace.tensor(rng.normal(size=(16, 6)).astype(np.float32))
        self.y = thrace.tensor(rng.integers(0, 3, 16))
        self.step = thrace.compile(self._step, fullgraph=True) if compiled else self._step

    def _step(self) -> Any:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        if not self.plain:
            self.scheduler.step()
        return loss

    def tensors(self) -> dict[str, Any]:
        found = dict(self.model.state_dict(), total=self.model.total)
        for i, state in enumerate(self.optimizer.state.values()):
            found.update({f"{key} {i}": value for key, value in state.items()})
        return found

    def snapshot(self) -> dict[str, np.ndarray]:
        state = {name: t.detach().numpy().copy() for name, t in self.tensors().items()}
        state["generator"] = thrace.get_rng_state().numpy()
        numbers = [self.scheduler.last_epoch, self.optimizer.param_groups[0]["lr"]]
        state["schedule"] = np.array(numbers)
        return state

    def restore(self, state: dict[str, np.ndarray]) -> None:
        with thrace.no_grad():
            for name, t in self.tensors().items():
                t.copy_(thrace.tensor(state[name]))
        thrace.set_rng_state(thrace.tensor(state["generator"]))
        last_epoch, rate = state["schedule"].tolist()
        self.scheduler.last_epoch = int(last_epoch)
        self.optimizer.param_groups[0]["lr"] = rate


class Count(NamedTuple):
    interrupts: int
    steps: int
    lost: int  # state that could not be read
    half: int  # state that is no step's
    silent: int  # interrupts that our code did not let pass
    foreign: int  # interrupts that others' code did not

    @property
    def faults(self) -> int:
        return self.lost + self.half + self.silent


def same(got: dict[str, np.ndarray], want: dict[str, np.ndarray], exact: bool) -> bool:
    """Whether two states are equal: to the bit, or as far as NumPy and XLA agree."""
    if exact:
        return all(np.array_equal(got[name], want[name]) for name in want)
    return all(np.allclose(got[name], want[name], rtol=1e-3, atol=1e-4) for name in want)


# State that an uncompiled step changes long before its end, as PyTorch does.
EARLY = ("generator", "total", "running_mean", "running_var", "num_batches_tracked")
LATE = ("schedule",)


def run(
    compiled: bool, interrupts: int, seed: int = 0, steps: int = 40, plain: bool = False
) -> Count:
    """Interrupt a training loop that often. It starts anew after `steps` steps."""
    twin = Training(compiled, plain)
    states = [twin.snapshot()]
    twin.step()  # now the optimizer's state is there too
    states.append(twin.snapshot())
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        twin.step()
        times.append(time.perf_counter() - started)
        states.append(twin.snapshot())
    step_s = sorted(times)[len(times) // 2]

    rng = random.Random(seed)
    loop = Training(compiled, plain)
    loop.step()
    loop.restore(states[1])
    lost = half = silent = foreign = total = 0
    forgotten: list[str] = []
    killer = subprocess.Popen(
        [sys.executable, "-c", KILLER, str(os.getpid())],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert killer.stdin is not None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hook, sys.unraisablehook = sys.unraisablehook, lambda u: forgotten.append(str(u.object))
    try:
        for _ in range(interrupts):
            done = int(loop.snapshot()["step 0"])
            if done >= steps - 8:
                done = 1
                loop.restore(states[1])
            forgotten.clear()
            try:
                killer.stdin.write(f"{rng.uniform(0.2, 3.2) * step_s}\n")
                killer.stdin.flush()
                for _ in range(done, steps):
                    loop.step()
                time.sleep(1)
                if any(name in who for who in forgotten for name in FOREIGN):
                    foreign += 1
                else:
                    silent += 1
                    print(f"nobody heard of it: {forgotten}")
                place = ""
            except KeyboardInterrupt as interrupt:
                place = "".join(traceback.format_tb(interrupt.__traceback__)[-4:])
            try:
                got = loop.snapshot()
            except thrace.StateLostError as error:
                print(f"lost: {error}\n{place}")
                lost += 1
                loop.restore(states[1])
                continue
            now = int(got["step 0"])
            total += now - done
            want = states[now]
            if not compiled:
                for name in [n for n in want if n.endswith(EARLY + LATE)]:
                    choices = [states[k][name] for k in (now - 1, now, now + 1)]
                    if any(np.allclose(got[name], c, rtol=1e-3, atol=1e-4) for c in choices):
                        got[name] = want[name]
            if not same(got, want, exact=compiled):
                half += 1
                wrong = {
                    n: float(np.abs(got[n].astype(float) - want[n].astype(float)).max())
                    for n in want
                    if not same({n: got[n]}, {n: want[n]}, compiled)
                }
                print(f"half: after step {now}: {wrong}\n{place}")
            loop.restore(want)
    finally:
        killer.kill()
        killer.communicate()
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
    return Count(interrupts, total, lost, half, silent, foreign)


if __name__ == "__main__":
    for kind in KINDS:
        print(kind, run(kind != "uncompiled", int(sys.argv[1]), plain=kind == "plain"))
