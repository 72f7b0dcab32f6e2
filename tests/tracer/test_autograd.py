"""Autograd's interface: what `backward`, `grad`, hooks, modes and custom functions do is what
PyTorch does.

Each program is a snippet that leaves its findings in `out`; both libraries run it.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from snippets import run, same_numbers

import thrace

PROGRAMS = {
    "backward_accumulates": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        out = []
        for _ in range(3):
            (x ** 2).sum().backward()
            out.append(x.grad.clone())
    """,
    "grad_is_written_in_place": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (x * 2).sum().backward()
        g = x.grad
        (x * 3).sum().backward()
        out = [g, g is x.grad]
    """,
    "gradient_argument": """
        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        (x * x).backward(torch.tensor([[1.0, 0.5], [0.0, 2.0]]))
        out = x.grad
    """,
    "several_roots": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        a, b = (x * 2).sum(), x * x
        torch.autograd.backward([a, b], [None, torch.tensor([1.0, 10.0])])
        out = x.grad
    """,
    "inputs_argument": """
        x = torch.tensor([1.0], requires_grad=True)
        y = torch.tensor([2.0], requires_grad=True)
        h = x * y
        (h * y).sum().backward(inputs=[y])
        out = [x.grad, y.grad]
    """,
    "retain_graph": """
        x = torch.tensor([2.0], requires_grad=True)
        y = (x ** 3).sum()
        y.backward(retain_graph=True)
        y.backward()
        try:
            y.backward()
            out = "accepted"
        except RuntimeError as error:
            out = [x.grad, "second time" in str(error)]
    """,
    "nothing_saved_may_go_twice": """
        x = torch.tensor([2.0], requires_grad=True)
        y = (x + 1).sum()
        y.backward()
        y.backward()
        out = x.grad
    """,
    "freed_part_is_shared": """
        x = torch.tensor([2.0], requires_grad=True)
        h = x.exp()
        a, b = (h * 2).sum(), (h * 3).sum()
        a.backward()
        try:
            b.backward()
            out = "accepted"
        except RuntimeError:
            out = x.grad
    """,
    "grad_function": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.tensor([3.0, 4.0], requires_grad=True)
        z = (x * y).sum()
        out = [torch.autograd.grad(z, [x, y]), x.grad, y.grad]
    """,
    "grad_of_intermediate": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        h = x * 3
        out = torch.autograd.grad((h * h).sum(), h)
    """,
    "grad_unused_and_materialized": """
        x = torch.tensor([1.0], requires_grad=True)
        y = torch.tensor([1.0], requires_grad=True)
        out = [
            torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True),
            torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True, materialize_grads=True),
        ]
    """,
    "grad_outputs": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        out = torch.autograd.grad([x * 2, x ** 2], x, [torch.ones(2), torch.tensor([1.0, -1.0])])
    """,
    "second_order": """
        x = torch.tensor([0.5, 1.5], requires_grad=True)
        (g,) = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        (k,) = torch.autograd.grad(h.sum(), x)
        out = [g, h, k, g.requires_grad]
    """,
    "second_order_by_backward": """
        x = torch.tensor([0.5, 1.5], requires_grad=True)
        (x.sin() * x).sum().backward(create_graph=True)
        first = x.grad
        out = [first.detach().clone(), first.requires_grad]
        x.grad = None
        first.pow(2).sum().backward()
        out.append(x.grad)
    """,
    "gradient_penalty": """
        w = torch.linspace(-1, 1, 6).reshape(2, 3).requires_grad_()
        x = torch.linspace(0, 2, 6).reshape(3, 2).requires_grad_()
        y = torch.tanh(w @ x).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        (y + ((g.norm() - 1) ** 2)).backward()
        out = [w.grad, x.grad]
    """,
    "detach": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * x.detach() + (x * 2).detach()
        y.sum().backward()
        out = [y, x.grad, x.detach().requires_grad, x.detach().is_leaf]
    """,
    "detach_in_place": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * 2
        y.detach_()
        out = [y.requires_grad, y.is_leaf, y.grad_fn]
    """,
    "requires_grad_later": """
        x = torch.tensor([1.0, 2.0])
        y = x * 2
        x.requires_grad_()
        out = [y.requires_grad, x.requires_grad, x.is_leaf]
        (x * 3).sum().backward()
        out.append(x.grad)
    """,
    "leaf_views": """
        x = torch.ones(2, 3, requires_grad=True)
        (x[0] * 2 + x.t()[:, 1]).sum().backward()
        out = [x.grad, x[0].is_leaf, x.view(-1).is_leaf]
    """,
    "shared_subexpression": """
        x = torch.tensor(2.0, requires_grad=True)
        h = x * x
        y = h * h + h * x + h
        y.backward()
        out = x.grad
    """,
    "broadcast_gradients": """
        a = torch.ones(3, 1, requires_grad=True)
        b = torch.ones(4, requires_grad=True)
        c = torch.tensor(2.0, requires_grad=True)
        ((a * b + c) * torch.arange(12.0).reshape(3, 4)).sum().backward()
        out = [a.grad, b.grad, c.grad]
    """,
    "dtypes_of_gradients": """
        x = torch.ones(2, dtype=torch.float64, requires_grad=True)
        y = torch.ones(2, requires_grad=True)
        (x * y + y.double()).sum().backward()
        out = [x.grad, y.grad]
    """,
    "integer_operand": """
        x = torch.tensor([1.5, 2.5], requires_grad=True)
        (x * torch.tensor([2, 3]) + torch.tensor([True, False])).sum().backward()
        out = x.grad
    """,
    "where_and_max": """
        x = torch.tensor([1.0, -2.0, 3.0, 3.0], requires_grad=True)
        (torch.where(x > 0, x * 2, -x) + x.clamp(min=0)).sum().backward()
        first = x.grad.clone()
        x.grad = None
        (x.max() + x.amax()).backward()
        out = [first, x.grad]
    """,
    # Modes
    "no_grad_context": """
        x = torch.ones(2, requires_grad=True)
        with torch.no_grad():
            a = x * 2
            inside = torch.is_grad_enabled()
            with torch.enable_grad():
                b = x * 3
        out = [a.requires_grad, b.requires_grad, inside, torch.is_grad_enabled(), b.grad_fn is None]
    """,
    "modes_as_decorators": """
        x = torch.ones(2, requires_grad=True)

        @torch.no_grad()
        def f(v):
            return v * 2

        @torch.no_grad
        def g(v):
            return v * 2

        @torch.enable_grad()
        def h(v):
            return v * 2

        @torch.inference_mode()
        def k(v):
            return v * 2

        with torch.no_grad():
            inner = h(x)
        out = [f(x).requires_grad, g(x).requires_grad, inner.requires_grad, k(x).requires_grad]
        out += [f.__name__, torch.is_grad_enabled()]
    """,
    "set_grad_enabled": """
        x = torch.ones(2, requires_grad=True)
        out = []
        with torch.set_grad_enabled(False):
            out.append((x * 2).requires_grad)
        with torch.set_grad_enabled(True):
            out.append((x * 2).requires_grad)
        torch.set_grad_enabled(False)
        out.append((x * 2).requires_grad)
        torch.set_grad_enabled(True)
        out.append((x * 2).requires_grad)
    """,
    "mode_after_an_error": """
        try:
            with torch.no_grad():
                raise ValueError
        except ValueError:
            pass
        out = torch.is_grad_enabled()
    """,
    "inference_mode": """
        x = torch.ones(2, requires_grad=True)
        with torch.inference_mode():
            a = x * 2
        with torch.inference_mode(False):
            b = x * 2
        out = [a.requires_grad, b.requires_grad]
    """,
    "mode_in_a_generator": """
        def numbers():
            with torch.no_grad():
                yield torch.is_grad_enabled()
        out = [list(numbers()), torch.is_grad_enabled()]
    """,
    "leaf_made_under_no_grad": """
        with torch.no_grad():
            x = torch.ones(2, requires_grad=True)
        (x * 2).sum().backward()
        out = x.grad
    """,
    # Hooks
    "hook_sees_and_replaces": """
        seen = []
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.register_hook(lambda g: seen.append(g.clone()))
        h.register_hook(lambda g: g * 10)
        (h * 3).sum().backward()
        out = [seen, x.grad]
    """,
    "hook_on_leaf": """
        seen = []
        x = torch.ones(2, requires_grad=True)
        handle = x.register_hook(lambda g: g + 1)
        (x * x * 3).sum().backward()
        first = x.grad.clone()
        handle.remove()
        x.grad = None
        (x * 3).sum().backward()
        out = [first, x.grad]
    """,
    "hook_sees_the_sum": """
        seen = []
        x = torch.ones(2, requires_grad=True)
        h = x * 1
        h.register_hook(lambda g: seen.append(g.clone()))
        (h * 2 + h * 3).sum().backward()
        out = seen
    """,
    "post_accumulate_hook": """
        seen = []
        x = torch.ones(2, requires_grad=True)

        def hook(p):
            seen.append(p.grad.clone())
            p.grad = None

        x.register_post_accumulate_grad_hook(hook)
        (x * 2).sum().backward()
        (x * 3).sum().backward()
        out = [seen, x.grad]
    """,
    "retain_grad": """
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.retain_grad()
        (h * h).sum().backward()
        out = [h.grad, x.grad, h.is_leaf]
    """,
    "retain_grad_twice": """
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.retain_grad()
        h.retain_grad()
        y = (h * h).sum()
        y.backward(retain_graph=True)
        y.backward()
        out = [h.grad, x.grad]
    """,
    "hook_in_grad": """
        seen = []
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.register_hook(lambda g: g * 5)
        out = torch.autograd.grad((h * 3).sum(), x)
    """,
    # Custom functions
    "function_saves": """
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x ** 3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x ** 2

        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = Cube.apply(x)
        y.sum().backward()
        out = [y, x.grad, y.grad_fn.name()]
    """,
    "function_twice_differentiable": """
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x ** 3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x ** 2

        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
        g.sum().backward()
        out = [g, x.grad]
    """,
    "function_with_several": """
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y, k):
                ctx.k = k
                ctx.save_for_backward(x, y)
                return x * y * k, x + y

            @staticmethod
            def backward(ctx, g, h):
                x, y = ctx.saved_tensors
                out.append(ctx.needs_input_grad)
                return g * y * ctx.k + h, g * x * ctx.k + h, None

        out = []
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.tensor([3.0, 4.0])
        a, b = Scale.apply(x, y, 2.0)
        (a.sum() + (b * b).sum()).backward()
        out += [a, b, x.grad, y.grad]
    """,
    "function_unused_output": """
        class Two(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, g, h):
                out.append([g, h])
                return g + 2 * h

        out = []
        x = torch.ones(2, requires_grad=True)
        a, b = Two.apply(x)
        b.sum().backward()
        out.append(x.grad)
    """,
    "function_no_materialize": """
        class Two(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(False)
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, g, h):
                out.append([g is None, h is None])
                return 2 * h

        out = []
        x = torch.ones(2, requires_grad=True)
        Two.apply(x)[1].sum().backward()
        out.append(x.grad)
    """,
    "function_non_differentiable": """
        class Sorted(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                mask = (x > 1.5).float()
                ctx.mark_non_differentiable(mask)
                ctx.save_for_backward(mask)
                return x * mask, mask

            @staticmethod
            def backward(ctx, g, unused):
                (mask,) = ctx.saved_tensors
                return g * mask

        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y, mask = Sorted.apply(x)
        y.sum().backward()
        out = [y, mask.requires_grad, x.grad]
    """,
    "function_setup_context": """
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(x, k):
                return x * x * k

            @staticmethod
            def setup_context(ctx, inputs, output):
                x, k = inputs
                ctx.k = k
                ctx.save_for_backward(x)

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 2 * x * g * ctx.k, None

        x = torch.tensor([3.0], requires_grad=True)
        Square.apply(x, 5).backward()
        out = x.grad
    """,
    "function_once_differentiable": """
        from importlib import import_module
        once = import_module(torch.__name__ + ".autograd.function").once_differentiable

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            @once
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 2 * x * g

        x = torch.tensor([3.0], requires_grad=True)
        (g,) = torch.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
        try:
            g.sum().backward()
            out = "accepted"
        except RuntimeError:
            out = g.detach()
    """,
    "function_dirty": """
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 2

        x = torch.tensor([3.0], requires_grad=True)
        h = x * 1
        y = Double.apply(h)
        (y * h).sum().backward()
        out = [y, h, x.grad, y is h]
    """,
    "function_without_grad": """
        class Identity(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.clone()

            @staticmethod
            def backward(ctx, g):
                raise AssertionError

        with torch.no_grad():
            a = Identity.apply(torch.ones(2, requires_grad=True))
        b = Identity.apply(torch.ones(2))
        out = [a.requires_grad, b.requires_grad]
    """,
    "straight_through": """
        class Round(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.round()

            @staticmethod
            def backward(ctx, g):
                return g

        x = torch.tensor([0.3, 1.7], requires_grad=True)
        (Round.apply(x * 2) * torch.tensor([1.0, 10.0])).sum().backward()
        out = x.grad
    """,
    "saved_after_free": """
        class Keep(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * 2

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 2 + 0 * x

        x = torch.ones(2, requires_grad=True)
        y = Keep.apply(x).sum()
        y.backward()
        try:
            y.backward()
            out = "accepted"
        except RuntimeError:
            out = x.grad
    """,
    # Leaves and parameters
    "assigned_grad": """
        x = torch.ones(2, requires_grad=True)
        x.grad = torch.full((2,), 5.0)
        (x * 2).sum().backward()
        out = x.grad
        x.grad = None
    """,
    "zero_grad": """
        m = nn.Linear(2, 1)
        m(torch.ones(1, 2)).sum().backward()
        m.zero_grad()
        first = [p.grad for p in m.parameters()]
        m(torch.ones(1, 2)).sum().backward()
        m.zero_grad(set_to_none=False)
        out = [first, [p.grad for p in m.parameters()]]
    """,
    "write_after_read": """
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y[0] = 5.0
        y += x
        y.mul_(3)
        y.sum().backward()
        out = [y, x.grad]
    """,
    "long_chain": """
        x = torch.tensor([0.5], requires_grad=True)
        y = x
        for _ in range(3000):
            y = y * 0.999 + 0.001
        y.backward()
        out = [y, x.grad]
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str):
    want = run(PROGRAMS[name], torch)["out"]
    same_numbers(run(PROGRAMS[name], thrace)["out"], want, rtol=2e-5)


def test_history_dies_with_its_tensors():
    """Nothing but live tensors and history keeps values alive."""
    import gc
    import weakref

    x: Any = thrace.ones(4, requires_grad=True)
    h = (x * 2).exp()
    watched = weakref.ref(h._storage)
    loss = h.sum()
    del h
    loss.item()
    loss.backward()
    del loss
    x.grad.tolist()
    gc.collect()
    assert watched() is None
