"""Reading and writing the files that commands are given. Imported by `tools` alone."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from .command import CommandError


def write_atomically(path: str | os.PathLike[str], data: bytes) -> str:
    """Put `data` at `path` in one step, so that nobody ever reads half of it.

    Raises: OSError naming the path.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    if target.exists() and not target.is_file():  # a pipe or a device is written to, a
        with open(target, "wb") as stream:  # folder refused
            stream.write(data)
        return os.fspath(path)
    with _temporary(target) as temporary:
        temporary.write_bytes(data)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    return os.fspath(path)


@contextlib.contextmanager
def _temporary(target: Path):
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}-")
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no folder {str(target.parent)!r}") from None
    os.close(handle)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _mode(target: Path) -> int:
    """The permissions that the file has, or that a new one gets."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def write_output(text: str, path: str | None) -> None:
    """`text` to the file, or to stdout if there is no path."""
    text = text if text.endswith("\n") else f"{text}\n"
    if path == "":
        raise CommandError("an empty file name says nowhere to write to")
    if path is None:
        # In UTF-8 whatever the terminal's encoding is: what is written here is read back.
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(path, text.encode())
    except OSError as e:
        raise CommandError(f"cannot write {path}: {reason(e)}") from None


def read_text(path: str) -> str:
    """The file's text; `-` is stdin."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode()
    except OSError as e:
        raise CommandError(f"cannot read {path}: {reason(e)}") from None
    except UnicodeDecodeError:
        raise CommandError(f"cannot read {path}: it is not a text file") from None


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower() if error.strerror else str(error)
