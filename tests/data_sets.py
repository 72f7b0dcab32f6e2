"""Data sets that a spawned process can have: it imports them by this module's name."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from thrace.utils import data

X = np.arange(20, dtype=np.float32).reshape(10, 2)


class Numbers(data.Dataset):
    """Module level, so that a spawned process can have it."""

    def __init__(self, count: int = 10, fails_at: int = -1):
        self.count = count
        self.fails_at = fails_at

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Any:
        if i == self.fails_at:
            raise KeyError(f"no sample {i}")
        if not 0 <= i < self.count:
            raise IndexError(i)
        return {"x": X[i % 10], "n": i, "name": str(i), "pair": (float(i), [i, -i])}


class Stream(data.IterableDataset):
    def __init__(self, count: int = 10):
        self.count = count

    def __iter__(self) -> Any:
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.count, step))

    def __len__(self) -> int:
        return self.count


class Slow(data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> int:
        time.sleep(5)
        return i


class Dying(data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> int:
        os._exit(3)
