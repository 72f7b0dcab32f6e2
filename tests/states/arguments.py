"""Arguments: shapes, dtypes, structure of containers, static values, and what they share."""

from .rows import program, states

DOUBLE = "@compile\ndef f(x):\n    return x * 2"


def argument(name: str, first: str, second: str, body: str = "a * 2", **expected):
    """A row of two arguments that differ in one respect."""
    expected.setdefault("guard", "argument")
    return states(
        name,
        f"@compile\ndef f(a):\n    return {body}",
        f"v = {first}",
        f"v = {second}",
        "f(v)",
        **expected,
    )


ROWS = (
    argument("shape", "torch.ones(3)", "torch.ones(4)", "a * a.shape[0]"),
    argument("number of dimensions", "torch.ones(3)", "torch.ones(1, 3)"),
    argument("zero-dimensional and one element", "torch.tensor(2.0)", "torch.tensor([2.0])"),
    argument("empty", "torch.ones(0)", "torch.ones(1)", "a.sum()"),
    argument("dtype", "torch.ones(3)", "torch.ones(3).double()"),
    argument("integer dtype", "torch.ones(3).int()", "torch.ones(3).long()"),
    argument("bool tensor", "torch.ones(3).int()", "torch.ones(3) > 0", "a + 1"),
    argument("requires_grad", "torch.ones(3)", "torch.ones(3, requires_grad=True)"),
    argument(
        "leaf or not",
        "torch.ones(3, requires_grad=True)",
        "torch.ones(3, requires_grad=True) * 1",
        "(a * 2, a.is_leaf)",
    ),
    argument(
        "leaf for the moment or never",
        "torch.ones(3, requires_grad=True); (v * 5).sum().backward(); v.requires_grad_(False)",
        "torch.ones(3)",
        "a if a.grad is None else a * a.grad",
    ),
    program(
        "gradients of leaves for the moment, by argument",
        """
        @compile
        def f(a):
            a.requires_grad_()
            (a * a).sum().backward()
            a.requires_grad_(False)
            return a * a.grad
        for i in (1, 2, 1):
            y = (x * i).requires_grad_()
            (y * 5).sum().backward()
            y.requires_grad_(False)
            show(f(y), y.grad, y.requires_grad)
        show(f(y), y.grad)
        """,
    ),
    program(
        "hooks of a captured leaf for the moment",
        """
        w = x.clone().requires_grad_()
        w.sum().backward()
        w.requires_grad_(False)
        @compile
        def f(x):
            w.requires_grad_()
            (w * x).sum().backward()
            w.requires_grad_(False)
        def hook(g):
            return g * 10
        for i in range(4):
            f(x)
            show(w.grad)
            w.requires_grad_()
            if i == 1:
                handle = w.register_hook(hook)
            elif i == 2:
                handle.remove()
            w.requires_grad_(False)
        """,
        traces=2,
        guard="a captured tensor",
    ),
    program(
        "argument that is a leaf only inside",
        """
        @compile
        def f(a):
            a.requires_grad_()
            (a * a).sum().backward()
            a.requires_grad_(False)
        for i in (1, 2):
            y = x * i
            f(y)
            show(y.grad, y.requires_grad)
            f(y)
            show(y.grad, y.requires_grad)
        """,
        "REQUIRES_GRAD",
        traces=1,
        recompiles=0,
    ),
    argument(
        "strides",
        "torch.arange(4.0).reshape(2, 2)",
        "torch.arange(4.0).reshape(2, 2).t()",
        "(a * 2, a.stride(), a.is_contiguous())",
    ),
    argument(
        "parameter or tensor",
        "torch.ones(3, requires_grad=True)",
        "nn.Parameter(torch.ones(3))",
        "a * (2 if isinstance(a, nn.Parameter) else 3)",
    ),
    argument("same type, other values", "torch.ones(3)", "torch.zeros(3)", guard=""),
    argument("int and float", "2", "2.0", "torch.arange(3) * a"),
    argument("int and bool", "1", "True", "torch.arange(3) * a"),
    argument("0.0 and -0.0", "0.0", "-0.0", "1 / (torch.ones(3) * a)"),
    argument("nan", "float('nan')", "float('nan')", "torch.ones(3) * a", guard=""),
    argument("nan and number", "float('nan')", "0.0", "torch.ones(3) * a"),
    argument(
        "numpy scalar and float",
        "np.float64(2)",
        "2.0",
        "torch.ones(3) * (3 if type(a) is float else 4)",
    ),
    argument("0-d numpy and Python", "np.int64(2)", "2", "(torch.arange(3) * int(a), type(a))"),
    argument("string", "'a'", "'b'", "torch.ones(3) * (2 if a == 'a' else 3)"),
    argument("string and bytes", "'a'", "b'a'", "torch.ones(3) * (2 if a == 'a' else 3)"),
    argument("None and tensor", "None", "torch.ones(3)", "torch.ones(3) if a is None else a * 2"),
    argument("dtype as an argument", "torch.float32", "torch.float64", "torch.ones(3, dtype=a)"),
    argument("slice", "slice(0, 2)", "slice(1, 3)", "torch.arange(3.0)[a]"),
    argument("range", "range(3)", "range(4)", "torch.ones(3) * len(a)"),
    argument("ellipsis", "...", "None", "torch.arange(3.0)[a]"),
    argument("type", "int", "float", "torch.ones(3) * a(2.5)"),
    argument("set", "{1}", "{1, 2}", "torch.ones(3) * len(a)"),
    argument("equal sets", "{1}", "{1}", "torch.ones(3) * len(a)", guard=""),
    argument(
        "list and tuple",
        "[torch.ones(3)]",
        "(torch.ones(3),)",
        "a[0] * (2 if type(a) is list else 3)",
        guard="structure",
    ),
    argument(
        "length of a list",
        "[torch.ones(3)]",
        "[torch.ones(3)] * 2",
        "a[0] * len(a)",
        guard="structure",
    ),
    argument(
        "order of a dict",
        "{'a': torch.ones(3), 'b': torch.zeros(3)}",
        "{'b': torch.zeros(3), 'a': torch.ones(3)}",
        "[*a.values()][0] * 2",
        guard="structure",
    ),
    argument(
        "keys of a dict",
        "{'a': torch.ones(3)}",
        "{'b': torch.ones(3)}",
        "[*a.values()][0] * (2 if 'a' in a else 3)",
        guard="structure",
    ),
    argument(
        "types of keys",
        "{1: torch.ones(3)}",
        "{True: torch.ones(3)}",
        "[*a.values()][0] * (2 if type([*a][0]) is bool else 3)",
        guard="structure",
    ),
    argument(
        "number in a dict",
        "{'x': torch.ones(3), 'k': 2.0}",
        "{'x': torch.ones(3), 'k': 3.0}",
        "a['x'] * a['k']",
    ),
    argument(
        "nested",
        "{'a': [(torch.ones(3), 2)]}",
        "{'a': [(torch.ones(3), 3)]}",
        "a['a'][0][0] * a['a'][0][1]",
    ),
    argument(
        "empty containers",
        "([], {}, ())",
        "((), {}, [])",
        "torch.ones(3) * (2 if type(a[0]) is list else 3)",
        guard="structure",
    ),
    argument(
        "None in a list",
        "[None, torch.ones(3)]",
        "[torch.ones(3), None]",
        "torch.ones(3) * (2 if a[0] is None else 3)",
    ),
    argument(
        "named tuple", "(lambda P: P(torch.ones(3), 2))(P)", "P(torch.ones(3), 3)", "a.x * a.k"
    )._replace(
        program="import collections\n"
        "P = collections.namedtuple('P', 'x k')\n@compile\ndef f(a):\n    return a.x * a.k\n"
        "for k in (2, 3, 2, 3):\n    show(f(P(torch.ones(3), k)))\n"
    ),
    program(
        "named tuple and tuple",
        """
        import collections
        P, Q = collections.namedtuple('P', 'x k'), collections.namedtuple('Q', 'x k')
        @compile
        def f(a):
            return a[0] * (2 if isinstance(a, P) else 3 if isinstance(a, Q) else 4)
        for make in (P, Q, lambda *a: a, P, Q):
            show(f(make(torch.ones(3), 2)))
        """,
        traces=3,
        guard="structure",
    ),
    program(
        "dataclass made anew",
        """
        import dataclasses
        @dataclasses.dataclass
        class Batch:
            x: object
            k: float = 2.0
        @compile
        def f(batch):
            return batch.x * batch.k
        for i, k in enumerate((2.0, 2.0, 3.0, 2.0)):
            show(f(Batch(x + i, k)))
        """,
        traces=2,
        guard="argument",
    ),
    program(
        "dataclass in a list, nested",
        """
        import dataclasses
        @dataclasses.dataclass(frozen=True)
        class Inner:
            x: object
        @dataclasses.dataclass
        class Outer:
            inner: Inner
            parts: list
        @compile
        def f(o):
            return o[0].inner.x * o[0].parts[1]
        for i in range(3):
            show(f([Outer(Inner(x + i), [x, x * i])]))
        """,
    ),
    program(
        "slotted dataclass",
        """
        import dataclasses
        @dataclasses.dataclass(slots=True)
        class Batch:
            x: object
        @compile
        def f(b):
            return b.x * 2
        for i in range(3):
            show(f(Batch(x + i)))
        """,
    ),
    program(
        "dataclass of another class",
        """
        import dataclasses
        @dataclasses.dataclass
        class A:
            x: object
            def k(self): return 2
        @dataclasses.dataclass
        class B(A):
            def k(self): return 3
        @compile
        def f(b):
            return b.x * b.k()
        for c in (A, B, A, B):
            show(f(c(x)))
        """,
        traces=2,
        guard="structure",
    ),
    program(
        "dataclass written to",
        """
        import dataclasses
        @dataclasses.dataclass
        class Batch:
            x: object
        @compile
        def f(b):
            b.x = b.x * 2
            return b.x + 1
        for i in range(3):
            b = Batch(x + i)
            show(f(b), b.x)
        """,
        "ARGUMENT",
    ),
    program(
        "dataclass returned",
        """
        import dataclasses
        @dataclasses.dataclass
        class Out:
            loss: object
            parts: dict
            name: str = 'out'
        @compile
        def f(x):
            return Out(x.sum(), {'double': x * 2})
        for i in range(3):
            show(f(x + i))
        """,
    ),
    program(
        "object made anew",
        """
        class Batch:
            def __init__(self, x): self.x = x
        @compile
        def f(b):
            return b.x * 2
        for i in range(3):
            show(f(Batch(x + i)))
        """,
        traces=3,
        guard="argument",
    ),
    program(
        "object passed again and changed",
        """
        class Batch:
            def __init__(self, x): self.x = x
        b = Batch(x)
        @compile
        def f(b):
            return b.x * 2
        for i in range(3):
            b.x.add_(i)
            show(f(b))
        """,
    ),
    program(
        "list written to",
        """
        @compile
        def f(xs):
            xs[0] = xs[0] * 2
            return xs[0] + 1
        for i in range(3):
            xs = [x + i]
            show(f(xs), xs)
        """,
        "ARGUMENT",
    ),
    program(
        "list appended to",
        """
        @compile
        def f(xs):
            xs.append(xs[0] * 2)
            return xs[-1] + 1
        for i in range(3):
            xs = [x + i]
            show(f(xs), xs)
        """,
        "CONTAINER",
    ),
    program(
        "dict written to",
        """
        @compile
        def f(d):
            d['y'] = d['x'] * 2
            return d['y'] + 1
        for i in range(3):
            d = {'x': x + i}
            show(f(d), d)
        """,
        "ARGUMENT",
    ),
    program(
        "dict of keywords",
        """
        @compile
        def f(**kw):
            return kw['x'] * kw.get('k', 5.0)
        for kw in ({}, {'k': 2.0}, {}, {'k': 2.0}, {'k': 3.0}):
            show(f(x=x, **kw))
        """,
        traces=3,
        guard="",
    ),
    program(
        "order of keywords",
        """
        @compile
        def f(**kw):
            return [*kw.values()][0] * 2
        show(f(a=x, b=x + 1), f(b=x + 1, a=x), f(a=x, b=x + 1))
        """,
        traces=2,
        guard="structure",
    ),
    program(
        "positional or keyword",
        """
        @compile
        def f(a, k=2.0): return a * k
        show(f(x), f(x, 2.0), f(x, k=2.0), f(a=x), f(x))
        """,
        traces=4,
        guard="structure",
    ),
    program(
        "number of arguments",
        """
        @compile
        def f(*args): return sum(args)
        show(f(x), f(x, x), f(x), f(x, x, x))
        """,
        traces=3,
        guard="",
    ),
    program(
        "same function, other number at each call",
        """
        @compile
        def f(x, k): return x * k
        show([f(x, float(k % 3)) for k in range(9)])
        """,
        traces=3,
        guard="argument 1",
    ),
    program(
        "numpy array as an argument",
        """
        @compile
        def f(x, a): return x * float(a[0])
        for k in (2.0, 3.0, 2.0):
            show(f(x, np.array([k])))
        """,
        traces=2,
        guard="argument 1",
    ),
    program(
        "generator of random numbers as an argument",
        """
        @compile
        def f(x, r): return x * float(r.random())
        r = np.random.default_rng(3)
        for i in range(3):
            show(f(x, r))
        """,
        "NUMPY_RANDOM",
    ),
    program(
        "module as an argument",
        """
        @compile
        def f(m, x): return m(x)
        a, b = nn.Tanh(), nn.ReLU()
        show(f(a, x), f(b, x), f(a, x), f(b, x))
        """,
        traces=2,
        guard="argument 0",
    ),
    program(
        "device",
        """
        @compile
        def f(x): return x.to('cpu') * 2, x.device.type
        show(f(x), f(x))
        """,
    ),
    argument(
        "equal numpy scalars",
        "np.float64(2)",
        "np.float64(2)",
        "torch.ones(3) * float(a)",
        guard="",
    ),
)
