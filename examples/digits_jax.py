"""The training of `digits.py` in plain JAX: pure functions, one `jax.jit`, donated state.

Same network, same initial weights, batches, optimizer and schedule. Images are laid out
as JAX users do, channels last. Dropout draws other numbers, so losses differ a little.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from digits_report import History
from jax import lax

DROPOUT = 0.25
MOMENTUM = 0.1  # of batch norm's running averages

Params = dict[str, jax.Array]


def from_state_dict(state: dict[str, np.ndarray]) -> tuple[Params, Params]:
    """Parameters and running averages from PyTorch's layout to channels last."""
    params: Params = {}
    stats: Params = {}
    for name, value in state.items():
        if name.endswith(("running_mean", "running_var")):
            stats[name] = jnp.array(value)
        elif name.endswith("num_batches_tracked"):
            continue
        elif value.ndim == 4:
            params[name] = jnp.array(value.transpose(2, 3, 1, 0))
        elif name == "hidden.weight":
            spread = value.reshape(-1, 64, 4, 4).transpose(2, 3, 1, 0)
            params[name] = jnp.array(spread.reshape(64 * 4 * 4, -1))
        elif value.ndim == 2:
            params[name] = jnp.array(value.T)
        else:
            params[name] = jnp.array(value)
    return params, stats


def conv(params: Params, name: str, x: jax.Array) -> jax.Array:
    out = lax.conv_general_dilated(
        x, params[f"{name}.weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out + params[f"{name}.bias"]


def batch_norm(
    params: Params, stats: Params, name: str, x: jax.Array, train: bool
) -> tuple[jax.Array, Params]:
    if train:
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        count = x.size // x.shape[-1]
        seen = {f"{name}.running_mean": mean, f"{name}.running_var": var * count / (count - 1)}
        new = {k: (1 - MOMENTUM) * stats[k] + MOMENTUM * v for k, v in seen.items()}
    else:
        mean, var = stats[f"{name}.running_mean"], stats[f"{name}.running_var"]
        new = {}
    scale = params[f"{name}.weight"] * lax.rsqrt(var + 1e-5)
    return (x - mean) * scale + params[f"{name}.bias"], new


def dropout(key: jax.Array | None, x: jax.Array) -> jax.Array:
    if key is None:
        return x
    keep = jax.random.bernoulli(key, 1 - DROPOUT, x.shape)
    return jnp.where(keep, x / (1 - DROPOUT), 0)


def forward(
    params: Params, stats: Params, images: jax.Array, key: jax.Array | None
) -> tuple[jax.Array, Params]:
    """Logits, and the new running averages. No key: evaluation."""
    train = key is not None
    keys = jax.random.split(key) if train else (None, None)
    x, new1 = batch_norm(params, stats, "norm1", conv(params, "conv1", images), train)
    x = jax.nn.relu(x)
    x, new2 = batch_norm(params, stats, "norm2", conv(params, "conv2", x), train)
    x = jax.nn.relu(x)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = dropout(keys[0], x.reshape(x.shape[0], -1))
    x = jax.nn.relu(x @ params["hidden.weight"] + params["hidden.bias"])
    x = dropout(keys[1], x)
    return x @ params["out.weight"] + params["out.bias"], {**stats, **new1, **new2}


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -picked.mean()


def adamw(params: Params, grads: Params, state: dict[str, Any], rate: Any, decay: float):
    """New parameters and new moments, as `torch.optim.AdamW` computes them."""
    b1, b2, eps = 0.9, 0.999, 1e-8
    count = state["count"] + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state["m"], grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state["v"], grads)
    c1, c2 = 1 - b1**count, 1 - b2**count

    def update(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p * (1 - rate * decay) - rate * (m / c1) / (jnp.sqrt(v / c2) + eps)

    return jax.tree.map(update, params, m, v), {"m": m, "v": v, "count": count}


@partial(jax.jit, donate_argnums=0, static_argnums=4)
def train_step(state: Any, images: jax.Array, labels: jax.Array, rate: float, decay: float):
    params, stats, moments, key = state
    key, used = jax.random.split(key)

    def loss_of(params: Params):
        logits, new_stats = forward(params, stats, images, used)
        return cross_entropy(logits, labels), new_stats

    (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    params, moments = adamw(params, grads, moments, rate, decay)
    return (params, stats, moments, key), loss


@jax.jit
def accuracy(params: Params, stats: Params, images: jax.Array, labels: jax.Array) -> jax.Array:
    return (forward(params, stats, images, None)[0].argmax(1) == labels).mean()


def channels_last(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def run(
    state_dict: dict[str, np.ndarray],
    digits: Any,
    epochs: int,
    base_rate: float,
    decay: float,
    advance: Callable[[], None],
) -> History:
    """Train from the given weights; `digits` gives the batches, `advance` hears of steps."""
    history = History("jax.jit")
    params, stats = from_state_dict(state_dict)
    zeros = partial(jax.tree.map, jnp.zeros_like)
    moments = {"m": zeros(params), "v": zeros(params), "count": jnp.zeros((), jnp.int32)}
    state = (params, stats, moments, jax.random.key(0))
    steps = epochs * digits.batches_per_epoch
    test = channels_last(digits.test_images), digits.test_labels.astype(np.int32)
    done = 0
    for epoch in range(epochs):
        started = time.perf_counter()
        losses = []
        for images, labels in digits.batches(epoch):
            rate = base_rate * (1 + math.cos(math.pi * done / steps)) / 2
            images, labels = channels_last(images), labels.astype(np.int32)
            state, loss = train_step(state, images, labels, rate, decay)
            losses.append(loss)
            if history.first_step_s is None:
                loss.block_until_ready()
                history.first_step_s = time.perf_counter() - started
                started = time.perf_counter()
            done += 1
            advance()
        values = [float(loss) for loss in losses]
        seconds = time.perf_counter() - started
        history.add(values, seconds, float(accuracy(state[0], state[1], *test)))
    return history
