"""Devices, buffers, compiled programs and their cache. Importing this does not import jax."""

from . import checks, counters, cuda
from .buffer import is_numpy, own_copy, to_device, to_jax, to_numpy
from .device import CPU, Device, device_of, jax_device, normalize
from .executable import Executable, compile_graph
from .host import compile_cost_s, estimate_cost_s, run_host

__all__ = [
    "CPU",
    "Device",
    "Executable",
    "checks",
    "compile_cost_s",
    "compile_graph",
    "counters",
    "cuda",
    "device_of",
    "estimate_cost_s",
    "is_numpy",
    "jax_device",
    "normalize",
    "own_copy",
    "run_host",
    "to_device",
    "to_jax",
    "to_numpy",
]
