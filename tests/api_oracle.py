"""Running one snippet on PyTorch and on thrace, and holding the results against each other.

A snippet is a function of a module `T` (torch or thrace) and tensors. PyTorch is the
oracle: values, dtype, shape, strides, requires_grad, gradients, and errors by type.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import thrace
from thrace import Tensor

RTOL = {"float64": 1e-9, "float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2, "complex64": 1e-5}


class Case(NamedTuple):
    """A snippet and its inputs: arrays, which become tensors of both libraries."""

    name: str
    run: Callable[..., Any]
    inputs: tuple[Any, ...]
    grad: bool = True


def cases(table: Iterable[tuple]) -> Any:
    """Parametrise a test by the rows of a table of snippets."""
    rows = [row if isinstance(row, Case) else Case(*row) for row in table]
    return pytest.mark.parametrize("case", rows, ids=[row.name for row in rows])


def array(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random float32 numbers, the same at every run."""
    return np.random.default_rng([seed, *shape]).uniform(low, high, shape).astype(np.float32)


def integers(*shape: int, seed: int = 0, low: int = -5, high: int = 6) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).integers(low, high, shape)


def bools(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).random(shape) < 0.5


def to_torch(a: Any, grad: bool) -> Any:
    if not isinstance(a, np.ndarray):
        return a
    t = torch.from_numpy(a.copy())
    return t.requires_grad_() if grad and a.dtype.kind == "f" else t


def to_thrace(a: Any, grad: bool) -> Any:
    if not isinstance(a, np.ndarray):
        return a
    return thrace.tensor(a, requires_grad=grad and a.dtype.kind == "f")


def attempt(case: Case, module: Any, args: list[Any]) -> Any:
    """The snippet's result, or the exception that it raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return case.run(module, *args)
        except Exception as error:
            return error


def leaves(result: Any) -> list[Any]:
    """The tensors of a result, in order."""
    if isinstance(result, (torch.Tensor, Tensor)):
        return [result]
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return []


def strides_that_count(t: Any) -> list[int]:
    """Strides, but for axes along which nobody moves."""
    if 0 in tuple(t.shape):
        return []
    return [s for n, s in zip(t.shape, t.stride(), strict=True) if n > 1]


def as_numpy(t: Any) -> np.ndarray:
    if isinstance(t, Tensor):
        return (t.float() if t.dtype is thrace.bfloat16 else t).numpy(force=True)
    return (t.float() if t.dtype is torch.bfloat16 else t).numpy(force=True)


def assert_same(got: Any, want: Any, where: str = "result") -> None:
    """`got` (thrace's) equals `want` (PyTorch's)."""
    if isinstance(want, Exception):
        assert isinstance(got, Exception), f"{where}: PyTorch raises {want!r}, got {got!r}"
        kinds = [c for c in type(got).__mro__ if c.__module__ == "builtins"]
        common = [c for c in kinds if isinstance(want, c) and c not in (Exception, BaseException)]
        assert any(c is not object for c in common), (
            f"{where}: PyTorch raises {want!r}, got {got!r}"
        )
        assert "jax" not in str(got)
        return
    if isinstance(got, Exception):
        raise AssertionError(f"{where}: raised {got!r}, PyTorch gives {want!r}") from got
    if isinstance(want, torch.Tensor):
        assert isinstance(got, Tensor), f"{where}: {got!r} for {want!r}"
        dtype = str(want.dtype).removeprefix("torch.")
        assert got.dtype.name == dtype, f"{where}: dtype {got.dtype} for {want.dtype}"
        assert tuple(got.shape) == tuple(want.shape), where
        assert strides_that_count(got) == strides_that_count(want), f"{where}: strides"
        assert got.requires_grad == want.requires_grad, f"{where}: requires_grad"
        rtol = RTOL.get(dtype, 0)
        np.testing.assert_allclose(
            as_numpy(got), as_numpy(want), rtol=rtol, atol=rtol, err_msg=where
        )
    elif isinstance(want, torch.Size):
        assert tuple(got) == tuple(want), where
    elif isinstance(want, (tuple, list)):
        assert isinstance(got, type(want)) or isinstance(want, tuple), where
        assert len(got) == len(want), where
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            assert_same(g, w, f"{where}[{i}]")
    elif isinstance(want, torch.dtype):
        assert got.name == str(want).removeprefix("torch."), where
    elif isinstance(want, float):
        assert type(got) is float
        np.testing.assert_allclose(got, want, rtol=1e-5, err_msg=where)
    elif isinstance(want, str):
        assert got == want.replace("torch", "thrace"), where
    else:
        assert type(got) is type(want) and got == want, f"{where}: {got!r} for {want!r}"


def gradients(outs: list[Any], ins: list[Any], grad: Callable[..., Any], ones: Any) -> list[Any]:
    """Gradients of a weighted sum of all results that have history."""
    total: Any = None
    for i, out in enumerate(outs):
        if not out.requires_grad or out.shape.numel() == 0:
            continue
        weights = ones(np.linspace(0.5, 1.5, out.shape.numel()).reshape(tuple(out.shape)))
        part = (out * weights.to(out.dtype)).sum() * (i + 1)
        total = part if total is None else total + part
    if total is None:
        return []
    wanted = [t for t in ins if isinstance(t, (torch.Tensor, Tensor)) and t.requires_grad]
    return list(grad(total, wanted, allow_unused=True))


def check(case: Case) -> None:
    """Run a case on both libraries, and compare results and gradients."""
    theirs = [to_torch(a, case.grad) for a in case.inputs]
    ours = [to_thrace(a, case.grad) for a in case.inputs]
    want = attempt(case, torch, theirs)
    got = attempt(case, thrace, ours)
    assert_same(got, want)
    if isinstance(want, Exception) or not case.grad:
        return
    outs = leaves(want)
    if not any(o.requires_grad for o in outs):
        return
    try:
        expected = gradients(outs, theirs, torch.autograd.grad, torch.from_numpy)
    except RuntimeError:  # a gradient that PyTorch lacks, such as that of floor_divide
        return
    found = gradients(leaves(got), ours, thrace.autograd.grad, thrace.from_numpy)
    assert len(found) == len(expected)
    for i, (g, w) in enumerate(zip(found, expected, strict=True)):
        if w is None:
            assert g is None or not as_numpy(g).any(), f"gradient {i}"
        elif g is None:
            assert not as_numpy(w).any(), f"gradient {i} is missing"
        else:
            assert tuple(g.shape) == tuple(w.shape), f"gradient {i}"
            np.testing.assert_allclose(
                as_numpy(g), as_numpy(w), rtol=1e-4, atol=1e-5, err_msg=f"gradient {i}"
            )
