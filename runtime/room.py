"""Whether there is memory for a program, looked at before it consumes anything.

Used by `executable`.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from ..ir.errors import OutOfMemoryError
from .device import Device, jax_device

# Programs that need less are not asked about: looking takes some 50 microseconds.
CHECKED_BYTES = 64 << 20


def require(size_bytes: int, device: Device, name: str) -> None:
    """Raises: OutOfMemoryError if the device has less memory left than that."""
    free = available_bytes(device)
    if free is not None and size_bytes > free:
        raise OutOfMemoryError(
            f"{name} needs {shown(size_bytes)} of memory on {device} to run, and {shown(free)} "
            "are free; nothing was computed or changed"
        )


def available_bytes(device: Device) -> int | None:
    """How much a program can still allocate, or None where nobody says."""
    if device.type != "cpu":
        stats = jax_device(device).memory_stats()
        if not stats or "bytes_limit" not in stats:
            return None
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    known = [free for free in (_machine(), _group(), _limit()) if free is not None]
    return max(min(known), 0) if known else None


def _machine() -> int | None:
    """What Linux takes to be free without pushing anybody out, swap included."""
    found: dict[str, int] = {}
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                key, _, rest = line.partition(":")
                found[key] = int(rest.split()[0]) << 10
    except (OSError, ValueError, IndexError):
        return None
    if "MemAvailable" not in found:
        return None
    return found["MemAvailable"] + found.get("SwapFree", 0)


@cache
def _group_files() -> tuple[Path, Path, Path] | None:
    """The files of the process's control group that say its limit, use, and details."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = Path("/sys/fs/cgroup"), ("memory.max", "memory.current", "memory.stat")
        elif "memory" in controllers.split(","):
            base = Path("/sys/fs/cgroup/memory")
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
        else:
            continue
        # In a container the path may be the host's, and its own group the root.
        for folder in (base / path.lstrip("/"), base):
            files = tuple(folder / name for name in names)
            if files[0].exists():
                return files  # type: ignore[return-value]
    return None


def _group() -> int | None:
    """What the control group still allows; cached files are given up when it asks."""
    files = _group_files()
    if files is None:
        return None
    try:
        limit, used, details = (file.read_text() for file in files)
        if not limit.strip().isdigit():
            return None
        stats = dict(line.split(None, 1) for line in details.splitlines())
        return int(limit) - int(used) + int(stats.get("inactive_file", 0))
    except (OSError, ValueError):
        return None


def _limit() -> int | None:
    """What the process's own limit on address space still allows."""
    if not sys.platform.startswith("linux"):
        return None
    import resource

    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return soft - pages * resource.getpagesize()


def explained(error: RuntimeError, size_bytes: int, name: str) -> RuntimeError:
    """An error of XLA's as one of ours: an allocation that failed, or the error itself."""
    if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
        return error
    return OutOfMemoryError(
        f"{name}: an allocation failed while it ran (it needs {shown(size_bytes)} of memory): "
        f"{str(error).splitlines()[0]}"
    )


def shown(size_bytes: int) -> str:
    """A size for people."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.2f} {unit}" if unit == "GiB" else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.2f} TiB"
