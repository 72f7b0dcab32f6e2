"""Autocast against PyTorch: which operations it casts, and how regions nest.

The lists for the CPU are compared with PyTorch on the CPU, those for CUDA with PyTorch's
dispatch on tensors without data; there the CUDA list is put in the place of the CPU's.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import thrace
from thrace.tracer.amp import autocast as module
from thrace.tracer.amp import policies

# One text per shape: the names of the inputs that have it.
SHAPES = {
    name: shape
    for names, shape in (
        ("m n o", (4, 4)),
        ("v", (4,)),
        ("b c", (2, 4, 4)),
        ("seq", (2, 2, 6)),
        ("img", (2, 2, 6, 6)),
        ("vol", (1, 2, 4, 4, 4)),
        ("w1", (3, 2, 3)),
        ("w2", (3, 2, 3, 3)),
        ("w3", (3, 2, 3, 3, 3)),
        ("t1", (2, 3, 3)),
        ("t2", (2, 3, 3, 3)),
        ("t3", (2, 3, 3, 3, 3)),
        ("grid", (2, 3, 3, 2)),
        ("pair", (4, 2)),
        ("bw", (3, 4, 4)),
    )
    for name in names.split()
}
CPU = """
F.linear(m, n) | F.linear(m, n, v) | lib.mm(m, n) | m @ n | v @ m | v @ v | b @ c | m.matmul(n)
lib.bmm(b, c) | lib.addmm(m, n, o) | lib.baddbmm(b, c, b) | lib.addbmm(m, b, c) | lib.mv(m, v)
lib.einsum("ij,jk->ik", m, n) | lib.einsum("ij,ij->ij", m, n) | lib.einsum("i,i->", v, v)
lib.einsum("ii->i", m) | lib.tensordot(m, n, 1) | lib.tensordot(m, n, 2) | lib.inner(m, n)
lib.inner(v, v) | lib.dot(v, v) | lib.outer(v, v) | lib.linalg.multi_dot([m, n, o]) | lib.cov(m)
lib.chain_matmul(m, n) | lib.linalg.vecdot(m, n) | lib.kron(m, n) | lib.linalg.matrix_power(m, 2)
F.conv1d(seq, w1) | F.conv2d(img, w2) | F.conv3d(vol, w3) | F.conv_transpose1d(seq, t1)
F.conv_transpose2d(img, t2) | F.conv_transpose3d(vol, t3) | F.prelu(m, v[:1])
F.scaled_dot_product_attention(b, c, b) | F.bilinear(m, n, bw) | F.mse_loss(m, n)
F.l1_loss(m, n) | F.smooth_l1_loss(m, n) | F.huber_loss(m, n) | F.kl_div(m, n)
F.cross_entropy(m, index) | F.nll_loss(m, index) | F.cosine_embedding_loss(m, n, sign)
F.binary_cross_entropy_with_logits(m, unit) | F.binary_cross_entropy(unit, unit)
F.poisson_nll_loss(m, n) | F.soft_margin_loss(m, n) | F.hinge_embedding_loss(m, n)
F.margin_ranking_loss(v, v, v) | F.multi_margin_loss(m, index) | F.triplet_margin_loss(m, n, o)
F.multilabel_margin_loss(m, places) | F.gaussian_nll_loss(m, n, unit)
F.avg_pool3d(vol, 2) | F.max_pool3d(vol, 2) | F.adaptive_avg_pool3d(vol, 2) | F.avg_pool2d(img, 2)
F.max_pool2d(img, 2) | F.grid_sample(img, grid) | F.pad(img, (1, 1), "reflect")
F.pad(img, (1, 1, 1, 1), "replicate") | F.pad(img, (1, 1)) | F.pad(img, (1, 1), "circular")
lib.cdist(m, n) | lib.prod(m) | m.prod(1) | lib.trace(m) | lib.quantile(m, 0.5)
lib.nanquantile(m, 0.5) | lib.polar(unit, unit) | lib.fft.fft(m) | lib.fft.rfft2(m)
lib.view_as_complex(pair) | lib.linalg.inv(spd) | lib.linalg.cholesky(spd) | lib.cholesky(spd)
lib.linalg.qr(m) | lib.linalg.svd(m) | lib.svd(m) | lib.linalg.eigh(spd) | lib.inverse(spd)
lib.linalg.solve(spd, m) | lib.linalg.matrix_norm(m) | lib.linalg.matrix_rank(m)
lib.cat([m, n]) | lib.stack([m, n]) | lib.hstack([m, n]) | lib.index_copy(m, 0, first, n[:2])
m + n | m * n | m.exp() | m.sum() | m.softmax(0) | m.log_softmax(0) | m.tanh() | F.gelu(m)
F.layer_norm(m, (4,), v, v) | F.relu(m) | F.dropout(m, 0.0) | m.mean() | m.std() | m.norm()
lib.addcmul(m, n, o) | lib.where(m > 0, m, n) | lib.mm(m, n).relu() + n | F.interpolate(img, 3)
"""
CUDA = """
F.linear(m, n, v) | m @ n | lib.mv(m, v) | lib.addmv(v, m, v) | lib.addr(m, v, v)
lib.einsum("ij,ij->ij", m, n) | lib.linalg.multi_dot([m, n, o]) | lib.chain_matmul(m, n)
F.conv2d(img, w2) | F.prelu(m, v[:1]) | F.scaled_dot_product_attention(b, c, b)
lib.acos(unit) | lib.asin(unit) | lib.cosh(m) | lib.sinh(m) | lib.tan(m) | lib.erfinv(unit)
lib.exp(m) | lib.expm1(m) | lib.log(unit) | lib.log2(unit) | lib.log10(unit) | lib.log1p(unit)
lib.pow(unit, 2.0) | lib.pow(2.0, m) | m ** n | lib.square(m) | lib.reciprocal(m) | 2 / m
lib.rsqrt(unit) | F.softplus(m) | F.layer_norm(m, (4,), v, v) | F.group_norm(img, 1)
F.rms_norm(m, (4,), v) | F.cosine_similarity(m, n) | lib.cdist(m, n) | lib.dist(m, n)
lib.pdist(m) | lib.renorm(m, 2, 0, 1.0) | lib.logsumexp(m, 0) | F.interpolate(img, 3)
F.interpolate(img, 3, mode="bilinear") | F.interpolate(img, 3, mode="area")
lib.sum(m) | m.sum(0) | lib.prod(m) | lib.cumsum(m, 0) | lib.cumprod(m, 0) | m.softmax(0)
m.log_softmax(0) | F.softmax(m, 0, dtype=lib.float16) | m.sum(dtype=lib.float16) | F.softmin(m, 0)
lib.linalg.vector_norm(m) | lib.linalg.matrix_norm(m) | m.norm() | lib.linalg.norm(m)
lib.addcdiv(m, n, o) | lib.addcmul(m, n, o) | lib.atan2(m, n) | F.bilinear(m, n, bw)
lib.dot(v, v) | lib.vdot(v, v) | lib.tensordot(m, n, 1) | F.grid_sample(img, grid)
lib.index_put(m, (first,), n[:2]) | lib.scatter_add(m, 0, places, n) | lib.cat([m, n])
F.mse_loss(m, n) | F.cross_entropy(m, index) | F.nll_loss(m, index) | F.l1_loss(m, n)
F.binary_cross_entropy_with_logits(m, unit) | F.kl_div(m, n) | F.huber_loss(m, n)
m + n | m.tanh() | m.mean() | m.sqrt() | m.sin() | F.gelu(m) | F.relu(m) | lib.stack([m, n])
F.max_pool3d(vol, 2) | F.batch_norm(img, None, None, training=True) | lib.trace(m) | m.std()
"""
PATTERNS = ("float32", "lower", "mixed")


def rows(text: str) -> list[str]:
    return [row.strip() for line in text.split("\n") for row in line.split(" | ") if row.strip()]


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    out: dict[str, np.ndarray] = {
        k: rng.normal(size=s).astype(np.float32) for k, s in SHAPES.items()
    }
    out["unit"] = rng.uniform(0.1, 0.9, (4, 4)).astype(np.float32)
    out["spd"] = (np.eye(4) * 4 + 0.1).astype(np.float32)
    out |= {"index": np.array([0, 1, 2, 3]), "first": np.array([0, 1])}
    out["places"] = np.zeros((4, 4), np.int64)
    out["sign"] = np.ones(4, np.int64)
    return out


ARRAYS = arrays()


def names(library: Any, pattern: str, lower: Any, device: str = "cpu") -> dict[str, Any]:
    """The inputs as tensors, all of them, none or every second one in the lower precision."""
    out: dict[str, Any] = {"lib": library, "F": library.nn.functional}
    for i, (key, array) in enumerate(ARRAYS.items()):
        if device == "cpu":
            t = library.tensor(array)
        else:
            dtype = library.float32 if array.dtype == np.float32 else library.int64
            t = library.empty(array.shape, dtype=dtype, device=device)
        cast = pattern == "lower" or (pattern == "mixed" and i % 2)
        out[key] = t.to(lower) if cast and array.dtype == np.float32 else t
    return out


def dtypes_of(result: Any) -> list[str]:
    results = result if isinstance(result, (tuple, list)) else [result]
    return [str(t.dtype).partition(".")[2] for t in results]


def outcome(text: str, space: dict[str, Any]) -> Any:
    try:
        return dtypes_of(eval(text, space))  # rows of the tables above
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return "refused"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", ("bfloat16", "float16"))
def test_cpu_list(pattern: str, dtype: str):
    """Every operation gives PyTorch's dtype; where PyTorch has no kernel, nothing is compared."""
    theirs = names(torch, pattern, getattr(torch, dtype))
    ours = names(thrace, pattern, getattr(thrace, dtype))
    wrong, compared = [], 0
    for text in rows(CPU):
        with torch.autocast("cpu", dtype=getattr(torch, dtype)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = outcome(text, theirs)
        with thrace.autocast("cpu", dtype=getattr(thrace, dtype)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got = outcome(text, ours)
        compared += expected != "refused"
        if expected not in ("refused", got):
            wrong.append((text, expected, got))
    assert not wrong
    assert compared > 0.9 * len(rows(CPU))


@pytest.fixture
def cuda_list(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(policies.POLICIES, "cpu", policies.CUDA)


@pytest.mark.usefixtures("cuda_list")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_cuda_list(pattern: str):
    from torch._subclasses.fake_tensor import FakeTensorMode

    ours = names(thrace, pattern, thrace.bfloat16)
    wrong, compared = [], 0
    with FakeTensorMode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = names(torch, pattern, torch.bfloat16, "cuda")
        torch.set_autocast_enabled("cuda", True)
        torch.set_autocast_dtype("cuda", torch.bfloat16)
        try:
            expected = [outcome(text, theirs) for text in rows(CUDA)]
        finally:
            torch.set_autocast_enabled("cuda", False)
            torch.set_autocast_dtype("cuda", torch.float16)
    with thrace.autocast("cpu", dtype=thrace.bfloat16):
        for text, wanted in zip(rows(CUDA), expected, strict=True):
            got = outcome(text, ours)
            compared += wanted != "refused"
            if wanted not in ("refused", got):
                wrong.append((text, wanted, got))
    assert not wrong
    assert compared > 0.9 * len(rows(CUDA))


@pytest.mark.usefixtures("cuda_list")
def test_cuda_refuses_probabilities():
    p = thrace.full((2,), 0.5)
    with (
        thrace.autocast("cpu"),
        pytest.raises(RuntimeError, match="binary_cross_entropy_with_logits"),
    ):
        thrace.nn.functional.binary_cross_entropy(p, p)


def test_every_listed_operation_is_marked():
    listed = {name for table in (policies.CPU, policies.CUDA) for name in table}
    missing = {"stft", "rnn_tanh_cell", "rnn_relu_cell", "gru_cell", "lstm_cell"}
    assert listed - set(module.MARKED) <= missing


MODULES = {
    "mha": lambda nn: nn.MultiheadAttention(4, 2, batch_first=True),
    "encoder": lambda nn: nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True),
    "conv": lambda nn: nn.Sequential(nn.Conv1d(5, 3, 1), nn.BatchNorm1d(3), nn.ReLU()),
    "mlp": lambda nn: nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 2)),
    "lstm_cell": lambda nn: nn.LSTMCell(4, 3),
    "gru_cell": lambda nn: nn.GRUCell(4, 3),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str):
    """Outputs and gradients of whole modules, with the tolerance of bfloat16."""
    reference = MODULES[name](torch.nn)
    module_ = MODULES[name](thrace.nn)
    module_.load_state_dict(
        {k: thrace.tensor(v.numpy()) for k, v in reference.state_dict().items()}
    )
    shape = (2, 4) if "cell" in name else (2, 5, 4)
    array = np.random.default_rng(1).normal(size=shape).astype(np.float32)

    def run(library: Any, net: Any) -> Any:
        x = library.tensor(array, requires_grad=True)
        with library.autocast("cpu", dtype=library.bfloat16):
            out = net(x, x, x) if name == "mha" else net(x)
        out = out[0] if isinstance(out, tuple) else out
        dtype = str(out.dtype).partition(".")[2]
        out.float().pow(2).sum().backward()
        grads = [x.grad, *(p.grad for p in net.parameters())]
        return dtype, [t.detach().float().numpy() for t in (out, *grads)]

    expected, got = run(torch, reference), run(thrace, module_)
    assert expected[0] == got[0]
    for e, g in zip(expected[1], got[1], strict=True):
        scale = max(1.0, float(np.abs(e).max()))
        np.testing.assert_allclose(g, e, atol=0.05 * scale)


def states(library: Any) -> list[Any]:
    """What regions say and do, step by step."""
    x = library.ones(2, 2)
    out: list[Any] = []

    def look() -> None:
        out.append((library.is_autocast_enabled("cpu"), library.is_autocast_enabled()))
        out.append(str(library.get_autocast_dtype("cpu")).partition(".")[2])
        out.append(library.is_autocast_cache_enabled())
        out.extend(dtypes_of([x @ x, library.nn.functional.mse_loss(x, x.bfloat16())]))

    look()
    with library.autocast(device_type="cpu", dtype=library.float16, cache_enabled=False):
        look()
        with library.autocast("cpu", enabled=False):
            look()
            with library.autocast("cpu"):
                look()
        with library.amp.autocast("cpu", dtype=library.bfloat16):
            look()
        look()
    look()
    try:
        with library.autocast("cpu"):
            raise KeyError
    except KeyError:
        look()
    region = library.autocast("cpu")
    for _ in range(2):
        with region:
            look()

    @library.autocast("cpu", dtype=library.float16)
    def decorated() -> None:
        look()

    decorated()
    look()
    library.set_autocast_enabled("cpu", True)
    library.set_autocast_dtype("cpu", library.float16)
    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    library.set_autocast_enabled("cpu", False)
    library.set_autocast_dtype("cpu", library.bfloat16)
    look()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with library.autocast("cpu", dtype=library.float64):
            look()
        library.autocast("cuda")
    out.append([w.category for w in caught])
    with library.autocast("cpu"):
        y = library.ones(2, 2)
        y.addmm_(x, x)
        out.extend(
            dtypes_of([y, library.mm(x, x, out=library.empty(2, 2)), x.double() @ x.double()])
        )
    return out


def test_regions_nest_and_end():
    assert states(thrace) == states(torch)


def test_another_thread_is_left_alone():
    seen = []
    with thrace.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(thrace.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
    assert seen == [False]


def cached(library: Any) -> list[Any]:
    """A weight is cast once in a region: its gradients are summed in the lower precision."""
    out: list[Any] = []
    for cache in (True, False):
        w = library.nn.Parameter(library.full((1, 1), 1.0))
        x = library.full((1, 1), 257.0 / 256)
        with library.autocast("cpu", cache_enabled=cache):
            loss: Any = sum((x @ w).sum() * 257 for _ in range(3))
            before = float((x @ w).detach())
            with library.no_grad():
                w.mul_(2)
            out += [before, float((x @ w).detach())]
        loss.backward()
        out.append(float(w.grad))
        with library.autocast("cpu"):
            out.append(float((x @ w).detach()))
    with library.autocast("cpu"):
        with library.no_grad():
            out.append((x @ w).requires_grad)
        out.append((x @ w).requires_grad)
        library.clear_autocast_cache()
        out.append((x @ w).requires_grad)
    return out


def test_weights_are_cast_once():
    assert cached(thrace) == cached(torch)


def functions(library: Any) -> list[Any]:
    out: list[Any] = []

    class Plain(library.autograd.Function):
        @staticmethod
        @library.amp.custom_fwd(device_type="cpu")
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            out.append(("forward", library.is_autocast_enabled("cpu"), *dtypes_of([a, b])))
            return a @ b

        @staticmethod
        @library.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            out.append(("backward", library.is_autocast_enabled("cpu")))
            out.append(dtypes_of([g, g @ b.t(), a.t() @ g]))
            return g @ b.t(), a.t() @ g

    class Full(Plain):
        @staticmethod
        @library.amp.custom_fwd(device_type="cpu", cast_inputs=library.float32)
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            out.append(("forward", library.is_autocast_enabled("cpu"), *dtypes_of([a, b])))
            return a @ b

    x = library.ones(2, 2, requires_grad=True)
    for cls in (Plain, Full):
        for enabled in (True, False):
            with library.autocast("cpu", enabled=enabled):
                y = cls.apply(x, x.bfloat16() if enabled else x)
            out.append(dtypes_of([y]))
            y.float().sum().backward()
    return out


def test_custom_functions():
    assert functions(thrace) == functions(torch)


ERRORS = (
    (lambda lib: lib.autocast(3), ValueError),
    (lambda lib: lib.autocast("nowhere"), RuntimeError),
    (lambda lib: lib.autocast("cpu")(3), TypeError),
    (lambda lib: lib.amp.custom_fwd(device_type=3), ValueError),
    (lambda lib: lib.amp.custom_bwd(device_type=3), ValueError),
    (lambda lib: lib.is_autocast_enabled("nowhere"), RuntimeError),
    (lambda lib: lib.get_autocast_dtype("nowhere"), RuntimeError),
)


@pytest.mark.parametrize("case", ERRORS)
def test_misuse(case: Any):
    call, error = case
    for library in (torch, thrace):
        with pytest.raises(error):
            call(library)


def test_cat_refuses_another_lower_precision():
    for library in (torch, thrace):
        with library.autocast("cpu", dtype=library.bfloat16), pytest.raises(RuntimeError):
            library.cat([library.ones(2).half(), library.ones(2)])


def test_older_names():
    from thrace.cpu.amp import autocast as by_cpu
    from thrace.cuda.amp import GradScaler, custom_bwd, custom_fwd

    assert custom_fwd(len) and custom_bwd(len)
    with pytest.warns(FutureWarning):
        region = by_cpu(dtype=thrace.float16)
    with region:
        assert (thrace.ones(1, 1) @ thrace.ones(1, 1)).dtype is thrace.float16
    with pytest.warns(FutureWarning):
        assert GradScaler().is_enabled() is thrace.cuda.is_available()


def test_compiled_calls_know_the_mode():
    """A call in another mode traces anew; back in the first, the old trace serves."""

    @thrace.compile
    def product(x: Any, w: Any) -> Any:
        return x @ w

    x, w = thrace.ones(2, 2), thrace.nn.Parameter(thrace.ones(2, 2))
    seen = []
    for enabled, dtype in ((False, None), (True, "bfloat16"), (True, "float16")) * 2:
        kind = getattr(thrace, dtype) if dtype else None
        with thrace.autocast("cpu", dtype=kind, enabled=enabled):
            (x @ w).sum().item()  # fills the region's cache, which is no part of the trace
            seen.append(product(x, w).dtype.name)
    assert seen == ["float32", "bfloat16", "float16"] * 2
    report = thrace.explain(product)
    assert len(report.traces) == 3 and len(report.recompiles) == 2 and not report.fallbacks
    assert "autocast" in str(report.recompiles[0])
    with thrace.no_grad():
        w.mul_(3.0)
    with thrace.autocast("cpu", dtype=thrace.bfloat16):
        assert product(x, w)[0, 0].item() == 6.0
