"""Programs in which thrace once differed from PyTorch, each as small as it gets.

A row has what comes before the function, the function, and what comes after it; what PyTorch
refuses must be refused. All ways of running are compared, as in a run.
"""

from __future__ import annotations

import re

import pytest
import torch

from fuzz.check import check
from fuzz.compare import Difference
from fuzz.exclusions import excused
from fuzz.program import Program, Statement
from fuzz.run import execute, fresh, oracle

pytestmark = pytest.mark.filterwarnings("ignore")

F64 = "dtype=T.float64"
GRAD = f"{F64}, requires_grad=True"
ROWS: dict[str, tuple[str, ...]] = {
    # The gradient of a leaf lies in memory as the leaf does, if that has no gaps.
    "gradients_laid_out_as_leaves": (
        f"x0 = T.ones(4, 3, {F64}).t_().requires_grad_(); x1 = T.ones(2, 3, 4, 5, {F64})\n"
        "x2 = x1.permute(0, 3, 1, 2).detach().requires_grad_(); x3 = x1[..., :2].detach().requires_grad_()\n"
        "x4 = x1[:1, :1].expand(2, 3, 4, 5).detach().requires_grad_()",
        "v0 = x0.min(0)[0]; v1 = (x2 * x2).sum() + x3.sin().sum() + x4.sum()\n"
        "(v1 + v0.sum()).backward(); x0.grad = None; (x0 * v0).sum().backward()",
        "(x0 * v0).sum().backward(); v1.backward()",
    ),
    # Nothing to do: then PyTorch looks at less.
    "roll_of_nothing": (f"x0 = T.zeros(2, 0, {F64})", "v0 = x0.roll(1, -3); v1 = x0.roll(1, 7)"),
    "product_of_nothing": (
        f"x0 = T.zeros(0, 3, {F64}); x1 = T.ones(2, 3, 2, dtype=T.bool); x2 = x1[:, :, :0]",
        "v0 = T.matmul(x0, x1); v1 = T.matmul(x1[0, :0], x1[0]); v2 = T.matmul(x2[0], x2.mT[0])\n"
        "v3 = T.matmul(x0, x1[0]); v5 = T.matmul(x0[:, 0], x0[:, 0])\n"
        "v6 = T.bmm(x2, x2.mT.float()); v7 = T.mv(x2[0], x1[0, 0, :0])",
    ),
    "taken_modulo_the_size": (
        f"x0 = T.ones(2, 4, {GRAD}); x1 = T.tensor([[-5, 5, -1]]); x2 = T.tensor([[-3], [2]]); x3 = x0[:0]",
        "v0 = T.take_along_dim(x0, x1, 1); v1 = x0.take_along_dim(x2 * 1, 0); v2 = x0.take_along_dim(x2 + 3)\n"
        "v3 = x0.take_along_dim(T.tensor([-1])); v4 = x3.take_along_dim(x1, 0); v5 = x3.take_along_dim(x1, 1)\n"
        "v6 = x0.take_along_dim(x1.int(), 1)",
        "((v0 * v0).sum() + v1.sum() + v2.sum() + v5.sum()).backward()",
    ),
    "integrals_at_places_of_other_shapes": (
        f"x0 = T.arange(12.0, {GRAD}).view(3, 4); x1 = T.tensor([0.0, 1, 3, 4], {F64})",
        "v0 = T.trapezoid(x0, x1[None, None]); v1 = T.trapezoid(x1, x0); v2 = T.trapezoid(x0, x1[:3])\n"
        "v3 = T.trapezoid(x0[:, :0].long()); v4 = T.trapezoid(x0[:, :0], x1); v5 = T.trapezoid(x0, dx=0.5)\n"
        "v6 = T.cumulative_trapezoid(x1, x0); v7 = T.cumulative_trapezoid(x0[:, :1], x1)\n"
        "v8 = T.cumulative_trapezoid(x0[:, :0]); v9 = T.trapezoid(x0[:, :1].long())",
        "(v0.sum() + v1.sum() + v5.sum() + v6.sum()).backward()",
    ),
    "nothing_but_parts_left_out": (
        f"x0 = T.zeros(0, {GRAD}); x1 = T.zeros(0, dtype=T.int64); x2 = T.zeros(0, 2)",
        "v0 = T.cat([x0, x0], 3); v1 = T.cat([x1, x0], -7); v2 = T.concat([x1], 1)\n"
        "v3 = T.cat([x0, x2], 1); v4 = T.cat([x0, x2], 3); v5 = T.stack([x0, x0], 3)",
        "(v0 * 2).sum().backward(); v1.sum().backward()",
    ),
    "parts_left_out": (
        f"x0 = T.ones(1, 3, {GRAD}); x1 = T.ones(2, {GRAD})",
        "v0 = T.cat([x1, x0.diagonal(-1)]); v1 = T.cat([x0, T.zeros(0)], 1)",
        "v0.sum().backward(); v1.sum().backward()",
    ),
    "nothing_scattered": (
        f"x0 = T.ones(3, {F64}); x1 = T.zeros(0, dtype=T.int64)",
        "v0 = x0.scatter(0, x1, x0[None]); v1 = x0.scatter(0, x1[:, None], x0)",
    ),
    "nothing_indexed": (
        f"x0 = T.ones(2, 3, {GRAD}); x1 = T.tensor([5]); x2 = x1 * 3; x3 = T.zeros(0, 3, {F64})",
        "v0 = x0[:0, x2] * 2; v1 = x0[x2, x2[:0]]; v2 = x0 * 2; v2[:0, x2] += 1; v2[x2, x2[:0]] = 2.0\n"
        "v3 = x3[x2]; v4 = x3[x2[:0], x2]; v5 = x3[x2, x2]; x3[x2] = 1.0; v6 = x3[:, :0][x2]\n"
        "x3[:, x2] += 1; v7 = x3[:, T.tensor(5)]; v8 = x3[:, T.tensor([-4])]\n"
        "v9 = x3.index_add(1, x2, x3[:, :1]); x3.index_fill_(1, x2, 2.0)\n"
        "v10 = x3.index_copy(1, x2, x3[:, :1]); v11 = x3.index_select(1, T.tensor([5]))",
        "(v0.sum() + v1.sum() + v2.sum()).backward()",
    ),
    # What is overwritten as a whole has the gradient zero.
    "scattered_over_all": (
        f"x0 = T.ones(1, 3, {GRAD}); x1 = T.ones(1, 3, {GRAD})",
        "v0 = (x0 * 2).slice_scatter(x1, 0, 0, 1); v1 = (x1 * 2).select_scatter(x0[0], 0, 0)",
        "v0.sum().backward()",
    ),
    # A write of nothing has history all the same.
    "nothing_written": (
        f"x0 = T.ones(1, {GRAD}); x1 = T.ones(3, 1, {F64}); x4 = T.ones(3, 1, {F64})\n"
        f"x5 = T.ones(3, 1, {F64}); x6 = T.ones(3, 1, {F64})",
        "x4.expand(3, 3, 1).narrow(2, 1, 0).add_(x0); v0 = x5.expand(0, 3, 1); v0 += x0\n"
        "v1 = x6.as_strided((2, 0, 3), (0, 0, 0)); v1 *= x0; v2 = x1.detach().expand(2, 3, 1)[:0]; v2 += x0",
        "v1.sum().backward(); v0.sum().backward(); (x4 * x5 * x6).sum().backward(); v2.sum().backward()",
    ),
    "filled_with_a_tensor": (
        f"x0 = T.ones(2, 3, {GRAD}); x1 = T.tensor(2.0, {GRAD})",
        "v0 = x0 * 2; v0.fill_(x1); v1 = x0.t() * 3; v1[0].fill_(x1)",
        "v0.sum().backward(); (v1 * v1).sum().backward()",
    ),
    # A detached tensor gets history of its own; what it shares memory with has only the numbers.
    "detached_and_written": (
        f"x0 = T.ones(2, 3, {GRAD}); x1 = T.zeros(3, 2, {F64})",
        "v0 = x1.detach(); v0.t()[0] += x0[0]; v1 = v0.detach(); v2 = v0[1]; v1 += 1; v3 = v0.data\n"
        "v3.mul_(x0.t()); v4 = (v0 * v0).sum() + v3.sum(); x1 *= 2; v0.register_hook(lambda g: g * 2)",
        "v4.backward(); (v0 * x1).sum().backward(); v2.sum().backward()",
    ),
    "detached_overlapping": (
        f"x0 = T.ones(2, {GRAD}); x1 = T.zeros(4, {F64})",
        "v0 = x1.detach(); v1 = v0.unfold(0, 2, 1); v1[0] = x0; v2 = x1.as_strided((2,), (2,), 1)\n"
        "v3 = v2.detach(); v3.copy_(x0 * 3)",
        "(v0 * v0).sum().backward(); v3.sum().backward()",
    ),
    "detached_around": (
        f"x0 = T.ones(2, {GRAD}); x1 = T.arange(12.0, {F64})",
        "v0 = x1[:2].as_strided((2,), (2,), 3); v1 = v0.detach(); v1 += x0; v2 = v1.t()\n"
        "v3 = x1[1].as_strided((2, 2), (1, 3), 0).detach(); v3[1] = x0 * 2; v3[0].mul_(v1); v3[:, 0] += 1",
        "(v1 * v1).sum().backward(); (v2 * v2).sum().backward(); (v3 * v3).sum().backward()",
    ),
    "data_of_what_has_history": (
        f"x0 = T.ones(3, {GRAD}); x1 = T.zeros(3, {F64})",
        "v0 = x0 * 2; v1 = v0[1:]; v0.data = x1; x1 += 1; v2 = v0 * x0; v3 = v1 * 2",
        "v2.sum().backward(); v3.sum().backward()",
    ),
    # After a write a view is its base's, and has nothing to do with the view it was made of.
    "view_of_a_view_written": (
        f"x0 = T.ones(2, 3, {GRAD})",
        "v0 = x0 * 2; v1 = v0[0]; v2 = v1.view(3, 1); v3 = v1[1:]; v1.mul_(3)\n"
        "v4, = T.autograd.grad(v2.sum(), [v1], retain_graph=True); v5 = v1.view(1, 3)\n"
        "v6, = [t * 2 for t in T.autograd.grad(v5.sum() * 3, [v1], retain_graph=True)]; v7 = v3 * v2[1:, 0]",
        "v7.sum().backward()",
    ),
    "gradient_kept_of_a_written_view": (
        f"x0 = T.ones(2, 3, {GRAD})",
        "v0 = x0 * 2; v1 = v0[0]; v2 = v0[1]; v3 = v1 * 2; v4 = v2 * 3; v1.retain_grad()\n"
        "v2.retain_grad(); v1.mul_(3); v3.sum().backward()\n"
        "v4.sum().backward(); v5 = v2 * 2; v4.sum().backward()\n"
        "(v1 * v5).sum().backward()",
    ),
    # The write goes to the base, past the hooks of the views on the way.
    "hooks_on_written_views": (
        f"x0 = T.ones(2, 3, 2, {GRAD})",
        "v0 = x0 * 2; v1 = v0[0]; v2 = v1[1:]; v3 = v0[1]; v4 = v3[:2]; v5 = v4[T.tensor([0])]\n"
        "v1.register_hook(lambda g: g * 5); v3.retain_grad(); v2.retain_grad(); v2[0].mul_(3); v4[0] += 1\n"
        "v3[:, 0].fill_(2.0); v4[T.tensor([1])] *= 4; v1 *= 2",
        "(v0 * v0).sum().backward(); v5.sum().backward(); v2.sum().backward()",
    ),
    "assigned_past_hooks_on_views": (
        f"x0 = T.ones(2, 3, {GRAD}); x1 = T.tensor(2.0, {GRAD})",
        "v0 = x0 * 2; v1 = v0.t(); v2 = v0[0]; v1.retain_grad(); v2.register_hook(lambda g: g * 5); v3 = v1[-1]\n"
        "v3 += 0.75; v1[-1] = v3; v2[:1].copy_(v3[:1] * 2); v1[0].fill_(x1)",
        "(v0 * v0).sum().backward()",
    ),
    "around_a_written_view": (
        f"x0 = T.arange(12.0, {GRAD})",
        "v0 = x0 * 2; v1 = v0.view(3, 4)[0]; v2 = v1.as_strided((2, 2), (4, 0), 1); v1 -= 1; v3 = v2 * 3\n"
        "v6 = x0.view(3, 4)[2]\n"
        "v4 = x0.view(3, 4)[1]; v5 = v4.as_strided((2, 2), (1, 3), 1)\n"
        "with T.no_grad(): v5[0] = 1.0\nv7 = v6.as_strided((2, 3), (8, 1), 0)",
        "v3.sum().backward(); v5.sum().backward(); v7.sum().backward()",
    ),
    "around_a_complex_view": (
        f"x0 = T.arange(12.0, {GRAD}); x1 = T.complex(x0, x0 * x0).view(3, 4)",
        "v0 = x1[1].conj(); v1 = v0.as_strided((2, 2), (1, 3), 1); v2 = x1[2].real\n"
        "v3 = v2.as_strided((2, 3), (9, 1), 3); v4 = v0.imag.as_strided((2, 3), (9, 1), 3)\n"
        "v5 = x1 * 2; v6 = v5[0].real.as_strided((2, 3), (9, 1), 3); v5 *= 3",
        "(v1 * v1).abs().sum().backward(); v3.sum().backward()\n"
        "(v4 * v4).sum().backward(); v6.sum().backward()",
    ),
    "written_by_data": (
        f"x0 = T.arange(6.0, {GRAD}); x1 = T.zeros(2, {F64})",
        "v0 = x0[:2]; v1 = v0.as_strided((2, 3), (3, 1), 0); v2 = (x0 * 2)[1:]; v3 = v2[1:]\n"
        "v0.data[0] = 3.0; v2.data[1:].mul_(2); v4 = x0[2:].as_strided((2,), (1,), 0)\n"
        "v5 = v3 * 1",
        "v1.sum().backward(); v4.sum().backward(); v5.sum().backward()",
    ),
    "made_anew_is_no_view": (
        f"x0 = T.ones(2, 3, {F64}); x1 = T.ones(1, 4, 2, 2, {F64})",
        "v0 = T.rot90(x0); v0.detach_(); v1 = v0.t(); v2 = T.kron(x0, x0); v2.detach_()\n"
        "v3 = T.combinations(x0[0]); v3.detach_(); v4 = T.nn.functional.pixel_shuffle(x1, 2); v4.detach_()\n"
        "v5 = T.nn.functional.unfold(x1, 2); v5.detach_(); v6 = T.nn.functional.channel_shuffle(x1, 2)\n"
        "v6.detach_(); v7 = T.nn.functional.pairwise_distance(x0, x0 * 2); v7.detach_()",
    ),
    # What PyTorch composes of other functions may end with a view.
    "views_at_the_end_of_functions": (
        f"x0 = T.arange(4.0, {F64}).view(2, 2); x0.requires_grad_(); x1 = T.ones(2, 2, 1, {F64})",
        "v0 = T.nn.functional.avg_pool1d(x0, 2, padding=1); v1 = T.nn.functional.max_pool1d(x0, 2, 1)\n"
        "v2 = x0.repeat_interleave(2, 1); v3 = T.tensordot(x0, x0, ([1], [1])); v4 = T.nn.functional.conv1d(x0, x1)\n"
        "v5, v6, = T.nn.functional.max_pool1d(x0, 2, 1, return_indices=True); v7 = T.nn.functional.max_pool1d(x0.detach(), 2)\n"
        "v8 = T.nn.functional.adaptive_avg_pool1d(x0, 2); v9 = T.nn.functional.adaptive_max_pool1d(x0, 1)\n"
        "v0.register_hook(lambda g: -g); v1.retain_grad(); v2.retain_grad(); v3.register_hook(lambda g: g * 5)\n"
        "v4.register_hook(lambda g: -g); v5.retain_grad(); v8.register_hook(lambda g: -g); v9.retain_grad()\n"
        "v0.flatten().mul_(2); v1.t().mul_(3); v2[0].mul_(4); v3.mul_(5); v4.view(-1).mul_(2); v5.mul_(2); v8[0].mul_(2)\n"
        "v9.mul_(2); v7.detach_(); v0.detach_(); v1.detach_(); v2.detach_(); v3.detach_(); v4.detach_(); v5.detach_()\n"
        "v6.detach_(); v8.detach_(); v9.detach_()",
        "(v0.sum() + v1.sum() + v2.sum() + v3.sum()).backward(); (v4.sum() + v5.sum() + v8.sum() + v9.sum()).backward()",
    ),
    # Refusals and their classes.
    "written_where_elements_are_one": (
        f"x0 = T.ones(3, {F64})",
        "v0 = x0.expand(2, 3); v0[...] = 2.0; v0[:, 0] = 2.0; v0[0] = 3.0; v0.fill_(x0[0])\n"
        "v0.fill_(4.0); v1 = v0.bool(); v1[:] = 0.25",
    ),
    "source_without_dims": (
        f"x0 = T.ones(1, 1, 3, {F64}); x1 = T.zeros(1, 1, 3, dtype=T.int64)",
        "x0.scatter_reduce_(0, x1, x0[0], 'amax'); v0 = x0.scatter(0, x1, x0[0])\n"
        "v1 = x0.scatter_add(0, x1, x0[None]); v2 = x0.scatter(0, x1[0], x0)",
    ),
    "dtypes_of_indices": (
        f"x0 = T.ones(3, {F64}); x1 = T.tensor([0], dtype=T.int32); x2 = T.ones(1, {F64}); x3 = T.zeros(0)",
        "v0 = x0.take(x1); v1 = x0.put(x1, x2); v2 = x0.index_copy(0, x1, x2); v3 = x0.index_fill(0, x1, 1)\n"
        "v4 = x0.gather(0, x1); v5 = x0.scatter_add(0, x1, x2); v6 = x0.index_add(0, x1, x2)\n"
        "v7 = x0.index_select(0, x1); v8 = x0.index_reduce(0, x1, x2, 'prod'); v9 = x0.gather(0, x3)\n"
        "v10 = x0.take(x3); v11 = x0.index_select(0, x3); v12 = x0.index_fill(0, x3, 1.0)",
    ),
    "sources_without_dims_by_index": (
        f"x0 = T.ones(3, {F64}); x1 = T.tensor([1]); x2 = T.tensor(2.0, {F64}); x3 = T.tensor([0, 0])",
        "v0 = x0.index_copy(0, x1, x2); v1 = x0.index_copy(0, x3, x2); v2 = x2.index_copy(0, x1 - 1, x0[:1])\n"
        "v3 = x2.index_add(0, x1 - 1, x0[:1]); v4 = x2.index_add(0, x1 - 1, x2); v5 = x0.index_add(0, x1, x2)\n"
        "v6 = x2.index_reduce(0, x1 - 1, x0[:1], 'amax'); v7 = x2.index_select(0, x3)\n"
        "v8 = x2.index_select(0, x3[:0]); v9 = x2.index_select(0, x3[0])",
    ),
    "sizes_of_repeats": (
        f"x0 = T.ones(3, {F64}); x1 = T.zeros(0, dtype=T.int32)",
        "v0 = x0.repeat_interleave(2, output_size=5); v1 = x0.repeat_interleave(2, output_size=6)\n"
        "v2 = T.repeat_interleave(T.tensor([1, 2]), output_size=4); v3 = x0.repeat_interleave(T.tensor([1, -1, 1]))\n"
        "v4 = T.repeat_interleave(T.tensor([[1, 2]])); v5 = x1.median(); v6 = x1.byte().nanmedian()",
    ),
    "numbers_scattered": (
        f"x0 = T.ones(3, {GRAD}); x1 = T.tensor(2.0, {GRAD}); x2 = T.tensor(1)",
        "v0 = x0.scatter(0, x2, x1); v1 = x0.scatter_add(0, x2[None], x1); v2 = x0.scatter(0, x2, x0)\n"
        "v3 = x0.scatter_reduce(0, x2, x1, 'sum'); v4 = x0.scatter(0, x2.expand(2), x1)\n"
        "v5 = x1.scatter_add(0, x2 * 0, x0); v6 = x0[None].scatter(0, x2, x1)",
        "",
    ),
    "too_few_elements": (
        f"x0 = T.ones(4, {F64})",
        "v1 = x0.clone().masked_scatter_(T.tensor([True, True, False, True]), x0[:2] * 2)\n"
        "v0 = x0.masked_scatter(T.tensor([True, True, False, True]), x0[1:] * 2)",
    ),
    "leaf_before_indices": (
        f"x0 = T.zeros(0, 3, {GRAD})",
        "x0[T.zeros(0, dtype=T.int64), T.tensor([0, 1, 2])] = 1\nx0.view(-1)[T.tensor([True])] = 1",
    ),
    "leaf_before_shapes": (
        f"x0 = T.zeros(2, 3, {GRAD}); x1 = T.ones(4, {F64}); x2 = T.tensor([[0, 1, 0], [2, 0, 1]])",
        "x0.scatter_reduce_(1, x2, x1, 'sum')\nx0.add_(x1)",
    ),
    "tangents_of_no_kind": (
        f"x0 = T.ones(3, {F64})",
        "v0 = T.func.jvp(lambda t: t * t, (x0,), (x0[:2] > 0,))[1]\n"
        "v1 = T.func.jvp(lambda t: t * t, (x0.long(),), (x0,))[1]",
    ),
    # Dtypes.
    "einsum_of_two_dtypes": (
        f"x0 = T.ones(2, 3, {F64}); x1 = T.ones(2, 3, dtype=T.bool); x2 = T.ones(2, 3)",
        "v0 = T.einsum('...i,...i->...', x0, x1); v1 = T.einsum('ij,kj->ik', x0, x1[:, :1])\n"
        "v2 = T.einsum('ij,kj->ik', x0, x2); v3 = T.einsum('ij,k->ijk', x0, x2[:, 0])\n"
        "v4 = T.einsum('ij,ij->ij', x1, x0)\n"
        "v6 = T.einsum('ij->i', x1); v7 = T.einsum('ij,jk->ik', x0[:, :0], x2[:0])\n"
        "v8 = T.einsum('ij,k->i', x0, x2[0]); v9 = T.einsum('ij,kj->ik', x0[:, :1], x0 * 3)",
    ),
    "loss_in_the_targets_dtype": (
        f"x0 = T.ones(3, {GRAD}); x1 = T.full((3,), 0.25)",
        "v0 = T.nn.functional.binary_cross_entropy_with_logits(x0, x1)\n"
        "v1 = T.nn.functional.binary_cross_entropy_with_logits(x0, x1.long())\n"
        "v2 = T.nn.functional.binary_cross_entropy_with_logits(x1, x0.detach(), pos_weight=x1)",
        "v0.backward()",
    ),
    "dtypes_of_losses": (
        f"x0 = T.ones(3, {F64}); x1 = T.full((), 0.5); x2 = T.ones(2, 3); x3 = T.tensor([0, 2])",
        "v0 = T.nn.functional.mse_loss(x1, x0.half()); v1 = T.nn.functional.huber_loss(x0, x1)\n"
        "v2 = T.nn.functional.cross_entropy(x2, x2.double() / 2, label_smoothing=0.25)\n"
        "v3 = T.nn.functional.nll_loss(x2, x3.int()); v4 = T.nn.functional.cross_entropy(x2, x3.byte())",
    ),
    "dtype_of_the_input": (
        f"x0 = T.ones(3, {F64}); x1 = T.full((4, 3), 0.1)",
        "v0 = T.nn.functional.huber_loss(x1, x0, delta=0.5); v1 = T.nn.functional.huber_loss(x0, x1)\n"
        "v2 = T.nn.functional.huber_loss(x1.half(), x0, reduction='none'); v3 = T.nn.functional.huber_loss(x0.int(), x1)",
    ),
    "biases_that_do_not_fit": (
        "x0 = T.ones(3); x1 = T.ones(4, 3)",
        "v0 = T.nn.functional.linear(x0, x1, x1[:, :1]); v1 = T.nn.functional.linear(x1, x1, x0[:1])\n"
        "v2 = T.nn.functional.linear(x1, x1, x1[:, :1]); v3 = x0[0].index_reduce(1, T.tensor([0]), x0[0], 'prod')",
    ),
    "kron_is_laid_out_as_the_product": (
        f"x0 = T.arange(12.0, {F64}).view(2, 2, 3)",
        "v0 = x0.diagonal(-1, 2, 0); v1 = T.kron(v0, v0); v2 = T.kron(x0[0], x0[1])",
    ),
    "lerp_is_laid_out_as_its_start": (
        f"x0 = T.ones(3, 2, {F64}); x1 = T.ones(2, 3, {F64})",
        "v0 = T.lerp(x0.t(), x1, x1); v1 = T.lerp(x1, x0.t(), x0.t()); v2 = x0.t().lerp(x1, 0.5)",
    ),
    "laid_out_as_operands_in_one_place": (
        f"x0 = T.arange(12.0, {F64}).view(3, 2, 2); x1 = x0.diagonal(0, 0, 2); x2 = x0.as_strided((2, 2), (0, 2), 0)",
        "v0 = T.hypot(x2, x1); v1 = T.logical_and(x2, x1); v2 = T.heaviside(x2, x1); v3 = T.hypot(x1, x2)\n"
        "v4 = T.nn.functional.huber_loss(x2, x1, 'none'); v5 = T.nn.functional.huber_loss(x1, x2, 'none')\n"
        "v6 = T.logical_or(x2.int(), x1); v7 = T.nn.functional.huber_loss(x0[0].t(), x0[:1, 0], 'none')",
    ),
    "nothing_is_contiguous": (
        f"x0 = T.zeros(2, 0, {F64}).t(); x1 = T.ones(1, {F64})",
        "v0 = T.view_as_complex(T.where(x0 > -1, x0, x0)); v1 = T.view_as_complex(T.hypot(x0, x0))\n"
        "v2 = T.view_as_complex(x0.exp()); v3 = T.view_as_complex(x0 * 2); v4 = T.view_as_complex(x0 * x1)\n"
        "v5 = T.view_as_complex(x0.clone()); v6 = T.view_as_complex(T.zeros_like(x0)); v7 = T.view_as_complex(x0.float())",
    ),
    # Evaluating one argument drops what another one, a view, showed before.
    "arguments_evaluated_in_turn": (
        f"x0 = T.ones(2, 3, {GRAD}); x1 = T.ones(2, 2, {F64}); v0 = (x1 * 2).diagonal()\n"
        "v1 = x0.unfold(0, 2, 1)",
        "v2 = v1[0]; v3 = v2[T.tensor(0)].clone()",
        "(v3 * v3).sum().backward(); v2.sum().backward()",
    ),
    # What a transform differentiated by is no way to what was detached.
    "transforms_of_what_is_detached": (
        f"x0 = T.ones(2, {GRAD}); x1 = T.arange(2.0, {F64})",
        "v0 = T.func.jvp(lambda t: t.sin() * t, (x0.data,), (x0,))[1]\n"
        "v1 = T.func.vjp(lambda t: t.sin() * t, x0.detach())[1](x0)[0]\n"
        "v2 = T.func.grad(lambda t: (t.sin() * t * x0).sum())(x0.data * x1)\n"
        "v3 = T.func.grad(lambda t: (t.sin() * t * x1).sum())(x0)",
        "(v0 * v1).sum().backward(); (v2 * v2).sum().backward(); v3.sum().backward()",
    ),
    "gradient_by_a_view_from_outside": (
        f"x0 = T.ones(2, 3, {GRAD}); v0 = x0[:, 1:-1]; v1 = T.cat([x0, v0], 1)",
        "v2, v3, = [g * 2 for g in T.autograd.grad((v1 * v0).sum(), [x0, v0])]",
    ),
    # A gradient from before has history, which goes on in what the call adds to it.
    "history_of_a_gradient": (
        f"x0 = T.tensor([0.25, 2.5], {GRAD})",
        "v0 = (x0 * x0 + 1).log(); v0.sum().backward(retain_graph=True, create_graph=True); v1 = x0.grad * 2",
        "v2, = T.autograd.grad((v1 * x0).sum(), [x0], retain_graph=True); x0.grad.sum().backward(create_graph=True)",
    ),
    "hooks_of_a_leaf_for_the_moment": (
        f"x0 = T.ones(3, {GRAD}); x1 = T.ones(3, {GRAD}); v0 = x0 * x1; v0.sum().backward()",
        "v1 = v0 * 2; x0.register_post_accumulate_grad_hook(lambda p: setattr(p, 'grad', None))\n"
        "x0.requires_grad_(False); v1.sum().backward()",
    ),
    # What requires no grad for the moment keeps its gradient, which the next call finds.
    "leaf_for_the_moment": (
        f"x0 = T.ones(3, {F64}); x1 = T.ones(3, {GRAD}); (x1 * 5).sum().backward(); x1.requires_grad_(False)",
        "x0.requires_grad_(); (x0 * x1.grad).sum().backward(); x0.requires_grad_(False)\n"
        "v0 = x1.grad * 2; x1.requires_grad_(); (x1 * v0).sum().backward(); x1.requires_grad_(False)",
        "x0.requires_grad_(); (x0 * x0).sum().backward()",
    ),
    # The history of a view from outside is where a hook on it lies.
    "hook_on_a_view_from_outside": (
        f"x0 = T.ones(2, 3, {GRAD}); v0 = x0[0]; v1 = v0 * 2; v2 = x0[1]; v3 = v2 * 3",
        "v4 = v0 * v0; v0.register_hook(lambda g: -g); v2.retain_grad(); v5 = v1 * v0 + v4 + v2 * v3",
        "v5.sum().backward(); (v0 * v1 * v3).sum().backward()",
    ),
    # Who shares memory at a second call.
    "memory_of_what_is_gone": (
        f"x0 = T.tensor([2.0, 3.0], {F64}); x1 = T.ones(2, 2); v0 = x0.detach()",
        "v1, v2, = x0.topk(2, -1)\nv0.view(-1).fill_(-2.0)\nx0.data = x0.detach() * 2\n"
        "v3 = x1.transpose(0, -2)",
    ),
    "pointed_elsewhere_and_returned": (
        f"x0 = T.tensor([2.0, 3.0], {F64})",
        "v0 = x0 * 3; x0.data = x0.detach() * 2; v1 = x0.flatten()",
    ),
}
BINDS = re.compile(r"^((?:[xvs]\d+,? ?)+) = ")


def program(parts: tuple[str, ...], captured: bool) -> Program:
    """The program of a row. PyTorch says which statements are refused."""
    space = fresh(Program((), (), 0), torch)
    statements: list[Statement] = []
    ends: list[int] = []
    with oracle():
        for part in parts:
            part = part.replace("backward()", "backward(retain_graph=True)")
            for source in filter(None, (s.strip() for s in part.replace("\n", ";").split(";"))):
                bound = BINDS.match(source)
                binds = tuple(re.findall(r"\w+", bound[1])) if bound else ()
                error = execute(Statement(source), space)
                refused = type(error).__name__ if error else ""
                statements.append(Statement(source, binds=() if error else binds, refused=refused))
            ends.append(len(statements))
    return Program((), tuple(statements), ends[1], ends[0], captured=captured)


@pytest.mark.parametrize("captured", (False, True), ids=("arguments", "captured"))
@pytest.mark.parametrize("name", ROWS)
def test_program(name: str, captured: bool):
    found = program(ROWS[name], captured)
    m, *_, excuse, valid = check(found)
    assert valid and not excuse
    if m is not None:
        pytest.fail(f"{m.mode}: {m.difference}\n{found.reproduction()}", pytrace=False)


NOT_FINITE = f"x0 = T.tensor([False, True]); x1 = T.tensor(float('inf'), {F64})"


@pytest.mark.parametrize("way", ("x0 * x1", "x0 // (x1 * 0)", "x0.int() * x1", "x0 / (1 / -x1)"))
def test_xla_multiplies_what_was_bool_as_a_number(way: str):
    m = check(program((NOT_FINITE, f"v0 = {way}"), captured=False), "xla", plain=False).mismatch
    assert m is None, m.difference


@pytest.mark.parametrize("way", ("atan2(v0, v0)", "atan2(-v0, v0 / 2)", "complex(v1, v1).angle()"))
def test_xla_finds_the_angle_of_the_origin(way: str):
    steps = f"v0 = T.arange(4); v1 = v0.double(); v2 = T.{way}"
    m = check(program(("x0 = T.ones(3)", steps), captured=False), "xla", plain=False).mismatch
    assert m is None, m.difference


@pytest.mark.parametrize("name", ("x0", "x1"))
def test_only_what_pytorch_wrote_over_is_excused(name: str):
    rows = (f"x0 = T.arange(6.0, {F64}).view(2, 3); x1 = T.ones(2, 3, {F64})",)
    found = program((*rows, f"v0 = {name}.select(-1, 0); T.sum(x0, 1, out=v0)"), captured=False)
    made_up = Difference("value", f"{name}: 1 of 6 elements, at (0, 0): 1.0 for 2.0")
    assert bool(excused(found, "uncompiled", made_up)) == (name == "x0")


@pytest.mark.parametrize(
    ("mode", "name", "excuse"),
    (("called again", "x0", True), ("called again", "x1", False), ("recorded", "x0", False)),
)
def test_only_what_a_second_call_writes_twice_is_excused(mode: str, name: str, excuse: bool):
    rows = (f"x0 = T.arange(6.0, {F64}).view(3, 2); x1 = T.ones(3, {F64})",)
    steps = "x0.t_(); v0 = x0.unfold(0, 2, 1); v0.neg_(); x1.neg_()"
    made_up = Difference("value", f"{name}: 1 of 6 elements, at (0, 0): 1.0 for 2.0")
    found = excused(program((*rows, steps), captured=False), f"compiled (xla), {mode}", made_up)
    assert bool(found) == excuse
