"""Modes of autograd: whether operations record history. Imported by the tracer and front door."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

from .state import STATE


class _Saved:
    """The mode of the thread, as it is now."""

    __slots__ = ("grad", "inference")

    def __init__(self) -> None:
        self.grad = STATE.grad_enabled
        self.inference = STATE.inference

    def restore(self) -> None:
        STATE.grad_enabled = self.grad
        STATE.inference = self.inference


class _Mode:
    """A grad mode as a context and as a decorator, with or without parentheses.

    A decorated generator runs in the mode; between its steps the caller has their own.
    """

    def __new__(cls, fn: Callable | None = None) -> Any:
        if fn is None:
            return object.__new__(cls)
        return object.__new__(cls)(fn)

    def __init__(self, fn: Callable | None = None) -> None:
        pass

    def _set(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        self.__dict__.setdefault("_before", []).append(_Saved())
        self._set()

    def __exit__(self, *error: Any) -> None:
        # No calls: an interrupt would come at one, and leave the mode as it is.
        before = self.__dict__["_before"]
        STATE.grad_enabled = before[-1].grad
        STATE.inference = before[-1].inference
        del before[-1]

    def __call__(self, fn: Callable) -> Callable:
        return decorate(fn, self._set)


def decorate(fn: Callable, set_mode: Callable[[], None]) -> Callable:
    """`fn`, run in a mode."""
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def steps(*args: Any, **kwargs: Any) -> Any:
            return _steps(fn(*args, **kwargs), set_mode)

        return steps

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before = _Saved()
        set_mode()
        try:
            return fn(*args, **kwargs)
        finally:
            STATE.grad_enabled = before.grad
            STATE.inference = before.inference

    return wrapper


def _steps(gen: Generator, set_mode: Callable[[], None]) -> Generator:
    """Run each step of a generator in a mode."""
    step: Callable[[], Any] = functools.partial(next, gen)
    try:
        while True:
            before = _Saved()
            set_mode()
            try:
                made = step()
            except StopIteration as end:
                return end.value
            finally:
                before.restore()
            try:
                sent = yield made
            except GeneratorExit:
                raise
            except BaseException as error:
                step = functools.partial(gen.throw, error)
            else:
                step = functools.partial(gen.send, sent)
    finally:
        before = _Saved()
        set_mode()
        try:
            gen.close()
        finally:
            before.restore()


class no_grad(_Mode):
    """What runs inside records no history."""

    def _set(self) -> None:
        STATE.grad_enabled = False


class enable_grad(_Mode):
    """What runs inside records history again."""

    def _set(self) -> None:
        STATE.grad_enabled = True


class inference_mode(_Mode):
    """As `no_grad`, and tensors made inside never take part in autograd.

    `inference_mode(False)` is the normal mode inside an `inference_mode()`.
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        made.mode = bool(mode)
        return made

    mode: bool

    def __init__(self, mode: Any = True) -> None:
        pass

    def _set(self) -> None:
        STATE.grad_enabled = not self.mode
        STATE.inference = self.mode


class set_grad_enabled:
    """Turn the recording of history on or off: a call, a context, or a decorator."""

    def __init__(self, mode: bool) -> None:
        self.before = STATE.grad_enabled
        self.mode = STATE.grad_enabled = bool(mode)

    def __enter__(self) -> None:
        STATE.grad_enabled = self.mode

    def __exit__(self, *error: Any) -> None:
        STATE.grad_enabled = self.before

    def __call__(self, fn: Callable) -> Callable:
        STATE.grad_enabled = self.before
        mode = self.mode

        def set_mode() -> None:
            STATE.grad_enabled = mode

        return decorate(fn, set_mode)

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
