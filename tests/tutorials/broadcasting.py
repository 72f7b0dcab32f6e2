import torch

from tutorials.tools import attempt

x = torch.empty(5, 7, 3)
y = torch.empty(5, 7, 3)
print((x + y).shape)
attempt(lambda: torch.empty((0,)) + torch.empty(2, 2))
x = torch.empty(5, 3, 4, 1)
y = torch.empty(3, 1, 1)
print((x + y).size())
attempt(lambda: torch.empty(5, 2, 4, 1) + torch.empty(3, 1, 1))
x = torch.empty(5, 1, 4, 1)
y = torch.empty(3, 1, 1)
print((x + y).size())
x = torch.empty(1)
y = torch.empty(3, 1, 7)
print((x + y).size())
x = torch.empty(5, 2, 4, 1)
y = torch.empty(3, 1, 1)
attempt(lambda: (x + y).size())
x = torch.empty(5, 3, 4, 1)
y = torch.empty(3, 1, 1)
print((x.add_(y)).size())
x = torch.empty(1, 3, 1)
y = torch.empty(3, 1, 7)
attempt(lambda: (x.add_(y)).size())
print(
    torch.add(torch.ones(4, 1), torch.randn(4)).shape,
    torch.broadcast_shapes((5, 1), (1, 3)),
    torch.broadcast_tensors(torch.arange(3), torch.ones(2, 1)),
)
attempt(lambda: torch.broadcast_shapes((5, 2), (3,)))
attempt(lambda: torch.ones(2, 3).expand(4, 3))
attempt(lambda: torch.ones(2, 3) @ torch.ones(2, 3))
attempt(lambda: torch.mm(torch.ones(2, 3), torch.ones(2)))
attempt(lambda: torch.ones(3) @ torch.ones(4))
attempt(lambda: torch.bmm(torch.ones(2, 2, 3), torch.ones(1, 3, 2)))
