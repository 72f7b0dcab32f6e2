"""Classes that programs use beside the library: `autograd.Function`s, one set per library."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def classes(T: Any) -> dict[str, Any]:
    """The classes over a library's `autograd.Function`, by the names that programs call."""

    class Cube(T.autograd.Function):
        """Saves an input; can be differentiated twice."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    class Product(T.autograd.Function):
        """Two operands, one of which may need no gradient, and a number."""

        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, factor: float) -> Any:
            ctx.save_for_backward(x, y)
            ctx.factor = factor
            return x * y * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            first = g * y * ctx.factor if ctx.needs_input_grad[0] else None
            return first, g * x * ctx.factor if ctx.needs_input_grad[1] else None, None

    class Halved(T.autograd.Function):
        """A gradient that is not the function's."""

        @staticmethod
        def forward(x: Any) -> Any:
            return x.clone()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g / 2

    class Parts(T.autograd.Function):
        """Two results, of which one has no gradient."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            sign = x.sign()
            ctx.mark_non_differentiable(sign)
            return x * 2, sign

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            return g * 2

    return {c.__name__: c for c in (Cube, Product, Halved, Parts)}
