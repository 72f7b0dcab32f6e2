import torch
from torch import nn

from tutorials.tools import attempt, fill


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
        )

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


model = NeuralNetwork().to("cpu")
print(model)
X = torch.rand(1, 28, 28)
logits = model(X)
pred_probab = nn.Softmax(dim=1)(logits)
print(pred_probab.shape, pred_probab.argmax(1).shape, round(pred_probab.sum().item(), 4))
input_image = torch.rand(3, 28, 28)
print(input_image.size())
print(nn.Flatten()(input_image).size())
print(nn.Linear(784, 20)(nn.Flatten()(input_image)).size())
fill(model)
for name, param in model.named_parameters():
    print(f"Layer: {name} | Size: {param.size()} | Values : {(param[:2] * 100).round()} \n")
print(
    model.linear_relu_stack[0],
    len(model.linear_relu_stack),
    model.linear_relu_stack[1:3],
    sum(p.numel() for p in model.parameters() if p.requires_grad),
)
for m in model.children():
    print(type(m).__name__)
print(
    [n for n, _ in model.named_modules()],
    model.training,
    model.eval().training,
    next(model.parameters()).dtype,
    isinstance(model.linear_relu_stack[0].weight, nn.Parameter),
    type(model.linear_relu_stack[0].weight),
)
model.double()
print(next(model.parameters()).dtype)
model.requires_grad_(False)
print(any(p.requires_grad for p in model.parameters()))
print(model.state_dict().keys(), type(model.state_dict()).__name__)
attempt(lambda: model.load_state_dict({"a": torch.ones(1)}))
attempt(lambda: model.foo)
attempt(lambda: nn.Module()(1))
attempt(lambda: nn.Linear(2, 3)(torch.ones(2, dtype=torch.long)))
attempt(lambda: nn.Sequential(1))
attempt(lambda: nn.ModuleList([1]))
attempt(lambda: setattr(model, "flatten", 3))
attempt(
    lambda: nn.Linear(2, 2).load_state_dict({"weight": torch.ones(3, 2), "bias": torch.ones(2)})
)
r = nn.Linear(2, 2).load_state_dict({"weight": torch.ones(2, 2), "x": torch.ones(1)}, strict=False)
print(r, r.missing_keys)
print(nn.Linear(2, 2).load_state_dict(nn.Linear(2, 2).state_dict()))
