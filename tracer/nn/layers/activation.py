"""Activation layers. Public as `nn`."""

from __future__ import annotations

from typing import Any

from ....ir.types import DType
from ...tensor import Tensor
from .. import functional as F
from .. import init as fill
from ..factory import new_parameter
from ..module import Module
from .options import NEEDED, Activation, options


class ReLU(Activation):
    """The larger of input and 0."""

    function = staticmethod(F.relu)
    _options = options(inplace=False)


class ReLU6(Activation):
    """Input kept between 0 and 6."""

    function = staticmethod(F.relu6)
    _options = options(inplace=False)
    _printed = ()


class LeakyReLU(Activation):
    """A small slope below 0."""

    function = staticmethod(F.leaky_relu)
    _options = options(negative_slope=0.01, inplace=False)


class ELU(Activation):
    """Exponential below 0."""

    function = staticmethod(F.elu)
    _options = options(alpha=1.0, inplace=False)


class CELU(Activation):
    """A smooth `ELU`."""

    function = staticmethod(F.celu)
    _options = options(alpha=1.0, inplace=False)


class SELU(Activation):
    """The self-normalising `ELU`."""

    function = staticmethod(F.selu)
    _options = options(inplace=False)


class GELU(Activation):
    """Input times its normal distribution function; see `functional.gelu`."""

    function = staticmethod(F.gelu)
    _options = options(approximate="none")


class SiLU(Activation):
    """input * sigmoid(input)."""

    function = staticmethod(F.silu)
    _options = options(inplace=False)


class Mish(Activation):
    """input * tanh(softplus(input))."""

    function = staticmethod(F.mish)
    _options = options(inplace=False)


class Sigmoid(Activation):
    """The logistic function."""

    function = staticmethod(F.sigmoid)


class Tanh(Activation):
    """The hyperbolic tangent."""

    function = staticmethod(F.tanh)


class Softplus(Activation):
    """log(1 + exp(input))."""

    function = staticmethod(F.softplus)
    _options = options(beta=1.0, threshold=20.0)


class LogSigmoid(Activation):
    """log(sigmoid(input))."""

    function = staticmethod(F.logsigmoid)


class Softsign(Activation):
    """input / (1 + |input|)."""

    function = staticmethod(F.softsign)


class Tanhshrink(Activation):
    """input - tanh(input)."""

    function = staticmethod(F.tanhshrink)


class Hardtanh(Activation):
    """Input kept between two numbers."""

    function = staticmethod(F.hardtanh)
    _options = options(min_val=-1.0, max_val=1.0, inplace=False)


class Hardsigmoid(Activation):
    """A `Sigmoid` of straight lines."""

    function = staticmethod(F.hardsigmoid)
    _options = options(inplace=False)


class Hardswish(Activation):
    """A `SiLU` of straight lines."""

    function = staticmethod(F.hardswish)
    _options = options(inplace=False)


class Threshold(Activation):
    """Input above a threshold, a value elsewhere."""

    function = staticmethod(F.threshold)
    _options = options(threshold=NEEDED, value=NEEDED, inplace=False)


class Softmax(Activation):
    """Softmax along `dim`."""

    function = staticmethod(F.softmax)
    _options = options(dim=None)


class Softmin(Activation):
    """Softmax of -input along `dim`."""

    function = staticmethod(F.softmin)
    _options = options(dim=None)


class LogSoftmax(Activation):
    """The logarithm of softmax along `dim`."""

    function = staticmethod(F.log_softmax)
    _options = options(dim=None)


class GLU(Activation):
    """One half of the input gates the other."""

    function = staticmethod(F.glu)
    _options = options(dim=-1)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class _Lambda(Activation):
    _options = options(lambd=0.5)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Lambda):
    """Input where it is further from 0 than `lambd`, else 0."""

    function = staticmethod(F.hardshrink)


class Softshrink(_Lambda):
    """Input moved towards 0 by `lambd`."""

    function = staticmethod(F.softshrink)


class RReLU(Activation):
    """A leaky ReLU whose slopes are drawn at random while training."""

    function = staticmethod(F.rrelu)
    _options = options(lower=1.0 / 8, upper=1.0 / 3, inplace=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """`leaky_relu` with learned slopes: one, or one per channel."""

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter((num_parameters,), dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All slopes to their first value."""
        fill.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
