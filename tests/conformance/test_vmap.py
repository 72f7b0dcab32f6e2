"""`vmap` of every function of PyTorch's database is the function on each example.

The examples are a sample and the same sample turned round, so that index ranges and positive
definite matrices stay what they are.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import optree
import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

import thrace
from conformance.convert import Converter, Unsupported, function_for
from conformance.exclusions import SOMETIMES_RANDOM, UNDEFINED_VALUES
from thrace.ir.errors import DataDependentError

SAMPLES = 2
RANDOM = ("rand", "dropout", "bernoulli", "multinomial", "normal", "uniform", "rrelu", "cauchy")
RANDOM += ("exponential", "geometric", "empty", "lowrank")


def entries() -> Any:
    for op in op_db:
        name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
        left_out = op.name in SOMETIMES_RANDOM or op.name in UNDEFINED_VALUES
        random = any(word in name for word in RANDOM) and "norm" not in name.split("_")
        if left_out or random or torch.float32 not in op.supported_dtypes("cpu"):
            continue
        if function_for(op) is not None:
            yield pytest.param(op, id=name)


def outputs(result: Any) -> list[Any]:
    return [t for t in optree.tree_leaves(result) if isinstance(t, thrace.Tensor)]  # type: ignore


def host(t: Any) -> np.ndarray:
    return t.detach().numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", [*entries()])
def test_vmap_is_each_example(op: Any):
    fn = function_for(op)
    assert fn is not None
    for sample in itertools.islice(op.sample_inputs("cpu", torch.float32), SAMPLES):
        try:
            tree = Converter()((sample.input, tuple(sample.args), dict(sample.kwargs)))
        except Unsupported:
            continue
        leaves, spec = optree.tree_flatten(tree, none_is_leaf=True)
        at = [i for i, t in enumerate(leaves) if isinstance(t, thrace.Tensor)]

        def call(*tensors: Any) -> tuple[Any, ...]:
            new = list(leaves)  # noqa: B023
            for i, t in zip(at, tensors, strict=True):  # noqa: B023
                new[i] = t
            first, args, kwargs = optree.tree_unflatten(spec, new)  # type: ignore  # noqa: B023
            return tuple(outputs(fn(first, *args, **kwargs)))  # type: ignore

        tensors = [leaves[i].detach() for i in at]
        turned = [t.flip(tuple(range(t.ndim))) if t.ndim else t.clone() for t in tensors]
        try:
            want = [list(map(host, call(*t))) for t in (tensors, [*turned[:1], *tensors[1:]])]
        except Exception:  # what the function itself lacks is for the other checks
            continue
        if not tensors or not want[0] or [a.shape for a in want[0]] != [a.shape for a in want[1]]:
            continue
        stacked = thrace.stack([tensors[0], turned[0]])
        dims = (0, *(None,) * (len(tensors) - 1))
        try:
            got = thrace.vmap(call, in_dims=dims)(stacked, *tensors[1:])
        except DataDependentError:
            continue  # its result's shape depends on values, or it looks at them
        except RuntimeError as error:
            if "vmap: inplace" in str(error):
                continue  # it writes to an operand that is the same for all
            raise
        for g, *each in zip(got, *want, strict=True):
            expected = np.stack(each)
            assert host(g).dtype == expected.dtype and host(g).shape == expected.shape
            np.testing.assert_allclose(host(g), expected, rtol=1e-4, atol=1e-4)
