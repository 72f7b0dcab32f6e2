"""Weight and spectral norm by hooks, as PyTorch had them before parametrizations.

Public as `nn.utils`.
"""

from __future__ import annotations

from typing import Any

from ...autograd import no_grad
from ...parameter import Parameter
from ...random import normal
from ...tensor import Tensor
from .. import functional as F
from ..layers.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrizations import norm_except_dim


class _WeightNorm:
    """A forward pre-hook: `name` from `name_g` and `name_v`."""

    def __init__(self, name: str, dim: int | None):
        self.name = name
        self.dim = -1 if dim is None else dim

    def weight(self, module: Module) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / norm_except_dim(v, 2, self.dim))

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.weight(module))


class _SpectralNorm:
    """A forward pre-hook: `name` from `name_orig`, and the vectors `name_u` and `name_v`."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).reshape(weight.shape[self.dim], -1)

    def weight(self, module: Module, iterates: bool) -> Tensor:
        original = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(original)
        if iterates:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.mT @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
                u, v = u.clone(), v.clone()
        return original / u.dot(matrix @ v)

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.weight(module, module.training))


def _hook_of(module: Module, kind: type, name: str) -> tuple[int, Any] | None:
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key, hook
    return None


def weight_norm(module: Any, name: str = "weight", dim: int = 0) -> Any:
    """A parameter as magnitude `name_g` times direction `name_v`.

    Raises: RuntimeError if it is so already. Source: Salimans & Kingma 2016, arXiv:1602.07868.
    """
    if _hook_of(module, _WeightNorm, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = _WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    g = norm_except_dim(weight.detach(), 2, hook.dim)
    module.register_parameter(f"{name}_g", Parameter(g))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make `name` a parameter again. Raises: ValueError if it is one."""
    found = _hook_of(module, _WeightNorm, name)
    if found is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    weight = found[1].weight(module).detach()
    module.__dict__.pop(name, None)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"]
    module.register_parameter(name, Parameter(weight))
    del module._forward_pre_hooks[found[0]]
    return module


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """A parameter divided by its largest singular value, which power iteration follows.

    Raises: RuntimeError if it is so already. Source: Miyato et al. 2018, arXiv:1802.05957.
    """
    if _hook_of(module, _SpectralNorm, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters.pop(name)
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    with no_grad():
        rows, columns = hook.matrix(weight).shape
        u = F.normalize(normal((rows,), weight.dtype, None, weight.device), dim=0, eps=eps)
        v = F.normalize(normal((columns,), weight.dtype, None, weight.device), dim=0, eps=eps)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make `name` a parameter again. Raises: ValueError if it is one."""
    found = _hook_of(module, _SpectralNorm, name)
    if found is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        weight = found[1].weight(module, False)
    module.__dict__.pop(name, None)
    for store, suffix in (("_buffers", "_u"), ("_buffers", "_v"), ("_parameters", "_orig")):
        del module.__dict__[store][name + suffix]
    module.register_parameter(name, Parameter(weight.detach()))
    del module._forward_pre_hooks[found[0]]
    return module
