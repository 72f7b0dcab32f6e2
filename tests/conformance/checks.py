"""The checks of one entry of the database. Each yields one outcome per sample."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

import thrace

from .compare import Mismatch, same, same_choice
from .convert import Converter, Unsupported, function_for, rebound, tensors_in
from .exclusions import (
    CHOOSES_AMONG_EQUALS,
    NO_SECOND_GRADIENT,
    SOMETIMES_RANDOM,
    UNDEFINED_VALUES,
    WRONG_GRADIENTS,
)

FORWARD_DTYPES = (torch.float32, torch.int64, torch.bool)
LIMIT_S = 120  # for one check of one entry
OUT_SAMPLES = 4
COMPILED_SAMPLES = 3


class Outcome(NamedTuple):
    """`skipped` has the technical reason why a sample has no counterpart here."""

    sample: str
    error: str = ""
    skipped: str = ""


class TooSlow(Exception):
    """A check ran past its limit."""


Samples = Iterator[Outcome]


def outcome(name: str, run: Callable[[], None]) -> Outcome:
    """Run one sample. PyTorch's own refusal (`_Refused`) leaves nothing to compare."""
    try:
        run()
    except Unsupported as reason:
        return Outcome(name, skipped=str(reason))
    except Mismatch as difference:
        return Outcome(name, str(difference))
    except TooSlow:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:200]
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        return Outcome(name, f"{type(error).__name__}: {text} ({where})")
    return Outcome(name)


class Call:
    """A sample as PyTorch's and as thrace's call of an entry."""

    def __init__(self, op: Any, sample: Any, memory: bool = False):
        convert = Converter(memory or op.name.startswith("as_strided"))
        self.op, self.sample = op, sample
        self.theirs = (sample.input, *sample.args), dict(sample.kwargs)
        self.mine = convert((sample.input, *sample.args)), convert(dict(sample.kwargs))
        self.fn = function_for(op)

    def expected(self) -> Any:
        torch.manual_seed(0)
        args, kwargs = self.theirs
        return self.op.op(*args, **kwargs)

    def got(self) -> Any:
        thrace.manual_seed(0)
        args, kwargs = self.mine
        assert self.fn is not None
        return self.fn(*args, **kwargs)

    def compare(self, expected: Any, got: Any, values: bool) -> None:
        """Raises: Mismatch."""
        same(self.process(expected, False), self.process(got, True), values and not self.ties)
        if self.ties and values:
            x, dim = self.theirs[0][0], self.dim()
            same_choice(x, dim, tensors_in(expected), tensors_in(got))

    @property
    def ties(self) -> bool:
        return self.op.name in CHOOSES_AMONG_EQUALS

    def dim(self) -> int:
        (_, *rest), kwargs = self.theirs
        at = CHOOSES_AMONG_EQUALS[self.op.name]
        found = kwargs.get("dim", rest[at] if len(rest) > at else None)
        return (0 if self.op.name == "msort" else -1) if found is None else found

    def process(self, result: Any, mine: bool) -> Any:
        """The part of a result that does not depend on a choice of gauge (signs of vectors)."""
        fn = self.sample.output_process_fn_grad
        return (rebound(fn) if mine else fn)(result) if fn is not None else result


def has_values(op: Any, sample: Any) -> bool:
    if op.name in SOMETIMES_RANDOM:
        return not any(sample.kwargs.get(k) for k in ("dropout_p", "training"))
    return op.name not in UNDEFINED_VALUES


def samples_of(op: Any, dtype: torch.dtype, requires_grad: bool = False) -> Iterator[Any]:
    torch.manual_seed(0)
    np.random.seed(0)
    return op.sample_inputs("cpu", dtype, requires_grad=requires_grad)


def forward(op: Any) -> Samples:
    for dtype in FORWARD_DTYPES:
        if dtype in op.supported_dtypes("cpu"):
            yield from forward_in(op, dtype)


def complex_forward(op: Any) -> Samples:
    if torch.complex64 in op.supported_dtypes("cpu"):
        yield from forward_in(op, torch.complex64)


def forward_in(op: Any, dtype: torch.dtype) -> Samples:
    for i, sample in enumerate(samples_of(op, dtype)):

        def run(sample: Any = sample) -> None:
            call = Call(op, sample)
            got = call.got()
            call.compare(call.expected(), got, has_values(op, sample))

        yield outcome(f"{str(dtype).removeprefix('torch.')} {i}", run)


def gradient(op: Any) -> Samples:
    if op.supports_autograd and torch.float64 in op.supported_backward_dtypes("cpu"):
        yield from differentiated(op, torch.float64, second=False)


def second(op: Any) -> Samples:
    if op.supports_gradgrad and torch.float64 in op.supported_backward_dtypes("cpu"):
        yield from differentiated(op, torch.float64, second=True)


def complex_gradient(op: Any) -> Samples:
    if op.supports_autograd and torch.complex128 in op.supported_backward_dtypes("cpu"):
        yield from differentiated(op, torch.complex128, second=False)


def differentiated(op: Any, dtype: torch.dtype, second: bool) -> Samples:
    for i, sample in enumerate(samples_of(op, dtype, requires_grad=True)):
        yield outcome(str(i), lambda sample=sample: compare_gradients(op, sample, second))


def compare_gradients(op: Any, sample: Any, second: bool) -> None:
    call = Call(op, sample)
    try:
        theirs = gradients(call, torch, call.theirs, op.op, False, second)
    except RuntimeError:
        if not second:
            raise
        return  # PyTorch's backward is a kernel without a derivative of its own
    if theirs is None:
        return  # PyTorch has no gradient for this sample
    mine = gradients(call, thrace, call.mine, call.fn, True, second)
    if mine is None:
        raise Mismatch("no result requires grad")
    values = has_values(op, sample) and op.name not in WRONG_GRADIENTS
    if second and (op.name, op.variant_test_name) in NO_SECOND_GRADIENT:
        values = False
    # One operand in single precision, and so is the result.
    single = any(t.dtype is torch.float32 for t in tensors_in(call.theirs))
    for e, g in zip(theirs, mine, strict=True):
        if e is None and g is None:
            continue
        if e is None:
            e = torch.zeros(tuple(g.shape), dtype=getattr(torch, g.dtype.name))
        if g is None:
            g = thrace.zeros(tuple(e.shape), dtype=Converter()(e.dtype))
        if single or e.dtype is torch.float32 or g.dtype is thrace.float32:
            e, g = (t if t.is_complex() else t.float() for t in (e, g))
        same(e, g, values)


def gradients(call: Call, lib: Any, arguments: Any, fn: Any, mine: bool, second: bool) -> Any:
    """The gradients of a sample by every operand, or those of the gradients themselves."""
    args, kwargs = arguments
    inputs = [t for t in tensors_in((args, kwargs)) if t.requires_grad]
    wrapper = call.op.gradcheck_wrapper
    if mine and wrapper.__name__ == "gradcheck_wrapper_masked_operation":
        fn, wrapper = functools.partial(masked, call), _plain
    lib.manual_seed(0)
    result = (rebound(wrapper) if mine else wrapper)(fn, *args, **kwargs)
    outputs = [t for t in tensors_in(call.process(result, mine)) if t.requires_grad]
    if not outputs or not inputs:
        return None
    grads = lib.autograd.grad(
        outputs,
        inputs,
        [ramp(lib, o) for o in outputs],
        allow_unused=True,
        create_graph=second,
    )
    if not second:
        return grads
    firsts = [g for g in grads if g is not None and g.requires_grad]
    if not firsts:
        return [None for _ in inputs]
    return lib.autograd.grad(firsts, inputs, [ramp(lib, g) for g in firsts], allow_unused=True)


def _plain(fn: Any, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


def masked(call: Call, *args: Any, **kwargs: Any) -> Any:
    """A masked operation's result with zeros where PyTorch says that nothing is defined."""
    assert call.fn is not None
    out = call.fn(*args, **kwargs)
    theirs, named = call.theirs
    if named.get("mask") is None:
        return out
    there = torch.masked._output_mask(call.op.op, *theirs, **named)  # type: ignore[attr-defined]
    return thrace.where(Converter()(there), out, out.new_zeros([]))


def ramp(lib: Any, like: Any) -> Any:
    """A cotangent of one's own for every element, the same in both libraries."""
    shape = tuple(like.shape)
    flat = 0.3 + np.arange(math.prod(shape), dtype=np.float64) % 7 / 5
    if like.is_complex():
        flat = flat + 0.5j * flat[::-1]
    return lib.tensor(flat.reshape(shape)).to(like.dtype)


def inplace(op: Any) -> Samples:
    name = getattr(op.inplace_variant, "__name__", "")
    if op.inplace_variant is None or not hasattr(torch.Tensor, name):
        return
    for dtype in FORWARD_DTYPES:
        if dtype not in op.supported_dtypes("cpu"):
            continue
        for i, sample in enumerate(samples_of(op, dtype)):
            if sample.broadcasts_input:
                continue

            def run(sample: Any = sample) -> None:
                call = Call(op, sample)
                (x, *rest), kwargs = call.theirs
                x = x.clone()
                torch.manual_seed(0)
                try:
                    getattr(x, name)(*rest, **kwargs)
                except (RuntimeError, TypeError, ValueError):
                    return  # PyTorch refuses this sample in place
                (y, *rest), kwargs = call.mine
                y = y.clone()
                result = getattr(y, name)(*rest, **kwargs)
                if result is not y:
                    raise Mismatch(f"{name} did not return the tensor itself")
                same(x, y, has_values(op, sample))

            yield outcome(f"{str(dtype).removeprefix('torch.')} {i}", run)


def out(op: Any) -> Samples:
    if not op.supports_out or torch.float32 not in op.supported_dtypes("cpu"):
        return
    for i, sample in enumerate(itertools.islice(samples_of(op, torch.float32), OUT_SAMPLES)):

        def run(sample: Any = sample) -> None:
            call = Call(op, sample)
            expected = call.expected()
            many = isinstance(expected, (tuple, list))
            theirs = [torch.empty_like(t) for t in tensors_in(expected)]
            try:
                args, kwargs = call.theirs
                op.op(*args, **kwargs, out=tuple(theirs) if many else theirs[0])
            except (TypeError, RuntimeError):
                return  # PyTorch has no out= here, whatever the entry says
            blank = [
                thrace.empty(tuple(t.shape), dtype=Converter()(t.dtype))
                for t in tensors_in(expected)
            ]
            args, kwargs = call.mine
            assert call.fn is not None
            call.fn(*args, **kwargs, out=tuple(blank) if many else blank[0])
            got = tuple(blank) if many else blank[0]
            values = has_values(op, sample)
            call.compare(expected, got, values)

        yield outcome(str(i), run)


def errors(op: Any) -> Samples:
    if op.error_inputs_func is None:
        return
    torch.manual_seed(0)
    for i, wrong in enumerate(op.error_inputs("cpu")):

        def run(wrong: Any = wrong) -> None:
            call = Call(op, wrong.sample_input, memory=True)
            try:
                for t in tensors_in(call.got()):
                    t.detach().numpy()  # what hangs on values is known now
            except wrong.error_type:
                return
            except TooSlow:
                raise
            except Exception as error:
                raise Mismatch(
                    f"{type(error).__name__} for {wrong.error_type.__name__}: {str(error)[:120]}"
                ) from None
            raise Mismatch(f"no error; PyTorch: {str(wrong.error_regex)[:120]}")

        yield outcome(str(i), run)


def compiled(op: Any) -> Samples:
    """Under `thrace.compile`, a first and a second call."""
    if torch.float32 not in op.supported_dtypes("cpu"):
        return
    picked = itertools.islice(samples_of(op, torch.float32), COMPILED_SAMPLES)
    for i, sample in enumerate(picked):

        def run(sample: Any = sample) -> None:
            call = Call(op, sample)
            expected = call.expected()
            args, kwargs = call.mine
            assert call.fn is not None
            fn = thrace.compile(lambda *a, **k: call.fn(*a, **k))  # type: ignore[misc]
            for _ in range(2):
                thrace.manual_seed(0)
                call.compare(expected, fn(*args, **kwargs), has_values(op, sample))

        yield outcome(str(i), run)


CHECKS: dict[str, Callable[[Any], Samples]] = {
    "forward": forward,
    "gradient": gradient,
    "second": second,
    "inplace": inplace,
    "out": out,
    "errors": errors,
    "compiled": compiled,
    "complex": complex_forward,
    "complex_gradient": complex_gradient,
}


def outcomes(op: Any, check: str, limit: int | None = None) -> list[Outcome]:
    """One check of an entry; `limit` takes the first samples only."""
    found: list[Outcome] = []
    with quiet(), time_limit():
        try:
            found.extend(itertools.islice(CHECKS[check](op), limit))
        except TooSlow:
            found.append(Outcome("", f"took longer than {LIMIT_S} s"))
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            found.append(Outcome("", f"making samples: {type(error).__name__}: {text}"))
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
