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
from torch.testing._internal.opinfo.core import BinaryUfuncInfo, UnaryUfuncInfo

import thrace

from .compare import Mismatch, same, same_choice
from .convert import Converter, Unsupported, find, find_in, function_for, rebound, tensors_in
from .exclusions import (
    CHOOSES_AMONG_EQUALS,
    NAN_SECOND_GRADIENT,
    NO_SECOND_GRADIENT,
    SOMETIMES_RANDOM,
    UNDEFINED_VALUES,
    WRONG_GRADIENTS,
)

ELEMENTWISE = (UnaryUfuncInfo, BinaryUfuncInfo)
FORWARD_DTYPES = (torch.float32, torch.int64, torch.bool)
LIMIT_S = 120  # of processor time, for one check of one entry
OUT_SAMPLES = 4
COMPILED_SAMPLES = 3
METHOD_SAMPLES = 4
VIEW_SAMPLES = 12
NO_OUT = "PyTorch has no out= here, whatever the entry says"
NO_SECOND = "PyTorch's backward is a kernel without a derivative of its own"


class Outcome(NamedTuple):
    """`skipped` says why there is nothing to compare: the sample counts as neither."""

    sample: str
    error: str = ""
    skipped: str = ""


class TooSlow(BaseException):
    """A check ran past its limit. No exception that a sample's code may catch."""


class Nothing(Exception):
    """PyTorch itself gives nothing to compare with; the text says what."""


Samples = Iterator[Outcome]


def outcome(name: str, run: Callable[[], None]) -> Outcome:
    """Run one sample."""
    try:
        run()
    except (Unsupported, Nothing) as reason:
        return Outcome(name, skipped=str(reason))
    except Mismatch as difference:
        return Outcome(name, str(difference))
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
        self.theirs = leaves((sample.input, *sample.args)), leaves(dict(sample.kwargs))
        self.mine = convert(self.theirs[0]), convert(self.theirs[1])
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

    def compare(self, expected: Any, got: Any, values: bool, operand: Any = None) -> None:
        """`operand` is the tensor that indices point into. Raises: Mismatch."""
        theirs, mine = self.process(expected, False), self.process(got, True)
        same(theirs, mine, values and not self.ties, each=isinstance(self.op, ELEMENTWISE))
        if self.ties and values:
            x, dim = self.theirs[0][0] if operand is None else operand, self.dim()
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


def leaves(arguments: Any) -> Any:
    """Arguments whose views that require grad are leaves: one that the database took of a leaf
    without recording gets no gradient in PyTorch."""
    if isinstance(arguments, torch.Tensor):
        odd = arguments.requires_grad and arguments.is_leaf and arguments._is_view()
        return arguments.detach().requires_grad_() if odd else arguments
    if isinstance(arguments, dict):
        return {k: leaves(v) for k, v in arguments.items()}
    if type(arguments) in (list, tuple):
        return type(arguments)(leaves(v) for v in arguments)
    return arguments


def has_values(op: Any, sample: Any) -> bool:
    """Whether the elements of the result are defined: neither random nor left as they were."""
    draws = SOMETIMES_RANDOM.get(op.name)
    if draws is not None:
        found = (sample.kwargs.get(name, default) for name, default in draws.items())
        return not all(isinstance(f, torch.Tensor) or f for f in found)
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
    except RuntimeError as error:
        if not second:
            raise
        raise Nothing(NO_SECOND) from error
    if theirs is None:
        raise Nothing("PyTorch has no gradient for this sample")
    mine = gradients(call, thrace, call.mine, call.fn, True, second)
    if mine is None:
        raise Mismatch("no result requires grad")
    theirs, flags = theirs
    mine, own_flags = mine
    if any(own and not flag for own, flag in zip(own_flags, flags, strict=True)):
        raise Mismatch(f"results require grad: {own_flags}, in PyTorch {flags}")
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
            e, g = (narrowed(t) for t in (e, g))
        if second and op.name in NAN_SECOND_GRADIENT:
            e = torch.where(e.isnan(), torch.from_numpy(g.detach().numpy()), e)
        same(e, g, values)


def narrowed(t: Any) -> Any:
    """In single precision."""
    if t.is_complex():
        return t.to(torch.complex64 if isinstance(t, torch.Tensor) else thrace.complex64)
    return t.float()


def gradients(call: Call, lib: Any, arguments: Any, fn: Any, mine: bool, second: bool) -> Any:
    """The gradients of a sample by every operand, or those of the gradients themselves."""
    args, kwargs = arguments
    inputs = [t for t in tensors_in((args, kwargs)) if t.requires_grad]
    wrapper = call.op.gradcheck_wrapper
    if mine and wrapper.__name__.startswith("gradcheck_wrapper_masked"):
        fn, wrapper = functools.partial(masked, call), _plain
    lib.manual_seed(0)
    result = (rebound(wrapper) if mine else wrapper)(fn, *args, **kwargs)
    results = tensors_in(call.process(result, mine))
    flags = [t.requires_grad for t in results]
    outputs = [t for t in results if t.requires_grad]
    if not outputs or not inputs:
        return None
    grads = lib.autograd.grad(
        outputs,
        inputs,
        [ramp(lib, o) for o in outputs],
        allow_unused=True,
        create_graph=second,
    )
    if second:
        firsts = [g for g in grads if g is not None and g.requires_grad]
        if not firsts:
            return [None for _ in inputs], flags
        cots = [ramp(lib, g) for g in firsts]
        grads = lib.autograd.grad(firsts, inputs, cots, allow_unused=True)
    return grads, flags


def _plain(fn: Any, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


def masked(call: Call, *args: Any, **kwargs: Any) -> Any:
    """A masked operation's result with zeros where PyTorch says that nothing is defined."""
    assert call.fn is not None
    out = call.fn(*args, **kwargs)
    theirs, named = call.theirs
    pair = named.get("input_mask"), named.get("other_mask")
    if all(m is not None for m in pair):
        there = torch.logical_and(*pair)  # of shapes that broadcast to the operand's
        there = torch.masked._input_mask(*theirs, mask=there)  # type: ignore[attr-defined]
        return thrace.where(Converter()(there), out, out.new_zeros([]))
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
    """The method with an underscore, or the function's `inplace=True`."""
    name = getattr(op.inplace_variant, "__name__", "")
    if op.inplace_variant is None:
        return
    method = hasattr(torch.Tensor, name)

    def run(sample: Any) -> None:
        call = Call(op, sample)
        (x, *rest), kwargs = call.theirs
        (y, *own_rest), own_kwargs = call.mine
        x, y = x.clone(), y.clone()
        torch.manual_seed(0)
        thrace.manual_seed(0)
        write = (lambda t, *a, **k: getattr(t, name)(*a, **k)) if method else op.inplace_variant
        try:
            write(x, *rest, **kwargs)
        except REFUSALS as error:
            refused(error, lambda: rebound(write)(y, *own_rest, **own_kwargs))
            return
        result = rebound(write)(y, *own_rest, **own_kwargs)
        if result is not y:
            raise Mismatch(f"{name} did not return the tensor itself")
        same(x, y, has_values(op, sample), each=isinstance(op, ELEMENTWISE))

    for dtype in FORWARD_DTYPES:
        if dtype not in op.supported_dtypes("cpu"):
            continue
        for i, sample in enumerate(samples_of(op, dtype)):
            if not sample.broadcasts_input and isinstance(sample.input, torch.Tensor):
                yield outcome(f"{named(dtype)} {i}", functools.partial(run, sample))


def named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


def refused(error: Exception, run: Callable[[], Any]) -> None:
    """Raises: Mismatch if `run` takes what PyTorch refuses with `error`."""
    try:
        for t in tensors_in(run()):
            t.detach().numpy()
    except REFUSALS:
        return
    raise Mismatch(f"no error; PyTorch: {type(error).__name__} {' '.join(str(error).split())[:90]}")


def methods(op: Any) -> Samples:
    """PyTorch's method, operator and other names of an entry give what its function gives."""
    dtype = next((d for d in FORWARD_DTYPES if d in op.supported_dtypes("cpu")), None)
    if dtype is None:
        return
    name = getattr(op.method_variant, "__name__", "")
    forms: list[tuple[str, Any]] = []
    if hasattr(torch.Tensor, name):
        forms.append((f"Tensor.{name}", getattr(thrace.Tensor, name, None)))
    for alias in op.aliases:
        if find_in(torch, alias.name) is not None:
            forms.append((alias.name, find(alias.name)))
    for operator_ in (op.operator_variant, op.inplace_operator_variant):
        if operator_ is not None:
            forms.append((operator_.__name__, operator_))

    def run(fn: Any, sample: Any) -> None:
        if fn is None:
            raise Mismatch("missing")
        call = Call(op, sample)
        args, kwargs = call.mine
        if not isinstance(args[0], (thrace.Tensor, list, tuple)):
            raise Nothing("no tensor to call the method of")
        try:
            expected = call.expected()
        except REFUSALS as error:
            raise Nothing("PyTorch refuses the sample") from error
        thrace.manual_seed(0)
        call.compare(expected, fn(*args, **kwargs), has_values(op, sample))

    for form, fn in forms:
        for i, sample in enumerate(itertools.islice(samples_of(op, dtype), METHOD_SAMPLES)):
            if "__i" in form or form.startswith("i"):
                continue  # the in-place check has these
            yield outcome(f"{form} {i}", functools.partial(run, fn, sample))


def views(op: Any) -> Samples:
    """Results share memory with operands where PyTorch's do, and have its strides there."""
    dtype = next((d for d in FORWARD_DTYPES if d in op.supported_dtypes("cpu")), None)
    if dtype is None or op.name in UNDEFINED_VALUES:
        return

    def run(sample: Any) -> None:
        call = Call(op, sample, memory=True)
        expected, got = call.expected(), call.got()
        theirs, mine = sharing(call.theirs, expected), sharing(call.mine, got)
        if theirs != mine:
            raise Mismatch(f"results share memory with operands {mine}, in PyTorch {theirs}")
        for e, g, shared in zip(tensors_in(expected), tensors_in(got), theirs, strict=True):
            apart = [a for a, n in enumerate(e.shape) if n > 1]
            wanted, found = ([t.stride()[a] for a in apart] for t in (e, g))
            if shared and wanted != found and e.numel():
                raise Mismatch(f"a view has strides {g.stride()}, in PyTorch {e.stride()}")

    for i, sample in enumerate(itertools.islice(samples_of(op, dtype), VIEW_SAMPLES)):
        yield outcome(str(i), functools.partial(run, sample))


def sharing(arguments: Any, results: Any) -> list[list[int]]:
    """For each tensor of the results the operands that it shares memory with."""
    operands = tensors_in(arguments)
    return [
        [i for i, x in enumerate(operands) if x.numel() and memory_of(x) == memory_of(t)]
        for t in tensors_in(results)
    ]


def memory_of(t: Any) -> int:
    return t.untyped_storage().data_ptr()


def out(op: Any) -> Samples:
    """`out=` of the result's shape; and for one sample of others, and of other dtypes."""
    if not op.supports_out or torch.float32 not in op.supported_dtypes("cpu"):
        return

    def run(sample: Any, kind: str) -> None:
        shape = OUTS[kind]
        call = Call(op, sample)
        expected = call.expected()
        if not tensors_in(expected):
            raise Nothing("the result is no tensor")
        many = isinstance(expected, (tuple, list))
        theirs, blanks = [], []
        for t in tensors_in(expected):
            theirs.append(shape(torch, t))
            blanks.append(shape(thrace, t))
        args, kwargs = call.theirs
        own_args, own_kwargs = call.mine
        assert call.fn is not None
        given = tuple(blanks) if many else blanks[0]
        try:
            op.op(*args, **kwargs, out=tuple(theirs) if many else theirs[0])
        except TypeError as error:
            raise Nothing(NO_OUT) from error
        except RuntimeError as error:
            if "failed to match any schema" in str(error):
                raise Nothing(NO_OUT) from error
            refused(error, lambda: call.fn(*own_args, **own_kwargs, out=given))  # type: ignore[misc]
            return
        result = call.fn(*own_args, **own_kwargs, out=given)
        if any(a is not b for a, b in zip(tensors_in(result), blanks, strict=True)):
            raise Mismatch("the result is not the tensor given as out=")
        if [b.dtype for b in blanks] != [Converter()(t.dtype) for t in theirs]:
            raise Mismatch("out= has another dtype afterwards")
        kept = [t.dtype for t in tensors_in(expected)]  # elements are as exact as in this one
        got = [b.to(Converter()(d)) for b, d in zip(blanks, kept, strict=True)]
        wanted = [t.to(d) for t, d in zip(theirs, kept, strict=True)]
        pair = (tuple(wanted), tuple(got)) if many else (wanted[0], got[0])
        values = has_values(op, sample)
        for t, w in zip(tensors_in(expected), wanted, strict=True):
            if values and not torch.allclose(t, w, 1e-4, 1e-5, equal_nan=True):
                raise Nothing("PyTorch's own out= is not what it returns")
        call.compare(*pair, values)
        for t, b in zip(theirs, blanks, strict=True):
            if b.is_contiguous() != t.is_contiguous() and kind == "strided":
                raise Mismatch(f"out= has strides {b.stride()} afterwards, in PyTorch {t.stride()}")

    for i, sample in enumerate(itertools.islice(samples_of(op, torch.float32), OUT_SAMPLES)):
        for kind in OUTS:
            if kind == "same" or i == 0:
                yield outcome(f"{i} {kind}", functools.partial(run, sample, kind))


def _like(lib: Any, t: Any, shape: Any = None, dtype: Any = None) -> Any:
    dtype = dtype or t.dtype
    sizes = tuple(t.shape) if shape is None else shape
    return lib.zeros(sizes, dtype=dtype if lib is torch else Converter()(dtype))


def _other_kind(t: Any) -> torch.dtype:
    """A dtype that a result of this one cannot be written to, or can with a conversion."""
    return torch.float64 if t.dtype in (torch.bool, torch.int64) else torch.int64


def _wider(t: Any) -> torch.dtype:
    return torch.complex128 if t.is_complex() else torch.float64


OUTS: dict[str, Callable[[Any, Any], Any]] = {
    "same": _like,
    "empty": lambda lib, t: _like(lib, t, (0,)),
    "strided": lambda lib, t: (
        _like(lib, t, tuple(t.shape)[::-1]).permute(*reversed(range(t.ndim)))
        if t.ndim > 1
        else _like(lib, t)
    ),
    "other dtype": lambda lib, t: _like(lib, t, dtype=_other_kind(t)),
    "wider dtype": lambda lib, t: _like(lib, t, dtype=_wider(t)),
}


def errors(op: Any) -> Samples:
    """What PyTorch refuses is refused, by a plain call and under `thrace.compile`."""
    if op.error_inputs_func is None:
        return
    torch.manual_seed(0)
    for i, wrong in enumerate(op.error_inputs("cpu")):

        def run(wrong: Any, compiled: bool) -> None:
            fn = function_for(op)
            assert fn is not None
            if compiled:
                fn = thrace.compile(functools.partial(_plain, fn))
            try:
                call = Call(op, wrong.sample_input, memory=True)
                args, kwargs = call.mine
                for t in tensors_in(fn(*args, **kwargs)):
                    t.detach().numpy()  # what hangs on values is known now
            except wrong.error_type:
                return
            except Unsupported:
                raise
            except Exception as error:
                raise Mismatch(
                    f"{type(error).__name__} for {wrong.error_type.__name__}: {str(error)[:120]}"
                ) from None
            args, kwargs = call.theirs
            try:
                op.op(*args, **kwargs)
            except Exception:
                raise Mismatch(f"no error; PyTorch: {str(wrong.error_regex)[:120]}") from None
            raise Nothing("PyTorch takes this")

        for compiled in (False, True):
            name = f"{i} compiled" if compiled else str(i)
            yield outcome(name, functools.partial(run, wrong, compiled))


def compiled(op: Any) -> Samples:
    """Under `thrace.compile`: a first call, a replay, and a replay with other numbers."""
    if torch.float32 not in op.supported_dtypes("cpu"):
        return

    def run(sample: Any) -> None:
        call = Call(op, sample)
        assert call.fn is not None
        fn = thrace.compile(functools.partial(_plain, call.fn))
        values = has_values(op, sample)
        shown = op.name.startswith("as_strided")  # of more than the operand itself shows
        for factor in (1, 1) if shown else (1, 1, 0.875):
            args, kwargs = call.theirs if shown else scaled(call.theirs, factor)
            torch.manual_seed(0)
            expected = op.op(*args, **kwargs)
            own_args, own_kwargs = call.mine if shown else scaled(call.mine, factor)
            thrace.manual_seed(0)
            call.compare(expected, fn(*own_args, **own_kwargs), values, args[0])

    picked = itertools.islice(samples_of(op, torch.float32), COMPILED_SAMPLES)
    for i, sample in enumerate(picked):
        yield outcome(str(i), functools.partial(run, sample))


def scaled(arguments: Any, factor: float) -> Any:
    """Arguments with every floating-point tensor multiplied; each its own copy."""
    if isinstance(arguments, (torch.Tensor, thrace.Tensor)):
        return arguments * factor if arguments.is_floating_point() else arguments.clone()
    if isinstance(arguments, dict):
        return {k: scaled(v, factor) for k, v in arguments.items()}
    if type(arguments) in (list, tuple):
        return type(arguments)(scaled(v, factor) for v in arguments)
    return arguments


CHECKS: dict[str, Callable[[Any], Samples]] = {
    "forward": forward,
    "gradient": gradient,
    "second": second,
    "inplace": inplace,
    "methods": methods,
    "views": views,
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

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
