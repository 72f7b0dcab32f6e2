"""Autocast: in a region, listed operations compute in a lower precision or in float32.

`autocasts` marks the API functions that are listed (`policies.py`); it is the outermost
decorator, so that the casts stand before the operation, as in PyTorch. The mode belongs to
the thread. Imported by the API, nn and the front door.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar, overload

from ...ir.types import DType, bfloat16, float16, float32
from .. import prims
from ..devices import as_device
from ..recording import user_error
from ..restoring import Restoring, restored
from ..state import STATE, scope
from ..tensor import Tensor
from ..views import leaf_slot
from .policies import BANNED, FULL, LOWER, PLAIN, POLICIES, RESULT

F = TypeVar("F", bound=Callable[..., Any])
# Every function that was marked, by its name in the tables.
MARKED: dict[str, Callable[..., Any]] = {}


@overload
def autocasts(fn: F) -> F: ...
@overload
def autocasts(*, name: str) -> Callable[[F], F]: ...
def autocasts(fn: Any = None, *, name: str = "") -> Any:
    """Cast the operands of a listed function where autocast is on; inside it is off.

    Calls with `out=` are left alone, as in PyTorch. Raises: KeyError if nobody lists it.
    """
    if fn is None:
        return lambda f: _marked(f, name)
    return _marked(fn, fn.__name__)


def autocasts_if_listed(fn: F) -> F:
    """`autocasts` for functions that are made of a table."""
    return _marked(fn, fn.__name__) if _is_listed(fn.__name__) else fn


def _is_listed(name: str) -> bool:
    return any(name in table for table in POLICIES.values())


def _marked(fn: Callable[..., Any], name: str) -> Any:
    if not _is_listed(name):
        raise KeyError(f"{name} has no policy")
    state = STATE

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if state.autocast is None or kwargs.get("out") is not None:
            return fn(*args, **kwargs)
        return _call(fn, name, args, kwargs)

    MARKED[name] = wrapper
    return wrapper


def _call(fn: Callable[..., Any], name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    active = STATE.autocast or ()
    tensors = list(_tensors((*args, *kwargs.values())))
    for device, dtype in active:
        policy = POLICIES[device].get(name)
        if policy and any(t._storage.device.type == device for t in tensors):
            return _call_by(policy, device, dtype, tensors, fn, name, args, kwargs)
    return fn(*args, **kwargs)


def _call_by(
    policy: str,
    device: str,
    lower: DType,
    tensors: list[Tensor],
    fn: Callable[..., Any],
    name: str,
    args: tuple,
    kwargs: dict[str, Any],
) -> Any:
    active = STATE.autocast or ()
    if policy is BANNED:
        raise user_error(
            RuntimeError(
                f"{name}() is unsafe to autocast. Many models use a sigmoid layer right before it: "
                "combine the two with binary_cross_entropy_with_logits, which is safe."
            )
        )
    if policy is RESULT:
        given = kwargs.get("dtype") is not None or any(isinstance(a, DType) for a in args)
        if not given and _eligible(tensors[0], device):
            kwargs = {**kwargs, "dtype": float32}
    elif policy is not PLAIN:
        wanted = {LOWER: lower, FULL: float32}.get(policy) or _widest(tensors, device, lower)
        args = _cast(args, device, wanted, wanted is lower)
        kwargs = _cast(kwargs, device, wanted, wanted is lower)
    # Inside, what the function is made of computes in these dtypes.
    STATE.autocast = tuple(entry for entry in active if entry[0] != device) or None
    try:
        return fn(*args, **kwargs)
    finally:
        STATE.autocast = active


def _tensors(value: Any) -> Iterator[Tensor]:
    for v in value:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from _tensors(v)


def _eligible(t: Tensor, device: str) -> bool:
    """Whether autocast may cast a tensor; float64 never."""
    dtype = t._type.dtype
    return dtype.kind == "float" and dtype.itemsize < 8 and t._storage.device.type == device


def _widest(tensors: list[Tensor], device: str, lower: DType) -> DType:
    """Raises: RuntimeError for a lower precision other than the region's."""
    dtypes = {t._type.dtype for t in tensors if _eligible(t, device)}
    if dtypes - {lower, float32}:
        other = next(iter(dtypes - {lower, float32}))
        raise user_error(RuntimeError(f"autocast to {lower} cannot combine tensors of {other}"))
    return float32 if float32 in dtypes else lower


def _cast(value: Any, device: str, dtype: DType, cached: bool) -> Any:
    if isinstance(value, Tensor):
        if value._type.dtype is dtype or not _eligible(value, device):
            return value
        return _cached(value, dtype) if cached else _converted(value, dtype)
    if isinstance(value, (list, tuple)):
        items = [_cast(v, device, dtype, cached) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {k: _cast(v, device, dtype, cached) for k, v in value.items()}
    return value


def _converted(t: Tensor, dtype: DType) -> Tensor:
    with scope("to"):
        return prims.convert(t, dtype)


def _cached(t: Tensor, dtype: DType) -> Tensor:
    """A leaf in the lower precision, cast once in a region, so that its gradients are summed
    in that precision. As in PyTorch, writing to the leaf inside the region changes nothing."""
    slot = leaf_slot(t._view)
    if slot is None or t._type.dtype is not float32 or t._slot is not slot:
        return _converted(t, dtype)
    if STATE.levels or not STATE.autocast_caching or not STATE.autocast_depth:
        return _converted(t, dtype)
    # What is recorded elsewhere, in the body of a loop for one, is no value here.
    key = (id(slot), dtype, STATE.grad_enabled, id(STATE.recorder))
    cache = STATE.autocast_cache
    if cache is None:
        cache = STATE.autocast_cache = {}
    found = cache.get(key)
    if found is None:
        found = cache[key] = (_converted(t, dtype), slot, STATE.recorder)
    return found[0]


# The mode

_MODE = ("autocast", "autocast_dtypes", "autocast_caching", "autocast_depth")


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a kind of device. Raises: RuntimeError for no device."""
    return _kind(device_type) in POLICIES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a kind of device: CUDA's unless another is named."""
    kind = _kind(device_type)
    return any(device == kind for device, _ in STATE.autocast or ())


def get_autocast_dtype(device_type: str) -> DType:
    """The lower precision for a kind of device, whether autocast is on or off."""
    return dict(STATE.autocast_dtypes)[_kind(device_type)]


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Turn autocast on or off for a kind of device: CUDA's unless one is named first."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    kind = _kind(device_type)
    STATE.autocast = _with_enabled(kind, bool(enabled), get_autocast_dtype(kind))


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Say what the lower precision is for a kind of device."""
    kind = _kind(device_type)
    STATE.autocast_dtypes = _with_dtype(kind, dtype)
    if is_autocast_enabled(kind):
        set_autocast_enabled(kind, True)


def _with_enabled(kind: str, enabled: bool, dtype: DType) -> tuple[tuple[str, DType], ...] | None:
    """What `STATE.autocast` is with autocast on or off for a kind of device."""
    active = [entry for entry in STATE.autocast or () if entry[0] != kind]
    if enabled:
        active.append((kind, dtype))
    return tuple(sorted(active, reverse=True, key=_first)) or None  # CUDA decides first


def _with_dtype(kind: str, dtype: DType) -> tuple[tuple[str, DType], ...]:
    return tuple([(d, dtype if d == kind else old) for d, old in STATE.autocast_dtypes])


def is_autocast_cache_enabled() -> bool:
    """Whether a region casts each leaf once."""
    return STATE.autocast_caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Say whether a region casts each leaf once."""
    STATE.autocast_caching = bool(enabled)


def clear_autocast_cache() -> None:
    """Cast leaves anew from here on."""
    STATE.autocast_cache = None


def _kind(device_type: str) -> str:
    return as_device(device_type).type


def _first(entry: tuple[str, DType]) -> str:
    return entry[0]


class autocast(Restoring):
    """A region in which listed operations on a kind of device compute in `dtype` (bfloat16 on
    the CPU, float16 on CUDA, unless given), others that need it in float32: a context or a
    decorator.

    A leaf is cast once in a region, until the outermost one ends; what is written to it
    meanwhile is not seen by listed operations, as in PyTorch. `cache_enabled=False` casts
    each time. Regions nest, and `enabled=False` turns autocast off inside one. A dtype that
    is none of the two, or a device that is not there, disables the region with a warning.
    Raises: ValueError if `device_type` is no str, RuntimeError if it names no device.
    Source: Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = _kind(device_type)
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._cache_enabled = STATE.autocast_caching if cache_enabled is None else cache_enabled
        self._enabled = bool(enabled) and self._is_possible()

    def _is_possible(self) -> bool:
        if self.device == "cuda" and not _has_cuda():
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=3)
            return False
        if self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype is not supported. "
                "Disabling autocast: it supports bfloat16 and float16.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        changes = restored(STATE, *_MODE)
        if not STATE.autocast_depth:
            changes = chain(changes, map(setattr, (STATE,), ("autocast_cache",), (None,)))
        dtypes = _with_dtype(self.device, self.fast_dtype)
        active = _with_enabled(self.device, self._enabled, self.fast_dtype)
        self.later(changes)
        STATE.autocast, STATE.autocast_dtypes = active, dtypes
        STATE.autocast_caching = self._cache_enabled
        STATE.autocast_depth += 1
        return self

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}; as a "
                "context it is written `with autocast(...):`"
            )

        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def _has_cuda() -> bool:
    from ...runtime import cuda

    return cuda.is_available()


# For `autograd.Function`


def custom_fwd(
    fwd: Any = None, *, device_type: str, cast_inputs: DType | None = None
) -> Callable[..., Any]:
    """Decorates the `forward` of an `autograd.Function`: its backward (`custom_bwd`) computes
    in the same mode. Under `cast_inputs`, tensors are cast to that dtype in a region, and
    autocast is off inside.
    """
    kind = _named(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(kind)
        ctx._dtype = get_autocast_dtype(kind)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(ctx, *args, **kwargs)
        with autocast(kind, enabled=False):
            cast = _cast((args, kwargs), kind, cast_inputs, cached=False)
            return fwd(ctx, *cast[0], **cast[1])

    return forward


def custom_bwd(bwd: Any = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates the `backward` of an `autograd.Function`: it computes in the mode that its
    `forward` (`custom_fwd`) was called in."""
    kind = _named(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(kind, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return backward


def _named(device_type: Any) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return _kind(device_type)
