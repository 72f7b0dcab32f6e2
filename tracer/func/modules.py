"""Modules as functions of their parameters. Imported by the front door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..grad_mode import no_grad
from ..tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with these tensors in the place of its parameters and buffers of those
    names (as in `named_parameters`).

    With `tie_weights`, parameters that the module shares are replaced together; with
    `strict`, RuntimeError unless the names are exactly those of the module. What the call
    writes to a buffer goes to the tensor given for it.
    """
    given: dict[str, Tensor] = {}
    if isinstance(parameter_and_buffer_dicts, Mapping):
        given.update(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        for d in parameter_and_buffer_dicts:
            if not isinstance(d, Mapping):
                raise ValueError(
                    "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
                )
            if not given.keys().isdisjoint(d):
                twice = sorted(given.keys() & d.keys())
                raise ValueError(f"{twice} appear in multiple dictionaries; behavior is ambiguous")
            given.update(d)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    places = _places(module)
    if tie_weights:
        given = _with_tied(module, places, given)
    _check_names(module, places, given, strict)
    entries = [
        (table, name, given[path]) for path, (table, name) in places.items() if path in given
    ]
    before = [table[name] for table, name, _ in entries]
    try:
        for table, name, t in entries:
            table[name] = t
        return module(*args, **(kwargs or {}))
    finally:
        for (table, name, _), old in zip(entries, before, strict=True):
            table[name] = old


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer stands, by its name in the whole module."""
    out: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for name in table:
                out[f"{prefix}.{name}" if prefix else name] = (table, name)
    return out


def _with_tied(module: Any, places: dict, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """`given` with an entry for each other name of what it replaces."""
    names: dict[int, list[str]] = {}
    for path, (table, name) in places.items():
        if table[name] is not None:
            names.setdefault(id(table[name]), []).append(path)
    out = dict(given)
    for same in names.values():
        new = [given[p] for p in same if p in given]
        if len({id(t) for t in new}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(same)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if new:
            out |= dict.fromkeys(same, new[0])
    return out


def _check_names(module: Any, places: dict, given: dict[str, Tensor], strict: bool) -> None:
    unknown = [p for p in given if p not in places]
    missing = [p for p in places if p not in given] if strict else []
    if (strict and unknown) or missing:
        lines = []
        if missing:
            lines.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
        if unknown:
            lines.append(f"Unexpected key(s): {', '.join(map(repr, unknown))}.")
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(lines)
        )


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of like models, each stacked along a new dim 0.

    The parameters are leaves that require grad if those of the models do. With `vmap` over
    both of `functional_call`, the models run as one. Raises: RuntimeError for no models, or
    for models of different classes or modes.
    """
    from ..api.join import stack

    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(tables: list[dict[str, Tensor]]) -> dict[str, Any]:
        out = {}
        for name in tables[0]:
            tensors = [table[name] for table in tables]
            flags = {t.requires_grad for t in tensors}
            if len(flags) > 1:
                raise RuntimeError(
                    f"Expected {name} from each model to have the same .requires_grad"
                )
            with no_grad():
                made = stack(tensors)
            out[name] = made.requires_grad_(flags.pop())
        return out

    params = stacked([dict(m.named_parameters()) for m in models])
    buffers = stacked([dict(m.named_buffers()) for m in models])
    return params, buffers
