"""Memory shared with NumPy and by DLPack: what one side writes, the other reads.

Each snippet prints here what it prints on PyTorch, uncompiled; then some do so compiled.
"""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from snippets import assert_prints_the_same

import thrace
from thrace.tracer.shared import SharedStorage

SNIPPETS = {
    "tensor_to_array": """
        t = torch.ones(5)
        n = t.numpy()
        t.add_(1)
        print(t, n)
        n *= 3
        print(t, n, t.sum(), t[2].item(), t.tolist(), bool(t[0] == 6))
    """,
    "array_to_tensor": """
        n = np.ones(5)
        t = torch.from_numpy(n)
        np.add(n, 1, out=n)
        print(t, n)
        t.mul_(t)
        t[1:3] = -1
        print(n, t.dtype)
    """,
    "as_tensor": """
        n = np.arange(4)
        same, wide, copied = torch.as_tensor(n), torch.as_tensor(n, dtype=torch.float64), 0
        copied = torch.tensor(n)
        backwards, single = torch.as_tensor(n[2]), torch.as_tensor([n, n])
        n[:] = 9
        print(same, wide, copied, backwards, single)
    """,
    "asarray": """
        n = np.arange(4.0)
        a, b, c = torch.asarray(n), torch.asarray(n, copy=True), torch.asarray(n, copy=False)
        d = torch.asarray(n, dtype=torch.float32)
        n += 1
        print(a, b, c, d)
        for make in (
            lambda: torch.asarray([1, 2], copy=False),
            lambda: torch.asarray(n, dtype=torch.float32, copy=False),
            lambda: torch.asarray(torch.ones(2), dtype=torch.float64, copy=False),
        ):
            try:
                print(make())
            except ValueError as error:
                print(error)
        raw = bytearray(8)
        t = torch.asarray(raw, dtype=torch.uint8)
        raw[0] = 7
        print(t)
    """,
    "frombuffer": """
        raw = bytearray(np.arange(6, dtype=np.int16).tobytes())
        t = torch.frombuffer(raw, dtype=torch.int16, count=4, offset=2)
        print(t)
        raw[2] = 50
        t[3] = 300
        print(t, raw)
        for options in ({"offset": 99}, {"count": 0}, {"count": 99}, {"offset": 1}):
            try:
                torch.frombuffer(raw, dtype=torch.int16, **options)
            except ValueError as error:
                print(error)
    """,
    "what_was_read_stays": """
        n = np.ones(3)
        t = torch.from_numpy(n)
        u, v, c = t * 10, t[1:], t.clone()
        n[:] = [5, 6, 7]
        print(u, v, c, t.detach(), t.view(3, 1))
    """,
    "views_of_the_tensor": """
        t = torch.arange(12.0).reshape(3, 4)
        n = t.t()[1:].numpy()
        print(n.shape, n.strides, n)
        n[0] = -1
        t[2] += 100
        print(t, n)
        print(t[:, ::2].numpy().strides, t.unfold(1, 2, 1).numpy().tolist())
        print(t.diagonal().numpy(), t.expand(2, 3, 4).numpy().strides)
        w = t.view(torch.int32).numpy()
        w[0, 0] = 0
        print(t[0, 0], t.as_strided((2, 2), (1, 4)).numpy())
    """,
    "views_of_the_array": """
        a = np.arange(24.0).reshape(2, 3, 4)
        for part in (a[:, ::2], a.T, a[1], a[..., 3], a[:, 1:2, ::3], a[:0]):
            t = torch.from_numpy(part)
            print(t.shape, t.stride(), t.is_contiguous())
            t += 1
            t.t_() if t.ndim < 3 else t.transpose_(0, 2)
            t.mul_(2)
        print(a)
        x, y = torch.from_numpy(a[0]), torch.from_numpy(a.reshape(-1)[2:9])
        x[0] = 0
        y += 0.5
        a[0, 0, 3] = 77
        print(x, y, a)
    """,
    "both_ways_at_once": """
        n = np.zeros(4)
        a, b = torch.from_numpy(n), torch.from_numpy(n)
        c = torch.from_numpy(a.numpy()[1:])
        a += 1
        b[3] = 9
        c *= 2
        n[0] = -5
        print(a, b, c, n, a.data_ptr() == b.data_ptr() == n.ctypes.data)
        print(c.data_ptr() - a.data_ptr(), a[2:].data_ptr() - a.data_ptr())
    """,
    "autograd": """
        w = torch.ones(3, requires_grad=True)
        n = w.detach().numpy()
        n[1] = 5
        y = w * 7
        n[:] = 2
        y.sum().backward()
        print(w, w.grad, y)
        g = w.grad.numpy()
        (w * 3).sum().backward()
        print(g, w.grad)
        h = w * 2
        m = h.detach().numpy()
        h.mul_(10)
        m[0] = 1
        print(h.requires_grad, m, h.detach(), h.grad_fn.name())
        h.sum().backward()
        print(w.grad)
    """,
    "export_then_train": """
        w = torch.full((2, 3), 0.5, requires_grad=True)
        x = torch.arange(6.0).reshape(2, 3)
        seen = w.detach().numpy()
        opt = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        for i in range(4):
            opt.zero_grad()
            ((w * x).sum() ** 2 / 100).backward()
            opt.step()
            print(seen.round(4))
            if i == 1:
                seen[:] = 1
        print(w, np.shares_memory(seen, w.detach().numpy()))
    """,
    "refusals": """
        for make in (
            lambda: torch.ones(2, requires_grad=True).numpy(),
            lambda: (torch.ones(2, requires_grad=True) * 2).numpy(),
            lambda: np.asarray(torch.ones(2, requires_grad=True)),
            lambda: torch.ones(2, dtype=torch.bfloat16).numpy(),
            lambda: torch.ones(2, dtype=torch.bfloat16).numpy(force=True),
            lambda: torch.ones(2, dtype=torch.complex64).conj().numpy(),
            lambda: torch.ones(2, dtype=torch.complex64).conj().imag.numpy(),
            lambda: torch.ones(2).numpy(force=1),
            lambda: torch.from_numpy([1]),
            lambda: torch.from_numpy(np.float32(1)),
            lambda: torch.from_numpy(np.ones(3)[::-1]),
            lambda: torch.from_numpy(np.array([1], dtype=">f4")),
            lambda: torch.from_numpy(np.zeros(3, dtype=[("a", "f4"), ("b", "i1")])["a"]),
            lambda: torch.ones(2, requires_grad=True).__dlpack__(),
            lambda: torch.ones(2, dtype=torch.complex64).conj().__dlpack__(),
        ):
            try:
                print(make())
            except Exception as error:
                print(type(error).__name__, error)
    """,
    "force": """
        w = torch.ones(2, requires_grad=True)
        n = w.numpy(force=True)
        n[0] = 4
        print(w, (w * 2).numpy(force=True))
        c = torch.tensor([1 + 2j]).conj()
        print(c.numpy(force=True), c.imag.numpy(force=True), c.imag.is_neg(), c.real.is_conj())
        print(c.resolve_conj().numpy(), c.imag.resolve_neg().numpy())
    """,
    "numpy_functions": """
        t = torch.tensor([1.0, 4.0])
        print(np.sqrt(t), np.add(np.ones(2), t), np.equal(t, 1), np.array(t), np.asarray(t))
        print(np.asarray(t, dtype=np.float64), np.concatenate([t, t]), np.float64(2) * t)
        a = np.asarray(t)
        a[0] = 9
        print(t, t.__array__(np.float16), np.matmul(np.eye(2, dtype=np.float32), t))
    """,
    "dlpack": """
        t = torch.arange(4.0)
        n = np.from_dlpack(t)
        n[0] = 9
        t[1] = 8
        print(t, n, t.__dlpack_device__()[1])
        m = np.arange(3)
        u = torch.from_dlpack(m)
        u += 1
        m[2] = 50
        print(u, m)
        v = torch.from_dlpack(m, copy=True)
        m[:] = 0
        print(v, u, torch.from_dlpack(t) is t)
        w = torch.from_dlpack(t[1:])
        w.zero_()
        print(t)
        capsule = torch.ones(2).__dlpack__()
        print("dltensor" in repr(capsule))
    """,
    "kinds": """
        for kind in (torch.bool, torch.uint8, torch.int16, torch.float16, torch.complex128):
            t = torch.ones(3, dtype=kind)
            n = t.numpy()
            n[0] = 0
            t[2] = 0
            print(t, n, n.dtype)
        n = np.array(3.5)
        t = torch.from_numpy(n)
        n[()] = float("nan")
        print(t, t.shape)
        t.fill_(-0.0)
        print(n, torch.from_numpy(np.zeros((0, 2))))
        n[()] = 0.0
        print(1 / t)
    """,
    "copies": """
        t = torch.ones(3)
        n = t.numpy()
        c = copy.deepcopy(t)
        p = pickle.loads(pickle.dumps(t))
        s = t.share_memory_() if False else t.clone()
        n[:] = 5
        print(c, p, s, t)
        t.data = torch.zeros(3)
        print(t, n)
        n = torch.zeros(3)
        t.copy_(torch.from_numpy(np.arange(3.0)))
        t.set_(n)
        print(t)
    """,
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_shares_what_pytorch_shares(name: str):
    assert_prints_the_same("import copy, pickle\n" + SNIPPETS[name].replace("\n        ", "\n"))


def test_a_storage_is_an_ordinary_one_once_the_array_is_gone():
    t = thrace.ones(3)
    n = t.numpy()
    view = n[1:]
    del n
    view[0] = 5
    assert isinstance(t._storage, SharedStorage) and t.tolist() == [1, 5, 1]
    del view
    assert t.tolist() == [1, 5, 1] and not isinstance(t._storage, SharedStorage)
    n = np.arange(3.0)
    t = thrace.from_numpy(n)
    held: Any = memoryview(n)  # type: ignore[arg-type]
    del n
    held[0] = 4.0
    assert t.tolist() == [4, 1, 2] and isinstance(t._storage, SharedStorage)
    del held
    gc.collect()
    assert (t + 1).tolist() == [5, 2, 3] and not isinstance(t._storage, SharedStorage)


def test_what_nobody_else_has_is_not_copied():
    t = thrace.from_numpy(np.arange(1000.0))
    where = t._storage.export.begin  # type: ignore[attr-defined]
    assert t._host().ctypes.data == where


def test_read_only_memory_is_left_at_the_first_write():
    n = np.arange(3.0)
    n.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        t = thrace.from_numpy(n)
    n.flags.writeable = True
    n[0] = 7
    assert t.tolist() == [7, 1, 2]
    t += 1
    n[1] = 50
    assert t.tolist() == [8, 2, 3] and n.tolist() == [7, 50, 2]
    with pytest.warns(UserWarning, match="not writable"):
        t = thrace.frombuffer(b"abc", dtype=thrace.uint8)
    t[0] = 0
    assert t.tolist() == [0, 98, 99]


def test_dlpack_with_pytorch():
    ours = thrace.arange(4.0)
    theirs = torch.from_dlpack(ours)
    theirs[0] = 5
    ours[1:] += 1
    assert theirs.tolist() == ours.tolist() == [5, 2, 3, 4]
    theirs = torch.arange(3)
    ours = thrace.from_dlpack(theirs)
    theirs += 10
    ours[2] = 0
    assert theirs.tolist() == ours.tolist() == [10, 11, 0]
    half = thrace.ones(2, dtype=thrace.bfloat16)
    assert torch.from_dlpack(half).tolist() == [1, 1]
    assert thrace.from_dlpack(torch.ones(2, dtype=torch.bfloat16)).dtype is thrace.bfloat16


# Compiled functions


def test_a_compiled_function_reads_what_the_array_holds_now():
    n = np.ones(3)
    t = thrace.from_numpy(n)
    u = thrace.zeros(3)

    @thrace.compile(fullgraph=True)
    def f(x):
        return x + t * 2

    for i in range(4):
        n[:] = i
        assert f(u.double()).tolist() == [2 * i] * 3
        v = thrace.from_numpy(np.full(3, float(i)))
        assert f(v).tolist() == [3 * i] * 3
    assert len(thrace.explain(f).traces) == 1


def test_a_compiled_function_writes_to_the_array_at_its_end():
    w = thrace.nn.Parameter(thrace.ones(2, 2))
    seen = w.detach().numpy()
    opt = thrace.optim.Adam([w], lr=0.1)
    x = thrace.ones(2)

    def step():
        opt.zero_grad()
        (w @ x).sum().backward()
        opt.step()

    compiled = thrace.compile(step, fullgraph=True)
    for i in range(4):
        compiled()
        np.testing.assert_allclose(seen, 1 - 0.1 * (i + 1), rtol=1e-5)
    seen[:] = 0
    compiled()
    np.testing.assert_allclose(seen, -0.1, rtol=1e-5)
    assert w.tolist() == seen.tolist()
    del seen
    compiled()
    np.testing.assert_allclose(w.detach().numpy(), -0.2, rtol=1e-5)
    assert len(thrace.explain(compiled).traces) == 1


@pytest.mark.filterwarnings("ignore::thrace.FallbackWarning")
def test_a_compiled_function_that_looks_at_the_array():
    n = np.ones(2)
    t = thrace.from_numpy(n)

    @thrace.compile
    def f():
        t.add_(1)
        before = n.sum()
        n[0] = 10
        return t * before

    assert [f().tolist() for _ in range(3)] == [[40, 8], [140, 42], [150, 60]]

    @thrace.compile
    def g():
        a = t.numpy()
        t.mul_(2)
        return thrace.ones(2) * float(a[1])

    assert [g().tolist()[0] for _ in range(2)] == [8, 16]


@pytest.mark.filterwarnings("ignore::thrace.FallbackWarning")
def test_tensors_that_numpy_joins_are_seen_as_one():
    n = np.zeros(4)

    @thrace.compile
    def f(a, b):
        a.add_(1)
        return b * 1

    for _ in range(2):
        assert f(thrace.from_numpy(np.zeros(4)), thrace.from_numpy(np.ones(3))).tolist() == [1] * 3
        n[:] = 0
        assert f(thrace.from_numpy(n), thrace.from_numpy(n[1:])).tolist() == [1] * 3
        assert n.tolist() == [1] * 4


def test_a_failed_compiled_call_leaves_its_writes_in_the_array():
    n = np.ones(2)
    t = thrace.from_numpy(n)

    @thrace.compile
    def f():
        t.add_(1)
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        f()
    assert n.tolist() == [2, 2]


def test_tracing_and_transforms_leave_the_array_alone():
    n = np.ones(3)
    t = thrace.from_numpy(n)

    def write(x):
        t.add_(x)
        return t * x

    thrace.trace(write, thrace.zeros(3, dtype=thrace.float64))
    assert n.tolist() == t.tolist() == [1] * 3
    got = thrace.vmap(lambda x: t.mul_(2) * x)(thrace.arange(2.0).double())
    assert n.tolist() == [2] * 3 and got.tolist() == [[0] * 3, [2] * 3]
    assert thrace.func.grad(lambda x: (t * x).sum())(thrace.ones(3).double()).tolist() == [2] * 3


def test_copies_are_not_shared():
    n = np.ones(2)
    t = thrace.from_numpy(n)
    others = [copy.deepcopy(t), pickle.loads(pickle.dumps(t)), t.clone(), t.to(thrace.float32)]
    n[:] = 3
    assert all(o.tolist() == [1, 1] for o in others)
