"""The methods that the array API standard asks of an array."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """The standard's functions for tensors, `thrace.array_api`.

    Raises: ValueError for a version of the standard that it does not have.
    """
    from .. import array_api

    if api_version is not None and api_version not in _VERSIONS:
        raise ValueError(f"unsupported version of the array API: {api_version!r}")
    return array_api


def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """This tensor on a device. Raises: ValueError if a stream is given."""
    if stream is not None:
        raise ValueError("to_device: streams are XLA's own affair")
    return self.to(device)  # type: ignore[attr-defined]


METHODS: dict[str, Any] = {"__array_namespace__": namespace, "to_device": to_device}
FUNCTIONS: dict[str, Any] = {}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
