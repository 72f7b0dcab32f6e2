"""Objects: attributes of instances and classes, properties, descriptors, slots, references."""

from .rows import program, states

OBJECT = "class C: pass\nc = C()\nc.k = 1.0\n@compile\ndef f(x):\n    return x * c.k"

ROWS = (
    states("attribute", OBJECT, "c.k = 2.0", "c.k = 3.0", "f(x)", "c.k is"),
    states("class attribute", OBJECT + "\ndel c.k", "C.k = 2.0", "C.k = 3.0", "f(x)", "c.k is"),
    states(
        "attribute that hides the class's",
        OBJECT + "\nC.k = 2.0",
        "c.__dict__.clear()",
        "c.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "attribute of a base class",
        """
        class B: k = 1.0
        class C(B): pass
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "B.k = 2.0",
        "B.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "attribute that a subclass starts to define",
        """
        class B: k = 2.0
        class C(B): pass
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "'k' in vars(C) and delattr(C, 'k')",
        "C.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "attribute of an attribute",
        """
        class C: pass
        c = C()
        c.d = C()
        @compile
        def f(x):
            return x * c.d.k
        """,
        "c.d.k = 2.0",
        "c.d.k = 3.0",
        "f(x)",
        "c.d.k is",
    ),
    states(
        "attribute of an object in a container",
        """
        class C: pass
        cs = [(C(), 1)]
        @compile
        def f(x):
            return x * cs[0][0].k
        """,
        "cs[0][0].k = 2.0",
        "cs[0][0].k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "object that is replaced",
        """
        class C:
            def __init__(self, k): self.k = k
        c = [C(2.0), C(3.0)]
        @compile
        def f(x):
            return x * d.k
        """,
        "d = c[0]",
        "d = c[1]",
        "f(x)",
        "d is",
    ),
    states(
        "slot",
        """
        class C: __slots__ = ('k',)
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "slots in a container",
        """
        class C: __slots__ = ('k',)
        cs = {'a': C()}
        @compile
        def f(x):
            return x * cs['a'].k
        """,
        "cs['a'].k = 2.0",
        "cs['a'].k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "property",
        """
        class C:
            hidden = 1.0
            @property
            def k(self): return self.hidden * 2
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "c.hidden = 2.0",
        "c.hidden = 3.0",
        "f(x)",
        "hidden is",
    ),
    states(
        "property that is replaced",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            return x * c.k
        a, b = property(lambda self: 2.0), property(lambda self: 3.0)
        """,
        "C.k = a",
        "C.k = b",
        "f(x)",
        "c.k is",
    ),
    states(
        "descriptor",
        """
        class D:
            value = 1.0
            def __get__(self, instance, owner): return self.value
        class C: k = D()
        c, d = C(), C.__dict__['k']
        @compile
        def f(x):
            return x * c.k
        """,
        "d.value = 2.0",
        "d.value = 3.0",
        "f(x)",
        "value is",
    ),
    states(
        "cached property",
        """
        import functools
        class C:
            hidden = 2.0
            @functools.cached_property
            def k(self): return self.hidden * 2
        c = C()
        c.k
        @compile
        def f(x):
            return x * c.k
        """,
        "c.hidden = 2.0; vars(c).clear(); c.k",
        "c.hidden = 3.0; del c.k; c.k",
        "f(x)",
        "is",
    ),
    program(
        "cached property that is made inside",
        """
        import functools
        class C:
            @functools.cached_property
            def k(self): return 4.0
        c = C()
        @compile
        def f(x):
            return x * c.k
        for i in range(3):
            show(f(x), vars(c))
            vars(c).clear()
        """,
        "CHANGES",
    ),
    states(
        "__getattr__",
        """
        class C:
            table = {}
            def __getattr__(self, name): return self.table[name]
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "c.table['k'] = 2.0",
        "c.table['k'] = 3.0",
        "f(x)",
        "table is",
    ),
    states(
        "__getattribute__",
        """
        class C:
            k = 1.0
            def __getattribute__(self, name): return scale
        c = C()
        @compile
        def f(x):
            return x * c.k
        """,
        "scale = 2.0",
        "scale = 3.0",
        "f(x)",
        "scale is",
    ),
    states(
        "__getitem__",
        """
        class C:
            def __init__(self): self.items = [1.0]
            def __getitem__(self, i): return self.items[i]
        c = C()
        @compile
        def f(x):
            return x * c[0]
        """,
        "c.items[0] = 2.0",
        "c.items[0] = 3.0",
        "f(x)",
        "items is",
    ),
    states(
        "subclass of dict",
        """
        class D(dict):
            scale = 1.0
            def __missing__(self, key): return self.scale
        d = D()
        @compile
        def f(x):
            return x * d['k']
        """,
        "d.scale = 2.0",
        "d.scale = 3.0",
        "f(x)",
        "scale is",
    ),
    states(
        "simple namespace",
        "import types\nc = types.SimpleNamespace()\n@compile\ndef f(x):\n    return x * c.k",
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "dataclass",
        """
        import dataclasses
        @dataclasses.dataclass
        class C:
            k: float
        c = C(1.0)
        @compile
        def f(x):
            return x * c.k
        """,
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c.k is",
    ),
    states(
        "frozen dataclass replaced",
        """
        import dataclasses
        @dataclasses.dataclass(frozen=True)
        class C:
            k: float
        a, b = C(2.0), C(3.0)
        @compile
        def f(x):
            return x * c.k
        """,
        "c = a",
        "c = b",
        "f(x)",
        "c is",
    ),
    states(
        "named tuple",
        "import collections\nP = collections.namedtuple('P', 'k')\n"
        "@compile\ndef f(x):\n    return x * c.k",
        "c = P(2.0)",
        "c = P(3.0)",
        "f(x)",
        "c is",
    ),
    states(
        "class of an object",
        """
        class A:
            def k(self): return 2.0
        class B:
            def k(self): return 3.0
        c = A()
        @compile
        def f(x):
            return x * c.k()
        """,
        "c.__class__ = A",
        "c.__class__ = B",
        "f(x)",
        "k is",
    ),
    states(
        "isinstance of a global object",
        """
        class A: pass
        class B(A): pass
        c = A()
        @compile
        def f(x):
            return x * (2 if isinstance(c, B) else 3)
        """,
        "c.__class__ = A",
        "c.__class__ = B",
        "f(x)",
        "class",
    ),
    states(
        "getattr by a name in a variable",
        OBJECT.replace("c.k\n", "c.k\n").replace("return x * c.k", "return x * getattr(c, name)")
        + "\nc.b = 3.0\nc.a = 2.0",
        "name = 'a'",
        "name = 'b'",
        "f(x)",
        "name is",
    ),
    states(
        "getattr by a name put together",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            out = x
            for i in range(2):
                out = out * getattr(c, f"k{i}")
            return out
        c.k0 = 1.0
        """,
        "c.k1 = 2.0",
        "c.k1 = 3.0",
        "f(x)",
        "k1 is",
    ),
    states(
        "hasattr",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            return x * (2 if hasattr(c, 'k') else 3)
        """,
        "c.__dict__.clear()",
        "c.k = 1",
        "f(x)",
        "k is",
    ),
    states(
        "attrgetter",
        "import operator\nget = operator.attrgetter('k')\n"
        "class C: pass\nc = C()\n@compile\ndef f(x):\n    return x * get(c)",
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "vars()",
        "class C: pass\nc = C()\n@compile\ndef f(x):\n    return x * vars(c)['k']",
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c",
    ),
    states(
        "__dict__",
        "class C: pass\nc = C()\n@compile\ndef f(x):\n    return x * c.__dict__['k']",
        "c.k = 2.0",
        "c.k = 3.0",
        "f(x)",
        "c",
    ),
    states(
        "iterating over an object's own items",
        """
        class C:
            def __init__(self): self.parts = [1.0, 2.0]
            def __iter__(self): return iter(self.parts)
            def __len__(self): return len(self.parts)
        c = C()
        @compile
        def f(x):
            for p in c:
                x = x * p
            return x + len(c)
        """,
        "c.parts[:] = [1.0, 2.0]",
        "c.parts.append(3.0)",
        "f(x)",
        "parts is",
    ),
    program(
        "counter in an object",
        """
        class C:
            n = 0
            def f(self, x):
                self.n += 1
                return x * self.n
        c = C()
        f = compile(c.f)
        for i in range(4):
            show(f(x), c.n)
        """,
        "CHANGES",
    ),
    program(
        "counter in a class",
        """
        class C:
            n = 0
        @compile
        def f(x):
            C.n += 1
            return x * C.n
        for i in range(4):
            show(f(x), C.n)
        """,
        "CHANGES",
    ),
    program(
        "attribute written by setattr",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            setattr(c, 'last', 3)
            return x * 2
        for i in range(3):
            show(f(x), vars(c))
            vars(c).clear()
        """,
        "CHANGES",
    ),
    program(
        "attribute deleted inside",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            if hasattr(c, 'k'):
                del c.k
                return x * 2
            return x
        for i in range(4):
            if i != 2:
                c.k = 1
            show(f(x), vars(c))
        """,
        "CHANGES",
    ),
    program(
        "slot written inside",
        """
        class C: __slots__ = ('n',)
        c = C()
        c.n = 0
        @compile
        def f(x):
            c.n += 1
            return x * c.n
        for i in range(3):
            show(f(x), c.n)
        """,
        "CHANGES",
    ),
    program(
        "property set inside",
        """
        class C:
            def __init__(self): self._k = 1.0
            @property
            def k(self): return self._k
            @k.setter
            def k(self, v): self._k = v * 2
        c = C()
        @compile
        def f(x):
            c.k = c.k + 1
            return x * c.k
        for i in range(3):
            show(f(x), c.k)
        """,
        "CHANGES",
    ),
    program(
        "tensor attribute set inside",
        """
        class C: pass
        c = C()
        c.h = torch.zeros(3)
        @compile
        def f(x):
            c.h = c.h * 0.5 + x
            return c.h
        for i in range(4):
            show(f(x), c.h)
            if i == 2:
                c.h = torch.ones(3)
        """,
    ),
    program(
        "tensor attribute first made inside",
        """
        class C: h = None
        c = C()
        @compile
        def f(x):
            if c.h is None:
                c.h = torch.zeros(3)
            c.h = c.h + x
            return c.h * 1
        for i in range(4):
            show(f(x), c.h)
        """,
        traces=2,
        guard="c.h is",
    ),
    states(
        "weak reference",
        """
        import weakref
        class C: pass
        c = C()
        r = weakref.ref(c)
        alive = [c]
        @compile
        def f(x):
            return x * (3 if r() is None else 2)
        del c
        """,
        "pass",
        "alive.clear(); import gc; gc.collect()",
        "f(x)",
        traces=0,
        recompiles=0,
        fallbacks=("WEAK",),
    ),
    program(
        "weak reference to an object with state",
        """
        import weakref
        class C: pass
        c = C()
        r = weakref.ref(c)
        c.k = 2.0
        @compile
        def f(x):
            return x * r().k
        for k in (2.0, 3.0, 2.0):
            c.k = k
            show(f(x))
        """,
        "WEAK",
    ),
    states(
        "weak dictionary",
        """
        import weakref
        class C: pass
        c, d = C(), C()
        table = weakref.WeakKeyDictionary()
        @compile
        def f(x):
            return x * table[c]
        """,
        "table[c] = 2.0",
        "table[c] = 3.0",
        "f(x)",
        traces=0,
        recompiles=0,
        fallbacks=("WEAK",),
    ),
    states(
        "__len__ and __bool__",
        """
        class C:
            n = 1
            def __bool__(self): return self.n > 1
        c = C()
        @compile
        def f(x):
            return x * 2 if c else x * 3
        """,
        "c.n = 1",
        "c.n = 2",
        "f(x)",
        "n is",
    ),
    states(
        "metaclass attribute",
        """
        class M(type): k = 1.0
        class C(metaclass=M): pass
        @compile
        def f(x):
            return x * C.k
        """,
        "M.k = 2.0",
        "M.k = 3.0",
        "f(x)",
        "k is",
    ),
    states(
        "attribute of a tensor",
        """
        w = torch.ones(3)
        @compile
        def f(x):
            return x * w * (2 if getattr(w, 'flag', False) else 3)
        """,
        "w.flag = False",
        "w.flag = True",
        "f(x)",
        "flag is",
    ),
    states(
        "attribute of an argument tensor",
        "@compile\ndef f(x):\n    return x * x.k",
        "x.k = 2.0",
        "x.k = 3.0",
        "f(x)",
        "k is",
    ),
    program(
        "attribute put on an argument tensor",
        """
        @compile
        def f(x):
            x.tag = 'seen'
            return x * 2
        for i in range(3):
            y = x + i
            show(f(y), y.tag)
        """,
        "CHANGES",
    ),
    states(
        "state set to None",
        """
        class C: pass
        c = C()
        c.h = torch.zeros(3)
        start = torch.ones(3)
        @compile
        def f(x):
            c.h = x * 1 if c.h is None else c.h + x
            return c.h * 2
        """,
        "c.h = start",
        "c.h = None",
        "f(x)",
        "c.h is",
    ),
    program(
        "hidden state of a module",
        """
        class Cell(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = torch.zeros(3)
            def forward(self, x):
                self.hidden = torch.tanh(self.hidden + x)
                return self.hidden * 2
        cell = Cell()
        f = compile(cell)
        for i in range(4):
            show(f(x), cell.hidden)
            if i == 2:
                cell.hidden = torch.ones(3)
        """,
    ),
)
