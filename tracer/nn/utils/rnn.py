"""Sequences of different lengths in one tensor: padded, packed. Public as `nn.utils.rnn`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ....ir.errors import ShapeError
from ...api.join import cat
from ...recording import user_error
from ...tensor import Tensor, from_host


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences step by step: the elements of step 0, of step 1, ..., longest sequence first.

    `batch_sizes` (int64, on the CPU) says how many sequences have a step;
    `sorted_indices` sort a batch by length, `unsorted_indices` undo that.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            raise ValueError("batch_sizes must be given")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data converted or moved by `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (
            None if i is None else i.to(data.device)
            for i in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> PackedSequence:
        """The data on the CPU."""
        return self.to("cpu")

    def cuda(self) -> PackedSequence:
        """The data on the first CUDA device."""
        return self.to("cuda")

    def double(self) -> PackedSequence:
        """The data as float64."""
        return self._as("float64")

    def float(self) -> PackedSequence:
        """The data as float32."""
        return self._as("float32")

    def half(self) -> PackedSequence:
        """The data as float16."""
        return self._as("float16")

    def _as(self, dtype: str) -> PackedSequence:
        from ....ir.types import dtype_from_name

        return self.to(dtype_from_name(dtype))

    def pin_memory(self) -> PackedSequence:
        """The sequence itself: host memory needs no pinning here."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation`."""
    return None if permutation is None else permutation.argsort()


def _host(lengths: Any) -> np.ndarray:
    values = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    return np.asarray(values, np.int64).reshape(-1)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first `lengths` elements of each sequence of a padded batch; lengths are read.

    Shapes: (L, N, ...), or (N, L, ...) under `batch_first`.
    Raises: RuntimeError for lengths that do not fit, or that do not descend under
    `enforce_sorted`.
    """
    sizes = _host(lengths)
    order = None if enforce_sorted else np.argsort(-sizes, kind="stable")
    if batch_first:
        input = input.transpose(0, 1)
    if sizes.size != input.shape[1]:
        raise user_error(
            ShapeError(
                f"Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} "
                f"(batch_size={input.shape[1]})"
            )
        )
    if order is not None:
        sizes = sizes[order]
    if not sizes.size or sizes.min() <= 0:
        raise user_error(
            ShapeError(
                "Length of all samples has to be greater than 0, but found an element in "
                "'lengths' that is <= 0"
            )
        )
    if (np.diff(sizes) > 0).any():
        raise user_error(
            RuntimeError(
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True."
            )
        )
    if sizes[0] > input.shape[0]:
        raise user_error(
            ShapeError(f"Expected lengths of at most {input.shape[0]}, got {sizes[0]}")
        )
    place = input.device
    sorted_indices = None if order is None else from_host(order.astype(np.int64), device=place)
    if sorted_indices is not None:
        input = input.index_select(1, sorted_indices)
    count = sizes.size
    batch_sizes = (sizes[None, :] > np.arange(sizes[0])[:, None]).sum(1)
    rows = np.concatenate([t * count + np.arange(n) for t, n in enumerate(batch_sizes)])
    flat = input.reshape(input.shape[0] * count, *input.shape[2:])
    data = flat.index_select(0, from_host(rows.astype(np.int64), device=place))
    return PackedSequence(data, from_host(batch_sizes.astype(np.int64)), sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch of a packed sequence, and its lengths.

    Raises: ValueError if `total_length` is less than the longest sequence.
    """
    sizes = _host(sequence.batch_sizes)
    steps, count = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    data = sequence.data
    rows = np.concatenate([t * count + np.arange(n) for t, n in enumerate(sizes)])
    at = from_host(rows.astype(np.int64), device=data.device)
    flat = data.new_full((steps * count, *data.shape[1:]), padding_value)
    padded = flat.index_copy(0, at, data).reshape(steps, count, *data.shape[1:])
    lengths = from_host((sizes[:, None] > np.arange(count)[None, :]).sum(0).astype(np.int64))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices.to(lengths.device))
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, ...) of different lengths as (longest, N, ...), or (N, longest, ...)."""
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be 'left' or 'right', got {padding_side!r}")
    given = list(sequences.unbind(0)) if isinstance(sequences, Tensor) else list(sequences)
    longest = max(x.shape[0] for x in given)
    rows = []
    for x in given:
        missing = longest - x.shape[0]
        padding = x.new_full((missing, *x.shape[1:]), padding_value)
        pair = [padding, x] if padding_side == "left" else [x, padding]
        rows.append((cat(pair) if missing else x).unsqueeze(0 if batch_first else 1))
    return cat(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, each of its own length; lengths are read."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [x[:n] for x, n in zip(padded_sequences.unbind(0), _host(lengths), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, ...) of different lengths, packed."""
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed sequence."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), True)


__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]
