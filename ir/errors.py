"""The errors that bad programs raise. Everything in the project may import this file."""


class ThraceError(Exception):
    """Base of the project's own errors; each also is the built-in error PyTorch raises."""


class ShapeError(ThraceError, RuntimeError, ValueError):
    """Shapes that an operation does not accept, shown as the user wrote them."""


class DTypeError(ThraceError, TypeError, RuntimeError):
    """Element types that an operation does not accept."""


class UnsupportedDTypeError(DTypeError, NotImplementedError):
    """A dtype for which an operation has no meaning, such as the order of complex numbers."""


class AxisError(ThraceError, IndexError):
    """An axis or index out of range."""


class IndexRangeError(AxisError, RuntimeError):
    """A value that an operation does not accept, mostly an element of an index tensor out of
    range; PyTorch raises either base for it."""


class LinAlgError(ThraceError, RuntimeError):
    """A matrix that has not got what is asked of it: an inverse, a factor."""


class DeviceError(ThraceError, RuntimeError):
    """Operands on different devices, or a device that is not there."""


class AutogradError(ThraceError, RuntimeError):
    """A differentiation that cannot be done, such as a second one through a freed graph."""


class GraphError(ThraceError, ValueError):
    """A graph that the verifier or the parser refuses."""


class DataDependentError(ThraceError, RuntimeError):
    """A tensor's value was needed where there is none, as in `thrace.trace`."""


class StateLostError(ThraceError, RuntimeError):
    """A donated buffer was consumed by a step that then failed."""


class RecompileError(ThraceError, RuntimeError):
    """A call inside `no_recompile()` met a state that no trace was recorded in."""


class OutOfMemoryError(ThraceError, RuntimeError, MemoryError):
    """An allocation that failed, or was refused because it would."""


class FallbackError(ThraceError, RuntimeError):
    """A call that `fullgraph=True` forbids: it could not be replayed as one graph."""


class AnomalyError(ThraceError, RuntimeError):
    """A value that is nan, infinite or too large where anomalies are looked for; `anomaly` says
    which node made it, and from what."""

    def __init__(self, message: str, anomaly: object = None):
        super().__init__(message)
        self.anomaly = anomaly
