"""Workers that fetch batches: threads, or processes that are started afresh.

A worker gets tasks from a queue of its own and puts answers into one that all share. A
process pickles its answers itself, so that what cannot be pickled is an error like any other
rather than an answer that never comes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import queue
import random
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

POLL_S = 1.0  # how often one that waits looks whether the other side still lives
CLOSE_S = 5.0  # what a process may take to end by itself


class WorkerInfo(NamedTuple):
    """Who fetches: the worker's number, how many there are, its seed and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_HERE = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that calls this, None outside of workers."""
    return getattr(_HERE, "info", None)


class Task(NamedTuple):
    """Fetch batch `number` of pass `epoch`: the samples with this index."""

    epoch: int
    number: int
    index: Any


class Answer(NamedTuple):
    """`kind` is "data", "error" (`content` is a `Failure`) or "end" (of a worker's stream)."""

    epoch: int
    number: int
    worker: int
    kind: str
    content: Any


class Failure(NamedTuple):
    """An exception of a worker, as type and text."""

    type: type[BaseException]
    text: str
    where: str

    @classmethod
    def of(cls, error: BaseException, where: str) -> Failure:
        kind = type(error)
        try:
            pickle.dumps(kind)
        except Exception:  # a class made inside a function
            kind = RuntimeError
        return cls(kind, "".join(traceback.format_exception(error)), where)

    def reraise(self) -> None:
        """Raise an exception of the same type that shows the worker's traceback."""
        message = f"Caught {self.type.__name__} in {self.where}.\nOriginal {self.text}"
        try:
            error = self.type(_Lines(message) if issubclass(self.type, KeyError) else message)
        except Exception:  # it takes other arguments
            error = RuntimeError(message)
        raise error


class _Lines(str):
    """A message whose lines stay apart where its `repr` is shown."""

    def __repr__(self) -> str:
        return str(self)


class Job(NamedTuple):
    """What all workers of a pool are to do. `fetcher(dataset)` makes `fetch(index)`, anew for
    each pass; `fetch` raises StopIteration at the end of a stream."""

    dataset: Any
    fetcher: Callable[[Any], Callable[[Any], Any]]
    workers: int
    seed: int
    init: Callable[[int], Any] | None


def work(job: Job, worker: int, tasks: Any, put: Callable[[Answer], None], where: str) -> None:
    """Answer tasks until there comes None."""
    failure: Failure | None = None
    _HERE.info = WorkerInfo(worker, job.workers, job.seed + worker, job.dataset)
    try:
        if job.init is not None:
            job.init(worker)
    except Exception as error:
        failure = Failure.of(error, where)
    epoch, fetch, over = -1, None, False
    while (task := tasks()) is not None:
        if failure is not None:
            put(Answer(task.epoch, task.number, worker, "error", failure))
            continue
        try:
            if task.epoch != epoch:
                epoch, over = task.epoch, False
                fetch = job.fetcher(job.dataset)
            if over or fetch is None:
                put(Answer(task.epoch, task.number, worker, "end", None))
                continue
            put(Answer(task.epoch, task.number, worker, "data", fetch(task.index)))
        except StopIteration:
            over = True
            put(Answer(task.epoch, task.number, worker, "end", None))
        except Exception as error:
            put(Answer(task.epoch, task.number, worker, "error", Failure.of(error, where)))


def _run_thread(job: Job, worker: int, tasks: Any, answers: Any) -> None:
    from ..recording import evaluate_all

    def put(answer: Answer) -> None:
        evaluate_all()  # what this thread left pending, before another reads it
        answers.put(answer)

    work(job, worker, tasks.get, put, f"DataLoader worker thread {worker}")


def _run_process(job: Job, worker: int, tasks: Any, answers: Any) -> None:
    from ..random import manual_seed

    # Ctrl-C reaches the whole group of processes; the parent is who ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seed = job.seed + worker
    manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    parent = multiprocessing.parent_process()

    def get() -> Task | None:
        while True:
            try:
                return tasks.get(timeout=POLL_S)
            except queue.Empty:
                if parent is not None and not parent.is_alive():
                    return None

    where = f"DataLoader worker process {worker}"

    def put(answer: Answer) -> None:
        try:
            packed = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            failed = answer._replace(kind="error", content=Failure.of(error, where))
            packed = pickle.dumps(failed)
        answers.put(packed)

    work(job, worker, get, put, where)
    parent_is_gone = parent is not None and not parent.is_alive()
    if parent_is_gone:
        answers.cancel_join_thread()


class Pool:
    """Workers and their queues. `context` is a multiprocessing context, None for threads."""

    def __init__(self, job: Job, context: Any):
        self.processes = context is not None
        self.answers: Any = context.Queue() if context is not None else queue.SimpleQueue()
        self.tasks: list[Any] = []
        self.workers: list[Any] = []
        self._close = weakref.finalize(self, _close, self.tasks, self.workers, self.answers)
        for worker in range(job.workers):
            tasks: Any = context.Queue() if context is not None else queue.SimpleQueue()
            args = (job, worker, tasks, self.answers)
            if context is not None:
                tasks.cancel_join_thread()  # nothing waits at exit for what nobody will read
                made = context.Process(target=_run_process, args=args, daemon=True)
            else:
                made = threading.Thread(target=_run_thread, args=args, daemon=True)
            self.tasks.append(tasks)
            made.start()
            self.workers.append(made)

    def submit(self, worker: int, task: Task) -> None:
        self.tasks[worker].put(task)

    def receive(self, timeout: float) -> Answer:
        """The next answer. Raises: RuntimeError after `timeout` seconds (0: never), or if a
        worker ended that nobody told to."""
        end = time.monotonic() + timeout if timeout else None
        while True:
            left = POLL_S if end is None else min(POLL_S, max(0.0, end - time.monotonic()))
            try:
                got = self.answers.get(timeout=left)
            except queue.Empty:
                self._check_alive()
                if end is not None and time.monotonic() >= end:
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
                continue
            return pickle.loads(got) if self.processes else got

    def _check_alive(self) -> None:
        gone = [w for w in self.workers if not w.is_alive()]
        if gone:
            pids = ", ".join(str(getattr(w, "pid", w.name)) for w in gone)
            raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly")

    def close(self) -> None:
        """End the workers: threads after what they are at, processes at most a moment later."""
        self._close()


def _close(tasks: list[Any], workers: list[Any], answers: Any) -> None:
    processes = [w for w in workers if not isinstance(w, threading.Thread)]
    try:
        for line in tasks:
            with contextlib.suppress(Exception):
                line.put(None)
        # What nobody will read must not keep a worker from ending.
        end = time.monotonic() + CLOSE_S
        while any(w.is_alive() for w in processes) and time.monotonic() < end:
            with contextlib.suppress(Exception):
                answers.get(timeout=0.02)
    finally:  # a second Ctrl-C ends the waiting, not the workers' end
        for w in processes:
            if w.is_alive():
                w.kill()
        if processes:
            for line in (*tasks, answers):
                line.close()
