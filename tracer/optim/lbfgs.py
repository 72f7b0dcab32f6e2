"""L-BFGS, with a line search that meets the strong Wolfe conditions. Public as `optim`.

What the algorithm decides hangs on values, so a step reads some of them; in a compiled
function it therefore runs uncompiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..api.join import cat
from ..autograd import enable_grad, no_grad
from ..state import touch_optimizer
from ..tensor import Tensor
from .optimizer import Optimizer, check_common


class LBFGS(Optimizer):
    """Limited-memory BFGS over all parameters as one vector.

    `step` wants a closure that computes the loss and its gradients anew; it is called up to
    `max_eval` times in up to `max_iter` iterations. `line_search_fn` is None or
    "strong_wolfe". Raises: ValueError for several parameter groups.
    Source: Nocedal & Wright 2006, Numerical Optimization, algorithms 7.4, 3.5 and 3.6.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check_common(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        parts = [
            p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self._params
        ]
        return cat(parts)

    def _move(self, length: Any, direction: Tensor) -> None:
        offset = 0
        for p in self._params:
            count = p.numel()
            p.add_(direction[offset : offset + count].reshape(p.shape) * length)
            offset += count

    def _evaluate(
        self, closure: Callable[[], Any], start: list[Tensor], direction: Tensor, length: float
    ) -> _Point:
        self._move(length, direction)
        loss, gradient = float(closure()), self._gradient()
        for p, value in zip(self._params, start, strict=True):
            p.copy_(value)
        return _Point(length, loss, gradient, float(gradient.dot(direction)))

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to `max_iter` iterations; returns the loss before them."""
        touch_optimizer(self)
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        with no_grad():
            out = self._iterate(enable_grad()(closure))
        self._stepped = True
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return out

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        rate, change = float(group["lr"]), group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss = float(first)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gradient()
        flat = bool(gradient.abs().max() <= group["tolerance_grad"])
        if flat:
            return first
        direction: Any = state.get("d")
        length: Any = state.get("t")
        history = _History(state, group["history_size"])
        before = state.get("prev_flat_grad")
        earlier = state.get("prev_loss")
        iteration = 0
        while iteration < group["max_iter"]:
            iteration += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = -gradient
                history.clear()
            else:
                history.add(gradient - before, direction * length)
                direction = history.direction(gradient)
            before, earlier = gradient.clone(), loss
            if state["n_iter"] == 1:
                length = min(1.0, 1.0 / float(gradient.abs().sum())) * rate
            else:
                length = rate
            slope = float(gradient.dot(direction))
            if slope > -change:
                break
            spent = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone() for p in self._params]
                evaluated = functools.partial(self._evaluate, closure, start, direction)
                here = _Point(0.0, loss, gradient, slope)
                largest = float(direction.abs().max())
                left = group["max_eval"] - evaluations
                found, spent = _search(evaluated, here, length, largest, left)
                length, loss, gradient = found.length, found.loss, found.gradient
                self._move(length, direction)
                flat = bool(gradient.abs().max() <= group["tolerance_grad"])
            else:
                self._move(length, direction)
                if iteration != group["max_iter"]:
                    loss = float(closure())
                    gradient = self._gradient()
                    flat = bool(gradient.abs().max() <= group["tolerance_grad"])
                    spent = 1
            evaluations += spent
            state["func_evals"] += spent
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or flat
                or float((direction * length).abs().max()) <= change
                or abs(loss - earlier) < change
            ):
                break
        history.keep(state)
        state |= {"d": direction, "t": length, "prev_flat_grad": before, "prev_loss": earlier}
        return first


class _History:
    """The last steps and changes of gradient, which stand for the inverse Hessian."""

    def __init__(self, state: dict[str, Any], size: int):
        self.size = size
        self.changes = state.get("old_dirs") or []
        self.steps = state.get("old_stps") or []
        self.weights = state.get("ro") or []
        self.scale = state.get("H_diag", 1)
        self.factors = state.get("al")

    def clear(self) -> None:
        self.changes, self.steps, self.weights, self.scale = [], [], [], 1

    def add(self, change: Tensor, step: Tensor) -> None:
        """Take one more pair in, unless it has no curvature."""
        curvature = change.dot(step)
        if not float(curvature) > 1e-10:
            return
        if len(self.changes) == self.size:
            for line in (self.changes, self.steps, self.weights):
                line.pop(0)
        self.changes.append(change)
        self.steps.append(step)
        self.weights.append(1.0 / curvature)
        self.scale = curvature / change.dot(change)

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
        if self.factors is None:
            self.factors = [None] * self.size
        q = -gradient
        for i in reversed(range(len(self.changes))):
            self.factors[i] = self.steps[i].dot(q) * self.weights[i]
            q = q - self.changes[i] * self.factors[i]
        r = q * self.scale
        for i in range(len(self.changes)):
            share = self.changes[i].dot(r) * self.weights[i]
            r = r + self.steps[i] * (self.factors[i] - share)
        return r

    def keep(self, state: dict[str, Any]) -> None:
        state |= {"old_dirs": self.changes, "old_stps": self.steps}
        state |= {"ro": self.weights, "H_diag": self.scale}
        if self.factors is not None:
            state["al"] = self.factors


class _Point(NamedTuple):
    """A length along the direction: loss, gradient, and slope along the direction there."""

    length: float
    loss: float
    gradient: Tensor
    slope: float


def _cubic(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, within bounds."""
    low, high = bounds or (min(a.length, b.length), max(a.length, b.length))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    left, right = (a, b) if a.length <= b.length else (b, a)
    d2 = square**0.5
    ratio = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    found = right.length - (right.length - left.length) * ratio
    return min(max(found, low), high)


def _search(
    at: Callable[[float], _Point],
    start: _Point,
    length: float,
    largest: float,
    most: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    change: float = 1e-9,
) -> tuple[_Point, int]:
    """A point that meets the strong Wolfe conditions, or the best seen, and how many were."""

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.length * start.slope

    def even(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    before, now = start, at(length)
    seen, rounds = 1, 0
    bracket: list[_Point] | None = None
    while rounds < most:
        if too_high(now) or (rounds > 1 and now.loss >= before.loss):
            bracket = [before, now]
            break
        if even(now):
            return now, seen
        if now.slope >= 0:
            bracket = [before, now]
            break
        least = now.length + 0.01 * (now.length - before.length)
        length = _cubic(before, now, (least, now.length * 10))
        before, now = now, at(length)
        seen += 1
        rounds += 1
    if bracket is None:
        bracket = [start, now]
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while rounds < most:
        ends = bracket[0].length, bracket[1].length
        if abs(ends[1] - ends[0]) * largest < change:
            break
        length = _cubic(bracket[0], bracket[1])
        # Keep away from the ends, or the bracket may hardly shrink.
        margin = 0.1 * (max(ends) - min(ends))
        if min(max(ends) - length, length - min(ends)) < margin:
            if stuck or length >= max(ends) or length <= min(ends):
                upper = abs(length - max(ends)) < abs(length - min(ends))
                length = max(ends) - margin if upper else min(ends) + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = at(length)
        seen += 1
        rounds += 1
        if too_high(now) or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = even(now)
        if not done and now.slope * (bracket[high].length - bracket[low].length) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
        if done:
            break
    return bracket[low], seen
