"""What values a parameter or a sample may have. Public as `distributions.constraints`."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class Constraint:
    """A set of values: `check(x)` says elementwise, without `event_dim` last dims, who is in."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Any:
        """Whether each value is in the set."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__.removeprefix("_") + "()"


class _Real(Constraint):
    def check(self, value: Any) -> Any:
        return value == value  # all but nan


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value == 0) | (value == 1)


class _Bounds(Constraint):
    """Numbers beside bounds, which are themselves out where `strict`."""

    strict = False

    def __init__(self, lower: Any = None, upper: Any = None):
        self.lower_bound, self.upper_bound = lower, upper

    def check(self, value: Any) -> Any:
        ok = value == value
        if self.lower_bound is not None:
            low = self.lower_bound
            ok = ok & ((value > low) if self.strict else (value >= low))
        if self.upper_bound is not None:
            ok = ok & (value <= self.upper_bound)
        return ok

    def __repr__(self) -> str:
        given = {"lower_bound": self.lower_bound, "upper_bound": self.upper_bound}
        inside = ", ".join(f"{k}={v}" for k, v in given.items() if v is not None)
        return f"{type(self).__name__.lower().removeprefix('_')}({inside})"


class interval(_Bounds):
    """Numbers from a lower to an upper bound."""


class greater_than(_Bounds):
    """Numbers above a bound."""

    strict = True


class greater_than_eq(_Bounds):
    """Numbers from a bound on."""


class less_than(Constraint):
    """Numbers below a bound."""

    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return value < self.upper_bound


class integer_interval(_Bounds):
    """Whole numbers from a lower to an upper bound."""

    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & super().check(value)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value: Any) -> Any:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _LowerCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        lower = (value.tril() == value).flatten(-2).all(-1)
        return lower & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _PositiveDefinite(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        from ..api.decompositions import cholesky_ex

        even = ((value - value.mT).abs() <= 1e-6).flatten(-2).all(-1)
        return even & (cholesky_ex(value).info == 0)


class multinomial(Constraint):
    """Counts that add up to a number."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class independent(Constraint):
    """A constraint whose last dims belong together."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Any) -> Any:
        ok = self.base_constraint.check(value)
        for _ in range(self.reinterpreted_batch_ndims):
            ok = ok.all(-1)
        return ok


class _Dependent(Constraint):
    """A constraint that only an instance knows."""


dependent = _Dependent()
real = _Real()
real_vector = independent(real, 1)
boolean = _Boolean()
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
nonnegative_integer = integer_interval(0)
positive_integer = integer_interval(1)
unit_interval = interval(0.0, 1.0)
simplex = _Simplex()
one_hot = _OneHot()
lower_cholesky = _LowerCholesky()
positive_definite = _PositiveDefinite()


def is_dependent(constraint: Constraint) -> bool:
    """Whether only an instance knows the constraint."""
    return isinstance(constraint, _Dependent)
