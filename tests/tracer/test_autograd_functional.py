"""The rest of autograd's interface: `functional`, `gradcheck`, `forward_ad`, `graph`, modes,
anomaly detection, names in history. Rows run on both libraries; `T` is torch or thrace.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array
from transforms import assert_as_pytorch, assert_one_trace, attempt

import thrace

x, y, A = array(3), array(3, seed=1), array(4, 3)
F = {torch: torch.nn.functional, thrace: thrace.nn.functional}


def fn(T: Any) -> Any:
    return T.autograd.functional


def cube(v: Any) -> Any:
    return (v**3).sum()


FUNCTIONAL: dict[str, tuple] = {
    "vjp": (lambda T, x: fn(T).vjp(lambda v: v**3, x, x * 2), x),
    "vjp_scalar": (lambda T, x: fn(T).vjp(cube, x), x),
    "vjp_tuples": (
        lambda T, x, y: fn(T).vjp(lambda v, w: (v * w, v.sum()), (x, y), (x, x.sum())),
        *(x, y),
    ),
    "vjp_history": (
        lambda T, x: fn(T).vjp(lambda v: v**3, x.requires_grad_(), x * 2, create_graph=True),
        x,
    ),
    "vjp_no_history": (lambda T, x: fn(T).vjp(lambda v: v**3, x.requires_grad_(), x), x),
    "jvp": (lambda T, x: fn(T).jvp(lambda v: v**3, x, x * 2), x),
    "jvp_unused": (lambda T, x, y: fn(T).jvp(lambda v, w: v * 2, (x, y), (x, y)), x, y),
    "jvp_history": (lambda T, x: fn(T).jvp(lambda v: v**3, x, x * 2, create_graph=True), x),
    "hvp": (lambda T, x: fn(T).hvp(cube, x, x * 2), x),
    "hvp_tuples": (
        lambda T, x, y: fn(T).hvp(lambda v, w: (v * w * w).sum(), (x, y), (y, x)),
        *(x, y),
    ),
    "vhp": (lambda T, x: fn(T).vhp(cube, x, x * 2), x),
    "vhp_linear": (lambda T, x: fn(T).vhp(lambda v: v.sum(), x, x), x),
    "jacobian": (lambda T, x, A: fn(T).jacobian(lambda v: (A @ v).tanh(), x), x, A),
    "jacobian_tuples": (
        lambda T, x, y: fn(T).jacobian(lambda v, w: (v * w, v.sum()), (x, y)),
        *(x, y),
    ),
    "jacobian_history": (
        lambda T, x: fn(T).jacobian(lambda v: v.pow(2), x.requires_grad_(), create_graph=True),
        x,
    ),
    "jacobian_forwards": (
        lambda T, x, A: fn(T).jacobian(
            lambda v: (A @ v).tanh(), x, vectorize=True, strategy="forward-mode"
        ),
        *(x, A),
    ),
    "hessian": (lambda T, x: fn(T).hessian(cube, x), x),
    "hessian_tuples": (lambda T, x, y: fn(T).hessian(lambda v, w: (v * w * w).sum(), (x, y)), x, y),
    "hessian_forwards": (
        lambda T, x: (
            fn(T).hessian(cube, x, vectorize=True, outer_jacobian_strategy="forward-mode").detach()
        ),  # PyTorch forgets to, forwards
        x,
    ),
    "hessian_of_linear": (lambda T, x: fn(T).hessian(lambda v: v.sum(), x), x),
    # Errors
    "not_a_tensor": (lambda T, x: fn(T).jacobian(lambda v: 2, x), x),
    "input_not_a_tensor": (lambda T: fn(T).jacobian(lambda v: v, 2),),
    "no_vector": (lambda T, x: fn(T).vjp(lambda v: v * 2, x), x),
    "vector_size": (lambda T, x: fn(T).vjp(lambda v: v * 2, x, T.ones(4)), x),
    "vector_count": (lambda T, x: fn(T).vjp(lambda v: (v, v), x, x), x),
    "strict_output": (lambda T, x: fn(T).vjp(lambda v: T.ones(2), x, T.ones(2), strict=True), x),
    "strict_input": (
        lambda T, x, y: fn(T).jacobian(lambda v, w: v * 2, (x, y), strict=True),
        *(x, y),
    ),
    "strict_hessian": (lambda T, x: fn(T).hessian(lambda v: v.sum(), x, strict=True), x),
    "hessian_of_vector": (lambda T, x: fn(T).hessian(lambda v: v * 2, x), x),
    "vhp_of_vector": (lambda T, x: fn(T).vhp(lambda v: v * 2, x, x), x),
    "no_such_strategy": (lambda T, x: fn(T).jacobian(cube, x, strategy="x"), x),
    "forwards_unvectorized": (lambda T, x: fn(T).jacobian(cube, x, strategy="forward-mode"), x),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional(name: str):
    assert_as_pytorch(FUNCTIONAL[name])


@pytest.mark.parametrize("name", ("jacobian_tuples", "hvp_tuples", "hessian_forwards"))
def test_functional_compiled(name: str):
    assert_one_trace(FUNCTIONAL[name])


# gradcheck

z = np.array([0.3, 0.7, -1.2])


def wrong(T: Any, factor: float = 3) -> Any:
    class Square(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * factor

    return Square.apply


def check(T: Any, f: Any, z: Any, **options: Any) -> Any:
    return T.autograd.gradcheck(f, z.requires_grad_(), **options)


def check_twice(T: Any, f: Any, z: Any, **options: Any) -> Any:
    return T.autograd.gradgradcheck(f, z.requires_grad_(), **options)


GRADCHECK: dict[str, tuple] = {
    "right": (lambda T, z: check(T, lambda v: (v * v.exp(), v.sin()), z), z),
    "forward": (lambda T, z: check(T, lambda v: v * v.exp(), z, check_forward_ad=True), z),
    "batched": (lambda T, z: check(T, lambda v: v * v.exp(), z, check_batched_grad=True), z),
    "fast": (lambda T, z: check(T, lambda v: v * v.exp(), z, fast_mode=True), z),
    "complex": (
        lambda T, z: check(T, lambda v: v * v.conj() + v.exp(), z, fast_mode=False),
        z + 1j,
    ),
    "integers_out": (lambda T, z: check(T, lambda v: v.int(), z), z),
    "constant": (lambda T, z: check(T, lambda v: T.ones(3), z), z),
    "twice": (lambda T, z: check_twice(T, lambda v: (v * v.exp(), v.sin()), z), z),
    "twice_batched": (lambda T, z: check_twice(T, lambda v: v**3, z, check_batched_grad=True), z),
    "twice_complex": (lambda T, z: check_twice(T, lambda v: v * v.exp(), z), z - 1j),
    "wrong": (lambda T, z: check(T, wrong(T), z), z),
    "wrong_fast": (lambda T, z: check(T, wrong(T), z, fast_mode=True), z),
    "wrong_complex": (lambda T, z: check(T, wrong(T, 2), z), z + 1j),  # not conjugated
    "wrong_answer": (lambda T, z: check(T, wrong(T), z, raise_exception=False), z),
    "detached": (lambda T, z: check(T, lambda v: v.detach() * 2, z), z),
    "nothing_requires_grad": (lambda T, z: T.autograd.gradcheck(lambda v: v, z), z),
}


@pytest.mark.parametrize("name", GRADCHECK)
def test_gradcheck(name: str):
    assert_as_pytorch(GRADCHECK[name])


def test_gradcheck_says_where_they_differ():
    errors = [attempt(GRADCHECK["wrong"][0], library, [z]) for library in (torch, thrace)]
    assert [type(e).__name__ for e in errors] == ["GradcheckError"] * 2
    first = [str(e).splitlines()[0] for e in errors]
    assert first[0] == first[1]


# Programs


def forward_mode(T: Any) -> Any:
    fw = T.autograd.forward_ad
    with fw.dual_level():
        dual = fw.make_dual(T.tensor([1.0, 2.0]), T.tensor([1.0, 0.5]))
        out = (dual * dual).sin()
        primal, tangent = fw.unpack_dual(out)
        return primal.clone(), tangent, fw.unpack_dual(T.ones(2)).tangent


def saved_hooks(T: Any) -> Any:
    seen: list[Any] = []
    v = T.tensor([1.0, 2.0], requires_grad=True)
    hooks = T.autograd.graph.saved_tensors_hooks(lambda t: (seen.append(1), t * 2)[1], lambda t: t)
    with hooks:
        out = (v * v).exp()
    out.sum().backward()
    return len(seen), v.grad


def on_cpu(T: Any) -> Any:
    v = T.tensor([1.0, 2.0], requires_grad=True)
    with T.autograd.graph.save_on_cpu():
        out = (v * v).exp()
    out.sum().backward()
    return v.grad


def hooks_disabled(T: Any) -> Any:
    graph = T.autograd.graph
    refused = graph.disable_saved_tensors_hooks("not here")
    with refused, graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        pass


def node_hooks(T: Any) -> Any:
    seen: list[Any] = []
    v = T.tensor([1.0, 2.0], requires_grad=True)
    h = v.softmax(0) * 3
    h.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    h.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    soft = h.grad_fn.next_functions[0][0]
    soft.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    h.exp().sum().backward()
    return seen, v.grad


def replacing_hook(T: Any) -> Any:
    v = T.tensor([1.0, 2.0], requires_grad=True)
    h = v * 3
    handle = h.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, None))
    h.sum().backward(retain_graph=True)
    first = v.grad.clone()
    handle.remove()
    h.sum().backward()
    return first, v.grad


def leaf_hooks(T: Any) -> Any:
    seen: list[Any] = []
    v = T.tensor([1.0, 2.0], requires_grad=True)
    node = (v * 2).grad_fn.next_functions[0][0]
    node.register_prehook(lambda outputs: (outputs[0] * 2,))
    node.register_hook(lambda inputs, outputs: seen.append((inputs, v.grad.clone())))
    (v * v).sum().backward()
    return seen, v.grad, node.variable is v


def multi_hooks(T: Any) -> Any:
    seen: list[Any] = []
    v = T.tensor([1.0, 2.0], requires_grad=True)
    w = T.tensor([3.0, 4.0], requires_grad=True)
    T.autograd.graph.register_multi_grad_hook((v, w), seen.append)
    (v * w).sum().backward()
    (v * w).sum().backward()
    return seen


def gradient_edge(T: Any) -> Any:
    v = T.tensor([1.0, 2.0], requires_grad=True)
    h = v * 2
    edge = T.autograd.graph.get_gradient_edge(h)
    out = h.exp().sum()
    is_node = isinstance(out.grad_fn, T.autograd.graph.Node)
    return T.autograd.grad(out, edge, retain_graph=True), is_node, edge.output_nr


def inference(T: Any) -> Any:
    with T.inference_mode():
        made = T.ones(2)
        inside = made.is_inference(), T.is_inference_mode_enabled(), T.is_grad_enabled()
        with T.inference_mode(False):
            normal = T.ones(2).is_inference(), T.is_grad_enabled()
    after = made.is_inference(), T.is_inference_mode_enabled(), made[0].is_inference()
    errors = [
        type(attempt(f, T, ())) is RuntimeError
        for f in (
            lambda T: made.add_(1),
            lambda T: made.requires_grad_(),
        )
    ]
    return inside, normal, after, errors


def generators(T: Any) -> Any:
    @T.no_grad()
    def steps():
        sent = yield T.is_grad_enabled()
        try:
            yield sent, T.is_grad_enabled()
        except ValueError:
            yield "caught"
        return 7

    it = steps()
    return next(it), T.is_grad_enabled(), it.send(5), it.throw(ValueError()), list(it)


def modes(T: Any) -> Any:
    out = []
    with T.no_grad():
        with T.enable_grad():
            out.append(T.is_grad_enabled())
        with T.set_grad_enabled(True):
            out.append(T.is_grad_enabled())
        out.append(T.is_grad_enabled())

    @T.set_grad_enabled(False)
    def f():
        return T.is_grad_enabled()

    g = T.inference_mode(lambda: T.is_grad_enabled())
    return out, f(), g(), T.is_grad_enabled()


def once(T: Any) -> Any:
    class Square(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @T.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    v = T.tensor([1.0, 2.0], requires_grad=True)
    (g,) = T.autograd.grad(Square.apply(v).sum(), v, create_graph=True)
    return T.autograd.grad(g.sum(), v)


def vjp_name(T: Any) -> Any:
    class Double(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

    v = T.tensor([1.0, 2.0], requires_grad=True)
    return T.autograd.grad(Double.apply(v).sum(), v)


def context_of_grad_fn(T: Any) -> Any:
    class Keep(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.note = "kept"
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    out = Keep.apply(T.tensor([1.0], requires_grad=True))
    return out.grad_fn.note, out.grad_fn.saved_tensors[0].detach(), out.grad_fn.name()


def bad_gradient(shape: tuple[int, ...]) -> Any:
    def run(T: Any) -> Any:
        class Bad(T.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return T.ones(shape)

        v = T.tensor([1.0, 2.0], requires_grad=True)
        return T.autograd.grad(Bad.apply(v).sum(), v)

    return run


def anomaly(T: Any) -> Any:
    v = T.tensor([0.0], requires_grad=True)
    with T.autograd.detect_anomaly():
        (v.sqrt() * 0).sum().backward()


def batched_grads(T: Any) -> Any:
    v = T.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return T.autograd.grad((v * v).sin(), v, T.eye(3), is_grads_batched=True)


def metadata(T: Any) -> Any:
    fn = (T.ones(2, requires_grad=True) * 2).grad_fn
    fn.metadata["a"] = 1
    return fn.metadata


def misuse(call: Any) -> Any:
    def run(T: Any) -> Any:
        v, w = T.ones(2, requires_grad=True), T.ones(2, requires_grad=True)
        return call(T, v, w)

    return run


PROGRAMS: dict[str, Any] = {
    f.__name__: f
    for f in (
        *(forward_mode, saved_hooks, on_cpu, hooks_disabled, node_hooks, replacing_hook),
        *(leaf_hooks, multi_hooks, gradient_edge, inference, generators, modes, once, vjp_name),
        *(context_of_grad_fn, anomaly, batched_grads, metadata),
    )
} | {
    "bad_shape": bad_gradient((3,)),
    "bad_rank": bad_gradient((2, 2, 2)),
    "no_inputs": misuse(lambda T, v, w: T.autograd.grad(v.sum(), [])),
    "unused": misuse(lambda T, v, w: T.autograd.grad(v.sum(), w)),
    "unused_allowed": misuse(lambda T, v, w: T.autograd.grad(v.sum(), w, allow_unused=True)),
    "materialized": misuse(lambda T, v, w: T.autograd.grad(v.sum(), w, materialize_grads=True)),
    "materialized_not_allowed": misuse(
        lambda T, v, w: T.autograd.grad(v.sum(), w, allow_unused=False, materialize_grads=True)
    ),
    "no_history": misuse(lambda T, v, w: T.autograd.grad(T.ones(()), w)),
    "input_without_grad": misuse(lambda T, v, w: T.autograd.grad(v.sum(), T.ones(2))),
    "not_scalar": misuse(lambda T, v, w: (v * 2).backward()),
    "gradient_shape": misuse(lambda T, v, w: (v * 2).backward(T.ones(3))),
    "gradient_type": misuse(lambda T, v, w: (v * 2).backward(1.0)),
    "gradient_complex": misuse(lambda T, v, w: (v * 2).backward(T.ones(2) * 1j)),
    "gradient_count": misuse(lambda T, v, w: T.autograd.backward([v, w], [T.ones(2)])),
    "empty_inputs": misuse(lambda T, v, w: v.sum().backward(inputs=[])),
    "second_backward": misuse(lambda T, v, w: [(v * v).sum().backward() for _ in range(2)]),
    "dual_outside": misuse(lambda T, v, w: T.autograd.forward_ad.make_dual(v, w)),
    "save_a_number": misuse(lambda T, v, w: saving(T, 3).apply(v)),
}


def saving(T: Any, what: Any) -> Any:
    class Save(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(what)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    return Save


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str):
    assert_as_pytorch((PROGRAMS[name],))


# Names in history

HISTORY = (
    *("F.linear(x, w, b)", "F.linear(x, w)", "F.linear(x[None], w, b)", "F.linear(x[0], w)"),
    *("2 / x", "x / 2", "2 - x", "2 * x", "x**2", "2**x", "1 + x", "x % 2", "-x", "x * x"),
    *("torch.einsum('ij,kj->ik', x, w)", "torch.tensordot(x, w, ([1], [1]))"),
    *("torch.diag(x @ w.t())", "torch.diag(x[0])", "torch.outer(b, b)", "torch.where(x > 0, x, x)"),
    *(
        "x.t()",
        "x.T",
        "x.mT",
        "x.mean(1)",
        "x.mean()",
        "x.sum()",
        "x.sum(1)",
        "x.std()",
        "x.norm()",
    ),
    *("x.view(12)", "x.flatten()", "x.unsqueeze(0)", "x[0]", "x[:, 1]", "x[[0, 1]]", "x.clone()"),
    *(
        "x.max()",
        "x.max(1)[0]",
        "x.prod()",
        "x.cumsum(0)",
        "torch.stack([x, x])",
        "torch.cat([x, x])",
    ),
    *("x.softmax(1)", "x.log_softmax(1)", "F.gelu(x)", "F.relu(x)", "F.layer_norm(x, (4,))"),
    *("F.mse_loss(x, x)", "F.l1_loss(x, x)", "F.dropout(x)", "F.normalize(x)", "x @ w.t()"),
    *("x @ w[0]", "x[0] @ w[0]", "torch.addmm(b, x, w.t())", "x.lerp(x, x)", "x.lerp(x, 0.5)"),
    *("F.conv1d(x[None], torch.ones(2, 3, 2))", "F.max_pool1d(x[None], 2)", "x.chunk(2, 1)[1]"),
    *(
        "F.cross_entropy(x, torch.zeros(3, dtype=torch.long))",
        "x.double()",
        "x.masked_fill(x > 0, 0)",
    ),
    *("F.kl_div(x, x)", "F.cosine_similarity(x, x)", "x.unbind(0)[1]", "x.expand(2, 3, 4)"),
)


def history(T: Any, source: str) -> Any:
    def leaf(*shape: int) -> Any:
        return T.tensor(array(*shape), requires_grad=True)

    t = eval(source, {"torch": T, "F": F[T], "x": leaf(3, 4), "w": leaf(5, 4), "b": leaf(5)})
    after = [(n and n.name(), i) for n, i in t.grad_fn.next_functions]
    return t.grad_fn.name(), after


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", HISTORY)
def test_names_in_history(source: str):
    assert history(thrace, source) == history(torch, source)


def test_history_can_be_walked_to_its_leaves():
    leaf = thrace.ones(3, 4, requires_grad=True)
    out = F[thrace].linear(leaf, thrace.ones(5, 4, requires_grad=True))
    transposed = out.grad_fn.next_functions[1][0]
    assert transposed.name() == "TBackward0" and isinstance(transposed, thrace.autograd.graph.Node)
    assert transposed == out.grad_fn.next_functions[1][0]
    assert out.grad_fn.next_functions[0][0].variable is leaf


def test_retained_gradients():
    leaf = thrace.ones(2, requires_grad=True)
    h = leaf * 2
    assert not h.retains_grad and not leaf.retains_grad
    h.retain_grad()
    assert h.retains_grad
    leaf.retain_grad()
    assert not leaf.retains_grad


def test_saved_hooks_see_no_graph_of_their_own():
    """What a hook computes is neither saved nor in history."""
    count: list[int] = []

    def pack(t: Any) -> Any:
        count.append(1)
        return (t * 2).exp()

    leaf = thrace.ones(2, requires_grad=True)
    with thrace.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        leaf.exp()
    assert len(count) == 1
