"""The conformance checks notice what is wrong: faults are planted, and each is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import thrace
from conformance.checks import outcomes
from conformance.entries import database
from thrace import Tensor

RIGHT = {name: getattr(thrace, name) for name in ("sin", "add", "cat", "sum", "t")}


def value_off(input: Any, **kwargs: Any) -> Any:
    return RIGHT["sin"](input, **kwargs) * 1.01


def gradient_off(input: Any, **kwargs: Any) -> Any:
    """The right value; half of the gradient is cut off."""
    out = RIGHT["sin"](input, **kwargs)
    return out if not out.is_floating_point() else out / 2 + (out / 2).detach()


def second_off(input: Any, **kwargs: Any) -> Any:
    """The right value and gradient; the gradient has no gradient of its own."""

    class Sine(thrace.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return RIGHT["sin"](x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * ctx.saved_tensors[0].detach().cos()

    return Sine.apply(input)


def dtype_off(input: Any, *args: Any, **kwargs: Any) -> Any:
    out = RIGHT["sum"](input, *args, **kwargs)
    return out.to(thrace.int32) if out.dtype is thrace.int64 else out


def shape_off(input: Any, *args: Any, **kwargs: Any) -> Any:
    return RIGHT["sum"](input, *args, **kwargs).unsqueeze(0)


def no_out(*args: Any, out: Any = None, **kwargs: Any) -> Any:
    return RIGHT["add"](*args, **kwargs)


def no_error(tensors: Any, dim: int = 0, **kwargs: Any) -> Any:
    try:
        return RIGHT["cat"](tensors, dim, **kwargs)
    except Exception:
        return thrace.zeros(1)


def not_in_place(self: Tensor) -> Tensor:
    return self.sin()


def not_in_place_method(self: Tensor) -> Tensor:
    return RIGHT["sin"](self) + 1


def copied(input: Tensor) -> Tensor:
    """The right value, of memory of its own."""
    return RIGHT["t"](input).clone()


@pytest.mark.parametrize(
    ("entry", "check", "fault"),
    (
        ("sin", "forward", value_off),
        ("sin", "gradient", gradient_off),
        ("sin", "second", second_off),
        ("sum", "forward", dtype_off),
        ("sum", "forward", shape_off),
        ("add", "out", no_out),
        ("cat", "errors", no_error),
        ("sin", "inplace", not_in_place),
        ("sin", "methods", not_in_place_method),
        ("t", "views", copied),
    ),
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_planted_faults_are_found(
    entry: str, check: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    op = next(op for op in database() if op.name == entry)
    before = outcomes(op, check)
    assert before and not any(o.error for o in before)
    if check in ("inplace", "methods"):
        monkeypatch.setattr(Tensor, entry + "_" * (check == "inplace"), fault)
    else:
        monkeypatch.setattr(thrace, entry, fault)
    assert any(o.error for o in outcomes(op, check))
