"""Forms of arithmetic, reductions, products, joining, selecting, sorting and the like."""

from __future__ import annotations

import torch

from .forms_views import has_dim, made
from .generate import COMPLEX, FLOATS, INTEGERS, MAX_NUMEL, Draft, Generator

DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEX)


def floating(t: torch.Tensor) -> bool:
    return t.is_floating_point()


def number(t: torch.Tensor) -> bool:
    return t.dtype is not torch.bool


def real(t: torch.Tensor) -> bool:
    return not t.is_complex()


# Expressions of `a`; whether they are smooth, whether they round; what they want of `a`.
UNARY = (
    *(("-{a}", True, False, number), ("{a}.abs()", False, False, None)),
    *(("{a}.sin()", True, True, None), ("{a}.cos()", True, True, None)),
    *(("{a}.tanh()", True, True, None), ("{a}.sigmoid()", True, True, None)),
    *(("T.exp(-{a}.abs())", True, True, number), ("{a}.square()", True, False, None)),
    *(("{a}.abs().sqrt()", False, True, floating), ("({a} * {a} + 1).log()", True, True, floating)),
    *(("{a}.sign()", False, False, real), ("{a}.floor()", False, False, real)),
    *(("{a}.ceil()", False, False, real), ("{a}.round()", False, False, real)),
    *(("{a}.trunc()", False, False, real), ("{a}.relu()", False, False, real)),
    *(("{a}.clamp(-1, 1)", False, False, real), ("{a}.clamp(min=0.5)", False, False, real)),
    *(("{a}.erf()", True, True, floating), ("{a}.reciprocal()", False, True, floating)),
    *(("{a}.clone()", True, False, None), ("{a} * 1", True, False, None)),
    *(("{a}.exp()", True, True, floating), ("{a} ** 2", True, False, None)),
    *(("{a} ** 3", True, False, None), ("{a}.pow(2.0)", True, False, floating)),
    *(("~{a}", True, False, lambda t: t.dtype in (torch.bool, torch.int64)),),
    *(("{a}.logical_not()", False, False, None), ("{a}.isnan()", False, False, None)),
    *(("{a}.conj()", True, False, lambda t: t.is_complex()),),
    *(("{a}.real", True, False, lambda t: t.is_complex()),),
    *(("T.zeros_like({a})", True, False, None), ("T.ones_like({a})", True, False, None)),
    *(("T.full_like({a}, 2)", True, False, None), ("{a}.new_zeros((2,))", True, False, None)),
)
SYMBOLS = ("+", "-", "*", "+", "-", "*", "/", "<", ">", "<=", "==", "!=", "**", "//", "%", "&", "|")
COMPARISONS = ("<", ">", "<=", "==", "!=")
FUNCTIONS = ("maximum", "minimum", "atan2", "hypot", "add", "sub", "mul", "logical_and", "eq")
REDUCTIONS = ("sum", "mean", "prod", "amax", "amin", "any", "all", "var", "std", "logsumexp")


def unary(g: Generator) -> Draft | None:
    text, smooth, rounds, want = g.rng.choice(UNARY)
    name = g.pick(want)
    if name is None:
        return None
    if ".exp()" in text and not g.both(name, lambda t: (t.detach().abs() < 6).all()):
        return None
    if text == "{a}.reciprocal()" and not g.both(name, lambda t: (t.detach() != 0).all()):
        return None
    return made(text.replace("{a}", name), "elementwise", smooth=smooth, rounds=rounds)


def fits(a: torch.Size, b: torch.Size) -> bool:
    try:
        return torch.broadcast_shapes(a, b).numel() <= MAX_NUMEL
    except RuntimeError:
        return False


def partner(g: Generator, name: str) -> str:
    """Something that broadcasts with a variable: another, or a Python number."""
    shape = g.tensor(name).shape
    other = g.pick(lambda t: fits(t.shape, shape))
    if other is None or g.rng.random() < 0.25:
        return g.scalar(g.tensor(name).dtype)
    return other


def nonzero(g: Generator, name: str) -> bool:
    if name[0] not in "xv":
        return name[0] != "s" and complex(eval(name)) != 0
    return g.both(name, lambda t: (t.detach() != 0).all())


def binary(g: Generator) -> Draft | None:
    a = g.pick()
    if a is None:
        return None
    b = partner(g, a)
    symbol = g.rng.choice(SYMBOLS)
    if g.rng.random() < 0.3:
        a, b = b, a
    smooth = symbol in "+-*&|"
    features = ["elementwise"]
    if b[0] not in "xv" or a[0] not in "xv":
        features.append("Python scalar")
    if symbol in ("/", "//", "%") and not nonzero(g, b):
        return None
    if symbol == "**":
        b, a = (b, a) if a[0] in "xv" else (a, b)
        graded = a[0] in "xv" and g.tensor(a).requires_grad
        # A constant's gradient has history in PyTorch, and none here.
        b = g.rng.choice(("2", "2", "3", "2.0") if graded else ("2", "3", "1", "0", "2.0"))
        smooth = True
    if symbol in COMPARISONS:
        features.append("comparison")
    half = any(
        n[0] in "xv" and str(g.tensor(n).dtype)[6:] in ("float16", "bfloat16") for n in (a, b)
    )
    rounds = symbol in ("/", "**") or half
    if g.rng.random() < 0.12 and symbol in "+-*":
        word = {"+": "add", "-": "sub", "*": "mul"}[symbol]
        return made(f"T.{word}({a}, {b})", *features) if a[0] in "xv" else None
    return made(f"{a} {symbol} {b}", *features, smooth=smooth, rounds=rounds)


def function_of_two(g: Generator) -> Draft | None:
    a = g.pick(real)
    if a is None:
        return None
    b = g.pick(lambda t: fits(t.shape, g.tensor(a).shape) and not t.is_complex())
    if b is None:
        return None
    word = g.rng.choice(FUNCTIONS)
    smooth = word in ("add", "sub", "mul")
    rounds = word in ("atan2", "hypot")
    if g.rng.random() < 0.15:
        return made(f"T.lerp({a}, {b}, 0.25)", "elementwise", rounds=True)
    if g.rng.random() < 0.15:
        return made(f"T.add({a}, {b}, alpha=2)", "elementwise")
    if word == "hypot" and not nonzero(g, a) and not nonzero(g, b):
        return None  # its gradient at the origin is nan in PyTorch, zero here
    return made(f"T.{word}({a}, {b})", "elementwise", smooth=smooth, rounds=rounds)


def reduction(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    t = g.tensor(name)
    word = g.rng.choice(REDUCTIONS)
    if word in ("amax", "amin", "any", "all") and t.is_complex():
        return None
    if word in ("mean", "var", "std", "logsumexp") and not t.is_floating_point() and not g.wild:
        word = "sum"
    if word in ("prod", "var", "std") and not g.exact(name):
        word = "sum"
    if word == "std" and t.requires_grad:
        word = "var"  # its gradient at equal numbers is infinite
    keep = g.rng.choice(("", "", ", keepdim=True"))
    smooth = word in ("sum", "mean", "logsumexp")
    options = {"smooth": smooth, "rounds": word not in ("amax", "amin", "any", "all")}
    if not t.is_floating_point() and not t.is_complex() and word in ("sum", "prod"):
        options["rounds"] = False
    if word in ("amax", "amin") and not t.numel() and not g.wild:
        return None
    if (t.ndim and g.rng.random() < 0.6) or word == "logsumexp":
        d: object = g.dim(t)
        if t.ndim > 1 and word in ("sum", "mean", "amax", "var") and g.rng.random() < 0.3:
            d = tuple(g.rng.sample(range(t.ndim), 2))
        return made(f"{name}.{word}({d}{keep})", "reduction", **options)
    if word == "sum" and g.rng.random() < 0.1:
        return made(f"{name}.sum(dtype=T.float64)", "reduction", "conversion", **options)
    return made(f"{name}.{word}()", "reduction", **options)


def cumulative(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    if name is None:
        return None
    d = g.dim(g.tensor(name))
    word = g.rng.choice(("cumsum", "cumsum", "cumprod", "flip", "softmax", "log_softmax", "roll"))
    if word == "cumprod" and not g.exact(name):
        return None
    if "softmax" in word and not g.tensor(name).is_floating_point():
        return None
    call = (
        f"flip([{d}])" if word == "flip" else f"roll(1, {d})" if word == "roll" else f"{word}({d})"
    )
    exact = word in ("flip", "roll")
    return made(f"{name}.{call}", "flip or roll" if exact else "cumulative", rounds=not exact)


def product(g: Generator) -> Draft | None:
    a = g.pick(lambda t: 1 <= t.ndim <= 3 and t.dtype is not torch.bool)
    if a is None:
        return None
    x = g.tensor(a)

    def multiplies(t: torch.Tensor) -> bool:
        if not t.ndim or not x.ndim or t.ndim > 3 or t.dtype is not x.dtype:
            return False
        inner = t.shape[0] if t.ndim == 1 else t.shape[-2]
        return inner == x.shape[-1]

    b = g.pick(multiplies)
    if b is None:
        if x.ndim != 2:
            return None
        return made(f"{a} @ {a}.t()", "matmul", rounds=x.is_floating_point() or x.is_complex())
    y = g.tensor(b)
    ways = [f"{a} @ {b}", f"T.matmul({a}, {b})"]
    if x.ndim == 1 and y.ndim == 1:
        ways += [f"{a}.dot({b})"]
    if x.ndim == 2 and y.ndim == 2:
        ways += [f"{a}.mm({b})"]
    if x.ndim == 2 and y.ndim == 1:
        ways += [f"{a}.mv({b})"]
    rounds = x.is_floating_point() or x.is_complex()
    return made(g.rng.choice(ways), "matmul", rounds=rounds)


def outer(g: Generator) -> Draft | None:
    a = g.pick(lambda t: t.ndim == 1)
    b = g.pick(lambda t: t.ndim == 1)
    return made(f"T.outer({a}, {b})", "matmul") if a and b else None


def joining(g: Generator) -> Draft | None:
    a = g.pick()
    if a is None:
        return None
    x = g.tensor(a)
    same = g.rng.random() < 0.5 or not x.ndim
    d = g.dim(x)

    def joins(t: torch.Tensor) -> bool:
        if same or t.ndim != x.ndim:
            return t.shape == x.shape
        at = d % x.ndim
        return all(n == m for i, (n, m) in enumerate(zip(t.shape, x.shape, strict=True)) if i != at)

    b = g.pick(joins)
    if b is None:
        return None
    c = [a, b] if g.rng.random() < 0.7 else [a, b, a]
    text = f"[{', '.join(c)}]"
    if same:
        n = x.ndim + 1
        ways = [f"T.stack({text}, {g.rng.randrange(-n, n)})", f"T.hstack({text})"]
        return made(g.rng.choice(ways), "concat")
    return made(f"T.cat({text}, {d})", "concat")


def where(g: Generator) -> Draft | None:
    a = g.pick()
    if a is None:
        return None
    b = partner(g, a)
    mask = g.pick(lambda t: t.dtype is torch.bool and fits(t.shape, g.tensor(a).shape))
    if mask and g.rng.random() < 0.7:
        condition, smooth = mask, g.exact(mask)
        if not smooth:
            return None
    else:
        condition, smooth = f"{a} > {g.rng.choice((0, 0.5, -1))}", False
        if g.tensor(a).is_complex():
            return None
    way = g.rng.random()
    if way < 0.25:
        return made(
            f"{a}.masked_fill({condition}, {g.scalar(g.tensor(a).dtype)})", "where", smooth=smooth
        )
    return made(f"T.where({condition}, {a}, {b})", "where", smooth=smooth)


def gathering(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    if name is None or not g.tensor(name).numel():
        return None
    t = g.tensor(name)
    d = g.rng.randrange(t.ndim)
    n = t.shape[d]
    shape = [g.rng.randrange(1, m + 1) for m in t.shape]
    shape[d] = g.rng.randrange(1, 4)
    ways = [
        *(f"{name}.gather({d}, {g.integers(shape, n)})",) * 2,
        f"{name}.index_select({d}, {g.integers((g.rng.randrange(1, 4),), n)})",
        f"{name}.take({g.integers((3,), t.numel())})",
        f"T.take_along_dim({name}, {g.integers([*t.shape[:d], 2, *t.shape[d + 1 :]], n)}, {d})",
    ]
    return made(g.rng.choice(ways), "gather")


def scattering(g: Generator) -> Draft | None:
    """Not in place; the forms in place are among the writes."""
    call = scatter_call(g)
    if call is None:
        return None
    name, text, rounds = call
    return made(f"{name}.{text}", "scatter", rounds=rounds)


def scatter_call(g: Generator, inplace: str = "") -> tuple[str, str, bool] | None:
    """A variable, the call of a scatter on it, and whether it rounds."""
    name = g.pick(has_dim)
    if name is None or not g.tensor(name).numel() or not g.tensor(name).ndim:
        return None
    t = g.tensor(name)
    d = g.rng.randrange(t.ndim)
    n = t.shape[d]
    source = g.pick(
        lambda s: (
            s.dtype is t.dtype
            and s.ndim == t.ndim
            and s.numel() > 0
            and all(a <= b or i == d for i, (a, b) in enumerate(zip(s.shape, t.shape, strict=True)))
        )
    )
    if source is None:
        source_shape = tuple(t.shape)
        source = g.literal(source_shape, str(t.dtype)[6:])
        tracked = False
    else:
        source_shape = tuple(g.tensor(source).shape)
        tracked = g.tensor(source).requires_grad or t.requires_grad
    count = min(source_shape[d], n) if tracked else source_shape[d]
    shape = [g.rng.randrange(1, m + 1) for m in source_shape]
    shape[d] = g.rng.randrange(1, count + 1)
    adding = g.rng.random() < 0.5
    if adding or not tracked:
        index = g.integers(shape, n)
    else:
        # Where several numbers go to one place, PyTorch leaves open which stays, and its
        # gradient is wrong: each place once.
        line = g.rng.sample(range(n), shape[d])
        index = torch.tensor(line).reshape([-1 if i == d else 1 for i in range(t.ndim)])
        index = f"T.tensor({index.expand(shape).tolist()})"
    ways = [
        f"scatter_add{inplace}({d}, {index}, {source})"
        if adding
        else f"scatter{inplace}({d}, {index}, {source})"
    ]
    rows = [g.rng.randrange(n) for _ in range(source_shape[d])]
    if source_shape[:d] == t.shape[:d] and source_shape[d + 1 :] == t.shape[d + 1 :]:
        ways += [f"index_add{inplace}({d}, T.tensor({rows}), {source})"]
        if len(set(rows)) == len(rows):
            ways += [f"index_copy{inplace}({d}, T.tensor({rows}), {source})"]
    some = sorted({g.rng.randrange(n) for _ in range(2)})
    ways += [f"index_fill{inplace}({d}, T.tensor({some}), {g.scalar(t.dtype)})"]
    return name, g.rng.choice(ways), True


def sorting(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim > 0 and not t.is_complex())
    if name is None or not g.tensor(name).ndim or g.tensor(name).is_complex():
        return None
    t = g.tensor(name)
    d = g.dim(t)
    if not (-t.ndim <= d < t.ndim):
        return None
    n = t.shape[d]
    down = g.rng.choice(("", ", descending=True"))
    ways = [
        (f"{name}.sort(dim={d}{down}, stable=True)", 2),
        (f"{name}.argsort(dim={d}{down}, stable=True)", 1),
    ]
    if n:
        ways += [(f"{name}.argmax({d})", 1), (f"{name}.argmin({d})", 1)]
        ways += [(f"{name}.max({d})", 2), (f"{name}.min({d}, keepdim=True)", 2)]
        if g.both(name, lambda t: _distinct(t, d)):
            ways += [(f"{name}.topk({g.rng.randrange(1, n + 1)}, {d})", 2)] * 2
            ways += [(f"{name}.median({d})", 2), (f"{name}.kthvalue(1, {d})", 2)]
    text, binds = g.rng.choice(ways)
    return Draft("{new} = " + text, ("sorting",), smooth=False, binds=binds)


def _distinct(t: torch.Tensor, d: int) -> bool:
    rows = t.detach().movedim(d, -1).reshape(-1, t.shape[d]).tolist()
    return all(len(set(row)) == len(row) for row in rows)


def converting(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    t = g.tensor(name)
    dtype = g.rng.choice(DTYPES[:1] + DTYPES[1:2] * 2 + FLOATS * 2 + DTYPES)
    integral = dtype in INTEGERS or dtype == "bool"
    if integral and (t.is_floating_point() or t.is_complex()):
        low = 0 if dtype == "uint8" else -100
        if dtype != "bool" and (
            t.is_complex() or not g.both(name, lambda t: ((t >= low) & (t <= 100)).all())
        ):
            return None
    if t.is_complex() and dtype not in COMPLEX:
        return None
    short = {"bool": "bool", "int64": "long", "float32": "float", "float64": "double"}
    options = {"smooth": not integral, "rounds": dtype in ("float32", "float16", "bfloat16")}
    # A change that does round is the same in both libraries if the number was.
    options["rounds"] = False
    if dtype in short and g.rng.random() < 0.3:
        return made(f"{name}.{short[dtype]}()", "conversion", **options)
    return made(f"{name}.to(T.{dtype})", "conversion", **options)


def creating(g: Generator) -> Draft | None:
    shape = g.rng.choice(((), (2,), (3,), (2, 3), (3, 3)))
    dtype = g.float if g.rng.random() < 0.7 else g.rng.choice(DTYPES)
    grad = ", requires_grad=True" if dtype in FLOATS and g.graded and g.rng.random() < 0.3 else ""
    ways = [
        f"T.zeros({shape}, dtype=T.{dtype}{grad})",
        f"T.ones({shape}, dtype=T.{dtype}{grad})",
        f"T.full({shape}, {2.0 if grad else 3}, dtype=T.{dtype}{grad})",
        g.literal(shape, dtype)[:-1] + grad + ")",
        "T.arange(4)",
        f"T.eye(3, dtype=T.{dtype})",
    ]
    features = ("creation", "leaf made") if grad else ("creation",)
    return made(g.rng.choice(ways[:4] if grad else ways), *features)


def rearranging(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim >= 1 and t.numel() <= 12)
    if name is None:
        return None
    t = g.tensor(name)
    ways = [f"{name}.repeat({(2,) + (1,) * max(t.ndim - 1, 0)})", f"T.tile({name}, (2,))"]
    ways += [f"{name}.repeat_interleave(2, {g.dim(t)})"]
    if t.ndim >= 2:
        ways += [f"{name}.tril()", f"{name}.triu({g.rng.choice((-1, 0, 1))})"]
    if t.ndim == 1:
        ways += [f"T.diag({name})"]
    return made(g.rng.choice(ways), "rearranging")


FORMS = {
    unary: 6.0,
    binary: 9.0,
    function_of_two: 2.0,
    reduction: 4.0,
    cumulative: 2.0,
    product: 3.5,
    outer: 0.5,
    joining: 2.5,
    where: 2.0,
    gathering: 2.0,
    scattering: 1.5,
    sorting: 2.0,
    converting: 2.0,
    creating: 2.0,
    rearranging: 1.0,
}
