"""What `methods.py` binds to `Tensor`. Written by `make stubs` from the tables."""

import builtins
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..ir.types import DType
from .api import (
    arithmetic,
    compare,
    convert,
    creation,
    einsum,
    extremes,
    gather,
    indexing,
    join,
    linalg,
    moments,
    random,
    reduce,
    shape,
    softmax,
    unary,
)
from .tensor import Tensor

MODULES: tuple[ModuleType, ...]
UNARY: dict[str, Callable[[Tensor], Any]]
FUNCTIONS: dict[str, Callable[..., Any]]
LINALG: dict[str, Callable[..., Any]]

def methods() -> dict[str, Callable[..., Any]]: ...
def is_tensor(obj: Any) -> bool: ...
def numel(self: Tensor) -> int: ...

class TensorMethods:
    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Any, /) -> Tensor: ...
    def __and__(self, other: Any, /) -> Tensor: ...
    def __eq__(self, other: Any, /) -> Tensor: ...  # type: ignore[override]
    def __floordiv__(self, other: Any, /) -> Tensor: ...
    def __ge__(self, other: Any, /) -> Tensor: ...
    __getitem__ = indexing.getitem
    def __gt__(self, other: Any, /) -> Tensor: ...
    def __iadd__(self, other: Any, /) -> Tensor: ...
    def __iand__(self, other: Any, /) -> Tensor: ...
    def __ifloordiv__(self, other: Any, /) -> Tensor: ...
    def __ilshift__(self, other: Any, /) -> Tensor: ...
    def __imod__(self, other: Any, /) -> Tensor: ...
    def __imul__(self, other: Any, /) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __ior__(self, other: Any, /) -> Tensor: ...
    def __ipow__(self, other: Any, /) -> Tensor: ...
    def __irshift__(self, other: Any, /) -> Tensor: ...
    def __isub__(self, other: Any, /) -> Tensor: ...
    def __itruediv__(self, other: Any, /) -> Tensor: ...
    def __ixor__(self, other: Any, /) -> Tensor: ...
    def __le__(self, other: Any, /) -> Tensor: ...
    def __lshift__(self, other: Any, /) -> Tensor: ...
    def __lt__(self, other: Any, /) -> Tensor: ...
    def __matmul__(self, other: Any, /) -> Tensor: ...
    def __mod__(self, other: Any, /) -> Tensor: ...
    def __mul__(self, other: Any, /) -> Tensor: ...
    def __ne__(self, other: Any, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __or__(self, other: Any, /) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __pow__(self, other: Any, /) -> Tensor: ...
    def __radd__(self, other: Any, /) -> Tensor: ...
    def __rand__(self, other: Any, /) -> Tensor: ...
    def __rfloordiv__(self, other: Any, /) -> Tensor: ...
    def __rlshift__(self, other: Any, /) -> Tensor: ...
    def __rmod__(self, other: Any, /) -> Tensor: ...
    def __rmul__(self, other: Any, /) -> Tensor: ...
    def __ror__(self, other: Any, /) -> Tensor: ...
    def __rpow__(self, other: Any, /) -> Tensor: ...
    def __rrshift__(self, other: Any, /) -> Tensor: ...
    def __rshift__(self, other: Any, /) -> Tensor: ...
    def __rsub__(self, other: Any, /) -> Tensor: ...
    def __rtruediv__(self, other: Any, /) -> Tensor: ...
    def __rxor__(self, other: Any, /) -> Tensor: ...
    __setitem__ = indexing.setitem
    def __sub__(self, other: Any, /) -> Tensor: ...
    def __truediv__(self, other: Any, /) -> Tensor: ...
    def __xor__(self, other: Any, /) -> Tensor: ...
    abs = unary.abs
    abs_ = unary.abs
    absolute = unary.abs
    absolute_ = unary.abs
    add = arithmetic.add
    add_ = arithmetic.add
    addcdiv = arithmetic.addcdiv
    addcdiv_ = arithmetic.addcdiv
    addcmul = arithmetic.addcmul
    addcmul_ = arithmetic.addcmul
    addmm = linalg.addmm
    addmm_ = linalg.addmm
    addmv = linalg.addmv
    addmv_ = linalg.addmv
    addr = linalg.addr
    addr_ = linalg.addr
    adjoint = shape.matrix_transpose
    all = reduce.all
    allclose = compare.allclose
    amax = extremes.amax
    amin = extremes.amin
    aminmax = extremes.aminmax
    any = reduce.any
    argmax = extremes.argmax
    argmin = extremes.argmin
    argwhere = indexing.argwhere
    baddbmm = linalg.baddbmm
    baddbmm_ = linalg.baddbmm
    bernoulli = random.bernoulli
    bernoulli_ = random.bernoulli_
    def bfloat16(self, memory_format: Any = None) -> Tensor: ...
    bitwise_and = compare.bitwise_and
    bitwise_and_ = compare.bitwise_and
    bitwise_left_shift = compare.bitwise_left_shift
    bitwise_left_shift_ = compare.bitwise_left_shift
    bitwise_not = compare.bitwise_not
    bitwise_not_ = compare.bitwise_not
    bitwise_or = compare.bitwise_or
    bitwise_or_ = compare.bitwise_or
    bitwise_right_shift = compare.bitwise_right_shift
    bitwise_right_shift_ = compare.bitwise_right_shift
    bitwise_xor = compare.bitwise_xor
    bitwise_xor_ = compare.bitwise_xor
    bmm = linalg.bmm
    def bool(self, memory_format: Any = None) -> Tensor: ...
    broadcast_to = shape.broadcast_to
    def byte(self, memory_format: Any = None) -> Tensor: ...
    def cdouble(self, memory_format: Any = None) -> Tensor: ...
    ceil = unary.ceil
    ceil_ = unary.ceil
    def cfloat(self, memory_format: Any = None) -> Tensor: ...
    def char(self, memory_format: Any = None) -> Tensor: ...
    chunk = shape.chunk
    clamp = compare.clamp
    clamp_ = compare.clamp
    clamp_max = compare.clamp_max
    clamp_max_ = compare.clamp_max
    clamp_min = compare.clamp_min
    clamp_min_ = compare.clamp_min
    clip = compare.clamp
    clip_ = compare.clamp
    clone = convert.clone
    conj = convert.conj
    contiguous = convert.contiguous
    copy_ = convert.copy_
    cos = unary.cos
    cos_ = unary.cos
    count_nonzero = reduce.count_nonzero
    cpu = convert.cpu
    cuda = convert.cuda
    cumprod = reduce.cumprod
    cumprod_ = reduce.cumprod
    cumsum = reduce.cumsum
    cumsum_ = reduce.cumsum
    diag = join.diag
    diagonal = shape.diagonal
    def dim(self) -> builtins.int: ...
    div = arithmetic.div
    div_ = arithmetic.div
    divide = arithmetic.div
    divide_ = arithmetic.div
    dot = linalg.dot
    def double(self, memory_format: Any = None) -> Tensor: ...
    def element_size(self) -> builtins.int: ...
    eq = compare.eq
    eq_ = compare.eq
    equal = compare.equal
    erf = unary.erf
    erf_ = unary.erf
    exp = unary.exp
    exp2 = unary.exp2
    exp2_ = unary.exp2
    exp_ = unary.exp
    expand = shape.expand
    expand_as = shape.expand_as
    expm1 = unary.expm1
    expm1_ = unary.expm1
    exponential_ = random.exponential_
    fill_ = convert.fill_
    fill_diagonal_ = convert.fill_diagonal_
    fix = unary.trunc
    fix_ = unary.trunc
    flatten = shape.flatten
    flip = join.flip_method
    def float(self, memory_format: Any = None) -> Tensor: ...
    float_power = arithmetic.float_power
    float_power_ = arithmetic.float_power
    floor = unary.floor
    floor_ = unary.floor
    floor_divide = arithmetic.floor_divide
    floor_divide_ = arithmetic.floor_divide
    fmod = arithmetic.fmod
    fmod_ = arithmetic.fmod
    frac = unary.frac
    frac_ = unary.frac
    gather = gather.gather
    ge = compare.ge
    ge_ = compare.ge
    ger = linalg.outer
    greater = compare.gt
    greater_ = compare.gt
    greater_equal = compare.ge
    greater_equal_ = compare.ge
    gt = compare.gt
    gt_ = compare.gt
    def half(self, memory_format: Any = None) -> Tensor: ...
    index_add = gather.index_add
    index_add_ = gather.index_add
    index_copy = gather.index_copy
    index_copy_ = gather.index_copy
    index_fill = gather.index_fill
    index_fill_ = gather.index_fill
    index_put = gather.index_put
    index_put_ = gather.index_put
    index_select = gather.index_select
    def int(self, memory_format: Any = None) -> Tensor: ...
    is_complex = convert.is_complex
    is_floating_point = convert.is_floating_point
    def is_same_size(self, other: Tensor) -> builtins.bool: ...
    is_signed = convert.is_signed
    isclose = compare.isclose
    isfinite = unary.isfinite
    isinf = unary.isinf
    isnan = unary.isnan
    isneginf = unary.isneginf
    isposinf = unary.isposinf
    le = compare.le
    le_ = compare.le
    lerp = arithmetic.lerp
    lerp_ = arithmetic.lerp
    less = compare.lt
    less_ = compare.lt
    less_equal = compare.le
    less_equal_ = compare.le
    log = unary.log
    log10 = unary.log10
    log10_ = unary.log10
    log1p = unary.log1p
    log1p_ = unary.log1p
    log2 = unary.log2
    log2_ = unary.log2
    log_ = unary.log
    log_softmax = softmax.log_softmax
    logaddexp = arithmetic.logaddexp
    logical_and = compare.logical_and
    logical_and_ = compare.logical_and
    logical_not = compare.logical_not
    logical_not_ = compare.logical_not
    logical_or = compare.logical_or
    logical_or_ = compare.logical_or
    logical_xor = compare.logical_xor
    logical_xor_ = compare.logical_xor
    logsumexp = softmax.logsumexp
    def long(self, memory_format: Any = None) -> Tensor: ...
    lt = compare.lt
    lt_ = compare.lt
    masked_fill = gather.masked_fill
    masked_fill_ = gather.masked_fill
    masked_select = indexing.masked_select
    matmul = linalg.matmul
    max = extremes.max
    maximum = arithmetic.maximum
    mean = reduce.mean
    min = extremes.min
    minimum = arithmetic.minimum
    mm = linalg.mm
    moveaxis = shape.movedim
    movedim = shape.movedim
    mul = arithmetic.mul
    mul_ = arithmetic.mul
    multiply = arithmetic.mul
    multiply_ = arithmetic.mul
    mv = linalg.mv
    nan_to_num = unary.nan_to_num
    nan_to_num_ = unary.nan_to_num
    narrow = shape.narrow
    def ndimension(self) -> builtins.int: ...
    ne = compare.ne
    ne_ = compare.ne
    neg = unary.neg
    neg_ = unary.neg
    negative = unary.neg
    negative_ = unary.neg
    def nelement(self) -> builtins.int: ...
    def new_empty(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    def new_full(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    def new_ones(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    new_tensor = creation.new_tensor
    def new_zeros(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    nonzero = indexing.nonzero
    norm = moments.norm
    normal_ = random.normal_
    not_equal = compare.ne
    not_equal_ = compare.ne
    def numel(self) -> builtins.int: ...
    outer = linalg.outer
    permute = shape.permute_method
    positive = unary.positive
    pow = arithmetic.pow
    pow_ = arithmetic.pow
    prod = reduce.prod
    random_ = random.random_
    ravel = shape.ravel
    reciprocal = unary.reciprocal
    reciprocal_ = unary.reciprocal
    relu = unary.relu
    relu_ = unary.relu
    remainder = arithmetic.remainder
    remainder_ = arithmetic.remainder
    repeat = join.repeat
    repeat_interleave = join.repeat_interleave
    reshape = shape.reshape_method
    reshape_as = shape.reshape_as
    roll = join.roll
    round = unary.round
    round_ = unary.round
    rsqrt = unary.rsqrt
    rsqrt_ = unary.rsqrt
    scatter = gather.scatter
    scatter_ = gather.scatter
    scatter_add = gather.scatter_add
    scatter_add_ = gather.scatter_add
    select = shape.select
    sgn = unary.sign
    def short(self, memory_format: Any = None) -> Tensor: ...
    sigmoid = unary.sigmoid
    sigmoid_ = unary.sigmoid
    sign = unary.sign
    sign_ = unary.sign
    sin = unary.sin
    sin_ = unary.sin
    def size(self, dim: builtins.int | None = None) -> Any: ...
    softmax = softmax.softmax
    split = shape.split
    sqrt = unary.sqrt
    sqrt_ = unary.sqrt
    square = unary.square
    square_ = unary.square
    squeeze = shape.squeeze
    std = moments.std
    sub = arithmetic.sub
    sub_ = arithmetic.sub
    subtract = arithmetic.sub
    subtract_ = arithmetic.sub
    sum = reduce.sum
    swapaxes = shape.transpose
    swapdims = shape.transpose
    t = shape.t
    take = gather.take
    take_along_dim = gather.take_along_dim
    tan = unary.tan
    tan_ = unary.tan
    tanh = unary.tanh
    tanh_ = unary.tanh
    tile = join.tile_method
    to = creation.to
    trace = linalg.trace
    transpose = shape.transpose
    tril = join.tril
    tril_ = join.tril
    triu = join.triu
    triu_ = join.triu
    true_divide = arithmetic.true_divide
    true_divide_ = arithmetic.true_divide
    trunc = unary.trunc
    trunc_ = unary.trunc
    type = convert.type
    type_as = convert.type_as
    unbind = shape.unbind
    unflatten = shape.unflatten
    uniform_ = random.uniform_
    unsqueeze = shape.unsqueeze
    var = moments.var
    view = shape.view
    view_as = shape.view_as
    where = compare.where_method
    zero_ = convert.zero_
    @property
    def T(self) -> Tensor: ...
    @property
    def mT(self) -> Tensor: ...
