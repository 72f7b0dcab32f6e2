"""`thrace._higher_order_ops`: `thrace.higher_order_ops` under PyTorch's name."""

from thrace.higher_order_ops import associative_scan, cond, map, scan, while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
