"""Functions: defaults, decorators, methods, callables as state and as arguments."""

from .rows import program, states

ROWS = (
    states(
        "default argument replaced",
        "def g(x, k=2.0):\n    return x * k\nf = compile(g)",
        "g.__defaults__ = (2.0,)",
        "g.__defaults__ = (3.0,)",
        "f(x)",
        "defaults",
    ),
    states(
        "keyword default replaced",
        "def g(x, *, k=2.0):\n    return x * k\nf = compile(g)",
        "g.__kwdefaults__ = {'k': 2.0}",
        "g.__kwdefaults__ = {'k': 3.0}",
        "f(x)",
        "defaults",
    ),
    states(
        "mutable default read",
        "def g(x, k=[2.0]):\n    return x * k[0]\nf = compile(g)",
        "g.__defaults__[0][0] = 2.0",
        "g.__defaults__[0][0] = 3.0",
        "f(x)",
        "default",
    ),
    program(
        "mutable default appended to",
        """
        @compile
        def f(x, seen=[]):
            seen.append(1)
            return x * len(seen)
        for i in range(4):
            show(f(x))
        """,
        "CONTAINER",
    ),
    program(
        "mutable default assigned to",
        """
        @compile
        def f(x, seen=[0]):
            seen[0] += 1
            return x * seen[0]
        for i in range(4):
            show(f(x))
        """,
        "CHANGES",
    ),
    states(
        "default of a helper",
        """
        def helper(x, k=[2.0]): return x * k[0]
        @compile
        def f(x): return helper(x)
        """,
        "helper.__defaults__[0][0] = 2.0",
        "helper.__defaults__[0][0] = 3.0",
        "f(x)",
        "is",
    ),
    states(
        "default of a helper replaced",
        """
        def helper(x, k=2.0): return x * k
        @compile
        def f(x): return helper(x)
        """,
        "helper.__defaults__ = (2.0,)",
        "helper.__defaults__ = (3.0,)",
        "f(x)",
        "helper",
    ),
    states(
        "code of a helper replaced",
        """
        def a(x): return x * 2
        def b(x): return x * 3
        codes = [a.__code__, b.__code__]
        @compile
        def f(x): return a(x)
        """,
        "a.__code__ = codes[0]",
        "a.__code__ = codes[1]",
        "f(x)",
        "a is",
    ),
    states(
        "code of the function itself replaced",
        """
        def a(x): return x * 2
        def b(x): return x * 3
        codes = [a.__code__, b.__code__]
        f = compile(a)
        """,
        "a.__code__ = codes[0]",
        "a.__code__ = codes[1]",
        "f(x)",
        "code",
    ),
    states(
        "helper replaced",
        """
        def a(x): return x * 2
        def b(x): return x * 3
        @compile
        def f(x): return helper(x)
        """,
        "helper = a",
        "helper = b",
        "f(x)",
        "helper is",
    ),
    states(
        "attribute of a function",
        """
        def helper(x): return x * helper.k
        @compile
        def f(x): return helper(x)
        """,
        "helper.k = 2.0",
        "helper.k = 3.0",
        "f(x)",
        "attributes of helper",
    ),
    states(
        "function in a table",
        """
        table = {}
        two, three = lambda x: x * 2, lambda x: x * 3
        @compile
        def f(x): return table['op'](x)
        """,
        "table['op'] = two",
        "table['op'] = three",
        "f(x)",
        "table is",
    ),
    states(
        "lambda as an argument",
        "two, three = lambda x: x * 2, lambda x: x * 3\n@compile\ndef f(g, x): return g(x)",
        "g = two",
        "g = three",
        "f(g, x)",
        "argument 0",
    ),
    states(
        "method of a class replaced",
        """
        class C:
            def g(self, x): return x * 2
        first, second = C.g, lambda self, x: x * 3
        c = C()
        @compile
        def f(x): return c.g(x)
        """,
        "C.g = first",
        "C.g = second",
        "f(x)",
        "g is",
    ),
    states(
        "method replaced on the instance",
        """
        class C:
            def g(self, x): return x * 2
        c = C()
        three = lambda x: x * 3
        @compile
        def f(x): return c.g(x)
        """,
        "c.__dict__.clear()",
        "c.g = three",
        "f(x)",
        "c.g is",
    ),
    states(
        "method of a base class replaced",
        """
        class B:
            def g(self, x): return x * 2
        class C(B): pass
        first, second = B.g, lambda self, x: x * 3
        c = C()
        @compile
        def f(x): return c.g(x)
        """,
        "B.g = first",
        "B.g = second",
        "f(x)",
        "g is",
    ),
    states(
        "static method replaced",
        """
        class C:
            @staticmethod
            def g(x): return x * 2
        first, second = C.__dict__['g'], staticmethod(lambda x: x * 3)
        @compile
        def f(x): return C.g(x)
        """,
        "C.g = first",
        "C.g = second",
        "f(x)",
        "g is",
    ),
    states(
        "class method and its class's state",
        """
        class C:
            k = 1.0
            @classmethod
            def g(cls, x): return x * cls.k
        @compile
        def f(x): return C.g(x)
        """,
        "C.k = 2.0",
        "C.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "method called on another instance",
        """
        class C:
            def __init__(self, k): self.k = k
            @compile
            def f(self, x): return x * self.k
        a, b = C(2.0), C(3.0)
        """,
        "c = a",
        "c = b",
        "c.f(x)",
        "argument 0",
    ),
    states(
        "bound method as an argument",
        """
        class C:
            def __init__(self, k): self.k = k
            def g(self, x): return x * self.k
        a, b = C(2.0), C(3.0)
        @compile
        def f(g, x): return g(x)
        g, h = a.g, b.g
        """,
        "m = g",
        "m = h",
        "f(m, x)",
        "argument 0",
    ),
    program(
        "bound method made anew at each call",
        """
        class C:
            k = 2.0
            def g(self, x): return x * self.k
        c = C()
        @compile
        def f(g, x): return g(x)
        for i in range(4):
            show(f(c.g, x))
        """,
    ),
    states(
        "callable object",
        """
        class C:
            k = 1.0
            def __call__(self, x): return x * self.k
        c = C()
        @compile
        def f(x): return c(x)
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "callable object compiled",
        """
        class C:
            k = 1.0
            def __call__(self, x): return x * self.k
        c = C()
        f = compile(c)
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "partial",
        """
        import functools
        def g(k, x): return x * k
        two, three = functools.partial(g, 2.0), functools.partial(g, 3.0)
        @compile
        def f(x): return p(x)
        """,
        "p = two",
        "p = three",
        "f(x)",
        "p is",
    ),
    states(
        "state behind a partial",
        """
        import functools
        class C: pass
        c = C()
        def g(c, x): return x * c.k
        p = functools.partial(g, c)
        @compile
        def f(x): return p(x)
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "partial compiled",
        """
        import functools
        class C: pass
        c = C()
        def g(c, x): return x * c.k
        f = compile(functools.partial(g, c))
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "keywords of a partial",
        """
        import functools
        def g(x, k): return x * k
        p = functools.partial(g, k=2.0)
        @compile
        def f(x): return p(x)
        """,
        "p.keywords['k'] = 2.0",
        "p.keywords['k'] = 3.0",
        "f(x)",
        "p",
    ),
    states(
        "decorator's own state",
        """
        import functools
        def scaled(g):
            @functools.wraps(g)
            def wrapper(x): return g(x) * wrapper.k
            return wrapper
        @scaled
        def g(x): return x + 1
        f = compile(g)
        """,
        "g.k = 2.0",
        "g.k = 3.0",
        "f(x)",
        "attributes of g",
    ),
    program(
        "decorator that counts",
        """
        import functools
        def counted(g):
            calls = [0]
            @functools.wraps(g)
            def wrapper(x):
                calls[0] += 1
                return g(x) * calls[0]
            return wrapper
        f = compile(counted(lambda x: x + 1))
        for i in range(4):
            show(f(x))
        """,
        "CHANGES",
    ),
    program(
        "recursion",
        """
        @compile
        def f(x, n):
            return x if n == 0 else x + f(x * 2, n - 1)
        for n in (0, 3, 0, 3):
            show(f(x, n))
        """,
        traces=2,
        guard="argument 1",
    ),
    states(
        "recursion through a global",
        """
        def power(x, n): return x if n == 1 else x * power(x, n - 1)
        @compile
        def f(x): return power(x, depth)
        """,
        "depth = 2",
        "depth = 3",
        "f(x)",
        "depth is",
    ),
    states(
        "functions called from C",
        """
        def double(v): return v * k
        @compile
        def f(x): return sum(map(double, [x, x + 1]))
        """,
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "key function",
        """
        def key(v): return v * sign
        @compile
        def f(x): return x * sorted([1.0, 2.0, 3.0], key=key)[0]
        """,
        "sign = 1",
        "sign = -1",
        "f(x)",
        "sign is",
    ),
    states(
        "cache of a function",
        """
        import functools
        @functools.lru_cache
        def scale(): return k
        @compile
        def f(x): return x * scale()
        """,
        "k = 2.0; scale.cache_clear()",
        "k = 3.0; scale.cache_clear()",
        "f(x)",
        "is",
        traces=4,
    ),
    states(
        "single dispatch",
        """
        import functools
        @functools.singledispatch
        def g(v): return 2.0
        two, three = (lambda v: 2.0), (lambda v: 3.0)
        @compile
        def f(x): return x * g(1)
        """,
        "g.register(int, two)",
        "g.register(int, three)",
        "f(x)",
        "registry is",
    ),
    states(
        "context manager with state",
        """
        import contextlib
        @contextlib.contextmanager
        def scaled():
            yield k
        @compile
        def f(x):
            with scaled() as s:
                return x * s
        """,
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    program(
        "context manager that changes and restores",
        """
        import contextlib
        k = 1.0
        @contextlib.contextmanager
        def doubled():
            global k
            k *= 2
            try:
                yield
            finally:
                k /= 2
        @compile
        def f(x):
            with doubled():
                return x * k
        for i in range(3):
            show(f(x), k)
        k = 5.0
        show(f(x), k)
        k = 1.0
        show(f(x), k)
        """,
        traces=2,
        guard="k is",
    ),
    program(
        "generator outside that is advanced",
        """
        def numbers():
            n = 1.0
            while True:
                yield n
                n += 1
        it = numbers()
        @compile
        def f(x):
            return x * next(it)
        for i in range(4):
            show(f(x))
        """,
        "ITERATOR",
    ),
    program(
        "iterator outside that a loop advances",
        """
        it = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
        @compile
        def f(x):
            for k in it:
                return x * k
            return x
        for i in range(4):
            show(f(x))
        """,
        "ITERATOR",
    ),
    program(
        "iterator in a list",
        """
        its = [iter([1.0, 2.0, 3.0, 4.0])]
        @compile
        def f(x):
            return x * next(its[0])
        for i in range(4):
            show(f(x))
        """,
        "ITERATOR",
    ),
    program(
        "count in an object",
        """
        import itertools
        class C: pass
        c = C()
        c.ids = itertools.count(1)
        @compile
        def f(x):
            return x * next(c.ids)
        for i in range(4):
            show(f(x))
        """,
        "ITERATOR",
    ),
    program(
        "iterator as an argument",
        """
        @compile
        def f(it, x):
            return x * next(it)
        it = iter([1.0, 2.0, 3.0, 4.0])
        for i in range(4):
            show(f(it, x))
        """,
        "ITERATOR",
    ),
    program(
        "generator made and used up inside",
        """
        def parts(x):
            for i in range(3):
                yield x * i
        @compile
        def f(x):
            return sum(parts(x))
        for i in range(3):
            show(f(x + i))
        """,
    ),
    states(
        "comprehension over a global",
        "ks = [1.0, 2.0]\n@compile\ndef f(x): return sum([x * k for k in ks])",
        "ks[:] = [1.0, 2.0]",
        "ks[:] = [1.0]",
        "f(x)",
        "ks is",
    ),
    states(
        "class made inside",
        """
        @compile
        def f(x):
            class Local:
                factor = k
                def __call__(self, v): return v * self.factor
            return Local()(x)
        """,
        "k = 2.0",
        "k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "super and inheritance",
        """
        class B:
            k = 1.0
            def g(self, x): return x * B.k
        class C(B):
            def g(self, x): return super().g(x) + 1
        c = C()
        @compile
        def f(x): return c.g(x)
        """,
        "B.k = 2.0",
        "B.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "operator overloaded by the user",
        """
        class C:
            k = 1.0
            def __rmul__(self, x): return x * self.k
            def __mul__(self, x): return x * self.k
        c = C()
        @compile
        def f(x): return c * x
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "match statement",
        """
        a, b = {'op': 'add', 'by': 2.0}, [2.0, 3.0]
        @compile
        def f(x):
            match k:
                case {"op": "add", "by": v}: return x + v
                case [a, b]: return x * a * b
                case _: return x
        """,
        "k = a",
        "k = b",
        "f(x)",
        "k is",
    ),
    program(
        "lambda made anew at each call",
        """
        @compile
        def f(g, x): return g(x)
        for k in (2.0, 2.0, 3.0, 2.0):
            show(f(lambda v: v * k, x))
        """,
        traces=2,
        guard="k is",
    ),
    states(
        "cache that is cleared",
        """
        import functools
        table = {}
        @functools.lru_cache
        def scale(): return len(table)
        @compile
        def f(x): return x * scale()
        """,
        "table.clear(); table[1] = 1; scale.cache_clear()",
        "table[2] = 2; scale.cache_clear()",
        "f(x)",
        "is",
        traces=4,
    ),
)
