"""The other side: the same workloads in plain JAX, as one writes them for speed.

Pure functions over nested dicts, one `jax.jit` for the whole step, its state donated,
images channels last, everything on the device before the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from programs import BETAS, CNN, EPSILON, GPT, MLP, WEIGHT_DECAY, Program, first_weight

State = Any  # nested dicts of arrays


class Side:
    """The workloads of the comparison, in JAX."""

    def training(self, program: Program) -> Callable[[int], Any]:
        """A function that does step number i and returns its loss, maybe still on its way."""
        make = {MLP: _mlp, CNN: _cnn, GPT: _gpt}[type(program)]
        state, step, convert = make(program)  # type: ignore[operator]
        batches = [jax.device_put(convert(x, y)) for x, y in program.batches()]
        holder = [jax.device_put(state)]

        def run(i: int) -> jax.Array:
            holder[0], loss = step(holder[0], *batches[i % len(batches)])
            return loss

        return run

    def call(self) -> Callable[[int], Any]:
        """An addition of 16 elements: next to nothing but the cost of a call."""
        add = jax.jit(lambda x, y: x + y)
        x, y = jnp.ones(16), jnp.ones(16)
        return lambda i: add(x, y)

    def recording(self, ops: int) -> Callable[[int], Any]:
        """Records a chain of `ops` operations, without computing anything."""
        spec = jax.ShapeDtypeStruct((16, 16), jnp.float32)

        def record(i: int) -> Any:
            def chain(x, w):  # a new function each time: JAX keeps what it traced before
                y = x
                for k in range(ops):
                    y = OPERATIONS[k % len(OPERATIONS)](y, w)
                return y

            return jax.make_jaxpr(chain)(spec, spec)

        return record

    def wait(self, loss: jax.Array) -> float:
        """The loss as a number, once it is there."""
        return float(loss if loss.ndim == 0 else np.asarray(loss)[0])

    def notes(self) -> dict[str, Any]:
        return {}


# One operation of the API each; the same ones are in `models_thrace.py`.
OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda y, w: y * 1.01,
    lambda y, w: y + w,
    lambda y, w: jnp.tanh(y),
    lambda y, w: y @ w,
    lambda y, w: y - w,
    lambda y, w: y.reshape(8, 32),
    lambda y, w: jnp.abs(y),
    lambda y, w: y.reshape(16, 16),
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


def apply_batch_norm(p: State, stats: State, x: jax.Array) -> tuple[jax.Array, State]:
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


def adamw_state(params: State) -> State:
    zeros = partial(jax.tree.map, np.zeros_like)
    return {"params": params, "m": zeros(params), "v": zeros(params), "count": np.int32(0)}


def adamw(state: State, grads: State, rate: float) -> State:
    b1, b2 = BETAS
    count = state["count"] + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state["m"], grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state["v"], grads)
    c1, c2 = 1 - b1**count, 1 - b2**count

    def update(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p * (1 - rate * WEIGHT_DECAY) - rate * (m / c1) / (jnp.sqrt(v / c2) + EPSILON)

    params = jax.tree.map(update, state["params"], m, v)
    return {"params": params, "m": m, "v": v, "count": count}


def adamw_step(apply: Callable[[State, jax.Array], jax.Array], rate: float) -> Callable:
    @partial(jax.jit, donate_argnums=0)
    def step(state: State, x: jax.Array, y: jax.Array):
        loss, grads = jax.value_and_grad(lambda p: cross_entropy(apply(p, x), y))(state["params"])
        return adamw(state, grads, rate), loss

    return step


def as_int32(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.astype(np.int32) if x.dtype == np.int64 else x, y.astype(np.int32)


# Models


def _mlp(p: MLP) -> tuple[State, Callable, Callable]:
    pairs = zip(p.widths, p.widths[1:], strict=False)
    params = [linear(f"layers.{i}", a, b) for i, (a, b) in enumerate(pairs)]

    def apply(params: State, x: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(apply_linear(layer, x))
        return apply_linear(params[-1], x)

    return adamw_state(params), adamw_step(apply, p.rate), as_int32


def _cnn(p: CNN) -> tuple[State, Callable, Callable]:
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

    def apply_block(p: State, s: State, x: jax.Array, stride: int) -> tuple[jax.Array, State]:
        new: State = {}
        y = apply_conv(p["conv1"], x, stride)
        y, new["norm1"] = apply_batch_norm(p["norm1"], s["norm1"], y)
        y = apply_conv(p["conv2"], jax.nn.relu(y))
        y, new["norm2"] = apply_batch_norm(p["norm2"], s["norm2"], y)
        if "conv3" in p:
            x = apply_conv(p["conv3"], x, stride)
            x, new["norm3"] = apply_batch_norm(p["norm3"], s["norm3"], x)
        return jax.nn.relu(x + y), new

    def apply(params: State, stats: State, x: jax.Array) -> tuple[jax.Array, State]:
        new: State = {}
        x, new["norm"] = apply_batch_norm(
            params["norm"], stats["norm"], apply_conv(params["conv"], x)
        )
        x = jax.nn.relu(x)
        for i in range(len(p.stages)):
            name = f"blocks.{i}"
            x, new[name] = apply_block(params[name], stats[name], x, 1 if i == 0 else 2)
        return apply_linear(params["out"], x.mean((1, 2))), new

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, x: jax.Array, y: jax.Array):
        def loss_of(params: State):
            logits, new = apply(params, state["stats"], x)
            return cross_entropy(logits, y), new

        (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(state["params"])
        speed = jax.tree.map(lambda v, g: p.momentum * v + g, state["speed"], grads)
        params = jax.tree.map(lambda w, v: w - p.rate * v, state["params"], speed)
        return {"params": params, "speed": speed, "stats": stats}, loss

    def convert(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)), y.astype(np.int32)

    speed = jax.tree.map(np.zeros_like, params)
    return {"params": params, "speed": speed, "stats": stats}, step, convert


def _gpt(p: GPT) -> tuple[State, Callable, Callable]:
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

    def apply(params: State, tokens: jax.Array) -> jax.Array:
        x = params["embedding"][tokens] + params["position_embedding"]
        for layer in params["layers"]:
            x = x + attend(layer, apply_layer_norm(layer["norm1"], x))
            y = apply_linear(layer["up"], apply_layer_norm(layer["norm2"], x))
            x = x + apply_linear(layer["down"], jax.nn.gelu(y, approximate=False))
        return apply_layer_norm(params["norm"], x) @ params["head"]["weight"]

    return adamw_state(params), adamw_step(apply, p.rate), as_int32
