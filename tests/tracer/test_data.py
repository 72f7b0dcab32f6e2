"""thrace.utils.data: datasets, samplers, collation, and the loader with and without workers."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import torch
from data_sets import Dying, Numbers, Slow, Stream, X
from torch.utils import data as theirs

import thrace
from thrace.utils import data

Point = collections.namedtuple("Point", ("x", "y"))
Y = np.arange(10)


class Worker(data.Dataset):
    """Who fetched it."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> int:
        info = data.get_worker_info()
        assert info is not None and info.num_workers == 2 and info.dataset is self
        return info.id


def plain(value: Any) -> Any:
    """Tensors of either library as lists, with their dtype."""
    if isinstance(value, (thrace.Tensor, torch.Tensor)):
        return (str(value.dtype).rpartition(".")[2], value.tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value).__name__, [plain(v) for v in value]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(plain(v) for v in value)]
    return value


def both(make: Any) -> tuple[Any, Any]:
    return make(data, thrace.from_numpy), make(theirs, torch.from_numpy)


BATCHES: dict[str, list[Any]] = {
    "floats": [1.0, 2.0],
    "ints": [1, 2],
    "bools": [True, False],
    "strings": ["a", "b"],
    "arrays": [X[0], X[1]],
    "numpy-numbers": [np.float32(1), np.float32(2)],
    "tuples": [(1, 2.0, "a"), (2, 3.0, "b")],
    "lists": [[1, X[0]], [2, X[1]]],
    "dicts": [{"a": 1, "b": [1.0]}, {"a": 2, "b": [2.0]}],
    "named": [Point(1, X[0]), Point(2, X[1])],
    "ordered": [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "ragged": [[1], [1, 2]],
    "object": [object(), object()],
    "text-array": [np.array(["a"]), np.array(["b"])],
    "shapes": [X[0], X[:, 0]],
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("function", ("default_collate", "default_convert"))
def test_collation_is_pytorchs(name: str, function: str):
    try:
        want = plain(getattr(theirs, function)(BATCHES[name]))
    except Exception as error:
        with pytest.raises(type(error)):
            plain(getattr(data, function)(BATCHES[name]))
        return
    got = plain(getattr(data, function)(BATCHES[name]))
    assert repr(got) == repr(want)


LOADERS: dict[str, Any] = {
    "plain": lambda d, t: d.DataLoader(Numbers()),
    "batches": lambda d, t: d.DataLoader(Numbers(), batch_size=3),
    "drop-last": lambda d, t: d.DataLoader(Numbers(), batch_size=3, drop_last=True),
    "no-batches": lambda d, t: d.DataLoader(Numbers(), batch_size=None),
    "sampler": lambda d, t: d.DataLoader(Numbers(), 2, sampler=[3, 1, 2]),
    "batch-sampler": lambda d, t: d.DataLoader(Numbers(), batch_sampler=[[3, 1], [2]]),
    "collate": lambda d, t: d.DataLoader(Numbers(), 4, collate_fn=len),
    "tensors": lambda d, t: d.DataLoader(d.TensorDataset(t(X), t(Y)), batch_size=4),
    "concat": lambda d, t: d.DataLoader(d.ConcatDataset([Numbers(2), Numbers(3)]), 2),
    "subset": lambda d, t: d.DataLoader(d.Subset(Numbers(), [4, 2, 9]), 2),
    "stack": lambda d, t: d.DataLoader(
        d.StackDataset(a=Numbers(), b=d.Subset(Numbers(12), range(10))), 4
    ),
    "stack-tuple": lambda d, t: d.DataLoader(d.StackDataset(Numbers(), Numbers()), 4),
}


@pytest.mark.parametrize("name", LOADERS)
def test_batches_are_pytorchs(name: str):
    ours, oracle = both(LOADERS[name])
    assert repr([plain(b) for b in ours]) == repr([plain(b) for b in oracle])
    assert len(ours) == len(oracle)


def test_streams():
    loader = data.DataLoader(Stream(), batch_size=3)
    assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(loader) == 4
    loader = data.DataLoader(Stream() + Stream(2), batch_size=4, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    loader = data.DataLoader(Stream(), batch_size=2, num_workers=3)
    assert sorted(i for b in loader for i in b.tolist()) == [*range(10)]
    assert [b.tolist() for b in loader][:3] == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("context", (None, "spawn"))
def test_workers_give_the_batches_in_order(context: Any):
    want = [plain(b) for b in data.DataLoader(Numbers(), batch_size=3)]
    loader = data.DataLoader(
        Numbers(),
        batch_size=3,
        num_workers=2,
        multiprocessing_context=context,
        persistent_workers=True,
        timeout=60,
    )
    for _ in range(2):
        assert repr([plain(b) for b in loader]) == repr(want)
    next(iter(loader))  # a pass that is left; the next one sees nothing of it
    assert repr([plain(b) for b in loader]) == repr(want)
    loader.dataset.fails_at = 4
    if context is None:  # threads share the dataset
        with pytest.raises(KeyError, match="no sample 4"):
            list(loader)
    assert loader._pool is not None
    loader._pool.close()


def test_errors_of_a_process_have_its_traceback():
    loader = data.DataLoader(
        Numbers(fails_at=5), 2, num_workers=1, multiprocessing_context="spawn", timeout=60
    )
    batches = iter(loader)
    assert next(batches)["n"].tolist() == [0, 1]
    assert next(batches)["n"].tolist() == [2, 3]
    with pytest.raises(KeyError) as caught:
        next(batches)
    text = str(caught.value)
    assert "worker process 0" in text and "in __getitem__" in text
    assert next(batches)["n"].tolist() == [6, 7]


def test_a_dead_process_and_a_timeout_are_errors():
    loader = data.DataLoader(Dying(), num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        list(data.DataLoader(Slow(), num_workers=1, timeout=0.2))


def test_what_cannot_be_pickled_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        iter(
            data.DataLoader(
                Numbers(), num_workers=1, collate_fn=lambda b: b, multiprocessing_context="spawn"
            )
        )


def test_workers_know_who_they_are():
    assert data.get_worker_info() is None
    begun: list[int] = []
    loader = data.DataLoader(Worker(), batch_size=2, num_workers=2, worker_init_fn=begun.append)
    assert [b.tolist() for b in loader] == [[0, 0], [1, 1], [0, 0], [1, 1]]
    assert sorted(begun) == [0, 1]
    any_order = data.DataLoader(Numbers(), 2, num_workers=2, in_order=False)
    assert sorted(n for b in any_order for n in b["n"].tolist()) == [*range(10)]

    def fails(worker: int) -> None:
        raise ValueError(f"worker {worker} cannot begin")

    with pytest.raises(ValueError, match="cannot begin"):
        list(data.DataLoader(Numbers(), num_workers=1, worker_init_fn=fails))


def test_random_order_is_a_permutation_of_the_generators_choosing():
    def order(seed: int) -> list[int]:
        generator = thrace.Generator().manual_seed(seed)
        loader = data.DataLoader(Numbers(), 3, shuffle=True, generator=generator)
        return [n for b in loader for n in b["n"].tolist()]

    assert sorted(order(0)) == [*range(10)]
    assert order(0) == order(0) != order(1)
    drawn = [*data.RandomSampler(range(4), replacement=True, num_samples=50)]
    assert len(drawn) == 50 and set(drawn) == {0, 1, 2, 3}
    longer = [*data.RandomSampler(range(4), num_samples=10)]
    assert len(longer) == 10 and sorted(longer[:4]) == [0, 1, 2, 3]
    assert sorted(data.SubsetRandomSampler([5, 7])) == [5, 7]
    weighted = [*data.WeightedRandomSampler([0.0, 1.0, 3.0], 400)]
    assert 0 not in weighted and weighted.count(2) > weighted.count(1)
    assert sorted(data.WeightedRandomSampler([1.0, 1.0], 2, replacement=False)) == [0, 1]
    parts = data.random_split(Numbers(), [0.5, 0.3, 0.2])
    assert [len(p) for p in parts] == [5, 3, 2]
    assert sorted(i for p in parts for i in p.indices) == [*range(10)]


REFUSED: dict[str, Any] = {
    "workers": lambda d, t: d.DataLoader(Numbers(), num_workers=-1),
    "timeout": lambda d, t: d.DataLoader(Numbers(), timeout=-1),
    "prefetch": lambda d, t: d.DataLoader(Numbers(), prefetch_factor=2),
    "persistent": lambda d, t: d.DataLoader(Numbers(), persistent_workers=True),
    "sampler-shuffle": lambda d, t: d.DataLoader(Numbers(), sampler=[1], shuffle=True),
    "batch-sampler": lambda d, t: d.DataLoader(Numbers(), batch_sampler=[[1]], batch_size=2),
    "no-batch-drop": lambda d, t: d.DataLoader(Numbers(), batch_size=None, drop_last=True),
    "batch-size": lambda d, t: d.DataLoader(Numbers(), batch_size=0),
    "context": lambda d, t: d.DataLoader(Numbers(), multiprocessing_context="spawn"),
    "context-name": lambda d, t: d.DataLoader(
        Numbers(), num_workers=1, multiprocessing_context="no"
    ),
    "context-type": lambda d, t: d.DataLoader(Numbers(), num_workers=1, multiprocessing_context=1),
    "set": lambda d, t: setattr(d.DataLoader(Numbers()), "batch_size", 2),
    "tensor-sizes": lambda d, t: d.TensorDataset(t(X), t(Y[:3])),
    "concat-none": lambda d, t: d.ConcatDataset([]),
    "concat-index": lambda d, t: d.ConcatDataset([Numbers()])[-11],
    "stack-none": lambda d, t: d.StackDataset(),
    "stack-both": lambda d, t: d.StackDataset(Numbers(), a=Numbers()),
    "stack-sizes": lambda d, t: d.StackDataset(Numbers(), Numbers(2)),
    "split": lambda d, t: d.random_split(Numbers(), [1, 2]),
    "replacement": lambda d, t: d.RandomSampler(Numbers(), replacement=1),
    "samples": lambda d, t: d.RandomSampler(Numbers(), num_samples=0),
    "weights": lambda d, t: d.WeightedRandomSampler([[1.0]], 1),
    "missing": lambda d, t: d.Dataset()[0],
    "length": lambda d, t: len(d.DataLoader(d.Dataset())),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_pytorchs(name: str):
    with pytest.raises(Exception) as want:
        REFUSED[name](theirs, torch.from_numpy)
    with pytest.raises(want.type):
        REFUSED[name](data, thrace.from_numpy)


def test_a_pass_that_is_left_leaves_no_process():
    loader = data.DataLoader(
        Numbers(100), num_workers=2, multiprocessing_context="spawn", timeout=60
    )
    batches = iter(loader)
    next(batches)
    workers = batches.pool.workers  # type: ignore[attr-defined]
    del batches
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()
