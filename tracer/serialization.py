"""`thrace.save` and `thrace.load`: nested containers of tensors in safetensors files.

The file holds tensors by name, so that any reader of safetensors finds them, and the
containers around them as JSON in its metadata. Reading makes tensors, numbers, strings and
containers of them, and never runs code from the file. Imported by the front door.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import mmap
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..ir.errors import DeviceError
from ..ir.types import DType, dtype_from_name, dtype_from_numpy
from .api.common import dense_strides, relayout
from .devices import CPU, Device, as_device
from .parameter import Parameter
from .tensor import Size, Tensor, from_host

Place = str | os.PathLike[str] | IO[bytes]
_KEY = "thrace"
VERSION = 1
# How a safetensors header names dtypes. It has none for complex128: such a tensor is stored
# as float64 with one more dim for both parts.
_NAMES = {
    "BOOL": "bool",
    **{f"U{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    **{f"I{n}": f"int{n}" for n in (8, 16, 32, 64)},
    **{f"F{n}": f"float{n}" for n in (16, 32, 64)},
    "BF16": "bfloat16",
    "C64": "complex64",
}
_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "size": Size}
_MAPPINGS: dict[str, type] = {"dict": dict, "ordered": OrderedDict}
_NOT_OURS = {
    b"PK\x03\x04": "a zip archive, as torch.save writes",
    b"\x80": "a pickle",
}


class _Writer:
    """Collects tensors under names and turns what is around them into JSON."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.objects: list[dict[str, Any]] = []
        self.known: dict[int, int] = {}  # id -> number of the object
        self.data: dict[Any, str] = {}  # storage and view -> name
        self.keep: list[Any] = []

    def encode(self, value: Any, path: str) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, Tensor):
            return {"tensor": self.tensor(value, path)}
        if isinstance(value, (np.ndarray, np.generic)):
            kind = "array" if isinstance(value, np.ndarray) else "number"
            return {kind: self.array(np.asarray(value), path)}
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, complex):
            return {"complex": [repr(value.real), repr(value.imag)]}
        if isinstance(value, DType):
            return {"dtype": value.name}
        if isinstance(value, Device):
            return {"device": str(value)}
        if isinstance(value, dict):
            kind = "ordered" if isinstance(value, OrderedDict) else "dict"
            return {kind: [self.item(k, v, path) for k, v in value.items()]}
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            kind = "size" if isinstance(value, Size) else kind
            return {kind: [self.encode(v, _join(path, i)) for i, v in enumerate(value)]}
        raise TypeError(
            f"save: {path or 'the object'} is a {type(value).__name__}; tensors, numbers, strings, "
            "and dicts, lists and tuples of them can be saved: for a module or an optimizer, "
            "save its state_dict()"
        )

    def item(self, key: Any, value: Any, path: str) -> list[Any]:
        inside = _join(path, key)
        if not isinstance(key, (str, int, float, bool, tuple, type(None))):
            raise TypeError(f"save: {inside}: a key must not be a {type(key).__name__}")
        return [self.encode(key, f"{inside} (key)"), self.encode(value, inside)]

    def tensor(self, t: Tensor, path: str) -> int:
        found = self.known.get(id(t))
        if found is not None:
            return found
        shown = (id(t._storage), () if t._view is None else t._view.signature())
        entry: dict[str, Any] = {}
        if t.requires_grad:
            entry["requires_grad"] = True
        if isinstance(t, Parameter):
            entry["parameter"] = True
        if t.device is not CPU:
            entry["device"] = str(t.device)
        strides = dense_strides(t)
        if strides is not None:
            entry["strides"] = list(strides)
        name = self.data.get(shown)
        if name is None:
            name = self.data[shown] = self.put(t._host(), path, entry)
        elif t.dtype.name == "complex128":
            entry["complex128"] = True
        return self.add(t, entry | {"name": name})

    def array(self, array: np.ndarray, path: str) -> int:
        dtype_from_numpy(array.dtype)  # raises TypeError for what no tensor holds
        entry: dict[str, Any] = {}
        name = self.put(array, path, entry)
        return self.add(array, entry | {"name": name})

    def add(self, value: Any, entry: dict[str, Any]) -> int:
        self.known[id(value)] = len(self.objects)
        self.keep.append(value)
        self.objects.append(entry)
        return len(self.objects) - 1

    def put(self, array: np.ndarray, path: str, entry: dict[str, Any]) -> str:
        array = np.ascontiguousarray(array).reshape(array.shape)
        if array.dtype == np.complex128:
            entry["complex128"] = True
            array = array.reshape(-1).view(np.float64).reshape(*array.shape, 2)
        name, count = path or "tensor", 1
        while name in self.arrays or name == "__metadata__":
            count += 1
            name = f"{path}~{count}"
        self.arrays[name] = array
        return name


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def save(obj: Any, f: Place) -> None:
    """Write tensors, numbers, strings and nested dicts, lists and tuples of them to a file.

    `f` is a path or a file that bytes can be written to. A file at a path appears whole or
    not at all. Tensors are written contiguous; what shares all of its memory does so again
    when loaded. A dict of tensors by name is what `safetensors.torch.load_file` gives.
    Raises: TypeError for anything else, naming where it is.
    """
    from safetensors.numpy import save as to_bytes
    from safetensors.numpy import save_file

    writer = _Writer()
    tree = writer.encode(obj, "")
    text = json.dumps({"version": VERSION, "objects": writer.objects, "tree": tree})
    metadata = {"format": "pt", _KEY: text}
    if not isinstance(f, (str, os.PathLike)):
        f.write(to_bytes(writer.arrays, metadata))
        return
    _replace(Path(os.path.realpath(f)), lambda path: save_file(writer.arrays, path, metadata))


def _replace(path: Path, write: Callable[[str], None]) -> None:
    """Write a file beside `path` and put it in its place."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        os.close(handle)
        write(beside)
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def load(f: Place, map_location: Any = None, *, weights_only: bool = True, mmap: Any = None) -> Any:
    """What `save` wrote, or the tensors of any safetensors file as a dict by name.

    `map_location` is the device to load to, or a function of (tensor, name of the device it
    was on), or a dict of such names; by default tensors go to the device they were on.
    `weights_only` and `mmap` are there for PyTorch's sake: files hold nothing else, and are
    always mapped. Raises: RuntimeError for a damaged or foreign file, or a device
    that is not there; FileNotFoundError.
    """
    from safetensors import SafetensorError, deserialize, safe_open

    where = str(f) if isinstance(f, (str, os.PathLike)) else "the file"
    data: Any = b""
    try:
        if isinstance(f, (str, os.PathLike)):
            with open(f, "rb") as file:
                data = _mapped(file)
            with safe_open(os.fspath(f), framework="np"):
                pass  # it checks sizes and offsets
        else:
            data = f.read()
            deserialize(data)
        header, begin = _header(data)
        metadata = header.pop("__metadata__", {})
        arrays = {name: _array(data, begin, entry) for name, entry in header.items()}
        if _KEY not in metadata:
            names = sorted(arrays, key=lambda name: header[name]["data_offsets"])
            return {name: _moved(from_host(arrays[name]), None, map_location) for name in names}
        document = json.loads(metadata[_KEY])
        if document["version"] != VERSION:
            raise RuntimeError(
                f"load: {where} has version {document['version']}, this reads {VERSION}"
            )
        return _Reader(arrays, document["objects"], map_location).decode(document["tree"])
    except SafetensorError as error:
        _refuse_foreign(bytes(data[:4]), where)
        raise RuntimeError(f"load: {where} is not a whole safetensors file: {error}") from None
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise RuntimeError(
            f"load: {where} has no description that can be read: {type(error).__name__}: {error}"
        ) from None


def _mapped(file: io.BufferedReader) -> Any:
    size = os.fstat(file.fileno()).st_size
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""


def _refuse_foreign(start: bytes, where: str) -> None:
    for mark, what in _NOT_OURS.items():
        if start.startswith(mark):
            raise RuntimeError(
                f"load: {where} is {what}; reading it could run code, so only safetensors files "
                "are read (write it with safetensors.torch.save_file)"
            )


def _header(data: Any) -> tuple[dict[str, Any], int]:
    size = int.from_bytes(data[:8], "little")
    return json.loads(bytes(data[8 : 8 + size])), 8 + size


def _array(data: Any, begin: int, entry: dict[str, Any]) -> np.ndarray:
    name = _NAMES.get(entry["dtype"])
    if name is None:
        raise RuntimeError(f"load: no dtype holds the file's {entry['dtype']}")
    first, last = entry["data_offsets"]
    dtype = dtype_from_name(name).np
    count = (last - first) // dtype.itemsize
    if not count:
        return np.zeros(entry["shape"], dtype)
    return np.frombuffer(data, dtype, count, begin + first).reshape(entry["shape"])


class _Reader:
    def __init__(self, arrays: dict[str, np.ndarray], objects: list[Any], map_location: Any):
        self.arrays = arrays
        self.objects = objects
        self.map_location = map_location
        self.made: dict[int, Any] = {}
        self.first: dict[tuple[str, bool], Tensor] = {}  # the first tensor with some data

    def decode(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            if tree is None or isinstance(tree, (bool, int, float, str)):
                return tree
            raise ValueError(f"a {type(tree).__name__} where an object should be")
        ((kind, content),) = tree.items()
        if kind in _SEQUENCES:
            return _SEQUENCES[kind]([self.decode(v) for v in content])
        if kind in _MAPPINGS:
            return _MAPPINGS[kind]([(self.decode(k), self.decode(v)) for k, v in content])
        if kind == "tensor":
            return self.tensor(content)
        if kind == "array":
            return np.array(self.array(self.objects[content]))
        if kind == "number":
            return self.array(self.objects[content])[()]
        if kind == "float":
            return float(content)
        if kind == "complex":
            return complex(*map(float, content))
        if kind == "dtype":
            return dtype_from_name(content)
        if kind == "device":
            return as_device(content)
        raise ValueError(f"{kind!r} is no kind of object")

    def array(self, entry: dict[str, Any]) -> np.ndarray:
        array = self.arrays[entry["name"]]
        if entry.get("complex128"):
            array = array.reshape(-1).view(np.complex128).reshape(array.shape[:-1])
        return array

    def tensor(self, number: int) -> Tensor:
        found = self.made.get(number)
        if found is not None:
            return found
        entry = self.objects[number]
        shared = self.first.get(entry["name"])
        if shared is None:
            strides = entry.get("strides")
            t = _moved(from_host(self.array(entry)), entry.get("device"), self.map_location)
            if strides is not None:
                _check_strides(strides, t.shape)
                relayout(t, tuple(strides))
            shared = self.first[entry["name"]] = t
        requires_grad = bool(entry.get("requires_grad"))
        if entry.get("parameter"):
            t = Parameter(shared, requires_grad)
        elif requires_grad or any(shared is t for t in self.made.values()):
            t = shared.detach().requires_grad_(requires_grad)
        else:
            t = shared
        self.made[number] = t
        return t


def _check_strides(strides: Sequence[Any], shape: Sequence[int]) -> None:
    """Raises: ValueError unless they are those of a dense tensor of this shape."""
    step = 1
    for stride, n in sorted(zip(strides, shape, strict=True)):
        if type(stride) is not int or (n > 1 and stride != step):
            raise ValueError(f"strides {strides} for shape {tuple(shape)}")
        step *= max(n, 1)


def _moved(t: Tensor, device: str | None, map_location: Any) -> Tensor:
    """The tensor on the device that it was on, or where `map_location` says."""
    was = device or "cpu"
    if callable(map_location) and not isinstance(map_location, Device):
        got: Any = map_location(t, was)
        return t if got is None else got
    if isinstance(map_location, dict):
        map_location = map_location.get(was)
    where = as_device(was if map_location is None else map_location)
    if where is CPU:
        return t
    try:
        return t.to(where)  # type: ignore[attr-defined]
    except DeviceError as error:
        raise RuntimeError(
            f"load: a tensor was saved on {was}: {error}; give map_location='cpu' to load it here"
        ) from None
