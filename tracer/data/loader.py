"""DataLoader: batches of a dataset, fetched here or by workers."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any

from ..random import Generator
from .collate import default_collate, default_convert
from .datasets import IterableDataset, TensorDataset
from .samplers import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .workers import Answer, Job, Pool, Task

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Endless(Sampler[None]):
    """The sampler of streams, which have no numbers."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class Fetcher:
    """Makes the function that gets a batch of a dataset; pickled along with a worker's job."""

    def __init__(self, stream: bool, batches: bool, collate: Callable[..., Any], drop_last: bool):
        self.stream = stream
        self.batches = batches
        self.collate = collate
        self.drop_last = drop_last

    def __call__(self, dataset: Any) -> Callable[[Any], Any]:
        if not self.stream:
            return lambda index: self.by_number(dataset, index)
        samples = iter(dataset)
        return lambda index: self.of_stream(samples, index)

    def by_number(self, dataset: Any, index: Any) -> Any:
        if not self.batches:
            return self.collate(dataset[index])
        if type(dataset) is TensorDataset and self.collate is default_collate and index:
            # The rows at once: what stacking them one by one comes to.
            return [t[index] for t in dataset.tensors]
        many = getattr(dataset, "__getitems__", None)
        samples = many(index) if callable(many) else [dataset[i] for i in index]
        return self.collate(samples)

    def of_stream(self, samples: Iterator[Any], index: Any) -> Any:
        if not self.batches:
            return self.collate(next(samples))
        batch = [*itertools.islice(samples, len(index))]
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate(batch)


class DataLoader:
    """An iterable over batches of a dataset; each `iter` is one pass.

    `num_workers` fetch up to `prefetch_factor` batches each in advance, in order unless
    `in_order` is False. They are threads by default: they need no pickling and no guard
    around the main program, and share the dataset. With `multiprocessing_context="spawn"` (or
    another start method or context) they are processes, each with a dataset of its own, and
    seeded with a number of its own. An exception in a worker is raised here with the
    worker's traceback. `pin_memory` has no effect.

    Raises: ValueError or TypeError for arguments that exclude each other, as PyTorch does.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to load without "
                "workers."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option needs num_workers > 0")
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream:
            given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, "
                        f"but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if self._stream:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _context(multiprocessing_context, num_workers)
        self.collate_fn = collate_fn or (
            default_convert if batch_sampler is None else default_collate
        )
        self.in_order = in_order
        self.persistent_workers = persistent_workers
        self._pool: Pool | None = None
        self._epoch = 0
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_ready" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None}

    def __iter__(self) -> Iterator[Any]:
        fetcher = Fetcher(
            self._stream, self.batch_sampler is not None, self.collate_fn, self.drop_last
        )
        numbers = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        seed = draw_seed(self.generator)
        if not self.num_workers:
            return _here(fetcher(self.dataset), numbers)
        pool = self._pool
        if pool is None:
            job = Job(self.dataset, fetcher, self.num_workers, seed, self.worker_init_fn)
            pool = Pool(job, self.multiprocessing_context)
            if self.persistent_workers:
                self._pool = pool
        self._epoch += 1
        return _Pass(self, pool, numbers)

    def __len__(self) -> int:
        """The number of batches. Raises: TypeError where dataset or sampler has no length."""
        if not self._stream:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def _context(given: Any, workers: int) -> Any:
    if given is None:
        return None
    if not workers:
        raise ValueError(
            "multiprocessing_context can only be used with num_workers > 0, but got "
            f"num_workers={workers}"
        )
    if isinstance(given, str):
        known = multiprocessing.get_all_start_methods()
        if given not in known:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{known!r}, but got multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={given}"
        )
    return given


def _here(fetch: Callable[[Any], Any], numbers: Iterator[Any]) -> Iterator[Any]:
    """A pass without workers."""
    for index in numbers:
        try:
            batch = fetch(index)
        except StopIteration:
            return
        yield batch


class _Pass:
    """One pass over a dataset by a pool's workers."""

    def __init__(self, loader: DataLoader, pool: Pool, numbers: Iterator[Any]):
        self.pool = pool
        self.keep = loader.persistent_workers
        self.numbers = numbers
        self.epoch = loader._epoch
        self.timeout = loader.timeout
        self.in_order = loader.in_order
        self.most = max(1, loader.prefetch_factor or 0) * loader.num_workers
        self.sent = 0  # tasks so far, which is also the number of the next
        self.next = 0  # number of the batch to hand out
        self.answers: dict[int, Answer] = {}
        self.waiting: set[int] = set()
        self.active = [*range(loader.num_workers)]
        self.turn = 0
        self.more = True
        self._fill()

    def __iter__(self) -> _Pass:
        return self

    def _fill(self) -> None:
        """Keep the workers busy, each in its turn."""
        while self.more and self.active and self.sent - self.next < self.most:
            index = next(self.numbers, _OVER)
            if index is _OVER:
                self.more = False
                return
            self.turn %= len(self.active)
            self.pool.submit(self.active[self.turn], Task(self.epoch, self.sent, index))
            self.turn += 1
            self.waiting.add(self.sent)
            self.sent += 1

    def __next__(self) -> Any:
        while True:
            answer = self._take()
            self.next += 1
            if answer.kind == "end" and answer.worker in self.active:
                self.active.remove(answer.worker)
            self._fill()
            if answer.kind == "error":
                answer.content.reraise()
            if answer.kind == "data":
                return answer.content

    def _take(self) -> Answer:
        """The answer whose turn it is. Raises: StopIteration after the last."""
        while True:
            if not self.in_order and self.answers:
                return self.answers.pop(next(iter(self.answers)))
            if self.next in self.answers:
                return self.answers.pop(self.next)
            if not self.waiting:
                if not self.keep:
                    self.pool.close()
                raise StopIteration
            answer = self.pool.receive(self.timeout)
            if answer.epoch == self.epoch:  # an earlier pass may have been left
                self.waiting.discard(answer.number)
                self.answers[answer.number] = answer


_OVER = object()
