"""`thrace.profiler`: the slow line comes first, and the measured time is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import thrace
import thrace.nn.functional as F
from thrace import nn
from thrace.ir import Graph
from thrace.profiler import Profile, profile, profile_graph
from thrace.runtime import measure
from thrace.runtime.hlo import instruction_nodes


class Step:
    """A small training step with something slow planted in it."""

    def __init__(self, slow: str):
        thrace.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
        self.opt = thrace.optim.SGD(self.net.parameters(), lr=0.1)
        self.big = thrace.randn(800, 800)
        self.filters = thrace.randn(32, 32, 3, 3)
        self.slow = slow

    def __call__(self, x):
        self.opt.zero_grad()
        h = self.net(x)
        if self.slow == "matmul":
            extra = self.big @ self.big  # planted
        elif self.slow == "sort":
            extra = self.big.reshape(-1).sort()[0]  # planted
        elif self.slow == "conv":  # XLA fuses it with the sum and drops its name
            images = thrace.ones(4, 32, 48, 48)
            extra = F.conv2d(images, self.filters, padding=1)  # planted
        else:
            extra = self.big.exp().sin().exp().cos()  # planted
        loss = h.square().mean() + extra.mean() * 1e-9
        loss.backward()
        self.opt.step()
        return loss


@pytest.mark.parametrize("slow", ["matmul", "sort", "conv"])
def test_a_planted_slow_line_is_the_first(slow: str):
    step = Step(slow)
    found = profile(step, thrace.randn(8, 16), repeats=5)
    place, seconds = next(iter(found.by_line().items()))
    assert place is not None and place.text.endswith("# planted"), found
    assert seconds > 0.5 * found.step_s
    assert found.attributed >= 0.9, found
    assert found.method == "trace" and "JAX's profiler" in str(found)
    assert "# planted" in str(found).splitlines()[4]
    assert found.call_s > 0 and "outputs to hand over, took" in str(found)
    assert sum(found.node_s) <= found.step_s * 1.001


def test_segments_find_it_too_and_say_so():
    found = profile(Step("elementwise"), thrace.randn(8, 16), repeats=3, method="segments")
    place = next(iter(found.by_line()))
    assert place is not None and place.text.endswith("# planted"), found
    assert "by timing" in str(found) and "segments of the step" in str(found)
    assert sum(found.node_s) <= found.step_s * 1.001
    assert found.events and found.events[0].track == "segments"


@pytest.fixture(scope="module")
def profiled() -> Profile:
    return profile(Step("matmul"), thrace.randn(8, 16), repeats=1)


def test_groups_add_up(profiled: Profile):
    total = sum(profiled.node_s)
    for groups in (
        *(profiled.by_line(), profiled.by_scope(), profiled.by_scope(1)),
        *(profiled.by_op(), profiled.by_phase()),
    ):
        assert sum(groups.values()) == pytest.approx(total)
        assert list(groups.values()) == sorted(groups.values(), reverse=True)
    assert {node for node, _ in profiled.by_node()} == set(profiled.graph.nodes)
    assert set(profiled.by_phase()) == {"forward", "backward", "optimizer"}
    for by in ("line", "scope", "op", "phase", "node"):
        assert f" {by}\n" in profiled.table(by, top=3)
    with pytest.raises(ValueError, match="by must be one of line, scope"):
        profiled.table("file")


def test_the_trace_opens_in_chrome(profiled: Profile, tmp_path: Path):
    path = profiled.chrome_trace(tmp_path / "step.json")
    document = json.loads(Path(path).read_text())
    slices = [e for e in document["traceEvents"] if e["ph"] == "X"]
    assert slices and all({"name", "ts", "dur", "pid", "tid"} <= e.keys() for e in slices)
    longest = max(slices, key=lambda e: e["dur"])
    assert "# planted" in longest["args"]["line"]
    assert longest["dur"] * 1e-6 <= profiled.step_s


def test_the_picture_says_times(profiled: Profile, tmp_path: Path):
    text = Path(profiled.render(tmp_path / "step.dot")).read_text()
    assert text.count(" %") >= 8 and "#ef4738" in text
    assert "<pre>" in profiled._repr_html_()


def test_state_is_that_of_one_call():
    step, twin = Step("matmul"), Step("matmul")
    x = thrace.randn(8, 16)
    compiled = thrace.compile(step)
    profile(compiled, x, repeats=2)
    thrace.compile(twin)(x)
    ours = [p.detach().numpy() for p in step.net.parameters()]
    for a, b in zip(ours, twin.net.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.detach().numpy())


def test_what_cannot_be_profiled():
    def prints(x):
        print(x.sum().item())
        return x * 2

    with (
        pytest.warns(thrace.FallbackWarning),
        pytest.raises(thrace.FallbackError, match="prints is not one graph"),
    ):
        profile(prints, thrace.ones(3))
    with pytest.raises(ValueError, match="method must be one of auto, trace, segments"):
        profile(prints, thrace.ones(3), method="guess")
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        profile(prints, thrace.ones(3), repeats=0)


def test_a_graph_with_calls_and_loops_is_profiled_whole():
    graph = Graph.from_text("""
        graph half(%x: f32[64]) -> (y: f32[64]) {
          %0 = mul(%x, 0.5)
          return %0
        }
        graph g(%x: f32[64]) -> (y: f32[64]) {
          %0 = call(%x) graph=@half
          %1 = scan(%0) graph=@half carries=1 xs=0 length=1000 reverse=False saves=False
          return %1
        }""")
    found = profile_graph(graph, [np.ones(64, np.float32)], repeats=2)
    assert [n.op.name for n in found.graph] == ["mul", "scan"]
    assert found.node_s[1] > found.node_s[0]


HLO = """
HloModule jit_step, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  %m = f32[8]{0} multiply(%p, %p), metadata={op_name="jit(step)/n1/mul" stack_frame_id=1}
  ROOT %e = f32[8]{0} exponential(%m), metadata={op_name="jit(step)/n2/exp"}
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0), metadata={op_name="args[0]"}
  %copy.1 = f32[8]{0} copy(%x)
  %fusion.1 = f32[8]{0} fusion(%copy.1), kind=kLoop, calls=%fused, metadata={op_name="n/n2/exp"}
  %pair = (f32[8]{0}, f32[8]{0}) sort(%fusion.1, %x), metadata={op_name="jit(step)/n12/sort"}
  %conv = f32[8,8]{1,0} convolution(%x, %x), metadata={op_name="jit(step)/n13/transpose"}
  ROOT %last = f32[8]{0} copy(%fusion.1)
}
"""


def test_instructions_lead_back_to_nodes():
    seen = []

    def maker(opcode: str, node: int) -> int:
        seen.append(opcode)
        return 99 if opcode == "convolution" else node

    found = instruction_nodes(HLO, maker)
    assert found["fusion.1"] == (1, 2)
    assert found["pair"] == (12,) and found["conv"] == (99,)
    assert found["last"] == (1, 2)  # a copy of what it reads
    assert found["copy.1"] == (1, 2)  # made for what reads it
    assert {"multiply", "fusion", "sort", "convolution"} <= set(seen)


def event(name: str, start: float, length: float, **stats: Any) -> SimpleNamespace:
    return SimpleNamespace(
        name=name, start_ns=start * 1e9, duration_ns=length * 1e9, stats=stats.items()
    )


def test_a_devices_own_rows_are_taken_where_it_has_any(monkeypatch: pytest.MonkeyPatch):
    planes = [
        (
            "/host:CPU",
            [event("thrace step", 1.0, 3.0), event("thunk", 1.5, 1.0, hlo_op="fusion.1")],
        ),
        ("/device:GPU:0", [event("gemm", 2.0, 1.0, hlo_op="dot.1"), event("memcpy", 3.5, 0.1)]),
    ]
    data = SimpleNamespace(
        planes=[
            SimpleNamespace(name=name, lines=[SimpleNamespace(name="s", events=events)])
            for name, events in planes
        ]
    )
    reader = SimpleNamespace(from_file=lambda path: data)
    monkeypatch.setattr("jax.profiler.ProfileData", reader)
    steps, rows = measure._read(Path("x"))
    assert steps == [(1.0, 3.0)]
    assert rows == [("dot.1", 2.0, 1.0, "/device:GPU:0 s")]


def test_times_side_by_side_and_inside_one_another():
    rows = [
        ("loop", 0.0, 4.0, "a"),
        ("body", 1.0, 2.0, "a"),
        ("other", 2.0, 3.0, "b"),
        ("late", 6.0, 1.0, "a"),
    ]
    assert dict(measure._own_times(rows)) == {"loop": 2.0, "body": 2.0, "other": 3.0, "late": 1.0}
    assert measure._busy(rows) == (6.0, [(1.0, "other", "late")])
