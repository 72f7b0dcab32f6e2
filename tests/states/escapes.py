"""What leaves a function otherwise than by its result, values needed in Python, exceptions."""

from .rows import program, states

ROWS = (
    program(
        "tensor appended to an outer list",
        """
        out = []
        @compile
        def f(x):
            y = x * 2
            out.append(y)
            return y
        for i in range(3):
            f(x + i)
            show(out)
        """,
        "CONTAINER",
    ),
    program(
        "tensor put into an outer dict",
        """
        out = {}
        @compile
        def f(x):
            out['y'] = x * 2
            return x + 1
        for i in range(3):
            show(f(x + i), out)
        """,
        "CHANGES",
    ),
    program(
        "number put into an outer list",
        """
        out = [0]
        @compile
        def f(x):
            out[0] += 1
            return x * out[0]
        for i in range(3):
            show(f(x + i), out)
        """,
        "CHANGES",
    ),
    program(
        "outer list cleared",
        """
        out = [x]
        @compile
        def f(x):
            del out[:]
            return x + 1
        for i in range(3):
            show(f(x + i), out)
            out.append(x)
        """,
        "CHANGES",
    ),
    program(
        "list extended by +=",
        """
        out = []
        @compile
        def f(x):
            global out
            out += [1]
            return x * len(out)
        for i in range(3):
            show(f(x + i), out)
        """,
        "CHANGES",
    ),
    program(
        "set added to",
        """
        out = set()
        @compile
        def f(x):
            out.add(len(out))
            return x * len(out)
        for i in range(3):
            show(f(x + i), out)
        """,
        "CONTAINER",
    ),
    program(
        "numpy array written to",
        """
        out = np.zeros(3)
        @compile
        def f(x):
            out[0] += 1
            return x * 2
        for i in range(3):
            show(f(x + i), out.tolist())
        """,
        "CHANGES",
    ),
    program(
        "stored on a new attribute",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            c.kept = x * 2
            return x + 1
        for i in range(3):
            show(f(x + i), c.kept)
        """,
        traces=2,
        guard="kept is",
    ),
    program(
        "stored on an object in a list",
        """
        class C: pass
        cs = [C()]
        @compile
        def f(x):
            cs[0].kept = x * 2
            return x + 1
        for i in range(3):
            show(f(x + i), cs[0].kept)
        """,
        traces=2,
        guard="kept is",
    ),
    program(
        "stored under a global name",
        """
        @compile
        def f(x):
            global kept
            kept = x * 2
            return x + 1
        for i in range(3):
            show(f(x + i), kept)
        """,
        traces=2,
        guard="kept is",
    ),
    program(
        "list stored on an object",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            c.kept = [x * 2, x + 1]
            return x + 1
        for i in range(3):
            show(f(x + i), c.kept)
        """,
        traces=2,
        guard="kept is",
    ),
    program(
        "view of an argument stored",
        """
        class C: pass
        c = C()
        c.kept = x
        @compile
        def f(x):
            c.kept = x[1:]
            return x + 1
        for i in range(3):
            show(f(x + i), c.kept)
        """,
        "ELSEWHERE",
    ),
    program(
        "argument stored",
        """
        class C: pass
        c = C()
        @compile
        def f(x):
            c.last = x
            return x + 1
        for i in range(3):
            show(f(x + i), c.last)
        """,
        "ELSEWHERE",
    ),
    program(
        "generator returned",
        """
        @compile
        def f(x):
            return (x * i for i in range(3))
        for i in range(3):
            show([*f(x + i)])
        """,
        "RETURNS",
    ),
    program(
        "generator function",
        """
        @compile
        def f(x):
            for i in range(3):
                yield x * i
        for i in range(3):
            show([*f(x + i)])
        """,
        "RETURNS",
    ),
    program(
        "generator with a history of writes",
        """
        total = torch.zeros(3)
        @compile
        def f(x):
            for i in range(2):
                total.add_(x)
                yield total * 1
        for i in range(3):
            show([*f(x + i)], total)
        """,
        "RETURNS",
    ),
    program(
        "closure returned",
        """
        @compile
        def f(x):
            y = x * 2
            return lambda: y + 1
        for i in range(3):
            show(f(x + i)())
        """,
        "RETURNS",
    ),
    program(
        "closure stored outside",
        """
        fs = []
        @compile
        def f(x):
            y = x * 2
            fs.append(lambda: y + 1)
            return y
        for i in range(3):
            f(x + i)
            show([g() for g in fs])
        """,
        "CONTAINER",
    ),
    program(
        "object returned",
        """
        class C:
            def __init__(self, v): self.v = v
        @compile
        def f(x):
            return C(x * 2)
        for i in range(3):
            show(f(x + i).v)
        """,
        "RETURNS",
    ),
    program(
        "None returned",
        """
        @compile
        def f(x):
            x.add_(1)
        for i in range(3):
            show(f(x), x)
        """,
    ),
    program(
        "nested containers returned",
        """
        import collections
        P = collections.namedtuple('P', 'a b')
        @compile
        def f(x):
            return {'z': [x * 2, (x, None)], 'a': P(x + 1, 'name'), 3: {}}
        for i in range(3):
            show(f(x + i))
        """,
    ),
    program(
        "fresh containers at each call",
        """
        @compile
        def f(x):
            return [x * 2], {'k': []}
        a, b = f(x), f(x)
        a[0].append(1)
        a[1]['k'].append(2)
        show(a, b, f(x))
        """,
    ),
    program(
        "outer list returned",
        """
        keep = [1, 2]
        @compile
        def f(x):
            return keep, x * 2
        a, b = f(x), f(x)
        show(a[0] is keep, b[0] is keep)
        """,
        "SHARED",
    ),
    program(
        "one list returned twice",
        """
        @compile
        def f(x):
            y = [x * 2]
            return y, y
        a, b = f(x), f(x)
        show(a[0] is a[1], b[0] is b[1], a)
        """,
        "SHARED",
    ),
    program(
        "list argument returned",
        """
        @compile
        def f(xs):
            return xs
        for i in range(3):
            xs = [x + i]
            show(f(xs) is xs)
        """,
        "SHARED",
    ),
    program(
        "set returned",
        """
        @compile
        def f(x):
            return {1, 2}, x * 2
        a, b = f(x), f(x)
        a[0].add(3)
        show(a, b)
        """,
        "RETURNS",
    ),
    program(
        "numpy array returned",
        """
        @compile
        def f(x):
            return np.ones(2), x * 2
        a, b = f(x), f(x)
        a[0][0] = 7
        show(a[0].tolist(), b[0].tolist())
        """,
        "RETURNS",
    ),
    program(
        "value needed in the middle",
        """
        @compile
        def f(x):
            k = x.sum().item()
            return x * k
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "tolist, float, int and bool",
        """
        @compile
        def f(x):
            return x * float(x[0]) * int(x[1]) * bool(x[2]) + x.tolist()[0]
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "numpy in the middle",
        """
        @compile
        def f(x):
            return x * float(np.sort(x.numpy())[0])
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "branch on a value",
        """
        @compile
        def f(x):
            if x.sum() > 3:
                return x * 2
            return x * 3
        for i in (0, 3, 0, 3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "loop on a value",
        """
        @compile
        def f(x):
            while x.abs().max() > 1:
                x = x / 2
            return x
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "length by value",
        """
        @compile
        def f(x):
            return x[x > 0] * 2
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "index by a tensor's value",
        """
        @compile
        def f(x, i):
            return [x, x * 2, x * 3][i]
        for i in (0, 1, 2):
            show(f(x, torch.tensor(i)))
        """,
        "VALUE",
    ),
    program(
        "assert on a value",
        """
        @compile
        def f(x):
            assert x.isfinite().all()
            return x * 2
        for i in range(3):
            show(f(x + i))
        """,
        "VALUE",
    ),
    program(
        "a faithful and an unfaithful way",
        """
        @compile
        def f(x, look):
            if look:
                return x * x.sum().item()
            return x * 2
        for look in (False, True, False, True, False):
            show(f(x, look))
        """,
        "VALUE",
        traces=1,
        recompiles=1,
    ),
    program(
        "printing",
        """
        import io, contextlib
        out = io.StringIO()
        @compile
        def f(x):
            print('called', file=out)
            return x * 2
        for i in range(3):
            show(f(x + i), out.getvalue())
        """,
        "PRINTS",
    ),
    program(
        "text buffer written",
        """
        import io
        out = io.StringIO()
        @compile
        def f(x):
            out.write('a')
            return x * 2
        for i in range(3):
            show(f(x + i), out.getvalue())
        """,
        "CONTAINER",
    ),
    program(
        "text buffer read",
        """
        import io
        text = io.StringIO('1 2 3')
        @compile
        def f(x):
            return x * int(text.read(2))
        for i in range(3):
            show(f(x))
        """,
        "CONTAINER",
    ),
    program(
        "file read",
        """
        import tempfile
        file = tempfile.TemporaryFile('w+')
        file.write('123')
        file.seek(0)
        @compile
        def f(x):
            return x * int(file.read(1))
        for i in range(3):
            show(f(x))
        """,
        "FILE",
    ),
    program(
        "logging",
        """
        import logging, io
        out = io.StringIO()
        log = logging.getLogger('row')
        log.addHandler(logging.StreamHandler(out))
        log.propagate = False
        @compile
        def f(x):
            log.warning('called')
            return x * 2
        for i in range(3):
            show(f(x + i), out.getvalue())
        log.handlers.clear()
        """,
        "CLOCK",
        "CONTAINER",
    ),
    states(
        "logging that is off",
        """
        import logging
        log = logging.getLogger('row2')
        log.setLevel(logging.ERROR)
        log.addHandler(logging.NullHandler())
        log.propagate = False
        @compile
        def f(x):
            log.debug('called')
            return x * (2 if log.isEnabledFor(10) else 3)
        """,
        "log.setLevel(50)",
        "log.setLevel(40)",
        "f(x)",
        "log is",
    ),
    program(
        "warning",
        """
        import warnings
        seen = []
        @compile
        def f(x):
            warnings.warn('odd')
            return x * 2
        for i in range(3):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter('always')
                y = f(x + i)
            show(y, len([w for w in caught if str(w.message) == 'odd']))
        """,
        "WARNS",
    ),
    program(
        "queue",
        """
        import queue
        q = queue.Queue()
        for i in range(1, 6):
            q.put(i)
        @compile
        def f(x):
            return x * q.get()
        for i in range(4):
            show(f(x), q.qsize())
        """,
        "CHANGES",
    ),
    program(
        "deque popped",
        """
        import collections
        q = collections.deque([1, 2, 3, 4, 5])
        @compile
        def f(x):
            return x * q.popleft()
        for i in range(4):
            show(f(x), len(q))
        """,
        "CONTAINER",
    ),
    program(
        "dict popped",
        """
        d = {i: i for i in range(5)}
        @compile
        def f(x):
            return x * d.popitem()[1]
        for i in range(4):
            show(f(x), len(d))
        """,
        "CONTAINER",
    ),
    program(
        "context variable set",
        """
        import contextvars
        k = contextvars.ContextVar('k', default=1)
        @compile
        def f(x):
            k.set(k.get() + 1)
            return x * k.get()
        for i in range(4):
            show(f(x), k.get())
        """,
        "CHANGES",
    ),
    program(
        "tensor made of outside data",
        """
        data = [1.0, 2.0, 3.0]
        @compile
        def f(x):
            return x * torch.tensor(data)
        for k in (1.0, 5.0, 1.0):
            data[0] = k
            show(f(x))
        """,
        traces=2,
        guard="data is",
    ),
    program(
        "tensor made of a NumPy array",
        """
        data = np.array([1.0, 2.0, 3.0], np.float32)
        @compile
        def f(x):
            return x * torch.from_numpy(data)
        for k in (1.0, 5.0, 1.0):
            data[0] = k
            show(f(x))
        """,
        "NUMPY_DATA",
    ),
    # Exceptions
    program(
        "exception after a write",
        """
        w = torch.zeros(3)
        @compile
        def f(x, fail):
            w.add_(x)
            if fail:
                raise KeyError('asked for')
            return w * 2
        for fail in (False, True, False, True, False):
            try:
                show(f(x, fail), w)
            except KeyError as error:
                show(repr(error), w)
        """,
        recompiles=2,
        guard="argument 1",
    ),
    program(
        "exception in the first call",
        """
        w = torch.zeros(3)
        fail = True
        @compile
        def f(x):
            w.add_(x)
            if fail:
                raise ValueError('no')
            return w * 2
        for i in range(4):
            try:
                show(f(x), w)
            except ValueError as error:
                show(str(error), w)
            fail = i == 1
        """,
        recompiles=1,
        guard="fail is",
    ),
    program(
        "exception under no_grad",
        """
        w = torch.ones(3, requires_grad=True)
        @compile
        def f(x, fail):
            with torch.no_grad():
                y = x * w
                if fail:
                    raise ValueError('no')
            return y, x * w
        for fail in (False, True, False, True):
            try:
                show(f(x, fail))
            except ValueError:
                show(torch.is_grad_enabled(), x * w)
        """,
        recompiles=2,
        guard="argument 1",
    ),
    program(
        "exception caught inside",
        """
        @compile
        def f(x, table):
            try:
                return x * table['k']
            except KeyError:
                return x
            finally:
                x = x + 1
        for table in ({}, {'k': 2.0}, {}, {'k': 2.0}):
            show(f(x, table))
        """,
        traces=2,
        guard="structure",
    ),
    program(
        "shape error caught inside",
        """
        @compile
        def f(x, y):
            try:
                return x + y
            except RuntimeError:
                return x * 2
        for n in (3, 2, 3, 2):
            show(f(x, torch.ones(n)))
        """,
        traces=2,
        guard="argument 1",
    ),
    program(
        "finally with a write",
        """
        w = torch.zeros(3)
        @compile
        def f(x, fail):
            try:
                if fail:
                    raise ValueError('no')
                return x * 2
            finally:
                w.add_(1)
        for fail in (False, True, False):
            try:
                show(f(x, fail), w)
            except ValueError:
                show(w)
        """,
        recompiles=1,
        guard="argument 1",
    ),
    program(
        "exception in backward",
        """
        w = torch.ones(3, requires_grad=True)
        def fail(g):
            raise ValueError('no')
        @compile
        def f(x):
            (x * w).sum().backward()
        f(x)
        w.grad = None
        h = w.register_hook(fail)
        try:
            f(x)
        except ValueError:
            show(w.grad)
        h.remove()
        f(x)
        show(w.grad)
        """,
        recompiles=1,
        guard="hooks",
    ),
    program(
        "stop iteration from inside",
        """
        it = iter([1.0, 2.0])
        @compile
        def f(x):
            return x * next(it)
        for i in range(4):
            try:
                show(f(x))
            except StopIteration:
                show('stopped')
        """,
        "ITERATOR",
    ),
    program(
        "keyboard interrupt inside leaves writes",
        """
        w = torch.zeros(3)
        def check():
            if stop:
                raise KeyboardInterrupt
        @compile
        def f(x):
            w.add_(x)
            check()
            w.add_(1)
        for stop in (False, True, False):
            try:
                f(x)
            except KeyboardInterrupt:
                pass
            show(w)
        """,
        recompiles=1,
        guard="stop is",
    ),
    # Others
    program(
        "print of a tensor",
        """
        import io, contextlib
        out = io.StringIO()
        @compile
        def f(x):
            with contextlib.redirect_stdout(out):
                print((x * 2).ndim)
            return x * 2
        for i in range(3):
            show(f(x + i), out.getvalue())
        """,
        "PRINTS",
    ),
    program(
        "formatting a tensor",
        """
        @compile
        def f(x):
            return x * len(f"{x}")
        for i in range(3):
            show(f(x * 1000 ** i))
        """,
        "VALUE",
    ),
    program(
        "hash of an argument",
        """
        @compile
        def f(x, table):
            return x * (2 if x in table else 3)
        seen = {x: 1}
        show(f(x, {}), f(x, {}))
        """,
    ),
    program(
        "id of an argument",
        """
        @compile
        def f(x):
            return x * (2 if id(x) == known else 3)
        known = id(x)
        y = x * 2
        show(f(x), f(y), f(x), f(y))
        """,
        "IDENTITY",
    ),
    program(
        "thread started inside",
        """
        import threading
        @compile
        def f(x):
            out = []
            t = threading.Thread(target=lambda: out.append(2))
            t.start()
            t.join()
            return x * out[0]
        for i in range(3):
            show(f(x + i))
        """,
        "SYSTEM",
    ),
    program(
        "weights averaged by hand",
        """
        w, ema = torch.ones(3), torch.ones(3)
        @compile
        def f(x):
            w.add_(x)
            ema.mul_(0.9).add_(w, alpha=0.1)
        for i in range(3):
            f(x)
            show(w, ema)
        """,
    ),
    states(
        "docstring or name of the function",
        """
        def g(x): return x * len(g.__name__)
        f = compile(g)
        """,
        "g.__name__ = 'aa'",
        "g.__name__ = 'aaa'",
        "f(x)",
        "name",
    ),
    program(
        "collecting garbage inside",
        """
        import gc
        @compile
        def f(x):
            gc.collect()
            return x * 2
        for i in range(3):
            show(f(x + i))
        """,
    ),
)
