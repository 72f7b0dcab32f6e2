"""`gradcheck` and `gradgradcheck`: gradients held against finite differences.

Imported by the front door.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .autograd import grad
from .grad_mode import no_grad
from .tensor import Tensor, from_host


class GradcheckError(RuntimeError):
    """A gradient that is not what finite differences say."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` by the inputs that require grad agree with central
    differences of step `eps`: |a - n| <= atol + rtol * |n| for each element.

    Jacobians are compared for the real and, for complex outputs, the imaginary part;
    for a complex input the number compared is the derivative by its real part plus i times
    that by its imaginary part, conjugated as gradients are. `fast_mode` compares one random
    direction. Raises: GradcheckError (a RuntimeError) on a difference, unless
    `raise_exception` is False; ValueError if no input requires grad.
    """
    try:
        _check(
            *(func, inputs, eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes),
            *(check_batched_grad, check_forward_ad, check_backward_ad, fast_mode),
        )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Any,
    given: Any,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_undefined_grad: bool,
    check_grad_dtypes: bool,
    check_batched_grad: bool,
    check_forward_ad: bool,
    check_backward_ad: bool,
    fast_mode: bool,
) -> None:
    if not check_forward_ad and not check_backward_ad:
        raise AssertionError(
            "Expected at least one of check_forward_ad and check_backward_ad to be True"
        )
    inputs = (
        given if isinstance(given, tuple) else tuple(given) if isinstance(given, list) else (given,)
    )
    chosen = _differentiable_inputs(inputs)
    outputs = _outputs(func(*inputs))
    seen = [o for o in outputs if o.requires_grad]
    if not seen:
        _expect_zero(func, inputs, chosen, outputs, eps)
        return
    numbers = [i for i, o in enumerate(outputs) if o.requires_grad]

    def call() -> list[np.ndarray]:
        with no_grad():
            made = _outputs(func(*inputs))
        return [made[i]._host().copy() for i in numbers]

    numerical = [_numerical(call, t, eps) for t in chosen]
    if check_backward_ad:
        for o, index in zip(range(len(seen)), numbers, strict=True):
            _compare_output(
                *(func, inputs, chosen, o, index, seen, numerical, atol, rtol, nondet_tol),
                *(fast_mode, check_batched_grad),
            )
        if check_grad_dtypes:
            _check_dtypes(seen, chosen)
        if check_undefined_grad and len(seen) > 1:
            _check_undefined(func, inputs, chosen)
    if check_forward_ad:
        _check_forward(func, inputs, chosen, numbers, numerical, atol, rtol)


def _differentiable_inputs(inputs: tuple) -> list[Tensor]:
    chosen = []
    for i, t in enumerate(inputs):
        if not isinstance(t, Tensor) or not t.requires_grad:
            continue
        if t.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex.",
                UserWarning,
                stacklevel=4,
            )
        if (
            0 in t.stride()
            and t._type.numel > 1
            and any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True))
        ):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients correctly. "
                "You should call .contiguous on the input before passing it to gradcheck."
            )
        chosen.append(t)
    if not chosen:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    return chosen


def _outputs(made: Any) -> list[Tensor]:
    found = [made] if isinstance(made, Tensor) else list(made)
    return [t for t in found if isinstance(t, Tensor)]


def _expect_zero(func: Any, inputs: tuple, chosen: list[Tensor], outputs: list[Any], eps: float):
    inexact = [i for i, o in enumerate(outputs) if o.dtype.is_floating_point or o.dtype.is_complex]

    def call() -> list[np.ndarray]:
        with no_grad():
            made = _outputs(func(*inputs))
        return [made[i]._host().copy() for i in inexact]

    for t in chosen:
        for jacobian in _numerical(call, t, eps):
            if (
                np.abs(jacobian[0]).max(initial=0) > 1e-3
                or np.abs(jacobian[1]).max(initial=0) > 1e-3
            ):
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _numerical(call: Any, t: Tensor, eps: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each output, the derivatives (input element, output element) by the real and by the
    imaginary part of the input."""
    start = t._host().copy()
    target = t.detach()

    def at(i: int, step: complex) -> list[np.ndarray]:
        moved = start.copy()
        moved.reshape(-1)[i] += step
        target._write_value(from_host(moved, t.dtype)._value())
        return call()

    rows: list[list[list[np.ndarray]]] = []
    steps = [eps, eps * 1j] if t.dtype.is_complex else [eps]
    try:
        for i in range(start.size):
            rows.append(
                [
                    [
                        (p - m).reshape(-1) / (2 * eps)
                        for p, m in zip(at(i, s), at(i, -s), strict=True)
                    ]
                    for s in steps
                ]
            )
    finally:
        target._write_value(from_host(start, t.dtype)._value())
    outs = call()
    found = []
    for o, out in enumerate(outs):
        parts = []
        for k in range(2):
            made = [r[k][o] for r in rows] if k < len(steps) and rows else []
            empty = np.zeros((start.size, out.size), out.dtype)
            parts.append(np.stack(made) if made else empty)
        found.append((parts[0], parts[1]))
    return found


def _expected(part: tuple[np.ndarray, np.ndarray], is_complex: bool, imag: bool) -> np.ndarray:
    """What the gradient of the real (imaginary) part of an output must be."""
    by_real, by_imag = (np.imag(p) if imag else np.real(p) for p in part)
    return by_real + 1j * by_imag if is_complex else by_real


def _analytical(out: Tensor, chosen: list[Tensor], imag: bool, batched: bool) -> list[np.ndarray]:
    """The Jacobian (input element, output element) of an output by each input."""
    count = out._type.numel
    columns: list[list[np.ndarray]] = [[] for _ in chosen]
    seeds = np.eye(count, dtype=out.dtype.np) * (1j if imag else 1)
    shape = tuple(out.shape)
    if batched and count:
        every = from_host(seeds.reshape((count, *shape)), out.dtype)
        got: Any = grad(out, chosen, every, True, allow_unused=True, is_grads_batched=True)
        return [
            np.zeros((t._type.numel, count), t.dtype.np)
            if g is None
            else g.detach()._host().reshape(count, -1).T
            for g, t in zip(got, chosen, strict=True)
        ]
    for k in range(count):
        seed = from_host(seeds[k].reshape(shape), out.dtype)
        got = grad(out, chosen, seed, True, allow_unused=True)
        for column, g, t in zip(columns, got, chosen, strict=True):
            zeros = np.zeros(t._type.numel, t.dtype.np)
            column.append(zeros if g is None else g.detach()._host().reshape(-1))
    return [
        np.stack(c, axis=1) if c else np.zeros((t._type.numel, 0), t.dtype.np)
        for c, t in zip(columns, chosen, strict=True)
    ]


def _compare_output(
    func: Any,
    inputs: tuple,
    chosen: list[Tensor],
    o: int,
    index: int,
    seen: list[Tensor],
    numerical: list[list[tuple[np.ndarray, np.ndarray]]],
    atol: float,
    rtol: float,
    nondet_tol: float,
    fast_mode: bool,
    batched: bool,
) -> None:
    out = seen[o]
    for imag in (True, False) if out.dtype.is_complex else (False,):
        analytical = _analytical(out, chosen, imag, False)
        again = _analytical(out, chosen, imag, False)
        for a, b in zip(analytical, again, strict=True):
            if a.size and np.abs(a - b).max() > nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    "gradient matches numerical gradient."
                )
        for i, (a, t) in enumerate(zip(analytical, chosen, strict=True)):
            n = _expected(numerical[i][o], t.dtype.is_complex, imag)
            _compare(a, n, i, index, atol, rtol, out.dtype.is_complex, imag, fast_mode)
        if batched:
            for a, b in zip(analytical, _analytical(out, chosen, imag, True), strict=True):
                if not np.allclose(a, b, rtol=rtol, atol=atol):
                    raise GradcheckError(
                        f"For output {index}, gradients computed for a batch of cotangents differ "
                        "from those computed for each"
                    )


def _compare(
    a: np.ndarray,
    n: np.ndarray,
    i: int,
    o: int,
    atol: float,
    rtol: float,
    is_complex: bool,
    imag: bool,
    fast_mode: bool,
) -> None:
    if fast_mode and a.size:
        rng = np.random.default_rng(0)
        u, v = rng.random(a.shape[0]) + 0.1, rng.random(a.shape[1]) + 0.1
        u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
        if np.allclose(u @ a @ v, u @ n @ v, rtol=rtol, atol=atol):
            return
    elif np.allclose(a, n, rtol=rtol, atol=atol, equal_nan=True):
        return
    which = ""
    if is_complex:
        part = "imaginary" if imag else "real"
        which = f"While considering the {part} part of complex outputs only, "
    raise GradcheckError(
        f"{which}Jacobian mismatch for output {o} with respect to input {i},\n"
        f"numerical:{from_host(n)}\nanalytical:{from_host(a)}\n"
    )


def _check_dtypes(seen: list[Tensor], chosen: list[Tensor]) -> None:
    grads = grad(seen, chosen, [_ones(o) for o in seen], True, allow_unused=True)
    for g, t in zip(grads, chosen, strict=True):
        if g is not None and g.dtype is not t.dtype:
            raise GradcheckError(f"a gradient has dtype {g.dtype}, its input {t.dtype}")


def _ones(t: Tensor) -> Tensor:
    return from_host(np.ones(tuple(t.shape)), t.dtype)


def _check_undefined(func: Any, inputs: tuple, chosen: list[Tensor]) -> None:
    """A cotangent that does not come is one of zeros."""
    outs = [o for o in _outputs(func(*inputs)) if o.requires_grad]
    for o in outs:
        try:
            grad(o, chosen, _ones(o), True, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                "Expected backward function to handle undefined output grads. Please look at "
                f"what it does with None among its arguments.\n{error}"
            ) from error


def _check_forward(
    func: Any,
    inputs: tuple,
    chosen: list[Tensor],
    numbers: list[int],
    numerical: list[list[tuple[np.ndarray, np.ndarray]]],
    atol: float,
    rtol: float,
) -> None:
    from .func.derivatives import linearize

    def of_chosen(*values: Any) -> Any:
        left = iter(values)
        where = {id(t) for t in chosen}
        made = _outputs(func(*(next(left) if id(t) in where else t for t in inputs)))
        return tuple(made[i] for i in numbers)

    _, derivative = linearize(of_chosen, *(t.detach() for t in chosen))
    for i, t in enumerate(chosen):
        for k in range(t._type.numel):
            for part, step in enumerate((1, 1j) if t.dtype.is_complex else (1,)):
                moves = [np.zeros(tuple(c.shape), c.dtype.np) for c in chosen]
                moves[i].reshape(-1)[k] = step
                got = derivative(
                    *(from_host(m, c.dtype) for m, c in zip(moves, chosen, strict=True))
                )
                for o, g in enumerate(got):
                    n = numerical[i][o][part][k]
                    if not np.allclose(g._host().reshape(-1), n, rtol=rtol, atol=atol):
                        raise GradcheckError(
                            f"Jacobian computed with forward mode mismatch for output {numbers[o]} "
                            f"with respect to input {i},\nnumerical:{n}\n"
                            f"analytical:{g._host().reshape(-1)}\n"
                        )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradient of `func`, by its inputs and by `grad_outputs`, which are
    random numbers if not given."""
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev and check_rev_over_rev to be True"
        )
    args = (
        inputs
        if isinstance(inputs, tuple)
        else tuple(inputs)
        if isinstance(inputs, list)
        else (inputs,)
    )
    outs = [o for o in _outputs(func(*args)) if o.dtype.is_floating_point or o.dtype.is_complex]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        seeds: Sequence[Any] = [
            from_host(
                rng.standard_normal(tuple(o.shape))
                + (1j * rng.standard_normal(tuple(o.shape)) if o.dtype.is_complex else 0),
                o.dtype,
            ).requires_grad_()
            for o in outs
        ]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(seeds)
    numbers = [i for i, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]

    def gradients(*values: Any) -> Any:
        own, given = values[: len(values) - count], values[len(values) - count :]
        wanted = [own[i] for i in numbers]
        made = [o for o in _outputs(func(*own)) if o.dtype.is_floating_point or o.dtype.is_complex]
        pairs = [(o, g) for o, g in zip(made, given, strict=True) if o.requires_grad]
        with_history = [o for o, _ in pairs]
        got = grad(
            with_history, wanted, [g for _, g in pairs], create_graph=True, allow_unused=True
        )
        return tuple(g for g in got if g is not None)

    def enabled(*values: Any) -> Any:
        from .grad_mode import enable_grad

        with enable_grad():
            return gradients(*values)

    return gradcheck(
        enabled,
        (*args, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )
