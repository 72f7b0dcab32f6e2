"""Products whose columns meet in the cache get longer rows, and compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from thrace.ir import Graph
from thrace.ir.interpret import interpret
from thrace.ir.passes import pad_products

# Types of two factors, the contracted axes, and whether the first one's rows get longer.
PRODUCTS = {
    "the gradient by a weight": ("f32[128,1024]", "f32[128,3]", ((0,), (0,)), True),
    "with batch and sequence": ("f32[4,32,1024]", "f32[4,32,3,2]", ((0, 1), (0, 1)), True),
    "in double precision": ("f64[128,512]", "f64[128,3]", ((0,), (0,)), True),
    "too large to stay in a cache": ("f32[4096,1024]", "f32[4096,3]", ((0,), (0,)), False),
    "other rows": ("f32[128,1000]", "f32[128,3]", ((0,), (0,)), False),
    "few rows": ("f32[64,1024]", "f32[64,3]", ((0,), (0,)), False),
    "many columns": ("f32[128,1024]", "f32[128,200]", ((0,), (0,)), False),
    "along rows": ("f32[128,1024]", "f32[3,1024]", ((1,), (1,)), False),
    "axes in another order": ("f32[4,32,1024]", "f32[32,4,3]", ((0, 1), (1, 0)), False),
    "half precision": ("bf16[128,1024]", "bf16[128,3]", ((0,), (0,)), False),
    "nothing summed": ("f32[1024]", "f32[3]", ((), ()), False),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str):
    x, y, contract, longer = PRODUCTS[name]
    free = [t.split("[")[1][:-1].split(",") for t in (x, y)]
    left = [
        n
        for dims, axes in zip(free, contract, strict=True)
        for i, n in enumerate(dims)
        if i not in axes
    ]
    out = f"{x.split('[')[0]}[{','.join(left)}]"
    before = Graph.from_text(
        f"graph main(%x: {x}, %y: {y}) -> (r: {out}) {{\n"
        f"%r: {out} = dot_general(%x, %y) contract={contract} batch=((), ())\nreturn %r\n}}"
    )
    after = pad_products(before).verify()
    assert (after is not before) == longer
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(t.shape).astype(t.dtype.np) for t in before.input_types]
    (got,), (want,) = interpret(after, arrays), interpret(before, arrays)
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=1e-4, atol=1e-4)
