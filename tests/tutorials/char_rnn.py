import torch
from torch import nn

from tutorials.tools import fill

text = "hello world, hello graph. " * 3
chars = sorted(set(text))
ix = {c: i for i, c in enumerate(chars)}


class CharRNN(nn.Module):
    def __init__(self, n, h):
        super().__init__()
        self.h = h
        self.i2h = nn.Linear(n + h, h)
        self.h2o = nn.Linear(h, n)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, x, hidden):
        c = torch.cat((x, hidden), 1)
        hidden = torch.tanh(self.i2h(c))
        return self.softmax(self.h2o(hidden)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.h)


def one(c):
    t = torch.zeros(1, len(chars))
    t[0][ix[c]] = 1
    return t


rnn = fill(CharRNN(len(chars), 12))
crit = nn.NLLLoss()
total = 0
for it in range(6):
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    loss = torch.tensor(0.0)
    for a, b in zip(text[:12], text[1:13]):
        out, hidden = rnn(one(a), hidden)
        loss = loss + crit(out, torch.tensor([ix[b]]))
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-0.05)
    print(f"{loss.item() / 12:.3f}")
topv, topi = out.topk(2)
print(topi, chars[topi[0][0].item()])
print(out.shape, out.max(1)[1].item())
