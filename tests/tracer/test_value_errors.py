"""Errors that hang on values: raised at once where the values are known, else when the result is
observed, in a first compiled call and in a replay too. Never a silent clamp.

What PyTorch raises for the same call is asked of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

import thrace


class Sample(NamedTuple):
    """A call of either library, with values that are fine and some that are not."""

    name: str
    call: Callable[[Any, Any], Any]  # of the library and an int64 vector
    fine: list[int]
    wrong: list[int]
    refused: bool = True  # by PyTorch too


def table(lib: Any) -> Any:
    return lib.arange(12.0).reshape(3, 4)


SAMPLES = (
    Sample("getitem", lambda lib, i: table(lib)[i], [0, -1], [0, 3]),
    Sample("getitem_negative", lambda lib, i: table(lib)[:, i], [0, -4], [0, -5]),
    Sample("index_put", lambda lib, i: table(lib).index_put((i,), lib.ones(2, 4)), [0, 1], [0, 3]),
    Sample("gather", lambda lib, i: table(lib).gather(1, i[None]), [0, 3], [0, 4]),
    Sample("gather_negative", lambda lib, i: table(lib).gather(1, i[None]), [0, 3], [0, -1]),
    Sample("take", lambda lib, i: table(lib).take(i), [0, -12], [0, 12]),
    Sample("take_along_dim", lambda lib, i: table(lib).take_along_dim(i), [0, 11], [0, 12]),
    Sample("index_select", lambda lib, i: table(lib).index_select(0, i), [0, 2], [0, 3]),
    Sample("index_add", lambda lib, i: table(lib).index_add(0, i, lib.ones(2, 4)), [0, 2], [0, 3]),
    Sample(
        "index_copy", lambda lib, i: table(lib).index_copy(0, i, lib.ones(2, 4)), [0, 2], [0, 3]
    ),
    Sample("index_fill", lambda lib, i: table(lib).index_fill(0, i, 1.0), [0, 2], [0, 3]),
    Sample("scatter", lambda lib, i: table(lib).scatter(1, i[None], 9.0), [0, 3], [0, 4]),
    Sample(
        "scatter_add",
        lambda lib, i: table(lib).scatter_add(1, i[None], lib.ones(1, 2)),
        [0, 3],
        [0, 4],
    ),
    Sample(
        "scatter_reduce",
        lambda lib, i: table(lib).scatter_reduce(1, i[None], lib.ones(1, 2), "sum"),
        [0, 3],
        [0, 4],
    ),
    Sample("put", lambda lib, i: table(lib).put(i, lib.ones(2)), [0, 11], [0, 12]),
    Sample(
        "masked_scatter",
        lambda lib, i: table(lib).masked_scatter(table(lib) < i.max(), lib.ones(3)),
        [0, 3],
        [0, 4],
    ),
    Sample("embedding", lambda lib, i: lib.nn.functional.embedding(i, table(lib)), [0, 2], [0, 3]),
    Sample(
        "embedding_negative",
        lambda lib, i: lib.nn.functional.embedding(i, table(lib)),
        [0, 2],
        [0, -1],
    ),
    Sample(
        "embedding_bag",
        lambda lib, i: lib.nn.functional.embedding_bag(i[None], table(lib)),
        [0, 2],
        [0, 3],
    ),
    Sample("one_hot", lambda lib, i: lib.nn.functional.one_hot(i, 4), [0, 3], [0, 4]),
    Sample(
        "cross_entropy",
        lambda lib, i: lib.nn.functional.cross_entropy(table(lib), i),
        [0, 1, 3],
        [0, 1, 4],
    ),
    Sample(
        "cross_entropy_negative",
        lambda lib, i: lib.nn.functional.cross_entropy(table(lib), i),
        [0, 1, -100],
        [0, 1, -1],
    ),
    Sample(
        "nll_loss", lambda lib, i: lib.nn.functional.nll_loss(table(lib), i), [0, 1, 3], [0, 1, 4]
    ),
    Sample(
        "multi_margin_loss",
        lambda lib, i: lib.nn.functional.multi_margin_loss(table(lib), i),
        [0, 1, 3],
        [0, 1, 4],
    ),
    Sample("floor_divide", lambda lib, i: lib.tensor([4, 4]) // i, [1, 2], [1, 0]),
    Sample("remainder", lambda lib, i: lib.tensor([4, 4]) % i, [1, 2], [1, 0]),
    Sample("bernoulli", lambda lib, i: lib.bernoulli(i / 2), [0, 1], [0, 4]),
    Sample("normal", lambda lib, i: lib.normal(lib.zeros(2), i.float()), [1, 2], [1, -1]),
    Sample(
        "binary_cross_entropy",
        lambda lib, i: lib.nn.functional.binary_cross_entropy(i / 2, lib.ones(2)),
        [0, 1],
        [0, 4],
    ),
    Sample(
        "gaussian_nll_loss",
        lambda lib, i: lib.nn.functional.gaussian_nll_loss(lib.ones(2), lib.ones(2), i.float()),
        [1, 2],
        [1, -1],
    ),
    Sample("lu_unpack", lambda lib, i: lib.lu_unpack(lib.eye(2), i.int())[0], [1, 2], [1, 5]),
    Sample(
        "segment_reduce",
        lambda lib, i: lib.segment_reduce(lib.arange(3.0), "sum", lengths=i),
        [1, 2],
        [1, 1],
    ),
    Sample("inv", lambda lib, i: lib.linalg.inv(lib.diag(i.double())), [1, 2], [1, 0]),
)
ERRORS = (RuntimeError, IndexError, ValueError)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_raises_at_the_latest_when_observed(sample: Sample):
    if sample.refused:
        with pytest.raises(ERRORS):
            sample.call(torch, torch.tensor(sample.wrong))
    with pytest.raises(ERRORS):
        sample.call(thrace, thrace.tensor(sample.wrong)).tolist()
    with pytest.raises(ERRORS):  # values that are still to be computed
        sample.call(thrace, thrace.tensor(sample.wrong) * 1).tolist()
    fn = thrace.compile(lambda i: sample.call(thrace, i))
    for _ in range(2):
        fn(thrace.tensor(sample.fine)).tolist()
    with pytest.raises(ERRORS):  # a replay
        fn(thrace.tensor(sample.wrong)).tolist()
