"""Reasons not to replay that no other table comes to: gradients that leave, hooks, leaves."""

from .rows import program

ROWS = (
    program(
        "input read",
        """
        import io, sys
        stdin = sys.stdin
        sys.stdin = io.StringIO("1\\n2\\n3\\n")
        @compile
        def f(x):
            return x * float(input())
        try:
            for i in range(3):
                show(f(x))
        finally:
            sys.stdin = stdin
        """,
        "INPUT",
    ),
    program(
        "number sent to a queue",
        """
        import queue
        q = queue.SimpleQueue()
        @compile
        def f(x):
            q.put(1)
            return x * 2
        for i in range(3):
            show(f(x + i), q.qsize())
        """,
        "SENDS",
    ),
    program(
        "number sent to a generator",
        """
        def running():
            total = 0
            while True:
                total += yield total
        g = running()
        next(g)
        @compile
        def f(x):
            return x * g.send(2)
        for i in range(3):
            show(f(x + i))
        """,
        *("SENDS", "ITERATOR"),
    ),
    program(
        "tensor kept by a closure made inside",
        """
        kept = [None]
        def keep(fn):
            kept[0] = fn
        @compile
        def f(x):
            y = x * 2
            keep(lambda: y)
            return x + 1
        for i in range(3):
            show(f(x + i), kept[0]())
        """,
        "CHANGES",
    ),
    program(
        "tensor kept by an object of a class with slots",
        """
        class Box:
            __slots__ = ('kept',)
        class Shelf:
            def __init__(self):
                self.box = None
        shelf = Shelf()
        @compile
        def f(x):
            box = Box()
            box.kept = x * 2
            shelf.box = box
            return x + 1
        for i in range(3):
            show(f(x + i), shelf.box.kept)
        """,
        "CHANGES",
    ),
    program(
        "tensor kept as an attribute of the result",
        """
        @compile
        def f(x):
            y = x + 1
            y.half = x / 2
            return y
        for i in range(3):
            y = f(x + i)
            show(y, y.half)
        """,
        "ESCAPES",
    ),
    program(
        "backward through history from outside",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(y):
            y.sum().backward()
            return y * 2
        for i in range(3):
            w.grad = None
            show(f(w * (i + 1)), w.grad)
        """,
        "HISTORY",
    ),
    program(
        "backward through history from outside, kept in a global",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            (y * x).sum().backward()
            return x * 2
        for i in range(3):
            w.grad = None
            y = w * (i + 1)
            show(f(x), w.grad)
        """,
        "HISTORY",
    ),
    program(
        "hook registered on a tensor from outside",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            h = w.register_hook(lambda g: g * 2)
            (w * x).sum().backward()
            h.remove()
            return x + 1
        for i in range(3):
            w.grad = None
            show(f(x + i), w.grad)
        """,
        "HOOK",
    ),
    program(
        "hook after accumulation registered on a parameter",
        """
        def triple(p):
            p.grad.mul_(3)
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            h = w.register_post_accumulate_grad_hook(triple)
            (w * x).sum().backward()
            h.remove()
            return x + 1
        for i in range(3):
            w.grad = None
            show(f(x + i), w.grad)
        """,
        "HOOK",
    ),
    program(
        "hook on what is returned with history",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            y = w * x
            y.register_hook(lambda g: g * 2)
            return y.sum()
        for i in range(3):
            w.grad = None
            out = f(x + i)
            out.backward()
            show(out, w.grad)
        """,
        "LATE_HOOK",
    ),
    program(
        "hook on a leaf that is returned",
        """
        @compile
        def f(x):
            leaf = (x * 2).requires_grad_()
            leaf.register_hook(lambda g: g * 2)
            return leaf
        for i in range(3):
            leaf = f(x + i)
            (leaf * 3).sum().backward()
            show(leaf, leaf.grad)
        """,
        "LATE_HOOK",
    ),
    program(
        "history of an autograd.Function returned",
        """
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2
            @staticmethod
            def backward(ctx, g):
                return g * 3
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            return (Double.apply(w) * x).sum()
        for i in range(3):
            w.grad = None
            out = f(x + i)
            out.backward()
            show(out, w.grad)
        """,
        "FUNCTION",
    ),
    program(
        "leaf made inside with its gradient",
        """
        @compile
        def f(x):
            leaf = (x * 2).requires_grad_()
            (leaf * x).sum().backward()
            return leaf
        for i in range(3):
            leaf = f(x + i)
            show(leaf, leaf.grad)
        """,
        "LEAF",
    ),
    program(
        "gradient kept by a tensor that is no leaf",
        """
        w = x.clone().requires_grad_()
        @compile
        def f(x):
            y = w * x
            y.retain_grad()
            y.sum().backward()
            return y
        for i in range(3):
            w.grad = None
            y = f(x + i)
            show(y, y.grad, w.grad)
        """,
        "RETAINED",
    ),
    program(
        "gradient that an argument keeps, read",
        """
        @compile
        def f(x):
            return x.grad * 2
        for i in range(3):
            w = (x + i).requires_grad_()
            y = w * 2
            y.retain_grad()
            (y * y).sum().backward()
            show(f(y), w.grad)
        """,
        "RETAINED",
    ),
    program(
        "gradient that an argument keeps, written to and dropped",
        """
        @compile
        def zeroed(x):
            x.grad.zero_()
        @compile
        def dropped(x):
            x.grad = None
        for i in range(3):
            for f in (zeroed, dropped):
                y = (x + i).requires_grad_() * 2
                y.retain_grad()
                (y * y).sum().backward()
                f(y)
                show(y.grad)
        """,
        "RETAINED",
    ),
    program(
        "requires_grad of a tensor from outside changed",
        """
        w = x.clone()
        @compile
        def f(x):
            w.requires_grad_(not w.requires_grad)
            return x * 2
        for i in range(3):
            show(f(x + i), w.requires_grad)
        """,
        "REQUIRES_GRAD",
    ),
    program(
        "branch of cond with an effect outside",
        """
        def cond(p, yes, no, operands):
            return yes(*operands) if p else no(*operands)
        cond = torch.cond if torch.__name__ == 'thrace' else cond
        w = x.clone()
        def yes(x):
            w.data = w * 2
            return x * 2
        @compile
        def f(x):
            return cond(x.sum() > 0, yes, lambda x: x - 1, (x,))
        for i in (0, 5, -5):
            show(f(x + i), w)
        """,
        *("CONTROL_FLOW", "VALUE"),
    ),
    program(
        "more traces than are allowed",
        """
        factor = 1
        @compile(max_traces=2)
        def f(x):
            return x * factor
        for factor in (1, 2, 3, 4, 1, 2, 3):
            show(f(x))
        """,
        "TRACES",
        traces=2,
        recompiles=1,
        guard="factor is",
    ),
)
