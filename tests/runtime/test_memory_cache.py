"""The cache of compiled programs: bounded, made once, given back when dropped."""

from __future__ import annotations

import threading
import time

import pytest

from thrace.runtime.memory_cache import DEFAULT_SIZE, MemoryCache, size_from_environment


def test_least_recently_used_goes_first():
    cache: MemoryCache[str] = MemoryCache(2)
    made: list[str] = []

    def get(key: str) -> str:
        return cache.get_or_make(key, lambda: made.append(key) or key.upper())

    for key in ("a", "b", "a", "c", "a", "b"):
        assert get(key) == key.upper()
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2


def test_threads_make_an_entry_once():
    cache: MemoryCache[object] = MemoryCache(4)
    made: list[object] = []

    def make() -> object:
        time.sleep(0.05)
        made.append(object())
        return made[-1]

    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.get_or_make("key", make)))
        for _ in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(made) == 1 and set(found) == set(made)


def test_a_failure_is_not_kept():
    cache: MemoryCache[int] = MemoryCache(4)

    def fail() -> int:
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            cache.get_or_make("key", fail)
    assert cache.get_or_make("key", lambda: 3) == 3


def test_size_from_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("THRACE_CACHE_SIZE", raising=False)
    assert size_from_environment() == DEFAULT_SIZE
    monkeypatch.setenv("THRACE_CACHE_SIZE", "7")
    assert size_from_environment() == 7
    for bad in ("0", "-1", "many"):
        monkeypatch.setenv("THRACE_CACHE_SIZE", bad)
        with pytest.raises(ValueError, match="THRACE_CACHE_SIZE"):
            size_from_environment()
