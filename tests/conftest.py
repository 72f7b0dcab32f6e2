"""What the whole test run shares: its settings, and the count of executables compiled.

XLA compiles are what the run's time and memory go to (40 ms and more each), so the run
says how many there were, over all of its processes, and fails above a limit.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from needs_torch import HAVE_TORCH, needs_torch

EXECUTABLES_LIMIT = 10_000

# The verifier runs after every pass.
os.environ.setdefault("THRACE_VERIFY", "1")
# A busy machine compiles slowly: what goes to standard error must not hang on that.
os.environ.setdefault("THRACE_PROGRESS", "0")
if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker per core: a pool of threads in each would only take turns.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples at every run; `make fuzz` draws new ones.
settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fuzz", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("tests")


class Executables:
    """How many executables the processes of this run compiled."""

    def __init__(self) -> None:
        self.total = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        from thrace.runtime import counters  # after the settings above

        # Test by test, since a test may set the process's counter to zero.
        before = counters.executables
        try:
            return (yield)
        finally:
            after = counters.executables
            self.total += after - before if after >= before else after

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        # A worker that crashed has reported nothing.
        self.total += getattr(node, "workeroutput", {}).get("executables", 0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["executables"] = self.total
        elif self.total > EXECUTABLES_LIMIT and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        line = f"{self.total} XLA executables compiled (at most {EXECUTABLES_LIMIT} allowed)"
        if self.total > EXECUTABLES_LIMIT:
            terminalreporter.write_line(f"ERROR: {line}", red=True)
        else:
            terminalreporter.write_line(line)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without PyTorch, as in `make matrix`, the files that compare with it are left out."""
    if HAVE_TORCH or not collection_path.name.startswith("test_"):
        return None
    return True if needs_torch(collection_path) else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Executables(), "executables")


@functools.cache
def cuda_present() -> bool:
    import jax

    try:
        return bool(jax.devices("cuda"))
    except RuntimeError:
        return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not cuda_present():
        if "THRACE_REQUIRE_GPU" in os.environ:
            pytest.fail("JAX finds no CUDA device", pytrace=False)
        pytest.skip("needs a CUDA device")
