"""Short-time Fourier transforms: of overlapping frames, and back. Bound by `methods.py`."""

from __future__ import annotations

from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import int64
from .. import prims
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import as_int, require
from .complexes import view_as_real
from .fft import FFT

_SMALLEST = 1e-11  # below this sum of squared windows a sample cannot be recovered


def _sizes(name: str, n_fft: Any, hop_length: Any, win_length: Any) -> tuple[int, int, int]:
    """The three sizes with their defaults. Raises: ShapeError if they do not fit together."""
    points = as_int(name, n_fft, "n_fft")
    hop = points // 4 if hop_length is None else as_int(name, hop_length, "hop_length")
    width = points if win_length is None else as_int(name, win_length, "win_length")
    if points <= 0:
        raise ShapeError(f"{name}: expected n_fft > 0, but got n_fft={points}")
    if hop <= 0:
        raise ShapeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= points:
        raise ShapeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={width}")
    return points, hop, width


def _window(name: str, window: Any, points: int, width: int, like: Tensor) -> Tensor | None:
    """The window with zeros on both sides as far as it is shorter than a frame."""
    if window is not None:
        check_tensor(name, window, "window")
        if window._type.shape != (width,):
            raise ShapeError(
                f"{name}: expected a 1D window tensor of size equal to win_length={width}, but got "
                f"window with size {list(window._type.shape)}"
            )
    elif width < points:
        window = prims.full(1, shape=(width,), dtype=like._type.dtype, device=like.device)
    if window is None or width == points:
        return window
    left = (points - width) // 2
    return _filled(window, left, points - width - left)


def _filled(x: Tensor, left: int, right: int) -> Tensor:
    """Zeros beside the last dim."""
    none = (0,) * (x._type.ndim - 1)
    return prims.pad(x, 0, low=(*none, left), high=(*none, right), interior=(*none, 0))


@scoped
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """Fourier transforms of frames of `n_fft` samples, `hop_length` apart.

    Shapes: (length,) or (batch, length); the result has the frequencies and the frames last.
    Raises: RuntimeError for sizes that do not fit, and unless a real `input` comes with
    `return_complex`.
    """
    name = "stft"
    check_tensor(name, input)
    points, hop, width = _sizes(name, n_fft, hop_length, win_length)
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    dtype = input._type.dtype
    if dtype.kind not in ("float", "complex"):
        raise DTypeError(f"{name}: expected a tensor of floating point or complex values")
    if input._type.ndim not in (1, 2):
        raise ShapeError(f"{name}: expected a 1D or 2D tensor, got {input._type.ndim} dims")
    as_complex = dtype.is_complex or (window is not None and window._type.dtype.is_complex)
    if return_complex is None:
        if not as_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future release."
            )
        return_complex = True
    if onesided is None:
        onesided = not as_complex
    if onesided and as_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    x = input if input._type.ndim == 2 else prims.reshape(input, shape=(1, *input._type.shape))
    if center:
        from ..nn.functional import pad

        half = points // 2
        framed = prims.reshape(x, shape=(1, *x._type.shape))
        framed = pad(framed, (half, half), pad_mode)
        x = prims.reshape(framed, shape=framed._type.shape[1:])
    elif align_to_window:
        beside = (points - width) // 2
        x = _filled(x, beside, beside)
    length = x._type.shape[-1]
    if points > length:
        raise ShapeError(f"{name}: expected 0 < n_fft <= {length}, but got n_fft={points}")
    frames = x.unfold(-1, points, hop)  # type: ignore[attr-defined]
    shape = _window(name, window, points, width, x)
    if shape is not None:
        frames = frames * shape
    norm = "ortho" if normalized else None
    if as_complex or not onesided:
        out = FFT["fft"](frames, norm=norm)
    else:
        out = FFT["rfft"](frames, norm=norm)
    out = out.transpose(1, 2)  # type: ignore[attr-defined]
    if input._type.ndim == 1:
        out = out.squeeze(0)
    return out if return_complex else view_as_real(out)


@scoped
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` comes closest to `input` in the sense of least squares.

    Raises: RuntimeError for sizes that do not fit, a tensor that is not complex, and windows
    that leave a sample out.
    """
    name = "istft"
    check_tensor(name, input)
    if not input._type.dtype.is_complex:
        raise DTypeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    points, hop, width = _sizes(name, n_fft, hop_length, win_length)
    ndim = input._type.ndim
    if ndim not in (2, 3) or not input._type.numel:
        raise ShapeError(f"{name}: expected a tensor with 2 or 3 dims and elements, got {ndim}")
    x = input if ndim == 3 else prims.reshape(input, shape=(1, *input._type.shape))
    _, size, count = x._type.shape
    if onesided is None:
        onesided = size != points
    expected = points // 2 + 1 if onesided else points
    if size != expected:
        raise ShapeError(
            f"{name}: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft / 2 + 1 when onesided=True, or n_fft, but got {size}"
        )
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window._type.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    frames = x.transpose(1, 2)  # type: ignore[attr-defined]
    norm = "ortho" if normalized else None
    if return_complex:
        frames = FFT["ifft"](frames, norm=norm)
    else:
        half = frames if onesided else frames[..., : points // 2 + 1]
        frames = FFT["irfft"](half, points, norm=norm)
    shape = _window(name, window, points, width, frames)
    if shape is None:
        shape = prims.full(1, shape=(points,), dtype=frames._type.dtype, device=x.device)
    frames = frames * shape
    signal = _overlapped(frames, hop)
    squares = (shape * shape).expand(1, count, points)  # type: ignore[attr-defined]
    weight = _overlapped(squares, hop)
    whole = points + hop * (count - 1)
    start = points // 2 if center else 0
    if length is not None:
        end = start + as_int(name, length, "length")
    else:
        end = whole - points // 2 if center else whole
    signal, weight = signal[:, start:end], weight[:, start:end]
    require(
        weight.abs(),
        lambda w: w >= _SMALLEST,
        "istft: window overlap add min: the windows leave samples without weight",
    )
    out = signal / weight
    if end > whole:
        out = _filled(out, 0, end - whole)
    return out.squeeze(0) if ndim == 2 else out


def _overlapped(frames: Tensor, hop: int) -> Tensor:
    """The sum of frames (batch, frame, sample), each `hop` after the one before."""
    batch, count, points = frames._type.shape
    first = prims.iota(shape=(count, 1), axis=0, dtype=int64, device=frames.device)
    within = prims.iota(shape=(1, points), axis=1, dtype=int64, device=frames.device)
    at = prims.add(prims.mul(first, hop), within)
    lines = prims.transpose(frames, perm=(1, 2, 0))
    total = points + hop * (count - 1)
    zeros = prims.full(0, shape=(total, batch), dtype=frames._type.dtype, device=frames.device)
    return prims.transpose(prims.index_add(zeros, lines, at), perm=(1, 0))


METHODS = {"stft": stft, "istft": istft}
FUNCTIONS = dict(METHODS)
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
