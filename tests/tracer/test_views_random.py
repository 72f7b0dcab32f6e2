"""Random chains of every kind of view, written and read, against PyTorch.

Compared after each program: elements, shapes, strides, offsets and who shares memory with
whom, then gradients. A step that PyTorch refuses has to be refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import thrace

BASE = np.linspace(-2.0, 2.0, 24, dtype=np.float32)


def axis(t: Any, i: int) -> int:
    return i % t.ndim if t.ndim else 0


def strided(t: Any, i: int) -> Any:
    """Windows of the storage; those of `i % 4 < 2` overlap."""
    size = t.untyped_storage().nbytes() // t.element_size()
    shape, strides = (
        ((3, 2), (1, 1), (2, 3), (4, 1))[i % 4],
        ((2, 1), (0, 1), (5, 1), (3, 3))[i % 4],
    )
    start = (i // 4) % max(size - 10, 1)
    return t.as_strided(shape, strides, start) if size >= 12 else t.as_strided((1,), (1,), 0)


def several(t: Any, i: int, split: Callable[[Any], Any]) -> Any:
    parts = split(t)
    return parts[i % len(parts)]


VIEWS: dict[str, Callable[[Any, int], Any]] = {
    "select": lambda t, i: t.select(axis(t, i), -1),
    "item": lambda t, i: t[i % max(len(t), 1)],
    "slice": lambda t, i: t[..., i % 3 :: 1 + i % 2],
    "index": lambda t, i: t[None, ..., i % 2],
    "narrow": lambda t, i: t.narrow(axis(t, i), i % 2, 1),
    "t": lambda t, i: t.t(),
    "T": lambda t, i: t.mT,
    "transpose": lambda t, i: t.transpose(axis(t, i), -1),
    "swapaxes": lambda t, i: t.swapaxes(0, axis(t, i)),
    "permute": lambda t, i: t.permute([(a + i) % t.ndim for a in range(t.ndim)]),
    "movedim": lambda t, i: t.movedim(axis(t, i), 0),
    "view": lambda t, i: t.view(-1),
    "view_two": lambda t, i: t.view(2, -1),
    "view_as": lambda t, i: t.view_as(t),
    "reshape": lambda t, i: t.reshape(-1, 2),
    "flatten": lambda t, i: t.flatten(axis(t, i)),
    "unflatten": lambda t, i: t.unflatten(axis(t, i), (-1, 1 + i % 3)),
    "ravel": lambda t, i: t.ravel(),
    "squeeze": lambda t, i: t.squeeze(),
    "squeeze_dim": lambda t, i: t.squeeze(axis(t, i)),
    "unsqueeze": lambda t, i: t.unsqueeze(i % (t.ndim + 1)),
    "expand": lambda t, i: t.expand(2, *t.shape),
    "expand_one": lambda t, i: t[:1].expand(3, *t.shape[1:]),
    "diagonal": lambda t, i: t.diagonal(i % 3 - 1, 0, -1),
    "unfold": lambda t, i: t.unfold(axis(t, i), 2, 1 + i % 3),
    "as_strided": strided,
    "split": lambda t, i: several(t, i, lambda x: x.split(2, axis(x, i))),
    "split_sizes": lambda t, i: several(t, i, lambda x: x.split([1, len(x) - 1])),
    "chunk": lambda t, i: several(t, i, lambda x: x.chunk(2, axis(x, i))),
    "tensor_split": lambda t, i: several(t, i, lambda x: x.tensor_split((1, 2), axis(x, i))),
    # PyTorch's makes a copy of a conjugate.
    "unsafe_split": lambda t, i: t if t.is_conj() else several(t, i, lambda x: x.unsafe_split(2)),
    "unbind": lambda t, i: several(t, i, lambda x: x.unbind(axis(x, i))),
    "hsplit": lambda t, i: several(t, i, lambda x: x.hsplit((1,))),
    "detach": lambda t, i: t.detach(),
    "real": lambda t, i: t.real,
    "imag": lambda t, i: t.imag,
    "conj": lambda t, i: t.conj(),
    "view_as_real": lambda t, i: (torch if isinstance(t, torch.Tensor) else thrace).view_as_real(t),
    "view_as_complex": lambda t, i: (
        torch if isinstance(t, torch.Tensor) else thrace
    ).view_as_complex(t),
    "adjoint": lambda t, i: t.adjoint() if t.ndim else t.conj(),
}
DTYPES = ("int32", "uint8", "int16", "float64", "float32", "complex64")
NAMES = sorted(VIEWS)
# PyTorch does not let views of several be read with history once the base was written to, and
# takes those of `unsafe_split` for tensors apart. A view by position shows what lies around its
# tensor without that one's history, in PyTorch until it is written to.
PLAIN = sorted(
    set(VIEWS) - {"split", "split_sizes", "chunk", "unbind", "unsafe_split", "as_strided"}
)
# What they give: views whose elements may lie in one place are filled, for else the result
# would hang on the order of the loop.
WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "fill": lambda t, o: t.fill_(0.5),
    "zero": lambda t, o: t.zero_(),
    "add": lambda t, o: t.add_(1.5),
    "mul": lambda t, o: t.mul_(-2.0),
    # Negative numbers have no meaning as uint8.
    "copy": lambda t, o: t.copy_(o if o.dtype == t.dtype else t.flip(0) if t.ndim else t),
    "first": lambda t, o: t.__setitem__((0,) * t.ndim, 7.0),
}
STEPS = st.lists(
    st.tuples(st.sampled_from(["view"] * 3 + ["write"]), *[st.integers(0, 100)] * 4),
    min_size=2,
    max_size=8,
)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, ZeroDivisionError)


def may_overlap(t: Any) -> bool:
    reach = 0
    for s, n in sorted(zip(t.stride(), tuple(t.shape), strict=True)):
        if n > 1:
            if s <= reach:
                return True
            reach += (n - 1) * s
    return False


def attempt(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except REFUSALS as error:
        return error


def play(library: Any, steps: Any, base: Any, bits: bool, grad: bool = False) -> list[Any]:
    """The tensors that a program made; in place of a step that was refused, the error."""
    pool = [base]
    log: list[Any] = []
    for kind, a, b, c, d in steps:
        t = pool[a % len(pool)]
        if kind == "view":
            if bits and d % 4 == 0:
                made = attempt(lambda: t.view(getattr(library, DTYPES[b % len(DTYPES)])))  # noqa: B023
            else:
                names = PLAIN if grad else NAMES
                made = attempt(lambda: VIEWS[names[b % len(names)]](t, c))  # noqa: B023
            log.append(made)
            if not isinstance(made, Exception):
                pool.append(made)
        elif not (may_overlap(t) and (grad or t.is_conj())):  # PyTorch then writes to copies
            names = ["fill", "zero", "first"] if may_overlap(t) else sorted(WRITES)
            write, other = WRITES[names[b % len(names)]], pool[c % len(pool)].detach().clone()
            log.append(attempt(lambda: write(t, other)))  # noqa: B023
    return [*log, *pool]


def describe(t: Any) -> tuple:
    """Layout, without strides that nobody moves along."""
    shape = tuple(t.shape)
    steps = [s for n, s in zip(shape, t.stride(), strict=True) if n > 1]
    empty = 0 in shape
    return shape, [] if empty else steps, 0 if empty else t.storage_offset(), t.requires_grad


def numbers(t: Any) -> np.ndarray:
    return t.numpy(force=True)


def compare(got: list[Any], want: list[Any]) -> None:
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if isinstance(w, Exception):
            assert isinstance(g, Exception), f"{i}: PyTorch refuses: {w!r}"
        elif isinstance(w, torch.Tensor):
            assert not isinstance(g, Exception), f"{i}: {g!r}"
            assert g.dtype.name == str(w.dtype).removeprefix("torch."), i
            assert describe(g) == describe(w), f"{i}"
            np.testing.assert_allclose(numbers(g), numbers(w), rtol=1e-5, err_msg=f"{i}")
    tensors = [
        (g, w) for g, w in zip(got, want, strict=True) if isinstance(w, torch.Tensor) and w.numel()
    ]
    for g, w in tensors:
        for h, v in tensors:
            assert (g.data_ptr() == h.data_ptr()) == (w.data_ptr() == v.data_ptr())


def bases(shape: tuple[int, ...], complex_numbers: bool) -> tuple[Any, Any]:
    array = BASE.reshape(shape) * (1 + 0.5j) if complex_numbers else BASE.reshape(shape)
    array = array.astype(np.complex64) if complex_numbers else array
    return thrace.tensor(array), torch.tensor(array)


SHAPES = st.sampled_from([(24,), (4, 6), (2, 3, 4)])


@settings(max_examples=150, phases=PHASES, deadline=None)
@given(STEPS, SHAPES, st.booleans(), st.booleans())
def test_values_and_layout(steps, shape, complex_numbers, bits):
    ours, theirs = bases(shape, complex_numbers)
    compare(play(thrace, steps, ours, bits), play(torch, steps, theirs, bits))


@settings(max_examples=100, phases=PHASES, deadline=None)
@given(STEPS, SHAPES)
def test_gradients(steps, shape):
    """Views of a tensor with history; what is read at the end gets weights of its own."""
    grads, pools = [], []
    for library, leaf in zip((thrace, torch), bases(shape, False), strict=True):
        leaf.requires_grad_()
        pool = play(library, steps, leaf * 1, False, True)
        total = (leaf * 0).sum()
        for i, t in enumerate(pool):
            if (
                not isinstance(t, (Exception, type(None)))
                and t.requires_grad
                and not t.is_complex()
            ):
                weights = library.arange(1.0, 1.0 + t.numel()).reshape(t.shape)
                total = total + (t * weights).sum() * (i + 1)
        total.backward()
        pools.append(pool)
        grads.append(leaf.grad.numpy())
    compare(*pools)
    np.testing.assert_allclose(*grads, rtol=1e-5)
