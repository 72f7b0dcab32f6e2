import math

import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill, show


class PositionalEncoding(nn.Module):
    def __init__(self, d, max_len=20):
        super().__init__()
        self.dropout = nn.Dropout(0.0)
        pe = torch.zeros(max_len, d)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2).float() * (-math.log(10000.0) / d))
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0), :])


class LM(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.e = nn.Embedding(n, d)
        self.pos = PositionalEncoding(d)
        self.enc = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(d, 2, 16, dropout=0.0), 2, enable_nested_tensor=False
        )
        self.d = d
        self.dec = nn.Linear(d, n)

    def forward(self, s):
        return self.dec(
            self.enc(
                self.pos(self.e(s) * math.sqrt(self.d)),
                nn.Transformer.generate_square_subsequent_mask(len(s)),
            )
        )


m = fill(LM(11, 8))
tokens = torch.arange(24) % 11
src, tgt = tokens[:-1].view(-1, 1), tokens[1:]
opt = torch.optim.SGD(m.parameters(), lr=0.2)
sch = torch.optim.lr_scheduler.StepLR(opt, 1.0, gamma=0.95)
print(nn.Transformer.generate_square_subsequent_mask(3))
src = src[:10]
tgt = tgt[:10]
for _ in range(4):
    opt.zero_grad()
    out = m(src)
    loss = F.cross_entropy(out.view(-1, 11), tgt)
    loss.backward()
    print(
        round(torch.nn.utils.clip_grad_norm_(m.parameters(), 0.5).item(), 2), round(loss.item(), 2)
    )
    opt.step()
    sch.step()
print(sch.get_last_lr())
a = F.scaled_dot_product_attention(
    data(1, 2, 3, 4), data(1, 2, 3, 4), data(1, 2, 3, 4), is_causal=True
)
show(a)
mha = fill(nn.MultiheadAttention(4, 2, batch_first=True))
o, w = mha(data(1, 3, 4), data(1, 3, 4), data(1, 3, 4))
show(o, w)
