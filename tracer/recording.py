"""The recorder: where operations become pending nodes. Imported by the tracer alone.

Each thread has one recorder per device, and a compiled function's recording run has its
own. Nodes stay pending until somebody looks at a value; see `evaluate.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ..ir.build import Builder, fold_scalars
from ..ir.errors import ThraceError
from ..ir.graph import Node, Operand, Value
from ..ir.ops.table import Op
from ..ir.source import here, resolve, user_frame
from .state import ANOMALIES, LOCK, STATE

if TYPE_CHECKING:
    from ..runtime.device import Device
    from .session import Session
    from .storage import Storage

_SEQ = itertools.count()
next_seq = _SEQ.__next__
# Pending work above this is evaluated where an outermost module call or backward ends: a
# loop that never prints then yields one recurring graph of about this size.
MAX_PENDING_NODES = 256


class Recorder(Builder):
    """Appends nodes that wait for evaluation.

    `live` has weak references to the storages that were given a pending value; `held` has
    functions that give the values which an ongoing backward pass or update needs. A recorder
    with a `session` belongs to a recording run, and only its session evaluates it. One with a
    recorder `around` records for one example of a `vmap`; see `func/batching.py`.
    """

    around: Recorder | None = None

    def __init__(self, device: Device, session: Session | None = None):
        super().__init__()
        self.device = device
        self.session = session
        self.live: list[weakref.ref[Storage]] = []
        self.held: dict[Any, None] = {}
        self.thread = threading.get_ident()

    def note(self, storage: Storage) -> None:
        """Remember that a storage holds one of the pending values."""
        self.live.append(weakref.ref(storage))

    def note_write(self, storage: Storage, value: Value) -> None:
        """`value`, one of the pending ones, is about to be written to a storage."""

    def is_batched(self, value: Value) -> bool:
        """Whether a value stands for one example of many."""
        return False

    def bring(self, value: Value) -> None:
        """Make an operand readable that another recorder has pending."""
        settle_foreign(value)

    def emit(self, op: Op, operands: tuple[Operand, ...], attrs: tuple = ()) -> Any:
        """Append a node and return its result, or the tuple of them for `op.multiple`.

        Raises: ShapeError, DTypeError or AxisError, with the user's line.
        """
        history = False
        types = []
        for o in operands:
            if o.__class__ is Value:
                types.append(o.type)  # type: ignore[union-attr]
                if o.edge is not None:  # type: ignore[union-attr]
                    history = True
                node = o.node if o.source is None else o.source.node  # type: ignore[union-attr]
                if node is not None and node.owner is not self:
                    self.bring(o)  # type: ignore[arg-type]
            else:
                types.append(None)
        key = (tuple(types), attrs)
        result = op.cache.get(key)
        if result is None:
            if op.elementwise and not any(types):
                return fold_scalars(op, operands)
            try:
                result = op.infer(*key)
            except ThraceError as error:
                raise user_error(error) from None
        state = STATE
        place = state.loc
        if place is None:
            frame = user_frame()
            if frame is not None:
                place = (frame.f_code, frame.f_lasti)
        node = Node(op, operands, attrs, place, state.scope, state.cause, next_seq(), self)
        # The node is complete before it is pending: an interrupt may come at any call.
        tracked = False
        if op.multiple:
            if history and state.grad_enabled and not op.no_grad:
                made: Any = tuple(
                    Value(t, node, i, (node, i) if _inexact(t) else None)
                    for i, t in enumerate(result)
                )
                tracked = True
            else:
                made = tuple([Value(t, node, i) for i, t in enumerate(result)])
            node.outputs = made
        else:
            made = Value(result, node)
            if (
                history
                and state.grad_enabled
                and not op.no_grad
                and result.dtype.kind in ("float", "complex")
                and (op.flows or _flows(op, operands))
            ):
                made.edge = (node, 0)
                tracked = True
            node.outputs = (made,)
        self.nodes.append(node)
        if tracked and state.saved_hooks:
            pack_saved(node)
        return made

    def maybe_evaluate(self) -> None:
        """Evaluate if too much is pending; a recording run puts that off to its end."""
        if self.session is None and (len(self.nodes) >= MAX_PENDING_NODES or ANOMALIES.watch):
            self.evaluate()

    def evaluate(self) -> None:
        """Give every pending value that something live needs its buffer."""
        if self.nodes:
            from .evaluate import evaluate

            evaluate(self)


def _inexact(t: Any) -> bool:
    return t.dtype.kind in ("float", "complex")


def _flows(op: Op, operands: tuple[Operand, ...]) -> bool:
    """Whether an operand that has history is one that the op differentiates."""
    for i, o in enumerate(operands):
        if o.__class__ is Value and o.edge is not None and op.grads[i] is not None:  # type: ignore
            return True
    return False


def pack_saved(node: Node) -> None:
    """Hand what a node saves for backward to the hooks of `autograd.graph`."""
    from .saved_hooks import pack

    pack(node)


def settle_foreign(value: Value) -> None:
    """Evaluate what another thread, device or run left pending, so that we may read it."""
    source = value if value.source is None else value.source
    if source.buffer is not None:
        return
    with LOCK:
        node = source.node
        if node is None:
            return
        from .evaluate import evaluate_beside, evaluate_for

        if node.owner.thread == threading.get_ident():
            evaluate_for(node.owner, source)
        else:
            evaluate_beside(node.owner, source)


def recorder_for(device: Device) -> Recorder:
    """The running thread's recorder for `device`."""
    current = STATE.recorder
    if current is None:
        STATE.recorder = current = Recorder(device)
        return current
    if current.device is device:
        return current
    if current.session is not None and current.session.settle_on(device):
        return current
    others = STATE.__dict__.setdefault("others", {})
    found = others.get(device)
    if found is None:
        found = others[device] = Recorder(device)
    return found


def all_recorders() -> list[Recorder]:
    """The running thread's recorders."""
    current = STATE.recorder
    return ([current] if current is not None else []) + list(
        STATE.__dict__.get("others", {}).values()
    )


def evaluate_all() -> None:
    """Evaluate all that this thread has pending. What has no room in memory stays so, and says
    so when somebody looks at it."""
    for recorder in all_recorders():
        with contextlib.suppress(MemoryError):
            recorder.evaluate()


def user_error(error: Exception) -> Exception:
    """The same error with the user's line under its message, once."""
    if getattr(error, "located", False):
        return error
    place = resolve(STATE.loc or here(3))
    if place is not None and error.args:
        error.args = (f"{error.args[0]}\n  {place}", *error.args[1:])
    error.located = True  # type: ignore[attr-defined]
    return error
