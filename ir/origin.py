"""Where a node comes from, as text: scope path, source line, and the forward line of a cause.

    <backward>/[encoder.0]/linear#2  train.py:12 in step `y = x @ w`  for model.py:7 `h = f(x)`

`<>` marks a phase, `[]` a module, a bare name a function; `#2` is the second scope of that
path. On lines that follow one another a place is told in full once, then as file and line,
which stand for the first place told so. Writer and reader stand side by side because each
fixes what the other does. Imported by `printer` and `parser`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from .graph import Node, Scope
from .limits import SCOPES
from .source import Location, RawLocation, resolve

STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
NAME = rf"(?:[A-Za-z0-9_.]+|{STRING})"

_BARE = re.compile(r"[A-Za-z0-9_.]+")
_FILE_BARE = re.compile(r"[A-Za-z0-9_.<>+-]+")
_STEP = rf"(?:<{NAME}>|\[{NAME}\]|{NAME}\({NAME}\)|{NAME})(?:#\d+)?"
_FILE = rf"(?:[A-Za-z0-9_.<>+-]+(?:~\d+)?|{STRING})"
_PLACE = rf"(?:{_FILE}:-?\d+(?: in {NAME})?(?: (?:`[^`]*`|{STRING}))?|-)"
_ORIGIN = re.compile(
    rf"(?:(?P<scope>{_STEP}(?:/{_STEP})*)(?:  ++|$))?"
    rf"(?P<loc>(?!for ){_PLACE})?(?:(?:^|  ++|(?<=  ))for (?P<cause>{_PLACE}))?"
)
_STEP_PARTS = re.compile(
    rf"(?:<(?P<phase>{NAME})>|\[(?P<module>{NAME})\]|(?P<kind>{NAME})\((?P<other>{NAME})\)"
    rf"|(?P<function>{NAME}))(?:#\d+)?(?:/|$)"
)
_PLACE_PARTS = re.compile(
    rf"(?P<file>{_FILE}):(?P<line>-?\d+)(?: in (?P<function>{NAME}))?"
    rf"(?: (?P<text>`[^`]*`|{STRING}))?"
)
_FILE_LINE = re.compile(rf"file\s+(?P<key>{_FILE})\s*=\s*(?P<path>{STRING})\s*")


def quote(text: str) -> str:
    """A JSON string of printable characters."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def name_text(name: str) -> str:
    """A name as it is, if it reads back so; else quoted."""
    return name if _BARE.fullmatch(name) else quote(name)


def name_of(text: str) -> str:
    """The name that `name_text` wrote. Raises: ValueError."""
    return json.loads(text) if text.startswith('"') else text


class OriginWriter:
    """Origins of one dump's nodes; numbers the scopes of one path in order of appearance."""

    def __init__(self, *, source: bool = True, scopes: bool = True):
        self.source = source
        self.scopes = scopes
        self._paths: dict[Scope, str] = {}
        self._count: dict[str, int] = {}
        self._files: dict[str, str] = {}
        self._keys: set[str] = set()
        self._places: dict[tuple, tuple[str, str]] = {}
        self._first: dict[str, str] = {}
        self._last = {"loc": "", "cause": ""}

    def text(self, node: Node) -> str:
        """The origin of `node`; empty if nothing is known of it."""
        parts = []
        if self.scopes and node.scope is not None:
            parts.append(self._scope(node.scope))
        if self.source:
            loc, cause = self._place(node.loc), self._place(node.cause)
            if loc and loc != cause:
                parts.append(self._told("loc", *loc))
            elif cause and not loc:
                parts.append("-")
            if cause:
                parts.append(f"for {self._told('cause', *cause)}")
        return "  ".join(parts)

    def file_lines(self) -> list[str]:
        """The paths of those files that origins name by less than their path."""
        return [f"file {k} = {quote(path)}" for path, k in self._files.items() if k != path]

    def _scope(self, scope: Scope) -> str:
        todo: list[Scope] = []
        step: Scope | None = scope
        while step is not None and step not in self._paths:
            todo.append(step)
            step = step.parent
        path = self._paths[step] if step is not None else ""
        for step in reversed(todo):
            path = f"{path}/{_step_text(step)}" if path else _step_text(step)
            seen = self._count[path] = self._count.get(path, 0) + 1
            if seen > 1:
                path = f"{path}#{seen}"
            self._paths[step] = path
        return path

    def _place(self, raw: RawLocation | Location | None) -> tuple[str, str] | None:
        """File and line, and the place in full."""
        if raw is None:
            return None
        # A code object hashes its whole content: its id does for as long as the dump lasts.
        key = raw if isinstance(raw, Location) else (id(raw[0]), raw[1])
        found = self._places.get(key)
        if found is None:
            place = resolve(raw)
            assert place is not None
            short = full = f"{self._file(place.file)}:{place.line}"
            if place.function != "<module>":
                full += f" in {name_text(place.function)}"
            if place.text:
                plain = "`" not in place.text and place.text.isprintable()
                full += f" `{place.text}`" if plain else f" {quote(place.text)}"
            if full == short and self._first.get(short, full) != full:
                full += ' in "<module>"'  # the short form stands for another place
            self._first.setdefault(short, full)
            found = self._places[key] = short, full
        return found

    def _told(self, which: str, short: str, full: str) -> str:
        again = full == self._last[which] and self._first[short] == full
        self._last[which] = full
        return short if again else full

    def _file(self, path: str) -> str:
        key = self._files.get(path)
        if key is None:
            base = os.path.basename(path)
            key = stem = base if _FILE_BARE.fullmatch(base) else "file"
            count = 1
            while key in self._keys:
                count += 1
                key = f"{stem}~{count}"
            self._keys.add(key)
            self._files[path] = key
        return key


def _step_text(scope: Scope) -> str:
    name = name_text(scope.name)
    if scope.kind == "phase":
        return f"<{name}>"
    if scope.kind == "module":
        return f"[{name}]"
    return name if scope.kind == "function" else f"{name_text(scope.kind)}({name})"


class OriginReader:
    """Reads origins back: one scope object per path, one location per place."""

    def __init__(self) -> None:
        self._scopes: dict[str, Scope] = {}
        self._files: dict[str, str] = {}
        self._places: dict[str, Location] = {}

    def add_file(self, line: str) -> None:
        """Take a `file` line. Raises: ValueError."""
        match = _FILE_LINE.fullmatch(line)
        if match is None:
            raise ValueError('a file line reads: file NAME = "PATH"')
        self._files[match["key"]] = json.loads(match["path"])

    def read(self, text: str) -> tuple[Scope | None, Location | None, Location | None]:
        """Scope, location and cause. Raises: ValueError."""
        match = _ORIGIN.fullmatch(text)
        if match is None:
            raise ValueError("the origin after ';' reads: SCOPE  FILE:LINE in FUNCTION `TEXT`")
        scope = self._scope(match["scope"]) if match["scope"] else None
        # In the order of writing: the first place told so is what file and line stand for.
        loc = self._place(match["loc"]) if match["loc"] else None
        cause = self._place(match["cause"]) if match["cause"] else None
        return scope, loc if match["loc"] else cause, cause

    def _scope(self, path: str) -> Scope:
        found = self._scopes.get(path)
        if found is None:
            if path.count("/") >= SCOPES:
                raise ValueError(f"more than {SCOPES} scopes inside one another")
            for match in _STEP_PARTS.finditer(path):
                prefix = path[: match.end()].removesuffix("/")
                above, found = found, self._scopes.get(prefix)
                if found is None:
                    found = self._scopes[prefix] = _scope_of(match, above)
        assert found is not None
        return found

    def _place(self, text: str) -> Location | None:
        if text == "-":
            return None
        found = self._places.get(text)
        if found is None:
            match = _PLACE_PARTS.fullmatch(text)
            assert match is not None, text
            key, said = match["file"], match["text"] or ""
            found = Location(
                self._files[key] if key in self._files else name_of(key),
                int(match["line"]),
                name_of(match["function"]) if match["function"] else "<module>",
                said[1:-1] if said.startswith("`") else json.loads(said) if said else "",
            )
            self._places[text] = found
            self._places.setdefault(f"{key}:{match['line']}", found)
        return found


def _scope_of(match: re.Match[str], above: Scope | None) -> Scope:
    if match["kind"] is not None:
        return Scope(name_of(match["other"]), name_of(match["kind"]), above)
    kind = next(k for k in ("phase", "module", "function") if match[k] is not None)
    return Scope(name_of(match[kind]), kind, above)


def join_lines(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Lines and what follows them after `;`, the latter aligned where most lines allow it."""
    pairs = list(lines)
    widths = sorted(len(line) for line, note in pairs if note)
    column = min(widths[len(widths) * 9 // 10], 88) if widths else 0
    return [f"{line:<{column}}  ; {note}" if note else line for line, note in pairs]
