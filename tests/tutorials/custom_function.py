import torch

from tutorials.tools import attempt


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g = g.clone()
        g[x < 0] = 0
        return g


x = torch.tensor([-1.0, 2.0], requires_grad=True)
y = MyReLU.apply(x)
print(y, y.grad_fn)
y.sum().backward()
print(x.grad)


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        r = i.exp()
        ctx.save_for_backward(r)
        return r

    @staticmethod
    def backward(ctx, g):
        (r,) = ctx.saved_tensors
        return g * r


class Two(torch.autograd.Function):
    @staticmethod
    def forward(x, y, k):
        return x * y, x + k

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, k = inputs
        ctx.save_for_backward(x, y)
        ctx.k = k

    @staticmethod
    def backward(ctx, ga, gb):
        x, y = ctx.saved_tensors
        print(ctx.needs_input_grad, ctx.k)
        return ga * y + gb, ga * x, None


a, b = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0))
p, q = Two.apply(a, b, 5)
print(p, q)
(p + q).backward()
print(a.grad, b.grad)
print(
    torch.autograd.gradcheck(Exp.apply, (torch.ones(2, dtype=torch.float64, requires_grad=True),))
)
attempt(lambda: Exp()(x))
attempt(lambda: Exp.apply(x).backward())
(g,) = torch.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
print(g.requires_grad, torch.autograd.grad(g.sum(), x))
x = torch.ones(2, requires_grad=True)
h = x.register_hook(lambda g: g * 2)
(x * 3).sum().backward()
print(x.grad)
h.remove()
y = x * 2
y.retain_grad()
(y**2).sum().backward()
print(y.grad, x.grad)
attempt(lambda: torch.autograd.grad(torch.ones(1), x))
attempt(lambda: torch.autograd.grad((x * 2).sum(), torch.ones(1, requires_grad=True)))
print(torch.autograd.grad((x * 2).sum(), [torch.ones(1, requires_grad=True)], allow_unused=True))
print(
    torch.autograd.functional.jacobian(lambda t: t**2, torch.arange(3.0)),
    torch.autograd.functional.hessian(lambda t: (t**3).sum(), torch.arange(2.0)),
    torch.autograd.functional.vjp(lambda t: t * 2, torch.ones(2), torch.ones(2)),
)
with torch.autograd.set_detect_anomaly(False):
    pass
with torch.inference_mode():
    z = x * 2
print(z.is_inference(), z.requires_grad, torch.is_grad_enabled())
attempt(lambda: z.add_(1))
pass
