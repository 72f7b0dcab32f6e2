"""Names outside a function that hold numbers, strings and containers."""

from .rows import program, states

GLOBAL = "@compile\ndef f(x):\n    return x * k"

ROWS = (
    states("global float", GLOBAL, "k = 2.0", "k = 3.0", "f(x)", "k is"),
    states("global int or float of equal value", GLOBAL, "k = 2", "k = 2.0", "f(x.long())", "k is"),
    states("global bool or int of equal value", GLOBAL, "k = 1", "k = True", "f(x > 0)", "k is"),
    states("zero and minus zero", GLOBAL, "k = 0.0", "k = -0.0", "1 / f(x)", "k is"),
    states("nan and a number", GLOBAL, "k = float('nan')", "k = 1.0", "f(x)", "k is"),
    states("one nan and another", GLOBAL, "k = float('nan')", "k = float('nan')", "f(x)"),
    states("infinities", GLOBAL, "k = float('inf')", "k = float('-inf')", "f(x)", "k is"),
    states("complex zeros", GLOBAL, "k = 0j", "k = complex(0.0, -0.0)", "f(x)", "k is"),
    states("numpy scalar", GLOBAL, "k = np.float32(2)", "k = np.float32(3)", "f(x)", "k is"),
    states(
        "numpy scalar and float",
        "@compile\ndef f(x):\n    return x.long() * (2 if type(k) is float else 3)",
        "k = np.float64(2)",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "string",
        "@compile\ndef f(x):\n    return x.sum() if mode == 'sum' else x.mean()",
        "mode = 'sum'",
        "mode = 'mean'",
        "f(x)",
        "mode is",
    ),
    states(
        "bytes",
        "@compile\ndef f(x):\n    return x * len(k)",
        "k = b'ab'",
        "k = b'abc'",
        "f(x)",
        "k is",
    ),
    states(
        "None and a number",
        "@compile\ndef f(x):\n    return x if k is None else x * k",
        "k = None",
        "k = 4.0",
        "f(x)",
        "k is",
    ),
    states(
        "enum member",
        """
        import enum
        Mode = enum.Enum("Mode", "UP DOWN")
        @compile
        def f(x):
            return x + 1 if mode is Mode.UP else x - 1
        """,
        "mode = Mode.UP",
        "mode = Mode.DOWN",
        "f(x)",
        "mode is",
    ),
    states(
        "flag",
        """
        import enum
        class Mode(enum.IntFlag):
            A = 1
            B = 2
        @compile
        def f(x):
            return x * (2 if mode & Mode.B else 1)
        """,
        "mode = Mode.A",
        "mode = Mode.A | Mode.B",
        "f(x)",
        "mode is",
    ),
    states(
        "torch dtype",
        "@compile\ndef f(x):\n    return x.to(kind)",
        "kind = torch.float64",
        "kind = torch.int32",
        "f(x)",
        "kind is",
    ),
    states(
        "global tensor is read again",
        "@compile\ndef f(x):\n    return x * w",
        "w = torch.tensor([1.0, 2.0, 3.0])\nw2 = w",
        "w2 += 1",
        "f(x)",
        traces=2,
        guard="w is",
    ),
    program(
        "global tensor written between calls",
        """
        w = torch.ones(3)
        @compile
        def f(x):
            return x * w
        for i in range(4):
            show(f(x))
            w.add_(1)
        """,
    ),
    states(
        "another tensor takes its place",
        """
        a, b = torch.ones(3), torch.zeros(3)
        @compile
        def f(x):
            return x * w
        """,
        "w = a",
        "w = b",
        "f(x)",
        "w is",
    ),
    states(
        "number or tensor",
        "two = torch.tensor(2.0)\n" + GLOBAL,
        "k = 3.0",
        "k = two",
        "f(x)",
        "k is",
    ),
    states(
        "closure variable",
        """
        def make():
            k = 1.0
            def set(value):
                nonlocal k
                k = value
            @compile
            def f(x):
                return x * k
            return f, set
        f, set = make()
        """,
        "set(2.0)",
        "set(3.0)",
        "f(x)",
        "k is",
    ),
    program(
        "two functions of one code keep their own variables",
        """
        def make(k):
            def f(x):
                return x * k
            def set(value):
                nonlocal k
                k = value
            return f, set
        f, _ = make(2.0)
        g, set = make(2.0)
        h, _ = make(2.0)
        f, g, h = compile(f), compile(g), compile(h)
        show(f(x), g(x), h(x))
        set(5.0)
        show(f(x), g(x), h(x))
        set(2.0)
        show(f(x), g(x), h(x))
        """,
        traces=4,
        recompiles=1,
        guard="k is",
    ),
    states(
        "variable of a closure two levels up",
        """
        def make():
            k = 1.0
            def set(value):
                nonlocal k
                k = value
            def outer(x):
                def inner():
                    return x * k
                return inner()
            return outer, set
        f, set = make()
        f = compile(f)
        """,
        "set(2.0)",
        "set(3.0)",
        "f(x)",
        "k is",
    ),
    program(
        "nonlocal written inside",
        """
        def make():
            n = 0
            @compile
            def f(x):
                nonlocal n
                n += 1
                return x * n
            return f, lambda: n
        f, count = make()
        for i in range(4):
            show(f(x), count())
        """,
        "CHANGES",
    ),
    program(
        "global counter",
        """
        n = 0
        @compile
        def f(x):
            global n
            n += 1
            return x * n
        for i in range(4):
            show(f(x), n)
        """,
        "CHANGES",
    ),
    program(
        "global deleted inside",
        """
        k = 2.0
        @compile
        def f(x):
            global k
            try:
                y = x * k
                del k
                return y
            except NameError:
                return x
        for i in range(3):
            show(f(x))
        """,
        "CHANGES",
    ),
    program(
        "global made inside",
        """
        @compile
        def f(x):
            global made
            made = 3.0
            return x * 2
        for i in range(3):
            show(f(x), made)
            del made
        """,
        "CHANGES",
    ),
    states(
        "global that is not there at first",
        """
        @compile
        def f(x):
            try:
                return x * extra
            except NameError:
                return x
        """,
        "globals().pop('extra', None)",
        "extra = 3.0",
        "f(x)",
        "extra is",
    ),
    states(
        "builtin that is hidden",
        "@compile\ndef f(x):\n    return x * max(1, 3)",
        "globals().pop('max', None)",
        "max = min",
        "f(x)",
        "max is",
    ),
    states(
        "globals()",
        "@compile\ndef f(x):\n    return x * globals()['k']",
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        traces=0,
        recompiles=0,
        fallbacks=("LOOKUP",),
    ),
    states(
        "eval",
        "@compile\ndef f(x):\n    return eval('x * k')",
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    # Containers
    states(
        "item of a list",
        "k = [1.0, 2.0]\n@compile\ndef f(x):\n    return x * k[1]",
        "k[1] = 2.0",
        "k[1] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "length of a list",
        "k = [1, 2]\n@compile\ndef f(x):\n    return x * len(k)",
        "k[:] = [1, 2]",
        "k.append(3)",
        "f(x)",
        "k is",
    ),
    states(
        "item deep in containers",
        "k = {'a': [(1.0, {'b': 2.0})]}\n@compile\ndef f(x):\n    return x * k['a'][0][1]['b']",
        "k['a'][0][1]['b'] = 2.0",
        "k['a'][0][1]['b'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "item very deep in containers",
        "k = [[[[[[[2.0]]]]]]]\n@compile\ndef f(x):\n    return x * k[0][0][0][0][0][0][0]",
        "k[0][0][0][0][0][0][0] = 2.0",
        "k[0][0][0][0][0][0][0] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "item of a long list",
        "k = [1.0] * 3000\n@compile\ndef f(x):\n    return x * k[2500]",
        "k[2500] = 2.0",
        "k[2500] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "value of a dict",
        "k = {}\n@compile\ndef f(x):\n    return x * k['a']",
        "k['a'] = 2.0",
        "k['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "key of a dict",
        "k = {}\n@compile\ndef f(x):\n    return x * k.get('a', 5.0)",
        "k.clear()",
        "k['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "order of a dict",
        "k = {}\n@compile\ndef f(x):\n    return x * next(iter(k.values()))",
        "k.clear()\nk.update(a=2.0, b=3.0)",
        "k.clear()\nk.update(b=3.0, a=2.0)",
        "f(x)",
        "k is",
    ),
    states(
        "sorted keys of a dict",
        "k = {}\n@compile\ndef f(x):\n    return x * [k[n] for n in sorted(k)][0]",
        "k.clear()\nk.update(b=2.0)",
        "k['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "type of a dict's key",
        "k = {}\n@compile\ndef f(x):\n    return x * (2 if type([*k][0]) is bool else 3)",
        "k.clear()\nk[True] = 1",
        "k.clear()\nk[1] = 1",
        "f(x)",
        "k is",
    ),
    states(
        "set",
        "k = set()\n@compile\ndef f(x):\n    return x * (2.0 if 'a' in k else 3.0)",
        "k.clear()",
        "k.add('a')",
        "f(x)",
        "k is",
    ),
    states(
        "frozenset",
        "@compile\ndef f(x):\n    return x * len(k)",
        "k = frozenset('ab')",
        "k = frozenset('a')",
        "f(x)",
        "k is",
    ),
    states(
        "deque",
        "import collections\nk = collections.deque([1.0])\n"
        "@compile\ndef f(x):\n    return x * k[-1]",
        "k.append(2.0)",
        "k.append(3.0)",
        "f(x)",
        "k is",
        traces=4,
    ),
    states(
        "counter",
        "import collections\nk = collections.Counter()\n@compile\ndef f(x):\n    return x * k['a']",
        "k['a'] = 2",
        "k['a'] = 3",
        "f(x)",
        "k is",
    ),
    states(
        "defaultdict",
        "import collections\nk = collections.defaultdict(float)\n"
        "@compile\ndef f(x):\n    return x * k['a']",
        "k['a'] = 2.0",
        "k['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    program(
        "defaultdict that gets a key",
        """
        import collections
        k = collections.defaultdict(float)
        @compile
        def f(x):
            return x + k['a']
        for i in range(3):
            show(f(x), dict(k))
            k.clear()
        """,
        "CHANGES",
    ),
    states(
        "ordered dict",
        "import collections\nk = collections.OrderedDict(a=2.0, b=3.0)\n"
        "@compile\ndef f(x):\n    return x * next(iter(k.values()))",
        "k.move_to_end('a', last=False)",
        "k.move_to_end('b', last=False)",
        "f(x)",
        "k is",
    ),
    states(
        "UserDict",
        "import collections\nk = collections.UserDict()\n"
        "@compile\ndef f(x):\n    return x * k['a']",
        "k['a'] = 2.0",
        "k['a'] = 3.0",
        "f(x)",
        "k",
    ),
    states(
        "ChainMap",
        "import collections\nk = collections.ChainMap({}, {'a': 2.0})\n"
        "@compile\ndef f(x):\n    return x * k['a']",
        "k.maps[1]['a'] = 2.0",
        "k.maps[1]['a'] = 3.0",
        "f(x)",
        "k",
    ),
    states(
        "mapping proxy",
        "import types\nd = {}\nk = types.MappingProxyType(d)\n"
        "@compile\ndef f(x):\n    return x * k['a']",
        "d['a'] = 2.0",
        "d['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "dict view",
        "d = {}\nk = d.values()\n@compile\ndef f(x):\n    return x * max(k)",
        "d['a'] = 2.0",
        "d['a'] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "bytearray",
        "k = bytearray(b'ab')\n@compile\ndef f(x):\n    return x * k[0]",
        "k[0] = 2",
        "k[0] = 3",
        "f(x)",
        "k is",
    ),
    states(
        "array.array",
        "import array\nk = array.array('d', [1.0])\n@compile\ndef f(x):\n    return x * k[0]",
        "k[0] = 2.0",
        "k[0] = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "memoryview",
        "b = bytearray(b'ab')\nk = memoryview(b)\n@compile\ndef f(x):\n    return x * k[0]",
        "b[0] = 2",
        "b[0] = 3",
        "f(x)",
        "k is",
    ),
    states(
        "numpy array",
        "k = np.ones(3)\n@compile\ndef f(x):\n    return x * float(k[1])",
        "k[1] = 2",
        "k[1] = 3",
        "f(x)",
        "k is",
    ),
    states(
        "numpy array in a list",
        "k = [np.ones(3)]\n@compile\ndef f(x):\n    return x * float(k[0][1])",
        "k[0][1] = 2",
        "k[0][1] = 3",
        "f(x)",
        "k is",
    ),
    states(
        "large numpy array",
        "k = np.ones(100_000)\n@compile\ndef f(x):\n    return x * float(k[1])",
        "k[1] = 2",
        "k[1] = 3",
        "f(x)",
        traces=0,
        recompiles=0,
        fallbacks=("LARGE_ARRAY",),
    ),
    states(
        "tensor in a list",
        "k = [None]\na, b = torch.ones(3), torch.zeros(3)\n"
        "@compile\ndef f(x):\n    return x * k[0]",
        "k[0] = a",
        "k[0] = b",
        "f(x)",
        "k is",
    ),
    states(
        "range and slice",
        "@compile\ndef f(x):\n    return x[k].sum() * len(r)",
        "k, r = slice(0, 2), range(2)",
        "k, r = slice(0, 2), range(3)",
        "f(x)",
        "r is",
    ),
    states(
        "object that compares equal to all",
        """
        class Odd:
            def __eq__(self, other): return True
            __hash__ = object.__hash__
            def __init__(self, v): self.v = v
        a, b = Odd(2.0), Odd(3.0)
        @compile
        def f(x):
            return x * k.v
        """,
        "k = a",
        "k = b",
        "f(x)",
        "k is",
    ),
    states(
        "context variable",
        "import contextvars\nk = contextvars.ContextVar('k')\n"
        "@compile\ndef f(x):\n    return x * k.get()",
        "k.set(2.0)",
        "k.set(3.0)",
        "f(x)",
        "k is",
    ),
    states(
        "thread-local",
        "import threading\nk = threading.local()\n@compile\ndef f(x):\n    return x * k.v",
        "k.v = 2.0",
        "k.v = 3.0",
        "f(x)",
        "k.v is",
    ),
    states(
        "imported module's global",
        """
        import sys, types
        settings = types.ModuleType('settings_of_row')
        sys.modules['settings_of_row'] = settings
        @compile
        def f(x):
            import settings_of_row
            return x * settings_of_row.k
        """,
        "settings.k = 2.0",
        "settings.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "name imported in the function",
        """
        import sys, types
        settings = types.ModuleType('settings_of_row2')
        sys.modules['settings_of_row2'] = settings
        @compile
        def f(x):
            from settings_of_row2 import k
            return x * k
        """,
        "settings.k = 2.0",
        "settings.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "environment variable",
        "import os\n@compile\ndef f(x):\n    return x * float(os.environ['ROW_K'])",
        "os.environ['ROW_K'] = '2'",
        "os.environ['ROW_K'] = '3'",
        "f(x)",
        "os.environ",
    ),
    program(
        "clock",
        """
        import time
        @compile
        def f(x):
            return x * (time.perf_counter() >= 0)
        for i in range(3):
            show(f(x))
        """,
        "CLOCK",
    ),
    program(
        "Python's random numbers",
        """
        import random
        random.seed(3)
        @compile
        def f(x):
            return x * random.random()
        for i in range(3):
            show(f(x))
        """,
        "RANDOM",
    ),
    program(
        "a random generator of one's own",
        """
        import random
        r = random.Random(3)
        @compile
        def f(x):
            return x * r.choice([1, 2, 3, 4, 5])
        for i in range(3):
            show(f(x))
        """,
        "RANDOM",
    ),
    program(
        "NumPy's random numbers",
        """
        np.random.seed(3)
        @compile
        def f(x):
            return x * float(np.random.rand())
        for i in range(3):
            show(f(x))
        """,
        "NUMPY_RANDOM",
    ),
    program(
        "NumPy generator in a list",
        """
        r = [np.random.default_rng(3)]
        @compile
        def f(x):
            return x * float(r[0].random())
        for i in range(3):
            show(f(x))
        """,
        "NUMPY_RANDOM",
    ),
    states(
        "item of a very long list",
        "k = [1.0] * 20_000\n@compile\ndef f(x):\n    return x * k[2500]",
        "k[2500] = 2.0",
        "k[2500] = 3.0",
        "f(x)",
        traces=0,
        recompiles=0,
        fallbacks=("LARGE_CONTAINER",),
    ),
)
