"""The other side: the same workloads in plain JAX, as one writes them for speed.

Pure functions over nested dicts, one `jax.jit` for the whole step, its state donated,
images channels last, everything on the device before the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from programs import (
    BETAS,
    CNN,
    EPSILON,
    GPT,
    MANY_RATE,
    MANY_SHAPE,
    MLP,
    WEIGHT_DECAY,
    Convolution,
    Difference,
    Program,
    first_weight,
    many_weights,
)

if TYPE_CHECKING:
    from worker import Clock

State = Any  # nested dicts of arrays


class Side:
    """The workloads of the comparison, in JAX."""

    def __init__(self, device: str = "cpu", dtype: str = "float32"):
        self.device = jax.devices("gpu" if device == "cuda" else device)[0]
        self.dtype = jnp.dtype(dtype)
        self.compiled: Any = None

    # Workloads

    def training(self, program: Program, keep_gradients: bool = True) -> Callable[[int], Any]:
        """A function that does step number i and returns its loss, maybe still on its way."""
        step, state, batches = self._training(program)
        self.compiled = jax.jit(step, donate_argnums=0).lower(state, *batches[0]).compile()
        return self._loop(self.compiled, state, batches)

    def uncompiled(self, program: Program) -> Callable[[int], Any]:
        """The same, operation by operation."""
        return self._loop(*self._training(program))

    def _training(self, program: Program) -> tuple[Callable, State, list[Any]]:
        model = self._model(program)
        first, train = _OPTIMIZERS[type(program)]

        def step(state: State, x: jax.Array, y: jax.Array):
            def loss_of(params: State):
                logits, stats = model.apply(params, state["stats"], x, True)
                return cross_entropy(logits, y), stats

            (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(state["params"])
            new = {**train(program, state, grads), "stats": stats}
            return jax.tree.map(lambda a, b: b.astype(a.dtype), state, new), loss

        state = {**first(model.params), "stats": model.stats}
        batches = [(model.convert(x), y.astype(np.int32)) for x, y in program.batches()]
        return step, self.put(state), self.put(batches)

    def _loop(self, step: Callable, state: State, batches: list[Any]) -> Callable[[int], Any]:
        holder = [state]

        def run(i: int) -> jax.Array:
            holder[0], loss = step(holder[0], *batches[i % len(batches)])
            return loss

        return run

    def inference(self, program: Program) -> Callable[[int], Any]:
        """The model's output on batch i."""
        model = self._model(program)
        apply = jax.jit(lambda params, stats, x: model.apply(params, stats, x, False)[0])
        params, stats = self.put((model.params, model.stats))
        batches = self.put([model.convert(x) for x, _ in program.batches()])
        return lambda i: apply(params, stats, batches[i % len(batches)])

    def convolution(self, made: Convolution) -> Callable[[int], Any]:
        """A convolution between two of 1x1; the result speaks of all gradients."""
        image = np.ascontiguousarray(made.image().transpose(0, 2, 3, 1))
        # (..., in / groups, out); of a transposed one the other way round, and from its end.
        w = (
            made.weight().transpose(2, 3, 0, 1)[::-1, ::-1]
            if made.transposed
            else (made.weight().transpose(2, 3, 1, 0))
        )
        side = made.kernel - 1 - made.padding if made.transposed else made.padding
        spread = (made.stride,) * 2 if made.transposed else (1, 1)

        def loss_of(x: jax.Array, before: jax.Array, w: jax.Array, after: jax.Array):
            y = lax.conv_general_dilated(
                jnp.tanh(apply_conv(before, x)),
                w,
                (1, 1) if made.transposed else (made.stride,) * 2,
                [(side, side)] * 2,
                lhs_dilation=spread,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=made.groups,
            )
            return (apply_conv(after, jnp.tanh(y)) ** 2).mean()

        @jax.jit
        def step(*args: jax.Array) -> jax.Array:
            return sum(((g**2).sum() for g in jax.grad(loss_of, range(4))(*args)), jnp.zeros(()))

        before, after = (made.outer(n).transpose(2, 3, 1, 0) for n in ("before", "after"))
        args = self.put((image, before, np.ascontiguousarray(w), after))
        return lambda i: step(*args)

    def call(self, size: int) -> Callable[[int], Any]:
        """An addition of few elements: next to nothing but the cost of a call."""
        add = jax.jit(lambda x, y: x + y)
        x, y = self.put((np.ones(size, np.float32), np.ones(size, np.float32)))
        return lambda i: add(x, y)

    def many(self, count: int) -> Callable[[int], Any]:
        """A step of SGD on `count` small parameters: next to nothing but handing them over."""

        @partial(jax.jit, donate_argnums=0)
        def step(params: list[jax.Array], x: jax.Array):
            loss, grads = jax.value_and_grad(lambda params: sum((p * x).sum() for p in params))(
                params
            )
            return jax.tree.map(lambda p, g: p - MANY_RATE * g, params, grads), loss

        params, x = self.put((many_weights(count), np.ones(MANY_SHAPE, np.float32)))
        return self._loop(step, params, [(x,)])

    def recording(self, ops: int) -> Callable[[int], Any]:
        """Records a chain of `ops` operations, without computing anything."""
        return self._recorded(ops, lambda chain: chain)

    def differentiation(self, ops: int) -> Difference:
        """What the gradient adds to recording a chain, computing nothing."""
        return Difference(
            self._recorded(ops, lambda chain: jax.value_and_grad(_summed(chain), (0, 1))),
            self._recorded(ops, _summed),
        )

    def _recorded(self, ops: int, transform: Callable[[Any], Any]) -> Callable[[int], Any]:
        spec = jax.ShapeDtypeStruct((16, 16), jnp.float32)
        kinds = _operations(16)

        def record(i: int) -> Any:
            def chain(x, w):  # a new function each time: JAX keeps what it traced before
                y = x
                for k in range(ops):
                    y = kinds[k % len(kinds)](y, w)
                return y

            return jax.make_jaxpr(transform(chain))(spec, spec)

        return record

    def first_seen(self, ops: int) -> Callable[[int], Any]:
        """A short chain on shapes that were never met before, and its value."""

        def run(i: int) -> jax.Array:
            n = 16 + 2 * i
            kinds = _operations(n)
            w = self.put(np.full((n, n), 1 / n, np.float32))
            y = w
            for k in range(ops):
                y = kinds[k % len(kinds)](y, w)
            return y.sum().block_until_ready()

        return run

    def first_op(self, clock: Clock) -> dict[str, float]:
        """One addition in a new process, and its value."""
        x = self.put(np.ones(3, np.float32))
        (x + x).tolist()
        clock.phase("op")
        clock.since_start("done")
        return clock.answer

    def cold(self, program: Program, clock: Clock) -> dict[str, float]:
        """Three steps in a new process."""
        step, state, batches = self._training(program)
        clock.phase("build")
        traced = jax.jit(step, donate_argnums=0).trace(state, *batches[0])
        clock.phase("trace")
        lowered = traced.lower()
        clock.phase("lower")
        compiled = lowered.compile()
        clock.phase("compile")
        run = self._loop(compiled, state, batches)
        for i in range(3):
            self.value(run(i))
            clock.since_start({0: "first", 2: "third"}.get(i, "second"))
        return clock.answer

    # What they share

    def _model(self, program: Program) -> Model:
        return _MODELS[type(program)](program)

    def put(self, tree: Any) -> Any:
        """The arrays on the device, floating ones in the dtype that is measured."""

        def one(a: np.ndarray) -> jax.Array:
            floating = np.issubdtype(a.dtype, np.floating)
            return jax.device_put(a.astype(self.dtype) if floating else a, self.device)

        return jax.tree.map(one, tree)

    def value(self, out: Any) -> float:
        """The mean square of the data as a number, once it is there."""
        return float((np.asarray(out).astype(np.float32) ** 2).mean())

    def planned_bytes(self) -> float:
        """What XLA allocates for a step, its inputs included."""
        found = self.compiled.memory_analysis()
        made = found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
        return made + found.argument_size_in_bytes

    def notes(self) -> dict[str, Any]:
        return {}


def _summed(chain: Callable) -> Callable:
    return lambda x, w: chain(x, w).sum()


def _operations(n: int) -> list[Callable[[Any, Any], Any]]:
    """One operation of the API each, on n x n; the same ones are in `models_thrace.py`."""
    return [
        lambda y, w: y * 1.01,
        lambda y, w: y + w,
        lambda y, w: jnp.tanh(y),
        lambda y, w: y @ w,
        lambda y, w: y - w,
        lambda y, w: y.reshape(n // 2, 2 * n),
        lambda y, w: jnp.abs(y),
        lambda y, w: y.reshape(n, n),
        lambda y, w: y.T,
        lambda y, w: jnp.maximum(y, w),
        lambda y, w: y - y.sum(1, keepdims=True),  # two
        lambda y, w: y / 3.0,
    ]


# Layers


def linear(name: str, n_in: int, n_out: int, bias: bool = True) -> State:
    out = {"weight": first_weight(f"{name}.weight", (n_out, n_in)).T}
    if bias:
        out["bias"] = first_weight(f"{name}.bias", (n_out,))
    return out


def apply_linear(p: State, x: jax.Array) -> jax.Array:
    return x @ p["weight"] + p["bias"]


def conv(name: str, n_in: int, n_out: int, size: int) -> np.ndarray:
    return first_weight(f"{name}.weight", (n_out, n_in, size, size)).transpose(2, 3, 1, 0)


def apply_conv(w: jax.Array, x: jax.Array, stride: int = 1) -> jax.Array:
    side = w.shape[0] // 2  # PyTorch pads both sides alike, also under a stride
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        [(side, side), (side, side)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def norm(name: str, n: int) -> State:
    return {
        "weight": first_weight(f"{name}.weight", (n,)),
        "bias": first_weight(f"{name}.bias", (n,)),
    }


def running(n: int) -> State:
    return {"mean": np.zeros(n, np.float32), "var": np.ones(n, np.float32)}


def apply_batch_norm(p: State, stats: State, x: jax.Array, training: bool):
    if not training:
        scale = p["weight"] * lax.rsqrt(stats["var"] + 1e-5)
        return (x - stats["mean"]) * scale + p["bias"], stats
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    count = x.size // x.shape[-1]
    new = {
        "mean": 0.9 * stats["mean"] + 0.1 * mean,
        "var": 0.9 * stats["var"] + 0.1 * var * (count / (count - 1)),
    }
    return (x - mean) * (p["weight"] * lax.rsqrt(var + 1e-5)) + p["bias"], new


def apply_layer_norm(p: State, x: jax.Array) -> jax.Array:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p["weight"] + p["bias"]


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)
    return -picked.mean()


# Optimizers


def _adamw_state(params: State) -> State:
    zeros = partial(jax.tree.map, np.zeros_like)
    return {"params": params, "m": zeros(params), "v": zeros(params), "count": np.int32(0)}


def _adamw(program: MLP | GPT, state: State, grads: State) -> State:
    b1, b2 = BETAS
    rate, count = program.rate, state["count"] + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state["m"], grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state["v"], grads)
    c1, c2 = 1 - b1**count, 1 - b2**count

    def update(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p * (1 - rate * WEIGHT_DECAY) - rate * (m / c1) / (jnp.sqrt(v / c2) + EPSILON)

    params = jax.tree.map(update, state["params"], m, v)
    return {"params": params, "m": m, "v": v, "count": count}


def _sgd_state(params: State) -> State:
    return {"params": params, "speed": jax.tree.map(np.zeros_like, params)}


def _sgd(program: CNN, state: State, grads: State) -> State:
    speed = jax.tree.map(lambda v, g: program.momentum * v + g, state["speed"], grads)
    params = jax.tree.map(lambda w, v: w - program.rate * v, state["params"], speed)
    return {"params": params, "speed": speed}


# Models


def narrowed(x: np.ndarray) -> np.ndarray:
    """Whole numbers as JAX has them by default."""
    return x.astype(np.int32) if x.dtype == np.int64 else x


class Model(NamedTuple):
    """Parameters, running statistics, and `apply(params, stats, x, training)`, which gives
    logits and new statistics; `convert` makes x of a batch."""

    params: State
    apply: Callable[..., tuple[jax.Array, State]]
    stats: State = ()
    convert: Callable[[np.ndarray], np.ndarray] = lambda x: x


def _mlp(p: MLP) -> Model:
    pairs = zip(p.widths, p.widths[1:], strict=False)
    params = [linear(f"layers.{i}", a, b) for i, (a, b) in enumerate(pairs)]

    def apply(params: State, stats: State, x: jax.Array, training: bool):
        for layer in params[:-1]:
            x = jax.nn.relu(apply_linear(layer, x))
        return apply_linear(params[-1], x), stats

    return Model(params, apply)


def _cnn(p: CNN) -> Model:
    params: State = {"conv": conv("conv", 3, p.stages[0], 3), "norm": norm("norm", p.stages[0])}
    stats: State = {"norm": running(p.stages[0])}
    params["out"] = linear("out", p.stages[-1], p.classes)
    before = p.stages[0]
    for i, c in enumerate(p.stages):
        name = f"blocks.{i}"
        block = {
            "conv1": conv(f"{name}.conv1", before, c, 3),
            "norm1": norm(f"{name}.norm1", c),
            "conv2": conv(f"{name}.conv2", c, c, 3),
            "norm2": norm(f"{name}.norm2", c),
        }
        stats[name] = {"norm1": running(c), "norm2": running(c)}
        if i > 0:
            block["conv3"] = conv(f"{name}.conv3", before, c, 1)
            block["norm3"] = norm(f"{name}.norm3", c)
            stats[name]["norm3"] = running(c)
        params[name] = block
        before = c

    def apply_block(p: State, s: State, x: jax.Array, stride: int, training: bool):
        new: State = {}
        y = apply_conv(p["conv1"], x, stride)
        y, new["norm1"] = apply_batch_norm(p["norm1"], s["norm1"], y, training)
        y = apply_conv(p["conv2"], jax.nn.relu(y))
        y, new["norm2"] = apply_batch_norm(p["norm2"], s["norm2"], y, training)
        if "conv3" in p:
            x = apply_conv(p["conv3"], x, stride)
            x, new["norm3"] = apply_batch_norm(p["norm3"], s["norm3"], x, training)
        return jax.nn.relu(x + y), new

    def apply(params: State, stats: State, x: jax.Array, training: bool):
        new: State = {}
        x = apply_conv(params["conv"], x)
        x, new["norm"] = apply_batch_norm(params["norm"], stats["norm"], x, training)
        x = jax.nn.relu(x)
        for i in range(len(p.stages)):
            name, stride = f"blocks.{i}", 1 if i == 0 else 2
            x, new[name] = apply_block(params[name], stats[name], x, stride, training)
        return apply_linear(params["out"], x.mean((1, 2))), new

    def convert(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    return Model(params, apply, stats, convert)


def _gpt(p: GPT) -> Model:
    w = p.width

    def layer(name: str) -> State:
        return {
            "norm1": norm(f"{name}.norm1", w),
            "qkv": linear(f"{name}.qkv", w, 3 * w),
            "proj": linear(f"{name}.proj", w, w),
            "norm2": norm(f"{name}.norm2", w),
            "up": linear(f"{name}.up", w, 4 * w),
            "down": linear(f"{name}.down", 4 * w, w),
        }

    params = {
        "embedding": first_weight("embedding.weight", (p.vocabulary, w)),
        "position_embedding": first_weight("position_embedding.weight", (p.length, w)),
        "layers": [layer(f"layers.{i}") for i in range(p.layers)],
        "norm": norm("norm", w),
        "head": linear("head", w, p.vocabulary, bias=False),
    }

    def attend(layer: State, x: jax.Array) -> jax.Array:
        b, t, c = x.shape
        q, k, v = jnp.split(apply_linear(layer["qkv"], x), 3, axis=-1)
        q, k, v = (s.reshape(b, t, p.heads, c // p.heads) for s in (q, k, v))
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        return apply_linear(layer["proj"], y.reshape(b, t, c))

    def apply(params: State, stats: State, tokens: jax.Array, training: bool):
        x = params["embedding"][tokens] + params["position_embedding"]
        for layer in params["layers"]:
            x = x + attend(layer, apply_layer_norm(layer["norm1"], x))
            y = apply_linear(layer["up"], apply_layer_norm(layer["norm2"], x))
            x = x + apply_linear(layer["down"], jax.nn.gelu(y, approximate=False))
        return apply_layer_norm(params["norm"], x) @ params["head"]["weight"], stats

    return Model(params, apply, convert=narrowed)


_OPTIMIZERS: dict[type, tuple[Callable, Callable]] = {
    MLP: (_adamw_state, _adamw),
    CNN: (_sgd_state, _sgd),
    GPT: (_adamw_state, _adamw),
}
_MODELS: dict[type, Callable[[Any], Model]] = {MLP: _mlp, CNN: _cnn, GPT: _gpt}
