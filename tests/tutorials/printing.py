import torch
from torch import nn

print(
    torch.tensor(1),
    torch.tensor(1.0),
    torch.tensor(True),
    torch.tensor(1j),
    torch.tensor([]),
    torch.tensor([[]]),
    torch.zeros(2, 0, 3),
)
print(
    torch.tensor([1.5, float("nan"), float("inf"), -float("inf")]),
    torch.tensor([1e-8, 1.0]),
    torch.tensor([1e8, 1.0]),
    torch.tensor([123456789.0]),
    torch.tensor([0.1234567891]),
)
print(
    torch.tensor([1.0, 2.0, 3.0]),
    torch.tensor([1.0, 2.5]),
    torch.tensor([1000000.0, 1.0]),
    torch.tensor([100000.0, 0.5]),
    torch.tensor([10000.0, 0.00001]),
)
print(torch.arange(10000).reshape(100, 100))
print(torch.arange(1001.0))
print(torch.zeros(3, 400))
print(torch.rand(20, 20, 20).shape)
print(torch.arange(24.0).reshape(2, 3, 4))
print(torch.ones(2, 2, 2, 2))
print(torch.tensor([[1, -200], [30, 4]]))
print(
    torch.ones(3, dtype=torch.float16),
    torch.ones(3, dtype=torch.bfloat16),
    torch.ones(3, dtype=torch.float64),
    torch.ones(3, dtype=torch.int8),
    torch.ones(3, dtype=torch.uint8),
    torch.ones(3, dtype=torch.int16),
)
print(
    torch.tensor([1 + 2j, 3.25 - 4j]),
    torch.tensor([1e10 + 1j]),
    torch.tensor([float("nan") + 1j]),
    torch.tensor([[1 + 1e-6j]]),
    torch.zeros(2, dtype=torch.complex128),
)
print(
    torch.tensor([True, False]),
    torch.zeros(0, dtype=torch.bool),
    torch.tensor([], dtype=torch.int32),
)
print(
    torch.ones(2, requires_grad=True),
    torch.ones(2, requires_grad=True).double(),
    torch.ones((), requires_grad=True) * 3,
    nn.Parameter(torch.ones(2)),
    nn.Parameter(torch.ones(2), requires_grad=False),
)
print(
    [torch.ones(2), torch.tensor(3)],
    {"a": torch.ones(1)},
    (torch.ones(1),),
    torch.Size([2, 3]),
    torch.Size([]),
    torch.float32,
    torch.device("cpu"),
    torch.device("cuda:1"),
    torch.device("cuda", 0),
    torch.strided,
    torch.contiguous_format,
)
print(
    str(torch.ones(2)),
    repr(torch.ones(2)),
    f"{torch.ones(2)}",
    f"{torch.tensor(3.14159):.2f}",
    f"{torch.tensor(5):>4d}",
    "%s" % torch.ones(2),
    "%.3f" % torch.tensor(2.0),
)
for opts in (
    dict(precision=2),
    dict(threshold=5),
    dict(edgeitems=1, threshold=5),
    dict(linewidth=40),
    dict(sci_mode=True),
    dict(sci_mode=False),
    dict(profile="short"),
    dict(profile="full"),
):
    torch.set_printoptions(**opts)
    print(
        torch.arange(12.0) / 7,
        torch.tensor([1e-5, 1e5]),
        torch.arange(40).reshape(4, 10),
        torch.tensor([1 / 3 + 1j / 3]),
    )
    torch.set_printoptions(profile="default")
print(torch.arange(5, dtype=torch.float64) / 3)
torch.set_default_dtype(torch.float64)
print(torch.ones(2), torch.ones(2, dtype=torch.float32))
torch.set_default_dtype(torch.float32)
print(
    torch.tensor([-0.0, 0.0]),
    torch.tensor([5e-324], dtype=torch.float64),
    torch.tensor([3.4e38]),
    torch.tensor([65504.0], dtype=torch.float16),
    torch.tensor([1e-7], dtype=torch.float16),
)
print(
    torch.tensor([[0.5, 100.0], [1e-3, 2.0]]),
    torch.tensor([1e-4, 1.0]),
    torch.tensor([9e-5, 1.0]),
    torch.tensor([1e7, 1e-1]),
    torch.tensor([99999999.0]),
    torch.tensor([2.0**40]),
)
print(
    torch.ones(2, 3).t(),
    torch.ones(1, 3).expand(2, 3),
    torch.arange(3)[None, :, None],
    torch.ones(2, dtype=torch.uint16),
)
x = torch.arange(3.0).conj()
print(x)
print(
    torch.tensor([1 + 2j]).conj(),
    torch.tensor([1 + 2j]).conj().imag,
    torch.tensor([2 + 1j], requires_grad=True) * 2,
)
print(
    torch.finfo(torch.float32),
    torch.iinfo(torch.int8),
    torch.finfo(torch.float16).max,
    torch.iinfo(torch.int64).max,
)
print(torch.ones(3).max(0))
print(torch.ones(3, 2).sort())
print(torch.linalg.qr(torch.eye(2)))
print(torch.ones(2, 3).min(dim=1))
print(torch.tensor([3, 1, 2]).topk(2))
print(torch.linalg.slogdet(torch.eye(2)))
print(torch.mode(torch.tensor([1, 1, 2])))
print(torch.median(torch.tensor([1.0, 3.0, 2.0]), 0))
print(torch.kthvalue(torch.tensor([1.0, 3.0, 2.0]), 2))
print(torch.cummax(torch.tensor([1, 3, 2]), 0))
print(torch.aminmax(torch.arange(3)))
print(torch.frexp(torch.tensor([4.0])))
print(torch.linalg.eigh(torch.eye(2)))
