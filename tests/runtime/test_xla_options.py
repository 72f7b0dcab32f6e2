"""What XLA is told of a program, and that one which does not know of it compiles all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thrace
from thrace.ir import Graph
from thrace.runtime import compile_graph, xla_options
from thrace.runtime.device import CPU, normalize


def graph_of(fn: Any, *args: Any) -> Graph:
    return thrace.trace(fn, *args).optimize()


def conv(x: Any, w: Any) -> Any:
    return thrace.nn.functional.conv2d(x, w)


SPECS = thrace.spec("f32[2,3,5,5]"), thrace.spec("f32[4,3,2,2]")


def test_programs_without_convolutions_are_compiled_as_usual():
    assert xla_options.of(graph_of(lambda x: x @ x, thrace.spec("f32[4,4]")), CPU) == {}


def test_convolutions_are_left_to_xla():
    assert xla_options.of(graph_of(conv, *SPECS), CPU)
    assert not xla_options.of(graph_of(conv, *SPECS), normalize("cuda"))


def test_also_inside_loops():
    def loop(x: Any, w: Any) -> Any:
        step = lambda x: (thrace.nn.functional.conv2d(x, w, padding="same"),)  # noqa: E731
        (out,) = thrace.while_loop(lambda x: x.sum() < 10, step, (x,))
        return out

    graph = graph_of(loop, thrace.spec("f32[2,4,5,5]"), thrace.spec("f32[4,4,3,3]"))
    assert xla_options.of(graph, CPU)


def test_programs_that_take_buffers():
    graph = graph_of(lambda x: x + 1, thrace.spec("f32[4]"))
    assert xla_options.of(graph, CPU) == {}
    assert list(xla_options.of(graph, CPU, (0,))) == [xla_options._CLOSER_LOOK]


def test_what_the_user_says_stands(monkeypatch: pytest.MonkeyPatch):
    names = xla_options._LIBRARY, xla_options._CLOSER_LOOK
    monkeypatch.setenv("XLA_FLAGS", " ".join(f"--{name}=x" for name in names))
    assert xla_options.of(graph_of(conv, *SPECS), CPU, (0,)) == {}


def test_an_xla_without_the_options(monkeypatch: pytest.MonkeyPatch):
    names = "xla_no_such_option", "xla_none_either"
    for constant, name in zip(("_LIBRARY", "_CLOSER_LOOK"), names, strict=True):
        monkeypatch.setattr(xla_options, constant, name)
    monkeypatch.setattr(xla_options, "_FOR_SPEED", names)
    x, w = np.ones((2, 3, 5, 5), np.float32), np.ones((4, 3, 2, 2), np.float32)
    graph = graph_of(lambda x, w: (conv(x, w), w + 0.25), *SPECS)
    out, new = compile_graph(graph, donate=(1,))([x, w])
    assert (np.asarray(out) == 12).all() and (np.asarray(new) == 1.25).all()


def test_this_xla_has_the_options():
    import jax

    options = xla_options.of(graph_of(conv, *SPECS), CPU, (0,))
    assert [*options] == [xla_options._CLOSER_LOOK, xla_options._LIBRARY]
    jax.jit(lambda x: x + 1).lower(1.0).compile(options)


@pytest.mark.parametrize("message", ["out of memory", "xla_gpu_deterministic_ops: unknown"])
def test_a_real_error_is_not_hidden(message: str):
    class Lowered:
        def compile(self, options: Any) -> Any:
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=message):
        xla_options.compiled(
            Lowered(), {xla_options._CLOSER_LOOK: True, "xla_gpu_deterministic_ops": True}
        )
