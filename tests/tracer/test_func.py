"""`thrace.func`: each transform gives what PyTorch's gives, nested and compiled.

A row is a function of both libraries (`T` is torch or thrace) and of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array, bools
from snippets import same_numbers
from transforms import assert_as_pytorch, assert_one_trace, attempt

import thrace

x, y = array(3), array(3, seed=1)
A, X = array(4, 3), array(5, 3)


def square(T: Any) -> Any:
    return lambda v: (v.sin() * v).sum()


def dense(A: Any) -> Any:
    return lambda v: (A @ v).tanh()


def energy(A: Any) -> Any:
    return lambda v: (A @ v).tanh().pow(2).sum()


def requires(t: Any) -> Any:
    return t.requires_grad_()


def outer_gradient(T: Any, A: Any, X: Any) -> Any:
    A, X = requires(A), requires(X)
    g = T.func.vmap(T.func.grad(lambda v: (A @ v).tanh().sum()))(X)
    g.pow(2).sum().backward()
    return g, A.grad, X.grad


def no_grad_around(T: Any, x: Any) -> Any:
    with T.no_grad():
        return T.func.grad(lambda v: v.sin().sum())(requires(x))


def no_grad_inside(T: Any, x: Any) -> Any:
    def f(v: Any) -> Any:
        with T.no_grad():
            c = v**2
        return (c * v).sum()

    return T.func.grad(f)(x)


def custom(T: Any, own_rule: bool = False) -> Any:
    class Square(T.autograd.Function):
        generate_vmap_rule = not own_rule

        @staticmethod
        def forward(x, y):
            return x * x * y, x + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs, output[0])

        @staticmethod
        def backward(ctx, g, h):
            x, y, o = ctx.saved_tensors
            return 2 * x * y * g + h, x * x * g + h + 0 * o

    if own_rule:

        def rule(info, in_dims, x, y):
            assert info.batch_size == len(x) and in_dims == (0, None)
            return Square.apply(x, y.expand_as(x)), (0, 0)

        Square.vmap = staticmethod(rule)

    def f(a: Any, b: Any) -> Any:
        p, q = Square.apply(a, b)
        return p.sin().sum() + q.sin().sum()

    return f


def forwards_only(T: Any) -> Any:
    class Wave(T.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x.sin() * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(*inputs)

        @staticmethod
        def jvp(ctx, tx, ty):
            x, y = ctx.saved_tensors
            return x.cos() * y * tx + x.sin() * ty

    return Wave


def batched(T: Any, f: Any) -> Any:
    return lambda a, b: T.func.vmap(f, in_dims=(0, None))(a, b).pow(2).sum()


ROWS: dict[str, tuple] = {
    "grad": (lambda T, x: T.func.grad(square(T))(x), x),
    "grad_of_grad": (
        lambda T, x: T.func.grad(lambda v: T.func.grad(square(T))(v).pow(2).sum())(x),
        x,
    ),
    "grad_and_value": (
        lambda T, x: T.func.grad_and_value(lambda v, d: (v * d["a"]).sum(), argnums=(0, 1))(
            x, {"a": x}
        ),
        x,
    ),
    "grad_aux": (lambda T, x: T.func.grad(lambda v: ((v * v).sum(), v * 3), has_aux=True)(x), x),
    "grad_unused": (lambda T, x, y: T.func.grad(lambda v, w: v.sum(), argnums=(0, 1))(x, y), x, y),
    "grad_negative_argnum": (
        lambda T, x, y: T.func.grad(lambda v, w: (v * w).sum(), -1)(x, y),
        x,
        y,
    ),
    "grad_detach": (lambda T, x: T.func.grad(lambda v: (v.detach() * v).sum())(x), x),
    "grad_inplace": (lambda T, x: T.func.grad(lambda v: v.clone().mul_(2).sin_().sum())(x), x),
    "grad_of_view_write": (
        lambda T, A: T.func.grad(lambda v: _written(v).pow(2).sum())(A),
        A,
    ),
    "grad_no_grad_around": (no_grad_around, x),
    "grad_no_grad_inside": (no_grad_inside, x),
    "vmap_of_grad": (lambda T, X: T.func.vmap(T.func.grad(square(T)))(X), X),
    "grad_of_vmap": (
        lambda T, X: T.func.grad(lambda X: T.func.vmap(square(T))(X).pow(2).sum())(X),
        X,
    ),
    "vmap_of_vmap_of_grad": (
        lambda T, X: T.func.vmap(T.func.vmap(T.func.grad(lambda v: v.sin() * v)))(X),
        X,
    ),
    "gradient_around": (outer_gradient, A, X),
    "vjp": (
        lambda T, x, A: T.func.vjp(lambda v, B: ((B @ v).tanh(), B * 2), x, A)[1]((A[:, 0], A)),
        *(x, A),
    ),
    "vjp_of_one": (lambda T, x: T.func.vjp(lambda v: v * v, x)[1](x)[0], x),
    "vjp_aux": (lambda T, x: T.func.vjp(lambda v: (v.sin(), v * 2), x, has_aux=True)[::2], x),
    "jvp": (lambda T, x, A: T.func.jvp(dense(A), (x,), (x * 2,)), x, A),
    "jvp_of_jvp": (
        lambda T, x, A: T.func.jvp(lambda u: T.func.jvp(dense(A), (u,), (u * 2,))[1], (x,), (x,)),
        *(x, A),
    ),
    "jvp_aux": (lambda T, x: T.func.jvp(lambda v: (v.sin(), v * 2), (x,), (x,), has_aux=True), x),
    "jvp_of_constant": (lambda T, x, y: T.func.jvp(lambda v: y * 2, (x,), (x,)), x, y),
    "linearize": (lambda T, x, A: T.func.linearize(dense(A), x)[1](x * 3), x, A),
    "jacrev": (lambda T, x, A: T.func.jacrev(dense(A))(x), x, A),
    "jacfwd": (lambda T, x, A: T.func.jacfwd(dense(A))(x), x, A),
    "jacrev_chunks": (lambda T, x, A: T.func.jacrev(dense(A), chunk_size=2)(x), x, A),
    "jacrev_trees": (
        lambda T, x, A: T.func.jacrev(lambda v, B: {"o": B @ v, "p": B.sum()}, argnums=(0, 1))(
            x, A
        ),
        *(x, A),
    ),
    "jacfwd_trees": (
        lambda T, x, A: T.func.jacfwd(lambda v, B: {"o": B @ v, "p": B.sum()}, argnums=(0, 1))(
            x, A
        ),
        *(x, A),
    ),
    "jacrev_aux": (lambda T, x: T.func.jacrev(lambda v: (v * v, v * 3), has_aux=True)(x), x),
    "jacrev_constant": (lambda T, x, y: T.func.jacrev(lambda v: y * 2)(x), x, y),
    "jacfwd_constant": (lambda T, x, y: T.func.jacfwd(lambda v: y * 2)(x), x, y),
    "hessian": (lambda T, x, A: T.func.hessian(energy(A))(x), x, A),
    "jacrev_of_jacrev": (lambda T, x, A: T.func.jacrev(T.func.jacrev(energy(A)))(x), x, A),
    "jacrev_of_jacfwd": (lambda T, x, A: T.func.jacrev(T.func.jacfwd(energy(A)))(x), x, A),
    "jacfwd_of_jacfwd": (lambda T, x, A: T.func.jacfwd(T.func.jacfwd(energy(A)))(x), x, A),
    "third_derivative": (lambda T, x, A: T.func.jacfwd(T.func.hessian(energy(A)))(x), x, A),
    "vmap_of_hessian": (lambda T, X, A: T.func.vmap(T.func.hessian(energy(A)))(X), X, A),
    "complex_grad": (
        lambda T, x: T.func.grad(lambda v: (v * v).real.sum())(T.complex(x, x * 2)),
        x,
    ),
    "complex_jvp": (
        lambda T, x: T.func.jvp(
            lambda v: (v * v.conj() + v).sin(), (T.complex(x, x * 2),), (T.complex(x * 2, x),)
        ),
        x,
    ),
    "function_vmap": (lambda T, a, b: T.func.vmap(custom(T), in_dims=(0, None))(a, b), X, x),
    "function_vmap_grad": (
        lambda T, a, b: T.func.vmap(T.func.grad(custom(T), argnums=(0, 1)), in_dims=(0, None))(
            a, b
        ),
        *(X, x),
    ),
    "function_grad_vmap": (
        lambda T, a, b: T.func.grad(batched(T, custom(T)), argnums=(0, 1))(a, b),
        *(X, x),
    ),
    "function_grad_grad_vmap": (
        lambda T, a, b: T.func.grad(
            lambda a, b: T.func.grad(batched(T, custom(T)))(a, b).pow(2).sum(), argnums=(0, 1)
        )(a, b),
        *(X, x),
    ),
    "function_own_rule": (
        lambda T, a, b: T.func.grad(batched(T, custom(T, True)), argnums=(0, 1))(a, b),
        *(X, x),
    ),
    "function_own_rule_inside": (
        lambda T, a, b: T.func.vmap(
            T.func.grad(custom(T, True), argnums=(0, 1)), in_dims=(0, None)
        )(a, b),
        *(X, x),
    ),
    "function_with_jvp_alone": (
        lambda T, x, y: T.func.jvp(forwards_only(T).apply, (x, y), (y, x)),
        *(x, y),
    ),
    # Errors
    "not_scalar": (lambda T, x: T.func.grad(lambda v: v * 2)(x), x),
    "not_a_tensor": (lambda T, x: T.func.grad(lambda v: 2.0)(x), x),
    "not_floating": (lambda T, x: T.func.grad(lambda v: v.sum())(x), bools(3)),
    "no_such_argnum": (lambda T, x: T.func.grad(lambda v: v.sum(), argnums=1)(x), x),
    "argnum_twice": (lambda T, x: T.func.grad(lambda v: v.sum(), argnums=(0, 0))(x), x),
    "backward_inside": (lambda T, x: T.func.grad(lambda v: v.sum().backward() or v.sum())(x), x),
    "no_aux": (lambda T, x: T.func.grad(lambda v: v.sum(), has_aux=True)(x), x),
    "jvp_primals": (lambda T, x: T.func.jvp(lambda v: v, x, x), x),
    "jvp_structure": (lambda T, x: T.func.jvp(lambda v: v, (x,), (x, x)), x),
    "vjp_structure": (lambda T, x: T.func.vjp(lambda v: (v, v), x)[1](x), x),
}


def _written(v: Any) -> Any:
    v = v.clone()
    v[0] = v[1] * 2
    v.view(-1)[5:7] += 3
    return v


@pytest.mark.parametrize("name", ROWS)
def test_as_pytorch(name: str):
    assert_as_pytorch(ROWS[name])


COMPILED = (
    *("grad_and_value", "jacrev_trees", "jvp_of_jvp", "vmap_of_hessian", "jacrev_of_jacfwd"),
    *("function_grad_vmap", "gradient_around", "grad_of_view_write"),
)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_is_one_trace(name: str):
    assert_one_trace(ROWS[name])


def test_gradient_of_what_a_compiled_transform_returned():
    w = thrace.tensor(A)

    def f(x: Any) -> Any:
        return thrace.vmap(thrace.func.grad(lambda v: (w @ v).tanh().sum()))(x)

    grads = []
    for fn in (f, thrace.compile(f), thrace.compile(f)):
        t = thrace.tensor(X, requires_grad=True)
        fn(t).pow(2).sum().backward()
        grads.append(t.grad.numpy())  # type: ignore[union-attr]
    np.testing.assert_allclose(grads[1], grads[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(grads[2], grads[0], rtol=1e-4, atol=1e-5)


# Modules as functions


def models(library: Any, count: int = 3) -> list[Any]:
    out = []
    for i in range(count):
        model = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.BatchNorm1d(4))
        with library.no_grad():
            for j, p in enumerate(model.parameters()):
                p.copy_(torch_or(library, array(*p.shape, seed=10 * i + j)))
        out.append(model)
    return out


def torch_or(library: Any, a: Any) -> Any:
    return torch.tensor(a) if library is torch else thrace.tensor(a)


def test_functional_call_as_pytorch():
    results = []
    for library in (torch, thrace):
        (model,) = models(library, 1)
        params = {k: v.detach() * 2 for k, v in model.named_parameters()}
        buffers = {k: v.clone() for k, v in model.named_buffers()}
        t = torch_or(library, X)
        out = library.func.functional_call(model, (params, buffers), (t,))
        model.eval()  # PyTorch does not let a transform write to captured statistics
        grads = library.func.grad(
            lambda p, m=model, t=t, L=library: L.func.functional_call(m, p, t).pow(3).sum()
        )(params)
        results.append((out, grads, buffers, dict(model.named_parameters())))
    same_numbers(results[1], results[0], rtol=5e-5)


@pytest.mark.parametrize(
    "given",
    [
        lambda T, m: T.func.functional_call(m, {"nope": 1}, (T.ones(2, 3),), strict=True),
        lambda T, m: T.func.functional_call(m, {}, (T.ones(2, 3),), strict=True),
        lambda T, m: T.func.functional_call(m, [{"0.bias": 1}, {"0.bias": 2}], (T.ones(2, 3),)),
        lambda T, m: T.func.functional_call(m, 3, (T.ones(2, 3),)),
        lambda T, m: T.func.stack_module_state([]),
        lambda T, m: T.func.stack_module_state([m, T.nn.Linear(1, 1)]),
    ],
)
def test_functional_call_errors(given: Any):
    want = attempt(lambda T: given(T, models(T, 1)[0]), torch, ())
    got = attempt(lambda T: given(T, models(T, 1)[0]), thrace, ())
    assert isinstance(want, Exception) and isinstance(got, type(want)), (want, got)


def test_tied_parameters_are_replaced_together():
    class Tied(thrace.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = thrace.nn.Linear(2, 2, bias=False)
            self.b = self.a

        def forward(self, x):
            return self.b(self.a(x))

    eye = thrace.eye(2) * 3
    got = thrace.func.functional_call(Tied(), {"a.weight": eye}, (thrace.ones(1, 2),))
    assert got.tolist() == [[9, 9]]


def test_ensemble_as_pytorch():
    results = []
    for library in (torch, thrace):
        made = [m.eval() for m in models(library)]
        params, buffers = library.func.stack_module_state(made)
        t = torch_or(library, X)

        def run(p, b, t, m=made[0], L=library):
            return L.func.functional_call(m, (p, b), (t,))

        out = library.func.vmap(run, in_dims=(0, 0, None))(params, buffers, t)
        out.sum().backward()
        results.append((out, {k: p.grad for k, p in params.items()}))
    same_numbers(results[1], results[0], rtol=5e-5)
