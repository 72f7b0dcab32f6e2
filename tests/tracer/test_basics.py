"""What a first tutorial does prints here what it prints on PyTorch."""

from __future__ import annotations

import pytest
from snippets import assert_prints_the_same

SNIPPETS = {
    "from_list": "print(torch.tensor([[1, 2], [3, 4]]))",
    "from_floats": "print(torch.tensor([[1.5, -2.0], [3.0, 4.25]]))",
    "from_numpy": "print(torch.from_numpy(np.arange(6.0).reshape(2, 3)))",
    "zeros_ones_full": """
        print(torch.zeros(2, 3), torch.ones((2, 2), dtype=torch.int32), torch.full((2,), 7.5))
        print(torch.full((2,), 3), torch.empty(2, 3).shape, torch.eye(3))
    """,
    "ranges": """
        print(torch.arange(5), torch.arange(1, 4), torch.arange(1, 2.5, 0.5))
        print(torch.linspace(0, 1, 5))
    """,
    "like": """
        x = torch.tensor([[1, 2], [3, 4]])
        print(torch.zeros_like(x), torch.ones_like(x), torch.full_like(x, 9))
        print(torch.zeros_like(x, dtype=torch.float64), x.new_ones(2), x.new_tensor([1.5]))
    """,
    "attributes": """
        x = torch.ones(3, 4)
        print(x.shape, x.size(), x.size(1), x.dtype, x.device, x.ndim, x.dim(), x.numel(), len(x))
        print(x.stride(), x.is_contiguous(), x.t().is_contiguous(), x.t().stride(), x.requires_grad)
        print(x.element_size(), x.nbytes, x.itemsize)
    """,
    "dtypes": """
        x = torch.tensor([1, 2, 3])
        print(x.float(), x.double(), x.to(torch.float16), x.bool(), x.long(), x.to(torch.uint8))
        print(torch.tensor([True, False]), torch.tensor(3), torch.tensor(2.5), torch.tensor([]))
        print(torch.tensor([1, 2.5]).dtype, torch.tensor([1 + 2j]).dtype, torch.tensor(True).dtype)
    """,
    "promotion": """
        i, f, d = torch.tensor([1, 2]), torch.tensor([1.0, 2.0]), torch.tensor([1.0]).double()
        b = torch.tensor([True, False])
        print((i + f).dtype, (i + 1.5).dtype, (f + d).dtype, (b + i).dtype, (i / 2).dtype)
        print((b + 1).dtype, (f * 2j).dtype, (i + d.sum()).dtype, (f + d.sum()).dtype)
        print((torch.tensor([1], dtype=torch.uint8) + torch.tensor([1], dtype=torch.int8)).dtype)
    """,
    "add_operator": """
        a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0])
        print(a + b)
    """,
    "add_function": """
        a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0])
        print(torch.add(a, b), a.add(b), torch.add(a, b, alpha=2))
    """,
    "add_out": """
        a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0])
        result = torch.empty(3)
        same = torch.add(a, b, out=result)
        print(result, same is result)
    """,
    "add_in_place": """
        a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 30.0])
        same = b.add_(a)
        print(b, same is b)
        b += a
        print(b)
    """,
    "add_scalar": """
        a = torch.tensor([1.0, 2.0, 3.0])
        print(a + 1, 1 + a, a - 0.5, 2 - a, a * 3, a / 2, 1 / a, a // 2, a % 2, a ** 2, 2 ** a, -a)
    """,
    "add_broadcast": """
        a, b = torch.ones(2, 1, 3), torch.arange(4.0).reshape(4, 1)
        print(a + b, (a + b).shape)
    """,
    "broadcast_error": """
        try:
            torch.ones(2, 3) + torch.ones(4, 3)
        except RuntimeError as error:
            print(isinstance(error, RuntimeError))
        try:
            torch.ones(2, 3).add_(torch.ones(5, 2, 3))
        except RuntimeError as error:
            print("refused")
    """,
    "comparison": """
        a, b = torch.tensor([1, 2, 3]), torch.tensor([3, 2, 1])
        print(a == b, a < b, a >= 2, (a != b).any(), (a > 0).all(), torch.equal(a, b))
        print(torch.where(a > b, a, b), torch.maximum(a, b), a.clamp(1, 2))
    """,
    "index_shares_memory": """
        x = torch.zeros(3, 3)
        row = x[1]
        row += 5
        column = x[:, 2]
        column.fill_(7)
        print(x)
        x[0, 0] = 9
        x[2] = torch.tensor([1.0, 2.0, 3.0])
        print(x, row, column)
    """,
    "index_kinds": """
        x = torch.arange(24).reshape(2, 3, 4)
        print(x[0], x[-1, 1:], x[..., 0], x[:, None, 0, ::2].shape, x[1, 2, 3])
        print(x[x > 20], x[torch.tensor([0, 0])].shape, x[:, [2, 0]])
        print(x[0, torch.tensor([0, 1]), torch.tensor([3, 2])])
    """,
    "index_copies_with_list": """
        x = torch.arange(4.0)
        picked = x[[0, 2]]
        picked += 100
        x[[1, 3]] = -1.0
        x[x > 1] *= 10
        print(x, picked)
    """,
    "view_and_reshape": """
        x = torch.arange(6)
        y = x.view(2, 3)
        y[0, 0] = 100
        z = x.reshape(3, -1)
        z[2, 1] = 200
        print(x, y, z, y.t(), y.flatten(), y.unsqueeze(0).shape, y.squeeze().shape)
        print(x.data_ptr() == y.data_ptr(), y.t().reshape(6).data_ptr() == x.data_ptr())
    """,
    "clone": """
        x = torch.ones(2)
        y = x.clone()
        y += 1
        print(x, y)
    """,
    "to_python": """
        x = torch.tensor([[1, 2], [3, 4]])
        print(x.tolist(), x[1, 0].item(), torch.tensor(2.5).item(), x.sum().item())
        print(float(torch.tensor(3)), int(torch.tensor(3.7)), bool(torch.tensor([0])))
        print([v.item() for v in torch.arange(3)], f"{torch.tensor(3.14159):.2f}")
    """,
    "numpy_both_ways": """
        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        print(x.numpy(), x.numpy().dtype, torch.tensor(np.float64([1, 2])), np.asarray(x).sum())
    """,
    "reductions": """
        x = torch.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
        print(x.sum(), x.sum(0), x.mean(dim=1, keepdim=True), x.max(), x.max(dim=1), x.argmin(1))
        print(x.std(), x.var(0), x.prod(), x.cumsum(1), x.norm(), x.min(0).values)
    """,
    "join": """
        a, b = torch.ones(2, 2), torch.zeros(1, 2)
        print(torch.cat([a, b]), torch.stack([a, a], dim=-1).shape, torch.cat((a, a), dim=1))
        print(torch.chunk(torch.arange(5), 2), torch.arange(5).split([2, 3]), a.repeat(2, 1))
    """,
    "matrix_product": """
        a, b = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(3, 4)
        print(a @ b, torch.matmul(a, b[:, 0]), a.mm(b).shape, torch.dot(a[0], a[1]))
        print(torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 4, 5)).shape)
        print(torch.einsum("ij,kj->ik", a, a), a.mv(torch.ones(3)))
    """,
    "elementwise": """
        x = torch.tensor([0.0, 0.5, 1.0])
        print(x.exp(), x.sqrt(), x.sin(), torch.tanh(x), torch.sigmoid(x), torch.relu(x - 0.5))
        print((x + 1).log(), x.abs(), x.round(), torch.floor(x - 0.25), x.pow(3))
        print(torch.softmax(x, 0), F.log_softmax(x, dim=0), torch.logsumexp(x, 0))
    """,
    "requires_grad": """
        x = torch.ones(2, 2, requires_grad=True)
        print(x, x.grad, x.grad_fn, x.is_leaf)
        y = x + 2
        print(y, y.requires_grad, y.is_leaf)
        z = y * y * 3
        out = z.mean()
        print(z, out)
        out.backward()
        print(x.grad)
    """,
    "requires_grad_flag": """
        a = torch.tensor([1.0, 2.0])
        print((a * 3).requires_grad)
        a.requires_grad_(True)
        b = (a * a).sum()
        print(a.requires_grad, b.grad_fn)
    """,
    "grad_fn_chain": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = (x * 2 + 1).exp().sum()
        step = y.grad_fn
        while step is not None:
            print(step.name(), step, len(step.next_functions))
            step = step.next_functions[0][0] if step.next_functions else None
    """,
    "next_functions": """
        x = torch.ones(2, requires_grad=True)
        y = torch.ones(2, requires_grad=True)
        print((x * y).grad_fn.next_functions)
        print((x - y * 2).grad_fn.next_functions)
        print((x + torch.ones(2)).grad_fn.next_functions)
        print(torch.cat([x, y]).grad_fn.next_functions)
    """,
    "grad_fn_names": """
        x = torch.rand(2, 2, requires_grad=True)
        for y in (
            x + 1, x - x, 1 - x, x * 2, x / x, x ** 2, x ** x, -x, x @ x, x.t(), x.view(4),
            x.reshape(4), x[0], x[:, 0], x[0:1], x[torch.tensor([0])], x.sum(), x.sum(0), x.mean(),
            x.mean(1), x.max(), x.max(1).values, x.exp(), x.log(), x.sqrt(), x.sin(), x.tanh(),
            x.sigmoid(), x.relu(), x.abs(), x.clone(), x.unsqueeze(0), x[None].squeeze(0),
            x.expand(3, 2, 2), x.clamp(0, 1), x.softmax(0), x.log_softmax(1), x.permute(1, 0),
            x.transpose(0, 1), torch.cat([x, x]), torch.stack([x, x]), x.double(), x.flatten(),
            torch.where(x > 0, x, 1 - x), x.prod(), x.std(), x.var(), x.norm(), x.cumsum(0),
            torch.maximum(x, x), F.gelu(x), F.silu(x), F.softplus(x), F.leaky_relu(x), F.elu(x),
            F.linear(x, x), F.linear(x, x, x[0]), F.mse_loss(x, x), F.dropout(x, 0.5),
            F.cross_entropy(x, torch.tensor([0, 1])), F.layer_norm(x, (2,)), F.l1_loss(x, x),
            F.embedding(torch.tensor([1]), x), torch.addmm(x, x, x), torch.bmm(x[None], x[None]),
            x.logsumexp(0), x.repeat(2, 1), x.gather(0, torch.tensor([[0, 1]])), x.tril(),
            x.diagonal(), x.flip(0), x.chunk(2)[0],
            x.unbind(0)[0], F.pad(x, (1, 1)), x.masked_fill(x > 0.5, 0), x.detach() * x,
        ):
            print(y.grad_fn.name())
    """,
    "grad_fn_of_layers": """
        x = torch.rand(2, 3, 8, 8, requires_grad=True)
        print(nn.Conv2d(3, 4, 3)(x).grad_fn.name(), nn.BatchNorm2d(3)(x).grad_fn.name())
        print(F.max_pool2d(x, 2).grad_fn.name(), F.avg_pool2d(x, 2).grad_fn.name())
        print(F.adaptive_avg_pool2d(x, 2).grad_fn.name(), nn.Linear(8, 2)(x[0, 0]).grad_fn.name())
    """,
    "linear_next_functions": """
        layer = nn.Linear(3, 2)
        loss = F.mse_loss(layer(torch.ones(1, 3)).relu(), torch.zeros(1, 2))
        print(loss.grad_fn)
        print(loss.grad_fn.next_functions[0][0])
        print(loss.grad_fn.next_functions[0][0].next_functions[0][0])
        linear = loss.grad_fn.next_functions[0][0].next_functions[0][0]
        print("AccumulateGrad" in repr(linear.next_functions))
    """,
    "accumulate_grad": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (x * 2).sum().backward()
        print(x.grad)
        (x * x).sum().backward()
        print(x.grad)
        x.grad.zero_()
        (x * 3).sum().backward()
        print(x.grad)
        x.grad = None
        print(x.grad)
    """,
    "gradient_argument": """
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x * 2
        y.backward(torch.tensor([0.1, 1.0, 0.0001]))
        print(x.grad)
        try:
            (x * 2).backward()
        except RuntimeError:
            print("only for scalars")
    """,
    "retain_graph": """
        x = torch.tensor([3.0], requires_grad=True)
        y = x ** 2
        y.backward(retain_graph=True)
        print(x.grad)
        y.backward()
        print(x.grad)
        try:
            y.backward()
        except RuntimeError:
            print("freed")
    """,
    "detach": """
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x.detach()
        print(y, y.requires_grad, torch.equal(x, y))
        (x * x.detach()).sum().backward()
        print(x.grad)
        y[0] = 9
        print(x)
    """,
    "no_grad": """
        x = torch.tensor([1.0], requires_grad=True)
        with torch.no_grad():
            y = x * 2
        print(y.requires_grad, (x ** 2).requires_grad, torch.is_grad_enabled())
        @torch.no_grad()
        def double(v):
            return v * 2
        print(double(x).requires_grad)
        with torch.set_grad_enabled(False):
            print((x * 2).requires_grad)
    """,
    "custom_function": """
        class Exp(torch.autograd.Function):
            @staticmethod
            def forward(ctx, i):
                result = i.exp()
                ctx.save_for_backward(result)
                return result

            @staticmethod
            def backward(ctx, grad_output):
                (result,) = ctx.saved_tensors
                return grad_output * result

        x = torch.tensor([0.0, 1.0], requires_grad=True)
        y = Exp.apply(x)
        y.sum().backward()
        print(y, x.grad)
    """,
    "polynomial_by_hand": """
        x = torch.linspace(-3, 3, 50)
        y = torch.sin(x)
        a, b, c, d = (torch.tensor(v, requires_grad=True) for v in (0.1, 0.2, -0.1, 0.0))
        for t in range(60):
            loss = (a + b * x + c * x ** 2 + d * x ** 3 - y).pow(2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (a, b, c, d):
                    p -= 1e-3 * p.grad
                    p.grad = None
            if t % 20 == 19:
                print(t, f"{loss.item():.4f}")
        print(f"{a.item():.4f} {b.item():.4f} {c.item():.4f} {d.item():.4f}")
    """,
    "linear_trained": """
        layer = nn.Linear(3, 1)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[0.1, -0.2, 0.3]]))
            layer.bias.zero_()
        x = torch.sin(torch.arange(12.0)).reshape(4, 3)
        y = torch.tensor([[1.0], [0.0], [2.0], [-1.0]])
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        criterion = nn.MSELoss()
        print(layer, [(name, p.shape) for name, p in layer.named_parameters()])
        for _ in range(3):
            optimizer.zero_grad()
            loss = criterion(layer(x), y)
            loss.backward()
            optimizer.step()
            print(f"{loss.item():.4f}")
        print(layer.weight, layer.bias, layer.weight.grad)
    """,
    "sequential": """
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
        print(net, len(net), net[0], sum(p.numel() for p in net.parameters()))
        print(list(net.state_dict()), net.training, net.eval().training)
        print(net(torch.zeros(3, 4)).shape)
    """,
    "module": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(2, 3)
                self.norm = nn.BatchNorm1d(3)
                self.register_buffer("scale", torch.tensor(2.0))

            def forward(self, x):
                return F.relu(self.norm(self.fc1(x))) * self.scale

        net = Net()
        print(net)
        print([name for name, _ in net.named_modules()], [n for n, _ in net.named_buffers()])
        print(list(net.state_dict()), net(torch.ones(4, 2)).shape)
    """,
    "optimizer_print": """
        layer = nn.Linear(2, 2)
        print(sorted(torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9).param_groups[0]))
        print(list(torch.optim.SGD(layer.parameters(), lr=0.1).state_dict()))
    """,
    "print_forms": """
        print(torch.arange(2000), torch.tensor([1e10, 1.0]), torch.tensor([1e-5, 1.0]))
        print(torch.tensor([float("nan"), float("inf"), 1.0]), torch.tensor([1, -20, 300]))
        print(torch.zeros(0, 3), torch.zeros(2, 0), torch.tensor([[True]]), torch.ones(1, 1, 1))
        print(torch.tensor(1.0, dtype=torch.float64), torch.tensor([1 + 2j, 3 - 4.5j]))
        print(torch.ones(2, requires_grad=True) * 2, repr(torch.tensor(5)))
        print(torch.arange(12.0).reshape(3, 4) / 7)
    """,
    "seeded_shapes": """
        torch.manual_seed(1)
        print(torch.rand(2, 3).shape, torch.randn(4).dtype, torch.randint(0, 10, (3,)).dtype)
        print(sorted(torch.randperm(5).tolist()), torch.rand_like(torch.ones(2)).shape)
    """,
    "assignment_of_scalars": """
        x = torch.zeros(2, 3, dtype=torch.int64)
        x[0] = 1
        x[:, 1] = torch.tensor([7, 8])
        x[1, 2] += 5
        x[..., 0] -= 2
        print(x)
    """,
    "gather_and_scatter": """
        x = torch.arange(6.0).reshape(2, 3)
        index = torch.tensor([[2, 0], [1, 1]])
        print(x.gather(1, index), torch.zeros(2, 3).scatter_(1, index, 1.0))
        print(x.index_select(1, torch.tensor([2, 0])), torch.take(x, torch.tensor([0, 5])))
    """,
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_prints_what_pytorch_prints(name: str):
    assert_prints_the_same(SNIPPETS[name])
