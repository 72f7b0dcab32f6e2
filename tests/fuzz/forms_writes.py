"""Forms of writes in place, of gradients, and of looking at values in the middle."""

from __future__ import annotations

import torch

from .forms_math import fits, nonzero, real, scatter_call
from .forms_views import basic_index, mask_index, tensor_index
from .generate import Draft, Generator


def writable(t: torch.Tensor) -> bool:
    return not (t.is_leaf and t.requires_grad)


def target(g: Generator, want: object = None) -> str | None:
    """A variable to write to. A leaf that requires grad is now and then among them."""
    if g.rng.random() < 0.08:
        return g.pick()
    return g.pick(lambda t: writable(t) and (want is None or want(t)))  # type: ignore[operator]


def way_there(g: Generator, name: str) -> tuple[str, tuple[str, ...], torch.Tensor]:
    """An expression that aliases a variable, for writes through views and past autograd."""
    t = g.tensor(name)
    r = g.rng.random()
    if r < 0.5:
        return name, (), t
    ways = [("detach()", t), ("data", t), ("view(-1)", None)]
    if t.ndim >= 1 and t.shape[0]:
        ways += [("select(0, -1)", t[-1]), ("unsqueeze(0)", t[None])]
    if t.ndim == 2:
        ways += [("t()", t.t()), ("diagonal()", t.diagonal())] * 2
    if t.ndim >= 1 and t.shape[-1] >= 2:
        ways += [("unfold(-1, 2, 2)", t.unfold(-1, 2, 2)), ("chunk(2, -1)[1]", t.chunk(2, -1)[1])]
        ways += [("movedim(0, -1)", t.movedim(0, -1)), ("unbind(-1)[0]", t.unbind(-1)[0])]
    if t.is_complex():
        ways += [("real", t.real), ("imag", t.imag), ("conj()", t.conj())] * 2
    text, shown = g.rng.choice(ways)
    if shown is None:
        if not t.is_contiguous():
            return name, (), t
        shown = t.reshape(-1)
    feature = "write past autograd" if text in ("detach()", "data") else "write through view"
    return f"{name}.{text}", (feature,), shown


def wrapped(g: Generator, source: str, features: tuple[str, ...], **options: object) -> Draft:
    """The write as it is, or under no_grad."""
    if g.rng.random() < 0.2:
        source = f"with T.no_grad(): {source}"
        features = (*features, "write in no_grad")
    return Draft(source, (*features, "write"), writes=True, **options)  # type: ignore[arg-type]


def operand(g: Generator, t: torch.Tensor) -> str:
    """What can be written into a tensor of this shape and dtype."""

    def into(s: torch.Tensor) -> bool:
        return (
            fits(s.shape, t.shape)
            and torch.broadcast_shapes(s.shape, t.shape) == t.shape
            and torch.can_cast(s.dtype, t.dtype)
        )

    other = g.pick(into) if g.rng.random() < 0.75 else None
    return other or g.scalar(t.dtype)


def augmented(g: Generator) -> Draft | None:
    name = target(g)
    if name is None:
        return None
    t = g.tensor(name)
    symbol = g.rng.choice(("+", "+", "-", "*", "*", "/", "//", "%", "**", "&", "|"))
    if symbol in "&|" and t.dtype not in (torch.bool, torch.int64):
        symbol = "+"
    if symbol in ("/", "//", "%") and not t.is_floating_point() and not g.wild:
        symbol = "*"
    value = "2" if symbol == "**" else operand(g, t)
    if symbol in ("/", "//", "%") and not nonzero(g, value):
        return None
    smooth = symbol in "+-*" or symbol == "**"
    rounds = symbol in ("/", "**") or t.dtype in (torch.float16, torch.bfloat16)
    return wrapped(
        *(g, f"{name} {symbol}= {value}", ("augmented", "elementwise")),
        smooth=smooth,
        rounds=rounds,
    )


METHODS = ("add_", "sub_", "mul_", "copy_", "fill_", "zero_", "neg_", "sin_", "tanh_", "clamp_")
MORE = ("masked_fill_", "div_", "square_", "lerp_", "addcmul_", "relu_", "sigmoid_", "abs_")


def method(g: Generator) -> Draft | None:
    name = target(g)
    if name is None:
        return None
    way, features, t = way_there(g, name)
    word = g.rng.choice(METHODS * 2 + MORE)
    smooth, rounds = True, t.dtype in (torch.float16, torch.bfloat16)
    integral = not (t.is_floating_point() or t.is_complex())
    if integral and word in ("sin_", "tanh_", "div_", "lerp_", "sigmoid_") and not g.wild:
        word = "add_"
    if word in ("clamp_", "relu_") and (t.is_complex() or t.dtype is torch.bool):
        word = "mul_"
    if word in ("add_", "sub_", "mul_", "copy_"):
        value = operand(g, t)
        if word == "copy_" and value[0] not in "xv":
            value = f"T.tensor({value})"
        if word == "copy_" and value[0] in "xv" and g.tensor(value).dtype != t.dtype:
            smooth = t.is_floating_point()
        extra = ", alpha=2" if word == "add_" and g.rng.random() < 0.15 else ""
        call = f"{word}({value}{extra})"
    elif word == "fill_":
        call = f"fill_({g.scalar(t.dtype)})"
    elif word == "clamp_":
        call, smooth = "clamp_(-1, 1)", False
    elif word in ("abs_", "relu_"):
        call, smooth = f"{word}()", False
    elif word == "masked_fill_":
        call = f"masked_fill_({g.literal(t.shape, 'bool')}, {g.scalar(t.dtype)})"
    elif word == "div_":
        value = operand(g, t)
        if not nonzero(g, value):
            return None
        call, smooth, rounds = f"div_({value})", False, True
    elif word in ("lerp_", "addcmul_"):
        a = g.pick(lambda s: s.dtype == t.dtype and s.shape == t.shape)
        b = g.pick(lambda s: s.dtype == t.dtype and s.shape == t.shape)
        if a is None or b is None:
            return None
        call = f"lerp_({a}, 0.5)" if word == "lerp_" else f"addcmul_({a}, {b}, value=2)"
        rounds = True
    else:
        rounds = rounds or word in ("sin_", "tanh_", "sigmoid_")
        call = f"{word}()"
    return wrapped(
        *(g, f"{way}.{call}", (*features, "in-place method", "elementwise")),
        smooth=smooth,
        rounds=rounds,
    )


def assignment(g: Generator) -> Draft | None:
    """`x[index] = value`, and `x[index] += value` for all kinds of index."""
    name = target(g, lambda t: t.ndim > 0)
    if name is None or not g.tensor(name).ndim:
        return None
    t = g.tensor(name)
    r = g.rng.random()
    smooth = True
    if r < 0.5:
        text, features = basic_index(g, t)
        features.add("assign basic")
    elif r < 0.75:
        text, features = tensor_index(g, t, unique=True)
        features.add("assign integer tensor")
    else:
        text, features, exact = mask_index(g, name)
        smooth = not exact
        features.add("assign mask")
    try:
        shown = eval(f"t[{text.replace(name, 't')}]", {"t": t, "T": torch, **g.spaces[0]})
    except Exception:
        return None if not g.wild else wrapped(g, f"{name}[{text}] = 1", tuple(features))
    if "assign mask" in features:
        value = g.scalar(t.dtype)
        if g.rng.random() < 0.3:
            zero = g.pick(lambda s: not s.ndim and torch.can_cast(s.dtype, t.dtype))
            value = zero or value
    else:
        value = operand(g, shown)
    base, through, _ = (name, (), t)
    if g.rng.random() < 0.25:
        base, through = f"{name}.{g.rng.choice(('detach()', 'data'))}", ("write past autograd",)
    symbol = g.rng.choice(("=", "=", "=", "+=", "*="))
    if symbol == "+=" and t.dtype is torch.bool:
        symbol = "="
    if value[0] in "xv" and g.tensor(value).dtype != t.dtype and not t.is_floating_point():
        smooth = False
    return wrapped(
        *(g, f"{base}[{text}] {symbol} {value}", (*features, *through, "assignment")),
        smooth=smooth,
        rounds=t.dtype in (torch.float16, torch.bfloat16),
    )


def scatter_write(g: Generator) -> Draft | None:
    call = scatter_call(g, "_")
    if call is None:
        return None
    name, text, rounds = call
    if not writable(g.tensor(name)) and not g.wild:
        return None
    return wrapped(g, f"{name}.{text}", ("scatter", "in-place method"), rounds=rounds)


def put(g: Generator) -> Draft | None:
    name = target(g, lambda t: t.ndim > 0 and t.numel() > 0)
    if name is None or not g.tensor(name).ndim or not g.tensor(name).numel():
        return None
    t = g.tensor(name)
    index = g.integers((3,), t.shape[0])
    value = operand(g, t[[0, 0, 0]])
    if value[0] not in "xv":
        value = f"T.tensor({value}, dtype=T.{str(t.dtype)[6:]})"
    return wrapped(
        *(g, f"{name}.index_put_(({index},), {value}, accumulate=True)"),
        ("scatter", "in-place method"),
        rounds=True,
    )


def restriding(g: Generator) -> Draft | None:
    """Writes to a handle rather than to data."""
    name = g.pick(lambda t: t.ndim >= 1)
    if name is None:
        return None
    t = g.tensor(name)
    ways = ["unsqueeze_(0)", "squeeze_()", "detach_()"]
    if t.ndim >= 2:
        ways += ["t_()", "transpose_(0, 1)", "transpose_(-1, 0)"]
    way = g.rng.choice(ways)
    feature = "detach" if way == "detach_()" else "restride in place"
    return Draft(f"{name}.{way}", (feature,), writes=True)


# Gradients

PLAIN = "(g.contiguous().clone()"


def scalar_of(g: Generator, name: str) -> str:
    t = g.tensor(name)
    if t.numel() == 1 and g.rng.random() < 0.7:
        return name
    return g.rng.choice((f"{name}.sum()", f"({name} * {name}).sum()", f"{name}.sum()"))


def differentiable(t: torch.Tensor) -> bool:
    return t.requires_grad and t.is_floating_point()


def backward(g: Generator) -> Draft | None:
    name = g.pick(lambda t: differentiable(t) and (t.grad_fn is not None or g.rng.random() < 0.2))
    if name is None:
        return None
    options: list[str] = []
    features = ["backward"]
    if g.rng.random() < 0.6:
        options.append("retain_graph=True")
        features.append("retain_graph")
    if g.rng.random() < 0.12:
        options.append("create_graph=True")
        features.append("create_graph")
    if any(v.grad is not None for v in g.spaces[0].values() if isinstance(v, torch.Tensor)):
        features.append("accumulation")
    if g.rng.random() < 0.1:
        leaf = g.pick(differentiable)
        options.append(f"inputs=[{leaf}]")
    t = g.tensor(name)
    if g.rng.random() < 0.25:
        like = g.pick(lambda s: s.shape == t.shape and s.dtype == t.dtype and not s.requires_grad)
        # PyTorch may make the seed itself a `.grad`.
        seed = f"{like}.clone()" if like else g.literal(t.shape, str(t.dtype)[6:])
        call = f"{name}.backward({', '.join([seed, *options])})"
    else:
        call = f"{scalar_of(g, name)}.backward({', '.join(options)})"
    return Draft(call, tuple(features), writes=True, rounds=True)


def gradient(g: Generator) -> Draft | None:
    name = g.pick(lambda t: differentiable(t) and t.grad_fn is not None)
    if name is None:
        return None
    count = g.rng.choice((1, 1, 2))
    wanted = [g.pick(differentiable) for _ in range(count)]
    if None in wanted:
        return None
    features = ["autograd.grad"]
    options = [] if g.rng.random() < 0.25 else ["allow_unused=True", "materialize_grads=True"]
    if g.rng.random() < 0.45:
        options.append("create_graph=True")
        features.append("create_graph")
    elif g.rng.random() < 0.6:
        options.append("retain_graph=True")
        features.append("retain_graph")
    if any(g.tensor(w).grad_fn is not None for w in wanted if w):
        features.append("gradient of non-leaf")
    text = ", ".join([scalar_of(g, name), f"[{', '.join(wanted)}]", *options])  # type: ignore
    return Draft(
        # PyTorch's gradients may share memory with each other or be expanded: plain copies.
        *(
            "{new}" + "," * (count == 1) + f" = {PLAIN} for g in T.autograd.grad({text}))",
            tuple(features),
        ),
        rounds=True,
        writes=True,
        binds=count,
    )


def grad_state(g: Generator) -> Draft | None:
    """`.grad` as a tensor: read, cleared, written."""
    name = g.pick(lambda t: t.grad is not None)
    if name is None or g.tensor(name).grad is None:
        return None
    ways = [
        *(f"{name}.grad = None", f"{name}.grad.zero_()", f"{name}.grad.mul_(2)"),
        f"{name}.grad = {name}.grad.detach().clone()",
    ]
    r = g.rng.random()
    if r < 0.4:
        expression = g.rng.choice((f"{name}.grad", f"{name}.grad * 2", f"{name}.grad.clone()"))
        return Draft("{new} = " + expression, ("grad read",), rounds=True)
    if r < 0.6:
        step = f"with T.no_grad(): {name} -= 0.5 * {name}.grad"
        return Draft(step, ("write in no_grad", "grad read", "write"), writes=True, rounds=True)
    return Draft(g.rng.choice(ways), ("grad written",), writes=True)


def hook(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.requires_grad)
    if name is None:
        return None
    way = g.rng.choice(("lambda g: g * 2", "lambda g: g + 1", "lambda g: -g", "lambda g: None"))
    return Draft(f"{name}.register_hook({way})", ("hook",), writes=True)


def retain(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.requires_grad)
    return None if name is None else Draft(f"{name}.retain_grad()", ("retain_grad",), writes=True)


def requiring(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.is_leaf and t.is_floating_point())
    if name is None:
        return None
    way = g.rng.choice(("()", "()", "(False)"))
    return Draft(f"{name}.requires_grad_{way}", ("requires_grad_",), writes=True)


def deleting(g: Generator) -> Draft | None:
    names = [n for n in g.variables() if n[0] == "v"]
    if len(names) < 4:
        return None
    return Draft(f"del {g.rng.choice(names)}", ("del",), writes=True)


# Looking at values


def observe(g: Generator) -> Draft | None:
    if not g.observing:
        return None
    r = g.rng.random()
    if r < 0.45:
        name = g.pick(lambda t: t.numel() == 1 and real(t))
        if name is not None and g.tensor(name).numel() == 1 and g.exact(name):
            return Draft("{new} = " + f"{name}.item()", ("observation",), python=True)
    name = g.pick()
    if name is None or not g.exact(name):
        return None
    t = g.tensor(name)
    if r < 0.6:
        return (
            Draft("{new} = " + f"{name}.tolist()", ("observation",), python=True)
            if t.ndim
            else None
        )
    if r < 0.8:
        return Draft(f"print({name}.tolist())", ("observation", "print"), writes=True)
    if r < 0.9 and real(t):
        other = g.pick(lambda s: s.shape == t.shape and s.dtype == t.dtype)
        test = f"bool(({name} > 0).any())"
        return Draft("{new} = " + f"{other} if {test} else {name}", ("observation", "branch"))
    return Draft(f"repr({name})", ("observation",), writes=True)


FORMS = {
    augmented: 6.0,
    method: 7.0,
    assignment: 7.0,
    scatter_write: 1.5,
    put: 0.7,
    restriding: 1.0,
    backward: 7.0,
    gradient: 6.0,
    grad_state: 2.5,
    hook: 1.5,
    retain: 1.5,
    requiring: 1.2,
    deleting: 1.0,
    observe: 1.0,
}
