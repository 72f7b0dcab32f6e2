import math

import numpy as np
import torch

from tutorials.tools import attempt

x = torch.empty(3, 4)
print(type(x))
a = torch.tensor([[3.1415926, 2.71828], [1.61897, 0.0072897]])
print(a)
print(torch.tensor((2, 3, 5, 7, 11, 13, 17, 19)), torch.tensor(((2, 4, 6), [3, 6, 9])))
a = torch.ones((2, 3), dtype=torch.int16)
print(a)
b = torch.rand((2, 3), dtype=torch.float64) * 20.0
c = b.to(torch.int32)
print(c.dtype, c.shape)
ones = torch.zeros(2, 2) + 1
twos = torch.ones(2, 2) * 2
threes = (torch.ones(2, 2) * 7 - 1) / 2
fours = twos**2
sqrt2s = twos**0.5
print(ones, twos, threes, fours, sqrt2s)
powers2 = twos ** torch.tensor([[1, 2], [3, 4]])
print(powers2, ones + fours, threes * ones)
attempt(lambda: torch.rand(2, 3) * torch.rand(3, 2))
a = torch.ones(4, 3, 2)
attempt(lambda: a * torch.rand(4, 3))
attempt(lambda: a * torch.rand(2, 3))
attempt(lambda: a * torch.rand((0,)))
a = torch.tensor([-0.5, 0.25, 0.9, -1.75])
print("Common functions:")
print(torch.abs(a))
print(torch.ceil(a))
print(torch.floor(a))
print(torch.clamp(a, -0.5, 0.5))
angles = torch.tensor([0, math.pi / 4, math.pi / 2, 3 * math.pi / 4])
sines = torch.sin(angles)
inverses = torch.asin(sines)
print(angles, sines, inverses)
b = torch.tensor([1, 5, 11])
c = torch.tensor([2, 7, 10])
print(torch.bitwise_xor(b, c))
d = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
e = torch.ones(1, 2)
print(torch.eq(d, e))
print(
    torch.max(d),
    torch.max(d).item(),
    torch.mean(d),
    torch.std(d),
    torch.prod(d),
    torch.unique(torch.tensor([1, 2, 1, 2, 1, 2])),
)
v1 = torch.tensor([1.0, 0.0, 0.0])
v2 = torch.tensor([0.0, 1.0, 0.0])
m1 = torch.tensor([[0.1, 0.7], [0.4, 0.2]])
m2 = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
print(torch.linalg.cross(v2, v1), torch.linalg.matmul(m1, m2))
print([t.shape for t in torch.linalg.svd(m1 @ m2)])
a = torch.tensor([0, math.pi / 4, math.pi / 2, 3 * math.pi / 4])
print(torch.sin_(a), a)
a = torch.ones(2, 2)
b = a * 0.5
print(a.add_(b), a, b.mul_(b), b)
c = torch.zeros(2, 2)
old_id = id(c)
d = torch.matmul(a, b, out=c)
assert c is d and id(c) == old_id
a = torch.ones(2, 2)
b = a
a[0][1] = 561
print(b)
b = a.clone()
assert b is not a
print(torch.eq(a, b))
a = torch.ones(2, 2, requires_grad=True)
print(a)
b = a.clone()
print(b)
c = a.detach().clone()
print(c)
print(a)
my_device = torch.device("cpu")
x = torch.rand(2, 2, device=my_device)
print(x.device, my_device, repr(my_device))
a = torch.rand(3, 226, 226)
b = a.unsqueeze(0)
print(a.shape, b.shape)
c = torch.ones(1, 1, 1, 1, 1)
print(c)
a = torch.ones(1, 20)
print(a.squeeze(0).shape, torch.ones(2, 2).squeeze(0).shape)
a = torch.ones(4, 3, 2)
c = a * torch.ones(3, 1)
print(c)
batch = torch.ones(2, 2)
print(batch.unsqueeze_(0).shape)
output3d = torch.ones(6, 20, 20)
print(output3d.reshape(6 * 20 * 20).shape, torch.reshape(output3d, (6 * 20 * 20,)).shape)
numpy_array = np.ones((2, 3))
pytorch_tensor = torch.from_numpy(numpy_array)
print(pytorch_tensor)
numpy_array[1, 1] = 23
print(pytorch_tensor)
pytorch_tensor[1, 1] = 17
print(numpy_array)
