"""Forms of views, and of indexing, which shares their index expressions."""

from __future__ import annotations

import math

import torch

from .generate import FLOATS, INTEGERS, Draft, Generator


def has_dim(t: torch.Tensor) -> bool:
    return t.ndim > 0


def made(expression: str, *features: str, **options: object) -> Draft:
    return Draft("{new} = " + expression, features, **options)  # type: ignore[arg-type]


def factors(g: Generator, n: int) -> tuple[int, ...]:
    """A shape of `n` elements."""
    if n == 0:
        return g.rng.choice(((0,), (0, 2), (3, 0)))
    out: list[int] = []
    while n > 1 and len(out) < 3:
        d = g.rng.choice([k for k in range(1, n + 1) if n % k == 0])
        out.append(d)
        n //= d
    if n > 1 or not out:
        out.append(n)
    if g.rng.random() < 0.2 and len(out) < 4:
        out.insert(g.rng.randrange(len(out) + 1), 1)
    g.rng.shuffle(out)
    return tuple(out)


def shape_text(g: Generator, shape: tuple[int, ...]) -> str:
    """The shape, with a -1 now and then."""
    new = list(shape)
    if new and 0 not in new and g.rng.random() < 0.3:
        new[g.rng.randrange(len(new))] = -1
    if g.wild and g.rng.random() < 0.5:
        new.append(5)
    return str(tuple(new))


def view(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    shape = shape_text(g, factors(g, g.tensor(name).numel()))
    how = g.rng.choice(("view", "view", "reshape", "reshape"))
    return made(f"{name}.{how}({shape})", how)


def reshaping(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    t = g.tensor(name)
    ways = ["flatten()", "ravel()", "contiguous()", "view(-1)", "reshape(-1)", "squeeze()"]
    if t.ndim > 1:
        a = g.rng.randrange(t.ndim - 1)
        ways += [f"flatten({a}, {g.rng.randrange(a, t.ndim)})", f"squeeze({g.dim(t)})"]
    if t.ndim:
        d = g.dim(t)
        ways += [f"squeeze({d})"]
        n = t.shape[d] if -t.ndim <= d < t.ndim else 4
        split = factors(g, n)
        if math.prod(split) == n and n:
            ways += [f"unflatten({d}, {split})"]
    others = [n for n in g.variables() if g.tensor(n).numel() == t.numel()]
    if others:
        other = g.rng.choice(others)
        ways += [f"view_as({other})", f"reshape_as({other})"]
    n = t.ndim + 1
    ways += [f"unsqueeze({g.rng.randrange(-n, n)})"] * 2
    way = g.rng.choice(ways)
    feature = way.partition("(")[0]
    feature = {"ravel": "flatten", "view": "view", "reshape": "reshape"}.get(feature, feature)
    if feature in ("squeeze", "unsqueeze"):
        feature = "squeeze"
    return made(f"{name}.{way}", feature)


def transposing(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim >= 2)
    if name is None or g.tensor(name).ndim < 2:
        return None
    t = g.tensor(name)
    perm = list(range(t.ndim))
    g.rng.shuffle(perm)
    ways = [
        *(f"transpose({g.dim(t)}, {g.dim(t)})", f"permute({tuple(perm)})", "mT"),
        *(f"swapaxes({g.dim(t)}, {g.dim(t)})", f"movedim({g.dim(t)}, {g.dim(t)})"),
    ]
    if t.ndim == 2 or g.wild:
        ways += ["t()", "T", "t()"]
    return made(f"{name}.{g.rng.choice(ways)}", "transpose")


def expand(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim < 4 and (1 in t.shape or t.numel() <= 12))
    if name is None:
        return None
    t = g.tensor(name)
    new = [g.rng.choice((2, 3)) if n == 1 and g.rng.random() < 0.8 else n for n in t.shape]
    if g.rng.random() < 0.5 and len(new) < 4:
        new.insert(0, g.rng.choice((1, 2, 3)))
    if g.wild and new:
        new[-1] += 1
    if math.prod(new) > 36:
        return None
    spelled = [-1 if n == m and g.rng.random() < 0.3 else n for n, m in _aligned(new, t.shape)]
    others = [v for v in g.variables() if tuple(g.tensor(v).shape) == tuple(new)]
    if others and g.rng.random() < 0.4:
        return made(f"{name}.expand_as({g.rng.choice(others)})", "expand")
    if g.rng.random() < 0.2:
        return made(f"T.broadcast_to({name}, {tuple(new)})", "expand")
    return made(f"{name}.expand({tuple(spelled)})", "expand")


def _aligned(new: list[int], old: tuple[int, ...]) -> list[tuple[int, int | None]]:
    lead = len(new) - len(old)
    return [(n, None if i < lead else old[i - lead]) for i, n in enumerate(new)]


def diagonal(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim >= 2)
    if name is None:
        return None
    t = g.tensor(name)
    offset = g.rng.choice((0, 0, 1, -1))
    if t.ndim == 2 and g.rng.random() < 0.6:
        return made(f"{name}.diagonal({offset or ''})", "diagonal")
    a, b = g.rng.sample(range(t.ndim), 2) if t.ndim >= 2 else (0, 1)
    return made(f"{name}.diagonal({offset}, {a}, {b})", "diagonal")


def narrowing(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    if name is None:
        return None
    t = g.tensor(name)
    d = g.dim(t)
    n = t.shape[d] if -t.ndim <= d < t.ndim else 2
    if g.rng.random() < 0.5:
        start = g.rng.randrange(n + 1)
        return made(f"{name}.narrow({d}, {start}, {g.rng.randrange(n - start + 1)})", "narrow")
    if n == 0 and not g.wild:
        return None
    i = g.rng.randrange(-n, n) if n else 0
    return made(f"{name}.select({d}, {i + (9 if g.wild else 0)})", "select")


def splitting(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    if name is None:
        return None
    t = g.tensor(name)
    d = g.rng.randrange(t.ndim) if t.ndim else 0
    n = t.shape[d] if t.ndim else 1
    if not 1 <= n <= 4:
        return None
    if g.rng.random() < 0.5:
        return Draft("{new} = " + f"{name}.unbind({d})", ("unbind",), binds=n)
    if n < 2:
        return None
    k = g.rng.randrange(1, n)
    ways = [f"split([{k}, {n - k}], {d})", f"tensor_split(({k},), {d})"]
    if math.ceil(n / math.ceil(n / 2)) == 2:
        ways += [f"chunk(2, {d})"]
    ways += [f"split({math.ceil(n / 2)}, {d})"] if math.ceil(n / math.ceil(n / 2)) == 2 else []
    return Draft("{new} = " + f"{name}.{g.rng.choice(ways)}", ("split",), binds=2)


def detaching(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None:
        return None
    way = g.rng.choice(("detach()", "detach()", "data"))
    return made(f"{name}.{way}", "detach")


def view_in_no_grad(g: Generator) -> Draft | None:
    draft = g.rng.choice((view, expand, transposing, indexing_basic))(g)
    if draft is None:
        return None
    return draft._replace(
        source=f"with T.no_grad(): {draft.source}", features=(*draft.features, "view in no_grad")
    )


# Indexing. An index expression by kind, with the features that it shows.


def basic_index(g: Generator, t: torch.Tensor) -> tuple[str, set[str]]:
    """Integers, slices, None and `...`."""
    parts: list[str] = []
    features: set[str] = set()
    used = 0
    ellipsis = False
    while used < t.ndim or g.rng.random() < 0.15:
        kind = g.rng.random()
        n = t.shape[used] if used < t.ndim else 0
        if kind < 0.12:
            parts.append("None")
            features.add("index None")
        elif kind < 0.25 and not ellipsis:
            ellipsis = True
            parts.append("...")
            features.add("index ...")
            used = g.rng.randrange(used, t.ndim + 1)
        elif used >= t.ndim:
            if not g.wild:
                break
            parts.append("0")
            used += 1
        elif kind < 0.55 and n:
            i = g.rng.randrange(-n, n) + (7 if g.wild and g.rng.random() < 0.3 else 0)
            parts.append(str(i))
            features.add("index negative" if i < 0 else "index integer")
            used += 1
        else:
            parts.append(slice_text(g, n))
            features.add("slice")
            used += 1
        if g.rng.random() < 0.2:
            break
    if ellipsis:
        rest = sum(p not in ("None", "...") for p in parts)
        if rest > t.ndim and not g.wild:
            parts = ["..."]
    if not parts:
        parts = ["..."]
        features.add("index ...")
    return ", ".join(parts), features


def slice_text(g: Generator, n: int) -> str:
    rng = g.rng
    start = rng.choice(("", "", "1", "-2", str(rng.randrange(n + 1))))
    stop = rng.choice(("", "", "-1", str(rng.randrange(n + 2))))
    step = rng.choice(("", "", "", ":2", ":3"))
    return f"{start}:{stop}{step}"


def tensor_index(g: Generator, t: torch.Tensor, unique: bool = False) -> tuple[str, set[str]]:
    """Integer tensors and lists, perhaps with basic indices among them."""
    dims = list(range(t.ndim))
    count = min(t.ndim, g.rng.choice((1, 1, 1, 2, 2)))
    chosen = set(g.rng.sample(dims, count))
    shape = g.rng.choice(((2,), (3,), (2, 2), (1,), ()))
    parts: list[str] = []
    features = {"index integer tensor"}
    for d in dims:
        n = t.shape[d]
        if d in chosen:
            own = shape if g.rng.random() < 0.7 else (1,) * len(shape)
            if n == 0:
                parts.append("T.zeros(0, dtype=T.int64)")
            elif g.rng.random() < 0.2 and n:
                parts.append(str([g.rng.randrange(-n, n)]))
            elif unique:
                k = g.rng.randrange(1, n + 1)
                parts.append(f"T.tensor({g.rng.sample(range(n), k)})")
            else:
                variable = None
                if own and g.rng.random() < 0.25:
                    variable = g.pick(lambda v: v.dtype is torch.int64 and 0 < v.ndim < 3)
                parts.append(f"{variable} % {n}" if variable else g.integers(own, n))
        elif g.rng.random() < 0.4 and n:
            parts.append(str(g.rng.randrange(-n, n)))
            features.add("index mixed")
        else:
            parts.append(slice_text(g, n))
            features.add("index mixed")
        if g.rng.random() < 0.3 and d >= max(chosen):
            break
    if g.rng.random() < 0.1:
        parts.insert(g.rng.randrange(len(parts) + 1), "None")
        features |= {"index None", "index mixed"}
    return ", ".join(parts), features


def mask_index(g: Generator, name: str) -> tuple[str, set[str], bool]:
    """A mask: a bool variable, a comparison, or written out. Whether it needs exact values."""
    t = g.tensor(name)
    ndim = g.rng.randrange(1, t.ndim + 1) if t.ndim and g.rng.random() < 0.4 else t.ndim
    shape = t.shape[:ndim]
    masks = [n for n in g.variables() if g.tensor(n).dtype is torch.bool]
    fitting = [n for n in masks if g.tensor(n).shape == shape]
    features = {"index mask"}
    if fitting and g.rng.random() < 0.5:
        return g.rng.choice(fitting), features, True
    if ndim == t.ndim and not t.is_complex() and g.rng.random() < 0.5:
        return f"{name} > {g.rng.choice((0, 1, 0.5))}", features, True
    return g.literal(shape, "bool"), features, False


def indexing_basic(g: Generator) -> Draft | None:
    name = g.pick(lambda t: t.ndim > 0 or g.rng.random() < 0.1)
    if name is None:
        return None
    text, features = basic_index(g, g.tensor(name))
    return made(f"{name}[{text}]", *features, "indexing")


def indexing_tensor(g: Generator) -> Draft | None:
    name = g.pick(has_dim)
    if name is None or not g.tensor(name).ndim:
        return None
    text, features = tensor_index(g, g.tensor(name))
    # How PyTorch lays out what it picks from axes in another order is its own affair.
    plain = "" if g.tensor(name).is_contiguous() else ".contiguous()"
    return made(f"{name}[{text}]{plain}", *features, "indexing")


def indexing_mask(g: Generator) -> Draft | None:
    name = g.pick()
    if name is None or (len(g.spaces) > 1 and g.rng.random() < 0.6):
        return None
    text, features, exact = mask_index(g, name)
    return made(f"{name}[{text}]", *features, "indexing", smooth=not exact)


FORMS = {
    view: 4.0,
    reshaping: 5.0,
    transposing: 4.0,
    expand: 3.0,
    diagonal: 2.0,
    narrowing: 3.0,
    splitting: 3.0,
    detaching: 3.0,
    view_in_no_grad: 1.0,
    indexing_basic: 6.0,
    indexing_tensor: 3.0,
    indexing_mask: 1.0,
}
__all__ = ["FLOATS", "FORMS", "INTEGERS", "basic_index", "mask_index", "tensor_index"]
