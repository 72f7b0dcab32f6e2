"""The functional API: PyTorch's functions as compositions of the IR's primitives.

Each file has tables: METHODS (bound to `Tensor`), FUNCTIONS (public as `thrace.<name>`),
INPLACE (methods that get a `name_` form) and INPLACE_FUNCTIONS (of those, the ones that are
functions too). `methods.py` reads them.
"""
