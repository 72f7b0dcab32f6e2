"""`vmap`: a function of one example as a function of a batch. Imported by `func` alone.

The function runs once, on tensors that stand for one example; see `batching.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...ir.batch import to_front
from ...ir.graph import Value
from ..recording import recorder_for
from ..tensor import Tensor
from .batching import Batching, enter
from .trees import flatten, spread, unflatten

Dims = Any


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func` for each slice of its arguments along `in_dims`, all at once.

    `in_dims` is nested like the positional arguments (or a prefix of that): the dim that
    is mapped over, None for what is the same for all. `out_dims` says likewise where the
    batch goes in the results. Keyword arguments are the same for all. `randomness` is
    "error", "same" (all examples draw the same numbers) or "different". `chunk_size`
    examples are computed at a time. Raises: ValueError for dims or sizes that do not fit.
    """
    _check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return run(func, in_dims, out_dims, randomness, chunk_size, args, kwargs)

    return wrapped


def _check_randomness(randomness: str) -> None:
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. "
            f"Got {randomness}"
        )


def run(
    func: Callable[..., Any],
    in_dims: Dims,
    out_dims: Dims,
    randomness: str,
    chunk_size: int | None,
    args: tuple,
    kwargs: dict[str, Any],
) -> Any:
    """One call of a function under `vmap`."""
    leaves, spec = flatten(args)
    dims = _input_dims(func, in_dims, leaves, args)
    n = _batch_size(leaves, dims)

    def call(leaves: list[Any], n: int) -> tuple[list[Any], Any, Batching]:
        return _call(func, leaves, dims, n, spec, kwargs, randomness)

    if chunk_size is None or chunk_size >= n:
        flat, out_spec = _finished(func, *call(leaves, n), out_dims, n)
        return unflatten(out_spec, flat)
    parts = []
    for start in range(0, n, chunk_size):
        size = min(chunk_size, n - start)
        chunk = [
            t if d is None else t.narrow(d, start, size)  # type: ignore[attr-defined]
            for t, d in zip(leaves, dims, strict=True)
        ]
        parts.append(_finished(func, *call(chunk, size), out_dims, size))
    from ..api.join import cat

    out_spec = parts[0][1]
    places = _output_dims(func, out_dims, out_spec, parts[0][0])
    joined = [
        column[0] if d is None else cat(list(column), d)
        for column, d in zip(zip(*(p[0] for p in parts), strict=True), places, strict=True)
    ]
    return unflatten(out_spec, joined)


def _input_dims(func: Any, in_dims: Dims, leaves: list[Any], args: tuple) -> list[int | None]:
    """The dim that is mapped over of each leaf of the arguments, from 0; None for none."""
    name = _name(func)
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, int) and not isinstance(in_dims, tuple):
        if isinstance(in_dims, list):
            in_dims = tuple(in_dims)
        else:
            raise ValueError(
                f"{start}expected `in_dims` to be int or a (potentially nested) tuple matching "
                f"the structure of inputs, got: {type(in_dims)}."
            )
    if not leaves:
        raise ValueError(
            f"{start}got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    dims = spread(in_dims, args)
    if dims is None:
        raise ValueError(
            f"{start}in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {flatten(in_dims)[1]} but inputs has structure {flatten(args)[1]}."
        )
    out: list[int | None] = []
    for leaf, d in zip(leaves, dims, strict=True):
        if d is not None and (not isinstance(d, int) or isinstance(d, bool)):
            raise ValueError(
                f"{start}Got in_dim={d} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if d is None:
            out.append(None)
            continue
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{start}Got in_dim={d} for an input but the input is of type {type(leaf)}. We "
                "cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -leaf.ndim <= d < leaf.ndim:
            raise ValueError(
                f"{start}Got in_dim={d} for some input, but that input is a Tensor of "
                f"dimensionality {leaf.ndim} so expected in_dim to satisfy "
                f"-{leaf.ndim} <= in_dim < {leaf.ndim}."
            )
        out.append(d % leaf.ndim)
    return out


def _batch_size(leaves: list[Any], dims: list[int | None]) -> int:
    sizes = [t.shape[d] for t, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: at least one input must be mapped over, but every in_dim is None")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got "
            f"sizes {sizes} for the mapped dimension"
        )
    return sizes[0]


def _call(
    func: Any,
    leaves: list[Any],
    dims: list[int | None],
    n: int,
    spec: Any,
    kwargs: dict[str, Any],
    randomness: str,
) -> tuple[list[Any], Any, Batching]:
    """Run the function inside a level that is still open: what it returned, flattened."""
    mapped = [t for t, d in zip(leaves, dims, strict=True) if d is not None]
    level = enter(mapped, n, randomness)
    inner: list[Any] = []
    entered: list[tuple[Tensor, Tensor, Any]] = []
    moved = [
        leaf.movedim(d, 0) if d else leaf  # type: ignore[attr-defined]
        for leaf, d in zip(leaves, dims, strict=True)
    ]
    values = [None if d is None else t._value() for t, d in zip(moved, dims, strict=True)]

    def inside() -> tuple[list[Any], Any, list[Any]]:
        for t, value in zip(moved, values, strict=True):
            if value is None:
                inner.append(t)
                continue
            strides = t._strides and t._strides[1:]
            example = Tensor._wrap(level.example(value), t.device, strides)
            entered.append((t, example, example._storage.value))
            inner.append(example)
        flat, out_spec = flatten(func(*unflatten(spec, inner), **kwargs))
        results = [
            (t.device, *level.batch_of(t._value())) if isinstance(t, Tensor) else t for t in flat
        ]
        written = [
            (t, level.batch_of(e._storage.value))
            for t, e, before in entered
            if e._storage.value is not before
        ]
        return results, out_spec, written

    results, out_spec, written = level.run(inside)
    # A write to memory that NumPy shares evaluates at once; nothing else holds these yet.
    pending = [r[1] for r in results if isinstance(r, tuple)] + [value for _, (value, _) in written]

    def held() -> list[Value]:
        return pending

    try:
        level.around.held[held] = None
        for t, (value, batched) in written:
            t._write_value(to_front(recorder_for(t.device), n, value, batched))
    finally:
        level.around.held.pop(held, None)
    return results, out_spec, level


def _finished(
    func: Any, flat: list[Any], out_spec: Any, level: Batching, out_dims: Dims, n: int
) -> tuple[list[Any], Any]:
    """The results with the batch where `out_dims` says."""
    name = _name(func)
    places = _output_dims(func, out_dims, out_spec, flat)
    out: list[Any] = []
    for result, d in zip(flat, places, strict=True):
        if not isinstance(result, tuple):
            if d is not None:
                raise ValueError(
                    f"vmap({name}, ...): `{name}` must only return Tensors, got type "
                    f"{type(result)}. Did you mean to set out_dims= to None for output?"
                )
            out.append(result)
            continue
        device, value, batched = result
        if d is None:
            if batched:
                raise ValueError(
                    f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is "
                    "None"
                )
            out.append(Tensor._wrap(value, device))
            continue
        front = to_front(level.around, n, value, batched)
        t = Tensor._wrap(front, device)
        out.append(t if d == 0 else t.movedim(0, d))  # type: ignore[attr-defined]
    return out, out_spec


def _output_dims(func: Any, out_dims: Dims, out_spec: Any, flat: list[Any]) -> list[int | None]:
    """Where the batch goes in each result."""
    name = _name(func)
    if isinstance(out_dims, int) or out_dims is None:
        return [out_dims] * len(flat)
    dims = spread(out_dims, unflatten(out_spec, [None] * len(flat)))
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = spread(out_dims[0], unflatten(out_spec, [None] * len(flat)))
    if dims is None or any(d is not None and not isinstance(d, int) for d in dims):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {flatten(out_dims)[1]} but "
            f"outputs has structure {out_spec}."
        )
    return dims


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))
