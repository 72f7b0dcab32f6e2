"""What belongs to the thread: modes, scope, recorder, session. Imported by all of the tracer.

One `threading.local` object, `STATE`, holds all of it; class attributes are the defaults, so
a thread that never set a mode pays no look-up.
"""

from __future__ import annotations

import threading
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..ir.graph import Scope
from ..ir.types import DType, bfloat16, float16, float32
from .reasons import Why
from .restoring import Restoring

if TYPE_CHECKING:
    from .recording import Recorder
    from .session import Session


class State(threading.local):
    """Modes of the running thread.

    `folded` counts how deep we are in API functions: their inner calls fold into the
    outermost. `module_depth` likewise for modules.
    """

    grad_enabled: bool = True
    inference: bool = False
    recorder: Recorder | None = None
    session: Session | None = None
    scope: Scope | None = None
    folded: int = 0
    module_depth: int = 0
    backward_pass: Any = None  # stands for the pass that is running
    saved_hooks: tuple[Any, ...] = ()  # of `autograd.graph.saved_tensors_hooks`, innermost last
    no_recompile: bool = False  # inside `thrace.no_recompile()`
    levels: int = 0  # function transforms (`func.grad`, `vmap`) that are running
    # Autocast (`amp`): the kinds of devices it is on for, with the lower precision; what that is
    # for each kind, on or off; whether casts of leaves are kept, how many regions are open, and
    # what was kept.
    autocast: tuple[tuple[str, DType], ...] | None = None
    autocast_dtypes: tuple[tuple[str, DType], ...] = (("cpu", bfloat16), ("cuda", float16))
    autocast_caching: bool = True
    autocast_depth: int = 0
    autocast_cache: dict[Any, Any] | None = None
    selected: Any = None  # collects the writes of a region that data may undo
    # Set while `backward` runs: the user's line of the call, and the forward node's.
    loc: Any = None
    cause: Any = None

    def __init__(self) -> None:  # in each thread
        self.__dict__.update((name, getattr(State, name)) for name in (*_THREAD_MODES, "recorder"))


# What decides in a thread whether a compiled call may be replayed; read at once, because each
# look at a `threading.local` costs.
_THREAD_MODES = ("session", "levels", "grad_enabled", "inference", "saved_hooks")
_THREAD_MODES += ("autocast", "autocast_dtypes", "autocast_caching")
thread_modes = itemgetter(*_THREAD_MODES)


STATE = State()


class Anomalies:
    """What anomaly detection looks for; it belongs to the process, as in PyTorch.

    `watch` runs what is evaluated outside compiled functions node by node, `watch_compiled` the
    calls of compiled ones; `in_gradients` has each backward function looked at as it is recorded.
    """

    watch: Any = None
    watch_compiled: Any = None
    in_gradients: bool = False


ANOMALIES = Anomalies()

# Evaluation and gather-donate-commit of compiled calls hold this lock, so that one thread
# never reads a buffer that another is donating.
LOCK = threading.RLock()
# How often a handle that somebody has was changed: its storage, its view, or its hooks.
HANDLES = [0]
# How many threads are in a recording run; changed under the lock.
RECORDING = [0]

# The default dtype and device belong to the process, as in PyTorch.
_default_dtype: DType = float32


def is_grad_enabled() -> bool:
    """Whether operations record history."""
    return STATE.grad_enabled


def default_dtype() -> DType:
    """What Python floats become."""
    return _default_dtype


def autocast_mode() -> tuple[Any, ...]:
    """All of what autocast does, comparable."""
    return (STATE.autocast, STATE.autocast_dtypes, STATE.autocast_caching)


def set_autocast_mode(mode: tuple[Any, ...]) -> None:
    """Make autocast do what `autocast_mode` gave."""
    STATE.autocast, STATE.autocast_dtypes, STATE.autocast_caching = mode


def set_default_dtype(dtype: DType) -> None:
    """Make `dtype` what Python floats become. Raises: TypeError if it is not floating."""
    global _default_dtype
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type: {dtype}")
    _default_dtype = dtype


class scope(Restoring):
    """Record what runs inside under one more scope: a phase, module or function."""

    __slots__ = ("kind", "name")

    def __init__(self, name: str, kind: str = "function"):
        self.name = name
        self.kind = kind

    def __enter__(self) -> Scope:
        before = STATE.scope
        new = Scope(self.name, self.kind, before)
        self.close = partial(setattr, STATE, "scope", before)
        STATE.scope = new
        return new


def touch_module(module: Any) -> None:
    """Tell a recording run that it depends on this module's attributes."""
    if STATE.session is not None:
        STATE.session.touch_module(module)


def note_outside() -> None:
    """Tell a recording run that it made a tensor of data a replay could not read again."""
    if STATE.session is not None:
        STATE.session.unfaithful(Why.NUMPY_DATA)


def touch_optimizer(optimizer: Any) -> None:
    """Tell a recording run that this optimizer steps in it."""
    if STATE.session is not None:
        STATE.session.touch_optimizer(optimizer)


def is_true(condition: Any) -> bool:
    """The truth of a 0-d tensor, nearly always the same one: a compiled function takes it for
    granted, and runs uncompiled where it is not so."""
    session = STATE.session
    return bool(condition) if session is None else session.decides(condition)


def end_of_outermost_call() -> None:
    """A point where pending work may be evaluated if there is too much of it."""
    recorder = STATE.recorder
    if recorder is not None:
        recorder.maybe_evaluate()
