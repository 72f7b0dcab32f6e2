"""Data goes to JAX and back without changing a bit and without sharing what others write."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
import torch

from thrace.ir.types import DTYPES
from thrace.runtime import is_numpy, own_copy, to_jax, to_numpy
from thrace.runtime.buffer import ALIGNMENT_BYTES
from thrace.runtime.interop import dlpack_device, from_dlpack, to_dlpack


def bits(a: np.ndarray) -> bytes:
    return np.ascontiguousarray(a).tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
@pytest.mark.parametrize("shape", [(3, 5), (), (0, 2), (64,)])
def test_round_trip_keeps_every_bit(dtype, shape):
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    array = (raw % 2).view(np.bool_) if dtype.kind == "bool" else raw.view(dtype.np)
    array = array.reshape(shape)
    there = to_jax(array)
    back = to_numpy(there)
    assert there.dtype == back.dtype == dtype.np
    assert back.shape == shape and bits(back) == bits(array)
    assert not back.flags.writeable


ODD_ARRAYS = {
    "big-endian": np.arange(6, dtype=">f4").reshape(2, 3),
    "big-endian wide": np.arange(6, dtype=">i8"),
    "reversed": np.arange(6.0)[::-1],
    "transposed": np.arange(6, dtype=np.int32).reshape(2, 3).T,
    "strided": np.arange(12, dtype=np.float32)[::3],
    "repeated": np.broadcast_to(np.float32(3), (2, 2)),
    "read-only": np.frombuffer(b"\x01\x02\x03\x04", np.uint8),
    "misaligned": np.frombuffer(b"\0" + bytes(range(16)), np.int32, offset=1, count=4),
}


@pytest.mark.parametrize("name", ODD_ARRAYS)
def test_odd_arrays(name: str):
    array = ODD_ARRAYS[name]
    got = to_numpy(to_jax(array))
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([None]), np.array(["2020-01-01"], "M8[D]")]
)
def test_arrays_without_a_dtype_are_refused(array):
    with pytest.raises(TypeError, match="can't convert NumPy data of type"):
        to_jax(array)


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_writing_to_the_array_afterwards_changes_nothing(size: int):
    space = np.empty(size * 4 + ALIGNMENT_BYTES, np.uint8)
    start = -space.ctypes.data % ALIGNMENT_BYTES
    array = space[start : start + size * 4].view(np.float32)
    for _ in range(20):
        array[:] = 1
        buffer = to_jax(array)
        array[:] = 2
        assert to_numpy(buffer).max() == 1


def test_own_copy_is_aligned_read_only_and_separate():
    array = np.arange(10.0)
    copy = own_copy(array)
    assert copy.ctypes.data % ALIGNMENT_BYTES == 0
    assert not copy.flags.writeable and not np.shares_memory(copy, array)
    with pytest.raises(ValueError):
        copy[0] = 1


def test_numpy_buffers_are_handed_out_read_only():
    array = np.arange(3.0)
    view = to_numpy(array)
    assert is_numpy(view) and np.shares_memory(view, array) and not view.flags.writeable
    assert array.flags.writeable


def test_wide_types_do_not_change_the_users_setting():
    assert to_jax(np.array([2**40])).dtype == np.int64
    assert jax.numpy.arange(2).dtype == np.int32


# DLPack.


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16", "complex64", "uint8"])
def test_from_torch_by_dlpack(dtype: str):
    theirs = torch.tensor([0, 1, 2]).to(getattr(torch, dtype))
    ours = from_dlpack(theirs)
    theirs.zero_()
    assert str(ours.dtype) == dtype
    expected = [0, 1, 1] if dtype == "bool" else [0, 1, 2]
    assert to_numpy(ours).astype(np.complex64).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("convert", [lambda a: a, to_jax], ids=["numpy", "jax"])
def test_to_torch_by_dlpack(dtype, convert):
    class Exporter:
        buffer = convert(np.array([1, 2, 3]).astype(dtype))

        def __dlpack__(self, *, stream=None, **options):
            return to_dlpack(self.buffer, stream=stream)

        def __dlpack_device__(self):
            return dlpack_device(self.buffer)

    got = torch.from_dlpack(Exporter())
    assert got.to(torch.float64).tolist() == [1, 2, 3]
