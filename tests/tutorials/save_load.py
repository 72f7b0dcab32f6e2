import os
import tempfile

import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(8, 2)
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, x):
        return self.fc(F.relu(F.max_pool2d(self.conv1(x), 2)).flatten(1))


net = fill(Net())
optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
print("Model's state_dict:")
for k in net.state_dict():
    print(k, "\t", net.state_dict()[k].size())
print("Optimizer's state_dict:")
for k in optimizer.state_dict():
    print(k, "\t", optimizer.state_dict()[k])
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "m.pt")
    torch.save(net.state_dict(), path)
    other = Net()
    print(other.load_state_dict(torch.load(path, weights_only=True)))
    other.eval()
    x = data(1, 1, 6, 6)
    print(torch.equal(other(x), net(x)))
    torch.save(
        {
            "epoch": 5,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "loss": 0.4,
        },
        path,
    )
    ck = torch.load(path)
    print(ck["epoch"], ck["loss"], sorted(ck))
    optimizer.load_state_dict(ck["optimizer_state_dict"])
    torch.save([torch.ones(2), {"a": torch.arange(3)}], path)
    print(torch.load(path))
    t = torch.zeros(3)
    torch.save(t, path)
    print(torch.load(path, map_location="cpu"))
