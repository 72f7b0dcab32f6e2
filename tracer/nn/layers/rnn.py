"""Recurrent layers and cells. Public as `nn`.

A layer is one product of all inputs with their weights, and then a scan over the steps; the
scan is a loop in compiled functions and unrolled outside of them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import DType
from ... import prims
from ...api.control import scan
from ...api.join import cat, stack
from ...parameter import Parameter
from ...recording import user_error
from ...tensor import Tensor, from_host
from .. import functional as F
from .. import init
from ..factory import filled, new_parameter
from ..module import Module
from ..utils.rnn import PackedSequence

State = tuple[Tensor, ...]
_CHUNKS = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _plain_step(function: Callable[[Tensor], Tensor]) -> Callable[..., State]:
    """h' = f(input part + recurrent part)."""

    def step(x: Tensor, state: State, recurrent: Callable[[Tensor], Tensor]) -> State:
        return (function(x + recurrent(state[0])),)

    return step


def _lstm_step(x: Tensor, state: State, recurrent: Callable[[Tensor], Tensor]) -> State:
    """Source: Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, with forget gate."""
    h, c = state
    i, f, g, o = (x + recurrent(h)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(x: Tensor, state: State, recurrent: Callable[[Tensor], Tensor]) -> State:
    """Source: Cho et al. 2014, arXiv:1406.1078; the reset gate acts after the product."""
    (h,) = state
    r, z, n = x.chunk(3, -1)
    hr, hz, hn = recurrent(h).chunk(3, -1)
    z = (z + hz).sigmoid()
    n = (n + (r + hr).sigmoid() * hn).tanh()
    return ((h - n) * z + n,)


_STEPS: dict[str, Callable[..., State]] = {
    "LSTM": _lstm_step,
    "GRU": _gru_step,
    "RNN_TANH": _plain_step(F.tanh),
    "RNN_RELU": _plain_step(F.relu),
}


def _draw(module: Module, hidden_size: int) -> None:
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What recurrent layers share: parameters by PyTorch's names, layers and directions."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=3,
            )
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _CHUNKS:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        rows = _CHUNKS[mode] * hidden_size
        out = proj_size or hidden_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                width = input_size if layer == 0 else out * (2 if bidirectional else 1)
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, out),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, f"{name}_{suffix}", new_parameter(shape, dtype, device))
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"][: 2 if self.bidirectional else 1]

    def _weights(self, suffix: str) -> list[Parameter]:
        names = ["weight_ih", "weight_hh"]
        names += ["bias_ih", "bias_hh"] if self.bias else []
        names += ["weight_hr"] if self.proj_size else []
        return [getattr(self, f"{name}_{suffix}") for name in names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [
            self._weights(suffix)
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in +-1 / sqrt(hidden_size)."""
        _draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: XLA lays parameters out."""

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.ndim not in (2, 3):
            raise user_error(
                ShapeError(
                    f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead"
                )
            )
        batched = input.ndim == 3
        if not batched:
            input = input.unsqueeze(1)
            if hx is not None:
                hx = _each(hx, self._unbatched_state)
        elif self.batch_first:
            input = input.transpose(0, 1)
        state = self._state(input, hx, input.shape[1])
        out, state = self._run(input, state, None)
        if not batched:
            return out.squeeze(1), self._given(tuple(h.squeeze(1) for h in state))
        return (out.transpose(0, 1) if self.batch_first else out), self._given(state)

    def _unbatched_state(self, h: Tensor) -> Tensor:
        if h.ndim != 2:
            raise user_error(
                ShapeError(
                    f"{self._get_name()}: For unbatched 2-D input, hx should also be 2-D but got "
                    f"{h.ndim}-D tensor"
                )
            )
        return h.unsqueeze(1)

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[Any, Any]:
        sizes = input.batch_sizes.tolist()
        order, back = input.sorted_indices, input.unsorted_indices
        if hx is not None and order is not None:
            hx = _each(hx, lambda h: h.index_select(1, order))
        state = self._state(input.data, hx, sizes[0])
        # Steps of the same length with rows of zeros where a sequence has ended.
        rows = np.concatenate([t * sizes[0] + np.arange(n) for t, n in enumerate(sizes)])
        at = from_host(rows.astype(np.int64), device=input.data.device)
        flat = input.data.new_zeros(len(sizes) * sizes[0], *input.data.shape[1:])
        padded = flat.index_copy(0, at, input.data).reshape(len(sizes), sizes[0], -1)
        lengths = np.sum(np.array(sizes)[:, None] > np.arange(sizes[0])[None, :], axis=0)
        during = np.arange(len(sizes))[:, None, None] < lengths[None, :, None]
        out, state = self._run(padded, state, from_host(during, device=input.data.device))
        data = out.reshape(len(sizes) * sizes[0], -1).index_select(0, at)
        if back is not None:
            state = tuple(h.index_select(1, back) for h in state)
        packed = PackedSequence(data, input.batch_sizes, order, back)
        return packed, self._given(state)

    def _given(self, state: State) -> Any:
        return state if self.mode == "LSTM" else state[0]

    def _state(self, input: Tensor, hx: Any, count: int) -> State:
        """The first state: zeros, or `hx` once its shapes are checked."""
        if input.shape[-1] != self.input_size:
            raise user_error(
                ShapeError(
                    f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                    f"{input.shape[-1]}"
                )
            )
        weight = self._weights("l0")[0]
        if input.dtype is not weight.dtype:
            raise user_error(
                DTypeError(
                    f"{self._get_name()}: input must have the dtype of the weights, got "
                    f"{input.dtype} and {weight.dtype}"
                )
            )
        layers = self.num_layers * (2 if self.bidirectional else 1)
        shapes = [(layers, count, self.proj_size or self.hidden_size)]
        if self.mode == "LSTM":
            shapes.append((layers, count, self.hidden_size))
        if hx is None:
            return tuple(filled(0, shape, input.dtype, input.device) for shape in shapes)
        state = tuple(hx) if self.mode == "LSTM" else (hx,)
        for h, shape in zip(state, shapes, strict=True):
            if tuple(h.shape) != shape:
                raise user_error(ShapeError(f"Expected hidden size {shape}, got {list(h.shape)}"))
        return state

    def _run(self, x: Tensor, state: State, during: Tensor | None) -> tuple[Tensor, State]:
        """All layers over (L, N, in); `during` (L, N, 1) says where a sequence has not ended."""
        last: list[State] = []
        for layer in range(self.num_layers):
            outs = []
            for suffix in self._suffixes(layer):
                start = tuple(h[len(last)] for h in state)
                out, end = self._layer(x, start, suffix, during)
                outs.append(out)
                last.append(end)
            x = outs[0] if len(outs) == 1 else cat(outs, -1)
            if self.dropout and layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        return x, tuple(stack(list(h)) for h in zip(*last, strict=True))

    def _layer(
        self, x: Tensor, start: State, suffix: str, during: Tensor | None
    ) -> tuple[Tensor, State]:
        w_ih, w_hh, *rest = self._weights(suffix)
        b_ih, b_hh = rest[:2] if self.bias else (None, None)
        w_hr = rest[-1] if self.proj_size else None
        parts = F.linear(x, w_ih, b_ih)
        step = _STEPS[self.mode]

        def advance(state: State, now: Any) -> tuple[State, Tensor]:
            part, there = now if during is not None else (now, None)
            new = step(part, state, lambda h: F.linear(h, w_hh, b_hh))
            if w_hr is not None:
                new = (F.linear(new[0], w_hr), *new[1:])
            out = new[0]
            if there is not None:
                new = tuple(prims.select(there, n, s) for n, s in zip(new, state, strict=True))
            return new, prims.add(out, 0)

        if not x.shape[0]:
            raise user_error(ShapeError("Expected sequence length to be larger than 0 in RNN"))
        steps = parts if during is None else (parts, during)
        end, out = scan(advance, start, steps, reverse=suffix.endswith("_reverse"))
        return out, tuple(end)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, usual in (
            *(("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False)),
            *(("dropout", 0), ("bidirectional", False)),
        ):
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _each(hx: Any, fn: Callable[[Tensor], Tensor]) -> Any:
    return tuple(map(fn, hx)) if isinstance(hx, (tuple, list)) else fn(hx)


class RNN(RNNBase):
    """Elman's recurrent layer: h' = tanh(W x + b + U h + c), or relu.

    Shapes: input (L, N, in), (N, L, in) under `batch_first`, (L, in), or a packed sequence;
    h (layers * directions, N, hidden). Returns the last layer's h of all steps, and the last
    step's h of all layers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            *(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias),
            *(batch_first, dropout, bidirectional, 0, device, dtype),
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory; the state is (h, c), and `proj_size` projects h.

    Shapes: as `RNN`. Source: Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735;
    Sak, Senior & Beaufays 2014, arXiv:1402.1128, for projections.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(
            *("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout),
            *(bidirectional, proj_size, device, dtype),
        )


class GRU(RNNBase):
    """Gated recurrent units. Shapes: as `RNN`. Source: Cho et al. 2014, arXiv:1406.1078."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(
            *("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout),
            *(bidirectional, 0, device, dtype),
        )


class RNNCellBase(Module):
    """What cells share: two weights, two biases, one step."""

    mode = ""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter((rows, input_size), dtype, device)
        self.weight_hh = new_parameter((rows, hidden_size), dtype, device)
        for name in ("bias_ih", "bias_hh"):
            made = new_parameter((rows,), dtype, device) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in +-1 / sqrt(hidden_size)."""
        _draw(self, self.hidden_size)

    def _step(self, mode: str, input: Tensor, hx: Any, states: int) -> State:
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise user_error(
                ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
            )
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        shape = (x.shape[0], self.hidden_size)
        if hx is None:
            state: State = (filled(0, shape, input.dtype, input.device),) * states
        else:
            state = tuple(hx) if states > 1 else (hx,)
            for h in state:
                if h.ndim not in (1, 2):
                    raise user_error(
                        ValueError(f"{name}: Expected hidden to be 1D or 2D, got {h.ndim}D instead")
                    )
            state = state if batched else tuple(h.unsqueeze(0) for h in state)
        if x.shape[1] != self.input_size:
            raise user_error(
                ShapeError(
                    f"input has inconsistent input_size: got {x.shape[1]} expected "
                    f"{self.input_size}"
                )
            )
        for h in state:
            if tuple(h.shape) != shape:
                raise user_error(
                    ShapeError(f"{name}: hidden has shape {tuple(h.shape)}, expected {shape}")
                )
        part = F.linear(x, self.weight_ih, self.bias_ih)
        new = _STEPS[mode](part, state, lambda h: F.linear(h, self.weight_hh, self.bias_hh))
        return new if batched else tuple(h.squeeze(0) for h in new)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if not self.bias:
            parts.append(f"bias={self.bias}")
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        if nonlinearity != "tanh":
            parts.append(f"nonlinearity={nonlinearity}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """One step of an `RNN`. Shapes: input (N, in) or (in), h (N, hidden) or (hidden)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(f"RNN_{self.nonlinearity.upper()}", input, hx, 1)[0]


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`: input and (h, c) to (h, c)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]:
        h, c = self._step("LSTM", input, hx, 2)
        return h, c


class GRUCell(RNNCellBase):
    """One step of a `GRU`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, hx, 1)[0]
