import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill, show

lstm = fill(nn.LSTM(3, 3))
inputs = [data(1, 3, k=i + 1.0) for i in range(5)]
hidden = (torch.zeros(1, 1, 3), torch.zeros(1, 1, 3))
for i in inputs:
    out, hidden = lstm(i.view(1, 1, -1), hidden)
show(out, *hidden)
inputs = torch.cat(inputs).view(len(inputs), 1, -1)
out, hidden = lstm(inputs)
show(out)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(9, 6)
        self.lstm = nn.LSTM(6, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, s):
        o, _ = self.lstm(self.e(s).view(len(s), 1, -1))
        return F.log_softmax(self.out(o.view(len(s), -1)), dim=1)


m = fill(Tagger())
opt = torch.optim.SGD(m.parameters(), lr=0.5)
s, t = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 1, 2, 0, 1])
for _ in range(20):
    m.zero_grad()
    loss = nn.NLLLoss()(m(s), t)
    loss.backward()
    opt.step()
show(loss)
print(m(s).argmax(1))
from_utils = nn.utils.rnn
p = from_utils.pad_sequence([torch.ones(3), torch.ones(1)], batch_first=True)
print(p)
packed = from_utils.pack_padded_sequence(data(2, 3, 3), [3, 1], batch_first=True)
o, _ = fill(nn.GRU(3, 2, batch_first=True))(packed)
print(from_utils.pad_packed_sequence(o, batch_first=True)[1], packed.batch_sizes)
rnn = fill(nn.RNN(4, 5, 2))
o, h = rnn(data(3, 2, 4))
show(h)
print(o.shape)
