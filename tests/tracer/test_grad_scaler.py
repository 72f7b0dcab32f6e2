"""`GradScaler` against PyTorch: scales, skipped steps and counters; compiled, one executable."""

from __future__ import annotations

import copy
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import thrace

STEPS = 16


class Step(NamedTuple):
    """A training step in one of the ways people write it, and which batches hold infinities."""

    optimizer: str
    infinite: tuple[int, ...] = ()
    how: str = "plain"
    options: tuple[tuple[str, Any], ...] = ()


CASES = (
    Step("SGD", (), "plain", (("lr", 1e-2), ("momentum", 0.9), ("dampening", 0.1))),
    Step("SGD", (0, 3, 4, 9), "plain", (("lr", 1e-2), ("momentum", 0.9), ("dampening", 0.1))),
    Step("Adam", (0, 1), "clip", (("lr", 1e-2), ("amsgrad", True))),
    Step("Adam", (2, 3), "fused", (("lr", 1e-2), ("fused", True))),
    Step("AdamW", (5,), "accumulate", (("lr", 1e-2),)),
    Step("RAdam", (7, 8), "two", (("lr", 1e-2),)),
    Step("Adadelta", (0, 15), "closed", (("lr", 0.5),)),
    Step("Adagrad", (1,), "penalty", (("lr", 1e-2),)),
    Step("NAdam", (4,), "double", (("lr", 1e-2),)),
)


def batches(case: Step, dtype: type) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(3)
    out = []
    for i in range(STEPS):
        x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 1))
        if i in case.infinite:
            x[0, 0] = np.inf if i % 2 else np.nan
        out.append((x.astype(dtype), y.astype(dtype)))
    return out


def weights() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=s) * 0.5 for s in ((6, 4), (6,), (1, 6), (1,))]


class Run:
    """The model, optimizers and scaler of a case in one library, and its step."""

    def __init__(self, library: Any, case: Step):
        self.library, self.case = library, case
        nn = library.nn
        self.dtype = library.float64 if case.how == "double" else library.float32
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).to(self.dtype)
        with library.no_grad():
            for p, w in zip(self.net.parameters(), weights(), strict=True):
                p.copy_(library.tensor(w))
        kind = getattr(library.optim, case.optimizer)
        parts = [self.net[0], self.net[2]] if case.how == "two" else [self.net]
        self.optimizers = [kind(part.parameters(), **dict(case.options)) for part in parts]
        self.scaler = library.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=3)

    def step(self, x: Any, y: Any) -> Any:
        how, library, scaler = self.case.how, self.library, self.scaler
        for opt in self.optimizers:
            opt.zero_grad()
        loss = library.nn.functional.mse_loss(self.net(x), y)
        if how == "penalty":
            grads = library.autograd.grad(
                scaler.scale(loss), self.net.parameters(), create_graph=True
            )
            inverse = 1.0 / scaler.get_scale() if library is torch else 1.0 / scaler._scale
            loss = loss + 1e-3 * sum((g * inverse).pow(2).sum() for g in grads)
        if how == "accumulate":
            for part in (x[:4], x[4:]):
                scaler.scale(self.net(part).square().mean() / 2).backward()
        scaler.scale(loss).backward()
        for opt in self.optimizers:
            if how == "clip":
                scaler.unscale_(opt)
                library.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
            scaler.step(opt)
        scaler.update()
        return loss

    def follow(self, step: Any) -> dict[str, Any]:
        """Losses, scales and states over all batches."""
        out: dict[str, Any] = {"loss": [], "scale": [], "tracker": []}
        dtype = np.float64 if self.case.how == "double" else np.float32
        for x, y in batches(self.case, dtype):
            out["loss"].append(float(step(self.library.tensor(x), self.library.tensor(y))))
            out["scale"].append(self.scaler.get_scale())
            out["tracker"].append(self.scaler.state_dict()["_growth_tracker"])
        out["parameters"] = [p.detach().numpy() for p in self.net.parameters()]
        out["steps"] = [
            float(state["step"])
            for opt in self.optimizers
            for state in opt.state.values()
            if "step" in state
        ]
        return out


def ids(case: Step) -> str:
    return f"{case.optimizer}-{case.how}-{len(case.infinite)}"


@pytest.mark.parametrize("case", CASES, ids=ids)
@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
def test_training(case: Step, compiled: bool):
    expected = Run(torch, case)
    wanted = expected.follow(expected.step)
    run = Run(thrace, case)
    step = thrace.compile(run.step) if compiled else run.step
    got = run.follow(step)
    assert got["scale"] == wanted["scale"]
    assert got["tracker"] == wanted["tracker"]
    assert got["steps"] == wanted["steps"]
    np.testing.assert_allclose(got["loss"], wanted["loss"], rtol=2e-4, equal_nan=True)
    for g, w in zip(got["parameters"], wanted["parameters"], strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-4, atol=2e-6)
    if compiled:
        report = thrace.explain(step)
        assert len(report.traces) == len(report.executables) == 1
        assert not report.fallbacks and not report.recompiles


@pytest.mark.parametrize("dtype", ("bfloat16", "float16"))
def test_lower_precision(dtype: str):
    """The whole step in mixed precision: PyTorch's scales, and its losses roughly."""

    def follow(library: Any, compiled: bool) -> tuple[list[float], list[float], Any]:
        run = Run(library, Step("Adam", (), "plain", (("lr", 1e-2),)))
        run.scaler = library.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=5)

        def step(x: Any, y: Any) -> Any:
            run.optimizers[0].zero_grad()
            with library.autocast("cpu", dtype=getattr(library, dtype)):
                loss = library.nn.functional.mse_loss(run.net(x), y)
            run.scaler.scale(loss).backward()
            run.scaler.step(run.optimizers[0])
            run.scaler.update()
            return loss

        call = library.compile(step) if compiled else step
        losses, scales = [], []
        for x, y in batches(run.case, np.float32):
            losses.append(float(call(library.tensor(x), library.tensor(y))))
            scales.append(run.scaler.get_scale())
        return losses, scales, call

    losses, scales, _ = follow(torch, False)
    got, own_scales, step = follow(thrace, True)
    assert own_scales == scales
    assert dtype == "bfloat16" or scales[0] < 2.0**20  # the first steps overflow
    np.testing.assert_allclose(got, losses, rtol=0.02)
    report = thrace.explain(step)
    assert len(report.executables) == 1 and not report.fallbacks and not report.recompiles


def test_split_over_compiled_functions():
    """Backward with the search in one compiled function, the step in another."""
    case = Step("Adam", (0, 3), "plain", (("lr", 1e-2),))
    wanted = (expected := Run(torch, case)).follow(expected.step)
    run = Run(thrace, case)

    @thrace.compile
    def backward(x: Any, y: Any) -> Any:
        run.optimizers[0].zero_grad()
        loss = thrace.nn.functional.mse_loss(run.net(x), y)
        run.scaler.scale(loss).backward()
        run.scaler.unscale_(run.optimizers[0])
        return loss

    @thrace.compile
    def update() -> None:
        run.scaler.step(run.optimizers[0])
        run.scaler.update()

    def step(x: Any, y: Any) -> Any:
        loss = backward(x, y)
        update()
        return loss

    got = run.follow(step)
    assert got["scale"] == wanted["scale"] and got["steps"] == wanted["steps"]
    for g, w in zip(got["parameters"], wanted["parameters"], strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-4, atol=2e-6)
    for fn in (backward, update):
        report = thrace.explain(fn)
        assert len(report.traces) == 1 and not report.fallbacks and not report.recompiles
    run.scaler.scale(run.net(thrace.ones(1, 4)).sum()).backward()
    run.scaler.unscale_(run.optimizers[0])
    run.scaler.step(run.optimizers[0])
    with pytest.raises(RuntimeError, match="already been called"):
        update()  # the stage is guarded: the replay would have stepped twice


class Lazy(thrace.optim.Optimizer):
    """A user's optimizer that makes its state of the first gradient it sees."""

    def __init__(self, params: Any, lr: float):
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        with thrace.no_grad():
            for p in self.param_groups[0]["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "mean" not in state:
                    state["mean"] = p.grad.clone()
                state["mean"].mul_(0.5).add_(p.grad, alpha=0.5)
                p.add_(state["mean"], alpha=-0.1)


@pytest.mark.parametrize("infinite", ((), (0, 2)))
def test_state_made_in_a_skipped_step(infinite: tuple[int, ...]):
    """State that a skipped step would have made of infinite gradients is not there."""

    def follow(compiled: bool) -> tuple[np.ndarray, int]:
        w = thrace.nn.Parameter(thrace.ones(2))
        opt, scaler = Lazy([w], 0.1), thrace.amp.GradScaler("cpu", init_scale=4.0)

        def step(x: Any) -> None:
            opt.zero_grad()
            scaler.scale((w * x).sum()).backward()
            scaler.step(opt)
            scaler.update()

        call = thrace.compile(step) if compiled else step
        sizes = []
        for i in range(5):
            call(thrace.full((2,), np.inf if i in infinite else float(i + 1)))
            sizes.append(len(opt.state[w]) if w in opt.state else 0)
        return w.detach().numpy(), sizes[0]

    expected, first = follow(False)
    with pytest.warns(UserWarning):
        got, own_first = follow(True)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert np.isfinite(got).all() and first == own_first == (0 if infinite else 1)


def test_options_are_inputs():
    """Factors and interval may change between calls, and nothing is traced again."""

    def follow(library: Any, compiled: bool) -> tuple[list[float], Any]:
        w = library.nn.Parameter(library.ones(2))
        opt = library.optim.SGD([w], lr=0.1)
        scaler = library.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)

        def step(x: Any) -> None:
            opt.zero_grad()
            scaler.scale((w * x).sum()).backward()
            scaler.step(opt)
            scaler.update()

        call = library.compile(step) if compiled else step
        scales = []
        for i in range(8):
            if i == 3:
                scaler.set_growth_factor(3.0)
                scaler.set_growth_interval(1)
            if i == 5:
                scaler.set_backoff_factor(0.25)
            call(library.full((2,), float("inf") if i in (2, 6) else 1.0))
            scales.append(scaler.get_scale())
        return scales, call

    expected, _ = follow(torch, False)
    got, step = follow(thrace, True)
    assert got == expected
    report = thrace.explain(step)
    assert len(report.traces) == 1 and not report.recompiles and not report.fallbacks


def saved(library: Any) -> list[Any]:
    """State dicts, copies and settings, before and after the first step."""
    out: list[Any] = []
    w = library.nn.Parameter(library.ones(2))
    opt = library.optim.SGD([w], lr=0.1)
    scaler = library.amp.GradScaler("cpu", 8.0, 3.0, 0.25, 2)
    out += [scaler.state_dict(), scaler.is_enabled(), scaler.get_scale()]
    for _ in range(3):
        scaler.scale(w.sum()).backward()
        scaler.step(opt)
        scaler.update()
    out += [scaler.state_dict(), scaler.get_growth_factor(), scaler.get_backoff_factor()]
    out += [scaler.get_growth_interval(), pickle.loads(pickle.dumps(scaler)).state_dict()]
    other = library.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    out.append(other.state_dict())
    scaler.load_state_dict(library.amp.GradScaler("cpu", 2.0).state_dict())
    out += [scaler.state_dict(), copy.deepcopy(scaler).state_dict()]
    scaler.update(16.0)
    out.append(scaler.get_scale())
    scaler.update(library.tensor(32.0))
    out.append(scaler.get_scale())
    nested = scaler.scale([w, (w, w)])
    out.append([type(nested).__name__, type(nested[1]).__name__, float(nested[1][0].sum())])
    out.append([float(t.sum()) for t in scaler.scale(t for t in (w, w))])
    out.append(str(scaler.scale(w.sum().bfloat16()).dtype).partition(".")[2])
    off = library.amp.GradScaler("cpu", enabled=False)
    out += [off.state_dict(), off.get_scale(), off.scale(3), off.is_enabled()]
    off.unscale_(opt)
    off.step(opt)
    off.update()
    off.load_state_dict({})
    return out


def test_saving():
    assert saved(thrace) == saved(torch)


class Misuse(NamedTuple):
    run: Any
    error: type[Exception]


def twice(step: str) -> Any:
    def run(library: Any, w: Any, opt: Any, scaler: Any) -> None:
        scaler.scale(w.sum()).backward()
        getattr(scaler, step)(opt)
        getattr(scaler, step)(opt)

    return run


def after_step(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    scaler.scale(w.sum()).backward()
    scaler.step(opt)
    scaler.unscale_(opt)


def half_gradients(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    p = library.nn.Parameter(library.ones(2, dtype=library.float16))
    scaler.scale(p.sum()).backward()
    scaler.step(library.optim.SGD([p], lr=0.1))


def no_gradients(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    scaler.scale(w.sum())
    scaler.step(opt)


def unstarted_update(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    scaler.update()


def no_search(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    scaler.scale(w.sum())
    scaler.update()


def pickled_midway(library: Any, w: Any, opt: Any, scaler: Any) -> None:
    scaler.scale(w.sum()).backward()
    scaler.unscale_(opt)
    pickle.dumps(scaler)


MISUSES = (
    Misuse(twice("unscale_"), RuntimeError),
    Misuse(twice("step"), RuntimeError),
    Misuse(after_step, RuntimeError),
    Misuse(half_gradients, ValueError),
    Misuse(no_gradients, AssertionError),
    Misuse(unstarted_update, AssertionError),
    Misuse(no_search, AssertionError),
    Misuse(pickled_midway, AssertionError),
    Misuse(lambda lib, w, opt, s: s.step(opt), AssertionError),
    Misuse(lambda lib, w, opt, s: s.unscale_(opt), AssertionError),
    Misuse(lambda lib, w, opt, s: s.step(opt, closure=lambda: 0), RuntimeError),
    Misuse(lambda lib, w, opt, s: s.scale(3), ValueError),
    Misuse(lambda lib, w, opt, s: s.load_state_dict({}), RuntimeError),
    Misuse(lambda lib, w, opt, s: lib.amp.GradScaler("cpu", growth_factor=1.0), AssertionError),
    Misuse(lambda lib, w, opt, s: lib.amp.GradScaler("cpu", backoff_factor=1.0), AssertionError),
)


@pytest.mark.parametrize("case", MISUSES)
def test_misuse(case: Misuse):
    for library in (torch, thrace):
        w = library.nn.Parameter(library.ones(2))
        opt = library.optim.SGD([w], lr=0.1)
        with pytest.raises(case.error):
            case.run(library, w, opt, library.amp.GradScaler("cpu"))


def test_looking_at_the_scale_falls_back_and_says_so():
    w = thrace.nn.Parameter(thrace.ones(2))
    opt, scaler = thrace.optim.SGD([w], lr=0.1), thrace.amp.GradScaler("cpu", 4.0)

    @thrace.compile
    def step() -> float:
        scaler.scale(w.sum()).backward()
        scaler.step(opt)
        scaler.update()
        return scaler.get_scale()

    with pytest.warns(UserWarning, match="needs a tensor's value"):
        assert step() == 4.0
    assert step() == 4.0
