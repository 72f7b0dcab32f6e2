"""Tuples, lists, dictionaries and dataclasses of tensors that a function puts in an attribute's
place."""

from .rows import program, states

ROWS = (
    program(
        "tuple of tensors set anew",
        """
        class Cell:
            def __init__(self):
                self.hidden = (torch.zeros(3), torch.ones(3))
        cell = Cell()
        @compile
        def f(x):
            h, c = cell.hidden
            cell.hidden = (h * 0.5 + x, c * h)
            return h + c
        for i in range(4):
            show(f(x * i), cell.hidden)
        """,
    ),
    program(
        "hidden state that is None at first",
        """
        class Cell(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = None
                self.linear = nn.Linear(3, 3)
                self.linear.weight.data.fill_(0.25)
                self.linear.bias.data.fill_(0.5)
            def forward(self, x):
                hidden = self.hidden or (torch.zeros(3), torch.zeros(3))
                h, c = hidden
                h = torch.tanh(self.linear(x) + h)
                self.hidden = (h.detach(), (c + h).detach())
                return h.sum()
        cell = Cell()
        f = compile(cell)
        for i in range(4):
            cell.zero_grad()
            out = f(x * i)
            out.backward()
            show(out, cell.hidden, cell.linear.weight.grad)
        cell.hidden = None
        show(f(x), cell.hidden)
        show(f(x), cell.hidden)
        """,
        traces=2,
        guard="hidden is",
    ),
    program(
        "hidden state of an LSTM",
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = nn.LSTMCell(3, 2)
                for p in self.cell.parameters():
                    p.data.fill_(0.1)
                self.state = (torch.zeros(1, 2), torch.zeros(1, 2))
            def forward(self, x):
                h, c = self.cell(x[None], self.state)
                self.state = (h.detach(), c.detach())
                return h
        model = Model()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        @compile
        def step(x):
            opt.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            opt.step()
            return loss
        for i in range(4):
            show(step(x * i), model.state)
        """,
    ),
    program(
        "tuple whose tensors are written to between calls",
        """
        class Cell:
            hidden = (torch.zeros(3), torch.ones(3))
        cell = Cell()
        @compile
        def f(x):
            h, c = cell.hidden
            cell.hidden = (h + x, c + 1)
            return h * c
        for i in range(4):
            show(f(x), cell.hidden)
            cell.hidden[0].mul_(2)
        """,
    ),
    states(
        "structure of another length",
        """
        class Cell: pass
        cell = Cell()
        @compile
        def f(x):
            total = sum(cell.parts) + x
            cell.parts = tuple(p + 1 for p in cell.parts)
            return total, cell.parts[0] * 1
        """,
        "cell.parts = (x * 1, x * 2)",
        "cell.parts = (x * 1, x * 2, x * 3)",
        "f(x), cell.parts",
        guard="parts is",
    ),
    states(
        "structure with another number in it",
        """
        class Cell: pass
        cell = Cell()
        @compile
        def f(x):
            h, k = cell.state
            cell.state = (h + x, k)
            return h * k
        """,
        "cell.state = (x * 1, 2)",
        "cell.state = (x * 1, 3)",
        "f(x), cell.state",
        guard="state is",
    ),
    states(
        "structure with a tensor of another type in it",
        """
        class Cell: pass
        cell = Cell()
        @compile
        def f(x):
            h, c = cell.state
            cell.state = (h + 1, c)
            cell.state = (h + 1, c + 1)
            return h.sum() + c.sum()
        """,
        "cell.state = (x * 1, x * 2)",
        "cell.state = (x * 1, torch.ones(2, 3))",
        "f(x), cell.state",
        guard="a captured tensor",
    ),
    states(
        "tensors of a structure that are one",
        """
        class Cell: pass
        cell = Cell()
        @compile
        def f(x):
            h, c = cell.state
            h.add_(1)
            cell.state = (h * 2, c * 3)
            return h + c
        """,
        "cell.state = (x.clone(), x.clone())",
        "both = x.clone(); cell.state = (both, both)",
        "f(x), cell.state",
        guard="shares memory with",
    ),
    program(
        "the same tensor twice in what is set",
        """
        class Cell:
            state = None
        cell = Cell()
        @compile
        def f(x):
            y = x * 2
            cell.state = (y, [y, x + 1], 3)
            return y
        for i in range(3):
            f(x + i)
            cell.state[0].add_(1)
            show(cell.state, cell.state[0] is cell.state[1][0])
        """,
        traces=2,
        guard="state is",
    ),
    program(
        "dictionary set anew",
        """
        class Log(nn.Module):
            def __init__(self):
                super().__init__()
                self.last = {}
            def forward(self, x):
                self.last = {'mean': x.mean(), 'parts': [x.min(), x.max()]}
                return x * 2
        log = Log()
        f = compile(log)
        for i in range(4):
            show(f(x + i), log.last)
        """,
        traces=2,
        guard="last is",
    ),
    program(
        "dictionary that is filled and then set",
        """
        class Log: last = None
        log = Log()
        @compile
        def f(x):
            made = {}
            for name in ('a', 'b'):
                made[name] = x * len(made)
            parts = []
            parts.append(x + 1)
            made['parts'] = parts
            log.last = made
            return x * 2
        for i in range(4):
            show(f(x + i), log.last)
        """,
        traces=2,
        guard="last is",
    ),
    program(
        "list that is set and returned",
        """
        class Log: last = None
        log = Log()
        @compile
        def f(x):
            made = [x + 1]
            log.last = made
            return made
        for i in range(3):
            made = f(x + i)
            made.append(1)
            show(made, log.last, made is log.last)
        """,
        "SHARED",
    ),
    program(
        "list that is set twice",
        """
        class Log: first = last = None
        log = Log()
        @compile
        def f(x):
            made = [x + 1]
            log.last = made
            log.first = made
            return x * 2
        for i in range(3):
            f(x + i)
            log.first.append(1)
            show(log.last, log.first is log.last)
        """,
        "SHARED",
    ),
    program(
        "list that an outer list gets as well",
        """
        class Log: last = None
        log = Log()
        out = []
        @compile
        def f(x):
            made = [x + 1]
            log.last = made
            out.append(made)
            return x * 2
        for i in range(3):
            f(x + i)
            show(log.last, out, out[-1] is log.last)
        """,
        "CONTAINER",
    ),
    program(
        "dataclass set anew",
        """
        import dataclasses
        @dataclasses.dataclass
        class State:
            mean: object
            count: int = 0
        class Running(nn.Module):
            def __init__(self):
                super().__init__()
                self.state = State(torch.zeros(()), 2)
            def forward(self, x):
                self.state = State(self.state.mean + x.mean(), 2)
                return x * self.state.mean
        running = Running()
        f = compile(running)
        for i in range(4):
            show(f(x + i), running.state)
        """,
    ),
    program(
        "dataclass with a number that counts",
        """
        import dataclasses
        @dataclasses.dataclass
        class State:
            mean: object
            count: int = 0
        class Running: state = State(torch.zeros(()))
        running = Running()
        @compile
        def f(x):
            old = running.state
            running.state = State(old.mean + x.mean(), old.count + 1)
            return x * running.state.count
        for i in range(3):
            show(f(x + i), running.state)
        """,
        "CHANGES",
    ),
    program(
        "list that grows",
        """
        class Log: kept = []
        log = Log()
        @compile
        def f(x):
            log.kept = log.kept + [x * 2]
            return x + len(log.kept)
        for i in range(4):
            show(f(x + i), log.kept)
        """,
        "CHANGES",
        traces=1,
        recompiles=1,
        guard="kept is",
    ),
    program(
        "tuple that was there before",
        """
        class Cell: first, last = (x * 2, 1), None
        cell = Cell()
        @compile
        def f(x):
            cell.last = cell.first
            return x + 1
        for i in range(3):
            show(f(x + i), cell.last, cell.last is cell.first)
        """,
        "CHANGES",
    ),
    program(
        "tuple of numbers",
        """
        class Cell: size = None
        cell = Cell()
        @compile
        def f(x):
            cell.size = (x.shape[0], 'rows')
            return x + 1
        for i in (0, 1, 2):
            show(f(x[i:]), cell.size)
            show(f(x[i:] + 1), cell.size)
        """,
        "CHANGES",
        traces=2,
        recompiles=3,
    ),
    program(
        "named tuple set under a global name",
        """
        import collections
        Pair = collections.namedtuple('Pair', 'h c')
        state = Pair(torch.zeros(3), torch.ones(3))
        @compile
        def f(x):
            global state
            h, c = state
            state = Pair(h + x, c=c * 2)
            return h * c
        for i in range(4):
            show(f(x), state)
        """,
    ),
    program(
        "tuple set as a closure's variable",
        """
        def make():
            state = (torch.zeros(3), 1)
            @compile
            def f(x):
                nonlocal state
                state = (state[0] + x, 1)
                return state[0] * 2
            return f, lambda: state
        f, seen = make()
        for i in range(4):
            show(f(x), seen())
        """,
    ),
    program(
        "tuple with a tensor from outside",
        """
        class Cell: state = None
        cell = Cell()
        w = x * 3
        @compile
        def f(x):
            cell.state = (x * 2, w)
            return x + 1
        for i in range(3):
            show(f(x + i), cell.state, cell.state[1] is w)
        """,
        "ELSEWHERE",
    ),
    program(
        "tuple with the argument",
        """
        class Cell: state = None
        cell = Cell()
        @compile
        def f(x):
            cell.state = (x * 2, x)
            return x + 1
        for i in range(3):
            y = x + i
            show(f(y), cell.state, cell.state[1] is y)
        """,
        "ELSEWHERE",
    ),
    program(
        "views in a tuple",
        """
        class Cell: state = (torch.zeros(3), torch.zeros(2))
        cell = Cell()
        @compile
        def f(x):
            h, tail = cell.state
            y = x + h
            cell.state = (y, y[1:])
            return h.sum() + tail.sum()
        for i in range(4):
            show(f(x), cell.state)
            cell.state[0].mul_(2)
            show(cell.state)
        """,
        traces=2,
        guard="a captured tensor",
    ),
    program(
        "tuple with a list in it that is set and returned",
        """
        class Log: last = None
        log = Log()
        @compile
        def f(x):
            made = (x * 2, [x + 1])
            log.last = made
            return made
        for i in range(3):
            made = f(x + i)
            made[1].append(1)
            show(made, log.last)
        """,
        "SHARED",
    ),
    program(
        "keys that are equal and of other types",
        """
        class Cell: state = {1: torch.zeros(3)}
        cell = Cell()
        @compile
        def f(x):
            cell.state = {k: v + x for k, v in cell.state.items()}
            return x * 2
        for key in (1, True, 1.0, 1):
            cell.state = {key: cell.state[key]}
            show(f(x), cell.state)
        """,
        traces=3,
        guard="state is",
    ),
    program(
        "tensor of a structure that another name has at first",
        """
        class Cell: pass
        cell, start = Cell(), torch.zeros(3)
        cell.state, cell.best = (start,), (start,)
        @compile
        def f(x):
            cell.state[0].add_(x)
            cell.state = (cell.state[0] * 1,)
            return cell.best[0] * 1
        for i in range(4):
            show(f(x), cell.state, cell.best)
        """,
        traces=2,
        guard="shares memory with",
    ),
    program(
        "attribute that another name has at first",
        """
        class Cell: pass
        cell, start = Cell(), torch.zeros(3)
        cell.state = cell.best = start
        @compile
        def f(x):
            seen = cell.best * 1 + start
            cell.state = cell.state + x
            return seen
        for i in range(4):
            show(f(x), cell.state, cell.best)
        cell.best = cell.state
        show(f(x), cell.state, cell.best)
        show(f(x), cell.state, cell.best)
        """,
        traces=4,
        guard="",
    ),
    program(
        "buffer that is an attribute at first",
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer('mean', torch.zeros(3))
                self.last = self.mean
            def forward(self, x):
                self.mean += x
                seen = self.last * 1
                self.last = self.mean * 2
                return seen
        model = Model()
        f = compile(model)
        for i in range(4):
            show(f(x), model.mean, model.last)
        """,
        traces=2,
        guard="shares memory with",
    ),
)
