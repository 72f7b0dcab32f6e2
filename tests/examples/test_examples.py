"""The examples run as a user runs them, and reach what they promise."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from processes import run
from source_tree import ROOT

import thrace

EXAMPLES = ROOT / "examples"


def test_linear_regression(tmp_path: Path):
    printed = run(sys.executable, EXAMPLES / "linear_regression.py", cwd=tmp_path)
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)", printed)]
    assert len(losses) == 5
    assert losses[-1] < 0.02 < losses[0]  # the noise has a variance of 0.01
    slope, offset = map(float, re.findall(r"y = (\S+) x \+ (\S+)", printed)[0])
    assert abs(slope - 3) < 0.1 and abs(offset - 2) < 0.1
    assert "graph step(" in printed


def test_digits(tmp_path: Path):
    # Fails by itself where the test accuracy is below 97 %.
    printed = run(
        *(sys.executable, EXAMPLES / "digits.py", "--epochs", "4"),
        *("--no-jax", "--out", tmp_path / "demo"),
        cwd=tmp_path,
    )
    assert "1 trace, 1 executable, 0 fallbacks, 0 recompiles" in printed
    written = {path.name: path for path in (tmp_path / "demo").iterdir()}
    assert set(written) == {
        "backward.svg",
        "curves.png",
        "forward.svg",
        "forward.txt",
        "train_step.txt",
    }
    for name in ("forward.svg", "backward.svg"):
        assert ElementTree.parse(written[name]).getroot().tag.endswith("svg")
    for name in ("forward.txt", "train_step.txt"):
        assert "convolution(" in written[name].read_text()
    assert written["curves.png"].read_bytes().startswith(b"\x89PNG")


def load(name: str, library: str) -> Any:
    """An example as a module, with `library` where it imports thrace."""
    source = (EXAMPLES / f"{name}.py").read_text()
    assert "import thrace as torch\n" in source
    module = types.ModuleType(f"{name}_on_{library}")
    module.__file__ = str(EXAMPLES / f"{name}.py")
    exec(
        compile(source.replace("import thrace as", f"import {library} as"), name, "exec"),
        module.__dict__,
    )
    return module


def copied(models: tuple[Any, ...], others: tuple[Any, ...]) -> None:
    """Give PyTorch's models the weights of ours."""
    for ours, theirs in zip(models, others, strict=True):
        theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})


def physics(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    step, points = example.make_step(*models), example.make_points()
    return lambda i: [step(*points)]


def maml(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    step, rng = example.make_step(*models), np.random.default_rng(0)
    return lambda i: [step(*example.make_tasks(rng))]


def penalty(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    critic, generator = example.make_steps(*models)
    rng = np.random.default_rng(0)
    return lambda i: [critic(*example.make_batch(rng)), generator(example.make_batch(rng)[1])]


def products(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    step, sharpness = example.make_functions(*models)
    x, y = example.make_data(np.random.default_rng(0))

    def run(i: int) -> list[Any]:
        largest, v = sharpness(x, y, example.first_vector(*models))
        return [step(x, y), largest, *v]

    return run


@pytest.mark.parametrize(
    ("name", "make"),
    (
        ("physics_informed", physics),
        ("maml", maml),
        ("gradient_penalty", penalty),
        ("hessian_vector", products),
    ),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_higher_order_examples_match_pytorch(name: str, make: Any, monkeypatch: pytest.MonkeyPatch):
    """Second derivatives inside a compiled step: the numbers of PyTorch uncompiled, with only
    the import changed, and one trace for each compiled function."""
    monkeypatch.setattr(torch, "compile", lambda fn: fn)
    compiled: list[Any] = []
    plain = thrace.compile
    monkeypatch.setattr(thrace, "compile", lambda fn: compiled.append(plain(fn)) or compiled[-1])
    ours, theirs = load(name, "thrace"), load(name, "torch")
    made = getattr(ours, "make_models", None) or (lambda: (ours.make_model(),))
    other = getattr(theirs, "make_models", None) or (lambda: (theirs.make_model(),))
    models, others = made(), other()
    copied(models, others)
    step, expected = make(ours, models), make(theirs, others)
    for i in range(20):
        for a, b in zip(step(i), expected(i), strict=True):
            scale = max(1.0, float(b.detach().abs().max()))
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=2e-3 * scale)
    for fn in compiled:
        seen = thrace.explain(fn)
        assert (len(seen.traces), len(seen.executables), seen.fallbacks) == (1, 1, []), seen


@pytest.mark.parametrize("name", ("physics_informed", "maml", "gradient_penalty", "hessian_vector"))
def test_higher_order_examples_run(name: str):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        load(name, "thrace").main(3)
    assert "1 trace, 0 fallbacks" in printed.getvalue()


def gan(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    step, rng, images = example.make_step(*models), np.random.default_rng(0), example.load_images()
    return lambda i: [*step(*example.make_batch(rng, images)), *states(models)]


def language(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
    step = example.make_step(*models)
    batches = list(example.stretches(example.load_text()[0], 50))
    return lambda i: [step(*batches[i]), *states(models), models[0].h, models[0].c]


def mixed(dtype: str) -> Callable[..., Callable[[int], list[Any]]]:
    def make(example: Any, models: tuple[Any, ...]) -> Callable[[int], list[Any]]:
        step, rng = example.make_step(*models, dtype), np.random.default_rng(0)
        data = example.load_data()
        return lambda i: [step(*example.make_batch(rng, *data))[0]]

    return make


def states(models: tuple[Any, ...]) -> list[Any]:
    return [value for model in models for value in model.state_dict().values()]


# How far results may be off after 50 steps, as a share of the largest number: float32 sums in
# another order, or roundings to 8 or 11 bits.
TRAINING = {
    "gan": ("digits_gan", gan, 0.02),
    "language": ("language_model", language, 0.01),
    "bfloat16": ("mixed_precision", mixed("bfloat16"), 0.1),
    "float16": ("mixed_precision", mixed("float16"), 0.05),
}
QUICK = ("gan", "language", "bfloat16")  # `make test-steps` runs all, at full depth
ALL = bool(os.environ.get("THRACE_ALL_STEPS"))


@pytest.mark.parametrize(
    ("name", "make", "tolerance"),
    [TRAINING[key] for key in (TRAINING if ALL else QUICK)],
    ids=TRAINING if ALL else QUICK,
)
def test_training_examples_match_pytorch(
    name: str, make: Any, tolerance: float, monkeypatch: pytest.MonkeyPatch
):
    """50 steps beside PyTorch, with only the import changed: one trace, one executable, no
    fallback, nothing traced again."""
    monkeypatch.setattr(torch, "compile", lambda fn: fn)
    compiled: list[Any] = []
    plain = thrace.compile
    monkeypatch.setattr(thrace, "compile", lambda fn: compiled.append(plain(fn)) or compiled[-1])
    ours, theirs = load(name, "thrace"), load(name, "torch")
    made = getattr(ours, "make_models", None) or (lambda: (ours.make_model(),))
    other = getattr(theirs, "make_models", None) or (lambda: (theirs.make_model(),))
    if not ALL:
        ours.DEPTH = theirs.DEPTH = 1
    models, others = made(), other()
    copied(models, others)
    step, expected = make(ours, models), make(theirs, others)
    for i in range(50):
        for a, b in zip(step(i), expected(i), strict=True):
            scale = max(1.0, float(b.detach().abs().max()))
            np.testing.assert_allclose(
                a.detach().float().numpy(),
                b.detach().float().numpy(),
                atol=tolerance * scale,
                err_msg=f"step {i}",
            )
    (fn,) = compiled
    seen = thrace.explain(fn)
    assert (len(seen.traces), len(seen.executables)) == (1, 1), seen
    assert not seen.fallbacks and not seen.recompiles, seen


@pytest.mark.parametrize("name", ("digits_gan", "language_model"))
def test_training_examples_run(name: str):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        load(name, "thrace").main(3)
    assert "1 trace, 0 fallbacks" in printed.getvalue()
