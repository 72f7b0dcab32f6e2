"""Activation checkpoints: what a function saves for backward is computed again instead.

Public as `thrace.utils.checkpoint`. The values that the function's operations would save are
replaced by their numbers (hooks of `autograd.graph.saved_tensors_hooks`); the first one that
a backward pass asks for runs the function again and collects them all. The tensors among the
arguments go through a `barrier` there: without one, a compiler sees the same operations on
the same operands, merges the two runs and keeps the values after all. (XLA's CPU backend of
jaxlib 0.10 merges them in spite of it, under `jax.checkpoint` too.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..ir.errors import ThraceError
from . import prims, trees
from .grad_mode import enable_grad
from .random import default_generators, fork_rng
from .saved_hooks import saved_tensors_hooks
from .state import STATE, autocast_mode, set_autocast_mode
from .tensor import Tensor

Contexts = Callable[[], tuple[Any, Any]]


class CheckpointError(ThraceError, RuntimeError):
    """The second run of a function saves other values than the first."""


def noop_context_fn() -> tuple[Any, Any]:
    """Contexts that do nothing, for the first and for the second run."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, whose intermediate values are not kept for backward but
    computed again when a backward pass needs them.

    `preserve_rng_state` lets the second run draw the same random numbers. `context_fn` gives a
    context for the first run and one for the second. `determinism_check="none"` accepts
    values of other types in the second run. `use_reentrant`, `debug` and `early_stop` choose
    among PyTorch's ways of doing this; here there is one.
    Raises: CheckpointError, in the backward pass, if the second run saves other values.
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be 'default' or 'none', got {determinism_check!r}"
        )
    first, second = context_fn()
    if not STATE.grad_enabled:
        with first:
            return function(*args, **kwargs)
    if any(hooks.unpack_hook is _never for hooks in STATE.saved_hooks):
        # Inside another one's second run, which this call must not outlive.
        with saved_tensors_hooks(_nothing, _never), first:
            return function(*args, **kwargs)
    run = _Run(function, args, kwargs, second, determinism_check == "default")
    if preserve_rng_state:
        run.random = [(g, g.get_state()) for g in default_generators()]
    with saved_tensors_hooks(run.pack, run.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A `Sequential` or list of functions in `segments` parts, each but the last checkpointed."""
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if segments < 1:
        raise ValueError(f"segments must be 1 or more, got {segments}")
    size = max(len(parts) // segments, 1)
    starts = [size * i for i in range(segments) if size * i < len(parts)]
    for start in starts[:-1]:
        input = checkpoint(
            _chain(parts[start : start + size]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return _chain(parts[starts[-1] :])(input) if starts else input


def _chain(parts: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for part in parts:
            value = part(value)
        return value

    return run


class _Run:
    """One checkpointed call: `types` of what it would have saved, `values` once recomputed."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: Any,
        compare: bool,
    ):
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.compare = compare
        self.autocast = autocast_mode()
        self.random: list[tuple[Any, Tensor]] = []
        self.types: list[Any] = []
        self.values: dict[int, Tensor] = {}

    def pack(self, t: Tensor) -> int:
        self.types.append(t._type)
        return len(self.types) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.values:  # the first of a pass, or a second pass
            self.values = dict(enumerate(self._again()))
        return self.values.pop(number)

    def _again(self) -> list[Tensor]:
        """What the function saves when it is run once more."""
        saved: list[Tensor] = []
        leaves, spec = trees.flatten((self.args, self.kwargs))

        # Nobody differentiates what is recorded here, and no node may hold on to the list.
        def collect(t: Tensor) -> None:
            saved.append(t)

        with (
            enable_grad(),
            self._as_before(),
            saved_tensors_hooks(collect, _never),
            self.context,
        ):
            fresh = [prims.barrier(t) if isinstance(t, Tensor) else t for t in leaves]
            args, kwargs = trees.unflatten(spec, fresh)
            self.function(*args, **kwargs)
        types = [t._type for t in saved]
        if len(types) != len(self.types) or (self.compare and types != self.types):
            raise CheckpointError(
                "checkpoint: the function saves other values for backward when it is run again: "
                f"{len(self.types)} at first ({_shown(self.types)}), then {len(types)} "
                f"({_shown(types)})"
            )
        return saved

    @contextlib.contextmanager
    def _as_before(self) -> Iterator[None]:
        """Autocast and random numbers as in the first run."""
        before = autocast_mode()
        with fork_rng(enabled=bool(self.random)):
            for generator, state in self.random:
                generator.set_state(state)
            set_autocast_mode(self.autocast)
            try:
                yield
            finally:
                set_autocast_mode(before)


def _nothing(t: Tensor) -> None:
    pass


def _never(packed: None) -> Any:
    raise AssertionError("what was recorded to collect values is not differentiated")


def _shown(types: Sequence[Any]) -> str:
    return ", ".join(map(str, types[:4])) + (", ..." if len(types) > 4 else "")


__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]
