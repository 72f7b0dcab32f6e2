"""The user's source lines and scopes in the metadata of what is lowered.

JAX takes an operation's line from the Python stack. So each rule is called through a
function whose code says it stands at the user's line, and our own files are passed over.
Used by `lowering.lower` alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import jax
from jax.extend import source_info_util

from ..ir.graph import Node, Scope
from ..ir.source import OUR_FOLDERS, Location, RawLocation, resolve

Caller = Callable[[Callable[..., Any], Node, list], Any]

for _folder in OUR_FOLDERS:
    source_info_util.register_exclusion(_folder)


def _call(rule: Callable[..., Any], node: Node, args: list) -> Any:
    return rule(node, *args)


@lru_cache(4096)
def caller_at(loc: RawLocation | Location | None) -> Caller:
    """A function that calls a rule from the user's line."""
    where = resolve(loc)
    if where is None:
        return _call
    code = _call.__code__.replace(
        co_filename=where.file,
        co_firstlineno=where.line - 1,  # the call stands one line below the `def`
        co_name=where.function,
        co_qualname=where.function,
    )
    return FunctionType(code, {})


class Places:
    """Calls rules at their nodes' lines and under their scopes, which JAX calls name scopes.

    Neighbours mostly share a scope, so one is left and entered only where it changes.
    `numbered` calls each scope after its node's position instead (`n12`), for a profiler that
    asks which node an instruction came from. `seconds` adds up, per scope path, how long
    the rules took.
    """

    def __init__(self, numbered: bool = False, seconds: dict[str, float] | None = None) -> None:
        self._scope: Scope | None = None
        self._entered: Any = None
        self._numbered = numbered
        self._count = 0
        self._seconds = seconds

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def call(self, rule: Callable[..., Any], node: Node, args: list) -> Any:
        if self._numbered:
            with jax.named_scope(f"n{self._count}"):
                self._count += 1
                return caller_at(node.loc)(rule, node, args)
        if node.scope is not self._scope:
            self._leave()
            self._enter(node.scope)
        if self._seconds is None:
            return caller_at(node.loc)(rule, node, args)
        started = time.perf_counter()
        out = caller_at(node.loc)(rule, node, args)
        path = node.scope.path if node.scope is not None else ""
        self._seconds[path] = self._seconds.get(path, 0.0) + time.perf_counter() - started
        return out

    def _enter(self, scope: Scope | None) -> None:
        self._scope = scope
        if scope is not None and scope.path:
            self._entered = jax.named_scope(scope.path)
            self._entered.__enter__()

    def _leave(self) -> None:
        if self._entered is not None:
            entered, self._entered = self._entered, None
            entered.__exit__(None, None, None)
