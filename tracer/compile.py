"""`thrace.compile`: a function's first run is recorded, later ones replay one executable."""

from __future__ import annotations

import functools
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, overload

from ..ir import log
from ..ir.errors import FallbackError, RecompileError
from ..ir.graph import Value
from ..ir.source import here, resolve
from . import trees
from .building import build
from .codes import place_of
from .devices import CPU
from .evaluate import observe
from .guards import Change, Guards
from .naming import argument_names
from .quick import write
from .reasons import NotReplayable, Reason, Recompile, Why, reason
from .recording import evaluate_all
from .replay import Diverged, Trace
from .restoring import Restoring, restored
from .session import Session
from .state import LOCK, RECORDING, STATE
from .storage import root
from .tensor import Tensor

# How many traces a function may have, unless `compile` is told otherwise, and how often it
# traces again before a warning says which guard keeps changing.
MAX_TRACES = 32
WARN_AFTER = 8
# A function without a trace is tried with so many signatures, and given up as well once it ran
# uncompiled so often: then the decorator costs next to nothing.
MAX_FALLBACKS = 8
MAX_IDLE = 64
# How long a thread waits for another's recording run before it goes on.
MAX_WAIT_S = 10.0
_TRUE, _WAIT = (True,), (MAX_WAIT_S,)
_RECORDING = threading.RLock()


class FallbackWarning(UserWarning):
    """A compiled function cannot be replayed and runs uncompiled; says why and where."""


class RecompileWarning(UserWarning):
    """A compiled function keeps tracing again; names the guard that changes."""


class CompiledFunction:
    """What `compile` returns: call it as the original.

    Attributes of the original (a module's parameters, say) are there as well. Look at it
    with `thrace.explain`.
    """

    def __init__(
        self, fn: Callable[..., Any], fullgraph: bool = False, max_traces: int = MAX_TRACES
    ):
        # Set past __setattr__, which hands everything else to the original.
        slots = self.__dict__
        slots["fn"] = fn
        slots["fullgraph"] = fullgraph
        slots["max_traces"] = max_traces
        slots["traces"] = []
        slots["uncompiled"] = []
        slots["fallbacks"] = []
        slots["recompiles"] = []
        slots["warned"] = False
        slots["idle"] = 0  # calls in vain since the last trace
        slots["given_up"] = False
        slots["__wrapped__"] = fn
        if not _is_module(fn):
            for name in ("__name__", "__qualname__", "__doc__", "__module__"):
                if hasattr(fn, name):
                    slots[name] = getattr(fn, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.given_up or STATE.session is not None or STATE.levels:
            return self.fn(*args, **kwargs)  # or part of one being recorded or transformed
        leaves, spec = trees.flatten([args, kwargs] if kwargs else args)
        # Nobody replays while another thread records: between what that one reads and what it
        # writes, an update would get lost. After a while a call goes on all the same: the run
        # in progress may be waiting for it.
        alone: list[bool] = []
        try:
            # One call of C code, or an interrupt could come between taking the lock and noting it.
            alone.extend(map(_RECORDING.acquire, _TRUE, _WAIT))
            for guards, trace in self.traces:
                if guards.failure(spec, leaves) is None:
                    if STATE.recorder is not None and STATE.recorder.nodes:
                        evaluate_all()
                    try:
                        return trace.run(leaves)
                    except Diverged:
                        break
            else:
                if self._may_record(spec, leaves):
                    return self._record(args, kwargs, leaves, spec)
        finally:
            if True in alone:
                _RECORDING.release()
        return self._run_uncompiled(args, kwargs)

    def _quicken(self, guards: Guards, trace: Trace, with_keywords: bool) -> None:
        """Have calls begin with the code that is written for a trace. Python looks `__call__` up
        in the class, so that a function whose traces have code has a class of its own."""
        cls = type(self)
        quick = write(guards, trace, with_keywords, cls.__call__)
        if quick is not None:
            if cls is CompiledFunction:
                cls = type(cls.__name__, (cls,), {"__slots__": (), "__module__": cls.__module__})
                object.__setattr__(self, "__class__", cls)
            cls.__call__ = quick  # type: ignore[method-assign]

    def _may_record(self, spec: Any, leaves: list[Any]) -> bool:
        """Whether a call without a trace may become one, rather than run uncompiled.

        Raises: RecompileError inside `no_recompile()`.
        """
        for guards in self.uncompiled:
            if guards.failure(spec, leaves) is None:
                return False
        if not self.traces:
            return len(self.uncompiled) < MAX_FALLBACKS
        return self._may_trace_again(spec, leaves)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return functools.partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if "fn" not in self.__dict__:  # while it is being copied
            raise AttributeError(name)
        return getattr(self.__dict__["fn"], name)

    def __reduce__(self) -> Any:
        """A compiled module is copied with its module; a function is found by its name."""
        if _is_module(self.fn):
            return (CompiledFunction, (self.fn, self.fullgraph, self.max_traces))
        return getattr(self.fn, "__qualname__", None) or object.__reduce__(self)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.fn, name, value)

    def __repr__(self) -> str:
        return f"<compiled {self.fn!r}>"

    def _run_uncompiled(self, args: tuple, kwargs: dict) -> Any:
        if not self.traces:  # it never could be replayed
            self.__dict__["idle"] += 1
            self.__dict__["given_up"] = self.idle >= MAX_IDLE or (
                len(self.uncompiled) >= MAX_FALLBACKS
            )
        return self.fn(*args, **kwargs)

    def _record(self, args: tuple, kwargs: dict, leaves: list[Any], spec: Any) -> Any:
        """Run the function once, recorded, and keep a trace if it can be replayed."""
        evaluate_all()
        counted = False
        try:
            with LOCK:
                RECORDING[0] += 1
                counted = True
            return self._record_alone(args, kwargs, leaves, spec)
        finally:
            if counted:
                with LOCK:
                    RECORDING[0] -= 1

    def _record_alone(self, args: tuple, kwargs: dict, leaves: list[Any], spec: Any) -> Any:
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        session = Session(tensors[0].device if tensors else CPU)
        # What a later call must look like is what this one looks like before it runs.
        names = argument_names(self.fn, args, kwargs)
        guards = Guards(spec, leaves, names)
        name = getattr(self.fn, "__name__", type(self.fn).__name__)
        session.begin(name, leaves, names, (args, kwargs), self.fn)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor) and leaf._view is not None and leaf._view.signature():
                observe(leaf)
                seen = leaf._value()
                # A value of its own, though the view may show all of its base.
                value = Value(seen.type, edge=seen.edge, buffer=root(seen).buffer)
                leaf._storage.remember(leaf._view, value)
                session.argument_edges[i] = seen.edge  # an evaluation may have made it anew
                session.primed[id(leaf._view)] = value
                session.primed_arguments[i] = value
        started = time.perf_counter()
        try:
            result = session.watched(self.fn, args, kwargs)
        except BaseException:
            # As uncompiled: writes made before the error stay.
            session.recorder.session = None
            session.flush()
            raise
        recorded_s = time.perf_counter() - started
        session.outer_mutations(result)
        if not session.reasons:
            try:
                with LOCK:
                    trace = build(session, leaves, result)
            except NotReplayable as error:
                if error.why is not None:
                    where = resolve(session.watch.line_naming("") or here(1))
                    session.reasons.append(reason(error.why, where, *error.details))
            except BaseException:
                session.recorder.session = None
                session.flush()
                raise
            else:
                guards.watch(session, trace, leaves)
                trace.recorded_s = recorded_s
                if log.enabled("traces"):
                    log.write("traces", f"{name}: {trace.summary()}")
                self.traces.insert(0, (guards, trace))
                self._quicken(guards, trace, bool(kwargs))
                return result
        session.recorder.session = None
        session.recorder.evaluate()
        session.flush()
        session.restore_views()
        self.uncompiled.append(guards)
        self._fall_back(session.reasons)
        return result

    def _fall_back(self, reasons: list[Reason]) -> None:
        """Say once what cannot be replayed, where, and what to do about it."""
        known = {r.reason for r in self.fallbacks}
        new = [r for r in reasons if r.reason not in known]
        self.fallbacks.extend(new)
        why = "; ".join(f"{r} [remedy: {r.remedy}]" for r in reasons)
        message = f"{self._name()} cannot be replayed and runs uncompiled: {why}"
        if new and log.enabled("traces"):
            log.write("traces", message)
        if self.fullgraph:
            raise FallbackError(message)
        if new:
            warnings.warn(message, FallbackWarning, stacklevel=4)

    def _may_trace_again(self, spec: Any, leaves: list[Any]) -> bool:
        """Note which guard does not hold; whether there may be one more trace.

        Raises: RecompileError inside `no_recompile()`.
        """
        new = _recompile(self.traces[0][0].failure(spec, leaves))
        if STATE.no_recompile:
            raise RecompileError(f"{self._name()} would be traced again: {new}")
        if len(self.traces) >= self.max_traces:
            if not any(r.why is Why.TRACES for r in self.fallbacks):
                often = _most_frequent([*self.recompiles, new])
                self._fall_back(
                    [reason(Why.TRACES, new.place or new.location, len(self.traces), often)]
                )
            return False
        self.recompiles.append(new)
        if log.enabled("traces"):
            log.write("traces", f"{self._name()} is traced again: {new}")
        if len(self.recompiles) >= WARN_AFTER and not self.warned:
            self.__dict__["warned"] = True
            often = _most_frequent(self.recompiles)
            last = next(r for r in reversed(self.recompiles) if r.guard == often)
            warnings.warn(
                f"{self._name()} was traced {len(self.recompiles) + 1} times because {often} "
                f"keeps changing; the last time {last}",
                RecompileWarning,
                stacklevel=4,
            )
        return True

    def _name(self) -> str:
        return str(getattr(self.fn, "__name__", type(self.fn).__name__)).strip("<>")


def _recompile(change: Change | None) -> Recompile:
    """What changed, with the line of the call and that which reads what changed."""
    assert change is not None
    place = None
    if change.code is not None:
        place = resolve(place_of([change.code], change.name))
    return Recompile(change.guard, change.now, change.was, resolve(here(1)), place)


def _most_frequent(recompiles: list[Recompile]) -> str:
    return Counter(r.guard for r in recompiles).most_common(1)[0][0]


class no_recompile(Restoring):
    """Inside, on this thread, a compiled function that would be traced again raises
    RecompileError with the guard that does not hold; first traces and replays go on."""

    __slots__ = ()

    def __enter__(self) -> None:
        self.later(restored(STATE, "no_recompile"))
        STATE.no_recompile = True


def _is_module(fn: Any) -> bool:
    return hasattr(fn, "named_parameters") and hasattr(fn, "forward")


@overload
def compile(
    model: Callable[..., Any],
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "xla",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
    max_traces: int = MAX_TRACES,
) -> CompiledFunction: ...
@overload
def compile(
    model: None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "xla",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
    max_traces: int = MAX_TRACES,
) -> Callable[..., CompiledFunction]: ...
def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "xla",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
    max_traces: int = MAX_TRACES,
) -> Any:
    """Compile a function, method or module: `@compile`, `@compile(...)` or `compile(model)`.

    The first call with a signature runs as always and is recorded, with every tensor it
    reads, writes or makes; from then on the whole call, with `backward()` and
    `opt.step()`, is one XLA executable. What cannot be replayed faithfully runs uncompiled
    and says once why; `fullgraph=True` makes that a FallbackError. A state that the call
    depends on and that changed is traced anew, at most `max_traces` times side by side;
    further states run uncompiled. With `disable` the function stays as it is. `dynamic`,
    `backend`, `mode` and `options` choose among PyTorch's compilers; here there is one, and
    they change nothing.

    Raises: TypeError if `model` is not callable, ValueError if `max_traces` is less than 1.
    """
    if max_traces < 1:
        raise ValueError(f"max_traces must be 1 or more, got {max_traces}")
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, disable=disable, max_traces=max_traces
        )
    if not callable(model):
        raise TypeError(f"compile expects a function or module, got {type(model).__name__}")
    if disable or isinstance(model, CompiledFunction):
        return model
    return CompiledFunction(model, fullgraph, max_traces)
