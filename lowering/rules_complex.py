"""Complex numbers, their parts and bits as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

from jax import lax

from .rules_elementwise import binary, broadcast_right, unary


def _complex(x, y):
    """Unlike `lax.mul` and its like, `lax.complex` wants equal shapes."""
    shape = x.shape or y.shape
    return lax.complex(broadcast_right(x, shape), broadcast_right(y, shape))


RULES = {
    "real": unary(lax.real),
    "imag": unary(lax.imag),
    "complex": binary(_complex),
    "bitcast": lambda node, x: lax.bitcast_convert_type(x, node.attr("dtype").np),
}
