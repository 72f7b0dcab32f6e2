"""The front door: every public name, and nothing of its own. Importing it does not import jax."""

from thrace import autograd, cuda, linalg, nn, optim
from thrace import functions as _functions
from thrace.functions import *
from thrace.ir.errors import (
    AutogradError,
    AxisError,
    DataDependentError,
    DeviceError,
    DTypeError,
    FallbackError,
    GraphError,
    ShapeError,
    StateLostError,
    ThraceError,
)
from thrace.ir.graph import Graph
from thrace.ir.promotion import promote_types
from thrace.ir.types import (
    DType,
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from thrace.ir.types import bool_ as bool
from thrace.tools import bind as _bind_tools
from thrace.tracer.autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from thrace.tracer.compile import FallbackWarning, RecompileWarning, compile
from thrace.tracer.devices import Device
from thrace.tracer.explain import explain
from thrace.tracer.formatting import set_printoptions
from thrace.tracer.promotion import can_cast
from thrace.tracer.random import Generator, default_generator, manual_seed
from thrace.tracer.state import default_dtype as get_default_dtype
from thrace.tracer.state import is_grad_enabled, set_default_dtype
from thrace.tracer.tensor import Size, Tensor
from thrace.tracer.tracing import spec, trace

__version__ = "0.1.0"

# PyTorch's other names.
device, dtype = Device, DType
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

__all__ = [
    "AutogradError",
    "AxisError",
    "DTypeError",
    "DataDependentError",
    "DeviceError",
    "FallbackError",
    "FallbackWarning",
    "Generator",
    "Graph",
    "GraphError",
    "RecompileWarning",
    "ShapeError",
    "Size",
    "StateLostError",
    "Tensor",
    "ThraceError",
    "autograd",
    "bfloat16",
    "bool",
    "can_cast",
    "cdouble",
    "cfloat",
    "compile",
    "complex64",
    "complex128",
    "cuda",
    "default_generator",
    "device",
    "double",
    "dtype",
    "enable_grad",
    "explain",
    "float",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "linalg",
    "long",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "promote_types",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "short",
    "spec",
    "trace",
    "uint8",
]
__all__ += _functions.__all__

_bind_tools()
