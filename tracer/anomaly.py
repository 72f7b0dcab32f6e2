"""Anomaly detection: while it is on, everything runs node by node and is looked at.

Off, it costs a comparison with None per evaluation and per compiled call. Imported by the front
door; `evaluate` and `replay` call `run_watched` when the mode is on.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.anomaly import Anomaly, Watch
from ..ir.errors import AnomalyError
from ..ir.graph import Graph, Scope, Value
from .devices import CPU
from .evaluate import evaluate
from .grad_fn import api_scope, scope_grad_fn
from .reasons import Why
from .recording import Recorder, all_recorders
from .state import ANOMALIES, STATE
from .storage import root

# Anomalies of values that an evaluation left behind, so that the next one that reads them can
# name their origin: by id of the buffer, with the buffer itself to know that it still lives.
_SEEN: dict[int, tuple[weakref.ref[Any], Anomaly]] = {}


def run_watched(
    watch: Watch,
    graph: Graph,
    buffers: Sequence[Any],
    device: Any,
    shown: Sequence[bool] | None = None,
) -> list[Any]:
    """The graph's results as buffers on `device`, by NumPy rules, looked at node by node.

    `shown` says which results must be free of anomalies, by default all of them.
    Raises: AnomalyError.
    """
    from ..runtime.buffer import own_copy, to_jax, to_numpy

    arrays, marks = watch.run(graph, [to_numpy(b) for b in buffers], [_mark(b) for b in buffers])
    watch.refuse([m for i, m in enumerate(marks) if shown is None or shown[i]])
    out = []
    for array, mark in zip(arrays, marks, strict=True):
        buffer = own_copy(np.asarray(array))
        if shown is None or device is not CPU:
            buffer = to_jax(buffer, device, copy=False)
        if mark is not None:
            _SEEN[id(buffer)] = (weakref.ref(buffer), mark)
        out.append(buffer)
    return out


def _mark(buffer: Any) -> Anomaly | None:
    known = _SEEN.get(id(buffer))
    return known[1] if known is not None and known[0]() is buffer else None


def _settle() -> None:
    """What was recorded so far is evaluated as the mode was so far."""
    if STATE.levels:
        return
    if STATE.session is not None:
        STATE.session.unfaithful(Why.MODE, "anomaly detection")
    for recorder in all_recorders():
        evaluate(recorder, _ends(recorder) if ANOMALIES.watch is not None else ())


def _ends(recorder: Recorder) -> list[Value]:
    """Results that nothing reads: looked at as well, though nobody may hold them any more."""
    read = {root(o) for n in recorder.nodes for o in n.operands if isinstance(o, Value)}
    return [v for n in recorder.nodes for v in n.outputs if v not in read]


class _Saved:
    """What is looked for now."""

    def __init__(self) -> None:
        self.all = (ANOMALIES.watch, ANOMALIES.watch_compiled, ANOMALIES.in_gradients)
        self.pytorch = (_PyTorch.enabled, _PyTorch.check_nan)

    def restore(self) -> None:
        ANOMALIES.watch, ANOMALIES.watch_compiled, ANOMALIES.in_gradients = self.all
        _PyTorch.enabled, _PyTorch.check_nan = self.pytorch
        if ANOMALIES.watch is ANOMALIES.watch_compiled is None:
            _SEEN.clear()


class look_for_anomalies(contextlib.ContextDecorator):
    """While it is on, the first value that is not finite raises AnomalyError, naming the node
    that made it, forward or backward, its line, and what its operands held.

    Everything runs node by node by NumPy rules meanwhile, inside compiled functions, branches
    and loops too, so it is slow; off, it costs nothing. A nan or inf that is masked away before
    it reaches a result (`where(x > 0, x.log(), 0)`) is none, nor are infinities that the program
    was given. `above` also refuses the first value of a larger magnitude. A context or decorator.

    Raises: ValueError if `above` is not positive.
    """

    def __init__(self, *, nan: bool = True, inf: bool = True, above: float | None = None) -> None:
        if above is not None and not above > 0:
            raise ValueError(f"above must be a positive number, got {above}")
        self.options: dict[str, Any] = {"nan": nan, "inf": inf, "above": above}
        self._before: list[_Saved] = []

    def __enter__(self) -> None:
        _settle()
        self._before.append(_Saved())
        ANOMALIES.watch = ANOMALIES.watch_compiled = Watch(**self.options)
        ANOMALIES.in_gradients = False

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        try:
            if kind is None:
                _settle()
        finally:
            self._before.pop().restore()


def hunt(
    fn: Callable[..., Any],
    *args: Any,
    nan: bool = True,
    inf: bool = True,
    above: float | None = None,
    **kwargs: Any,
) -> Anomaly | None:
    """The first anomaly of `fn(*args, **kwargs)`, or None if all is finite.

    The function really runs; see `detect_anomaly` for what is looked for.
    """
    try:
        with look_for_anomalies(nan=nan, inf=inf, above=above):
            fn(*args, **kwargs)
    except AnomalyError as error:
        if isinstance(error.anomaly, Anomaly):
            return error.anomaly
        raise
    return None


# PyTorch's mode: nan in gradients alone.


class _PyTorch:
    enabled = False
    check_nan = True


def is_anomaly_enabled() -> bool:
    """Whether PyTorch's anomaly detection is on."""
    return _PyTorch.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether PyTorch's anomaly detection looks for nan in gradients."""
    return _PyTorch.check_nan


class set_detect_anomaly:
    """Turn PyTorch's anomaly detection on or off: a call or a context.

    While it is on, a backward pass raises RuntimeError where a gradient has nan, naming the
    function and the line of its forward. Compiled functions run node by node for that.
    `thrace.debug.detect_anomaly` looks at forward values too.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _Saved()
        self.mode = mode
        _PyTorch.enabled, _PyTorch.check_nan = bool(mode), bool(check_nan)
        ANOMALIES.in_gradients = look = bool(mode) and bool(check_nan)
        ANOMALIES.watch_compiled = _gradient_watch() if look else ANOMALIES.watch

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self._before.restore()


class detect_anomaly(set_detect_anomaly):
    """PyTorch's anomaly detection as a context; see `set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        super().__init__(True, self.check_nan)


def _gradient_watch() -> Watch:
    return Watch(inf=False, phases=("backward",), describe=_as_pytorch)


def _as_pytorch(anomaly: Anomaly) -> str:
    scope: Scope | None = api_scope(anomaly.node.scope)
    name = "The backward of an operation" if scope is None else f"Function '{scope_grad_fn(scope)}'"
    return f"{name} returned nan values."
