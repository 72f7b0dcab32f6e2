"""`thrace.higher_order_ops`: structured control flow, `torch._higher_order_ops`' names."""

from thrace.tracer.api.control import associative_scan, cond, map, scan, while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
