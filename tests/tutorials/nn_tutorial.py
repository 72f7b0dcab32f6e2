import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import data, fill, show


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, input):
        c1 = F.relu(self.conv1(input))
        s2 = F.max_pool2d(c1, (2, 2))
        c3 = F.relu(self.conv2(s2))
        s4 = F.max_pool2d(c3, 2)
        s4 = torch.flatten(s4, 1)
        return self.fc2(F.relu(self.fc1(s4)))


net = fill(Net())
print(net)
params = list(net.parameters())
print(len(params))
print(params[0].size())
input = data(1, 1, 32, 32)
out = net(input)
show(out)
net.zero_grad()
out.backward(torch.ones(1, 10))
target = data(10).view(1, -1)
criterion = nn.MSELoss()
loss = criterion(net(input), target)
show(loss)
print(loss.grad_fn)
print(loss.grad_fn.next_functions[0][0])
print(loss.grad_fn.next_functions[0][0].next_functions[0][0])
net.zero_grad()
print("conv1.bias.grad before backward")
print(net.conv1.bias.grad)
loss.backward()
print("conv1.bias.grad after backward")
show(net.conv1.bias.grad)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
optimizer.zero_grad()
loss = criterion(net(input), target)
loss.backward()
optimizer.step()
show(net.fc2.bias)


def hook(m, i, o):
    print(type(m).__name__, i[0].shape, o.shape)


h = net.fc1.register_forward_hook(hook)
net(input)
h.remove()
net(input)
pre = net.fc2.register_forward_pre_hook(lambda m, i: print("pre", len(i)))
net(input)
bh = net.fc2.register_full_backward_hook(lambda m, gi, go: print([g.shape for g in go]))
net(input).sum().backward()
