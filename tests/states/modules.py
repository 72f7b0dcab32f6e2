"""Modules, parameters, hooks, gradients and optimizers."""

from .rows import program, states

MODEL = """
def make():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(torch.cos(torch.arange(1.0 * p.numel()) + i).reshape(p.shape) * 0.5)
    return model
model = make()
"""
CALL = (
    MODEL
    + """
@compile
def f(x):
    return model(x)
"""
)
STEP = (
    MODEL
    + """
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
@compile
def step(x):
    opt.zero_grad()
    loss = (model(x) ** 2).mean()
    loss.backward()
    opt.step()
    return loss.detach()
def weights():
    return [p.detach().clone() for p in model.parameters()]
"""
)


def steps(name: str, change: str, before: int = 2, after: int = 2, **expected):
    """A row of training steps with a change in the middle."""
    source = f"{STEP}\nfor i in range({before}):\n    show(step(x + i))\n{change.strip()}\n"
    source += f"for i in range({after}):\n    show(step(x - i), weights())\n"
    return program(name, source, **expected)


ROWS = (
    program(
        "norm that has to be finite",
        """
        linear = nn.Linear(3, 2)
        for p in linear.parameters():
            p.data.fill_(0.1)
        opt = torch.optim.SGD(linear.parameters(), lr=0.1, momentum=0.9)
        sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.5)
        seen = torch.zeros(())
        @compile
        def step(x):
            opt.zero_grad()
            loss = linear(x).pow(2).sum()
            loss.backward()
            seen.add_(1)
            nn.utils.clip_grad_norm_(linear.parameters(), 1.0, error_if_nonfinite=True)
            opt.step()
            sched.step()
            return loss
        for scale in (1, 2, float('inf'), 3, float('nan'), 1):
            try:
                show(step(x * scale))
            except RuntimeError as error:
                show('non-finite' in str(error))
            show(linear.weight, linear.weight.grad, seen, sched.get_last_lr())
        """,
    ),
    program(
        "norm that is infinite at first",
        """
        w = x.clone().requires_grad_()
        @compile
        def step(x):
            w.grad = None
            (w * x).sum().backward()
            norm = nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
            return norm * 2
        for scale in (float('inf'), 1, 2, float('inf'), 3):
            try:
                show(step(x * scale))
            except RuntimeError as error:
                show('non-finite' in str(error))
            show(w.grad)
        """,
    ),
    states(
        "training",
        MODEL.replace("nn.Tanh()", "nn.Dropout(1.0)") + "f = compile(model)",
        "model.train()",
        "model.eval()",
        "f(x)",
        "training",
    ),
    states(
        "training of a part",
        MODEL.replace("nn.Tanh()", "nn.Dropout(1.0)") + "@compile\ndef f(x): return model(x)",
        "model[1].train()",
        "model[1].eval()",
        "f(x)",
        "training",
    ),
    states(
        "batch norm's training",
        """
        norm = nn.BatchNorm1d(3)
        m = torch.arange(12.0).reshape(4, 3)
        @compile
        def f(): return norm(m)
        """,
        "norm.train()",
        "norm.eval()",
        "f(), norm.running_mean",
        "training",
    ),
    states(
        "plain attribute",
        """
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.k = 1.0
            def forward(self, x): return x * self.k
        model = M()
        f = compile(model)
        """,
        "model.k = 2.0",
        "model.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "attribute of a layer",
        "norm = nn.LayerNorm(3)\n@compile\ndef f(x): return norm(x)",
        "norm.eps = 1e-5",
        "norm.eps = 1.0",
        "f(x)",
        "eps is",
    ),
    states(
        "class attribute of a module",
        """
        class M(nn.Module):
            k = 1.0
            def forward(self, x): return x * self.k
        f = compile(M())
        """,
        "M.k = 2.0",
        "M.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "forward replaced on the instance",
        CALL + "new = lambda v: v * 2",
        "vars(model[1]).pop('forward', None)",
        "model[1].forward = new",
        "f(x)",
        "forward",
    ),
    states(
        "forward replaced on the class",
        """
        class M(nn.Module):
            def forward(self, x): return x * 2
        first, second = M.forward, lambda self, x: x * 3
        model = M()
        @compile
        def f(x): return model(x)
        """,
        "M.forward = first",
        "M.forward = second",
        "f(x)",
        "forward is",
    ),
    states(
        "layer replaced",
        CALL + "a, b = model[1], nn.ReLU()",
        "model[1] = a",
        "model[1] = b",
        "f(x)",
        "1 is",
    ),
    states(
        "layer replaced by attribute",
        """
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.Tanh()
            def forward(self, x): return self.act(x)
        model = M()
        a, b = model.act, nn.ReLU()
        f = compile(model)
        """,
        "model.act = a",
        "model.act = b",
        "f(x)",
        "act is",
    ),
    states(
        "module list that grows",
        """
        layers = nn.ModuleList([nn.Tanh()])
        @compile
        def f(x):
            for layer in layers:
                x = layer(x)
            return x
        """,
        "layers.__delitem__(1) if len(layers) > 1 else None",
        "layers.append(nn.ReLU())",
        "f(x)",
        "ModuleList",
        traces=3,
    ),
    states(
        "parameter list",
        """
        ps = nn.ParameterList([torch.ones(3)])
        a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))
        @compile
        def f(x): return x * ps[0]
        """,
        "ps[0] = a",
        "ps[0] = b",
        "f(x)",
        "is",
    ),
    states(
        "parameter replaced",
        CALL + "a, b = model[2].bias, nn.Parameter(torch.ones(2))",
        "model[2].bias = a",
        "model[2].bias = b",
        "f(x)",
        "bias is",
    ),
    states(
        "parameter set to None",
        CALL + "a = model[2].bias",
        "model[2].bias = a",
        "model[2].bias = None",
        "f(x)",
        "bias is",
    ),
    states(
        "buffer replaced",
        """
        norm = nn.BatchNorm1d(3).eval()
        a, b = norm.running_mean, torch.ones(3)
        m = torch.arange(12.0).reshape(4, 3)
        @compile
        def f(): return norm(m)
        """,
        "norm.running_mean = a",
        "norm.running_mean = b",
        "f()",
        "running_mean is",
    ),
    program(
        "parameter written between calls",
        CALL
        + """
for i in range(4):
    show(f(x))
    with torch.no_grad():
        model[0].weight.mul_(0.5)
""",
    ),
    program(
        "parameter's data assigned",
        CALL
        + """
for i in range(4):
    show(f(x))
    model[0].weight.data = torch.ones(4, 3) * i
""",
    ),
    program(
        "parameters swapped by data",
        CALL
        + """
show(f(x))
show(f(x))
a, b = model[0].bias, nn.Parameter(torch.ones(4))
a.data, b.data = b.data, a.data
show(f(x))
a.data.add_(1)
show(f(x))
""",
    ),
    program(
        "load_state_dict between calls",
        CALL
        + """
saved = {k: v.clone() for k, v in model.state_dict().items()}
show(f(x))
with torch.no_grad():
    for p in model.parameters():
        p.zero_()
show(f(x))
model.load_state_dict(saved)
show(f(x))
""",
    ),
    program(
        "load_state_dict by assignment",
        CALL
        + """
show(f(x))
model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()}, assign=True)
show(f(x))
show(f(x))
""",
        traces=2,
        guard="is",
    ),
    program(
        "module's dtype converted",
        CALL
        + """
show(f(x))
model.double()
show(f(x.double()))
model.float()
show(f(x))
""",
        traces=2,
        guard="argument",
    ),
    program(
        "layer's dtype converted",
        """
w = nn.Linear(3, 2, bias=False)
with torch.no_grad():
    w.weight.copy_(torch.arange(6.0).reshape(2, 3))
@compile
def f(x): return w.weight * 2
for i in range(2):
    show(f(x))
    w.double()
    show(f(x))
    w.float()
show(f(x))
""",
        traces=2,
        guard="captured",
    ),
    states(
        "parameter frozen",
        MODEL
        + """
@compile
def f(x):
    model.zero_grad()
    model(x).sum().backward()
""",
        "model[0].weight.requires_grad_(True)",
        "model[0].weight.requires_grad_(False)",
        "f(x), [p.grad for p in model.parameters()]",
        "requires_grad",
    ),
    states(
        "all frozen",
        CALL,
        "model.requires_grad_(True)",
        "model.requires_grad_(False)",
        "f(x)",
        "requires_grad",
    ),
    states(
        "weights tied and untied",
        """
        a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            a.weight.copy_(torch.arange(9.0).reshape(3, 3))
            b.weight.copy_(torch.arange(9.0).reshape(3, 3).t())
        own = b.weight
        @compile
        def f(x):
            a.zero_grad()
            b.zero_grad()
            b(a(x)).sum().backward()
        """,
        "b.weight = own",
        "b.weight = a.weight",
        "f(x), a.weight.grad, b.weight.grad",
        "weight is",
    ),
    program(
        "weights tied by data",
        """
a, b = torch.ones(3), torch.ones(3)
@compile
def f(x):
    a.add_(x)
    return a + b
show(f(x), b)
b.data = a.data
show(f(x), b)
show(f(x), b)
b.data = torch.ones(3)
show(f(x), b)
show(f(x), b)
""",
        traces=2,
        guard="memory",
    ),
    program(
        "tied by data from the start",
        """
a, b = torch.ones(3), torch.ones(3)
b.data = a.data
@compile
def f(x):
    a.add_(x)
    return a + b
show(f(x), b)
show(f(x), b)
b.data = torch.ones(3)
show(f(x), b)
b.data = a.data
show(f(x), b)
""",
        traces=2,
        guard="memory",
    ),
    # Hooks
    states(
        "forward hook",
        CALL + "double = lambda m, a, out: out * 2",
        "[h.remove() for h in globals().pop('hs', [])]",
        "hs = [model[2].register_forward_hook(double)]",
        "f(x)",
        "hooks",
    ),
    states(
        "forward pre-hook",
        CALL + "double = lambda m, a: (a[0] * 2,)",
        "[h.remove() for h in globals().pop('hs', [])]",
        "hs = [model[0].register_forward_pre_hook(double)]",
        "f(x)",
        "hooks",
    ),
    states(
        "backward hook",
        MODEL
        + """
x = x.requires_grad_()
@compile
def f(x):
    (g,) = torch.autograd.grad(model(x).sum(), x)
    return g
double = lambda m, i, o: (i[0] * 2,)
""",
        "[h.remove() for h in globals().pop('hs', [])]",
        "hs = [model[0].register_full_backward_hook(double)]",
        "f(x)",
        "hooks",
    ),
    states(
        "hook on a parameter",
        MODEL
        + """
@compile
def f(x):
    model.zero_grad()
    model(x).sum().backward()
double = lambda g: g * 2
""",
        "[h.remove() for h in globals().pop('hs', [])]",
        "hs = [model[0].weight.register_hook(double)]",
        "f(x), model[0].weight.grad",
        "hooks",
    ),
    states(
        "hook after accumulation",
        MODEL
        + """
@compile
def f(x):
    model.zero_grad()
    model(x).sum().backward()
def halve(p):
    p.grad = p.grad / 2
""",
        "[h.remove() for h in globals().pop('hs', [])]",
        "hs = [model[0].weight.register_post_accumulate_grad_hook(halve)]",
        "f(x), model[0].weight.grad",
        "hooks",
    ),
    states(
        "hook on an argument",
        """
        @compile
        def f(y):
            (y * y).sum().backward()
        def make():
            y = torch.ones(3, requires_grad=True)
            if hooked:
                y.register_hook(lambda g: g * 3)
            f(y)
            return y.grad
        """,
        "hooked = False",
        "hooked = True",
        "make()",
        "argument 0",
        traces=4,
    ),
    states(
        "state of a hook",
        CALL
        + """
k = 1.0
handle = model[2].register_forward_hook(lambda m, a, out: out * k)
""",
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    program(
        "hook that counts",
        CALL
        + """
seen = []
model[2].register_forward_hook(lambda m, a, out: seen.append(1))
for i in range(3):
    show(f(x), len(seen))
""",
        "CONTAINER",
    ),
    program(
        "hook that keeps activations",
        CALL
        + """
kept = {}
def keep(m, a, out):
    kept['out'] = out.detach()
model[2].register_forward_hook(keep)
for i in range(3):
    show(f(x + i), kept['out'])
""",
        "CHANGES",
    ),
    program(
        "hook registered inside",
        CALL.replace(
            "return model(x)",
            """
    handle = model[0].register_forward_hook(lambda m, a, out: out * 2)
    y = model(x)
    handle.remove()
    return y""",
        )
        + """
for i in range(3):
    show(f(x + i), len(model[0]._forward_hooks))
""",
    ),
    # Gradients
    program(
        "gradients accumulate",
        MODEL
        + """
@compile
def f(x):
    model(x).sum().backward()
for i in range(4):
    f(x + i)
    show([p.grad for p in model.parameters()])
""",
        traces=2,
        guard=".grad",
    ),
    program(
        "gradients accumulate and are cleared outside",
        MODEL
        + """
@compile
def f(x):
    model(x).sum().backward()
for i in range(6):
    f(x + i)
    show([p.grad for p in model.parameters()])
    if i % 2:
        model.zero_grad()
""",
        traces=2,
        guard=".grad",
    ),
    program(
        "gradient read by the function",
        """
w = torch.ones(3, requires_grad=True)
@compile
def f(x):
    return x if w.grad is None else x * w.grad
show(f(x))
w.grad = torch.full((3,), 4.0)
show(f(x))
w.grad = torch.full((3,), 5.0)
show(f(x))
w.grad = torch.full((3,), 6.0)
show(f(x))
w.grad = None
show(f(x))
""",
        traces=2,
        guard=".grad",
    ),
    program(
        "history of a gradient read by the function",
        """
w, v = x.clone().requires_grad_(), (x * 2).requires_grad_()
@compile
def f(x):
    return x * w.grad
@compile
def step():
    (w**3).sum().backward(create_graph=True)
for make in (lambda: x * 1, lambda: v * w, lambda: x * 3, lambda: v * x):
    w.grad = make()
    out = f(x)
    show(out, out.requires_grad)
    step()
    show(w.grad, *torch.autograd.grad((w.grad * w).sum(), w))
""",
        traces=4,
        recompiles=2,
        guard=".grad",
    ),
    program(
        "gradient that is a view, read by the function",
        """
w = torch.ones(3, requires_grad=True)
@compile
def f(x):
    return x * w.grad, w.grad.stride()
both = torch.arange(6.0).reshape(2, 3)
for grad in (x * 2, both[1], both[0], both.T.contiguous().T[0], both.reshape(3, 2)[:, 0], x * 3):
    w.grad = grad
    show(*f(x))
""",
        traces=5,
        guard=".grad",
    ),
    program(
        "gradient kept by the user",
        MODEL
        + """
@compile
def f(x):
    model.zero_grad()
    model(x).sum().backward()
kept = []
for i in range(3):
    f(x + i)
    kept.append(model[0].weight.grad)
show(kept)
""",
    ),
    # Optimizers
    steps("steps", "pass"),
    steps("learning rate", "opt.param_groups[0]['lr'] = 0.01"),
    steps("learning rate zero", "opt.param_groups[0]['lr'] = 0.0"),
    steps("momentum zero", "opt.param_groups[0]['momentum'] = 0.0", traces=2, guard="momentum"),
    steps(
        "weight decay from zero",
        "opt.param_groups[0]['weight_decay'] = 0.1",
        traces=2,
        guard="weight_decay",
    ),
    steps(
        "switch of an optimizer",
        "opt.param_groups[0]['nesterov'] = True",
        traces=2,
        guard="nesterov",
    ),
    steps(
        "parameter group added",
        "extra = nn.Parameter(torch.ones(2))\n"
        "model.register_parameter('extra', extra)\n"
        "extra.grad = torch.ones(2)\n"
        "opt.add_param_group({'params': [extra], 'lr': 0.5})",
        traces=2,
        guard="",
    ),
    steps(
        "group's parameters changed",
        "opt.param_groups[0]['params'].pop()",
        traces=2,
        guard="params",
    ),
    steps(
        "parameter frozen between steps",
        "model[0].weight.requires_grad_(False)",
        traces=2,
        guard="requires_grad",
    ),
    steps("state of the optimizer cleared", "opt.state.clear()", traces=2, guard=""),
    steps(
        "optimizer's state loaded",
        "import copy\nopt.load_state_dict(copy.deepcopy(opt.state_dict()))",
        traces=2,
        guard="",
    ),
    steps(
        "another optimizer",
        "opt = torch.optim.Adam(model.parameters(), lr=0.01)",
        traces=2,
        guard="opt is",
    ),
    steps(
        "optimizer step patched",
        "old = opt.step\nopt.step = lambda: (old(), None)[1]",
        traces=2,
        guard="step",
    ),
    steps(
        "optimizer step hook",
        "opt.register_step_post_hook(lambda o, a, k: model[2].bias.data.zero_())",
        traces=2,
        guard="hook",
    ),
    program(
        "scheduler inside",
        STEP.replace("opt.step()", "opt.step()\n    schedule.step()")
        + """
schedule = torch.optim.lr_scheduler.StepLR(opt, 2, 0.5)
for i in range(5):
    show(step(x), weights(), opt.param_groups[0]['lr'], schedule.last_epoch)
""",
    ),
    program(
        "rate read by the function",
        STEP.replace("return loss", "return opt.param_groups[0]['lr'] * loss")
        + """
for lr in (0.1, 0.2, 0.1):
    opt.param_groups[0]['lr'] = lr
    show(step(x))
""",
        traces=2,
        guard="lr",
    ),
    program(
        "rate written by the function",
        STEP.replace("opt.step()", "opt.param_groups[0]['lr'] *= 0.5\n    opt.step()")
        + """
for i in range(3):
    show(step(x), weights(), opt.param_groups[0]['lr'])
""",
        "HYPERS",
    ),
    states(
        "list of a layer",
        """
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.scales = [1.0, 2.0]
            def forward(self, x): return x * sum(self.scales)
        model = M()
        f = compile(model)
        """,
        "model.scales[:] = [1.0, 2.0]",
        "model.scales[1] = 3.0",
        "f(x)",
        "scales is",
    ),
    states(
        "shape of a tensor asked for",
        """
        w = torch.ones(3)
        a, b = torch.ones(3), torch.ones(5)
        @compile
        def f(x): return x * w.shape[0]
        """,
        "w.data = a",
        "w.data = b",
        "f(x)",
        "captured tensor",
    ),
    program(
        "argument made a leaf",
        """
        @compile
        def f(x):
            x.requires_grad_()
            (x ** 2).sum().backward()
        for i in range(3):
            y = x + i
            f(y)
            show(y, y.grad)
        """,
    ),
    program(
        "parameter group replaced",
        """
        w = nn.Parameter(x.clone())
        opt = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        @compile
        def f():
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
        for i in range(4):
            f()
        show(w)
        opt.param_groups[0] = {**opt.param_groups[0], 'maximize': True, 'lr': 0.01}
        for i in range(3):
            f()
            show(w)
        opt.param_groups[0]['lr'] = torch.tensor(0.2)
        for i in range(2):
            f()
            show(w)
        """,
        traces=3,
        guard="SGD",
    ),
    program(
        "hook registered inside at each call",
        """
        model = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.arange(9.0).reshape(3, 3))
        @compile
        def f(x):
            model.register_forward_hook(lambda m, a, out: out * 2)
            return model(x)
        for i in range(3):
            show(f(x), len(model._forward_hooks))
        """,
        "HOOK",
    ),
    program(
        "hook of an optimizer replaced by another",
        """
        w = nn.Parameter(x.clone())
        opt = torch.optim.SGD([w], lr=0.1)
        @compile
        def f():
            opt.zero_grad()
            (w * w).sum().backward()
            opt.step()
        for factor in (0.5, 4.0, 0.25):
            h = opt.register_step_post_hook(lambda o, a, k, factor=factor: w.data.mul_(factor))
            for i in range(3):
                f()
            show(w)
            h.remove()
            del h
        """,
        traces=3,
        guard="SGD",
    ),
)
