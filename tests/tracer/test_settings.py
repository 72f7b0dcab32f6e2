"""Settings that programs make, and `testing.assert_close`, as PyTorch has them."""

from __future__ import annotations

import pytest
import torch
from snippets import assert_prints_the_same

import thrace

SNIPPETS = {
    "settings": """
        torch.set_num_threads(3)
        print(torch.get_num_threads(), torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("high")
        print(torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(True, warn_only=True)
        print(torch.are_deterministic_algorithms_enabled())
        print(torch.is_deterministic_algorithms_warn_only_enabled())
        torch.use_deterministic_algorithms(False)
        print(torch.backends.mps.is_available(), torch.accelerator.is_available())
        print(torch.accelerator.current_accelerator(), torch.cuda.device_count())
        for call in (lambda: torch.set_num_threads(0), lambda: torch.set_num_threads("a")):
            try:
                call()
            except Exception as error:
                print(type(error).__name__)
    """,
    "assert_close": """
        one, close = torch.ones(3), torch.ones(3) + 1e-7
        nan = torch.tensor([float("nan")])
        for call in (
            lambda: torch.testing.assert_close(one, close),
            lambda: torch.testing.assert_close([one, {"a": 1}], [close, {"a": 1}]),
            lambda: torch.testing.assert_close(one, one * 1.1),
            lambda: torch.testing.assert_close(one, one * 1.1, rtol=0.2, atol=0),
            lambda: torch.testing.assert_close(one, one.double()),
            lambda: torch.testing.assert_close(one, one.double(), check_dtype=False),
            lambda: torch.testing.assert_close(one, one[:2]),
            lambda: torch.testing.assert_close(torch.arange(3), torch.arange(3) + 1),
            lambda: torch.testing.assert_close(nan, nan),
            lambda: torch.testing.assert_close(nan, nan, equal_nan=True),
            lambda: torch.testing.assert_close(1.0, 1.0 + 1e-9),
            lambda: torch.testing.assert_close(1, 2),
            lambda: torch.testing.assert_close({"a": one}, {"b": one}),
            lambda: torch.testing.assert_close([one], [one, one]),
            lambda: torch.testing.assert_close(one, one * 2, msg="so"),
            lambda: torch.testing.assert_close(one, close, rtol=1),
            lambda: torch.testing.assert_close("a", "a"),
            lambda: torch.testing.assert_close(torch.tensor([True]), torch.tensor([False])),
            lambda: torch.testing.assert_close(one.half(), (one + 5e-4).half()),
        ):
            try:
                print(call())
            except Exception as error:
                print(type(error).__name__)
    """,
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_as_pytorch(name: str):
    threads = torch.get_num_threads()
    try:
        assert_prints_the_same(SNIPPETS[name])
    finally:
        torch.set_num_threads(threads)


def test_a_difference_is_told():
    with pytest.raises(AssertionError) as error:
        thrace.testing.assert_close([thrace.ones(2, 2)], [thrace.tensor([[1.0, 1.0], [3.0, 1.0]])])
    text = str(error.value)
    assert "Mismatched elements: 1 / 4 (25.0%)" in text
    assert "2.0 at index (1, 0)" in text and "item [0]" in text
