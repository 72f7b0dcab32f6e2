"""The first example: a line fitted to noisy points, the whole training step compiled."""

import thrace as torch
from thrace import nn, optim

torch.manual_seed(0)
x = torch.linspace(-1, 1, 64).reshape(64, 1)
y = 3 * x + 2 + 0.1 * torch.randn(64, 1)

model = nn.Linear(1, 1)
opt = optim.SGD(model.parameters(), lr=0.3)


@torch.compile
def step(x, y):
    opt.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    opt.step()
    return loss


for i in range(41):
    loss = step(x, y)
    if i % 10 == 0:
        print(f"step {i:2}  loss {loss.item():.4f}")

print(f"y = {model.weight.item():.2f} x + {model.bias.item():.2f}")
print(torch.explain(step).traces[0].graph)
