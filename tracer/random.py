"""Random numbers: the generator's state is a tensor that drawing writes to.

Compiled and uncompiled runs draw the same numbers because both record the same ops on
that state. Imported by the API and nn.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..ir.ops import OPS
from ..ir.types import DType, Shape, float32, float64
from . import prims
from .devices import CPU, Device, as_device
from .recording import recorder_for
from .state import LOCK, STATE
from .tensor import Tensor, from_host

DEFAULT_SEED = 67280421310721
_BITS = OPS["rng_bits"]


class Generator:
    """A stream of random numbers: `state` is (seed, numbers drawn), as uint64[2]."""

    def __init__(self, device: Any = "cpu"):
        self.device = as_device(device)
        self.state = _state(DEFAULT_SEED, 0, self.device)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning."""
        self.state._write(_state(int(seed) & 0xFFFFFFFFFFFFFFFF, 0, self.device))
        return self

    def seed(self) -> int:
        """Seed from the operating system; returns the seed."""
        seed = int.from_bytes(os.urandom(7), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        return int(self.state._host()[0])

    def get_state(self) -> Tensor:
        """A copy of the state, for `set_state`."""
        if self.device is CPU:  # another tensor on the same value: nothing is computed for it
            return Tensor._wrap(self.state._value(), CPU)
        return from_host(self.state._host())

    def set_state(self, state: Tensor) -> Generator:
        self.state._write(state)
        return self

    def clone_state(self) -> Generator:
        made = Generator(self.device)
        made.set_state(self.get_state())
        return made


def _state(seed: int, offset: int, device: Device) -> Tensor:
    return from_host(np.array([seed, offset], np.uint64), device=device)


_DEFAULT: dict[Device, Generator] = {}
_SEED = DEFAULT_SEED  # what `manual_seed` was last told, for devices not used so far


def generator_of(device: Any = None) -> Generator:
    """The generator that is used where none is given."""
    place = CPU if device is None else as_device(device)
    found = _DEFAULT.get(place)
    if found is None:
        session, STATE.session = STATE.session, None
        try:  # it outlives a recording run that happens to draw first
            found = _DEFAULT[place] = Generator(place).manual_seed(_SEED)
        finally:
            STATE.session = session
    return found


# The CPU's, as PyTorch names it.
default_generator = generator_of()


def default_generators() -> list[Generator]:
    """Every device's default generator that there is."""
    return list(_DEFAULT.values())


def manual_seed(seed: int) -> Generator:
    """Seed every device's default generator; returns the CPU's."""
    global _SEED
    _SEED = seed
    cpu = generator_of()
    for generator in _DEFAULT.values():
        generator.manual_seed(seed)
    return cpu


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Inside, draw as always; afterwards the default generators are as they were before."""
    before = {g: g.get_state() for g in _DEFAULT.values()} if enabled else {}
    try:
        yield
    finally:
        for generator, state in before.items():
            generator.set_state(state)


def bits(shape: Shape, generator: Generator | None = None, device: Any = None) -> Tensor:
    """uint32 random bits; the generator advances by their number."""
    source = generator or generator_of(device)
    b = recorder_for(source.device)
    with LOCK:  # of two threads each draws its own
        after, drawn = b.emit(_BITS, (source.state._value(),), (tuple(shape),))
        before = STATE.grad_enabled
        STATE.grad_enabled = False
        try:
            source.state._write_value(after)
        finally:
            STATE.grad_enabled = before
    return Tensor._wrap(drawn, source.device)


def uniform(
    shape: Shape, dtype: DType = float32, generator: Generator | None = None, device: Any = None
) -> Tensor:
    """Numbers in [0, 1): as many random bits as the dtype's mantissa holds, scaled."""
    if dtype is float64:
        high = prims.convert(bits(shape, generator, device), float64)
        low = prims.convert(bits(shape, generator, device), float64)
        # 53 bits: 27 from the first word, 26 from the second.
        top = prims.floor(prims.mul(high, 2.0**-5))
        rest = prims.floor(prims.mul(low, 2.0**-6))
        return prims.mul(prims.add(prims.mul(top, 2.0**26), rest), 2.0**-53)
    mantissa = {"float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
    words = prims.shift_right(bits(shape, generator, device), 32 - mantissa)
    return prims.mul(prims.convert(words, dtype), 2.0**-mantissa)


def normal(
    shape: Shape, dtype: DType = float32, generator: Generator | None = None, device: Any = None
) -> Tensor:
    """Standard normal numbers.

    Source: Box & Muller 1958, doi:10.1214/aoms/1177706645.
    """
    wide = float64 if dtype is float64 else float32
    # 1 - u is in (0, 1], whose logarithm is finite.
    u = prims.sub(1.0, uniform(shape, wide, generator, device))
    angle = prims.mul(uniform(shape, wide, generator, device), 2 * math.pi)
    radius = prims.sqrt(prims.mul(prims.log(u), -2.0))
    return prims.convert(prims.mul(radius, prims.cos(angle)), dtype)
