"""Devices behave as PyTorch's do, and asking about the CPU imports no jax."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import pytest
import torch
from processes import run

from thrace.runtime import CPU, Device, cuda, device_of, normalize, to_jax

TEXTS = ("cpu", "cuda", "cuda:0", "cuda:1")


@pytest.mark.parametrize("text", TEXTS)
def test_like_torch(text: str):
    ours, theirs = Device(text), torch.device(text)
    assert (ours.type, ours.index) == (theirs.type, theirs.index)
    assert (str(ours), repr(ours)) == (str(theirs), repr(theirs))
    for other in TEXTS:
        assert (ours == Device(other)) == (theirs == torch.device(other))
    assert hash(ours) == hash(Device(text))
    assert pickle.loads(pickle.dumps(ours)) == ours == copy.deepcopy(ours)
    assert Device(ours) == ours


def test_other_spellings():
    assert Device("gpu") == Device("cuda")
    assert Device("gpu:2") == Device("cuda", 2) == Device(2)
    assert normalize("cuda") == Device("cuda:0")
    assert normalize(None) is normalize("cpu") is normalize(Device("cpu")) is CPU
    assert normalize("cuda:1") is normalize(Device("cuda", 1))


@pytest.mark.parametrize("bad", ["", "tpux", "cpu:", "cuda:-1", "cuda:01", "CPU", "cuda:1:2"])
def test_bad_names(bad: str):
    with pytest.raises(RuntimeError, match="device"):
        Device(bad)


@pytest.mark.parametrize("bad", [1.5, None, True, ["cpu"]])
def test_bad_types(bad):
    with pytest.raises(TypeError, match="device"):
        Device(bad)


def test_index_given_twice():
    with pytest.raises(RuntimeError, match="has an index already"):
        Device("cuda:0", 1)


def test_does_not_change():
    with pytest.raises(AttributeError):
        Device("cpu").index = 1


def test_device_of_a_buffer():
    import numpy as np

    assert device_of(to_jax(np.ones(2))) is CPU


def test_cuda_is_counted():
    assert cuda.is_available() == (cuda.device_count() > 0)


def test_cpu_needs_no_jax(tmp_path: Path):
    program = (
        "import sys; import thrace.runtime as r; r.Device('cpu'); r.normalize('cuda'); "
        "r.own_copy([1.0]); print('jax' in sys.modules)"
    )
    assert run(sys.executable, "-c", program, cwd=tmp_path).split() == ["False"]
