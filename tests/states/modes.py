"""Modes: grad, inference, default dtype, and what a function does to them."""

from .rows import program, states

W = "w = torch.ones(3, requires_grad=True)\n"

ROWS = (
    states(
        "grad mode",
        W + "@compile\ndef f(x):\n    return x * w",
        "torch.set_grad_enabled(True)",
        "torch.set_grad_enabled(False)",
        "f(x)",
        "grad mode",
    ),
    program(
        "no_grad around a call",
        W
        + """
@compile
def f(x):
    return x * w
show(f(x))
with torch.no_grad():
    show(f(x))
show(f(x))
with torch.no_grad():
    show(f(x))
""",
        traces=2,
        guard="grad mode",
    ),
    program(
        "inference mode around a call",
        W
        + """
@compile
def f(x):
    return (x * w, torch.is_inference_mode_enabled())
show(f(x))
with torch.no_grad():
    show(f(x))
with torch.inference_mode():
    show(f(x), f(x)[0].is_inference())
show(f(x))
with torch.inference_mode():
    show(f(x), f(x)[0].is_inference())
with torch.no_grad():
    show(f(x), f(x)[0].is_inference())
""",
        traces=3,
        guard="mode",
    ),
    program(
        "inference tensor as an argument",
        """
@compile
def f(x):
    return x * 2
with torch.inference_mode():
    y = torch.ones(3)
show(f(x), f(y), f(x))
""",
    ),
    program(
        "modes inside",
        W
        + """
@compile
def f(x):
    with torch.no_grad():
        a = x * w
    with torch.enable_grad():
        b = x * w
    return a, b
show(f(x), f(x))
with torch.no_grad():
    show(f(x), f(x))
""",
        traces=2,
        guard="grad mode",
    ),
    program(
        "inference mode inside",
        W
        + """
@compile
def f(x):
    with torch.inference_mode():
        return x * w
for i in range(3):
    y = f(x)
    show(y, y.is_inference())
""",
    ),
    program(
        "grad mode left changed",
        W
        + """
@compile
def f(x):
    torch.set_grad_enabled(False)
    return x * w
for i in range(3):
    show(f(x), torch.is_grad_enabled())
    torch.set_grad_enabled(True)
""",
        "MODE",
    ),
    program(
        "grad mode read",
        """
@compile
def f(x):
    return x * (2 if torch.is_grad_enabled() else 3)
show(f(x))
with torch.no_grad():
    show(f(x))
show(f(x))
""",
        traces=2,
        guard="grad mode",
    ),
    states(
        "default dtype",
        "@compile\ndef f():\n    return torch.ones(3) * 2",
        "torch.set_default_dtype(torch.float32)",
        "torch.set_default_dtype(torch.float64)",
        "f()",
        "default dtype",
    ),
    program(
        "default dtype left changed",
        """
@compile
def f():
    torch.set_default_dtype(torch.float64)
    return torch.ones(3)
for i in range(3):
    show(f(), torch.get_default_dtype() == torch.float64)
    torch.set_default_dtype(torch.float32)
""",
        "MODE",
    ),
    program(
        "default dtype changed and restored inside",
        """
@compile
def f():
    torch.set_default_dtype(torch.float64)
    try:
        return torch.ones(3)
    finally:
        torch.set_default_dtype(torch.float32)
for i in range(3):
    show(f(), torch.ones(1))
""",
    ),
    program(
        "seed set inside",
        """
@compile
def f(x):
    torch.manual_seed(3)
    return (torch.rand(3) < 2) * x
for i in range(3):
    show(f(x + i))
""",
    ),
    program(
        "saved-tensor hooks around a call",
        W
        + """
@compile
def f(x):
    return (x * w).exp()
packed = []
def pack(t):
    packed.append(1)
    return t
f(x)
f(x)
with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
    y = f(x)
show(y, len(packed) > 0)
""",
        "CONTAINER",
        traces=1,
        recompiles=1,
        guard="saved",
    ),
    program(
        "decorated by a mode",
        W
        + """
@compile
@torch.no_grad()
def f(x):
    return x * w
show(f(x), f(x))
""",
    ),
    program(
        "mode around the compiled function",
        W
        + """
@torch.no_grad()
@compile
def f(x):
    return x * w
show(f(x), f(x))
""",
    ),
    states(
        "autocast",
        """
        a, b = torch.ones(2, 3), torch.ones(3, 2)
        on = torch.autocast("cpu", dtype=torch.bfloat16)
        @compile
        def f(): return a @ b
        """,
        "pass",
        "on.__enter__()",
        "f()",
        "autocast",
        traces=2,
    )._replace(
        program="""
a, b = torch.ones(2, 3), torch.ones(3, 2)
@compile
def f(): return a @ b
for kind in (None, torch.bfloat16, torch.float16, None, torch.bfloat16):
    if kind is None:
        show(f())
    else:
        with torch.autocast("cpu", dtype=kind):
            show(f())
""",
        traces=3,
        recompiles=2,
    ),
    program(
        "autocast inside",
        """
a, b = torch.ones(2, 3), torch.ones(3, 2)
@compile
def f():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = a @ b
    return y, a @ b
show(f(), f())
""",
    ),
    program(
        "autocast switched off inside",
        """
a, b = torch.ones(2, 3), torch.ones(3, 2)
@compile
def f():
    with torch.autocast("cpu", enabled=False):
        return a @ b
with torch.autocast("cpu", dtype=torch.bfloat16):
    show(f(), f())
show(f())
""",
        traces=2,
        guard="autocast",
    ),
)
