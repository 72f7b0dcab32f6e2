"""`Module` and containers behave as PyTorch's: the same steps on both, compared."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, host, ours, theirs

import thrace
from thrace.ir.types import bfloat16, float16, float32, float64, int64
from thrace.tracer import nn
from thrace.tracer.tensor import Tensor, from_host


def vector(n: Any, *values: float) -> Any:
    """A float32 vector of the framework that `n` belongs to."""
    data = np.array(values, "float32")
    return torch.from_numpy(data) if n is torch.nn else from_host(data)


def make(n: Any) -> Any:
    """A module with everything in it: nested, shared, buffers, lists, dictionaries."""

    class Block(n.Module):
        def __init__(self, width: int):
            super().__init__()
            self.linear = n.Linear(width, width)
            self.scale = n.Parameter(vector(n, 1.0, 2.0, 3.0))
            self.register_buffer("mean", vector(n, 0.0, 0.0, 0.0))
            self.register_buffer("scratch", vector(n, 1.0), persistent=False)
            self.register_parameter("nothing", None)

        def forward(self, x: Any) -> Any:
            return self.linear(x) * self.scale + self.mean

    class Net(n.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = n.Linear(2, 3, bias=False)
            self.blocks = n.ModuleList([Block(3), Block(3)])
            self.named = n.ModuleDict({"act": n.ReLU(), "norm": n.BatchNorm1d(3)})
            self.extra = n.ParameterList([vector(n, 1.0, 2.0)])
            self.table = n.ParameterDict({"a": vector(n, 4.0)})
            self.head = n.Linear(3, 2, bias=False)
            self.tied = self.blocks[0]
            self.depth = 2

        def forward(self, x: Any) -> Any:
            x = self.embed(x)
            for block in self.blocks:
                x = self.named["act"](block(x))
            return self.head(self.named["norm"](x)) + self.extra[0] * self.table["a"]

        def extra_repr(self) -> str:
            return f"depth={self.depth}"

    return Net()


LISTINGS = {
    "parameters": lambda m: [k for k, _ in m.named_parameters()],
    "parameters_doubled": lambda m: [k for k, _ in m.named_parameters(remove_duplicate=False)],
    "own_parameters": lambda m: [k for k, _ in m.blocks[0].named_parameters(recurse=False)],
    "prefixed": lambda m: [k for k, _ in m.named_parameters(prefix="net")],
    "buffers": lambda m: [k for k, _ in m.named_buffers()],
    "modules": lambda m: [(k, type(v).__name__) for k, v in m.named_modules()],
    "modules_doubled": lambda m: [k for k, _ in m.named_modules(remove_duplicate=False)],
    "children": lambda m: [(k, type(v).__name__) for k, v in m.named_children()],
    "counts": lambda m: [len(list(f())) for f in (m.parameters, m.buffers, m.modules, m.children)],
    "state_dict": lambda m: [(k, tuple(v.shape)) for k, v in m.state_dict().items()],
    "state_dict_prefix": lambda m: list(m.state_dict(prefix="x.")),
    "metadata": lambda m: dict(m.state_dict()._metadata),
    "repr": lambda m: repr(m).replace("thrace.", "torch."),
    "submodule": lambda m: type(m.get_submodule("blocks.1.linear")).__name__,
    "parameter": lambda m: tuple(m.get_parameter("blocks.1.linear.weight").shape),
    "buffer": lambda m: tuple(m.get_buffer("named.norm.running_mean").shape),
    "training": lambda m: [x.training for x in m.eval().train().blocks.eval().modules()],
    "attributes": lambda m: "embed" in dir(m) and hasattr(m, "blocks") and not hasattr(m, "gone"),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_lists_what_pytorch_lists(name: str):
    if name == "repr":
        # PyTorch prints a ParameterDict's parameters by their legacy type names.
        mine, reference = make(nn), make(torch.nn)
        del mine.table, reference.table
        assert LISTINGS[name](mine) == LISTINGS[name](reference)
        return
    assert LISTINGS[name](make(nn)) == LISTINGS[name](make(torch.nn))


def test_forward_with_loaded_weights():
    mine, reference = make(nn), make(torch.nn)
    got = mine.load_state_dict(reference.state_dict())
    assert str(got) == "<All keys matched successfully>"
    x = array(5, 2)
    close(mine(ours(x)), reference(theirs(x)))


def test_state_dict_shares_storage_and_loads_copies():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    state = a.state_dict()
    assert not state["weight"].requires_grad
    state["bias"].zero_()
    assert not host(a.bias).any()
    b.load_state_dict(state)
    state["bias"].add_(1)
    assert not host(b.bias).any()
    kept = a.state_dict(keep_vars=True)["weight"]
    assert kept is a.weight
    c = nn.Linear(2, 2)
    c.load_state_dict(state, assign=True)
    state["bias"].add_(1)
    close(c.bias, a.bias)
    assert c.bias.requires_grad and isinstance(c.bias, nn.Parameter)


def test_load_reports_everything_that_is_wrong():
    m = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    bad = {"0.weight": np.zeros((2, 2), "float32"), "0.bias": np.zeros(4, "float32"), "x.y": 1}
    with pytest.raises(RuntimeError) as info:
        m.load_state_dict(bad)
    text = str(info.value)
    for part in (
        *('Missing key(s) in state_dict: "1.weight", "1.bias".', "(2, 2)", "(4, 3)"),
        *('Unexpected key(s) in state_dict: "x.y".', "0.weight", "Sequential"),
    ):
        assert part in text
    del bad["0.weight"]
    got = m.load_state_dict(bad, strict=False)
    assert got.missing_keys == ["0.weight", "1.weight", "1.bias"]
    assert got.unexpected_keys == ["x.y"]
    with pytest.raises(RuntimeError, match="expected a tensor"):
        m.load_state_dict({"0.bias": object()}, strict=False)
    with pytest.raises(TypeError, match="dict-like"):
        m.load_state_dict([1])  # type: ignore[arg-type]


def test_old_batch_norm_state_loads():
    state = {k: v for k, v in nn.BatchNorm1d(3).state_dict().items() if "tracked" not in k}
    nn.BatchNorm1d(3).load_state_dict(state)


def test_extra_state_travels():
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    a, b = nn.Sequential(Counted()), nn.Sequential(Counted())
    a[0].count = 7
    assert list(a.state_dict()) == ["0._extra_state"]
    b.load_state_dict(a.state_dict())
    assert b[0].count == 7


ASSIGNMENTS = {
    "parameter_over_attribute": lambda n, m: (
        setattr(m, "a", 1),
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        "a" in m.__dict__,
    ),
    "module_over_parameter": lambda n, m: (
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        setattr(m, "a", n.ReLU()),
        list(m._parameters),
        list(m._modules),
    ),
    "parameter_over_buffer": lambda n, m: (
        m.register_buffer("a", vector(n, 1.0)),
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        list(m._buffers),
        list(m._parameters),
    ),
    "tensor_over_buffer": lambda n, m: (
        m.register_buffer("a", None),
        setattr(m, "a", vector(n, 1.0)),
        list(m._buffers),
    ),
    "none_over_parameter": lambda n, m: (
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        setattr(m, "a", None),
        list(m._parameters),
    ),
    "delete": lambda n, m: (
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        delattr(m, "a"),
        hasattr(m, "a"),
    ),
    "tensor_over_parameter": lambda n, m: (
        setattr(m, "a", n.Parameter(vector(n, 1.0))),
        setattr(m, "a", vector(n, 1.0)),
    ),
    "number_over_module": lambda n, m: (setattr(m, "a", n.ReLU()), setattr(m, "a", 3)),
    "number_over_buffer": lambda n, m: (m.register_buffer("a", vector(n, 1.0)), setattr(m, "a", 3)),
    "register_dotted": lambda n, m: m.register_buffer("a.b", None),
    "register_empty": lambda n, m: m.register_parameter("", None),
    "register_number": lambda n, m: m.register_buffer(3, None),
    "register_taken": lambda n, m: m.register_buffer("forward", None),
    "register_tensor": lambda n, m: m.register_parameter("a", vector(n, 1.0)),
    "register_text": lambda n, m: m.register_buffer("a", "text"),
    "register_history": lambda n, m: m.register_parameter("a", n.Parameter(vector(n, 1.0)) * 2),
    "add_number": lambda n, m: m.add_module("a", 3),
    "missing": lambda n, m: m.gone,
    "delete_missing": lambda n, m: delattr(m, "gone"),
    "submodule_missing": lambda n, m: m.get_submodule("a.b"),
    "parameter_missing": lambda n, m: m.get_parameter("training"),
    "train_number": lambda n, m: m.train(1),
    "call": lambda n, m: m(1),
    "to_integer": lambda n, m: m.to(torch.int64 if n is torch.nn else int64),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_attributes_follow_pytorch(name: str):
    def outcome(n: Any) -> Any:
        try:
            return ASSIGNMENTS[name](n, n.Module())
        except Exception as error:
            return error

    mine, reference = outcome(nn), outcome(torch.nn)
    if isinstance(reference, Exception):
        assert isinstance(mine, type(reference)), mine
    else:
        assert mine == reference


def test_init_must_run_first():
    class Early(nn.Module):
        def __init__(self) -> None:
            self.linear = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="before Module"):
        Early()


SEQUENCES = {
    "slice": lambda n, s: s[1:],
    "index": lambda n, s: s[-1],
    "append": lambda n, s: s.append(n.Tanh()),
    "insert": lambda n, s: s.insert(1, n.Tanh()),
    "extend": lambda n, s: s.extend([n.Tanh(), n.SiLU()]),
    "pop": lambda n, s: (s.pop(0), s),
    "add": lambda n, s: (
        s + type(s)(*((n.Tanh(),) if isinstance(s, n.Sequential) else ([n.Tanh()],)))
    ),
    "delete": lambda n, s: (s.__delitem__(1), s),
    "set": lambda n, s: (s.__setitem__(0, n.Tanh()), s),
    "length": lambda n, s: (len(s), [type(m).__name__ for m in s]),
    "far": lambda n, s: s[7],
    "text": lambda n, s: s["a"],
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("kind", ("Sequential", "ModuleList"))
def test_lists_follow_pytorch(kind: str, name: str):
    def outcome(n: Any) -> Any:
        members = [n.Linear(1, 2), n.ReLU(), n.Linear(2, 2), n.Linear(2, 2)]
        made = n.Sequential(*members) if kind == "Sequential" else n.ModuleList(members)
        try:
            return repr(SEQUENCES[name](n, made))
        except Exception as error:
            return type(error)

    mine, reference = outcome(nn), outcome(torch.nn)
    if name == "text":  # PyTorch's types differ from version to version
        assert isinstance(mine, type)
    else:
        assert mine == reference


def test_sequential_of_names():
    named = {"first": nn.Linear(2, 2), "then": nn.ReLU()}
    s = nn.Sequential(named)
    assert [k for k, _ in s.named_children()] == ["first", "then"]
    assert s.first is named["first"]
    assert [k for k, _ in s[1:].named_children()] == ["then"]


def test_dictionaries():
    d = nn.ModuleDict({"a": nn.ReLU()})
    d["b"] = nn.Tanh()
    d.update({"c": nn.SiLU()})
    assert (list(d), len(d), "b" in d) == (["a", "b", "c"], 3, True)
    assert isinstance(d.pop("b"), nn.Tanh)
    assert [k for k, _ in d.items()] == ["a", "c"]
    with pytest.raises(KeyError):
        d["b"]
    d.clear()
    assert not len(d)


def test_hooks_see_and_replace():
    seen: list[str] = []
    m = nn.Linear(2, 2)
    m.load_state_dict({"weight": np.eye(2, dtype="float32"), "bias": np.zeros(2, "float32")})
    before = m.register_forward_pre_hook(lambda mod, args: (seen.append("pre"), args[0] + 1)[1])
    after = m.register_forward_hook(lambda mod, args, out: (seen.append("post"), out * 2)[1])
    first = m.register_forward_hook(lambda mod, args, out: seen.append("first"), prepend=True)
    x = from_host(np.array([[1.0, 2.0]], "float32"))
    assert host(m(x)).tolist() == [[4.0, 6.0]]
    assert seen == ["pre", "first", "post"]
    for handle in (before, after, first):
        handle.remove()
    assert host(m(x)).tolist() == [[1.0, 2.0]]
    with m.register_forward_hook(lambda mod, args, kwargs, out: out * 0, with_kwargs=True):
        assert not host(m(x)).any()
    assert host(m(x)).any()


def test_conversion_keeps_parameters_and_integer_buffers():
    m = nn.BatchNorm1d(3)
    weight = m.weight
    m.double()
    assert m.weight is weight and weight.dtype is float64 and weight.is_leaf
    assert m.running_mean.dtype is float64 and m.num_batches_tracked.dtype is int64
    for convert, dtype in (
        *((m.half, float16), (m.bfloat16, bfloat16), (m.float, float32)),
        (lambda: m.to(float64), float64),
        (lambda: m.to(from_host(np.zeros(1, "float32"))), float32),
        (lambda: m.to("cpu", dtype=float16), float16),
    ):
        convert()
        assert m.weight.dtype is dtype
    assert nn.Linear(2, 2, dtype=float64).weight.dtype is float64


def test_memory_format_concerns_images_alone():
    def layouts(library: Any) -> list[tuple[int, ...]]:
        n = library.nn
        m = n.Sequential(n.Conv2d(2, 3, 2), n.BatchNorm2d(3), n.Linear(3, 4))
        m.to(memory_format=library.channels_last)
        return [tuple(p.stride()) for p in m.parameters()]

    assert layouts(thrace) == layouts(torch)


def test_gradients_are_zeroed_and_frozen():
    m = nn.Linear(2, 2)
    m(from_host(array(3, 2))).sum().backward()
    m.zero_grad(set_to_none=False)
    assert not host(m.weight.grad).any()
    m.zero_grad()
    assert m.weight.grad is None
    assert not m.requires_grad_(False).weight.requires_grad


def test_apply_goes_from_the_leaves_up():
    names: list[str] = []
    nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU())).apply(
        lambda m: names.append(type(m).__name__)
    )
    assert names == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_copies_are_independent_and_keep_ties():
    m = make(nn)
    twin = copy.deepcopy(m)
    assert twin.tied is twin.blocks[0] and twin.tied is not m.tied
    with_zeros = twin.tied.linear.weight
    with_zeros.data.zero_()
    assert host(m.tied.linear.weight).any()
    again = pickle.loads(pickle.dumps(nn.Sequential(nn.Linear(2, 2), nn.ReLU())))
    assert repr(again) == repr(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    assert isinstance(again[0].weight, nn.Parameter) and again[0].weight.requires_grad


def test_tied_weights_collect_one_gradient():
    a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    b.weight = a.weight
    s = nn.Sequential(a, b)
    assert len(list(s.parameters())) == 1
    assert list(s.state_dict()) == ["0.weight", "1.weight"]
    c, d = torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)
    d.weight = c.weight
    reference = torch.nn.Sequential(c, d)
    s.load_state_dict(reference.state_dict())
    s(ours(array(2, 3))).sum().backward()
    reference(theirs(array(2, 3))).sum().backward()
    close(a.weight.grad, c.weight.grad)


def test_calls_stand_under_module_scopes():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2)])

        def forward(self, x: Tensor) -> Tensor:
            return self.layers[0](x)

    out = Net()(from_host(array(1, 2)))
    node = out._value().node
    assert node is not None and node.scope is not None
    assert node.scope.path == "Net/layers.0/linear"
    assert [s.kind for s in node.scope.chain()] == ["module", "module", "function"]


def test_layers_without_parameters_check_their_options():
    assert nn.ReLU(True).inplace is True
    for call in (
        lambda: nn.MaxPool2d(),
        lambda: nn.ReLU(inplac=True),
        lambda: nn.Flatten(1, 2, 3),
        lambda: nn.Threshold(1.0),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        nn.Dropout(1.5)
