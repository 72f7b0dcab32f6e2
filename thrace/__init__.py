"""The front door: every public name, and nothing of its own. Importing it does not import jax."""

import math as _math

from thrace import _higher_order_ops as _higher_order_ops
from thrace import (
    accelerator,
    amp,
    array_api,
    autograd,
    backends,
    cpu,
    cuda,
    debug,
    distributions,
    fft,
    func,
    higher_order_ops,
    linalg,
    masked,
    nn,
    ops,
    optim,
    profiler,
    random,
    signal,
    special,
    testing,
    utils,
    version,
)
from thrace import functions as _functions
from thrace.functions import *
from thrace.ir.errors import (
    AnomalyError,
    AutogradError,
    AxisError,
    DataDependentError,
    DeviceError,
    DTypeError,
    FallbackError,
    GraphError,
    OutOfMemoryError,
    RecompileError,
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
    uint16,
    uint32,
    uint64,
)
from thrace.ir.types import bool_ as bool
from thrace.tools import bind as _bind_tools
from thrace.tracer.amp.autocast import (
    autocast,
    clear_autocast_cache,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
from thrace.tracer.compile import (
    FallbackWarning,
    RecompileWarning,
    compile,
    no_recompile,
)
from thrace.tracer.determinism import (
    are_deterministic_algorithms_enabled,
    get_deterministic_debug_mode,
    is_deterministic_algorithms_warn_only_enabled,
    set_deterministic_debug_mode,
    use_deterministic_algorithms,
)
from thrace.tracer.devices import Device
from thrace.tracer.explain import explain
from thrace.tracer.formats import (
    Layout,
    MemoryFormat,
    channels_last,
    channels_last_3d,
    contiguous_format,
    preserve_format,
    strided,
)
from thrace.tracer.formatting import set_printoptions
from thrace.tracer.func.vmap import vmap
from thrace.tracer.grad_mode import (
    enable_grad,
    inference_mode,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from thrace.tracer.promotion import can_cast
from thrace.tracer.random import Generator, default_generator, manual_seed
from thrace.tracer.serialization import load, save
from thrace.tracer.settings import (
    get_float32_matmul_precision,
    get_num_threads,
    set_float32_matmul_precision,
    set_num_threads,
)
from thrace.tracer.state import default_dtype as get_default_dtype
from thrace.tracer.state import is_grad_enabled, set_default_dtype
from thrace.tracer.tensor import Size, Tensor
from thrace.tracer.tracing import spec, trace
from thrace.tracer.typeinfo import finfo, iinfo

__version__ = version.__version__

# PyTorch's other names.
device, dtype = Device, DType
layout, memory_format = Layout, MemoryFormat
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None

__all__ = [
    "AnomalyError",
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
    "OutOfMemoryError",
    "RecompileError",
    "RecompileWarning",
    "ShapeError",
    "Size",
    "StateLostError",
    "Tensor",
    "ThraceError",
    "accelerator",
    "amp",
    "are_deterministic_algorithms_enabled",
    "array_api",
    "autocast",
    "autograd",
    "backends",
    "bfloat16",
    "bool",
    "can_cast",
    "cdouble",
    "cfloat",
    "channels_last",
    "channels_last_3d",
    "clear_autocast_cache",
    "compile",
    "complex64",
    "complex128",
    "contiguous_format",
    "cpu",
    "cuda",
    "debug",
    "default_generator",
    "device",
    "distributions",
    "double",
    "dtype",
    "e",
    "enable_grad",
    "explain",
    "fft",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "func",
    "get_autocast_dtype",
    "get_default_dtype",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_threads",
    "half",
    "higher_order_ops",
    "iinfo",
    "inf",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_autocast_cache_enabled",
    "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "layout",
    "linalg",
    "load",
    "long",
    "manual_seed",
    "masked",
    "memory_format",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "no_recompile",
    "ops",
    "optim",
    "pi",
    "preserve_format",
    "profiler",
    "promote_types",
    "random",
    "save",
    "set_autocast_cache_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_default_dtype",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "short",
    "signal",
    "spec",
    "special",
    "strided",
    "testing",
    "trace",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "use_deterministic_algorithms",
    "utils",
    "version",
    "vmap",
]
__all__ += _functions.__all__

_bind_tools()
