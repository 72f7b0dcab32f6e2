"""save and load, exchange with PyTorch through safetensors, and pickles of tensors."""

from __future__ import annotations

import copy
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import thrace as T

DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)


def same(a: Any, b: Any) -> None:
    if isinstance(a, dict):
        assert [*a] == [*b]
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, T.Tensor):
        assert isinstance(b, type(a)) and a.dtype is b.dtype and a.shape == b.shape
        assert a.requires_grad == b.requires_grad and a.stride() == b.stride()
        a, b = ((t.float() if t.dtype is T.bfloat16 else t).detach().numpy() for t in (a, b))
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert type(a) is type(b) and a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert type(a) is type(b) and (a == b or a != a)


def trained() -> tuple[Any, Any]:
    model = T.nn.Sequential(T.nn.Linear(3, 4), T.nn.BatchNorm1d(4))
    opt = T.optim.Adam(model.parameters(), lr=1e-2)
    model(T.arange(6.0).reshape(2, 3)).pow(2).sum().backward()
    opt.step()
    return model, opt


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(dtype: str, tmp_path: Path):
    x = T.tensor([[1, 0, 1]]).to(getattr(T, dtype))
    for value in (x, {"x": x, "empty": x[:0], "scalar": x[0, 0]}):
        T.save(value, tmp_path / "x")
        same(value if isinstance(value, dict) else x, T.load(tmp_path / "x"))


def test_containers_come_back(tmp_path: Path):
    value = {
        "nested": [(1, 2.5, None), [True, "text"], {3: {None: "x"}, (1, 2): 1j}],
        "floats": [float("inf"), float("nan"), -0.0, 10**30],
        "ordered": OrderedDict(b=1, a=2),
        "types": [T.float16, T.Size([1, 2]), T.device("cpu")],
        "numpy": [np.arange(3, dtype=np.int8), np.float32(0.5)],
        "permuted": T.ones(2, 3, 4).permute(2, 0, 1),
        "leaf": T.ones(2, requires_grad=True),
        "parameter": T.nn.Parameter(T.ones(2)),
        "a.b": T.ones(1),
        "a": {"b": T.zeros(1)},
    }
    T.save(value, tmp_path / "x")
    same(value, T.load(tmp_path / "x"))
    assert [*tmp_path.iterdir()] == [tmp_path / "x"]


def test_what_shares_memory_does_so_again(tmp_path: Path):
    w = T.nn.Parameter(T.ones(2))
    T.save([w, w, w.data], tmp_path / "x")
    a, b, c = T.load(tmp_path / "x")
    assert a is b and a is not c and a.requires_grad and not c.requires_grad
    c[0] = 5
    assert a.tolist() == [5, 1]


def test_checkpoint_of_a_model_and_its_optimizer(tmp_path: Path):
    model, opt = trained()
    T.save({"model": model.state_dict(), "opt": opt.state_dict(), "epoch": 3}, tmp_path / "x")
    found = T.load(tmp_path / "x")
    assert found["epoch"] == 3
    again, other = trained()
    again.load_state_dict(found["model"])
    other.load_state_dict(found["opt"])
    same(dict(again.state_dict()), dict(model.state_dict()))
    same(other.state_dict(), opt.state_dict())


def test_exchange_with_pytorch_both_ways(tmp_path: Path):
    model, _ = trained()
    T.save(model.state_dict(), tmp_path / "x")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    theirs.load_state_dict(load_file(tmp_path / "x"))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    want = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.eval()(T.from_numpy(x)).detach().numpy(), want, rtol=1e-5)
    with torch.no_grad():
        theirs[0].weight += 1
    save_file(theirs.state_dict(), tmp_path / "x")
    model.load_state_dict(T.load(tmp_path / "x"))
    np.testing.assert_array_equal(model[0].weight.detach().numpy(), theirs[0].weight.detach())


def test_files_that_are_no_paths_and_map_location():
    file = io.BytesIO()
    T.save({"x": T.ones(2)}, file)
    for where in (None, "cpu", T.device("cpu"), {"cpu": "cpu"}, lambda t, name: t):
        file.seek(0)
        assert T.load(file, map_location=where)["x"].tolist() == [1, 1]


def damaged() -> dict[str, bytes]:
    file = io.BytesIO()
    T.save({"x": T.ones(2)}, file)
    whole = file.getvalue()
    pickled = io.BytesIO()
    torch.save({"x": torch.ones(2)}, pickled)
    return {
        "empty": b"",
        "short": whole[:5],
        "cut": whole[:-1],
        "longer": whole + b"x",
        "noise": b"\xff" * 100,
        "torch": pickled.getvalue(),
        "pickle": pickle.dumps([1, 2, 3] * 30),
        "no-tree": whole.replace(b"tree", b"twig"),
        "unknown-kind": whole.replace(b'{\\"dict\\"', b'{\\"evil\\"'),
        "wrong-number": whole.replace(b'{\\"tensor\\": 0}', b'{\\"tensor\\": 9}'),
    }


@pytest.mark.parametrize("name", damaged())
def test_damaged_and_foreign_files_are_clear_errors(name: str, tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(damaged()[name])
    what = "could run code" if name in ("torch", "pickle") else "safetensors|description"
    for f in (path, io.BytesIO(damaged()[name])):
        with pytest.raises(RuntimeError, match=what):
            T.load(f)


def test_nothing_is_left_of_a_save_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x"
    T.save({"x": T.ones(2)}, path)
    with pytest.raises(TypeError, match=r"a\.b is a Linear"):
        T.save({"a": {"b": T.nn.Linear(1, 1)}}, path)

    def fails(*args: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="no space"):
            T.save({"x": T.zeros(2)}, path)
    assert [*tmp_path.iterdir()] == [path]
    assert T.load(path)["x"].tolist() == [1, 1]
    with pytest.raises(FileNotFoundError):
        T.load(tmp_path / "none")


def test_pickles_keep_strides_sharing_and_requires_grad():
    x = T.arange(12.0).reshape(3, 4)
    w = T.nn.Parameter(T.ones(2))
    a, b, c, p = pickle.loads(pickle.dumps([x, x.T, x[1:], w]))
    assert b.stride() == (1, 4) and c.stride() == (4, 1)
    assert isinstance(p, T.nn.Parameter) and p.requires_grad and p.is_leaf
    a[1, 0] = 99
    assert b[0, 1] == 99 and c[0, 0] == 99 and x[1, 0] == 4
    half = T.tensor([1.5], dtype=T.bfloat16)
    same(pickle.loads(pickle.dumps(half)), half)
    copied = copy.deepcopy([x, x.T])
    copied[0][0, 0] = -1
    assert copied[1][0, 0] == -1 and x[0, 0] == 0
    shallow = copy.copy(x)
    shallow[0, 0] = 7
    assert x[0, 0] == 7
