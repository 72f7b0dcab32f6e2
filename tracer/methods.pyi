"""What `methods.py` binds to `Tensor`. Written by `make stubs` from the tables."""

import builtins
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..ir.types import DType
from .promotion import Operand
from .api import (
    arithmetic,
    arrange,
    compare,
    complexes,
    control,
    convert,
    copies,
    creation,
    decompositions,
    distributions,
    einsum,
    extremes,
    filled,
    gather,
    hashing,
    indexing,
    interchange,
    join,
    linalg,
    lowrank,
    moments,
    parts,
    queries,
    random,
    ranges,
    reduce,
    running,
    scatter,
    search,
    segments,
    shape,
    softmax,
    sort,
    special,
    standard,
    statistics,
    stft,
    strided,
    unary,
    windows,
)
from .nn.functional import (
    plain,
)
from .tensor import Tensor

MODULES: tuple[ModuleType, ...]
UNARY: dict[str, Callable[[Tensor], Any]]
FUNCTIONS: dict[str, Callable[..., Any]]
LINALG: dict[str, Callable[..., Any]]

def methods() -> dict[str, Callable[..., Any]]: ...
def is_tensor(obj: Any) -> bool: ...
def numel(input: Tensor) -> int: ...

class TensorMethods:
    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Any, /) -> Tensor: ...
    def __and__(self, other: Any, /) -> Tensor: ...
    def __array_namespace__(self, other: Any, /) -> Tensor: ...
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
    def __rdiv__(self, other: Any, /) -> Tensor: ...
    def __rfloordiv__(self, other: Any, /) -> Tensor: ...
    def __rlshift__(self, other: Any, /) -> Tensor: ...
    def __rmatmul__(self, other: Any, /) -> Tensor: ...
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
    _is_view = strided.is_view
    abs = unary.abs
    abs_ = unary.abs
    absolute = unary.abs
    absolute_ = unary.abs
    acos = special.acos
    acos_ = special.acos
    acosh = special.acosh
    acosh_ = special.acosh
    add = arithmetic.add
    add_ = arithmetic.add
    addbmm = decompositions.addbmm
    addbmm_ = decompositions.addbmm
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
    adjoint = complexes.adjoint
    all = reduce.all
    allclose = compare.allclose
    amax = extremes.amax
    amin = extremes.amin
    aminmax = extremes.aminmax
    angle = unary.angle
    any = reduce.any
    apply_ = queries.apply_
    arccos = special.acos
    arccos_ = special.acos
    arccosh = special.acosh
    arccosh_ = special.acosh
    arcsin = special.asin
    arcsin_ = special.asin
    arcsinh = special.asinh
    arcsinh_ = special.asinh
    arctan = special.atan
    arctan2 = special.atan2
    arctan2_ = special.atan2
    arctan_ = special.atan
    arctanh = special.atanh
    arctanh_ = special.atanh
    argmax = extremes.argmax
    argmin = extremes.argmin
    argsort = sort.argsort
    argwhere = indexing.argwhere
    as_strided = strided.as_strided
    as_strided_ = strided.as_strided_
    as_strided_scatter = copies.as_strided_scatter
    asin = special.asin
    asin_ = special.asin
    asinh = special.asinh
    asinh_ = special.asinh
    atan = special.atan
    atan2 = special.atan2
    atan2_ = special.atan2
    atan_ = special.atan
    atanh = special.atanh
    atanh_ = special.atanh
    baddbmm = linalg.baddbmm
    baddbmm_ = linalg.baddbmm
    bernoulli = random.bernoulli
    bernoulli_ = random.bernoulli_
    def bfloat16(self, memory_format: Any = None) -> Tensor: ...
    bincount = search.bincount
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
    cauchy_ = distributions.cauchy_
    def cdouble(self, memory_format: Any = None) -> Tensor: ...
    ceil = unary.ceil
    ceil_ = unary.ceil
    def cfloat(self, memory_format: Any = None) -> Tensor: ...
    def char(self, memory_format: Any = None) -> Tensor: ...
    cholesky = decompositions.plain_cholesky
    cholesky_inverse = decompositions.cholesky_inverse
    cholesky_solve = decompositions.cholesky_solve
    chunk = shape.chunk
    clamp = compare.clamp
    clamp_ = compare.clamp
    clamp_max = compare.clamp_max
    clamp_max_ = compare.clamp_max
    clamp_min = compare.clamp_min
    clamp_min_ = compare.clamp_min
    clip = compare.clamp
    clip_ = compare.clamp
    clone = creation.clone
    conj = complexes.conj
    conj_physical = complexes.conj_physical
    conj_physical_ = complexes.conj_physical
    contiguous = convert.contiguous
    copy_ = convert.copy_
    copysign = special.copysign
    copysign_ = special.copysign
    corrcoef = statistics.corrcoef
    cos = unary.cos
    cos_ = unary.cos
    cosh = special.cosh
    cosh_ = special.cosh
    count_nonzero = reduce.count_nonzero
    cov = statistics.cov
    cpu = convert.cpu
    cross = decompositions.cross
    cuda = convert.cuda
    cummax = running.cummax
    cummin = running.cummin
    cumprod = reduce.cumprod
    cumprod_ = reduce.cumprod
    cumsum = reduce.cumsum
    cumsum_ = reduce.cumsum
    deg2rad = special.deg2rad
    deg2rad_ = special.deg2rad
    det = decompositions.plain_det
    diag = join.diag
    diag_embed = arrange.diag_embed
    diagflat = arrange.diagflat
    diagonal = shape.diagonal
    diagonal_scatter = copies.diagonal_scatter
    diff = running.diff
    digamma = special.digamma
    digamma_ = special.digamma
    def dim(self) -> builtins.int: ...
    dim_order = strided.dim_order
    dist = statistics.dist
    div = arithmetic.div
    div_ = arithmetic.div
    divide = arithmetic.div
    divide_ = arithmetic.div
    dot = linalg.dot
    def double(self, memory_format: Any = None) -> Tensor: ...
    dsplit = parts.dsplit
    def element_size(self) -> builtins.int: ...
    eq = compare.eq
    eq_ = compare.eq
    equal = compare.equal
    erf = unary.erf
    erf_ = unary.erf
    erfc = special.erfc
    erfc_ = special.erfc
    erfinv = special.erfinv
    erfinv_ = special.erfinv
    exp = unary.exp
    exp2 = unary.exp2
    exp2_ = unary.exp2
    exp_ = unary.exp
    expand = shape.expand
    expand_as = shape.expand_as
    expm1 = unary.expm1
    expm1_ = unary.expm1
    exponential_ = distributions.exponential_
    fill_ = convert.fill_
    fill_diagonal_ = convert.fill_diagonal_
    fix = unary.trunc
    fix_ = unary.trunc
    flatten = shape.flatten
    flip = join.flip_method
    fliplr = arrange.fliplr
    flipud = arrange.flipud
    def float(self, memory_format: Any = None) -> Tensor: ...
    float_power = arithmetic.float_power
    float_power_ = arithmetic.float_power_
    floor = unary.floor
    floor_ = unary.floor
    floor_divide = arithmetic.floor_divide
    floor_divide_ = arithmetic.floor_divide
    fmax = special.fmax
    fmin = special.fmin
    fmod = arithmetic.fmod
    fmod_ = arithmetic.fmod
    frac = unary.frac
    frac_ = unary.frac
    frexp = special.frexp
    gather = gather.gather
    gcd = special.gcd
    gcd_ = special.gcd
    ge = compare.ge
    ge_ = compare.ge
    geometric_ = distributions.geometric_
    geqrf = decompositions.geqrf
    ger = linalg.outer
    get_device = strided.get_device
    greater = compare.gt
    greater_ = compare.gt
    greater_equal = compare.ge
    greater_equal_ = compare.ge
    gt = compare.gt
    gt_ = compare.gt
    def half(self, memory_format: Any = None) -> Tensor: ...
    hardshrink = plain.hardshrink
    hash_tensor = hashing.hash_tensor
    heaviside = special.heaviside
    heaviside_ = special.heaviside
    histc = search.histc
    histogram = search.histogram
    hsplit = parts.hsplit
    hypot = special.hypot
    hypot_ = special.hypot
    i0 = special.i0
    i0_ = special.i0
    igamma = special.igamma
    igamma_ = special.igamma
    igammac = special.igammac
    igammac_ = special.igammac
    index_add = gather.index_add
    index_add_ = gather.index_add
    index_copy = gather.index_copy
    index_copy_ = gather.index_copy
    index_fill = gather.index_fill
    index_fill_ = gather.index_fill
    index_put = gather.index_put
    index_put_ = gather.index_put
    index_reduce = scatter.index_reduce
    index_reduce_ = scatter.index_reduce
    index_select = arrange.index_select
    inner = decompositions.inner
    def int(self, memory_format: Any = None) -> Tensor: ...
    inverse = decompositions.inverse
    is_coalesced = queries.is_coalesced
    is_complex = convert.is_complex
    is_conj = complexes.is_conj
    is_distributed = queries.is_distributed
    is_floating_point = convert.is_floating_point
    is_inference = queries.is_inference
    is_neg = complexes.is_neg
    is_nonzero = queries.is_nonzero
    is_pinned = queries.is_pinned
    def is_same_size(self, other: Tensor) -> builtins.bool: ...
    is_set_to = strided.is_set_to
    is_shared = queries.is_shared
    is_signed = convert.is_signed
    isclose = compare.isclose
    isfinite = unary.isfinite
    isin = search.isin
    isinf = unary.isinf
    isnan = unary.isnan
    isneginf = unary.isneginf
    isposinf = unary.isposinf
    isreal = special.isreal
    istft = stft.istft
    kron = decompositions.kron
    kthvalue = sort.kthvalue
    lcm = special.lcm
    lcm_ = special.lcm
    ldexp = special.ldexp
    ldexp_ = special.ldexp
    le = compare.le
    le_ = compare.le
    lerp = arithmetic.lerp
    lerp_ = arithmetic.lerp
    less = compare.lt
    less_ = compare.lt
    less_equal = compare.le
    less_equal_ = compare.le
    lgamma = special.lgamma
    lgamma_ = special.lgamma
    log = unary.log
    log10 = unary.log10
    log10_ = unary.log10
    log1p = unary.log1p
    log1p_ = unary.log1p
    log2 = unary.log2
    log2_ = unary.log2
    log_ = unary.log
    log_normal_ = distributions.log_normal_
    log_softmax = softmax.log_softmax
    logaddexp = arithmetic.logaddexp
    logaddexp2 = special.logaddexp2
    logcumsumexp = running.logcumsumexp
    logdet = decompositions.logdet
    logical_and = compare.logical_and
    logical_and_ = compare.logical_and
    logical_not = compare.logical_not
    logical_not_ = compare.logical_not
    logical_or = compare.logical_or
    logical_or_ = compare.logical_or
    logical_xor = compare.logical_xor
    logical_xor_ = compare.logical_xor
    logit = special.logit
    logit_ = special.logit
    logsumexp = softmax.logsumexp
    def long(self, memory_format: Any = None) -> Tensor: ...
    lt = compare.lt
    lt_ = compare.lt
    lu = decompositions.plain_lu
    lu_solve = decompositions.plain_lu_solve
    map_ = queries.map_
    masked_fill = gather.masked_fill
    masked_fill_ = gather.masked_fill
    masked_scatter = scatter.masked_scatter
    masked_scatter_ = scatter.masked_scatter
    masked_select = indexing.masked_select
    matmul = linalg.matmul
    matrix_exp = decompositions.matrix_exp
    matrix_power = decompositions.matrix_power
    max = extremes.max
    maximum = arithmetic.maximum
    mean = reduce.mean
    median = sort.median
    min = extremes.min
    minimum = arithmetic.minimum
    mm = linalg.mm
    mode = sort.mode
    moveaxis = shape.movedim
    movedim = shape.movedim
    msort = sort.msort
    mul = arithmetic.mul
    mul_ = arithmetic.mul
    multinomial = distributions.multinomial
    multiply = arithmetic.mul
    multiply_ = arithmetic.mul
    mv = linalg.mv
    mvlgamma = special.mvlgamma
    mvlgamma_ = special.mvlgamma
    nan_to_num = unary.nan_to_num
    nan_to_num_ = unary.nan_to_num
    nanmean = statistics.nanmean
    nanmedian = sort.nanmedian
    nanquantile = sort.nanquantile
    nansum = statistics.nansum
    narrow = shape.narrow
    narrow_copy = copies.narrow_copy
    def ndimension(self) -> builtins.int: ...
    ne = compare.ne
    ne_ = compare.ne
    neg = unary.neg
    neg_ = unary.neg
    negative = unary.neg
    negative_ = unary.neg
    def nelement(self) -> builtins.int: ...
    new = creation.new
    def new_empty(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    def new_empty_strided(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    def new_full(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    def new_ones(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    new_tensor = creation.new_tensor
    def new_zeros(self, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any) -> Tensor: ...
    nextafter = special.nextafter
    nextafter_ = special.nextafter
    nonzero = indexing.nonzero
    nonzero_static = scatter.nonzero_static
    norm = moments.norm
    normal_ = random.normal_
    not_equal = compare.ne
    not_equal_ = compare.ne
    def numel(self) -> builtins.int: ...
    orgqr = decompositions.householder_product
    ormqr = decompositions.ormqr
    outer = linalg.outer
    permute = shape.permute_method
    pin_memory = queries.pin_memory
    pinverse = decompositions.pinverse
    polygamma = special.polygamma_method
    polygamma_ = special.polygamma_method
    positive = unary.positive
    pow = arithmetic.pow
    pow_ = arithmetic.pow
    prelu = plain.prelu
    prod = reduce.prod
    put = scatter.put_values
    put_ = scatter.put_values
    qr = decompositions.plain_qr
    quantile = sort.quantile
    rad2deg = special.rad2deg
    rad2deg_ = special.rad2deg
    random_ = random.random_
    ravel = shape.ravel
    reciprocal = unary.reciprocal
    reciprocal_ = unary.reciprocal
    relu = unary.relu
    relu_ = unary.relu
    remainder = arithmetic.remainder
    remainder_ = arithmetic.remainder
    renorm = statistics.renorm
    renorm_ = statistics.renorm
    repeat = join.repeat
    repeat_interleave = join.repeat_interleave
    reshape = shape.reshape_method
    reshape_as = shape.reshape_as
    resize_ = strided.resize_
    resize_as_ = strided.resize_as_
    resolve_conj = complexes.resolve_conj
    resolve_neg = complexes.resolve_neg
    roll = join.roll
    rot90 = arrange.rot90
    round = unary.round
    round_ = unary.round
    rsqrt = unary.rsqrt
    rsqrt_ = unary.rsqrt
    scatter = gather.scatter
    scatter_ = gather.scatter
    scatter_add = gather.scatter_add
    scatter_add_ = gather.scatter_add
    scatter_reduce = scatter.scatter_reduce
    scatter_reduce_ = scatter.scatter_reduce
    select = shape.select
    select_scatter = copies.select_scatter
    set_ = strided.set_
    sgn = unary.sgn
    sgn_ = unary.sgn
    share_memory_ = queries.share_memory_
    def short(self, memory_format: Any = None) -> Tensor: ...
    sigmoid = unary.sigmoid
    sigmoid_ = unary.sigmoid
    sign = unary.sign
    sign_ = unary.sign
    signbit = special.signbit
    sin = unary.sin
    sin_ = unary.sin
    sinc = special.sinc
    sinc_ = special.sinc
    sinh = special.sinh
    sinh_ = special.sinh
    def size(self, dim: builtins.int | None = None) -> Any: ...
    slice_scatter = copies.slice_scatter
    slogdet = decompositions.plain_slogdet
    softmax = softmax.softmax
    sort = sort.sort
    split = shape.split
    split_with_sizes = parts.split_with_sizes
    sqrt = unary.sqrt
    sqrt_ = unary.sqrt
    square = unary.square
    square_ = unary.square
    squeeze = shape.squeeze
    squeeze_ = strided.squeeze_
    std = moments.std
    stft = stft.stft
    storage = strided.storage
    storage_offset = strided.storage_offset
    sub = arithmetic.sub
    sub_ = arithmetic.sub
    subtract = arithmetic.sub
    subtract_ = arithmetic.sub
    sum = reduce.sum
    sum_to_size = shape.sum_to_size
    svd = decompositions.plain_svd
    swapaxes = shape.transpose
    swapaxes_ = strided.transpose_
    swapdims = shape.transpose
    swapdims_ = strided.transpose_
    t = shape.t
    t_ = strided.t_
    take = gather.take
    take_along_dim = gather.take_along_dim
    tan = unary.tan
    tan_ = unary.tan
    tanh = unary.tanh
    tanh_ = unary.tanh
    tensor_split = parts.tensor_split
    tile = join.tile_method
    to = creation.to
    to_dense = queries.to_dense
    to_device = standard.to_device
    topk = sort.topk
    trace = linalg.trace
    transpose = shape.transpose
    transpose_ = strided.transpose_
    triangular_solve = decompositions.triangular_solve
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
    unfold = strided.unfold
    uniform_ = random.uniform_
    unique = search.unique
    unique_consecutive = search.unique_consecutive
    unsafe_chunk = parts.unsafe_chunk
    unsafe_split = parts.unsafe_split
    unsafe_split_with_sizes = parts.unsafe_split_with_sizes
    unsqueeze = shape.unsqueeze
    unsqueeze_ = strided.unsqueeze_
    untyped_storage = strided.untyped_storage
    var = moments.var
    vdot = decompositions.vdot
    view = shape.view
    view_as = shape.view_as
    vsplit = parts.vsplit
    where = compare.where_method
    xlogy = special.xlogy
    xlogy_ = special.xlogy
    zero_ = convert.zero_
    @property
    def H(self) -> Tensor: ...
    @property
    def T(self) -> Tensor: ...
    @property
    def _base(self) -> Tensor | None: ...
    @property
    def imag(self) -> Tensor: ...
    @imag.setter
    def imag(self, value: Any) -> None: ...
    @property
    def is_cpu(self) -> builtins.bool: ...
    @property
    def is_meta(self) -> builtins.bool: ...
    @property
    def is_mkldnn(self) -> builtins.bool: ...
    @property
    def is_nested(self) -> builtins.bool: ...
    @property
    def is_quantized(self) -> builtins.bool: ...
    @property
    def is_sparse(self) -> builtins.bool: ...
    @property
    def is_sparse_csr(self) -> builtins.bool: ...
    @property
    def mH(self) -> Tensor: ...
    @property
    def mT(self) -> Tensor: ...
    @property
    def real(self) -> Tensor: ...
    @real.setter
    def real(self, value: Any) -> None: ...
    @property
    def retains_grad(self) -> builtins.bool: ...
