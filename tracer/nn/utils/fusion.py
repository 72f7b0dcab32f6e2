"""Batch norms folded into the layers before them; modules without initial values.

Public as `nn.utils`.
"""

from __future__ import annotations

import copy
from typing import Any

from ...parameter import Parameter
from ...tensor import Tensor
from ..module import Module


def _parts(weight: Tensor | None, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    scale = (var + eps).rsqrt()
    return (scale if weight is None else weight * scale), mean


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does what it and a batch norm did."""
    scale, mean = _parts(bn_w, bn_rm, bn_rv, bn_eps)
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    bias = -mean * scale if conv_b is None else (conv_b - mean) * scale
    bias = bias if bn_b is None else bias + bn_b
    needs = conv_w.requires_grad
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    return Parameter(weight.detach(), needs), Parameter(bias.to(conv_w.dtype).detach(), needs)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that does what it and a batch norm did."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(layer: Any, bn: Any, transpose: bool) -> Any:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    made = copy.deepcopy(layer)
    made.weight, made.bias = fuse_conv_bn_weights(
        *(made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias),
        transpose=transpose,
    )
    return made


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that does what it and `bn`, both in eval mode, do."""
    return _fused(conv, bn, transpose)


def fuse_linear_bn_eval(linear_rec: Any, bn_rec: Any) -> Any:
    """A copy of `linear_rec` that does what it and `bn_rec`, both in eval mode, do."""
    if linear_rec.out_features != bn_rec.num_features and bn_rec.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    return _fused(linear_rec, bn_rec, False)


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module as `module_cls` makes it; its values are not to be relied on."""
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    return module_cls(*args, **kwargs)
