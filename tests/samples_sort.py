"""Samples of sorting; see `samples.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sampling import INF, NAN, ORDERED, Arg, Sample, f32, sample, special


def sorted_by_torch(axis: int, descending: bool) -> Any:
    def oracle(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, order = torch.sort(torch.tensor(x), dim=axis, descending=descending, stable=True)
        return values.numpy(), order.numpy()

    return oracle


def sorting(shape: tuple[int, ...], axis: int, descending: bool, dtypes=("float32",)) -> Sample:
    return sample("sort", Arg(shape), oracle=sorted_by_torch(axis, descending), dtypes=dtypes,
                  axis=axis, descending=descending)  # fmt: skip


SORT: tuple[Sample, ...] = (
    sorting((3, 4), 1, False, tuple(d for d in ORDERED if d not in ("uint16", "uint32", "uint64"))),
    sorting((3, 4), 0, True, ("float32", "int64", "bool")),
    sorting((2, 3, 4), 1, False),
    sorting((0,), 0, False),
    sorting((2, 0), 0, True),
    *(
        special("sort", f32(1, NAN, -0.0, INF, 0.0, -INF, NAN, 1), axis=0, descending=d,
                oracle=sorted_by_torch(0, d))
        for d in (False, True)
    ),
)  # fmt: skip
