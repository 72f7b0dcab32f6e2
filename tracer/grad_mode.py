"""Modes of autograd: whether operations record history. Imported by the tracer and front door."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from .restoring import Restoring, restored
from .state import STATE

_NAMES = ("grad_enabled", "inference")


class _Mode(Restoring):
    """A grad mode as a context and as a decorator, with or without parentheses.

    A decorated generator runs in the mode; between its steps the caller has their own.
    """

    def __new__(cls, fn: Callable | None = None) -> Any:
        if fn is None:
            return super().__new__(cls)
        return super().__new__(cls)(fn)

    def __init__(self, fn: Callable | None = None) -> None:
        pass

    @property
    def _inside(self) -> tuple[bool, bool]:
        """What `grad_enabled` and `inference` are inside."""
        raise NotImplementedError

    def __enter__(self) -> None:
        inside = self._inside
        self.later(restored(STATE, *_NAMES))
        STATE.grad_enabled, STATE.inference = inside

    def __call__(self, fn: Callable) -> Callable:
        return decorate(fn, lambda: self._inside)


def decorate(fn: Callable, mode: Callable[[], tuple[bool, bool]]) -> Callable:
    """`fn`, run in a mode: whether it records history and whether it is inference."""
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def steps(*args: Any, **kwargs: Any) -> Any:
            return _steps(fn(*args, **kwargs), mode)

        return steps

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before = STATE.grad_enabled, STATE.inference
        inside = mode()
        STATE.grad_enabled, STATE.inference = inside
        try:
            return fn(*args, **kwargs)
        finally:
            STATE.grad_enabled, STATE.inference = before

    return wrapper


def _steps(gen: Generator, mode: Callable[[], tuple[bool, bool]]) -> Generator:
    """Run each step of a generator in a mode."""
    step: Callable[[], Any] = functools.partial(next, gen)
    try:
        while True:
            before = STATE.grad_enabled, STATE.inference
            inside = mode()
            STATE.grad_enabled, STATE.inference = inside
            try:
                made = step()
            except StopIteration as end:
                return end.value
            finally:
                STATE.grad_enabled, STATE.inference = before
            try:
                sent = yield made
            except GeneratorExit:
                raise
            except BaseException as error:
                step = functools.partial(gen.throw, error)
            else:
                step = functools.partial(gen.send, sent)
    finally:
        before = STATE.grad_enabled, STATE.inference
        inside = mode()
        STATE.grad_enabled, STATE.inference = inside
        try:
            gen.close()
        finally:
            STATE.grad_enabled, STATE.inference = before


class no_grad(_Mode):
    """What runs inside records no history."""

    __slots__ = ()

    @property
    def _inside(self) -> tuple[bool, bool]:
        return False, STATE.inference


class enable_grad(_Mode):
    """What runs inside records history again."""

    __slots__ = ()

    @property
    def _inside(self) -> tuple[bool, bool]:
        return True, STATE.inference


class inference_mode(_Mode):
    """As `no_grad`, and tensors made inside never take part in autograd.

    `inference_mode(False)` is the normal mode inside an `inference_mode()`.
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        made.mode = bool(mode)
        return made

    mode: bool

    def __init__(self, mode: Any = True) -> None:
        pass

    @property
    def _inside(self) -> tuple[bool, bool]:
        return not self.mode, self.mode


class set_grad_enabled(Restoring):
    """Turn the recording of history on or off: a call, a context, or a decorator."""

    def __init__(self, mode: bool) -> None:
        self.before = STATE.grad_enabled
        self.mode = STATE.grad_enabled = bool(mode)

    def __enter__(self) -> None:
        before = self.before
        self.close = partial(setattr, STATE, "grad_enabled", before)
        STATE.grad_enabled = self.mode

    def __call__(self, fn: Callable) -> Callable:
        STATE.grad_enabled = self.before
        return decorate(fn, lambda: (self.mode, STATE.inference))

    def __str__(self) -> str:
        return f"{type(self).__name__}(mode={self.mode})"

    __repr__ = __str__


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on."""
    return STATE.inference


class set_multithreading_enabled:
    """Accepted as PyTorch does; the backward pass is recorded by the thread that asks for it."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass
