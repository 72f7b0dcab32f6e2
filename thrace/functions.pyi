"""PyTorch's functions, as `thrace.<name>`. Written by `make stubs` from the tables."""

from thrace.tracer import methods as _methods
from thrace.tracer.api import (
    arithmetic as _arithmetic,
    arrange as _arrange,
    compare as _compare,
    complexes as _complexes,
    control as _control,
    convert as _convert,
    copies as _copies,
    creation as _creation,
    decompositions as _decompositions,
    distributions as _distributions,
    einsum as _einsum,
    extremes as _extremes,
    filled as _filled,
    gather as _gather,
    hashing as _hashing,
    indexing as _indexing,
    interchange as _interchange,
    join as _join,
    linalg as _linalg,
    lowrank as _lowrank,
    moments as _moments,
    parts as _parts,
    queries as _queries,
    random as _random,
    ranges as _ranges,
    reduce as _reduce,
    running as _running,
    scatter as _scatter,
    search as _search,
    segments as _segments,
    shape as _shape,
    softmax as _softmax,
    sort as _sort,
    special as _special,
    statistics as _statistics,
    stft as _stft,
    strided as _strided,
    unary as _unary,
    windows as _windows,
)
from thrace.tracer.nn.functional import (
    plain as _plain,
)

BFloat16Tensor = _creation.BFloat16Tensor
BoolTensor = _creation.BoolTensor
ByteTensor = _creation.ByteTensor
CharTensor = _creation.CharTensor
DoubleTensor = _creation.DoubleTensor
FloatTensor = _creation.FloatTensor
HalfTensor = _creation.HalfTensor
IntTensor = _creation.IntTensor
LongTensor = _creation.LongTensor
ShortTensor = _creation.ShortTensor
_batch_norm_with_update = _plain._batch_norm_with_update
_chunk_cat = _arrange._chunk_cat
_native_batch_norm_legit = _plain._native_batch_norm_legit
_safe_softmax = _plain._safe_softmax
_segment_reduce = _segments.segment_reduce
_softmax_backward_data = _plain._softmax_backward_data
_unsafe_masked_index = _gather.masked_index
_unsafe_masked_index_put_accumulate = _gather.masked_index_put
_upsample_bilinear2d_aa = _plain._upsample_bilinear2d_aa
abs = _unary.abs
abs_ = _unary.abs
absolute = _unary.abs
absolute_ = _unary.abs
acos = _special.acos
acos_ = _special.acos
acosh = _special.acosh
acosh_ = _special.acosh
adaptive_avg_pool1d = _plain.adaptive_avg_pool1d
adaptive_max_pool1d = _plain.adaptive_max_pool1d
add = _arithmetic.add
addbmm = _decompositions.addbmm
addcdiv = _arithmetic.addcdiv
addcmul = _arithmetic.addcmul
addmm = _linalg.addmm
addmv = _linalg.addmv
addr = _linalg.addr
adjoint = _complexes.adjoint
alias_copy = _copies.alias_copy
all = _reduce.all
allclose = _compare.allclose
alpha_dropout = _plain.alpha_dropout
amax = _extremes.amax
amin = _extremes.amin
aminmax = _extremes.aminmax
angle = _unary.angle
any = _reduce.any
arange = _ranges.arange
arccos = _special.acos
arccos_ = _special.acos
arccosh = _special.acosh
arccosh_ = _special.acosh
arcsin = _special.asin
arcsin_ = _special.asin
arcsinh = _special.asinh
arcsinh_ = _special.asinh
arctan = _special.atan
arctan2 = _special.atan2
arctan_ = _special.atan
arctanh = _special.atanh
arctanh_ = _special.atanh
argmax = _extremes.argmax
argmin = _extremes.argmin
argsort = _sort.argsort
argwhere = _indexing.argwhere
as_strided = _strided.as_strided
as_strided_ = _strided.as_strided_
as_strided_copy = _copies.as_strided_copy
as_strided_scatter = _copies.as_strided_scatter
as_tensor = _creation.as_tensor
asarray = _creation.asarray
asin = _special.asin
asin_ = _special.asin
asinh = _special.asinh
asinh_ = _special.asinh
associative_scan = _control.associative_scan
atan = _special.atan
atan2 = _special.atan2
atan_ = _special.atan
atanh = _special.atanh
atanh_ = _special.atanh
atleast_1d = _arrange.atleast_1d
atleast_2d = _arrange.atleast_2d
atleast_3d = _arrange.atleast_3d
avg_pool1d = _plain.avg_pool1d
baddbmm = _linalg.baddbmm
bartlett_window = _windows.bartlett_window
batch_norm = _plain.batch_norm
bernoulli = _random.bernoulli
bilinear = _plain.bilinear
bincount = _search.bincount
binomial = _distributions.binomial
bitwise_and = _compare.bitwise_and
bitwise_left_shift = _compare.bitwise_left_shift
bitwise_not = _compare.bitwise_not
bitwise_or = _compare.bitwise_or
bitwise_right_shift = _compare.bitwise_right_shift
bitwise_xor = _compare.bitwise_xor
blackman_window = _windows.blackman_window
block_diag = _arrange.block_diag
bmm = _linalg.bmm
broadcast_shapes = _shape.broadcast_shapes
broadcast_tensors = _shape.broadcast_tensors
broadcast_to = _shape.broadcast_to
bucketize = _search.bucketize
cartesian_prod = _arrange.cartesian_prod
cat = _join.cat
cdist = _statistics.cdist
ceil = _unary.ceil
ceil_ = _unary.ceil
celu = _plain.celu
celu_ = _plain.celu_
chain_matmul = _decompositions.chain_matmul
channel_shuffle = _plain.channel_shuffle
cholesky = _decompositions.plain_cholesky
cholesky_inverse = _decompositions.cholesky_inverse
cholesky_solve = _decompositions.cholesky_solve
chunk = _shape.chunk
clamp = _compare.clamp
clamp_ = _compare.clamp
clamp_max = _compare.clamp_max
clamp_max_ = _compare.clamp_max
clamp_min = _compare.clamp_min
clamp_min_ = _compare.clamp_min
clip = _compare.clamp
clip_ = _compare.clamp
clone = _creation.clone
column_stack = _arrange.column_stack
combinations = _arrange.combinations
complex = _complexes.complex
concat = _join.concat
concatenate = _join.concat
cond = _control.cond
conj = _complexes.conj
conj_physical = _complexes.conj_physical
conj_physical_ = _complexes.conj_physical
constant_pad_nd = _arrange.constant_pad_nd
conv1d = _plain.conv1d
conv2d = _plain.conv2d
conv3d = _plain.conv3d
conv_transpose1d = _plain.conv_transpose1d
conv_transpose2d = _plain.conv_transpose2d
conv_transpose3d = _plain.conv_transpose3d
copysign = _special.copysign
corrcoef = _statistics.corrcoef
cos = _unary.cos
cos_ = _unary.cos
cosh = _special.cosh
cosh_ = _special.cosh
cosine_similarity = _plain.cosine_similarity
count_nonzero = _reduce.count_nonzero
cov = _statistics.cov
cross = _decompositions.cross
cummax = _running.cummax
cummin = _running.cummin
cumprod = _reduce.cumprod
cumsum = _reduce.cumsum
cumulative_trapezoid = _running.cumulative_trapezoid
deg2rad = _special.deg2rad
deg2rad_ = _special.deg2rad
det = _decompositions.plain_det
detach_copy = _copies.detach_copy
diag = _join.diag
diag_embed = _arrange.diag_embed
diagflat = _arrange.diagflat
diagonal = _shape.diagonal
diagonal_copy = _copies.diagonal_copy
diagonal_scatter = _copies.diagonal_scatter
diff = _running.diff
digamma = _special.digamma
dist = _statistics.dist
div = _arithmetic.div
divide = _arithmetic.div
dot = _linalg.dot
dropout = _plain.dropout
dsplit = _parts.dsplit
dstack = _arrange.dstack
einsum = _einsum.einsum
embedding = _plain.embedding_rows
empty = _creation.empty
empty_like = _filled.empty_like
empty_permuted = _filled.empty_permuted
empty_strided = _filled.empty_strided
eq = _compare.eq
equal = _compare.equal
erf = _unary.erf
erf_ = _unary.erf
erfc = _special.erfc
erfc_ = _special.erfc
erfinv = _special.erfinv
exp = _unary.exp
exp2 = _unary.exp2
exp2_ = _unary.exp2
exp_ = _unary.exp
expand_copy = _copies.expand_copy
expm1 = _unary.expm1
expm1_ = _unary.expm1
eye = _ranges.eye
feature_alpha_dropout = _plain.feature_alpha_dropout
fill = _convert.fill
fill_ = _convert.fill_
fix = _unary.trunc
fix_ = _unary.trunc
flatten = _shape.flatten
flip = _join.flip
fliplr = _arrange.fliplr
flipud = _arrange.flipud
float_power = _arithmetic.float_power
floor = _unary.floor
floor_ = _unary.floor
floor_divide = _arithmetic.floor_divide
fmax = _special.fmax
fmin = _special.fmin
fmod = _arithmetic.fmod
frac = _unary.frac
frac_ = _unary.frac
frexp = _special.frexp
from_dlpack = _interchange.from_dlpack
from_numpy = _interchange.from_numpy
frombuffer = _interchange.frombuffer
full = _creation.full
full_like = _filled.full_like
gather = _gather.gather
gcd = _special.gcd
gcd_ = _special.gcd
ge = _compare.ge
geqrf = _decompositions.geqrf
ger = _linalg.outer
get_device = _strided.get_device
get_rng_state = _random.get_rng_state
gradient = _statistics.gradient
greater = _compare.gt
greater_equal = _compare.ge
grid_sampler = _plain.grid_sampler
grid_sampler_2d = _plain.grid_sampler
grid_sampler_3d = _plain.grid_sampler
group_norm = _plain.group_norm
gt = _compare.gt
hamming_window = _windows.hamming_window
hann_window = _windows.hann_window
hardshrink = _plain.hardshrink
hash_tensor = _hashing.hash_tensor
heaviside = _special.heaviside
histc = _search.histc
histogram = _search.histogram
histogramdd = _search.histogramdd
hsplit = _parts.hsplit
hstack = _join.hstack
hypot = _special.hypot
i0 = _special.i0
i0_ = _special.i0
igamma = _special.igamma
igammac = _special.igammac
imag = _complexes.imag
index_add = _gather.index_add
index_copy = _gather.index_copy
index_fill = _gather.index_fill
index_put = _gather.index_put
index_reduce = _scatter.index_reduce
index_select = _arrange.index_select
initial_seed = _random.initial_seed
inner = _decompositions.inner
instance_norm = _plain.instance_norm
inverse = _decompositions.inverse
is_complex = _convert.is_complex
is_conj = _complexes.is_conj
is_floating_point = _convert.is_floating_point
is_inference = _queries.is_inference
is_neg = _complexes.is_neg
is_nonzero = _queries.is_nonzero
is_same_size = _queries.is_same_size
is_signed = _queries.is_signed
is_tensor = _methods.is_tensor
isclose = _compare.isclose
isfinite = _unary.isfinite
isin = _search.isin
isinf = _unary.isinf
isnan = _unary.isnan
isneginf = _unary.isneginf
isposinf = _unary.isposinf
isreal = _special.isreal
istft = _stft.istft
kaiser_window = _windows.kaiser_window
kron = _decompositions.kron
kthvalue = _sort.kthvalue
layer_norm = _plain.layer_norm
lcm = _special.lcm
lcm_ = _special.lcm
ldexp = _special.ldexp
ldexp_ = _special.ldexp
le = _compare.le
lerp = _arithmetic.lerp
less = _compare.lt
less_equal = _compare.le
lgamma = _special.lgamma
linspace = _ranges.linspace
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
logaddexp2 = _special.logaddexp2
logcumsumexp = _running.logcumsumexp
logdet = _decompositions.logdet
logical_and = _compare.logical_and
logical_not = _compare.logical_not
logical_or = _compare.logical_or
logical_xor = _compare.logical_xor
logit = _special.logit
logit_ = _special.logit
logspace = _ranges.logspace
logsumexp = _softmax.logsumexp
lt = _compare.lt
lu = _decompositions.plain_lu
lu_solve = _decompositions.plain_lu_solve
lu_unpack = _decompositions.lu_unpack
masked_fill = _gather.masked_fill
masked_scatter = _scatter.masked_scatter
masked_select = _indexing.masked_select
matmul = _linalg.matmul
matrix_exp = _decompositions.matrix_exp
matrix_power = _decompositions.matrix_power
max = _extremes.max
max_pool1d = _plain.max_pool1d
max_pool2d = _plain.max_pool2d
max_pool2d_with_indices_backward = _plain.max_pool2d_with_indices_backward
max_pool3d = _plain.max_pool3d
maximum = _arithmetic.maximum
mean = _reduce.mean
median = _sort.median
meshgrid = _join.meshgrid
min = _extremes.min
minimum = _arithmetic.minimum
mm = _linalg.mm
mode = _sort.mode
moveaxis = _shape.movedim
movedim = _shape.movedim
msort = _sort.msort
mul = _arithmetic.mul
multinomial = _distributions.multinomial
multiply = _arithmetic.mul
mv = _linalg.mv
mvlgamma = _special.mvlgamma
nan_to_num = _unary.nan_to_num
nan_to_num_ = _unary.nan_to_num
nanmean = _statistics.nanmean
nanmedian = _sort.nanmedian
nanquantile = _sort.nanquantile
nansum = _statistics.nansum
narrow = _shape.narrow
narrow_copy = _copies.narrow_copy
native_batch_norm = _plain.native_batch_norm
native_dropout_backward = _plain.native_dropout_backward
native_group_norm = _plain.native_group_norm
native_layer_norm = _plain.native_layer_norm
ne = _compare.ne
neg = _unary.neg
neg_ = _unary.neg
negative = _unary.neg
negative_ = _unary.neg
nextafter = _special.nextafter
nonzero = _indexing.nonzero
nonzero_static = _scatter.nonzero_static
norm = _moments.norm
normal = _random.normal
not_equal = _compare.ne
numel = _methods.numel
ones = _filled.ones
ones_like = _filled.ones_like
orgqr = _decompositions.householder_product
ormqr = _decompositions.ormqr
outer = _linalg.outer
pairwise_distance = _plain.pairwise_distance
pca_lowrank = _lowrank.pca_lowrank
pdist = _statistics.pdist
permute = _shape.permute
permute_copy = _copies.permute_copy
pinverse = _decompositions.pinverse
pixel_shuffle = _plain.pixel_shuffle
pixel_unshuffle = _plain.pixel_unshuffle
poisson = _distributions.poisson
polar = _complexes.polar
polygamma = _special.polygamma
positive = _unary.positive
pow = _arithmetic.pow
prelu = _plain.prelu
prod = _reduce.prod
put = _scatter.put_values
qr = _decompositions.plain_qr
quantile = _sort.quantile
rad2deg = _special.rad2deg
rad2deg_ = _special.rad2deg
rand = _random.rand
rand_like = _random.rand_like
randint = _random.randint
randint_like = _random.randint_like
randn = _random.randn
randn_like = _random.randn_like
randperm = _random.randperm
range = _ranges.range
ravel = _shape.ravel
real = _complexes.real
reciprocal = _unary.reciprocal
reciprocal_ = _unary.reciprocal
relu = _unary.relu
relu_ = _unary.relu
remainder = _arithmetic.remainder
renorm = _statistics.renorm
repeat_interleave = _join.repeat_interleave
reshape = _shape.reshape
resize_as_ = _strided.resize_as_
resolve_conj = _complexes.resolve_conj
resolve_neg = _complexes.resolve_neg
result_type = _queries.result_type
rms_norm = _plain.rms_norm
roll = _join.roll
rot90 = _arrange.rot90
round = _unary.round
round_ = _unary.round
row_stack = _join.vstack
rrelu = _plain.rrelu
rrelu_ = _plain.rrelu_
rsqrt = _unary.rsqrt
rsqrt_ = _unary.rsqrt
rsub = _arithmetic.rsub
scalar_tensor = _creation.scalar_tensor
scan = _control.scan
scatter = _gather.scatter
scatter_add = _gather.scatter_add
scatter_reduce = _scatter.scatter_reduce
searchsorted = _search.searchsorted
seed = _random.seed
segment_reduce = _segments.segment_reduce
select = _shape.select
select_copy = _copies.select_copy
select_scatter = _copies.select_scatter
selu = _plain.selu
selu_ = _plain.selu_
set_rng_state = _random.set_rng_state
sgn = _unary.sgn
sgn_ = _unary.sgn
sigmoid = _unary.sigmoid
sigmoid_ = _unary.sigmoid
sign = _unary.sign
sign_ = _unary.sign
signbit = _special.signbit
sin = _unary.sin
sin_ = _unary.sin
sinc = _special.sinc
sinc_ = _special.sinc
sinh = _special.sinh
sinh_ = _special.sinh
slice = _parts.slice
slice_copy = _copies.slice_copy
slice_scatter = _copies.slice_scatter
slogdet = _decompositions.plain_slogdet
softmax = _softmax.softmax
sort = _sort.sort
split = _shape.split
split_copy = _copies.split_copy
split_with_sizes = _parts.split_with_sizes
split_with_sizes_copy = _copies.split_with_sizes_copy
sqrt = _unary.sqrt
sqrt_ = _unary.sqrt
square = _unary.square
square_ = _unary.square
squeeze = _shape.squeeze
squeeze_copy = _copies.squeeze_copy
stack = _join.stack
std = _moments.std
std_mean = _moments.std_mean
stft = _stft.stft
sub = _arithmetic.sub
subtract = _arithmetic.sub
sum = _reduce.sum
svd = _decompositions.plain_svd
svd_lowrank = _lowrank.svd_lowrank
swapaxes = _shape.transpose
swapdims = _shape.transpose
t = _shape.t
t_copy = _copies.t_copy
take = _gather.take
take_along_dim = _gather.take_along_dim
tan = _unary.tan
tan_ = _unary.tan
tanh = _unary.tanh
tanh_ = _unary.tanh
tensor = _creation.tensor
tensor_split = _parts.tensor_split
tensordot = _linalg.tensordot
threshold = _plain.threshold
threshold_ = _plain.threshold_
tile = _join.tile
topk = _sort.topk
transpose = _shape.transpose
transpose_copy = _copies.transpose_copy
trapezoid = _running.trapezoid
trapz = _running.trapz
triangular_solve = _decompositions.triangular_solve
tril = _join.tril
tril_indices = _arrange.tril_indices
triu = _join.triu
triu_indices = _arrange.triu_indices
true_divide = _arithmetic.true_divide
trunc = _unary.trunc
trunc_ = _unary.trunc
typename = _queries.typename
unbind = _shape.unbind
unbind_copy = _copies.unbind_copy
unflatten = _shape.unflatten
unfold_copy = _copies.unfold_copy
unique = _search.unique
unique_consecutive = _search.unique_consecutive
unravel_index = _scatter.unravel_index
unsafe_chunk = _parts.unsafe_chunk
unsafe_split = _parts.unsafe_split
unsafe_split_with_sizes = _parts.unsafe_split_with_sizes
unsqueeze = _shape.unsqueeze
unsqueeze_copy = _copies.unsqueeze_copy
vander = _arrange.vander
var = _moments.var
var_mean = _moments.var_mean
vdot = _decompositions.vdot
view_as_complex = _complexes.view_as_complex
view_as_complex_copy = _copies.view_as_complex_copy
view_as_real = _complexes.view_as_real
view_as_real_copy = _copies.view_as_real_copy
view_copy = _copies.view_copy
vsplit = _parts.vsplit
vstack = _join.vstack
where = _compare.where
while_loop = _control.while_loop
xlogy = _special.xlogy
xlogy_ = _special.xlogy
zero_ = _convert.zero_
zeros = _filled.zeros
zeros_like = _filled.zeros_like

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "_batch_norm_with_update",
    "_chunk_cat",
    "_native_batch_norm_legit",
    "_safe_softmax",
    "_segment_reduce",
    "_softmax_backward_data",
    "_unsafe_masked_index",
    "_unsafe_masked_index_put_accumulate",
    "_upsample_bilinear2d_aa",
    "abs",
    "abs_",
    "absolute",
    "absolute_",
    "acos",
    "acos_",
    "acosh",
    "acosh_",
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "add",
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "adjoint",
    "alias_copy",
    "all",
    "allclose",
    "alpha_dropout",
    "amax",
    "amin",
    "aminmax",
    "angle",
    "any",
    "arange",
    "arccos",
    "arccos_",
    "arccosh",
    "arccosh_",
    "arcsin",
    "arcsin_",
    "arcsinh",
    "arcsinh_",
    "arctan",
    "arctan2",
    "arctan_",
    "arctanh",
    "arctanh_",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_strided",
    "as_strided_",
    "as_strided_copy",
    "as_strided_scatter",
    "as_tensor",
    "asarray",
    "asin",
    "asin_",
    "asinh",
    "asinh_",
    "associative_scan",
    "atan",
    "atan2",
    "atan_",
    "atanh",
    "atanh_",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "avg_pool1d",
    "baddbmm",
    "bartlett_window",
    "batch_norm",
    "bernoulli",
    "bilinear",
    "bincount",
    "binomial",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "blackman_window",
    "block_diag",
    "bmm",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "cartesian_prod",
    "cat",
    "cdist",
    "ceil",
    "ceil_",
    "celu",
    "celu_",
    "chain_matmul",
    "channel_shuffle",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
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
    "column_stack",
    "combinations",
    "complex",
    "concat",
    "concatenate",
    "cond",
    "conj",
    "conj_physical",
    "conj_physical_",
    "constant_pad_nd",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "copysign",
    "corrcoef",
    "cos",
    "cos_",
    "cosh",
    "cosh_",
    "cosine_similarity",
    "count_nonzero",
    "cov",
    "cross",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "deg2rad",
    "deg2rad_",
    "det",
    "detach_copy",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diagonal_copy",
    "diagonal_scatter",
    "diff",
    "digamma",
    "dist",
    "div",
    "divide",
    "dot",
    "dropout",
    "dsplit",
    "dstack",
    "einsum",
    "embedding",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eq",
    "equal",
    "erf",
    "erf_",
    "erfc",
    "erfc_",
    "erfinv",
    "exp",
    "exp2",
    "exp2_",
    "exp_",
    "expand_copy",
    "expm1",
    "expm1_",
    "eye",
    "feature_alpha_dropout",
    "fill",
    "fill_",
    "fix",
    "fix_",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "frac_",
    "frexp",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "gather",
    "gcd",
    "gcd_",
    "ge",
    "geqrf",
    "ger",
    "get_device",
    "get_rng_state",
    "gradient",
    "greater",
    "greater_equal",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "group_norm",
    "gt",
    "hamming_window",
    "hann_window",
    "hardshrink",
    "hash_tensor",
    "heaviside",
    "histc",
    "histogram",
    "histogramdd",
    "hsplit",
    "hstack",
    "hypot",
    "i0",
    "i0_",
    "igamma",
    "igammac",
    "imag",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "index_select",
    "initial_seed",
    "inner",
    "instance_norm",
    "inverse",
    "is_complex",
    "is_conj",
    "is_floating_point",
    "is_inference",
    "is_neg",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_tensor",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "istft",
    "kaiser_window",
    "kron",
    "kthvalue",
    "layer_norm",
    "lcm",
    "lcm_",
    "ldexp",
    "ldexp_",
    "le",
    "lerp",
    "less",
    "less_equal",
    "lgamma",
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
    "logaddexp2",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logit_",
    "logspace",
    "logsumexp",
    "lt",
    "lu",
    "lu_solve",
    "lu_unpack",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool2d_with_indices_backward",
    "max_pool3d",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "mode",
    "moveaxis",
    "movedim",
    "msort",
    "mul",
    "multinomial",
    "multiply",
    "mv",
    "mvlgamma",
    "nan_to_num",
    "nan_to_num_",
    "nanmean",
    "nanmedian",
    "nanquantile",
    "nansum",
    "narrow",
    "narrow_copy",
    "native_batch_norm",
    "native_dropout_backward",
    "native_group_norm",
    "native_layer_norm",
    "ne",
    "neg",
    "neg_",
    "negative",
    "negative_",
    "nextafter",
    "nonzero",
    "nonzero_static",
    "norm",
    "normal",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "orgqr",
    "ormqr",
    "outer",
    "pairwise_distance",
    "pca_lowrank",
    "pdist",
    "permute",
    "permute_copy",
    "pinverse",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson",
    "polar",
    "polygamma",
    "positive",
    "pow",
    "prelu",
    "prod",
    "put",
    "qr",
    "quantile",
    "rad2deg",
    "rad2deg_",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "range",
    "ravel",
    "real",
    "reciprocal",
    "reciprocal_",
    "relu",
    "relu_",
    "remainder",
    "renorm",
    "repeat_interleave",
    "reshape",
    "resize_as_",
    "resolve_conj",
    "resolve_neg",
    "result_type",
    "rms_norm",
    "roll",
    "rot90",
    "round",
    "round_",
    "row_stack",
    "rrelu",
    "rrelu_",
    "rsqrt",
    "rsqrt_",
    "rsub",
    "scalar_tensor",
    "scan",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "seed",
    "segment_reduce",
    "select",
    "select_copy",
    "select_scatter",
    "selu",
    "selu_",
    "set_rng_state",
    "sgn",
    "sgn_",
    "sigmoid",
    "sigmoid_",
    "sign",
    "sign_",
    "signbit",
    "sin",
    "sin_",
    "sinc",
    "sinc_",
    "sinh",
    "sinh_",
    "slice",
    "slice_copy",
    "slice_scatter",
    "slogdet",
    "softmax",
    "sort",
    "split",
    "split_copy",
    "split_with_sizes",
    "split_with_sizes_copy",
    "sqrt",
    "sqrt_",
    "square",
    "square_",
    "squeeze",
    "squeeze_copy",
    "stack",
    "std",
    "std_mean",
    "stft",
    "sub",
    "subtract",
    "sum",
    "svd",
    "svd_lowrank",
    "swapaxes",
    "swapdims",
    "t",
    "t_copy",
    "take",
    "take_along_dim",
    "tan",
    "tan_",
    "tanh",
    "tanh_",
    "tensor",
    "tensor_split",
    "tensordot",
    "threshold",
    "threshold_",
    "tile",
    "topk",
    "transpose",
    "transpose_copy",
    "trapezoid",
    "trapz",
    "triangular_solve",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "true_divide",
    "trunc",
    "trunc_",
    "typename",
    "unbind",
    "unbind_copy",
    "unflatten",
    "unfold_copy",
    "unique",
    "unique_consecutive",
    "unravel_index",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unsqueeze",
    "unsqueeze_copy",
    "vander",
    "var",
    "var_mean",
    "vdot",
    "view_as_complex",
    "view_as_complex_copy",
    "view_as_real",
    "view_as_real_copy",
    "view_copy",
    "vsplit",
    "vstack",
    "where",
    "while_loop",
    "xlogy",
    "xlogy_",
    "zero_",
    "zeros",
    "zeros_like",
]
