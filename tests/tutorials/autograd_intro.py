import torch

from tutorials.tools import attempt, quiet

a = torch.linspace(0.1, 6.2, steps=25, requires_grad=True)
print(a)
b = torch.sin(a)
print(b)
c = 2 * b
print(c)
d = c + 1
print(d)
out = d.sum()
print(out)
print("d:")
print(d.grad_fn)
print(d.grad_fn.next_functions)
print(d.grad_fn.next_functions[0][0].next_functions)
print(d.grad_fn.next_functions[0][0].next_functions[0][0].next_functions)
print("\nc:")
print(c.grad_fn)
print("\nb:")
print(b.grad_fn)
print("\na:")
print(a.grad_fn)
out.backward()
print(a.grad)
quiet(lambda: b.grad)
x = torch.ones(2, 2, requires_grad=True)
y = x + 2
z = y * y * 3
out = z.mean()
print(y, y.grad_fn, z, out)
out.backward()
print(x.grad)
attempt(lambda: out.backward())
a = torch.tensor([[1.0, 2.0]])
print(a.requires_grad)
a.requires_grad_(True)
print((a * a).sum().grad_fn)
x = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
y = x * 2
i = 0
while y.data.norm() < 1000:
    y = y * 2
    i += 1
print(y, i)
attempt(lambda: y.backward())
v = torch.tensor([0.1, 1.0, 0.0001], dtype=torch.float)
y.backward(v)
print(x.grad)
print(x.requires_grad, (x**2).requires_grad)
with torch.no_grad():
    print((x**2).requires_grad)
y = x.detach()
print(y.requires_grad, x.eq(y).all())
a = torch.ones(2, 3, requires_grad=True) * 2
b = torch.ones(2, 3, requires_grad=True) * 3
c1 = a + b
print(c1)
with torch.no_grad():
    c2 = a + b
print(c2)
c3 = a * b
print(c3)


def add_tensors1(x, y):
    return x + y


@torch.no_grad()
def add_tensors2(x, y):
    return x + y


print(add_tensors1(a, b), add_tensors2(a, b))
x = torch.ones(5, requires_grad=True) * 0.25
y = x.detach()
print(x)
print(y)
a = torch.linspace(0.0, 1.0, steps=3, requires_grad=True)
attempt(lambda: torch.sin_(a))
