"""The reference holds every public name, each with a docstring."""

from __future__ import annotations

import importlib.util
import inspect
import re
from types import ModuleType

import pytest
from source_tree import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "make" / "docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_made_and_every_public_name_is_on_one(reference: ModuleType):
    pages = reference.pages()
    index = (ROOT / "docs" / "index.md").read_text()
    assert set(re.findall(r"^reference/(\w+)$", index, flags=re.MULTILINE)) == set(pages)
    for name, page in reference.PAGES.items():
        for part in page.parts:
            for member, _ in reference.members(part):
                assert f"## {member}\n" in pages[name]
    assert "matmul(" in pages["functions"] and "class" not in pages["functions"][:200]
    assert "thrace nan-hunt" in pages["commands"] and "examples:" in pages["commands"]


def test_fields_of_a_docstring_become_a_list(reference: ModuleType):
    def f(x):
        """What it does.

        Shapes: any.
        Raises: ValueError if not.
        """

    text = reference._body(f)
    assert text == "What it does.\n\n- **Shapes:** any.\n- **Raises:** ValueError if not."


def test_what_has_no_docstring(reference: ModuleType):
    bare = {
        f"{part}.{name}"
        for page in reference.PAGES.values()
        for part in page.parts
        for name, value in reference.members(part)
        if not (inspect.getdoc(value) or "").strip()
    }
    assert bare == set()
