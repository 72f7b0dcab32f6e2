import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 5)
        self.mu = nn.Linear(5, 2)
        self.lv = nn.Linear(5, 2)
        self.d1 = nn.Linear(2, 5)
        self.d2 = nn.Linear(5, 6)

    def forward(self, x, eps):
        h = F.relu(self.fc1(x))
        mu, lv = self.mu(h), self.lv(h)
        z = mu + eps * torch.exp(0.5 * lv)
        return torch.sigmoid(self.d2(F.relu(self.d1(z)))), mu, lv


m = fill(VAE())
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
x = data(8, 6).abs()
eps = data(8, 2, k=3.0)
for _ in range(5):
    opt.zero_grad()
    r, mu, lv = m(x, eps)
    bce = F.binary_cross_entropy(r, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())
    loss = bce + kld
    loss.backward()
    opt.step()
    print(round(loss.item(), 2))


def weights_init(m):
    if m.__class__.__name__.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif m.__class__.__name__.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


G = nn.Sequential(
    nn.ConvTranspose2d(4, 3, 4, 1, 0, bias=False),
    nn.BatchNorm2d(3),
    nn.ReLU(True),
    nn.ConvTranspose2d(3, 1, 4, 2, 1, bias=False),
    nn.Tanh(),
)
D = nn.Sequential(
    nn.Conv2d(1, 3, 4, 2, 1, bias=False),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(3, 1, 4, 1, 0, bias=False),
    nn.Sigmoid(),
)
G.apply(weights_init)
D.apply(weights_init)
print(G, D)
fill(G)
fill(D)
noise = data(2, 4, 1, 1)
crit = nn.BCELoss()
oD, oG = (torch.optim.Adam(n.parameters(), lr=0.01, betas=(0.5, 0.999)) for n in (D, G))
real = data(2, 1, 8, 8, k=0.1)
for _ in range(3):
    D.zero_grad()
    e = crit(D(real).view(-1), torch.full((2,), 1.0))
    e.backward()
    fake = G(noise)
    f = crit(D(fake.detach()).view(-1), torch.full((2,), 0.0))
    f.backward()
    oD.step()
    G.zero_grad()
    g = crit(D(fake).view(-1), torch.ones(2))
    g.backward()
    oG.step()
    print(f"{e.item() + f.item():.2f} {g.item():.2f}")
