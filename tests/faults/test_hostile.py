"""Inputs that nobody should give: what PyTorch does with each, or NumPy where we do more.

A row is an expression; values, dtypes and shapes must be PyTorch's, or its kind of error,
raised without a frame of JAX's in sight.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import traceback
from typing import Any

import numpy as np
import pytest
import torch

import thrace


def recursive() -> list:
    out: list = []
    out.append(out)
    return out


NAMES = {
    "np": np,
    "datetime": datetime,
    "decimal": decimal,
    "fractions": fractions,
    "recursive": recursive,
}
ROWS = {
    "from_numpy_big_endian": "T.from_numpy(np.arange(3,dtype='>f4'))",
    "from_numpy_neg": "T.from_numpy(np.arange(6.)[::-1])",
    "fortran": "T.tensor(np.asfortranarray(np.arange(6.).reshape(2,3)))",
    "broadcast_view": "T.tensor(np.broadcast_to(np.arange(3.),(2,3)))",
    "from_numpy_object": "T.from_numpy(np.array([1,2],dtype=object))",
    "datetime": "T.tensor(np.array(['2020-01-01'],dtype='datetime64[D]'))",
    "timedelta": "T.tensor(np.array([1],dtype='timedelta64[s]'))",
    "strings": "T.tensor(np.array(['a','b']))",
    "bytes_arr": "T.tensor(np.array([b'a',b'b']))",
    "bytes": "T.tensor(b'abc')",
    "string_list": "T.tensor(['a'])",
    "zero_size": "T.tensor(np.zeros((0,3)))",
    "empty_list": "T.tensor([])",
    "nested_empty": "T.tensor([[],[]])",
    "ragged": "T.tensor([[1,2],[3]])",
    "ragged_deep": "T.tensor([[[1],[2]],[[3],4]])",
    "32_dims": "T.ones((1,)*32)+1",
    "negative_shape": "T.zeros(2,-3)",
    "nan_to_int": "T.tensor([float('nan')],dtype=T.int64)",
    "inf_to_int": "T.tensor([float('inf')],dtype=T.int32)",
    "nan_.to_int": "T.tensor([1.5,-2.5]).to(T.int64)",
    "list_of_tensors": "T.tensor([T.tensor(1.),T.tensor(2.)])",
    "list_of_1-tensors": "T.tensor([T.ones(1),T.ones(1)])",
    "list_of_arrays": "T.tensor([np.ones(2),np.zeros(2)])",
    "mixed_tensor_float": "T.tensor([T.tensor(1.),2.0])",
    "mixed_array_list": "T.tensor([np.ones(2),[1,2]])",
    "np_scalars": "T.tensor([np.float32(1),np.float64(2)])",
    "np_int_scalar": "T.tensor(np.int16(4))",
    "np_bool": "T.tensor([np.bool_(True),False])",
    "self_ref": "T.tensor(recursive())",
    "generator": "T.tensor(i for i in range(3))",
    "set": "T.tensor({1,2})",
    "dict": "T.tensor({1:2})",
    "range": "T.tensor(range(4))",
    "map": "T.tensor(map(int,'12'))",
    "None": "T.tensor(None)",
    "None_in_list": "T.tensor([1,None])",
    "enormous_int": "T.tensor(10**30)",
    "int_2**63": "T.tensor(2**63)",
    "-2**63-1": "T.tensor(-2**63-1)",
    "int_list_2**64": "T.tensor([1,2**64])",
    "int32_overflow": "T.tensor(2**40,dtype=T.int32)",
    "uint8_neg": "T.tensor(-1,dtype=T.uint8)",
    "uint8_300": "T.tensor([300],dtype=T.uint8)",
    "add_enormous_int": "T.ones(2,dtype=T.int64)+2**70",
    "mul_2**63": "T.ones(2,dtype=T.int64)*2**63",
    "full_enormous": "T.full((2,),10**30)",
    "int8_+_300": "T.ones(2,dtype=T.int8)+300",
    "fill_2**70": "T.zeros(2,dtype=T.int64).fill_(2**70)",
    "complex_to_real": "T.tensor([1+2j]).to(T.float32)",
    "complex_in_float_tensor": "T.tensor([1+2j],dtype=T.float32)",
    "complex_assign": "T.zeros(2).__setitem__(0,1j)",
    "complex_mul_inplace": "T.ones(2).mul_(1j)",
    "float128": "T.tensor(np.ones(2,dtype=np.longdouble))",
    "float16_np": "T.tensor(np.ones(2,dtype=np.float16))",
    "uint16": "T.tensor(np.ones(2,dtype=np.uint16)).to(T.int32)",
    "uint64": "T.tensor(np.array([2**63+1],dtype=np.uint64))",
    "masked": "T.tensor(np.ma.array([1.,2.],mask=[0,1]))",
    "matrix": "T.tensor(np.matrix([[1.,2.]]))",
    "memoryview": "T.tensor(memoryview(np.ones(2)))",
    "date": "T.tensor(datetime.date.today())",
    "decimal": "T.tensor(decimal.Decimal(1))",
    "fraction": "T.tensor(fractions.Fraction(1,2))",
    "class": "T.tensor(int)",
    "function": "T.tensor(print)",
    "str_dtype": "T.tensor([1],dtype='float32')",
    "np_dtype": "T.tensor([1],dtype=np.float32)",
    "index_bool_arr": "T.arange(3)[np.array([True,False,True])]",
    "index_np_int": "T.arange(3)[np.int64(1)]",
    "reshape_huge": "T.ones(3).reshape(2**40,2**40)",
    "add_np_obj": "T.ones(2)+np.array([1,2],dtype=object)",
    "mul_nan": "T.ones(2)*float('nan')",
    "pow_int_neg": "T.tensor([2])**-1",
    "div_int_zero": "T.tensor([1])//0",
    "mod_zero": "T.tensor([1])%0",
    "div_int_zero_t": "T.tensor([1])//T.tensor([0])",
    "shift_neg": "T.tensor([1])<<1",
    "conv_0_batch": "T.nn.functional.conv2d(T.zeros(0,1,4,4),T.ones(1,1,3,3))",
    "matmul_empty": "T.ones(2,0)@T.ones(0,3)",
    "sum_empty": "T.ones(0).sum()",
    "mean_empty": "T.ones(0).mean()",
    "softmax_empty": "T.ones(0,3).softmax(1)",
    "sort_empty": "T.ones(0).sort()[0]",
}
# Where PyTorch refuses what has a plain meaning; the values are NumPy's.
MORE = {
    "big_endian": ("T.tensor(np.arange(3, dtype='>f4'))", np.arange(3, dtype="f4")),
    "big_endian_int": ("T.tensor(np.arange(3, dtype='>i8'))", np.arange(3)),
    "big_endian_index": ("T.arange(3)[np.array([2, 0], dtype='>i8')]", np.array([2, 0])),
    "negative_strides": ("T.tensor(np.arange(6.0)[::-1])", np.arange(6.0)[::-1]),
    "int_beyond_int64_beside_floats": ("T.ones(2) + 10**30", np.full(2, 1e30, "f4")),
}


def outcome(library: Any, source: str) -> tuple[Any, Exception | None]:
    try:
        got = eval(source, {**NAMES, "T": library})
    except Exception as error:
        return None, error
    if isinstance(got, (torch.Tensor, thrace.Tensor)):
        return (str(got.dtype).partition(".")[2], tuple(got.shape), got.tolist()), None
    return got, None


BUILTIN = (IndexError, TypeError, ValueError, OverflowError, RuntimeError)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ROWS)
def test_as_pytorch(name: str):
    want, refused = outcome(torch, ROWS[name])
    got, error = outcome(thrace, ROWS[name])
    if refused is None:
        assert error is None, repr(error)
        assert str(got) == str(want)  # nan is nan
        return
    kind = next(k for k in type(refused).__mro__ if k in BUILTIN)
    assert isinstance(error, kind), f"{got if error is None else error!r}, PyTorch: {refused!r}"
    shown = "".join(traceback.format_exception(error))
    assert "/jax/" not in shown and "jaxlib" not in shown


@pytest.mark.parametrize("name", MORE)
def test_more_than_pytorch(name: str):
    source, want = MORE[name]
    got, error = outcome(thrace, source)
    assert error is None, repr(error)
    assert got == (thrace.tensor(want).dtype.name, want.shape, want.tolist())
