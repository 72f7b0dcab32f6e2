"""The array API standard, function by function, against array-api-strict."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import thrace
import thrace.array_api as xp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype(np.float32)
P = np.abs(X) + 0.5
U = np.clip(X / 3, -0.9, 0.9)
I = RNG.integers(-5, 6, (3, 4))
J = RNG.integers(1, 5, (3, 4)).astype(np.int32)
B = X > 0
C = (X + 1j * P).astype(np.complex64)
V = np.array([3.0, 1.0, 2.0, 1.0, 3.0], np.float32)
S = (X @ X.T + 3 * np.eye(3)).astype(np.float64)
U8 = J.astype(np.uint8)

UNARY = {
    **dict.fromkeys(
        ("cos", "sin", "tan", "tanh", "exp", "expm1", "sinh", "cosh", "asinh", "atan", "signbit"),
        (X,),
    ),
    **dict.fromkeys(("acos", "asin", "atanh"), (U,)),
    **dict.fromkeys(("log", "log1p", "log2", "log10", "sqrt", "reciprocal"), (P,)),
    "acosh": (P + 1,),
    **dict.fromkeys(("abs", "sign", "square", "negative", "positive", "conj"), (X, I, C)),
    **dict.fromkeys(("ceil", "floor", "round", "trunc"), (X, I)),
    **dict.fromkeys(("isfinite", "isinf", "isnan"), (X, I, C)),
    **dict.fromkeys(("real", "imag"), (C,)),
    "bitwise_invert": (I, B),
    "logical_not": (B,),
}
BINARY = {
    **dict.fromkeys(
        ("add", "subtract", "multiply", "equal", "not_equal"), ((X, P), (I, J), (C, C))
    ),
    **dict.fromkeys(
        ("greater", "greater_equal", "less", "less_equal", "maximum", "minimum"),
        ((X, P), (I, J), (X, 0.5)),
    ),
    **dict.fromkeys(
        ("atan2", "copysign", "hypot", "logaddexp", "nextafter", "divide"), ((X, P), (P, 2.0))
    ),
    **dict.fromkeys(("floor_divide", "remainder"), ((X, P), (I, J), (I, 3))),
    "pow": ((P, X), (J, J), (P, 2)),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), ((I, J), (B, B), (J, 3))),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), ((J, J),)),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), ((B, ~B),)),
}
Call = Callable[[Any, Callable[[Any], Any]], Any]
CALLS: dict[str, Call] = {
    "clip": lambda p, a: [p.clip(a(X), -0.5, 0.5), p.clip(a(I), max=2), p.clip(a(X), a(U), a(P))],
    **{
        f"{name}-axes": lambda p, a, n=name: [
            getattr(p, n)(a(X)),
            getattr(p, n)(a(X), axis=1),
            getattr(p, n)(a(X), axis=(0, -1), keepdims=True),
        ]
        for name in ("sum", "prod", "max", "min", "mean", "std", "var")
    },
    "sum-dtypes": lambda p, a: [p.sum(a(U8)), p.sum(a(J)), p.prod(a(U8), axis=0), p.sum(a(C))],
    "sum-none": lambda p, a: [p.sum(a(X), axis=()), p.any(a(B), axis=())],
    "std-correction": lambda p, a: [p.std(a(X), correction=1), p.var(a(X), axis=0, correction=0.5)],
    "all-any": lambda p, a: [p.all(a(B)), p.any(a(B), axis=1), p.all(a(B), axis=(0, 1))],
    "arg": lambda p, a: [p.argmax(a(X)), p.argmin(a(X), axis=1), p.argmax(a(X), keepdims=True)],
    "count": lambda p, a: [p.count_nonzero(a(I)), p.count_nonzero(a(I), axis=0)],
    "cumulative": lambda p, a: [
        p.cumulative_sum(a(X), axis=1),
        p.cumulative_sum(a(V), include_initial=True),
        p.cumulative_prod(a(J), axis=0, include_initial=True),
        p.cumulative_sum(a(U8), axis=0),
    ],
    "diff": lambda p, a: [p.diff(a(X)), p.diff(a(X), axis=0, n=2), p.diff(a(V), prepend=a(V))],
    "creation": lambda p, a: [
        *(p.arange(5), p.arange(1, 10, 3), p.arange(5, 1), p.arange(0.0, 1.0, 0.25)),
        *(p.zeros(3), p.ones((2, 2), dtype=p.int8), p.full((2,), 7), p.full((), 1.5)),
        *(p.eye(3), p.eye(2, 4, k=1), p.eye(3, 2, k=-1, dtype=p.int32)),
        *(p.linspace(0, 1, 5), p.linspace(0, 1, 5, endpoint=False)),
        *(p.zeros_like(a(I)), p.ones_like(a(X), dtype=p.bool), p.full_like(a(X), 2)),
        *(p.tril(a(X)), p.triu(a(X), k=1), *p.meshgrid(a(V), a(V[:2]))),
        *p.meshgrid(a(V), a(V[:2]), indexing="ij"),
        *(p.asarray([1, 2]), p.asarray([1.0]), p.asarray(True), p.asarray([1j])),
        p.asarray([1, 2], dtype=p.float64),
    ],
    "astype": lambda p, a: [p.astype(a(X), p.int32), p.astype(a(B), p.float64)],
    "joining": lambda p, a: [
        p.concat([a(X), a(P)]),
        p.concat([a(X), a(P)], axis=None),
        p.concat([a(J), a(I)], axis=1),
        p.stack([a(X), a(P)], axis=-1),
        *p.unstack(a(X)),
        *p.unstack(a(X), axis=1),
    ],
    "moving": lambda p, a: [
        *(p.expand_dims(a(X), axis=1), p.squeeze(a(X[:1]), 0), p.flip(a(X)), p.flip(a(X), axis=1)),
        *(p.permute_dims(a(X), (1, 0)), p.moveaxis(a(X), 0, 1), p.matrix_transpose(a(X))),
        *(p.reshape(a(X), (2, 6)), p.reshape(a(X), (-1,), copy=True)),
        *(p.roll(a(X), 1), p.roll(a(X), (1, -1), axis=(0, 1)), p.tile(a(X), (2, 1, 2))),
        *(p.repeat(a(V), 2), p.repeat(a(X), 2, axis=1), p.repeat(a(V), a(np.arange(5)))),
        *p.broadcast_arrays(a(X), a(V[:4])),
        p.broadcast_to(a(V), (2, 5)),
    ],
    "picking": lambda p, a: [
        p.take(a(V), a(np.array([2, 0]))),
        p.take(a(X), a(np.array([2, 0])), axis=1),
        p.take_along_axis(a(X), a(np.argsort(X, 1)), axis=1),
        p.where(a(B), a(X), a(P)),
        p.where(a(B), a(X), 0.0),
        *p.nonzero(a(I)),
    ],
    "sorting": lambda p, a: [
        *(p.sort(a(X)), p.sort(a(X), axis=0, descending=True), p.argsort(a(V))),
        *(p.argsort(a(X), axis=0), p.argsort(a(I[0]), descending=True)),
        p.searchsorted(a(np.sort(V)), a(V)),
        p.searchsorted(a(np.sort(V)), a(V), side="right"),
        p.searchsorted(a(V), a(V), sorter=a(np.argsort(V))),
    ],
    "sets": lambda p, a: [
        *p.unique_all(a(I)),
        *p.unique_counts(a(V)),
        *p.unique_inverse(a(I)),
        p.unique_values(a(V)),
    ],
    "products": lambda p, a: [
        *(p.matmul(a(X), a(X.T)), p.tensordot(a(X), a(X.T), axes=1), p.vecdot(a(X), a(P))),
        *(p.tensordot(a(X), a(P), axes=((0, 1), (0, 1))), p.vecdot(a(C), a(C), axis=-2)),
    ],
    "linalg-products": lambda p, a: [
        *(p.linalg.outer(a(V), a(V)), p.linalg.diagonal(a(X), offset=1)),
        *(p.linalg.trace(a(S)), p.linalg.matrix_transpose(a(X)), p.linalg.vector_norm(a(X))),
        *(p.linalg.vector_norm(a(X), axis=1, ord=1), p.linalg.matrix_norm(a(X))),
        *(p.linalg.matmul(a(X), a(X.T)), p.linalg.vecdot(a(X), a(P))),
    ],
    "linalg-cross": lambda p, a: [p.linalg.cross(a(S), a(S[::-1].copy()))],
    "linalg-det": lambda p, a: [p.linalg.det(a(S)), *p.linalg.slogdet(a(S))],
    "linalg-solve": lambda p, a: [
        p.linalg.inv(a(S)),
        p.linalg.solve(a(S), a(S[:, :2].copy())),
        p.linalg.solve(a(S), a(S[0])),
        p.linalg.pinv(a(S)),
    ],
    "linalg-cholesky": lambda p, a: [
        p.linalg.cholesky(a(S)),
        p.linalg.cholesky(a(S), upper=True),
    ],
    "linalg-values": lambda p, a: [
        p.linalg.eigvalsh(a(S)),
        p.linalg.eigh(a(S)).eigenvalues,
        p.linalg.svdvals(a(S)),
        p.linalg.svd(a(S)).S,
        p.abs(p.linalg.qr(a(S)).R),
    ],
    "linalg-power": lambda p, a: [p.linalg.matrix_power(a(S), 3), p.linalg.matrix_rank(a(S))],
    "fft": lambda p, a: [
        *(p.fft.fft(a(C)), p.fft.ifft(a(C), n=3, axis=0, norm="ortho"), p.fft.rfft(a(X))),
        *(p.fft.irfft(a(C)), p.fft.fftn(a(C)), p.fft.ifftn(a(C), axes=(0,)), p.fft.rfftn(a(X))),
        *(p.fft.irfftn(a(C)), p.fft.hfft(a(C)), p.fft.ihfft(a(X))),
        *(p.fft.fftfreq(5), p.fft.rfftfreq(4, d=0.5)),
        *(p.fft.fftshift(a(X)), p.fft.ifftshift(a(X), axes=1)),
    ],
}


def ours(a: np.ndarray) -> Any:
    return thrace.from_numpy(np.ascontiguousarray(a))


def compare(got: Any, want: Any, name: str) -> None:
    expected = np.asarray(want)
    assert isinstance(got, thrace.Tensor), name
    found = got.numpy(force=True)
    assert found.shape == expected.shape, name
    if expected.dtype != np.complex128:  # the strict library widens some transforms
        assert found.dtype == expected.dtype, f"{name}: {found.dtype} for {expected.dtype}"
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5, err_msg=name)


def skip(missing: NotImplementedError) -> None:
    """Only what PyTorch's namespace lacks may be missing here."""
    if "there is no thrace." not in str(missing):
        raise missing
    pytest.skip(str(missing))


def has(name: str, *args: Any) -> Any:
    try:
        return getattr(xp, name)(*args)
    except NotImplementedError as missing:
        skip(missing)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str):
    for a in UNARY[name]:
        compare(has(name, ours(a)), getattr(strict, name)(strict.asarray(a)), name)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str):
    for x, y in BINARY[name]:
        theirs = [strict.asarray(v) if isinstance(v, np.ndarray) else v for v in (x, y)]
        mine = [ours(v) if isinstance(v, np.ndarray) else v for v in (x, y)]
        compare(has(name, *mine), getattr(strict, name)(*theirs), name)


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str):
    want = CALLS[name](strict, strict.asarray)
    thrace.set_default_dtype(thrace.float64)
    try:
        got = CALLS[name](xp, ours)
    except NotImplementedError as missing:
        skip(missing)
        return
    finally:
        thrace.set_default_dtype(thrace.float32)
    assert len(got) == len(want)
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        compare(g, w, f"{name}[{i}]")


NOT_STANDARD = ("Device", "ArrayAPIStrictFlags", "__version__")


def names(module: Any) -> list[str]:
    return [n for n in module.__all__ if n not in NOT_STANDARD and "strict_flags" not in n]


@pytest.mark.parametrize("part", ("", "linalg", "fft"))
def test_every_name_of_the_standard_is_there_with_its_arguments(part: str):
    theirs = getattr(strict, part) if part else strict
    mine = getattr(xp, part) if part else xp
    for name in names(theirs):
        assert hasattr(mine, name), name
        their = getattr(theirs, name)
        if not inspect.isfunction(their) or name.startswith("__"):
            continue
        wanted = inspect.signature(their).parameters
        found = inspect.signature(getattr(mine, name)).parameters
        if any(p.kind is p.VAR_POSITIONAL for p in found.values()):
            continue
        keywords = {n for n, p in wanted.items() if p.kind is not p.POSITIONAL_ONLY}
        assert keywords <= set(found), (part, name, keywords - set(found))


def test_dtypes_and_information():
    x = ours(X)
    assert x.__array_namespace__() is thrace.tracer.array_api
    assert x.__array_namespace__(api_version="2023.12").sum(x).ndim == 0
    with pytest.raises(ValueError, match="version"):
        x.__array_namespace__(api_version="1999.01")
    assert x.to_device("cpu").tolist() == x.tolist()
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] is xp.float32
    assert info.dtypes(kind="bool") == {"bool": xp.bool}
    assert [*info.dtypes(kind=("signed integer", "bool"))] == [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
    ]
    assert info.default_device() in info.devices()
    assert info.capabilities()["boolean indexing"] is True
    assert xp.isdtype(xp.float32, ("integral", "real floating"))
    assert not xp.isdtype(xp.complex64, "real floating")
    assert xp.finfo(xp.complex64).dtype is xp.float32
    assert xp.finfo(x).eps == np.finfo(np.float32).eps
    assert xp.iinfo(xp.uint8).max == 255
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.int16, xp.int8)
    assert xp.result_type(xp.int8, ours(J), 1) is xp.int32
    assert xp.result_type(xp.float32, 1j) is xp.complex64
    # The rank of an array does not matter in the standard.
    assert xp.add(ours(J), ours(np.array(1, np.int64))).dtype is xp.int64
    assert xp.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    assert xp.broadcast_shapes((2, 1), (3,)) == (2, 3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: xp.squeeze(ours(X), 0), ValueError),
        (lambda: xp.sum(ours(X), axis=5), IndexError),
        (lambda: xp.add(1, 2), TypeError),
        (lambda: xp.sum([1.0]), TypeError),
        (lambda: xp.astype(ours(C), xp.float32), TypeError),
        (lambda: xp.asarray([1], copy=False), ValueError),
        (lambda: xp.isdtype(xp.int8, "whole"), ValueError),
        (lambda: xp.matrix_transpose(ours(V)), ValueError),
        (lambda: xp.vecdot(ours(X), ours(X), axis=0), ValueError),
        (lambda: xp.take(ours(X), ours(J[0])), ValueError),
        (lambda: xp.nonzero(ours(V)[0]), ValueError),
        (lambda: xp.cumulative_sum(ours(X)), ValueError),
    ],
)
def test_errors(call: Callable[[], Any], error: type):
    with pytest.raises(error):
        call()
