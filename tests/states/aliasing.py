"""Tensors that share memory: arguments, what is captured, what is returned."""

from .rows import program

ROWS = (
    program(
        "results differentiated one after the other",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            return (w * x).sum(), w.sin(), (w * x).exp()
        for i in range(3):
            w.grad = None
            a, b, c = f(x + i)
            (a + c.sum()).backward()
            show(w.grad)
            b.sum().backward()
            show(w.grad)
        """,
    ),
    program(
        "results that share history differentiated one after the other",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            y = (w * x).exp()
            return y.sum(), y.cos(), w.sin()
        for i in range(3):
            w.grad = None
            a, b, c = f(x + i)
            a.backward()
            try:
                b.sum().backward()
            except RuntimeError:
                show('refused')
            c.sum().backward()
            show(w.grad)
            try:
                c.sum().backward()
            except RuntimeError:
                show('refused')
        """,
    ),
    program(
        "same tensor twice",
        """
        @compile
        def f(a, b):
            a.add_(1)
            return a * b
        for i in range(3):
            y = x + i
            show(f(y, y), y)
        """,
    ),
    program(
        "same tensor twice, then two",
        """
        @compile
        def f(a, b):
            a.add_(1)
            return a * b
        for pair in ((x, x), (x, x * 2), (x, x), (x, x * 2)):
            show(f(*pair), x)
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "same tensor twice, only read",
        """
        @compile
        def f(a, b):
            return a * b
        show(f(x, x), f(x, x + 1), f(x, x))
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "base and view, base written",
        """
        @compile
        def f(a, v):
            a.mul_(2)
            return v + 1
        for i in range(3):
            y = x + i
            show(f(y, y[1:]), y)
        """,
    ),
    program(
        "base and view, view written",
        """
        @compile
        def f(a, v):
            v.mul_(2)
            return a + 1
        for i in range(3):
            y = x + i
            show(f(y, y[1:]), y)
        """,
    ),
    program(
        "views that overlap, then do not",
        """
        @compile
        def f(v, w):
            v.add_(10)
            return w * 2
        for i in range(2):
            y = torch.arange(4.0)
            show(f(y[:2], y[1:3]), y)
            y = torch.arange(4.0)
            show(f(y[:2], y[2:4]), y)
            y = torch.arange(4.0)
            show(f(y[:2], torch.arange(4.0)[1:3]), y)
        """,
        traces=3,
        guard="memory",
    ),
    program(
        "overlapping views, both written",
        """
        @compile
        def f(v, w):
            v.add_(1)
            w.mul_(2)
            v.add_(3)
        for i in range(3):
            y = torch.arange(4.0) + i
            f(y[:3], y[1:])
            show(y)
        """,
    ),
    program(
        "transposed and plain",
        """
        @compile
        def f(a, t):
            a[0].add_(1)
            return t * 2
        for i in range(3):
            y = torch.arange(4.0).reshape(2, 2) + i
            show(f(y, y.t()), y)
        """,
    ),
    program(
        "view written, of another base at each call",
        """
        @compile
        def f(v):
            v.add_(1)
            return v * 2
        for n in (3, 3, 4, 3):
            y = torch.arange(1.0 * n)
            show(f(y[:2]), y)
        """,
        traces=2,
        guard="view",
    ),
    program(
        "another view of the same shape written",
        """
        @compile
        def f(v):
            v.add_(1)
            return v * 2
        for k in (0, 1, 0, 1):
            y = torch.arange(4.0)
            show(f(y[k:k + 2]), y)
        """,
        traces=2,
        guard="view",
    ),
    program(
        "column and row",
        """
        @compile
        def f(v):
            v.add_(1)
            return v * 2
        for k in range(4):
            y = torch.arange(9.0).reshape(3, 3)
            show(f(y[:, 1] if k % 2 else y[1]), y)
        """,
        traces=2,
        guard="argument 0",
    ),
    program(
        "expanded argument",
        """
        @compile
        def f(a):
            return a * 2
        for i in range(3):
            show(f((x + i).expand(2, 3)))
        """,
    ),
    program(
        "argument that is what is captured",
        """
        buf = torch.zeros(3)
        @compile
        def f(x):
            buf.add_(1)
            return x * 2
        for i in range(2):
            show(f(x), buf)
            show(f(buf), buf)
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "argument that was captured, then is not",
        """
        buf = torch.zeros(3)
        @compile
        def f(x):
            buf.add_(1)
            return x * 2
        for i in range(2):
            show(f(buf), buf)
            show(f(x), buf)
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "argument that is a view of what is captured",
        """
        buf = torch.arange(4.0)
        @compile
        def f(x):
            buf.mul_(2)
            return x + 1
        y = torch.ones(2)
        for i in range(2):
            show(f(y), buf)
            show(f(buf[1:3]), buf)
            show(f(buf[:2]), buf)
        """,
        traces=3,
        guard="argument 0",
    ),
    program(
        "captured view of an argument",
        """
        base = torch.arange(4.0)
        v = base[1:]
        @compile
        def f(x):
            x.add_(1)
            return v * 2
        other = torch.arange(4.0)
        for i in range(2):
            show(f(other), v)
            show(f(base), v)
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "identity of an argument",
        """
        w = torch.ones(3)
        @compile
        def f(x):
            return x * (2 if x is w else 3)
        show(f(x), f(w), f(x), f(w))
        """,
        traces=2,
        guard="memory",
    ),
    program(
        "identity of two arguments",
        """
        @compile
        def f(a, b):
            return a * (2 if a is b else 3)
        y = x + 0
        z = x.detach()
        show(f(x, y), f(x, x), f(x, z), f(x, y), f(x, x), f(x, z))
        """,
        traces=3,
        guard="memory",
    ),
    program(
        "parameter as an argument and captured",
        """
        w = nn.Parameter(torch.ones(3))
        opt = torch.optim.SGD([w], lr=0.5)
        @compile
        def f(p):
            opt.zero_grad()
            (p * w).sum().backward()
            opt.step()
            return p * 1
        for i in range(2):
            show(f(x), w)
            show(f(w), w)
        """,
        traces=2,
        guard="",
    ),
    program(
        "two captures that are views of one base",
        """
        base = torch.arange(4.0)
        a, b = base[:3], base[1:]
        @compile
        def f(x):
            a.add_(x)
            return b * 2
        for i in range(3):
            show(f(x), base, b)
        """,
    ),
    program(
        "captured view of a base that is written outside",
        """
        base = torch.arange(4.0)
        v = base[1:]
        @compile
        def f(x):
            return x * v
        for i in range(3):
            show(f(x))
            base.add_(1)
        """,
    ),
    program(
        "data assigned inside to an argument",
        """
        @compile
        def f(a):
            a.data = a.data * 2
            return a + 1
        for i in range(3):
            y = x + i
            show(f(y), y)
        """,
    ),
    program(
        "data assigned inside to a capture",
        """
        w = torch.ones(3)
        alias = w.detach()
        @compile
        def f(x):
            w.data = w.data + x
            return w * 2
        for i in range(3):
            show(f(x), w, alias)
        """,
        "ELSEWHERE",
    ),
    program(
        "data swapped inside",
        """
        a, b = torch.ones(3), torch.zeros(3)
        @compile
        def f(x):
            a.data, b.data = b.data, a.data
            return a * x
        for i in range(3):
            show(f(x), a, b)
        """,
        "ELSEWHERE",
    ),
    program(
        "detached inside and written with history",
        """
        w = torch.ones(3, requires_grad=True)
        h = torch.zeros(3)
        @compile
        def f(x):
            d = h.detach()
            d += w * x
            return (d * d).sum()
        for i in range(3):
            y = f(torch.ones(3) * i)
            y.backward()
            show(y, h, h.requires_grad, w.grad)
        """,
    ),
    program(
        "detached state returned with history",
        """
        w = torch.ones(3, requires_grad=True)
        h = torch.zeros(3)
        @compile
        def f(h, x):
            h = h.detach()
            h += w * x
            return h
        for i in range(3):
            h = f(h, torch.ones(3) * i)
            h.sum().backward()
            show(h, h.requires_grad, w.grad)
        """,
        "DETACHED",
    ),
    program(
        "set_ inside",
        """
        a = torch.ones(3)
        @compile
        def f(x):
            a.set_(x * 2)
            return a + 1
        for i in range(3):
            show(f(x + i), a)
        """,
    ),
    program(
        "write through data",
        """
        w = torch.ones(3, requires_grad=True)
        @compile
        def f(x):
            w.data.mul_(2)
            return w * x
        for i in range(3):
            show(f(x), w)
        """,
    ),
    program(
        "argument returned",
        """
        @compile
        def f(a):
            return a
        show(f(x) is x, f(x) is x)
        """,
    ),
    program(
        "written argument returned",
        """
        @compile
        def f(a):
            return a.add_(1)
        for i in range(3):
            y = f(x)
            show(y is x, y)
        """,
    ),
    program(
        "view of an argument returned",
        """
        @compile
        def f(a):
            return a[1:]
        for i in range(3):
            f(x).add_(1)
            show(x)
        """,
    ),
    program(
        "view of a written argument returned",
        """
        @compile
        def f(a):
            a.mul_(2)
            return a[1:], a.detach()
        for i in range(3):
            v, d = f(x)
            v.add_(1)
            show(x, v, d)
        """,
    ),
    program(
        "same tensor returned twice",
        """
        @compile
        def f(a):
            y = a * 2
            return y, [y], y
        for i in range(3):
            p, (q,), r = f(x)
            p.add_(1)
            show(p is q, q is r, r)
        """,
    ),
    program(
        "outputs that alias each other",
        """
        @compile
        def f(a):
            y = a * 2
            return y, y[1:], y.view(3, 1)
        for i in range(3):
            p, q, r = f(x)
            q.add_(1)
            r[0] = 9.0
            show(p, q, r)
        """,
    ),
    program(
        "capture returned",
        """
        w = torch.ones(3)
        @compile
        def f(x):
            w.add_(x)
            return w
        for i in range(3):
            y = f(x)
            show(y is w, y)
        """,
    ),
    program(
        "view of a capture returned",
        """
        w = torch.arange(4.0)
        @compile
        def f(x):
            w[1:].add_(x)
            return w[:2]
        for i in range(3):
            y = f(x)
            y.add_(100)
            show(w, y)
        """,
    ),
    program(
        "results kept over calls",
        """
        @compile
        def f(a):
            return a * 2, a + 1
        kept = [f(x + i) for i in range(3)]
        kept[0][0].add_(100)
        show(kept)
        """,
    ),
    program(
        "result passed in again",
        """
        @compile
        def f(h, x):
            return h * 0.5 + x
        h = torch.zeros(3)
        kept = []
        for i in range(4):
            h = f(h, x)
            kept.append(h)
        show(kept)
        """,
    ),
    program(
        "result written to, then passed in",
        """
        @compile
        def f(h):
            h.add_(1)
            return h * 1
        a = f(x)
        b = f(a)
        a.mul_(3)
        show(a, b, x, f(b))
        """,
    ),
    program(
        "copy of what is written",
        """
        import copy
        w = torch.ones(3)
        @compile
        def f(x):
            w.add_(x)
        kept = []
        for i in range(3):
            f(x)
            kept.append(copy.deepcopy(w))
        show(kept)
        """,
    ),
    program(
        "history of a result flows on",
        """
        w = torch.ones(3, requires_grad=True)
        @compile
        def f(x):
            return (x * w).exp()
        for i in range(3):
            w.grad = None
            (f(x * 0.1).sum() + f(x * 0.2).sum()).backward()
            show(w.grad)
        """,
    ),
    program(
        "history of an argument flows through",
        """
        w = torch.ones(3, requires_grad=True)
        @compile
        def f(y):
            return y * y
        for i in range(3):
            w.grad = None
            f(w * x).sum().backward()
            show(w.grad)
        """,
    ),
    program(
        "write in place into a tensor with history",
        """
        w = torch.ones(3, requires_grad=True)
        @compile
        def f(y):
            y.mul_(2)
            return y + 1
        for i in range(3):
            w.grad = None
            y = w * x
            f(y).sum().backward()
            show(w.grad, y)
        """,
    ),
    program(
        "NumPy array that shares what is written",
        """
        w = torch.ones(3)
        n = w.numpy()
        @compile
        def f(x):
            w.add_(x)
            return w * 1
        for i in range(3):
            show(f(x), n.tolist())
            n[0] = 7.0
        """,
    ),
    program(
        "NumPy array written inside",
        """
        w = torch.ones(3)
        n = w.numpy()
        @compile
        def f(x):
            n[0] += 1
            return w * x
        for i in range(3):
            show(f(x), n.tolist())
        """,
        "CHANGES",
    ),
    program(
        "NumPy function that writes to a tensor's memory",
        """
        w = torch.ones(3)
        @compile
        def f(x):
            y = w * x
            np.add(w.numpy(), 1, out=w.numpy())
            return y + w
        for i in range(3):
            show(f(x), w)
        """,
        "VALUE",
        "NUMPY_WRITES",
    ),
    program(
        "two tensors that share memory by NumPy",
        """
        a = np.ones(3, np.float32)
        v, w = torch.from_numpy(a[1:]), torch.from_numpy(a[:2])
        @compile
        def f(x):
            v.add_(x[1:])
            return w * 2
        for i in range(3):
            show(f(x), v, w, a.tolist())
        """,
        "NUMPY_SHARED",
    ),
    program(
        "detached result that gets history afterwards",
        """
        w = x.clone().requires_grad_()
        @compile
        def made(x):
            return (x * 2).detach()
        @compile
        def given(x):
            return x.detach()
        @compile
        def captured():
            return x.detach()
        for i in range(3):
            y = x + i
            for out in (made(y), given(y), captured()):
                show(out.requires_grad)
                out += w
                show(out.requires_grad, y.requires_grad, x.requires_grad)
        """,
        traces=3,
        recompiles=0,
    ),
    program(
        "view of what was detached, with history of its own, before",
        """
        w = x.clone().requires_grad_()
        z = (x * 1).detach()
        z *= w
        @compile
        def f():
            return z[1:]
        for i in range(3):
            out = f()
            (out * out).sum().backward(retain_graph=True)
            show(out, w.grad)
        """,
    ),
    program(
        "two views of one detached result, one of which gets history",
        """
        w = x.clone().requires_grad_()
        @compile
        def made(x):
            out = (x * 2).detach()
            return out, out[:2]
        @compile
        def given(x):
            out = x.detach()
            return out, out[:2]
        @compile
        def captured():
            out = x.detach()
            return out, out[:2]
        for i in range(3):
            y = x + i
            for out, part in (made(y), given(y), captured()):
                part *= w[:2]
                show(out.requires_grad, part.requires_grad)
                (out * out).sum().backward()
                show(out, w.grad)
        """,
        traces=3,
        recompiles=0,
    ),
    program(
        "detached result that the user keeps",
        """
        kept = []
        @compile
        def f():
            return x.detach(), x[0], x
        for i in range(3):
            kept.append(f())
            show([[a is b for a, b in zip(kept[-1], old)] for old in kept])
        """,
    ),
    program(
        "tensors of containers, returned",
        """
        listed, named = [x * 1], {'t': x * 2}
        detached = [(x * 3).detach()]
        w = x.clone().requires_grad_()
        @compile
        def f():
            return listed[0], named['t'], detached[0], detached[0][1:], [t for t in listed][0]
        for i in range(3):
            a, b, c, d, e = f()
            show(a is listed[0], b is named['t'], c is detached[0], e is a)
        d += w[1:]
        show(c.requires_grad, f()[3].requires_grad)
        a.requires_grad_()
        show(listed[0].requires_grad, f()[0].requires_grad)
        """,
        traces=2,
        guard="a captured tensor",
    ),
    program(
        "leaf made inside of what was detached",
        """
        w = x.clone().requires_grad_()
        @compile
        def detached(x):
            leaf = (w * x).detach().requires_grad_()
            return (leaf * w).sum()
        @compile
        def parameter(x):
            leaf = nn.Parameter(w.detach() * 2)
            return (leaf * w * x).sum()
        @compile
        def inner(x):
            leaf = (w * x).detach().requires_grad_()
            (g,) = torch.autograd.grad((leaf**3).sum(), leaf, create_graph=True)
            return (g * w).sum()
        for i in range(3):
            for f in (detached, parameter, inner):
                w.grad = None
                f(x + i).backward()
                show(w.grad)
        """,
        traces=3,
        recompiles=0,
    ),
    program(
        "several views of one new leaf",
        """
        @compile
        def f(x):
            leaf = (x * 2).detach().requires_grad_()
            return leaf, leaf[0], leaf[1:]
        for i in range(3):
            leaf, a, b = f(x + i)
            (a * 3 + b.sum() * 5).backward()
            show(leaf.grad)
        """,
    ),
    program(
        "views of an argument that the call gave other data",
        """
        @compile
        def f(x):
            x.data = x.detach() * 2
            return x[0], x[1:]
        for i in range(3):
            y = (x + i).requires_grad_()
            a, b = f(y)
            (a * 3 + b.sum() * 5).backward()
            show(y, y.grad)
        """,
    ),
    program(
        "write in no_grad to an argument with history, history afterwards",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            with torch.no_grad():
                x.square_()
            x -= w
            return x * 1
        for i in range(3):
            y = x + i
            f(y)
            out = f(y)
            out.sum().backward()
            show(out, w.grad)
        """,
        traces=2,
        guard="argument 0",
    ),
)
