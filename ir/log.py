"""`THRACE_LOG=passes,compile`: what the project says of its own work, to standard error.

Topics go to Python's loggers `thrace.TOPIC` at level INFO, so a program may send them
elsewhere; the variable alone makes them print. Anything in the project may import this file.
"""

from __future__ import annotations

import logging
import os
import warnings

TOPICS = {
    "traces": "what compiled functions recorded, traced again or gave up on, and why",
    "compile": "how long each part of a compile took, and in which scopes",
    "passes": "the graph before and after each pass",
}
_ROOT = logging.getLogger("thrace")
_SHOWN: dict[str, frozenset[str]] = {}


def enabled(topic: str) -> bool:
    """Whether anybody reads what is written about `topic`."""
    text = os.environ.get("THRACE_LOG", "")
    if text and topic in (_SHOWN.get(text) or _show(text)):
        return True
    return logging.getLogger(f"thrace.{topic}").isEnabledFor(logging.INFO)


def write(topic: str, message: str) -> None:
    logging.getLogger(f"thrace.{topic}").info("%s", message)


def _show(text: str) -> frozenset[str]:
    """Have the topics in `text` printed."""
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    wrong = sorted(names - TOPICS.keys() - {"all"})
    if wrong:  # once, and no reason to end a program in its first step
        known = ", ".join(("all", *TOPICS))
        warnings.warn(f"THRACE_LOG: there is no topic {wrong[0]!r}; known: {known}", stacklevel=3)
    topics = frozenset(TOPICS) if "all" in names else names & TOPICS.keys()
    if not _ROOT.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(name)s] %(message)s"))
        _ROOT.addHandler(handler)
        _ROOT.propagate = False
    for topic in topics:
        logging.getLogger(f"thrace.{topic}").setLevel(logging.INFO)
    _SHOWN[text] = topics
    return topics
