import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import attempt

t = torch.arange(16.0).reshape(4, 4)
b = t.view(2, 8)
print(
    t.storage().data_ptr() == b.storage().data_ptr() if hasattr(t, "storage") else True,
    t.untyped_storage().data_ptr() == b.untyped_storage().data_ptr(),
)
b[0][0] = 3.14
print(t[0][0])
base = torch.tensor([[0, 1], [2, 3]])
print(base.is_contiguous())
t = base.transpose(0, 1)
print(t.is_contiguous(), t.stride(), t._is_view(), t._base is not None)
c = t.contiguous()
print(c, c.stride())
attempt(lambda: t.view(4))
print(t.reshape(4), t.flatten(), base.view(-1), base.view(4, 1).squeeze().shape)
x = torch.arange(10)
y = x[::2]
y[0] = 99
print(x, y, y.storage_offset(), x[3:].storage_offset())
print(
    x.unfold(0, 3, 2),
    torch.arange(12).view(3, 4).diagonal(),
    x.split(4),
    x.chunk(3),
    torch.arange(6).view(2, 3).unbind(1),
    x.as_strided((2, 2), (3, 1)),
)
print(
    torch.arange(12).view(3, 4).T,
    torch.arange(12).view(2, 6).unflatten(1, (2, 3)).shape,
    x.narrow(0, 2, 3),
    torch.arange(4).expand(2, 4),
    torch.ones(1, 2).movedim(0, 1).shape,
)
a = torch.zeros(2, 2)
row = a[0]
row += 5
a[:, 1].mul_(2)
print(a, row)
attempt(lambda: x[::-1])
attempt(lambda: x[11])
attempt(lambda: x[1, 2])
attempt(lambda: torch.ones(2, 3).view(7))
attempt(lambda: torch.ones(2, 3).reshape(-1, -1))
attempt(lambda: torch.ones(2, 3).transpose(0, 2))
attempt(lambda: torch.ones(2).squeeze(3))
attempt(lambda: torch.ones(2)[None, ..., ...] if False else torch.ones(2)["a"])
attempt(lambda: torch.ones(3)[torch.tensor([True, False])])
attempt(lambda: torch.ones(3)[[0, 5]])
attempt(lambda: torch.ones(3)[1.0])
attempt(lambda: torch.cat([torch.ones(2, 2), torch.ones(3)]))
attempt(lambda: torch.stack([torch.ones(2), torch.ones(3)]))
attempt(lambda: torch.cat([]))
attempt(lambda: torch.ones(2, 2).item())
attempt(lambda: bool(torch.ones(2)))
attempt(lambda: int(torch.ones(2)))
attempt(lambda: len(torch.tensor(1)))
attempt(lambda: list(torch.tensor(1)))
attempt(lambda: torch.ones(2) + "a")
attempt(lambda: torch.add(torch.ones(2)))
attempt(lambda: torch.zeros(-1))
attempt(lambda: torch.tensor([[1, 2], [3]]))
attempt(lambda: torch.tensor("a"))
attempt(lambda: torch.ones(2).foo)
attempt(lambda: torch.ones(2, dtype=int).mean())
attempt(lambda: torch.ones(2).sum(1))
attempt(lambda: torch.arange(3).requires_grad_())
attempt(lambda: torch.ones(2).backward())
attempt(lambda: torch.ones(2, 3).mm(torch.ones(2, 3)))
attempt(lambda: nn.Linear(2, 3)(torch.ones(3)))
attempt(lambda: F.cross_entropy(torch.ones(2, 3), torch.ones(3, dtype=torch.long)))
attempt(lambda: F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 5])))
attempt(lambda: nn.Conv2d(3, 4, 3)(torch.ones(1, 2, 8, 8)))
attempt(lambda: torch.ones(2).to("foo"))
attempt(lambda: nn.Embedding(3, 2)(torch.tensor([5])))
attempt(lambda: nn.BatchNorm1d(3)(torch.ones(1, 3)))
attempt(lambda: torch.linalg.inv(torch.zeros(2, 2)))
attempt(lambda: torch.linalg.cholesky(-torch.eye(2)))
attempt(lambda: torch.ones(2).view(torch.float64, 3))
