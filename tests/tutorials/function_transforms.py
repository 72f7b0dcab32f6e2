import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import attempt, data, fill, show

from_f = torch.func


def f(x):
    return torch.sin(x)


x = data(3)
print(torch.allclose(from_f.vmap(from_f.grad(f))(x), x.cos()))
model = fill(nn.Linear(3, 2))
params = {k: v.detach() for k, v in model.named_parameters()}


def loss(p, x, y):
    return F.mse_loss(from_f.functional_call(model, p, (x.unsqueeze(0),)), y.unsqueeze(0))


X, Y = data(4, 3), data(4, 2, k=2.0)
g = from_f.vmap(from_f.grad(loss), in_dims=(None, 0, 0))(params, X, Y)
print({k: v.shape for k, v in g.items()})
show(g["bias"])
W, b = data(3, 3), data(3, k=0.5)
predict = lambda x: F.linear(x, W, b).tanh()
show(from_f.jacrev(predict)(x))
print(
    torch.allclose(from_f.jacfwd(predict)(x), from_f.jacrev(predict)(x), atol=1e-6),
    from_f.hessian(lambda x: predict(x).sum())(x).shape,
)
out, vjp = from_f.vjp(predict, x)
show(out, vjp(torch.ones(3))[0])
show(*from_f.jvp(predict, (x,), (torch.ones(3),)))
print(
    from_f.vmap(torch.dot)(data(2, 3), data(2, 3)).shape,
    from_f.vmap(lambda a, b: a * b, in_dims=(0, None), out_dims=1)(data(2, 3), data(3)).shape,
)
a, (b_, c_) = from_f.grad_and_value(lambda t: (t**2).sum())(x), (1, 2)
show(a)
attempt(lambda: from_f.grad(f)(x))
attempt(lambda: from_f.vmap(f, in_dims=3)(x))
attempt(lambda: from_f.vmap(lambda t: t.item())(x))
p, bufs = from_f.stack_module_state([nn.Linear(2, 1) for _ in range(3)])
print(p["weight"].shape, bufs)
