"""Layers without parameters: activations, pooling, dropout, shape changes, padding.

Such a layer is a function with its options kept, so a table row says what it is: the
options with their defaults, what is printed of them, and the function. Public as `nn`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import functional as F
from ..factory import pair
from ..module import Module

_NEEDED = object()


class _Options(Module):
    """A layer that is its options and a function."""

    _options: dict[str, Any] = {}
    _shown: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()
        name = type(self).__name__
        if len(args) > len(self._options):
            raise TypeError(f"{name} takes at most {len(self._options)} arguments")
        given = dict(zip(self._options, args, strict=False))
        for key, value in kwargs.items():
            if key not in self._options:
                raise TypeError(f"{name} got an unexpected keyword argument {key!r}")
            if key in given:
                raise TypeError(f"{name} got multiple values for argument {key!r}")
            given[key] = value
        for key, default in self._options.items():
            value = given.get(key, default)
            if value is _NEEDED:
                raise TypeError(f"{name} is missing the required argument {key!r}")
            setattr(self, key, value)
        self._prepare()

    def _prepare(self) -> None:
        """Check and complete the options."""

    def extra_repr(self) -> str:
        return ", ".join(f"{key}={getattr(self, key)}" for key in self._shown)


class _Activation(_Options):
    """An elementwise function. `inplace` is printed only where it is set."""

    def extra_repr(self) -> str:
        parts = [f"{key}={_quoted(getattr(self, key))}" for key in self._shown]
        if getattr(self, "inplace", False):
            parts.append("inplace=True")
        return ", ".join(parts)


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _activation(
    name: str, function: Callable[..., Any], doc: str, shown: str | None = None, **options: Any
) -> type[Module]:
    """A class whose forward is `function(input, *options)`."""
    keys = tuple(options)

    def forward(self: Any, input: Any) -> Any:
        return function(input, **{key: getattr(self, key) for key in keys})

    printed = tuple(k for k in keys if k != "inplace") if shown is None else tuple(shown.split())
    body = {"forward": forward, "_options": options, "_shown": printed, "__doc__": doc}
    return type(name, (_Activation,), {**body, "__module__": __name__})


ReLU = _activation("ReLU", F.relu, "The larger of input and 0.", inplace=False)
ReLU6 = _activation("ReLU6", F.relu6, "Input kept between 0 and 6.", inplace=False)
LeakyReLU = _activation(
    "LeakyReLU",
    F.leaky_relu,
    "A small slope below 0.",
    negative_slope=0.01,
    inplace=False,
)
ELU = _activation("ELU", F.elu, "Exponential below 0.", alpha=1.0, inplace=False)
CELU = _activation("CELU", F.celu, "A smooth `ELU`.", alpha=1.0, inplace=False)
SELU = _activation("SELU", F.selu, "The self-normalising `ELU`.", inplace=False)
GELU = _activation("GELU", F.gelu, "See `functional.gelu`.", approximate="none")
SiLU = _activation("SiLU", F.silu, "input * sigmoid(input).", inplace=False)
Mish = _activation("Mish", F.mish, "input * tanh(softplus(input)).", inplace=False)
Sigmoid = _activation("Sigmoid", F.sigmoid, "The logistic function.")
Tanh = _activation("Tanh", F.tanh, "The hyperbolic tangent.")
Softplus = _activation(
    "Softplus", F.softplus, "log(1 + exp(input)).", beta=1.0, threshold=20.0
)
LogSigmoid = _activation("LogSigmoid", F.logsigmoid, "log(sigmoid(input)).")
Softsign = _activation("Softsign", F.softsign, "input / (1 + |input|).")
Tanhshrink = _activation("Tanhshrink", F.tanhshrink, "input - tanh(input).")
Hardtanh = _activation(
    "Hardtanh",
    F.hardtanh,
    "Input kept between two numbers.",
    min_val=-1.0,
    max_val=1.0,
    inplace=False,
)
Hardsigmoid = _activation("Hardsigmoid", F.hardsigmoid, "A straight `Sigmoid`.", inplace=False)
Hardswish = _activation("Hardswish", F.hardswish, "A straight `SiLU`.", inplace=False)
Threshold = _activation(
    "Threshold",
    F.threshold,
    "Input above a threshold, a value below.",
    threshold=_NEEDED,
    value=_NEEDED,
    inplace=False,
)
Softmax = _activation("Softmax", F.softmax, "Softmax along `dim`.", dim=None)
Softmin = _activation("Softmin", F.softmin, "Softmax of -input along `dim`.", dim=None)
LogSoftmax = _activation("LogSoftmax", F.log_softmax, "Log of softmax along `dim`.", dim=None)
GLU = _activation("GLU", F.glu, "One half gates the other.", dim=-1)
CosineSimilarity = type(
    "CosineSimilarity",
    (_Options,),
    {
        "__doc__": "The cosine of the angle between two inputs along `dim`.",
        "__module__": __name__,
        "_options": {"dim": 1, "eps": 1e-8},
        "forward": lambda self, x1, x2: F.cosine_similarity(x1, x2, self.dim, self.eps),
    },
)


class _Dropout(_Options):
    _options = {"p": 0.5, "inplace": False}
    _shown = ("p", "inplace")
    function: Any

    def _prepare(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(
                f"dropout probability has to be between 0 and 1, but got {self.p}"
            )

    def forward(self, input: Any) -> Any:
        return self.function(input, self.p, self.training, self.inplace)


class Dropout(_Dropout):
    """Zero elements with probability `p` while training; see `functional.dropout`."""

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Zero whole channels of (N, C, L) with probability `p` while training."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Zero whole channels of (N, C, H, W) with probability `p` while training."""

    function = staticmethod(F.dropout2d)


class Flatten(_Options):
    """The axes from `start_dim` to `end_dim` as one."""

    _options = {"start_dim": 1, "end_dim": -1}
    _shown = ("start_dim", "end_dim")

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(_Options):
    """One axis as several."""

    _options = {"dim": _NEEDED, "unflattened_size": _NEEDED}
    _shown = ("dim", "unflattened_size")

    def forward(self, input: Any) -> Any:
        return input.unflatten(self.dim, self.unflattened_size)


class _MaxPool(_Options):
    _options = {
        "kernel_size": _NEEDED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "return_indices": False,
        "ceil_mode": False,
    }
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    function: Any

    def _prepare(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Any) -> Any:
        return self.function(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.dilation, self.ceil_mode, self.return_indices),
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L)."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W); see `functional.max_pool2d`."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W)."""

    function = staticmethod(F.max_pool3d)


class AvgPool1d(_Options):
    """The mean of each window of (N, C, L)."""

    _options = {
        "kernel_size": _NEEDED,
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
    }
    _shown = ("kernel_size", "stride", "padding")

    def _prepare(self) -> None:
        self.kernel_size = pair(self.kernel_size, 1, "kernel_size")
        stride = self.kernel_size if self.stride is None else self.stride
        self.stride = pair(stride, 1, "stride")
        self.padding = pair(self.padding, 1, "padding")

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad),
        )


class _AvgPool(_Options):
    _options = {**AvgPool1d._options, "divisor_override": None}
    _shown = ("kernel_size", "stride", "padding")
    function: Any

    def _prepare(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Any) -> Any:
        return self.function(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad, self.divisor_override),
        )


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W); see `functional.avg_pool2d`."""

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W)."""

    function = staticmethod(F.avg_pool3d)


class _Adaptive(_Options):
    _options = {"output_size": _NEEDED}
    _shown = ("output_size",)
    function: Any

    def forward(self, input: Any) -> Any:
        return self.function(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """Means of `output_size` parts of (N, C, L)."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """Means of `output_size` parts of (N, C, H, W)."""

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """Means of `output_size` parts of (N, C, D, H, W)."""

    function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_Adaptive):
    """The largest elements of `output_size` parts of (N, C, L)."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest elements of `output_size` parts of (N, C, H, W)."""

    function = staticmethod(F.adaptive_max_pool2d)


class _Pad(_Options):
    _options = {"padding": _NEEDED}
    mode = "constant"
    rank: int

    def _prepare(self) -> None:
        self.padding = pair(self.padding, 2 * self.rank, "padding")

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad):
    """Zeros around the last two axes: (left, right, top, bottom) or one number."""

    rank = 2


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their edges."""

    rank = 2
    mode = "reflect"


class ReplicationPad2d(_Pad):
    """The edges of the last two axes repeated."""

    rank = 2
    mode = "replicate"


class ConstantPad2d(_Pad):
    """One value around the last two axes."""

    _options = {"padding": _NEEDED, "value": _NEEDED}
    rank = 2

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"
