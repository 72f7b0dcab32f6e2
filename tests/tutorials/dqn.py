import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill, show


class DQN(nn.Module):
    def __init__(self, n, a):
        super().__init__()
        self.layer1 = nn.Linear(n, 8)
        self.layer2 = nn.Linear(8, a)

    def forward(self, x):
        return self.layer2(F.relu(self.layer1(x)))


policy, target = fill(DQN(4, 2)), DQN(4, 2)
target.load_state_dict(policy.state_dict())
opt = torch.optim.AdamW(policy.parameters(), lr=1e-2, amsgrad=True)
state = data(6, 4)
action = torch.tensor([[0], [1], [0], [1], [1], [0]])
nxt = [data(4, k=float(i)) if i % 3 else None for i in range(6)]
reward = torch.ones(6)
for _ in range(3):
    mask = torch.tensor(tuple(map(lambda s: s is not None, nxt)), dtype=torch.bool)
    nf = torch.stack([s for s in nxt if s is not None])
    q = policy(state).gather(1, action)
    nv = torch.zeros(6)
    with torch.no_grad():
        nv[mask] = target(nf).max(1).values
    expected = (nv * 0.99) + reward
    loss = nn.SmoothL1Loss()(q, expected.unsqueeze(1))
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
    opt.step()
    print(f"{loss.item():.4f}")
    sd, pd = target.state_dict(), policy.state_dict()
    for key in pd:
        sd[key] = pd[key] * 0.005 + sd[key] * 0.995
    target.load_state_dict(sd)
print(
    policy(state).max(1)[1].view(1, 1, -1) if False else policy(state).max(1).indices.view(1, -1),
    torch.tensor([[1]], dtype=torch.long).item(),
)
show(nv)
