"""`thrace.compile`: a function's first run is recorded, later ones replay one executable."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, overload

from ..ir.errors import FallbackError
from ..ir.graph import Value
from ..ir.source import here, resolve
from . import trees
from .bindings import NotReplayable
from .building import build
from .devices import CPU
from .evaluate import observe
from .guards import Guards
from .naming import argument_names
from .recording import evaluate_all
from .session import Reason, Session
from .state import LOCK, STATE
from .storage import root
from .tensor import Tensor

MAX_TRACES = 32
MAX_FALLBACKS = 8


class FallbackWarning(UserWarning):
    """A compiled function cannot be replayed and runs uncompiled; says why and where."""


class RecompileWarning(UserWarning):
    """A compiled function keeps tracing again; names the guard that changes."""


class CompiledFunction:
    """What `compile` returns: call it as the original.

    Attributes of the original (a module's parameters, say) are there as well. Look at it
    with `thrace.explain`.
    """

    def __init__(self, fn: Callable[..., Any], fullgraph: bool = False):
        # Set past __setattr__, which hands everything else to the original.
        slots = self.__dict__
        slots["fn"] = fn
        slots["fullgraph"] = fullgraph
        slots["traces"] = []
        slots["uncompiled"] = []
        slots["fallbacks"] = []
        slots["recompiles"] = []
        slots["warned"] = False
        slots["__wrapped__"] = fn
        if not _is_module(fn):
            for name in ("__name__", "__qualname__", "__doc__", "__module__"):
                if hasattr(fn, name):
                    slots[name] = getattr(fn, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STATE.session is not None or STATE.levels:
            return self.fn(*args, **kwargs)  # part of the function being recorded or transformed
        leaves, spec = trees.flatten((args, kwargs) if kwargs else args)
        for guards, trace in self.traces:
            if not guards.failure(spec, leaves):
                if STATE.recorder is not None and STATE.recorder.nodes:
                    evaluate_all()
                return trace.run(leaves)
        for guards, _ in self.uncompiled:
            if not guards.failure(spec, leaves):
                return self.fn(*args, **kwargs)
        if len(self.uncompiled) >= MAX_FALLBACKS and not self.traces:
            return self.fn(*args, **kwargs)  # it never could be replayed
        return self._record(args, kwargs, leaves, spec)

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
            return (CompiledFunction, (self.fn, self.fullgraph))
        return getattr(self.fn, "__qualname__", None) or object.__reduce__(self)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.fn, name, value)

    def __repr__(self) -> str:
        return f"<compiled {self.fn!r}>"

    def _record(self, args: tuple, kwargs: dict, leaves: list[Any], spec: Any) -> Any:
        """Run the function once, recorded, and keep a trace if it can be replayed."""
        self._note_recompile(spec, leaves)
        evaluate_all()
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        session = Session(tensors[0].device if tensors else CPU)
        # What a later call must look like is what this one looks like before it runs.
        guards = Guards(spec, leaves, self.fn)
        name = getattr(self.fn, "__name__", type(self.fn).__name__)
        session.begin(name, leaves, argument_names(self.fn, args, kwargs))
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor) and leaf._view is not None and leaf._view.signature():
                observe(leaf)
                seen = leaf._value()
                # A value of its own, though the view may show all of its base.
                value = Value(seen.type, edge=seen.edge, buffer=root(seen).buffer)
                leaf._storage.remember(leaf._view, value)
                session.primed[id(leaf._view)] = value
                session.primed_arguments[i] = value
        grad_mode = STATE.grad_enabled
        try:
            with session, session.watch:
                result = self.fn(*args, **kwargs)
        except BaseException:
            # As uncompiled: writes made before the error stay.
            session.recorder.session = None
            session.flush()
            raise
        finally:
            STATE.grad_enabled = grad_mode
        session.outer_mutations(result)
        if not session.reasons:
            try:
                with LOCK:
                    trace = build(session, leaves, result)
            except NotReplayable as reason:
                if str(reason):
                    session.reasons.append(Reason(str(reason), resolve(here(1))))
            except BaseException:
                session.recorder.session = None
                session.flush()
                raise
            else:
                guards.watch(session, trace, leaves)
                self.traces.insert(0, (guards, trace))
                del self.traces[MAX_TRACES:]
                return result
        session.recorder.session = None
        session.recorder.evaluate()
        session.flush()
        session.restore_views()
        self._fall_back(session, guards)
        return result

    def _fall_back(self, session: Session, guards: Guards) -> None:
        new = [reason for reason in session.reasons if reason not in self.fallbacks]
        self.fallbacks.extend(new)
        why = "; ".join(map(str, session.reasons))
        message = f"{session.name} cannot be replayed and runs uncompiled: {why}"
        if self.fullgraph:
            raise FallbackError(message)
        self.uncompiled.append((guards, None))
        if new:
            warnings.warn(message, FallbackWarning, stacklevel=4)

    def _note_recompile(self, spec: Any, leaves: list[Any]) -> None:
        if not self.traces:
            return
        why = self.traces[0][0].failure(spec, leaves)
        self.recompiles.append(Reason(why, resolve(here(1))))
        if len(self.recompiles) >= 8 and not self.warned:
            self.__dict__["warned"] = True
            warnings.warn(
                f"{getattr(self.fn, '__name__', self.fn)} was traced {len(self.recompiles) + 1} "
                f"times; the last time because {self.recompiles[-1]}",
                RecompileWarning,
                stacklevel=4,
            )


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
) -> Any:
    """Compile a function, method or module: `@compile`, `@compile(...)` or `compile(model)`.

    The first call with a signature runs as always and is recorded, with every tensor it
    reads, writes or makes; from then on the whole call, with `backward()` and
    `opt.step()`, is one XLA executable. What cannot be replayed faithfully runs uncompiled
    and says once why; `fullgraph=True` makes that a FallbackError. With `disable` the
    function stays as it is. `dynamic`, `backend`, `mode` and `options` choose among PyTorch's
    compilers; here there is one, and they change nothing.

    Raises: TypeError if `model` is not callable.
    """
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, disable=disable)
    if not callable(model):
        raise TypeError(f"compile expects a function or module, got {type(model).__name__}")
    if disable or isinstance(model, CompiledFunction):
        return model
    return CompiledFunction(model, fullgraph)
