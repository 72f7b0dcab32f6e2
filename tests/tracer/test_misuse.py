"""Bad programs: the exception is one PyTorch's callers catch, and it is raised at their line.

Each case is the last line of a snippet. PyTorch must refuse it as well; its exception type
is what ours has to be an instance of.
"""

from __future__ import annotations

import builtins
import traceback
from types import TracebackType
from typing import Any

import pytest
import torch
from snippets import load, names

import thrace

CASES = {
    # Shapes of elementwise operations
    "add_shapes": "torch.ones(2, 3) + torch.ones(4, 3)",
    "mul_shapes": "torch.ones(64, 10) * torch.ones(64, 12)",
    "add_rank": "torch.ones(2, 3, 4) + torch.ones(2, 3)",
    "sub_function": "torch.sub(torch.ones(5), torch.ones(4))",
    "compare_shapes": "torch.ones(2) < torch.ones(3)",
    "where_shapes": "torch.where(torch.ones(2) > 0, torch.ones(2), torch.ones(3))",
    "maximum_shapes": "torch.maximum(torch.ones(2), torch.ones(3))",
    "in_place_shapes": "torch.ones(2, 3).add_(torch.ones(4, 3))",
    "in_place_grows": "torch.ones(3).mul_(torch.ones(2, 3))",
    "augmented_grows": "x = torch.ones(1)\nx += torch.ones(3)",
    "masked_fill_shape": "torch.ones(3).masked_fill(torch.ones(2) > 0, 0.0)",
    # Matrix products
    "matmul_inner": "torch.ones(2, 3) @ torch.ones(4, 5)",
    "matmul_scalar": "torch.ones(2, 3) @ torch.tensor(1.0)",
    "matmul_batch": "torch.ones(2, 3, 4) @ torch.ones(3, 4, 5)",
    "mm_rank": "torch.mm(torch.ones(2, 3, 4), torch.ones(4, 5))",
    "mm_inner": "torch.mm(torch.ones(2, 3), torch.ones(2, 3))",
    "bmm_rank": "torch.bmm(torch.ones(2, 3), torch.ones(3, 4))",
    "bmm_batch": "torch.bmm(torch.ones(2, 3, 4), torch.ones(3, 4, 5))",
    "mv_sizes": "torch.mv(torch.ones(2, 3), torch.ones(2))",
    "dot_sizes": "torch.dot(torch.ones(3), torch.ones(2))",
    "dot_rank": "torch.dot(torch.ones(3, 1), torch.ones(3, 1))",
    "addmm_shapes": "torch.addmm(torch.ones(5), torch.ones(2, 3), torch.ones(3, 4))",
    "matmul_dtypes": "torch.ones(2, 3) @ torch.ones(3, 2, dtype=torch.float64)",
    "matmul_int_float": "torch.ones(2, 3) @ torch.ones(3, 2, dtype=torch.int64)",
    # Views and shapes
    "view_size": "torch.ones(6).view(4, 2)",
    "view_two_unknown": "torch.ones(6).view(-1, -1)",
    "view_unknown_no_fit": "torch.ones(6).view(4, -1)",
    "view_strides": "torch.ones(2, 3).t().view(6)",
    "reshape_size": "torch.ones(6).reshape(5)",
    "reshape_negative": "torch.ones(6).reshape(-2, 3)",
    "expand_size": "torch.ones(2, 3).expand(2, 4)",
    "expand_rank": "torch.ones(2, 3).expand(3)",
    "permute_repeated": "torch.ones(2, 3).permute(0, 0)",
    "permute_length": "torch.ones(2, 3).permute(0)",
    "permute_range": "torch.ones(2, 3).permute(0, 5)",
    "transpose_range": "torch.ones(2, 3).transpose(0, 2)",
    "t_rank": "torch.ones(2, 3, 4).t()",
    "squeeze_range": "torch.ones(2, 3).squeeze(4)",
    "unsqueeze_range": "torch.ones(2).unsqueeze(3)",
    "flatten_range": "torch.ones(2, 3).flatten(3)",
    "flatten_order": "torch.ones(2, 3, 4).flatten(2, 1)",
    "repeat_rank": "torch.ones(2, 3).repeat(2)",
    "narrow_range": "torch.ones(5).narrow(0, 3, 4)",
    "diagonal_rank": "torch.ones(3).diagonal()",
    "split_sizes": "torch.arange(5).split([2, 2])",
    "chunk_zero": "torch.arange(5).chunk(0)",
    # Joins
    "cat_sizes": "torch.cat([torch.ones(2, 3), torch.ones(2, 4)])",
    "cat_ranks": "torch.cat([torch.ones(2), torch.ones(2, 2)])",
    "cat_empty_list": "torch.cat([])",
    "cat_scalar": "torch.cat([torch.tensor(1.0), torch.tensor(2.0)])",
    "cat_axis": "torch.cat([torch.ones(2), torch.ones(2)], dim=1)",
    "cat_not_list": "torch.cat(torch.ones(2), torch.ones(2))",
    "stack_sizes": "torch.stack([torch.ones(2), torch.ones(3)])",
    "stack_empty_list": "torch.stack([])",
    "stack_axis": "torch.stack([torch.ones(2)], dim=3)",
    # Reductions
    "sum_axis": "torch.ones(2, 3).sum(2)",
    "sum_axis_negative": "torch.ones(2, 3).sum(-3)",
    "sum_axes_repeated": "torch.ones(2, 3).sum((0, 0))",
    "mean_int": "torch.ones(3, dtype=torch.int64).mean()",
    "max_axis": "torch.ones(3).max(1)",
    "max_empty": "torch.ones(0).max()",
    "argmax_empty": "torch.ones(0).argmax()",
    "softmax_axis": "torch.ones(2, 3).softmax(2)",
    "cumsum_axis": "torch.ones(2).cumsum(1)",
    "var_axis": "torch.ones(2).var(3)",
    # Indexing
    "index_range": "torch.ones(3)[3]",
    "index_range_negative": "torch.ones(3)[-4]",
    "index_too_many": "torch.ones(2, 2)[0, 0, 0]",
    "index_scalar": "torch.tensor(1.0)[0]",
    "index_float": "torch.ones(3)[1.5]",
    "index_negative_step": "torch.ones(3)[::-1]",
    "index_zero_step": "torch.ones(3)[::0]",
    "index_mask_shape": "torch.ones(3)[torch.tensor([True, False])]",
    "index_tensor_range": "torch.ones(3)[torch.tensor([0, 5])]",
    "index_tensor_float": "torch.ones(3)[torch.tensor([0.0])]",
    "index_tensor_shapes": "torch.ones(3, 3)[torch.tensor([0, 1]), torch.tensor([0, 1, 2])]",
    "index_string": "torch.ones(3)[object()]",
    "assign_shape": "x = torch.ones(3)\nx[:2] = torch.ones(3)",
    "assign_range": "x = torch.ones(3)\nx[5] = 1.0",
    "gather_rank": "torch.ones(2, 3).gather(1, torch.tensor([0]))",
    "gather_dtype": "torch.ones(3).gather(0, torch.tensor([0.0]))",
    "gather_range": "torch.ones(3).gather(0, torch.tensor([7]))",
    "index_select_range": "torch.ones(3).index_select(0, torch.tensor([3]))",
    "index_select_rank": "torch.ones(3).index_select(0, torch.tensor([[0]]))",
    "scatter_range": "torch.zeros(3).scatter(0, torch.tensor([4]), 1.0)",
    "item_many": "torch.ones(3).item()",
    "bool_many": "bool(torch.ones(3))",
    "bool_empty": "bool(torch.ones(0))",
    "len_scalar": "len(torch.tensor(1.0))",
    "iterate_scalar": "list(torch.tensor(1.0))",
    "float_many": "float(torch.ones(2))",
    # Dtypes and creation
    "exp_in_place_int": "torch.ones(3, dtype=torch.int64).exp_()",
    "div_in_place_int": "torch.ones(3, dtype=torch.int64).div_(2)",
    "add_float_to_int": "torch.ones(3, dtype=torch.int64).add_(1.5)",
    "neg_bool": "-torch.tensor([True])",
    "sub_bool": "torch.tensor([True]) - torch.tensor([False])",
    "bitwise_float": "torch.ones(2) & torch.ones(2)",
    "invert_float": "~torch.ones(2)",
    "shift_float": "torch.ones(2) << 1",
    "requires_grad_int": "torch.tensor([1, 2], requires_grad=True)",
    "requires_grad_int_later": "torch.tensor([1, 2]).requires_grad_()",
    "compare_complex": "torch.tensor([1j]) < torch.tensor([2j])",
    "tensor_ragged": "torch.tensor([[1, 2], [3]])",
    "tensor_object": "torch.tensor(object())",
    "tensor_string": "torch.tensor('abc')",
    "tensor_none": "torch.tensor([None])",
    "zeros_negative": "torch.zeros(-1)",
    "zeros_float": "torch.zeros(2.5)",
    "arange_zero_step": "torch.arange(0, 5, 0)",
    "arange_wrong_way": "torch.arange(0, 5, -1)",
    "linspace_negative": "torch.linspace(0, 1, -2)",
    "full_without_size": "torch.full(3)",
    "eye_negative": "torch.eye(-1)",
    "randint_empty": "torch.randint(5, 5, (2,))",
    "dtype_unknown": "torch.ones(2, dtype='nonsense')",
    "add_string": "torch.ones(2) + 'a'",
    "add_none": "torch.ones(2) + None",
    "add_list": "torch.ones(2) + [1, 2]",
    "add_unknown_argument": "torch.add(torch.ones(2), torch.ones(2), nonsense=1)",
    "numpy_of_grad": "torch.ones(2, requires_grad=True).numpy()",
    "device_unknown": "torch.ones(2, device='nonsense')",
    "to_device_unknown": "torch.ones(2).to('nonsense')",
    # Autograd
    "backward_not_scalar": "torch.ones(2, requires_grad=True).mul(2).backward()",
    "backward_no_grad": "torch.ones(2).sum().backward()",
    "backward_twice": """
        y = torch.ones(2, requires_grad=True).pow(2).sum()
        y.backward()
        y.backward()
    """,
    "backward_shape": "torch.ones(2, requires_grad=True).mul(2).backward(torch.ones(3))",
    "backward_under_no_grad": """
        x = torch.ones(2, requires_grad=True)
        with torch.no_grad():
            y = (x * 2).sum()
        y.backward()
    """,
    "grad_unused": """
        x, z = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        torch.autograd.grad((x * 2).sum(), z)
    """,
    "grad_of_constant": """
        y = torch.ones(1, requires_grad=True).sum()
        torch.autograd.grad(y, torch.ones(1))
    """,
    "leaf_in_place": "torch.ones(2, requires_grad=True).add_(1)",
    "leaf_view_in_place": "torch.ones(2, requires_grad=True)[0].zero_()",
    "leaf_item_assignment": "w = torch.ones(2, requires_grad=True)\nw[0] = 3.0",
    "parameter_in_place": "nn.Linear(2, 2).weight.zero_()",
    "requires_grad_off": "torch.ones(2, requires_grad=True).mul(2).requires_grad_(False)",
    "hook_without_grad": "torch.ones(2).register_hook(print)",
    "retain_grad_without_grad": "torch.ones(2).retain_grad()",
    "grad_wrong_shape": "x = torch.ones(2)\nx.grad = torch.ones(3)",
    "grad_not_tensor": "x = torch.ones(2)\nx.grad = 1.0",
    "deepcopy_of_result": "import copy\ncopy.deepcopy(torch.ones(2, requires_grad=True) * 2)",
    "function_instance_backward": """
        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g, g

        Twice.apply(torch.ones(2, requires_grad=True)).sum().backward()
    """,
    "function_without_backward": """
        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

        Twice.apply(torch.ones(2, requires_grad=True)).sum().backward()
    """,
    "expanded_in_place": "torch.zeros(1, 3).expand(2, 3).add_(1)",
    # Layers and losses
    "linear_sizes": "nn.Linear(3, 2)(torch.ones(4, 5))",
    "linear_function": "F.linear(torch.ones(4, 5), torch.ones(2, 3))",
    "linear_dtype": "nn.Linear(3, 2)(torch.ones(4, 3, dtype=torch.float64))",
    "linear_int": "nn.Linear(3, 2)(torch.ones(4, 3, dtype=torch.int64))",
    "conv_channels": "nn.Conv2d(3, 8, 3)(torch.ones(1, 4, 8, 8))",
    "conv_rank": "nn.Conv2d(3, 8, 3)(torch.ones(8, 8))",
    "conv_kernel_too_big": "nn.Conv2d(3, 8, 9)(torch.ones(1, 3, 4, 4))",
    "conv_groups": "nn.Conv2d(3, 8, 3, groups=2)",
    "batch_norm_channels": "nn.BatchNorm2d(3)(torch.ones(2, 4, 5, 5))",
    "batch_norm_rank": "nn.BatchNorm2d(3)(torch.ones(2, 3))",
    "batch_norm_single": "nn.BatchNorm1d(3)(torch.ones(1, 3))",
    "layer_norm_shape": "nn.LayerNorm(4)(torch.ones(2, 3))",
    "embedding_dtype": "nn.Embedding(5, 3)(torch.ones(2))",
    "embedding_range": "nn.Embedding(5, 3)(torch.tensor([7]))",
    "dropout_p": "nn.Dropout(1.5)",
    "dropout_function_p": "F.dropout(torch.ones(2), p=-0.1)",
    "max_pool_rank": "F.max_pool2d(torch.ones(4, 4), 9)",
    "cross_entropy_batch": "F.cross_entropy(torch.ones(4, 3), torch.tensor([0, 1]))",
    "cross_entropy_class": "F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3]))",
    "cross_entropy_dtype": "F.cross_entropy(torch.ones(2, 3), torch.tensor([0.0, 1.0]))",
    "nll_rank": "F.nll_loss(torch.ones(3, 2), torch.zeros(3, 1, dtype=torch.int64))",
    "mse_shapes": "F.mse_loss(torch.ones(3), torch.ones(2))",
    "reduction_name": "F.mse_loss(torch.ones(3), torch.ones(3), reduction='nonsense')",
    "bce_shapes": "F.binary_cross_entropy(torch.ones(3), torch.ones(2))",
    "attention_sizes": (
        "F.scaled_dot_product_attention(torch.ones(1, 4, 8), torch.ones(1, 4, 6), "
        "torch.ones(1, 4, 8))"
    ),
    "pad_length": "F.pad(torch.ones(2, 2), (1,))",
    "one_hot_range": "F.one_hot(torch.tensor([5]), 3)",
    "einsum_sizes": "torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(4, 5))",
    "einsum_rank": "torch.einsum('ijk->i', torch.ones(2, 3))",
    "einsum_operands": "torch.einsum('ij,jk->ik', torch.ones(2, 3))",
    "einsum_output": "torch.einsum('ij->ik', torch.ones(2, 3))",
    # Modules and optimizers
    "module_attribute": "nn.Linear(2, 2).nonsense",
    "module_forward": "nn.Module()(torch.ones(1))",
    "module_before_init": """
        class Net(nn.Module):
            def __init__(self):
                self.layer = nn.Linear(2, 2)

        Net()
    """,
    "parameter_replaced_by_tensor": "m = nn.Linear(2, 2)\nm.weight = torch.ones(2, 2)",
    "register_buffer_twice": "m = nn.Linear(2, 2)\nm.register_buffer('weight', torch.ones(1))",
    "sequential_not_module": "nn.Sequential(nn.ReLU(), 3)",
    "module_list_range": "nn.ModuleList([nn.ReLU()])[3]",
    "load_missing_key": "nn.Linear(2, 2).load_state_dict({})",
    "load_unexpected_key": (
        "m = nn.Linear(2, 2)\nm.load_state_dict({**m.state_dict(), 'extra': torch.ones(1)})"
    ),
    "load_wrong_shape": "nn.Linear(2, 2).load_state_dict(nn.Linear(3, 2).state_dict())",
    "optimizer_empty": "torch.optim.SGD([], lr=0.1)",
    "optimizer_not_parameters": "torch.optim.SGD(torch.ones(2), lr=0.1)",
    "optimizer_not_leaf": "torch.optim.SGD([torch.ones(2, requires_grad=True) * 2], lr=0.1)",
    "optimizer_negative_rate": "torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=-1.0)",
    "optimizer_nesterov": "torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, nesterov=True)",
    "optimizer_betas": "torch.optim.Adam(nn.Linear(1, 1).parameters(), betas=(1.5, 0.9))",
    "optimizer_strings": "torch.optim.SGD(['a'], lr=0.1)",
    "optimizer_twice": """
        p = nn.Linear(1, 1)
        groups = [{"params": p.parameters()}, {"params": p.parameters()}]
        torch.optim.SGD(groups, lr=0.1)
    """,
    "scheduler_not_optimizer": "torch.optim.lr_scheduler.StepLR(nn.Linear(1, 1), 2)",
    "manual_seed_string": "torch.manual_seed('a')",
    "normal_negative_std": "torch.normal(0.0, -1.0, (2,))",
}

# Cases whose message names the op and both shapes as they were written.
NAMED = {
    "add_shapes": ("add", (2, 3), (4, 3)),
    "mul_shapes": ("mul", (64, 10), (64, 12)),
    "add_rank": ("add", (2, 3, 4), (2, 3)),
    "sub_function": ("sub", (5,), (4,)),
    "maximum_shapes": ("maximum", (2,), (3,)),
    "where_shapes": ("where", (2,), (3,)),
    "in_place_shapes": ("add", (2, 3), (4, 3)),
    "matmul_inner": ("matmul", (2, 3), (4, 5)),
    "matmul_batch": ("matmul", (2, 3, 4), (3, 4, 5)),
    "mm_inner": ("mm", (2, 3), (2, 3)),
    "dot_sizes": ("dot", (3,), (2,)),
    "mv_sizes": ("mv", (2, 3), (2,)),
    "cat_sizes": ("cat", (2, 3), (2, 4)),
    "stack_sizes": ("stack", (2,), (3,)),
    "linear_sizes": ("linear", (4, 5), (2, 3)),
    "conv_channels": ("conv2d", (1, 4, 8, 8), (8, 3, 3, 3)),
    "view_size": ("view", (6,), (4, 2)),
    "expand_size": ("expand", (2, 3), (2, 4)),
}

BUILTIN = (IndexError, TypeError, ValueError, KeyError, AttributeError, NotImplementedError)


def raised(source: str, library: Any) -> tuple[Exception, str, int]:
    """What the snippet raises, with its file and the line that should be blamed."""
    code, name = load(source)
    last = source.strip().count("\n") + 1
    library.manual_seed(0)
    try:
        exec(code, names(library))
    except Exception as error:
        return error, name, last
    raise AssertionError(f"{library.__name__} accepts it")


def expected_type(error: Exception) -> type[Exception]:
    """The built-in type that a caller of PyTorch would catch."""
    for kind in type(error).__mro__:
        if kind in BUILTIN or kind is RuntimeError:
            return kind
    raise AssertionError(type(error))


def user_lines(trace: TracebackType | None, name: str) -> list[int]:
    return [f.lineno or 0 for f in traceback.extract_tb(trace) if f.filename == name]


@pytest.mark.filterwarnings("ignore:.*target:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_misuse(name: str):
    want, _, _ = raised(CASES[name], torch)
    got, file, last = raised(CASES[name], thrace)
    kind = expected_type(want)
    assert isinstance(got, kind), f"{type(got).__name__}: {got}, PyTorch: {want!r}"
    assert str(got).strip()
    # The user's own frame is at the line that is wrong...
    assert user_lines(got.__traceback__, file)[0] == last
    # ... and nothing of the machinery below shows.
    shown = "".join(traceback.format_exception(got))
    assert "/jax/" not in shown and "jaxlib" not in shown
    assert "AssertionError" not in shown
    if isinstance(got, thrace.ThraceError if hasattr(thrace, "ThraceError") else ()):
        short = file.rpartition("/")[2]
        assert f"{short}:{last} in <module>" in str(got), str(got)


@pytest.mark.parametrize("name", NAMED)
def test_message_names_op_and_shapes(name: str):
    got, *_ = raised(CASES[name], thrace)
    message = str(got)
    op, *shapes = NAMED[name]
    assert message.startswith(f"{op}: ")
    for shape in shapes:
        listed = str(list(shape))
        # As a tuple, as a list or, in matrix products, as 2x3.
        written = (str(tuple(shape)), listed, "x".join(map(str, shape)))
        assert any(form in message for form in written), message


@pytest.mark.parametrize("name", ("add_shapes", "index_range", "sum_axis", "conv_channels"))
def test_misuse_inside_compile(name: str):
    """The same error at the same line, and the function can be called again."""

    def step():
        exec(code, names(thrace))

    code, file = load(CASES[name])
    outside, *_ = raised(CASES[name], thrace)
    compiled = thrace.compile(step)
    for _ in range(2):
        with pytest.raises(type(outside)) as caught:
            compiled()
        assert user_lines(caught.value.__traceback__, file) == [1]
    assert (thrace.ones(2) + 1).tolist() == [2.0, 2.0]


def test_errors_are_compatible_types():
    """One exception serves callers who expect either of PyTorch's types."""
    from thrace.ir import errors

    assert issubclass(errors.ShapeError, RuntimeError)
    assert issubclass(errors.ShapeError, ValueError)
    assert issubclass(errors.DTypeError, TypeError)
    assert issubclass(errors.DTypeError, RuntimeError)
    assert issubclass(errors.AxisError, IndexError)
    assert all(issubclass(e, Exception) for e in vars(builtins).values() if e is errors.ThraceError)


def test_line_in_a_function_is_named():
    """The innermost of the user's own frames is the line in the message."""
    code, file = load(
        """
        def scale(logits, weights):
            return logits * weights

        def step():
            return scale(torch.ones(64, 10), torch.ones(64, 12))

        step()
        """
    )
    with pytest.raises(RuntimeError) as caught:
        exec(code, names(thrace))
    assert str(caught.value) == (
        "mul: shapes (64, 10) and (64, 12) do not broadcast: sizes 10 and 12 at axis -1\n"
        f"  {file.rpartition('/')[2]}:2 in scale: return logits * weights"
    )
    assert user_lines(caught.value.__traceback__, file) == [7, 5, 2]
