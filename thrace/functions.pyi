"""PyTorch's functions, as `thrace.<name>`. Written by `make stubs` from the tables."""

from thrace.tracer import methods as _methods
from thrace.tracer.api import (
    arithmetic as _arithmetic,
    compare as _compare,
    convert as _convert,
    creation as _creation,
    einsum as _einsum,
    extremes as _extremes,
    gather as _gather,
    indexing as _indexing,
    join as _join,
    linalg as _linalg,
    moments as _moments,
    random as _random,
    reduce as _reduce,
    shape as _shape,
    softmax as _softmax,
    unary as _unary,
)

abs = _unary.abs
abs_ = _unary.abs
absolute = _unary.abs
absolute_ = _unary.abs
add = _arithmetic.add
addcdiv = _arithmetic.addcdiv
addcmul = _arithmetic.addcmul
addmm = _linalg.addmm
addmv = _linalg.addmv
addr = _linalg.addr
all = _reduce.all
allclose = _compare.allclose
amax = _extremes.amax
amin = _extremes.amin
aminmax = _extremes.aminmax
any = _reduce.any
arange = _creation.arange
argmax = _extremes.argmax
argmin = _extremes.argmin
argwhere = _indexing.argwhere
as_tensor = _creation.as_tensor
asarray = _creation.as_tensor
baddbmm = _linalg.baddbmm
bernoulli = _random.bernoulli
bitwise_and = _compare.bitwise_and
bitwise_left_shift = _compare.bitwise_left_shift
bitwise_not = _compare.bitwise_not
bitwise_or = _compare.bitwise_or
bitwise_right_shift = _compare.bitwise_right_shift
bitwise_xor = _compare.bitwise_xor
bmm = _linalg.bmm
broadcast_shapes = _shape.broadcast_shapes
broadcast_tensors = _shape.broadcast_tensors
broadcast_to = _shape.broadcast_to
cat = _join.cat
ceil = _unary.ceil
ceil_ = _unary.ceil
chunk = _shape.chunk
clamp = _compare.clamp
clamp_ = _compare.clamp
clamp_max = _compare.clamp_max
clamp_max_ = _compare.clamp_max
clamp_min = _compare.clamp_min
clamp_min_ = _compare.clamp_min
clip = _compare.clamp
clip_ = _compare.clamp
clone = _convert.clone
concat = _join.concat
concatenate = _join.concat
conj = _convert.conj
cos = _unary.cos
cos_ = _unary.cos
count_nonzero = _reduce.count_nonzero
cumprod = _reduce.cumprod
cumsum = _reduce.cumsum
diag = _join.diag
diagonal = _shape.diagonal
div = _arithmetic.div
divide = _arithmetic.div
dot = _linalg.dot
einsum = _einsum.einsum
empty = _creation.empty
empty_like = _creation.empty_like
eq = _compare.eq
equal = _compare.equal
erf = _unary.erf
erf_ = _unary.erf
exp = _unary.exp
exp2 = _unary.exp2
exp2_ = _unary.exp2
exp_ = _unary.exp
expm1 = _unary.expm1
expm1_ = _unary.expm1
eye = _creation.eye
fill = _convert.fill
fill_ = _convert.fill_
fix = _unary.trunc
fix_ = _unary.trunc
flatten = _shape.flatten
flip = _join.flip
float_power = _arithmetic.float_power
floor = _unary.floor
floor_ = _unary.floor
floor_divide = _arithmetic.floor_divide
fmod = _arithmetic.fmod
frac = _unary.frac
frac_ = _unary.frac
from_dlpack = _creation.from_dlpack
from_numpy = _creation.from_numpy
full = _creation.full
full_like = _creation.full_like
gather = _gather.gather
ge = _compare.ge
ger = _linalg.outer
greater = _compare.gt
greater_equal = _compare.ge
gt = _compare.gt
hstack = _join.hstack
index_add = _gather.index_add
index_copy = _gather.index_copy
index_fill = _gather.index_fill
index_put = _gather.index_put
index_select = _gather.index_select
is_complex = _convert.is_complex
is_floating_point = _convert.is_floating_point
is_tensor = _methods.is_tensor
isclose = _compare.isclose
isfinite = _unary.isfinite
isinf = _unary.isinf
isnan = _unary.isnan
isneginf = _unary.isneginf
isposinf = _unary.isposinf
le = _compare.le
lerp = _arithmetic.lerp
less = _compare.lt
less_equal = _compare.le
linspace = _creation.linspace
log = _unary.log
log10 = _unary.log10
log10_ = _unary.log10
log1p = _unary.log1p
log1p_ = _unary.log1p
log2 = _unary.log2
log2_ = _unary.log2
log_ = _unary.log
log_softmax = _softmax.log_softmax
logaddexp = _arithmetic.logaddexp
logical_and = _compare.logical_and
logical_not = _compare.logical_not
logical_or = _compare.logical_or
logical_xor = _compare.logical_xor
logsumexp = _softmax.logsumexp
lt = _compare.lt
masked_fill = _gather.masked_fill
masked_select = _indexing.masked_select
matmul = _linalg.matmul
max = _extremes.max
maximum = _arithmetic.maximum
mean = _reduce.mean
meshgrid = _join.meshgrid
min = _extremes.min
minimum = _arithmetic.minimum
mm = _linalg.mm
moveaxis = _shape.movedim
movedim = _shape.movedim
mul = _arithmetic.mul
multiply = _arithmetic.mul
mv = _linalg.mv
nan_to_num = _unary.nan_to_num
nan_to_num_ = _unary.nan_to_num
narrow = _shape.narrow
ne = _compare.ne
neg = _unary.neg
neg_ = _unary.neg
negative = _unary.neg
negative_ = _unary.neg
nonzero = _indexing.nonzero
norm = _moments.norm
normal = _random.normal
not_equal = _compare.ne
numel = _methods.numel
ones = _creation.ones
ones_like = _creation.ones_like
outer = _linalg.outer
permute = _shape.permute
positive = _unary.positive
pow = _arithmetic.pow
prod = _reduce.prod
rand = _random.rand
rand_like = _random.rand_like
randint = _random.randint
randint_like = _random.randint_like
randn = _random.randn
randn_like = _random.randn_like
randperm = _random.randperm
ravel = _shape.ravel
reciprocal = _unary.reciprocal
reciprocal_ = _unary.reciprocal
relu = _unary.relu
relu_ = _unary.relu
remainder = _arithmetic.remainder
repeat_interleave = _join.repeat_interleave
reshape = _shape.reshape
roll = _join.roll
round = _unary.round
round_ = _unary.round
rsqrt = _unary.rsqrt
rsqrt_ = _unary.rsqrt
rsub = _arithmetic.rsub
scalar_tensor = _creation.scalar_tensor
scatter = _gather.scatter
scatter_add = _gather.scatter_add
select = _shape.select
sgn = _unary.sign
sigmoid = _unary.sigmoid
sigmoid_ = _unary.sigmoid
sign = _unary.sign
sign_ = _unary.sign
sin = _unary.sin
sin_ = _unary.sin
softmax = _softmax.softmax
split = _shape.split
sqrt = _unary.sqrt
sqrt_ = _unary.sqrt
square = _unary.square
square_ = _unary.square
squeeze = _shape.squeeze
stack = _join.stack
std = _moments.std
std_mean = _moments.std_mean
sub = _arithmetic.sub
subtract = _arithmetic.sub
sum = _reduce.sum
swapaxes = _shape.transpose
swapdims = _shape.transpose
t = _shape.t
take = _gather.take
take_along_dim = _gather.take_along_dim
tan = _unary.tan
tan_ = _unary.tan
tanh = _unary.tanh
tanh_ = _unary.tanh
tensor = _creation.tensor
tensordot = _linalg.tensordot
tile = _join.tile
transpose = _shape.transpose
tril = _join.tril
triu = _join.triu
true_divide = _arithmetic.true_divide
trunc = _unary.trunc
trunc_ = _unary.trunc
unbind = _shape.unbind
unflatten = _shape.unflatten
unsqueeze = _shape.unsqueeze
var = _moments.var
var_mean = _moments.var_mean
vstack = _join.vstack
where = _compare.where
zero_ = _convert.zero_
zeros = _creation.zeros
zeros_like = _creation.zeros_like

__all__ = [
    "abs",
    "abs_",
    "absolute",
    "absolute_",
    "add",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "all",
    "allclose",
    "amax",
    "amin",
    "aminmax",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argwhere",
    "as_tensor",
    "asarray",
    "baddbmm",
    "bernoulli",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "bmm",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "cat",
    "ceil",
    "ceil_",
    "chunk",
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_max_",
    "clamp_min",
    "clamp_min_",
    "clip",
    "clip_",
    "clone",
    "concat",
    "concatenate",
    "conj",
    "cos",
    "cos_",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "diag",
    "diagonal",
    "div",
    "divide",
    "dot",
    "einsum",
    "empty",
    "empty_like",
    "eq",
    "equal",
    "erf",
    "erf_",
    "exp",
    "exp2",
    "exp2_",
    "exp_",
    "expm1",
    "expm1_",
    "eye",
    "fill",
    "fill_",
    "fix",
    "fix_",
    "flatten",
    "flip",
    "float_power",
    "floor",
    "floor_",
    "floor_divide",
    "fmod",
    "frac",
    "frac_",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "ger",
    "greater",
    "greater_equal",
    "gt",
    "hstack",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "lerp",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log10",
    "log10_",
    "log1p",
    "log1p_",
    "log2",
    "log2_",
    "log_",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "lt",
    "masked_fill",
    "masked_select",
    "matmul",
    "max",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "moveaxis",
    "movedim",
    "mul",
    "multiply",
    "mv",
    "nan_to_num",
    "nan_to_num_",
    "narrow",
    "ne",
    "neg",
    "neg_",
    "negative",
    "negative_",
    "nonzero",
    "norm",
    "normal",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "outer",
    "permute",
    "positive",
    "pow",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "reciprocal",
    "reciprocal_",
    "relu",
    "relu_",
    "remainder",
    "repeat_interleave",
    "reshape",
    "roll",
    "round",
    "round_",
    "rsqrt",
    "rsqrt_",
    "rsub",
    "scalar_tensor",
    "scatter",
    "scatter_add",
    "select",
    "sgn",
    "sigmoid",
    "sigmoid_",
    "sign",
    "sign_",
    "sin",
    "sin_",
    "softmax",
    "split",
    "sqrt",
    "sqrt_",
    "square",
    "square_",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "subtract",
    "sum",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_dim",
    "tan",
    "tan_",
    "tanh",
    "tanh_",
    "tensor",
    "tensordot",
    "tile",
    "transpose",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "trunc_",
    "unbind",
    "unflatten",
    "unsqueeze",
    "var",
    "var_mean",
    "vstack",
    "where",
    "zero_",
    "zeros",
    "zeros_like",
]
