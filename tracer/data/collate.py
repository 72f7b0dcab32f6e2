"""Collation: a list of samples as one batch of tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...ir.types import float64
from ..api.creation import as_tensor, tensor
from ..api.join import stack
from ..tensor import Tensor

CollateMap = dict[Any, Callable[..., Any]]


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """A batch of samples, by the first sample's type.

    `collate_fn_map` has functions `fn(batch, collate_fn_map=)` by type. Mappings, named
    tuples, tuples (which become lists) and sequences are collated item by item.
    Raises: TypeError for a type that has no function, RuntimeError for sequences of
    different lengths.
    """
    first = batch[0]
    for kind, fn in (collate_fn_map or {}).items():
        if type(first) is kind:
            return fn(batch, collate_fn_map=collate_fn_map)
    for kind, fn in (collate_fn_map or {}).items():
        if isinstance(first, kind):
            return fn(batch, collate_fn_map=collate_fn_map)

    def together(items: Any) -> Any:
        return collate(items, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return like_mapping(first, {key: together([d[key] for d in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(together, zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [together(column) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else like_sequence(first, columns)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first)}"
    )


def like_mapping(example: Any, items: dict[Any, Any]) -> Any:
    """The items as a mapping of the example's type, where that can be made."""
    try:
        if isinstance(example, MutableMapping):
            made = copy.copy(example)
            made.update(items)
            return made
        return type(example)(items)
    except TypeError:
        return items


def like_sequence(example: Any, items: list[Any]) -> Any:
    """The items as a sequence of the example's type, where that can be made."""
    try:
        if isinstance(example, MutableSequence):
            made = copy.copy(example)
            for i, item in enumerate(items):
                made[i] = item
            return made
        return type(example)(items)
    except TypeError:
        return items


def _tensors(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return stack([*batch])


def _is_text(array: Any) -> bool:
    return array.dtype.kind in "SUO"


def _arrays(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    if _is_text(batch[0]):
        raise TypeError(f"default_collate: found a numpy array of {batch[0].dtype}")
    return collate([as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


# By type of the samples; users may add theirs.
default_collate_fn_map: CollateMap = {
    Tensor: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number, np.object_): lambda batch, *, collate_fn_map=None: as_tensor(batch),
    float: lambda batch, *, collate_fn_map=None: tensor(batch, dtype=float64),
    int: lambda batch, *, collate_fn_map=None: tensor(batch),
    str: lambda batch, *, collate_fn_map=None: batch,
    bytes: lambda batch, *, collate_fn_map=None: batch,
}


def default_collate(batch: list[Any]) -> Any:
    """Samples with one more dim in front: what a loader does unless told otherwise.

    Tensors and arrays are stacked, numbers become a tensor (floats float64), strings stay a
    list, and containers keep their structure (tuples become lists). Raises: see `collate`.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers inside a sample as tensors; anything else as it is."""
    if isinstance(data, np.ndarray):
        return data if _is_text(data) else as_tensor(data)
    if isinstance(data, np.generic) and not isinstance(data, (np.str_, np.bytes_)):
        return as_tensor(data)
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence):
        return like_sequence(data, [default_convert(d) for d in data])
    return data
