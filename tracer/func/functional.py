"""`autograd.functional`: products and matrices of derivatives at tensors.

Inputs and outputs are a tensor or a tuple of tensors; results are arranged likewise. What is
returned has history only under `create_graph`. Imported by the front door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..recording import recorder_for
from ..state import STATE
from ..tensor import Tensor
from .derivatives import basis_of
from .levels import Level, Linear, filled, ones_like, pull
from .vmap import vmap


def _tuple(arg: str, value: Any) -> tuple[bool, tuple[Tensor, ...]]:
    """Whether it was a tuple, and the tensors. Raises: TypeError for anything else."""
    single = not isinstance(value, tuple)
    found = (value,) if single else value
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            place = f"the given {arg} has" if single else f"the value at index {i} of {arg} has"
            raise TypeError(
                f"The {arg} must be either a Tensor or a tuple of Tensors but "
                f"{place} type {type(t)}."
            )
    return not single, found


class _Run:
    """One run of the user's function inside a level."""

    def __init__(self, what: str, func: Any, inputs: Any, create_graph: bool, strict: bool):
        self.what = what
        self.create_graph = create_graph
        self.strict = strict
        self.level = Level(shut=False)
        self.in_tuple, given = _tuple(f"inputs given to {what}", inputs)
        with self.level:
            if not create_graph:
                given = tuple(t.detach() for t in given)
            self.inputs = [self.level.enter(t) for t in given]
            output = func(*self.inputs)
            name = f"outputs of the user-provided function given to {what}"
            self.out_tuple, self.outputs = _tuple(name, output)
            if strict:
                for i, t in enumerate(self.outputs):
                    if not t.requires_grad:
                        raise RuntimeError(
                            f"Output {i} of the user-provided function does not require gradients. "
                            "The outputs must be computed in a differentiable manner from the "
                            "input when running in strict mode."
                        )

    def vectors(self, v: Any, likes: Sequence[Tensor], is_tuple: bool, message: str) -> list[Any]:
        """`v`, checked against what it is a vector for; ones for a single element."""
        if v is None:
            if len(likes) != 1 or likes[0]._type.numel != 1:
                raise RuntimeError(message)
            return [ones_like(likes[0])]
        _, found = _tuple(f"v given to {self.what}", v)
        if len(found) != len(likes):
            if is_tuple:
                raise RuntimeError(
                    f"v is a tuple of invalid length: should be {len(likes)} but got {len(found)}."
                )
            raise RuntimeError("The given v should contain a single Tensor.")
        for i, (t, like) in enumerate(zip(found, likes, strict=True)):
            if t._type.shape != like._type.shape:
                entry = f"Entry {i} in v" if is_tuple else "v"
                raise RuntimeError(
                    f"{entry} has invalid size: should be {like.shape} but got {t.shape}."
                )
        return [t if self.create_graph else t.detach() for t in found]

    def whole(self, made: Sequence[Tensor | None], likes: Sequence[Tensor], why: str) -> Any:
        """Gradients with zeros where nothing flowed; in strict mode that is an error."""
        if self.strict:
            for i, g in enumerate(made):
                if g is None:
                    raise RuntimeError(f"{why.format(i)} This is not allowed in strict mode.")
        return filled(made, likes)

    def give(self, tensors: Sequence[Tensor], is_tuple: bool) -> Any:
        out = list(tensors) if self.create_graph else [t.detach() for t in tensors]
        if STATE.recorder is not None:
            STATE.recorder.maybe_evaluate()
        return tuple(out) if is_tuple else out[0]


_BACK = "The output of the user-provided function is independent of input {}."
_TRICK = "The gradient of the user-provided function is independent of entry {} of its cotangent."
_DOUBLE = "The jacobian of the user-provided function is independent of input {}."


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product of the vector `v` with its Jacobian."""
    run = _Run("vjp", func, inputs, create_graph, strict)
    with run.level:
        seeds = run.vectors(
            *(v, run.outputs, run.out_tuple),
            "The vector v can only be None if the user-provided function returns a single Tensor "
            "with a single element.",
        )
        made = pull(run.outputs, seeds, run.inputs, run.level.start)
        grads = run.whole(made, run.inputs, _BACK)
    return run.give(run.outputs, run.out_tuple), run.give(grads, run.in_tuple)


_NO_V = (
    "The vector v can only be None if the input to the user-provided function is a single Tensor "
    "with a single element."
)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product of its Jacobian with the vector `v`."""
    run = _Run("jvp", func, inputs, create_graph, strict)
    with run.level:
        moves = run.vectors(v, run.inputs, run.in_tuple, _NO_V)
        linear = Linear(run.outputs, run.inputs, run.level.start)
        made = run.whole(linear(moves), run.outputs, _TRICK)
    return run.give(run.outputs, run.out_tuple), run.give(made, run.out_tuple)


def _scalar(run: _Run) -> None:
    if run.out_tuple or run.outputs[0]._type.numel != 1:
        what = "a single Tensor" if run.out_tuple else "a single element"
        if run.out_tuple:
            raise RuntimeError(f"The function given to {run.what} should return {what}")
        raise RuntimeError(
            f"The Tensor returned by the function given to {run.what} should contain {what}"
        )


def _gradient(run: _Run) -> list[Tensor]:
    """The gradient of a scalar function, itself differentiable."""
    out = run.outputs[0]
    made = pull([out], [ones_like(out)], run.inputs, run.level.start)
    return run.whole(made, run.inputs, _BACK)


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of a scalar function, and the product of the vector `v` with its Hessian."""
    run = _Run("vhp", func, inputs, create_graph, strict)
    with run.level:
        seeds = run.vectors(v, run.inputs, run.in_tuple, _NO_V)
        _scalar(run)
        first = _gradient(run)
        made = pull(first, seeds, run.inputs, run.level.start)
        grads = run.whole(made, run.inputs, _DOUBLE)
    return run.give(run.outputs, run.out_tuple), run.give(grads, run.in_tuple)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of a scalar function, and the product of its Hessian with the vector `v`."""
    run = _Run("hvp", func, inputs, create_graph, strict)
    with run.level:
        moves = run.vectors(v, run.inputs, run.in_tuple, _NO_V)
        _scalar(run)
        first = _gradient(run)
        if strict and not any(g.requires_grad for g in first):
            raise RuntimeError(f"{_DOUBLE.format(0)} This is not allowed in strict mode.")
        linear = Linear(first, run.inputs, run.level.start)
        made = run.whole(linear(moves), run.inputs, _DOUBLE)
    return run.give(run.outputs, run.out_tuple), run.give(made, run.in_tuple)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output a row with an entry per input, of shape output + input.

    Rows (columns, forwards) are computed together whatever `vectorize` says.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". The first takes a '
            "pass per input element, the second one per output element."
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `create_graph=True` and "
                '`strategy="forward-mode"` are not supported together (yet).'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
                "implemented for `vectorize=True`."
            )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together."
        )
    run = _Run("jacobian", func, inputs, create_graph, strict)
    with run.level:
        rows = (_forwards if strategy == "forward-mode" else _rows)(run, run.outputs)
    return _arranged(run, rows)


def _rows(run: _Run, outputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each output, its Jacobian by each input."""
    if run.strict:
        for j in range(len(run.inputs)):
            for i, out in enumerate(outputs):
                made = pull([out], [ones_like(out)], run.inputs, run.level.start)
                if made[j] is None:
                    raise RuntimeError(
                        f"Output {i} of the user-provided function is independent of input {j}. "
                        "This is not allowed in strict mode."
                    )

    def row(*seeds: Tensor) -> tuple[Tensor, ...]:
        made = pull(outputs, seeds, run.inputs, run.level.start)
        return tuple(filled(made, run.inputs))

    basis = basis_of(outputs)
    if not basis or not basis[0].shape[0]:
        return [[_zeros(o, t) for t in run.inputs] for o in outputs]
    columns = vmap(row)(*basis)
    rows = []
    start = 0
    for out in outputs:
        count = out._type.numel
        rows.append(
            [
                c.narrow(0, start, count).reshape((*out.shape, *t.shape))
                for c, t in zip(columns, run.inputs, strict=True)
            ]
        )
        start += count
    return rows


def _forwards(run: _Run, outputs: Sequence[Tensor]) -> list[list[Tensor]]:
    linear = Linear(outputs, run.inputs, run.level.start)
    basis = basis_of(run.inputs)
    if not basis[0].shape[0]:
        return [[_zeros(o, t) for t in run.inputs] for o in outputs]
    columns = vmap(lambda *moves: tuple(filled(linear(moves), outputs)))(*basis)
    rows: list[list[Tensor]] = []
    for out, column in zip(outputs, columns, strict=True):
        start = 0
        row = []
        for t in run.inputs:
            part = column.narrow(0, start, t._type.numel).movedim(0, -1)
            row.append(part.reshape((*out.shape, *t.shape)))
            start += t._type.numel
        rows.append(row)
    return rows


def _zeros(out: Tensor, t: Tensor) -> Tensor:
    type = t._type.with_shape((*out._type.shape, *t._type.shape))
    return Tensor._wrap(recorder_for(t.device).zeros(type), t.device)


def _arranged(run: _Run, rows: list[list[Tensor]]) -> Any:
    made = tuple(run.give(row, run.in_tuple) for row in rows)
    return made if run.out_tuple else made[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a scalar function: for each pair of inputs an entry of both shapes."""
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    run = _Run("hessian", func, inputs, create_graph, strict)
    with run.level:
        _scalar(run)
        first = _gradient(run)
        if strict:
            for i, g in enumerate(first):
                second = pull([g], [ones_like(g)], run.inputs, run.level.start)
                for j, s in enumerate(second):
                    if s is None or not g.requires_grad:
                        raise RuntimeError(
                            "While computing the hessian, found that the jacobian of the "
                            f"user-provided function with respect to input {i} is independent of "
                            f"input {j}. This is not allowed in strict mode."
                        )
        rows = (_forwards if outer_jacobian_strategy == "forward-mode" else _rows)(run, first)
    made = tuple(run.give(row, run.in_tuple) for row in rows)
    return made if run.in_tuple else made[0]


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
