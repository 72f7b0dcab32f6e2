"""Forms about memory: views by position and by dtype, copies, names for one tensor, writes by
place in the less common ways, `out=`, `.data =`; and gradients beyond the common calls.
"""

from __future__ import annotations

import torch

from .forms_math import FUNCTIONS, fits, real
from .forms_views import has_dim, made
from .forms_writes import PLAIN, differentiable, scalar_of, target, wrapped
from .generate import Draft, Generator


def strided(g: Generator) -> Draft | None:
    """Views by position. Those that leave what the tensor itself shows are among them."""
    name = g.pick(lambda t: t.numel() > 0 and not t.is_conj())
    if name is None or not g.tensor(name).numel() or g.tensor(name).is_conj():
        return None
    t = g.tensor(name)
    if t.ndim and g.rng.random() < 0.4:
        d = g.rng.randrange(t.ndim)
        size = g.rng.randrange(1, t.shape[d] + 1)
        return made(f"{name}.unfold({d}, {size}, {g.rng.choice((1, 1, 2))})", "unfold")
    size = t.untyped_storage().nbytes() // t.itemsize
    base = t if t._base is None else t._base
    if size * t.itemsize != base.numel() * base.itemsize:
        return None  # some results have more memory than elements
    shape = g.rng.choice(((2,), (3,), (2, 2), (2, 3), (3, 2), ()))
    strides = [g.rng.choice((0, 1, 1, 2, 3)) for _ in shape]
    reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if reach >= size:
        return None
    first, last = t.storage_offset(), size - reach - 1
    start = g.rng.randrange(last + 1)
    if g.rng.random() < 0.5 and first <= last:
        start = first
    return made(f"{name}.as_strided({shape}, {tuple(strides)}, {start})", "as_strided")


def complex_view(g: Generator) -> Draft | None:
    if g.rng.random() < 0.55:
        name = g.pick(lambda t: t.is_complex())
        if name is None or not g.tensor(name).is_complex():
            return None
        ways = ["{a}.real", "{a}.imag", "{a}.conj()", "{a}.mH" if g.tensor(name).ndim > 1 else ""]
        ways += ["T.view_as_real({a})", "T.view_as_real({a}.resolve_conj())", "{a}.resolve_conj()"]
        way = g.rng.choice([w for w in ways if w])
        if "as_real({a})" in way and g.tensor(name).is_conj():
            return None
        return made(way.replace("{a}", name), "complex view")
    name = g.pick(lambda t: t.dtype in (torch.float32, torch.float64))
    if name is None:
        return None
    t = g.tensor(name)
    pairs = t.ndim and t.shape[-1] == 2 and t.stride(-1) == 1 and t.storage_offset() % 2 == 0
    if pairs and all(s % 2 == 0 for s in t.stride()[:-1]):
        return made(f"T.view_as_complex({name})", "complex view")
    other = g.pick(lambda s: s.dtype is t.dtype and fits(s.shape, t.shape))
    if other is None:
        return None
    return made(f"T.complex({name}, {other})", "complex view", rounds=False)


def copying(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    ways = ["{a}.clone()", "{a}.detach().clone()", "T.clone({a})", "T.empty_like({a}).copy_({a})"]
    ways += [
        "{a}.to({a}.dtype, copy=True)",
        "{a}.contiguous()",
        "T.as_tensor({a})",
        "T.asarray({a})",
    ]
    ways += ["T.stack([{a}])[0]", "T.cat([{a}.reshape(-1)])", "{a}.new_tensor({a}.tolist())"] * (
        g.exact(name) and g.observing
    )
    return made(g.rng.choice(ways).replace("{a}", name), "copy")


def naming(g: Generator) -> Draft | None:
    """One tensor under two names."""
    name = g.pick()
    return None if name is None else made(name, "second name")


def mixed_index(g: Generator, name: str) -> str | None:
    """Masks beside numbers, lists, slices and None, written out; masks of one axis or two."""
    t = g.tensor(name)
    if not 1 <= t.ndim <= 4 or not t.numel():
        return None
    parts: list[str] = []
    axis = 0
    masks = 0
    while axis < t.ndim:
        n = t.shape[axis]
        r = g.rng.random()
        if r < 0.4 and not masks:
            wide = axis + 1 < t.ndim and g.rng.random() < 0.3
            shape = t.shape[axis : axis + 2] if wide else (n,)
            values = g.nested(shape, "bool")
            parts.append(f"T.tensor({values})")
            masks = int(torch.tensor(values).sum()) + 1
            axis += len(shape)
            continue
        if r < 0.55:
            parts.append(str(g.rng.randrange(-n, n)))
        elif r < 0.7 and (not masks or g.rng.random() < 0.3):
            count = max(masks - 1, 0) if masks else 1
            parts.append(str([g.rng.randrange(n) for _ in range(count)]) if count else ":")
        elif r < 0.8:
            parts.append("None")
            continue
        else:
            parts.append(g.rng.choice((":", "1:", "::2", ":-1")))
        axis += 1
    if not masks:
        parts.insert(0, g.rng.choice(("True", "False", "T.tensor(True)")))
    return ", ".join(parts)


def indexing_mixed(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    text = None if name is None else mixed_index(g, name)
    return (
        None if text is None else made(f"{name}[{text}]", "index mask", "index mixed", "indexing")
    )


def assigning_mixed(g: Generator) -> Draft | None:
    name = target(g, lambda t: t.ndim > 0)
    text = None if name is None else mixed_index(g, name)
    if name is None or text is None or ("[" in text and g.rng.random() < 0.3):
        return None
    symbol = g.rng.choice(("=", "=", "*="))
    number = g.scalar(g.tensor(name).dtype)
    features = ("assign mask", "index mixed", "assignment")
    return wrapped(g, f"{name}[{text}] {symbol} {number}", features)


def placing(g: Generator) -> Draft | None:
    """Writes by place in the less common ways, in place or as a new tensor."""
    inplace = g.rng.random() < 0.6
    name = target(g, has_dim) if inplace else g.pick(has_dim)
    if name is None or not g.tensor(name).ndim or not g.tensor(name).numel():
        return None
    t = g.tensor(name)
    mark = "_" if inplace else ""
    like = g.pick(lambda s: s.shape == t.shape and s.dtype is t.dtype)
    source = like or g.literal(t.shape, str(t.dtype)[6:])
    d = g.rng.randrange(t.ndim)
    exact = g.exact(name) and (like is None or g.exact(like))
    index = g.integers(t.shape, t.shape[d])
    mask = g.literal(t.shape, "bool")
    flat = g.rng.sample(range(t.numel()), min(2, t.numel()))
    ways = [f"masked_scatter{mark}({mask}, {source})"]
    if not t.is_complex() and t.dtype is not torch.bool:
        kinds = ["sum", "mean"] if t.is_floating_point() else ["sum"]
        # PyTorch's second derivative of extremes is wrong where the tensor itself is as large.
        tracked = t.requires_grad or (like is not None and g.tensor(like).requires_grad)
        kinds += ["amax", "amin"] if exact and not tracked else []
        keep = g.rng.choice(("", ", include_self=False"))
        kind = g.rng.choice(kinds)
        ways += [f"scatter_reduce{mark}({d}, {index}, {source}, '{kind}'{keep})"] * 2
        rows = g.integers((t.shape[d],), t.shape[d])
        ways += [f"index_reduce{mark}({d}, {rows}, {source}, '{kind}'{keep})"]
    if inplace:
        value = g.literal((len(flat),), str(t.dtype)[6:])
        ways += [f"put_(T.tensor({flat}), {value})", f"fill_diagonal_({g.scalar(t.dtype)})"]
    elif t.is_contiguous():
        first = g.pick(lambda s: s.shape == t.shape[1:] and s.dtype is t.dtype)
        if first is not None:
            ways += [f"select_scatter({first}, 0, {g.rng.randrange(t.shape[0])})"] * 3
        ways += [f"slice_scatter({source}[:1], 0, 0, 1)"]
    way = g.rng.choice(ways)
    smooth = not any(kind in way for kind in ("'am", "'prod'"))
    features = ("scatter", "place")
    if not inplace:
        return made(f"{name}.{way}", *features, smooth=smooth, rounds=True)
    return wrapped(g, f"{name}.{way}", (*features, "in-place method"), smooth=smooth, rounds=True)


def writing_parts(g: Generator) -> Draft | None:
    """Writes to each part of a tensor, which PyTorch refuses of those with history."""
    name = target(g, has_dim)
    if name is None or not g.tensor(name).ndim:
        return None
    ways = ["unbind(0)", "split(1)", "chunk(2, -1)", "unbind(-1)"]
    way = g.rng.choice(ways)
    write = g.rng.choice(("t.mul_(2)", "t.zero_()", "t.add_(1)", "t.copy_(t.detach() * 2)"))
    if g.tensor(name).dtype is torch.bool:
        write = "t.zero_()"
    return wrapped(g, f"[{write} for t in {name}.{way}]", ("write to parts",))


def giving_out(g: Generator) -> Draft | None:
    """`out=`: into a tensor that fits, or one made for it."""
    a = g.pick(lambda t: not t.requires_grad and real(t))
    if a is None:
        return None
    x = g.tensor(a)
    b = g.pick(lambda t: fits(t.shape, x.shape) and not t.requires_grad and real(t)) or a
    word = g.rng.choice(
        (*FUNCTIONS[4:], "maximum", "where", "cat", "sum", "matmul", "sin", "clamp")
    )
    expressions = {
        "where": f"T.where({a} > 0, {a}, {b}",
        "cat": f"T.cat([{a}.reshape(-1), {b}.reshape(-1)]",
        "sum": f"T.sum({a}, {g.dim(x)}",
        "sin": f"T.sin({a}",
        "clamp": f"T.clamp({a}, -1, 1",
        "matmul": f"T.matmul({a}, {b}",
    }
    call = expressions.get(word, f"T.{word}({a}, {b}")
    exact = g.exact(a, b)
    if word in ("where", "maximum", "clamp", "eq", "logical_and") and not exact:
        return None
    try:
        shown = eval(call + ")", dict(g.spaces[0]))
    except Exception:
        return None
    out = g.pick(lambda t: t.shape == shown.shape and torch.can_cast(shown.dtype, t.dtype))
    rounds = word in ("sum", "matmul", "sin") or (shown.is_floating_point() and not exact)
    if out is None or g.tensor(out).shape != shown.shape or g.rng.random() < 0.25:
        dtype = str(shown.dtype)[6:]
        return made(f"{call}, out=T.empty(0, dtype=T.{dtype}))", "out=", rounds=rounds)
    if out in (a, b) or g.limits.storage(out) in (g.limits.storage(a), g.limits.storage(b)):
        return None
    smooth = g.tensor(out).is_floating_point() or not shown.is_floating_point()
    return Draft(
        f"{call}, out={out})", ("out=", "write"), writes=True, rounds=rounds, smooth=smooth
    )


def promoting(g: Generator) -> Draft | None:
    """In-place arithmetic with an operand of another dtype, which is refused or converted."""
    name = target(g)
    if name is None:
        return None
    t = g.tensor(name)
    other = g.pick(
        lambda s: (
            s.dtype is not t.dtype
            and fits(s.shape, t.shape)
            and torch.broadcast_shapes(s.shape, t.shape) == t.shape
        )
    )
    if other is None or g.tensor(other).dtype is t.dtype:
        return None
    symbol = g.rng.choice(("+=", "*=", "-="))
    half = any(g.tensor(n).dtype in (torch.float16, torch.bfloat16) for n in (name, other))
    return wrapped(
        *(g, f"{name} {symbol} {other}", ("augmented", "elementwise", "promotion in place")),
        rounds=half,
    )


def pointing(g: Generator) -> Draft | None:
    """`.data =`: a tensor on other memory. Of tensors without views, as optimizers do it; a tensor
    with history keeps that."""
    others = [v for v in g.spaces[0].values() if isinstance(v, torch.Tensor)]

    def alone(t: torch.Tensor) -> bool:
        return not t._is_view() and not any(v._base is t for v in others)

    name = g.pick(alone)
    if name is None or not alone(g.tensor(name)):
        return None
    t = g.tensor(name)
    other = g.pick(lambda s: s.dtype is t.dtype and s.shape == t.shape and s.is_contiguous())
    if other is None or other == name or g.tensor(other).shape != t.shape:
        return None
    if g.tensor(other).dtype is not t.dtype:
        return None
    way = g.rng.choice((f"{other}.detach().clone()", f"{name}.detach() * 2"))
    return Draft(f"{name}.data = {way}", ("data assigned",), writes=True, smooth=True)


# Gradients


def second_order(g: Generator) -> Draft | None:
    """A gradient of a gradient in one go, as penalties have it."""
    name = g.pick(lambda t: differentiable(t) and t.grad_fn is not None)
    leaf = g.pick(lambda t: differentiable(t) and t.is_leaf)
    if name is None or leaf is None or not g.tensor(leaf).is_leaf:
        return None
    if not (g.tensor(name).requires_grad and g.tensor(leaf).requires_grad):
        return None
    unused = "allow_unused=True, materialize_grads=True"
    first = f"T.autograd.grad({scalar_of(g, name)}, [{leaf}], create_graph=True, {unused})[0]"
    penalty = f"({first} ** 2).sum() + {leaf}.sum()"
    if g.rng.random() < 0.4:
        return Draft(
            f"({penalty}).backward()",
            ("second order", "create_graph", "backward"),
            writes=True,
            rounds=True,
        )
    text = f"{{new}}, = {PLAIN} for g in T.autograd.grad({penalty}, [{leaf}]))"
    return Draft(text, ("second order", "create_graph", "autograd.grad"), writes=True, rounds=True)


def complex_backward(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.is_complex() and t.requires_grad)
    if name is None or not (g.tensor(name).is_complex() and g.tensor(name).requires_grad):
        return None
    way = g.rng.choice(("({a} * {a}.conj()).real.sum()", "{a}.real.sum()", "{a}.imag.sum()"))
    call = f"{way.replace('{a}', name)}.backward(retain_graph=True)"
    return Draft(call, ("backward", "complex backward"), writes=True, rounds=True)


def after_accumulation(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.is_leaf and t.requires_grad)
    if name is None:
        return None
    way = g.rng.choice(("setattr(p, 'grad', p.grad * 2)", "setattr(p, 'grad', None)"))
    return Draft(
        f"{name}.register_post_accumulate_grad_hook(lambda p: {way})",
        ("hook after accumulation",),
        writes=True,
    )


FORMS = {
    strided: 2.5,
    complex_view: 2.0,
    copying: 2.5,
    naming: 0.5,
    indexing_mixed: 1.0,
    assigning_mixed: 1.0,
    placing: 2.0,
    writing_parts: 0.7,
    giving_out: 1.5,
    promoting: 1.5,
    pointing: 0.7,
    second_order: 1.5,
    complex_backward: 1.0,
    after_accumulation: 0.4,
}
