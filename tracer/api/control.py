"""Structured control flow: cond, while_loop, scan, map, associative_scan.

Outside compiled functions these run their functions as Python does. In a recording run a
branch or a body is recorded once, as a graph that one node holds, so that the program has
both branches, and loops of any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.errors import DataDependentError, ShapeError
from .. import trees
from ..reasons import Why
from ..recording import user_error
from ..regions import Unrecordable
from ..state import STATE
from ..tensor import Tensor
from .branches import (
    check_carried,
    check_leaves,
    differ,
    no_tensor,
    record_cond,
    record_scan,
    record_while,
)
from .common import located, normalize_dim
from .join import cat, flip, stack
from .shape import movedim, select


@located
def cond(
    pred: bool | int | float | Tensor,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    operands: tuple | list = (),
) -> Any:
    """`true_fn(*operands)` if `pred` holds, else `false_fn(*operands)`.

    In a compiled function both are recorded and `pred` stays a tensor. They must then give
    the same structure of tensors of the same shapes and dtypes. Gradients flow through the
    branch that was taken, also to tensors that it reads from outside; what a branch writes to
    outside tensors is written if it was taken.
    Shapes: `pred` has one element.
    Raises: RuntimeError for anything but tensors among `operands`; ShapeError, DTypeError or
    TypeError where the branches do not agree.
    """
    if isinstance(pred, (bool, int, float)):
        return true_fn(*operands) if pred else false_fn(*operands)
    if not isinstance(pred, Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred._type.numel != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)) or not all(
        isinstance(t, Tensor) for t in trees.flatten(tuple(operands))[0]
    ):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only "
            f"consists of tensor leaves, but got {operands}."
        )
    if _is_recorded(pred):
        try:
            return record_cond(pred, true_fn, false_fn, operands)
        except (Unrecordable, DataDependentError) as error:
            _give_up("cond", error)
    return true_fn(*operands) if pred else false_fn(*operands)


@located
def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: tuple | list
) -> Any:
    """What `carried_inputs` become while `cond_fn(*carried)` holds and `body_fn(*carried)` gives
    the next ones.

    In a compiled function the number of steps is found as the program runs; whole numbers
    among `carried_inputs` become int64 tensors there. A backward pass runs the loop again
    between checkpoints of bounded size.
    Raises: RuntimeError if `carried_inputs` is no tuple or list; ShapeError, DTypeError or
    TypeError if a step does not give what it was given.
    """
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(f"carried_inputs must be a tuple or list, got {type(carried_inputs)}")
    leaves, structure = trees.flatten(tuple(carried_inputs))
    for leaf in leaves:
        if not isinstance(leaf, (Tensor, int, float)):
            raise RuntimeError(
                f"while_loop: carried_inputs must be tensors or numbers, got {type(leaf).__name__}"
            )
    if _is_recorded(*leaves):
        try:
            return record_while(cond_fn, body_fn, leaves, structure)
        except (Unrecordable, DataDependentError) as error:
            _give_up("while_loop", error)
    carried = tuple(carried_inputs)
    while _holds(cond_fn(*carried)):
        carried, before = body_fn(*carried), carried
        carried = tuple(carried) if isinstance(carried, (tuple, list)) else (carried,)
        check_carried("while_loop", before, carried)
    return carried


@located
def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    *,
    dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `carry, y = combine_fn(carry, x)` for each slice x of `xs` along `dim`, in order.

    Gives the last carry and the y's, stacked along `dim`; `reverse` begins at the last
    slice. `init` and `xs` are tensors or nested structures of them.
    Shapes: all `xs` have the same size, not 0, along `dim`; carries keep theirs.
    Raises: RuntimeError as PyTorch does; ShapeError, DTypeError or TypeError if a step does
    not give the carry it was given.
    """
    xs_leaves, xs_structure = trees.flatten(xs)
    if not xs_leaves:
        return init, []
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    if not isinstance(dim, int):
        raise RuntimeError(f"Dim must be an int, but got {type(dim)}")
    if not isinstance(reverse, bool):
        raise RuntimeError(f"Reverse must be a bool, but got {type(reverse)}")
    init_leaves, init_structure = trees.flatten(init)
    if not init_leaves:
        raise RuntimeError("scan() operator requires init leaves.")
    for what, found in (("init", init_leaves), ("xs", xs_leaves)):
        for leaf in found:
            if not isinstance(leaf, Tensor):
                raise RuntimeError(f"All {what} leaves must be a Tensor but got {leaf}")
    dim = normalize_dim("scan", dim, xs_leaves[0].ndim)
    length = _length("scan", xs_leaves, dim, RuntimeError)
    front = [movedim(x, dim, 0) if dim else x for x in xs_leaves]

    def step(*flat: Tensor) -> Any:
        carry = trees.unflatten(init_structure, list(flat[: len(init_leaves)]))
        x = trees.unflatten(xs_structure, list(flat[len(init_leaves) :]))
        made = combine_fn(carry, x)
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise user_error(
                TypeError(f"scan: combine_fn must return a carry and an output, got {made!r}")
            )
        return made

    carry, out = _scan_leaves("scan", step, init_leaves, init_structure, front, length, reverse)
    if dim:
        leaves, structure = trees.flatten(out)
        leaves = [movedim(y, 0, dim) if y is not None and dim < y.ndim else y for y in leaves]
        out = trees.unflatten(structure, leaves)
    return carry, out


@located
def map(f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """`f(x, *args)` for each slice x of `xs` along the first dim, stacked.

    Raises: RuntimeError if `xs` has no tensors or their first sizes differ or are 0.
    """
    leaves, structure = trees.flatten(xs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {xs}.")
    length = _length("map", leaves, 0, RuntimeError)

    def step(*flat: Tensor) -> Any:
        return (), f(trees.unflatten(structure, list(flat)), *args)

    return _scan_leaves("map", step, [], trees.flatten(())[1], leaves, length, False)[1]


@located
def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """The running combination of `xs` along `dim` by an associative `combine_fn`.

    It is called a logarithmic number of times, on many pairs at once: under "pointwise" with
    one more dim in front, so it must be elementwise; under "generic" mapped over that dim.
    Shapes: those of `xs`.
    Raises: ValueError as PyTorch does.
    Source: Blelloch 1990, "Prefix sums and their applications" (CMU-CS-90-190).
    """
    leaves, structure = trees.flatten(xs)
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if not isinstance(dim, int):
        raise ValueError(f"Dim must be an int, but got {type(dim)}")
    if not isinstance(reverse, bool):
        raise RuntimeError(f"Reverse must be a bool, but got {type(reverse)}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}"
        )
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    if not all(isinstance(x, Tensor) for x in leaves):
        raise ValueError("xs leaves must be a Tensor")
    dim = normalize_dim("associative_scan", dim, leaves[0].ndim)
    _length("associative_scan", leaves, dim, ValueError)
    front = [movedim(x, dim, 0) for x in leaves]
    if reverse:
        front = [flip(x, (0,)) for x in front]
    many = combine_fn if combine_mode == "pointwise" else _mapped(combine_fn)

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        made = many(trees.unflatten(structure, list(a)), trees.unflatten(structure, list(b)))
        found, same = trees.flatten(made)
        if same != structure:
            raise TypeError("associative_scan: combine_fn must return the structure of xs")
        for x, y in zip(a, found, strict=True):
            if y._type is not x._type:
                raise differ("associative_scan: combine_fn", "an element", x._type, y._type)
        return found

    out = _prefixes(combine, front)
    if reverse:
        out = [flip(x, (0,)) for x in out]
    return trees.unflatten(structure, [movedim(x, 0, dim) for x in out])


def _mapped(combine_fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    from ..func.vmap import vmap

    return vmap(combine_fn)


def _prefixes(
    combine: Callable[[list[Tensor], list[Tensor]], list[Tensor]], xs: list[Tensor]
) -> list[Tensor]:
    """Prefixes along the first dim: those of neighbouring pairs, and from them the rest."""
    # Halves of halves first; then each level is put together from the one below it.
    levels = [xs]
    while levels[-1][0]._type.shape[0] > 1:
        top = levels[-1]
        even = top[0]._type.shape[0] // 2 * 2
        levels.append(combine([x[0:even:2] for x in top], [x[1::2] for x in top]))
    out = levels.pop()
    while levels:
        top = levels.pop()
        n = top[0]._type.shape[0]
        firsts = [x[:1] for x in top]
        if n > 2:
            before = [x[: (n - 1) // 2] for x in out]
            rest = combine(before, [x[2::2] for x in top])
            firsts = [cat([a, b]) for a, b in zip(firsts, rest, strict=True)]
        out = [_woven(a, b, n) for a, b in zip(firsts, out, strict=True)]
    return out


def _woven(even: Tensor, odd: Tensor, n: int) -> Tensor:
    """Rows of the two in turn, n of them."""
    if even._type.shape[0] > odd._type.shape[0]:
        pairs = stack([even[:-1], odd], 1)
        return cat([pairs.reshape(n - 1, *even._type.shape[1:]), even[-1:]])
    return stack([even, odd], 1).reshape(n, *even._type.shape[1:])


# Python's own control flow


def _holds(pred: Any) -> bool:
    if isinstance(pred, Tensor) and pred._type.numel != 1:
        raise user_error(
            ShapeError(f"while_loop: cond_fn must give one bool, got shape {pred._type.shape}")
        )
    return bool(pred)


def _length(name: str, xs: Sequence[Tensor], dim: int, error: type[Exception]) -> int:
    if any(x.ndim <= dim or x._type.shape[dim] == 0 for x in xs):
        raise error(
            "All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0"
        )
    sizes = {x._type.shape[dim] for x in xs}
    if len(sizes) > 1:
        raise error(f"{name}: xs have different sizes along dim {dim}: {sorted(sizes)}")
    return sizes.pop()


def _scan_leaves(
    name: str,
    step: Callable[..., Any],
    init: list[Tensor],
    structure: Any,
    xs: list[Tensor],
    length: int,
    reverse: bool,
) -> tuple[Any, Any]:
    """Carry and stacked outputs of `step(*carry, *x)`, recorded or run."""
    if STATE.session is not None:
        try:
            return record_scan(name, step, init, structure, xs, length, reverse)
        except (Unrecordable, DataDependentError) as error:
            _give_up(name, error)
    carry = list(init)
    outs: list[list[Any]] = []
    shape: Any = None
    for t in reversed(range(length)) if reverse else range(length):
        after, y = step(*carry, *(select(x, 0, t) for x in xs))
        flat, same = trees.flatten(after)
        check_leaves(name, structure, carry, same, flat)
        carry = flat
        made, shape = trees.flatten(y)
        outs.append(made)
    if reverse:
        outs.reverse()
    columns = zip(*outs, strict=True)
    stacked = [_stacked(name, list(column)) for column in columns]
    return trees.unflatten(structure, carry), trees.unflatten(shape, stacked)


def _stacked(name: str, column: list[Any]) -> Any:
    if isinstance(column[0], Tensor):
        return stack(column)
    return no_tensor(name, column[0])


def _is_recorded(*deciding: Any) -> bool:
    """Whether there is no one Python way to go: in a recording run, and under `vmap` where each
    example has its own."""
    if STATE.session is not None:
        return True
    recorder = STATE.recorder
    return recorder is not None and any(
        isinstance(t, Tensor) and recorder.is_batched(t._value()) for t in deciding
    )


def _give_up(name: str, error: Exception) -> None:
    """The functions run as Python, and the recording run is not replayed."""
    if STATE.session is not None:
        STATE.session.unfaithful(Why.CONTROL_FLOW, f"{name}: {str(error).partition(chr(10))[0]}")


METHODS: dict[str, Any] = {}
FUNCTIONS: dict[str, Any] = {
    "cond": cond,
    "while_loop": while_loop,
    "scan": scan,
    "associative_scan": associative_scan,
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
