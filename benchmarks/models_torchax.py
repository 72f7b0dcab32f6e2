"""PyTorch's models through torchax: those of `models_thrace.py`, everything else as in JAX."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import models_jax
import models_thrace
import numpy as np
import torch
import torchax
from programs import CNN, Program
from torchax.interop import jax_jit, jax_view, torch_view


class Side(models_jax.Side):
    """The steps, differentiated, updated and compiled by JAX."""

    def __init__(self, device: str = "cpu", dtype: str = "float32"):
        super().__init__(device, dtype)
        self.torch = models_thrace.Side("torch")
        torchax.enable_globally()

    def _model(self, program: Program) -> models_jax.Model:
        """The module as a function of its parameters and statistics."""
        with torchax.disable_temporarily():
            module = self.torch.model(program)
            params = {n: p.detach().numpy().copy() for n, p in module.named_parameters()}
            stats = {n: b.numpy().copy() for n, b in module.named_buffers()}

        def apply(params: Any, stats: Any, x: jax.Array, training: bool):
            module.train(training)
            given = torch_view({**params, **stats})
            out = torch.func.functional_call(module, given, (torch_view(x),))
            return jax_view(out), {n: jax_view(given[n]) for n in stats}

        return models_jax.Model(params, apply, stats, self._convert(program))

    def _convert(self, program: Program) -> Callable[[np.ndarray], np.ndarray]:
        return (lambda x: x) if isinstance(program, CNN) else models_jax.narrowed

    def call(self, size: int) -> Callable[[int], Any]:
        add = jax_jit(lambda x, y: x + y)
        x, y = torch_view(self.put((np.ones(size, np.float32), np.ones(size, np.float32))))
        return lambda i: add(x, y)

    def value(self, out: Any) -> float:
        return super().value(jax_view(out))
