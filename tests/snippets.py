"""Runs a snippet of PyTorch code on PyTorch and on us, and says what each printed or raised.

In a snippet `torch`, `nn`, `F` and `np` are bound; nothing else differs between the two
runs, so a test needs no expected values of its own.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import itertools
import linecache
import re
import textwrap
import warnings
from typing import Any

import numpy as np
import torch

import thrace
import thrace.nn.functional

_NUMBER = itertools.count()
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_PLACE = re.compile(r"\n  \S+:\d+ in .*")


def load(source: str) -> tuple[Any, str]:
    """A snippet as code under a file name of its own, whose lines tracebacks can show."""
    text = textwrap.dedent(source).strip() + "\n"
    name = f"/snippets/snippet{next(_NUMBER)}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return compile(text, name, "exec"), name


def names(library: Any, **more: Any) -> dict[str, Any]:
    """What a snippet sees."""
    functional = library.nn.functional
    return {
        "__name__": "snippet",
        "torch": library,
        "nn": library.nn,
        "F": functional,
        "np": np,
        **more,
    }


def run(source: str, library: Any, **more: Any) -> dict[str, Any]:
    """The snippet's variables after it ran."""
    code, _ = load(source)
    space = names(library, **more)
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, space)
    return space


def printed(source: str, library: Any) -> str:
    """What the snippet prints, an exception's type and message included."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run(source, library)
    return brought_to_one_form(out.getvalue())


def brought_to_one_form(text: str) -> str:
    """Without the library's name, object addresses and our note of the user's line."""
    text = text.replace("thrace.", "torch.").replace("thrace", "torch")
    return _ADDRESS.sub("0x", _PLACE.sub("", text))


def assert_prints_the_same(source: str) -> None:
    want = printed(source, torch)
    assert want.strip(), "the snippet prints nothing"
    got = printed(source, thrace)
    difference = difflib.unified_diff(want.splitlines(), got.splitlines(), "PyTorch", "thrace")
    assert got == want, "\n".join(difference)


def same_numbers(got: Any, want: Any, rtol: float = 1e-5) -> None:
    """Fail unless both are equal: tensors up to `rtol` of the largest element, their dtypes
    and shapes exactly, containers entry by entry, anything else exactly."""
    if isinstance(want, torch.Tensor):
        assert isinstance(got, thrace.Tensor), type(got)
        assert str(got.dtype).partition(".")[2] == str(want.dtype).partition(".")[2]
        assert tuple(got.shape) == tuple(want.shape)
        assert got.requires_grad == want.requires_grad
        a = got.numpy(force=True)
        b = want.numpy(force=True)
        scale = float(np.abs(b).max()) if b.size and b.dtype != bool else 0.0
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            same_numbers(got[key], want[key], rtol)
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            same_numbers(a, b, rtol)
    elif isinstance(want, float):
        np.testing.assert_allclose(got, want, rtol=rtol)
    else:
        assert got == want
