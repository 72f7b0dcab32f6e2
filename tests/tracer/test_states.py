"""The table of states: every row, a mutant for each guard and rule, and the list of reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.interpreted import interpreted
from states.mutants import EXCUSED, MUTANTS, finds
from states.quick_mutants import QUICK_MUTANTS
from states.rows import all_rows, failure

import thrace
from thrace.tracer.reasons import Why

ROWS = all_rows()
# Compiled by XLA here; all others run on the NumPy rules, which take a tenth of the time.
XLA = (
    "values: global float",
    "modules: steps",
    "aliasing: base and view, view written",
    "aliasing: data assigned inside to an argument",
    "escapes: exception after a write",
)


@pytest.fixture
def quick() -> Iterator[None]:
    with interpreted():
        yield


def test_there_are_enough_rows():
    assert len(ROWS) >= 400
    assert len({row.program for row in ROWS.values()}) == len(ROWS)


@pytest.mark.parametrize("table", sorted({name.partition(":")[0] for name in ROWS}))
def test_rows(table: str, quick: None):
    problems = {n: failure(row) for n, row in ROWS.items() if n.startswith(f"{table}:")}
    assert not {n: p for n, p in problems.items() if p}


@pytest.mark.parametrize("name", XLA)
def test_rows_that_xla_compiles(name: str):
    assert failure(ROWS[name]) == ""


@pytest.mark.parametrize("part", range(4))
def test_mutants_are_found(part: int, quick: None):
    """Each by the rows it names; `make mutation` shows that every row finds one."""
    mutants = MUTANTS | QUICK_MUTANTS
    missed = [
        (name, row)
        for name in sorted(mutants)[part::4]
        for row in mutants[name].rows
        if not finds(ROWS[row], mutants[name])
    ]
    assert not missed


def test_every_reason_has_a_row():
    """Except one that takes several devices."""
    met = {why for row in ROWS.values() for why in row.fallbacks}
    assert {why.name for why in Why} == met | {"DEVICES"}
    assert not EXCUSED.keys() - ROWS.keys()


def test_the_documented_reasons_are_the_reasons():
    page = Path(__file__).parents[2] / "docs" / "fallbacks.md"
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", page.read_text(), re.M)
    assert rows == [(w.name, w.text.replace("{}", "…"), w.remedy) for w in Why]


# Bounds


def test_traces_are_bounded():
    """Beyond `max_traces` further states run uncompiled, those known are replayed; said once,
    with the guard that keeps changing."""

    @thrace.compile(max_traces=3)
    def scaled(x, k):
        return x * k

    x = thrace.ones(2)
    with pytest.warns(thrace.FallbackWarning) as caught:
        for k in range(6):
            assert scaled(x, float(k)).tolist() == [float(k)] * 2
    text = str(caught[0].message)
    assert len(caught) == 1 and "3 traces" in text and "argument 1 (k) keeps changing" in text
    assert "max_traces" in text and "test_states.py" in text
    told = thrace.explain(scaled)
    assert len(told.traces) == 3 and told.fallbacks[0].why is Why.TRACES
    before = sum(t.calls for t in told.traces)
    scaled(x, 1.0)
    assert sum(t.calls for t in thrace.explain(scaled).traces) == before + 1
    with pytest.raises(ValueError, match="max_traces"):
        thrace.compile(max_traces=0)


def test_the_warning_names_what_keeps_changing():
    rate = [0.0]

    @thrace.compile
    def scaled(x):
        return x * rate[0]

    with pytest.warns(thrace.RecompileWarning) as caught:
        for k in range(12):
            rate[0] = float(k)
            assert scaled(thrace.ones(1)).item() == k
    (warning,) = (w for w in caught if w.category is thrace.RecompileWarning)
    assert re.search(r"because rate keeps changing.*rate\[0\]\)", str(warning.message))
    recompile = thrace.explain(scaled).recompiles[0]
    assert recompile.guard == "rate" and recompile.place is not None
    assert recompile.place.text == "return x * rate[0]"


def test_no_recompile():
    scale = 2.0

    @thrace.compile
    def scaled(x):
        return x * scale

    x = thrace.ones(1)
    with thrace.no_recompile():
        assert scaled(x).item() == 2.0  # a first trace is no second
        assert scaled(x).item() == 2.0
        scale = 3.0
        with pytest.raises(thrace.RecompileError, match=r"scale is 3\.0, was 2\.0.*x \* scale"):
            scaled(x)
        scale = 2.0
        assert scaled(x).item() == 2.0
    scale = 3.0
    assert scaled(x).item() == 3.0
    with thrace.no_recompile():
        assert scaled(x).item() == 3.0


def test_what_never_could_be_replayed_is_given_up():
    """Then the wrapper does nothing but call the function."""

    @thrace.compile
    def looks(x, k=0):
        return x * x.sum().item() + k

    x = thrace.ones(2)
    with pytest.warns(thrace.FallbackWarning):
        looks(x)
    for _ in range(70):
        assert looks(x).tolist() == [2.0, 2.0]
    assert looks.given_up
    assert looks(thrace.ones(3), k=1).tolist() == [4.0] * 3

    @thrace.compile
    def prints_now_and_then(x, loud):
        if loud:
            print(end="")
        return x * 2

    with pytest.warns(thrace.FallbackWarning):
        for i in range(140):
            prints_now_and_then(x, i % 2 == 0)
    (trace,) = thrace.explain(prints_now_and_then).traces
    assert trace.calls == 70 and not prints_now_and_then.given_up


def test_a_reason_says_where_and_what_to_do():
    @thrace.compile
    def looks(x):
        return x * x.sum().item()

    with pytest.warns(thrace.FallbackWarning) as caught:
        looks(thrace.ones(2))
        looks(thrace.ones(2))
    assert len(caught) == 1
    (reason,) = thrace.explain(looks).fallbacks
    assert reason.why is Why.VALUE and reason.remedy in str(caught[0].message)
    assert reason.location is not None and reason.location.text == "return x * x.sum().item()"
