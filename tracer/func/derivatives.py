"""Transforms that differentiate: grad, vjp, jvp and the matrices made of them.

Each runs its function inside a `Level` (see `levels.py`); matrices are a `vmap` of the
products over a basis. Imported by the front door and by `autograd.functional`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...ir.types import Shape
from ...ir.types import int64 as _INT64
from .. import prims
from ..recording import recorder_for
from ..tensor import Tensor
from .levels import Level, Linear, filled, ones_like, pull
from .trees import flatten, unflatten
from .vmap import vmap

Argnums = int | tuple[int, ...]


# Gradients


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of `func` and its value (or (value, aux)).

    `func` returns one scalar tensor, under `has_aux` with anything else beside it. The
    gradient is by the positional argument `argnums`, a tree of tensors, or a tuple of such.
    Raises: RuntimeError where `func` does not return a scalar tensor.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with Level() as level:
            args, inputs, spec = _entered(level, "grad", argnums, args)
            output, aux = _split("grad_and_value", func(*args, **kwargs), has_aux)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a tensor, got type "
                    f"{type(output)}"
                )
            if output.ndim:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got "
                    f"tensor with {output.ndim} dims. Maybe you wanted to use the vjp or jacrev "
                    "APIs instead?"
                )
            made = filled(pull([output], [ones_like(output)], inputs, level.start), inputs)
            grads = unflatten(spec, level.leave(made))
            value = level.leave([output])[0]
            aux = _left(level, aux)
        return (grads, (value, aux)) if has_aux else (grads, value)

    return wrapped


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of `func`; see `grad_and_value`."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def value_and_grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """A function that returns the value of `func` (or (value, aux)) and its gradient."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return value, grads

    return wrapped


def _chosen(what: str, argnums: Argnums, args: tuple) -> tuple[int, ...]:
    """The numbers of the arguments to differentiate by, from 0."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple) or not all(isinstance(i, int) for i in numbers):
        raise RuntimeError(
            f"argnum must be an integer or a tuple of integers, got argnums={argnums}."
        )
    if not numbers:
        raise RuntimeError(f"{what}: argnums must not be empty")
    for i in numbers:
        if not -len(args) <= i < len(args):
            raise RuntimeError(
                f"Got argnum={i}, but only {len(args)} positional inputs; all argnums must be "
                "in range"
            )
    found = tuple(i % len(args) for i in numbers)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got argnums={argnums}.")
    return found


def _entered(
    level: Level, what: str, argnums: Argnums, args: tuple
) -> tuple[tuple, list[Tensor], Any]:
    """The arguments with those chosen inside the level; those, flattened; their structure."""
    numbers = _chosen(what, argnums, args)
    chosen = args[numbers[0]] if isinstance(argnums, int) else tuple(args[i] for i in numbers)
    leaves, spec = flatten(chosen)
    inputs = [_differentiable(level, what, t) for t in leaves]
    back = unflatten(spec, list(inputs))
    new = list(args)
    for i, value in zip(numbers, (back,) if isinstance(argnums, int) else back, strict=True):
        new[i] = value
    return tuple(new), inputs, spec


def _differentiable(level: Level, what: str, t: Any) -> Tensor:
    if not isinstance(t, Tensor):
        raise RuntimeError(
            f"{what}: the arguments that are differentiated by must be tensors, got {type(t)}"
        )
    if not (t.dtype.is_floating_point or t.dtype.is_complex):
        raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
    return level.enter(t)


def _split(what: str, output: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(
            f"{what}(f)(*args): output of function f should be a tuple: (output, aux) if "
            "has_aux is True"
        )
    return output


def _left(level: Level, tree: Any) -> Any:
    """A tree that leaves a level; what is no tensor in it stays."""
    leaves, spec = flatten(tree)
    tensors = [t if isinstance(t, Tensor) else None for t in leaves]
    seen = level.leave(tensors)
    return unflatten(
        spec, [leaf if t is None else s for leaf, t, s in zip(leaves, tensors, seen, strict=True)]
    )


def _tensor_outputs(what: str, output: Any) -> tuple[list[Tensor], Any]:
    leaves, spec = flatten(output)
    if not leaves:
        raise RuntimeError(f"{what}: Expected f to be a function that has non-empty output")
    for t in leaves:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"{what}: Expected f(*primals) to return only tensors, got unsupported type "
                f"{type(t)}"
            )
    return leaves, spec


# Products


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The output of `func` and the function that pulls its cotangents back to the primals.

    That function takes cotangents in the structure of the output and returns a tuple with a
    gradient per primal. Under `has_aux` the auxiliary output comes third.
    """
    with Level() as level:
        leaves, spec = flatten(primals)
        inputs = [_differentiable(level, "vjp", t) for t in leaves]
        output, aux = _split("vjp", func(*unflatten(spec, list(inputs))), has_aux)
        outs, out_spec = _tensor_outputs("vjp(f, *primals)", output)
        seen = unflatten(out_spec, level.leave(outs))
        aux = _left(level, aux)

    def pullback(
        cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> Any:
        seeds, seed_spec = flatten(cotangents)
        if seed_spec != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {seed_spec}, primal output: {out_spec}"
            )
        with Level() as inner:
            inner.start = level.start
            made = filled(pull(outs, seeds, inputs, level.start), inputs)
            return unflatten(spec, inner.leave(made))

    return (seen, pullback, aux) if has_aux else (seen, pullback)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """The output of `func` and its derivative along `tangents`, a tuple like `primals`.

    With `strict`, RuntimeError where an output does not depend on the primals.
    """
    _check_tuple("primals", primals)
    leaves, spec = flatten(primals)
    moves, move_spec = flatten(tangents)
    if spec != move_spec:
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            f"structure. For example, if primals is a tuple of 3 tensors, tangents also must be. "
            f"Got primals with structure {spec} and tangents with structure {move_spec}"
        )
    for what, tensors in (("primal", leaves), ("tangent", moves)):
        for t in tensors:
            if isinstance(t, Tensor) and t.dtype.kind not in ("float", "complex"):
                raise ValueError(
                    f"Expected {what} to be floating point or complex, but got: {t.dtype}"
                )
    _check_moves("jvp(f, primals, tangents)", leaves, moves)
    with Level() as level:
        outs, out_spec, aux, linear = _linearized(level, "jvp", func, leaves, spec, has_aux)
        made = linear(moves)
        if strict and any(m is None for m in made):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                "inputs. This is not allowed with strict=True."
            )
        seen = unflatten(out_spec, level.leave(outs))
        pushed = unflatten(out_spec, level.leave(filled(made, outs)))
        aux = _left(level, aux)
    return (seen, pushed, aux) if has_aux else (seen, pushed)


def _check_tuple(name: str, value: Any) -> None:
    if not isinstance(value, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected {name} to be a tuple. E.g. it should be valid to "
            "call f(*primals)."
        )
    if not flatten(value)[0]:
        raise RuntimeError(f"jvp(f, primals, tangents): Expected {name} to be non-empty")


def _check_moves(what: str, primals: list[Any], tangents: list[Any]) -> None:
    for p, t in zip(primals, tangents, strict=True):
        for value in (p, t):
            if not isinstance(value, Tensor):
                raise RuntimeError(f"{what}: Expected only tensors, got type {type(value)}")
        if p._type.shape != t._type.shape:
            raise RuntimeError(
                f"{what}: Expected the tangent of a primal of shape {list(p.shape)} to have that "
                f"shape, got {list(t.shape)}"
            )


def _linearized(
    level: Level, what: str, func: Any, leaves: list[Any], spec: Any, has_aux: bool
) -> tuple[list[Tensor], Any, Any, Linear]:
    inputs = [_differentiable(level, what, t) for t in leaves]
    output, aux = _split(what, func(*unflatten(spec, list(inputs))), has_aux)
    outs, out_spec = _tensor_outputs(f"{what}(f, primals)", output)
    return outs, out_spec, aux, Linear(outs, inputs, level.start)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The output of `func` and its derivative at `primals`, a function of tangents that does
    not compute `func` again."""
    leaves, spec = flatten(primals)
    with Level() as level:
        outs, out_spec, _, linear = _linearized(level, "linearize", func, leaves, spec, False)
        seen = unflatten(out_spec, level.leave(outs))

    def derivative(*tangents: Any) -> Any:
        moves, move_spec = flatten(tangents)
        if move_spec != spec:
            raise RuntimeError(
                f"Expected the tangents {move_spec} to have the same argspec as the primals {spec}"
            )
        _check_moves("linearize", leaves, moves)
        with Level() as inner:
            inner.start = level.start
            return unflatten(out_spec, inner.leave(filled(linear(moves), outs)))

    return seen, derivative


# Matrices


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of `func` by its arguments `argnums`, row by row.

    For each output of shape S and argument of shape T it has shape S + T, in the structure
    of the outputs and, within, of the arguments. `chunk_size` rows are computed at a time.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        numbers = _chosen("jacrev", argnums, args)

        def chosen_only(*chosen: Any) -> Any:
            new = list(args)
            for i, value in zip(numbers, chosen, strict=True):
                new[i] = value
            return func(*new, **kwargs)

        primals = tuple(args[i] for i in numbers)
        got = vjp(chosen_only, *primals, has_aux=has_aux)
        output, pullback = got[:2]
        outs, out_spec = flatten(output)
        basis = basis_of(outs)

        def row(*seeds: Tensor) -> Any:
            grads = pullback(unflatten(out_spec, list(seeds)))
            return tuple(flatten(grads)[0])

        columns = vmap(row, chunk_size=chunk_size)(*basis) if basis[0].shape[0] else ()
        ins, in_spec = flatten(primals)
        columns = columns or tuple(_empty(t) for t in ins)
        rows = []
        for i, out in enumerate(outs):
            start = sum(o._type.numel for o in outs[:i])
            parts = [
                c.narrow(0, start, out._type.numel).reshape((*out.shape, *t.shape))
                for c, t in zip(columns, ins, strict=True)
            ]
            tree = unflatten(in_spec, parts)
            rows.append(tree[0] if isinstance(argnums, int) else tree)
        result = unflatten(out_spec, rows)
        return (result, got[2]) if has_aux else result

    return functools.wraps(func)(jacobian)


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The Jacobian of `func`, column by column; shapes as `jacrev`."""

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        numbers = _chosen("jacfwd", argnums, args)
        aux: list[Any] = []

        def chosen_only(*chosen: Any) -> Any:
            new = list(args)
            for i, value in zip(numbers, chosen, strict=True):
                new[i] = value
            output, extra = _split("jacfwd", func(*new, **kwargs), has_aux)
            aux.append(extra)
            return output

        primals = tuple(args[i] for i in numbers)
        ins, in_spec = flatten(primals)
        output, derivative = linearize(chosen_only, *primals)
        outs, out_spec = flatten(output)

        def column(*moves: Tensor) -> Any:
            return tuple(flatten(derivative(*unflatten(in_spec, list(moves))))[0])

        basis = basis_of(ins)
        rows = vmap(column, randomness=randomness)(*basis) if basis[0].shape[0] else ()
        rows = rows or tuple(_empty(t) for t in outs)
        results = []
        for out, row in zip(outs, rows, strict=True):
            parts = []
            for i, t in enumerate(ins):
                start = sum(o._type.numel for o in ins[:i])
                part = row.narrow(0, start, t._type.numel).movedim(0, -1)
                parts.append(part.reshape((*out.shape, *t.shape)))
            tree = unflatten(in_spec, parts)
            results.append(tree[0] if isinstance(argnums, int) else tree)
        result = unflatten(out_spec, results)
        return (result, aux[0]) if has_aux else result

    return functools.wraps(func)(jacobian)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The matrix of second derivatives of `func`: forwards over backwards."""
    return jacfwd(jacrev(func, argnums), argnums)


def basis_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """A standard basis of the space of all `tensors`: entry k of each tensor of the result is
    what vector k has there."""
    total = sum(t._type.numel for t in tensors)
    out = []
    start = 0
    for t in tensors:
        count = t._type.numel
        rows = prims.iota(shape=(total, 1), axis=0, dtype=_INT64, device=t.device)
        columns = prims.add(
            prims.iota(shape=(1, count), axis=1, dtype=_INT64, device=t.device), start
        )
        eye = prims.convert(prims.eq(rows, columns), t._type.dtype)
        out.append(prims.reshape(eye, shape=(total, *t._type.shape)))
        start += count
    return out


def _empty(t: Tensor) -> Tensor:
    """No rows of the shape of `t`."""
    shape: Shape = (0, *t._type.shape)
    return Tensor._wrap(recorder_for(t.device).zeros(t._type.with_shape(shape)), t.device)
