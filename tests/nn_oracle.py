"""What the tests of nn and optim share: the same arrays as our tensors and as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from thrace.tracer.tensor import Tensor, from_host


def array(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Normal numbers, the same at each call."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(*shape: int, below: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, shape)


def ours(x: Any, grad: bool = True) -> Any:
    """An array as a leaf of ours; anything else stays."""
    if not isinstance(x, np.ndarray):
        return x
    return from_host(x, requires_grad=grad and x.dtype.kind == "f")


def theirs(x: Any, grad: bool = True) -> Any:
    """An array as a leaf of PyTorch's; anything else stays."""
    if not isinstance(x, np.ndarray):
        return x
    t = torch.from_numpy(x.copy())
    return t.requires_grad_() if grad and x.dtype.kind == "f" else t


def host(t: Any) -> np.ndarray:
    if isinstance(t, (Tensor, torch.Tensor)):
        return t.detach().numpy().copy()
    return np.asarray(t)


def close(got: Any, want: Any, rtol: float = 1e-5) -> None:
    """Equal up to `rtol` of the largest element: small ones are sums of large ones."""
    got, want = host(got), host(want)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    finite = np.abs(want[np.isfinite(want)]) if want.dtype.kind == "f" else want
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * scale)


def backward(out: Any, framework: Any) -> None:
    """Pull random cotangents of the floating outputs back."""
    outs = [o for o in (out if isinstance(out, (tuple, list)) else [out]) if o is not None]
    for i, o in enumerate(outs):
        if o.requires_grad:
            g = array(*o.shape, seed=100 + i, dtype=host(o).dtype.name)
            o.backward(framework(g, grad=False), retain_graph=i + 1 < len(outs))


def same_gradients(mine: list[Any], reference: list[Any], rtol: float = 1e-5) -> None:
    for a, b in zip(mine, reference, strict=True):
        if isinstance(b, torch.Tensor) and b.requires_grad:
            assert (a.grad is None) == (b.grad is None)
            if b.grad is not None:
                close(a.grad, b.grad, rtol)


def same_outputs(mine: Any, reference: Any, rtol: float = 1e-5) -> None:
    if isinstance(reference, (tuple, list)):
        for a, b in zip(mine, reference, strict=True):
            same_outputs(a, b, rtol)
    elif reference is None:
        assert mine is None
    else:
        close(mine, reference, rtol)
