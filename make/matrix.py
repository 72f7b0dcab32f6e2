"""The tests that need no PyTorch, on every Python found, with the oldest and the newest JAX.

    python make/matrix.py                 # all of them; TESTS... names files or folders
    python make/matrix.py --list          # only say what would run

Pythons are those that `python3.11` to `python3.13` start, and those of pyenv. The oldest JAX is the
bound in pyproject.toml, the newest what installs there. Each pair has an environment of its own
in build/matrix, kept for the next time. Exit code 1 if any run fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "build" / "matrix"
VERSIONS = ("3.11", "3.12", "3.13")
# pyright is not installed here, and types are the same everywhere.
LEFT_OUT = ("tests/project/test_typing.py", "tests/conformance", "tests/gpu")


class Result(NamedTuple):
    python: str
    jax: str
    outcome: str
    elapsed_s: float
    failed: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tests", nargs="*", default=["tests"], metavar="TESTS")
    parser.add_argument("--list", action="store_true", help="say what would run")
    parser.add_argument("--python", action="append", metavar="X.Y", help="only this version")
    args = parser.parse_args()
    found = pythons(args.python or VERSIONS)
    for version in args.python or VERSIONS:
        print(f"python {version}: {found.get(version, 'not found')}")
    if args.list:
        print(f"jax: {oldest_jax()} and the newest")
        return 0
    if not found:
        print("matrix: there is no Python to run on", file=sys.stderr)
        return 1
    results: list[Result] = []
    for version, python in found.items():
        done: set[str] = set()
        for which in ("oldest", "newest"):
            for result in run_pair(version, python, which, args.tests, done):
                print(f"python {result.python}, jax {result.jax}: {result.outcome}", flush=True)
                results.append(result)
    print("\npython  jax        tests")
    for r in results:
        print(f"{r.python:7} {r.jax:10} {r.outcome} in {r.elapsed_s:.0f} s")
    return 1 if any(r.failed for r in results) else 0


def pythons(versions: tuple[str, ...] | list[str]) -> dict[str, str]:
    """The interpreter of each version that there is, by version."""
    out: dict[str, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(map(str, pyenv.glob(f"{version}.*/bin/python")), reverse=True)
        for path in filter(None, candidates):
            # A shim of pyenv may be there and start nothing.
            said = subprocess.run([path, "-V"], capture_output=True, text=True)
            if said.returncode == 0 and said.stdout.startswith(f"Python {version}."):
                out[version] = path
                break
    return out


def oldest_jax() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (re.match(r"jax>=([\d.]+)$", d) for d in project["dependencies"] if d[:4] == "jax>")
    assert bound is not None
    return bound[1]


def run_pair(
    version: str, python: str, which: str, tests: list[str], done: set[str]
) -> list[Result]:
    """The result of one environment; none if its JAX is one of those `done`."""
    environment = ENVIRONMENTS / f"{version}-{which}"
    started = time.perf_counter()
    try:
        jax = install(environment, python, which)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()
        reason = said[-1] if said else "pip failed"
        return [Result(version, which, f"does not install: {reason}", 0.0, True)]
    if jax in done:
        return []
    done.add(jax)
    print(
        f"python {version}, jax {jax}: installed in {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    command = [environment / "bin" / "python", "-m", "pytest", "-q", "-n", "2", "-m", "not gpu"]
    command += [f"--ignore={path}" for path in LEFT_OUT]
    started = time.perf_counter()
    ran = subprocess.run([*command, *tests], cwd=ROOT, capture_output=True, text=True)
    elapsed_s = time.perf_counter() - started
    lines = ran.stdout.strip().splitlines()
    outcome = re.sub(r" in [\d.]+s.*", "", lines[-1]).strip("= ") if lines else "no output"
    if ran.returncode:
        print(ran.stdout[-6_000:], ran.stderr[-2_000:], sep="\n")
    return [Result(version, jax, outcome, elapsed_s, ran.returncode != 0)]


def install(environment: Path, python: str, which: str) -> str:
    """Make the environment, or bring it up to date; the version of JAX that it has."""
    program = environment / "bin" / "python"
    if not program.exists():
        subprocess.run([python, "-m", "venv", environment], check=True)
    pip = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    _run([*pip, "--editable", ".[matrix]", *versions_of(which)])
    said = subprocess.run(
        [program, "-c", "import importlib.metadata as m; print(m.version('jax'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()


def versions_of(which: str) -> list[str]:
    """JAX as pip is asked for it. The oldest is the first of the bound: 0.10.0 for 0.10."""
    if which == "newest":
        return ["jax", "jaxlib"]
    bound = oldest_jax()
    full = bound if bound.count(".") > 1 else f"{bound}.0"
    return [f"jax=={full}", f"jaxlib=={full}"]


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
