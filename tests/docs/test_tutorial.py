"""The tutorial: every block of every page runs, and prints what the page says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("pages", Path(__file__).with_name("pages.py"))
assert _spec is not None and _spec.loader is not None
pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pages)

PAGES = sorted(pages.TUTORIAL.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs_and_prints_what_the_page_says(page: Path):
    # A block of another kind would be looked at by nobody.
    assert set(pages.languages(page)) <= {"python", "sh", "text"}
    pages.run_page(page)


def test_a_page_that_says_something_else_is_refused(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError, match="it prints\n2"):
        pages.run_page(page)
    page.write_text("```python\nprint(1 + 1)\n```\n")
    with pytest.raises(AssertionError, match="is not on the page"):
        pages.run_page(page)
