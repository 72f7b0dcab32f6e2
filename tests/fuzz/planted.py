"""Faults that the run must find: each is put into thrace in the process that fuzzes.

`python -m tests.fuzz --planted` says at which program each was found.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from thrace.ir import grad as ir_grad
from thrace.ir.ops import OPS
from thrace.ir.types import TensorType
from thrace.tracer import autograd, engine, grad_hooks, guards, replay, storage, tensor, views
from thrace.tracer.storage import alias

LIMIT = 2_000
Patches = list[Any]


class Fault(NamedTuple):
    """`make` gives the patches that put it in; `text` says what is wrong then."""

    text: str
    make: Callable[[], Patches]

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        ir_grad._READS.clear()
        with contextlib.ExitStack() as stack:
            for patch in self.make():
                stack.enter_context(patch)
            yield
        ir_grad._READS.clear()


def everywhere(module: Any, name: str, new: Any) -> Patches:
    """Replace a function in each module of thrace that has it by name."""
    old = getattr(module, name)
    holders = [m for n, m in sys.modules.items() if n.startswith("thrace")]
    return [mock.patch.object(m, name, new) for m in holders if m.__dict__.get(name) is old]


def row(op: str, **changes: Any) -> Patches:
    """Replace parts of an op's row."""
    return [mock.patch.object(OPS[op], part, new) for part, new in changes.items()]


def lost_view_write() -> Patches:
    write = views.WRITE["slice"]

    def broken(b: Any, parent: Any, v: Any, starts: Any, sizes: Any, strides: Any) -> Any:
        strided = any(s > 1 for s in strides)
        return parent if strided else write(b, parent, v, starts, sizes, strides)

    return [mock.patch.dict(views.WRITE, slice=broken)]


def missing_sum() -> Patches:
    def broken(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
        x = x[(0,) * (x.ndim - len(shape))]  # the first instead of the sum
        axes = tuple(a for a, (n, m) in enumerate(zip(x.shape, shape, strict=True)) if n != m)
        return x.sum(axes, keepdims=True) if axes else x

    return row("sum_to", evaluate=broken)


def wrong_promotion() -> Patches:
    from thrace.ir import promotion

    real = promotion.result_type

    def broken(types: Any, scalars: Any, default: Any) -> Any:
        # 0-d tensors count like any other.
        return real([TensorType(t.shape or (1,), t.dtype) for t in types], scalars, default)

    return everywhere(promotion, "result_type", broken)


def wrong_sign() -> Patches:
    return row("sub", grads=(OPS["sub"].grads[0], OPS["sub"].grads[0]))


def dropped_cotangent() -> Patches:
    def broken(b: Any, pending: Any, edge: Any, cotangent: Any) -> None:
        pending[edge] = cotangent

    return [mock.patch.object(ir_grad, "_accumulate", broken)]


def dropped_accumulation() -> Patches:
    real = autograd._collect

    def broken(slot: Any, *rest: Any) -> None:
        slot.grad = None
        real(slot, *rest)

    return [mock.patch.object(autograd, "_collect", broken)]


def detach_keeps_history() -> Patches:
    return [mock.patch.dict(views.READ, detach=lambda b, x: x)]


def missing_guard() -> Patches:
    real = guards._describe

    def broken(leaf: Any) -> Any:
        found = real(leaf)
        return found if len(found) < 5 else (*found[:3], 0, found[4])  # not requires_grad

    return [mock.patch.object(guards, "_describe", broken)]


def expand_strides() -> Patches:
    def broken(t: Any, shape: Any) -> Any:
        own = views.contiguous_strides(shape)
        return views.link(t, "expand", (tuple(shape),), shape, own, "expand")

    return [mock.patch.object(views, "expand", broken)]


def scatter_order() -> Patches:
    real = OPS["index_set"].evaluate
    assert real is not None

    def broken(x: np.ndarray, update: np.ndarray, *indices: np.ndarray, **attrs: Any) -> Any:
        # The first of several numbers for one place stays instead of the last.
        common = np.broadcast_arrays(*indices)
        axes = tuple(range(common[0].ndim))
        if len(common) == x.ndim and update.ndim >= len(axes):
            return real(x, np.flip(update, axes), *(np.flip(i) for i in common), **attrs)
        return real(x, update, *indices, **attrs)

    return row("index_set", evaluate=broken)


def stale_view() -> Patches:
    real = storage.Storage.set

    def broken(self: Any, value: Any) -> None:
        seen = self.cache
        real(self, value)
        self.cache = seen

    return [mock.patch.object(storage.Storage, "set", broken)]


def no_grad_write_drops_history() -> Patches:
    def broken(value: Any, edge: Any) -> Any:
        return alias(value, None)

    return [mock.patch.object(tensor, "alias", broken)]


def early_donation() -> Patches:
    return [
        mock.patch.object(replay, "_VALUE_REFS", 1000),
        mock.patch.object(replay, "_ARRAY_REFS", 1000),
    ]


def forgotten_hook() -> Patches:
    real = grad_hooks.call_hooks

    def broken(hooks: Any, c: Any, recorder: Any) -> Any:
        return real(list(hooks)[:1], c, recorder) and c if hooks else c

    return everywhere(grad_hooks, "call_hooks", broken)


def no_second_order() -> Patches:
    real = engine.run_backward

    def broken(tensors: Any, gradients: Any, retain: bool, create: bool, *rest: Any) -> Any:
        return real(tensors, gradients, retain, False, *rest)

    return everywhere(engine, "run_backward", broken)


def second_order_constant() -> Patches:
    def broken(b: Any, g: Any, out: Any, x: Any) -> Any:
        out = alias(out, None)  # the result counts as a constant
        return b.mul(g, b.conj(b.sub(1, b.mul(out, out))))

    return row("tanh", grads=(broken,))


def transposed_write() -> Patches:
    def broken(b: Any, parent: Any, v: Any, perm: Any) -> Any:
        n = len(perm)
        back = perm if n > 2 else tuple(sorted(range(n), key=perm.__getitem__))
        put = b.transpose(v, perm=back)
        return put if put.type is parent.type else b.reshape(v, shape=parent.type.shape)

    return [mock.patch.dict(views.WRITE, transpose=broken)]


def lost_commit() -> Patches:
    real = replay.Trace.changes

    def broken(self: Any, *args: Any, **options: Any) -> Any:
        if options.get("first") is not None:
            return real(self, *args, **options)
        with mock.patch.object(self, "writes", self.writes[:-1]):
            return real(self, *args, **options)

    return [mock.patch.object(replay.Trace, "changes", broken)]


def frozen_argument() -> Patches:
    real = replay.Trace.gather
    known: dict[int, tuple[Any, Any]] = {}

    def broken(self: Any, arguments: Any, early: Any) -> Any:
        values = real(self, arguments, early)
        at = next((i for i, b in enumerate(self.bindings) if b.kind == "argument"), None)
        if at is not None:
            values[at] = known.setdefault(id(self), (self, values[at]))[1]
        return values

    return [mock.patch.object(replay.Trace, "gather", broken)]


def concat_offset() -> Patches:
    def broken(b: Any, g: Any, out: Any, operands: Any, i: int, *, axis: int) -> Any:
        sizes = operands[i].type.shape
        start = min(1, i) * operands[0].type.shape[axis]  # right for two parts only
        start = min(start, out.type.shape[axis] - sizes[axis])
        starts = tuple(start if a == axis else 0 for a in range(len(sizes)))
        return b.slice(g, starts=starts, sizes=sizes, strides=(1,) * len(sizes))

    return row("concatenate", grad_each=broken)


def alias_guard() -> Patches:
    return [mock.patch.object(guards, "relations", lambda leaves: ())]


FAULTS: dict[str, Fault] = {
    "lost-view-write": Fault("writes through strided slices are lost", lost_view_write),
    "missing-sum-to": Fault("a broadcast operand's gradient is not summed", missing_sum),
    "wrong-promotion": Fault("0-d tensors promote as others do", wrong_promotion),
    "wrong-sign": Fault("the gradient of what is subtracted lacks its sign", wrong_sign),
    "dropped-cotangent": Fault("of several uses one gives the gradient", dropped_cotangent),
    "dropped-accumulation": Fault(".grad is replaced, not added to", dropped_accumulation),
    "detach-keeps-history": Fault("gradients flow through detach()", detach_keeps_history),
    "missing-guard": Fault("a trace serves arguments of other requires_grad", missing_guard),
    "missing-alias-guard": Fault("a trace serves arguments that share memory", alias_guard),
    "expand-strides": Fault("an expanded tensor counts as contiguous", expand_strides),
    "scatter-order": Fault("the first number for a place stays", scatter_order),
    "stale-view": Fault("a view shows what was there before a write", stale_view),
    "no-grad-write": Fault("a write under no_grad drops history", no_grad_write_drops_history),
    "early-donation": Fault("a replay consumes what somebody else holds", early_donation),
    "forgotten-hook": Fault("what a hook returns is not used", forgotten_hook),
    "no-second-order": Fault("create_graph records nothing", no_second_order),
    "second-order-constant": Fault("a saved result has no history", second_order_constant),
    "transposed-write": Fault("a write through permute goes the wrong way", transposed_write),
    "lost-commit": Fault("a replay does not write its last storage back", lost_commit),
    "frozen-argument": Fault("a replay reads the first call's argument", frozen_argument),
    "concat-offset": Fault("the third part of cat gets the second's gradient", concat_offset),
}


def find(name: str, seed: int, limit: int = LIMIT) -> tuple[int, str, float]:
    """The number of the first program that shows the fault (-1: none), how, and the time."""
    from .work import Job, Part, examine, quiet

    quiet()
    started = time.monotonic()
    with FAULTS[name].planted():
        for number in range(limit):
            part = Part(Job(seed, number, number + 1))
            try:
                examine(part, part.job, number)
            except Exception as error:
                return number, f"{type(error).__name__}: {error}", time.monotonic() - started
            if part.mismatches:
                m = part.mismatches[0][1]
                text = f"{m.mode}: {m.difference.category}: {m.difference.text[:80]}"
                return number, text, time.monotonic() - started
    return -1, "not found", time.monotonic() - started


def find_all(seed: int, workers: int) -> int:
    """Plant each fault in turn and say where it is found. Returns the exit status."""
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        jobs = {name: threads.submit(_in_a_process, name, seed) for name in FAULTS}
        for name, job in jobs.items():
            number, text, took = job.result()
            missed += number < 0
            place = "NOT FOUND" if number < 0 else f"program {number}"
            print(f"{name:22} {place:12} {took:5.1f} s  {FAULTS[name].text} | {text}", flush=True)
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} faults found within {LIMIT} programs")
    return int(missed > 0)


def _in_a_process(name: str, seed: int) -> tuple[int, str, float]:
    spawn = multiprocessing.get_context("spawn")
    try:
        with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
            return pool.submit(find, name, seed).result()
    except concurrent.futures.process.BrokenProcessPool:
        return -1, "the process died", 0.0
