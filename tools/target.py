"""`MODULE_OR_FILE:FUNCTION` as something that can be traced. Imported by `subject` alone."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ..tracer.nn.module import Module
from .command import CommandError, user_code


class Target(NamedTuple):
    """What to call under the tracer, and what it is in words."""

    call: Callable[..., Any]
    kind: str


def find_target(text: str, has_inputs: bool, *, show_traceback: bool = False) -> Target:
    """The function or module that `text` names.

    A module class is called without arguments to make the module. So is a function
    written with `()` after its name, or one that takes no arguments although there are
    inputs: it must return a module.
    Raises: CommandError saying which part of the name leads nowhere.
    """
    place, colon, name = text.rpartition(":")
    name, called = (name[:-2], True) if name.endswith("()") else (name, False)
    if not colon or not place or not name:
        raise CommandError(f"{text!r} names no function; write MODULE:FUNCTION or FILE.py:FUNCTION")
    is_file = place.endswith(".py") or os.sep in place
    with user_code(f"loading {place}", show_traceback=show_traceback):
        module = _load_file(place) if is_file else _load_module(place)
    found = _look_up(module, place, name)
    if isinstance(found, Module):
        return Target(found, f"module {type(found).__name__}")
    if not callable(found):
        raise CommandError(f"{text!r} is a {type(found).__name__}, not a function or a module")
    is_class = inspect.isclass(found) and issubclass(found, Module)
    if not (is_class or called or (has_inputs and _takes_nothing(found))):
        return Target(found, f"function {name}")
    with user_code(f"calling {name}()", show_traceback=show_traceback):
        made = found()
    if not isinstance(made, Module):
        raise CommandError(f"{name}() takes no inputs and returned no module, but {_a(made)}")
    return Target(made, f"module {type(made).__name__}, made by {name}()")


def _load_file(place: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        raise CommandError(f"there is no file {place!r}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as `python FILE.py` does
    # A file called like a module that is loaded already must not take its place.
    name = path.stem if path.stem not in sys.modules else f"_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise CommandError(f"{place!r} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half a module, which the next import would find
        raise
    return module


def _load_module(place: str) -> ModuleType:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m MODULE` does
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as e:
        # A module that this one imports may be what is missing.
        if e.name is None or not f"{place}.".startswith(f"{e.name}."):
            raise
        hint = f"; for a file write {place}.py" if Path(f"{place}.py").is_file() else ""
        raise CommandError(f"there is no module {place!r}{hint}") from None


def _look_up(module: ModuleType, place: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n in dir(found) if not n.startswith("_")]
            close = difflib.get_close_matches(part, names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise CommandError(f"{place} has no {name!r}{hint}")
        found = getattr(found, part)
    return found


def _takes_nothing(fn: Callable[..., Any]) -> bool:
    try:
        return not inspect.signature(fn).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return False


def _a(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"
