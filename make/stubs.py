"""Writes the stubs that show pyright and editors what tables bind: `make stubs`.

`tracer/methods.pyi` has the base class that `Tensor` has for type checkers, and
`thrace/functions.pyi` the functions of the front door. Both point at the functions
themselves, so signatures are read where they are written. `--check` writes nothing and
fails if a stub is not what it would write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from thrace import functions
from thrace.tracer import methods

ROOT = Path(__file__).resolve().parent.parent
HEADER = '"""{doc} Written by `make stubs` from the tables."""'


def source(fn: Callable[..., Any], modules: Iterable[ModuleType]) -> str | None:
    """Where pyright finds `fn`: `module.name`, or None if no module defines it."""
    for module in modules:
        for name in (fn.__name__, f"{fn.__name__}_", *vars(module)):
            if vars(module).get(name) is fn and not name.startswith("__"):
                return f"{module.__name__.rpartition('.')[2]}.{name}"
    return None


def method_line(name: str, fn: Callable[..., Any]) -> str:
    """A method's declaration: the function itself where it has a name, else its kind."""
    plain = name.removesuffix("_")
    if name.startswith("__") and name not in ("__getitem__", "__setitem__"):
        operand = "" if name in methods.UNARY or name == "__invert__" else ", other: Any, /"
        override = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
        return f"    def {name}(self{operand}) -> Tensor: ...{override}"
    found = source(fn, methods.MODULES)
    if found is None and name.endswith("_") and plain in BOUND:
        found = source(BOUND[plain], methods.MODULES)
    if found is not None:
        return f"    {name} = {found}"
    # Defined beside the tables: its annotations are all there is to say.
    return f"    def {name}{readable(fn)}: ..."


def signature(fn: Callable[..., Any]) -> str:
    """The signature as it is written in the source."""
    return str(inspect.signature(fn)).replace("'", "")


def readable(fn: Callable[..., Any]) -> str:
    """The signature of a method, with `self` bare.

    Methods called `int` and `bool` would hide the types, hence `builtins`.
    """
    first = next(iter(inspect.signature(fn).parameters))
    text = signature(fn).replace(f"{first}: Tensor", "self", 1)
    return re.sub(r"\b(bool|int|float|complex)\b", r"builtins.\1", text)


def methods_stub() -> str:
    lines = [
        HEADER.format(doc="What `methods.py` binds to `Tensor`."),
        "",
        "import builtins",
        "from collections.abc import Callable",
        "from types import ModuleType",
        "from typing import Any",
        "",
        "from ..ir.types import DType",
        "from .promotion import Operand",
        *imports(m.__name__.rpartition(".")[2] for m in methods.MODULES),
        "from .tensor import Tensor",
        "",
        "MODULES: tuple[ModuleType, ...]",
        "UNARY: dict[str, Callable[[Tensor], Any]]",
        "FUNCTIONS: dict[str, Callable[..., Any]]",
        "LINALG: dict[str, Callable[..., Any]]",
        "",
        "def methods() -> dict[str, Callable[..., Any]]: ...",
        *(f"def {name}{signature(fn)}: ..." for name, fn in beside_the_tables()),
        "",
        "class TensorMethods:",
        *(method_line(name, fn) for name, fn in sorted(BOUND.items())),
    ]
    for name, prop in sorted(properties().items()):
        kind = inspect.signature(prop.fget).return_annotation
        kind = f"builtins.{kind}" if kind == "bool" else kind
        lines += ["    @property", f"    def {name}(self) -> {kind}: ..."]
        if prop.fset is not None:
            lines += [f"    @{name}.setter", f"    def {name}(self, value: Any) -> None: ..."]
    return "\n".join(lines) + "\n"


def imports(modules: Iterable[str], root: str = "", prefix: str = "") -> list[str]:
    """The lines that import the modules of tables, each from its own package."""
    packages = {m.__name__.rpartition(".")[2]: m.__package__ or "" for m in methods.MODULES}
    names: dict[str, list[str]] = {}
    for module in sorted(modules):
        package = packages[module].removeprefix("thrace.tracer")
        names.setdefault(package, []).append(f"{module} as {prefix}{module}" if prefix else module)
    return [
        line
        for package in sorted(names)
        for line in (f"from {root}{package} import (", *(f"    {n}," for n in names[package]), ")")
    ]


def properties() -> dict[str, Any]:
    """The properties that tables bind to `Tensor`."""
    found: dict[str, Any] = {}
    for module in methods.MODULES:
        found |= getattr(module, "PROPERTIES", {})
    return found


def beside_the_tables() -> list[tuple[str, Callable[..., Any]]]:
    """The public functions that `methods.py` itself defines."""
    own = (name for name, fn in methods.FUNCTIONS.items() if vars(methods).get(name) is fn)
    return [(name, methods.FUNCTIONS[name]) for name in sorted(own)]


def functions_stub() -> str:
    names = sorted(functions.__all__)
    modules = (*methods.MODULES, methods)
    places = {name: source(methods.FUNCTIONS[name], modules) for name in names}
    for name, place in places.items():
        if place is None:  # an in-place function is the method of that name
            places[name] = source(BOUND[name.removesuffix("_")], modules)
    used = sorted({str(place).partition(".")[0] for place in places.values()} - {"methods"})
    lines = [
        HEADER.format(doc="PyTorch's functions, as `thrace.<name>`."),
        "",
        "from thrace.tracer import methods as _methods",
        *imports(used, "thrace.tracer", "_"),
        "",
        *(f"{name} = _{place}" for name, place in places.items()),
        "",
        "__all__ = [",
        *(f'    "{name}",' for name in names),
        "]",
    ]
    return "\n".join(lines) + "\n"


BOUND = methods.methods()
STUBS = {"tracer/methods.pyi": methods_stub, "thrace/functions.pyi": functions_stub}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    for path, write in STUBS.items():
        file, text = ROOT / path, write()
        if check and (not file.exists() or file.read_text() != text):
            print(f"{path} is stale: run `make stubs`", file=sys.stderr)
            return 1
        if not check:
            file.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
