import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import fill, show


class Enc(nn.Module):
    def __init__(self, n, h):
        super().__init__()
        self.e = nn.Embedding(n, h)
        self.gru = nn.GRU(h, h, batch_first=True)

    def forward(self, x):
        return self.gru(self.e(x))


class Dec(nn.Module):
    def __init__(self, h, n):
        super().__init__()
        self.e = nn.Embedding(n, h)
        self.Wa, self.Ua, self.Va = nn.Linear(h, h), nn.Linear(h, h), nn.Linear(h, 1)
        self.gru = nn.GRU(2 * h, h, batch_first=True)
        self.out = nn.Linear(h, n)

    def forward(self, enc, hidden, target):
        inp = torch.empty(enc.size(0), 1, dtype=torch.long).fill_(0)
        outs = []
        for i in range(target.size(1)):
            q = hidden.permute(1, 0, 2)
            s = self.Va(torch.tanh(self.Wa(q) + self.Ua(enc))).squeeze(2).unsqueeze(1)
            w = F.softmax(s, dim=-1)
            c = torch.bmm(w, enc)
            o, hidden = self.gru(torch.cat((self.e(inp), c), dim=2), hidden)
            outs.append(self.out(o))
            inp = target[:, i].unsqueeze(1)
        return F.log_softmax(torch.cat(outs, dim=1), dim=-1), w


enc, dec = fill(Enc(7, 5)), fill(Dec(5, 7))
src = torch.tensor([[1, 2, 3], [4, 5, 6]])
tgt = src.flip(1)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=0.05)
for _ in range(5):
    opt.zero_grad()
    o, h = enc(src)
    d, w = dec(o, h, tgt)
    loss = F.nll_loss(d.view(-1, 7), tgt.reshape(-1))
    loss.backward()
    opt.step()
    print(f"{loss.item():.3f}")
_, topi = d.topk(1)
print(topi.squeeze(-1).shape)
show(w)
