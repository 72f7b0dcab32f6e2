"""Keywords by which PyTorch's functions are called: its own, NumPy's, sizes as one sequence.

Each call gives here what it gives on PyTorch, or is refused by both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from snippets import same_numbers

import thrace

CALLS = (
    "torch.select_scatter(X, V, dim=0, index=1)",
    "torch.slice_scatter(X, X[:, :1], dim=1, start=1, end=2, step=1)",
    "torch.diagonal_scatter(S, V, offset=0, dim1=0, dim2=1)",
    "torch.as_strided_scatter(X, V, size=(3,), stride=(1,), storage_offset=0)",
    "X.select_scatter(src=V, dim=0, index=0)",
    "X.slice_scatter(src=X[:1], dim=0, start=0, end=1)",
    "torch.narrow_copy(X, dim=0, start=0, length=1)",
    "X.narrow_copy(dim=1, start=0, length=2)",
    "torch.can_cast(from_=torch.int32, to=torch.float32)",
    "torch.promote_types(type1=torch.int32, type2=torch.float32)",
    "torch.adjoint(input=S)",
    "torch.numel(input=X)",
    "torch.is_inference(input=X)",
    "torch.swapaxes(input=X, axis0=0, axis1=1)",
    "X.swapaxes(axis0=0, axis1=1)",
    "torch.linalg.norm(input=V)",
    "torch.linalg.norm(A=V)",
    "torch.linalg.matrix_power(input=S, n=2)",
    "torch.linalg.matrix_power(A=S, n=2)",
    "torch.true_divide(input=X, other=X+1)",
    "torch.div(input=X, other=2)",
    "X.div(other=2)",
    "X.mul(other=2)",
    "X.add(other=1, alpha=2)",
    "torch.add(input=X, other=X, alpha=2)",
    "torch.sub(input=X, other=1)",
    "torch.matmul(input=S, other=S)",
    "S.matmul(other=S)",
    "torch.mm(input=S, mat2=S)",
    "torch.bmm(input=S[None], mat2=S[None])",
    "V.dot(tensor=V)",
    "torch.dot(input=V, tensor=V)",
    "torch.mv(input=S, vec=V)",
    "torch.addmm(input=S, mat1=S, mat2=S, beta=2, alpha=3)",
    "S.addmm(mat1=S, mat2=S, beta=2)",
    "torch.clamp(input=X, min=1, max=2)",
    "X.clamp(min=1)",
    "torch.where(condition=X > 1, input=X, other=-X)",
    "X.where(condition=X > 1, other=-X)",
    "torch.sum(input=X, dim=1, keepdim=True, dtype=torch.float64)",
    "X.sum(dim=(0, 1))",
    "X.sum(axis=1)",
    "X.mean(axis=0, keepdims=True)",
    "torch.max(input=X, dim=1)",
    "torch.argmax(input=X, dim=0, keepdim=True)",
    "X.std(dim=0, unbiased=False)",
    "torch.std(X, dim=0, correction=0)",
    "torch.var_mean(X, dim=1)",
    "torch.norm(input=X, p=2, dim=1)",
    "torch.cat(tensors=[X, X], dim=0)",
    "torch.cat([X, X], axis=1)",
    "torch.stack(tensors=[V, V], dim=1)",
    "torch.split(tensor=V, split_size_or_sections=2)",
    "V.split(split_size=2)",
    "torch.chunk(input=V, chunks=2)",
    "torch.squeeze(input=X[None], dim=0)",
    "torch.unsqueeze(input=V, dim=0)",
    "torch.transpose(input=X, dim0=0, dim1=1)",
    "torch.permute(input=X, dims=(1, 0))",
    "X.permute(dims=(1, 0))",
    "torch.reshape(input=X, shape=(3, 2))",
    "X.view(size=(3, 2))",
    "X.reshape(shape=(6,))",
    "X.expand(size=(2, 2, 3))",
    "torch.flatten(input=X, start_dim=0, end_dim=1)",
    "torch.flip(input=X, dims=(0,))",
    "torch.roll(input=X, shifts=1, dims=0)",
    "torch.tile(input=V, dims=(2,))",
    "V.repeat(repeats=(2,))",
    "torch.gather(input=X, dim=1, index=torch.zeros(2, 1, dtype=torch.long))",
    "torch.scatter(input=X, dim=1, index=torch.zeros(2, 1, dtype=torch.long), src=X)",
    "X.scatter(dim=1, index=torch.zeros(2, 1, dtype=torch.long), value=5.)",
    "torch.index_select(input=X, dim=0, index=torch.tensor([1]))",
    "torch.masked_select(input=X, mask=X > 2)",
    "X.masked_fill(mask=X > 2, value=0.)",
    "torch.take(input=X, index=torch.tensor([1]))",
    "torch.topk(input=V, k=2, dim=0, largest=False, sorted=True)",
    "torch.sort(input=V, dim=0, descending=True, stable=True)",
    "torch.argsort(V, stable=True, descending=True)",
    "torch.searchsorted(sorted_sequence=V, input=V, right=True)",
    "torch.bucketize(input=V, boundaries=V)",
    "torch.cumsum(input=X, dim=1)",
    "torch.einsum('ij,jk->ik', S, S)",
    "torch.tensordot(a=S, b=S, dims=1)",
    "torch.kron(input=V, other=V)",
    "torch.outer(input=V, vec2=V)",
    "torch.diag(input=V, diagonal=1)",
    "torch.triu(input=S, diagonal=1)",
    "torch.arange(start=0, end=3, step=1)",
    "torch.arange(end=3)",
    "torch.linspace(start=0, end=1, steps=3)",
    "torch.full(size=(2,), fill_value=1.)",
    "torch.zeros(size=(2,))",
    "torch.ones(2, dtype=float)",
    "torch.eye(n=2, m=3)",
    "torch.zeros_like(input=X)",
    "torch.full_like(input=X, fill_value=2)",
    "torch.empty(size=(0,))",
    "torch.randint(low=1, high=2, size=(2,))",
    "torch.randint(high=1, size=(2,))",
    "torch.bernoulli(input=torch.ones(2))",
    "torch.multinomial(input=torch.tensor([0., 1.]), num_samples=1)",
    'torch.meshgrid(V, V, indexing="xy")',
    "torch.cross(input=V, other=V)",
    "torch.linalg.cross(input=V, other=V)",
    "torch.allclose(input=X, other=X)",
    "torch.equal(input=X, other=X)",
    "torch.isclose(X, X, rtol=1e-3, atol=1e-3, equal_nan=True)",
    "torch.round(input=X, decimals=1)",
    "torch.pow(input=X, exponent=2)",
    "torch.pow(2, X)",
    "torch.lerp(input=X, end=X, weight=0.5)",
    "torch.atan2(input=X, other=X)",
    "torch.quantile(input=X, q=0.5, dim=1)",
    "torch.histc(input=X, bins=2, min=0, max=5)",
    "torch.unique(input=V, return_counts=True)",
    "torch.repeat_interleave(input=V, repeats=2)",
    "torch.nan_to_num(input=X, nan=0.0)",
    "torch.softmax(input=X, dim=1)",
    "torch.logsumexp(input=X, dim=1)",
    "torch.cdist(x1=X, x2=X, p=2)",
    "torch.linalg.solve(A=S, B=V)",
    "torch.linalg.svd(A=S, full_matrices=False).S",
    'torch.linalg.eigh(S, UPLO="L").eigenvalues',
    "torch.linalg.lstsq(input=S, b=V[:, None]).solution",
    "torch.linalg.lstsq(S, V[:, None]).solution",
    "torch.linalg.pinv(A=S)",
    "torch.linalg.pinv(S, rcond=1e-3)",
    "torch.linalg.vector_norm(x=V)",
    "torch.linalg.matrix_norm(A=S)",
    "torch.linalg.inv(A=S)",
    "torch.linalg.multi_dot(tensors=[S, S])",
    'torch.fft.fft(input=V, n=4, dim=0, norm="ortho").abs()',
    "torch.fft.fftfreq(n=4, d=2.0)",
    "torch.special.round(input=X, decimals=1)",
    "F.linear(input=V, weight=S, bias=None)",
    "F.relu(input=V, inplace=False)",
    "F.softmax(input=V, dim=0)",
    'F.cross_entropy(input=X, target=torch.tensor([0, 1]), weight=None, reduction="sum")',
    "F.cross_entropy(X, torch.tensor([0, 1]), label_smoothing=0.1)",
    'F.mse_loss(input=X, target=X, reduction="none")',
    'F.pad(input=V, pad=(1, 1), mode="constant", value=2.)',
    "F.embedding(input=torch.tensor([0]), weight=S)",
    "F.layer_norm(input=X, normalized_shape=(3,), weight=None, bias=None, eps=1e-5)",
    "F.dropout(input=V, p=0.0, training=True)",
    "F.normalize(input=X, p=2., dim=1)",
    'F.interpolate(input=X[None, None], scale_factor=2, mode="nearest")',
    "F.max_pool1d(input=X[None], kernel_size=2, stride=1)",
    'F.conv1d(input=X[None], weight=torch.ones(1, 2, 2), bias=None, stride=1, padding="same")',
    'V.clone().uniform_(**{"from": 0, "to": 0})',
    "torch.tensor(data=[1])",
    "torch.as_tensor(data=[1])",
    "torch.from_numpy(np.ones(1))",
    "torch.trapezoid(y=V, dx=2.0)",
    "torch.trapz(V, dx=2.0)",
    "torch.cov(input=X, correction=0)",
    "torch.corrcoef(input=X)",
    "torch.heaviside(input=V, values=V)",
    "torch.movedim(input=X, source=0, destination=1)",
    "torch.unflatten(input=V, dim=0, sizes=(3, 1))",
    "torch.swapdims(X, dim0=0, dim1=1)",
    "torch.hstack(tensors=[V, V])",
    "torch.hsplit(X, 3)",
    "torch.count_nonzero(input=X, dim=0)",
    "torch.nonzero(input=V, as_tuple=True)",
    "V.nonzero(as_tuple=True)",
    "torch.rot90(input=S, k=1, dims=(0, 1))",
    "torch.logit(input=V, eps=0.1)",
    "torch.clip(X, 1, 2)",
    "torch.fmod(input=X, other=2)",
    "torch.remainder(input=X, other=2)",
    "X.fmod(other=2)",
    "X.type_as(other=X)",
    "X.index_add(dim=0, index=torch.tensor([0]), source=X[:1], alpha=2)",
    "X.index_copy(dim=0, index=torch.tensor([0]), source=X[:1])",
    "X.index_fill(dim=0, index=torch.tensor([0]), value=1.)",
    "torch.index_add(X, 0, torch.tensor([0]), X[:1])",
    "X.masked_scatter(mask=X > 2, source=X)",
    "torch.triangular_solve(X.T, A=S).solution",
    "torch.cholesky_solve(torch.ones(3, 1), S)",
    "X.to(dtype=torch.float64, copy=True)",
    "X.new_full(size=(2,), fill_value=3)",
    "X.new_zeros(size=(2,))",
    "X.new_tensor(data=[1])",
    "torch.nn.init.constant_(tensor=torch.ones(1), val=2.)",
    "torch.nn.init.zeros_(tensor=torch.ones(1))",
    "nn.utils.clip_grad_norm_(parameters=[nn.Parameter(V)], max_norm=1.0, norm_type=2.0)",
    "torch.func.vmap(func=torch.sin, in_dims=0, out_dims=0)(V)",
    "torch.autograd.grad(outputs=(V.requires_grad_() * 2).sum(), inputs=V, create_graph=False)",
    "torch.flip(X, [0])",
    "torch.isin(elements=V, test_elements=V)",
    "torch.vander(x=V.detach(), N=2)",
    "torch.combinations(input=V, r=2)",
    "torch.cartesian_prod(V, V).shape",
    "torch.block_diag(S, S).shape",
    "torch.bincount(input=torch.tensor([0, 1, 1]), minlength=3)",
    "torch.gradient(V.detach(), spacing=1.0, dim=0)",
    "torch.polar(abs=V.detach(), angle=V.detach())",
    "torch.complex(real=V.detach(), imag=V.detach())",
)


def answer(call: str, library: Any) -> Any:
    library.manual_seed(0)
    names = {
        "torch": library,
        "nn": library.nn,
        "F": library.nn.functional,
        "np": np,
        "X": library.arange(6.0).reshape(2, 3),
        "V": library.arange(3.0),
        "S": library.eye(3) * 2,
    }
    try:
        return eval(call, names)
    except Exception as error:
        return type(error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_called_as_in_pytorch(call: str):
    want, got = answer(call, torch), answer(call, thrace)
    if isinstance(want, type):
        assert got is want, got
    elif isinstance(want, torch.dtype):
        assert str(got).partition(".")[2] == str(want).partition(".")[2]
    elif isinstance(want, torch.Size):
        assert tuple(got) == tuple(want)
    else:
        same_numbers(
            tuple(got) if isinstance(want, tuple) else got,
            tuple(want) if isinstance(want, tuple) else want,
        )


OPTIONS = ({"mode": "default"}, {"backend": "eager", "dynamic": False}, {"options": {}})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_compile_takes_pytorchs_options(options: dict[str, Any]):
    double = thrace.compile(model=lambda x: x * 2, **options)
    assert [double(thrace.ones(2)).tolist() for _ in range(2)] == [[2, 2]] * 2
    assert len(thrace.explain(double).traces) == 1


def test_compile_disabled_gives_the_function():
    def f(x: Any) -> Any:
        return x

    assert thrace.compile(f, disable=True) is f
