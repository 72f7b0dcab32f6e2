import numpy as np
import torch

from tutorials.tools import attempt

from_ = torch.utils.data


class Squares(from_.Dataset):
    def __init__(self, n, transform=None):
        self.n, self.transform = n, transform

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        x = torch.tensor([float(i)])
        return {
            "x": x,
            "y": x**2 if self.transform is None else self.transform(x),
            "i": i,
            "name": f"n{i}",
        }


ds = Squares(5)
print(len(ds), ds[3])
for i, b in enumerate(from_.DataLoader(ds, batch_size=2)):
    print(i, b["x"].size(), b)
for b in from_.DataLoader(ds, batch_size=2, drop_last=True, shuffle=False):
    print(b["i"], b["name"])
print(
    len(from_.DataLoader(ds, batch_size=2)), len(from_.DataLoader(ds, batch_size=2, drop_last=True))
)
a, b = from_.random_split(range(10), [7, 3])
print(len(a), len(b), sorted([*a, *b]))
print(list(from_.Subset(range(10), [1, 5])))
print(len(from_.ConcatDataset([range(2), range(3)])))
print(
    [x.tolist() for x in from_.DataLoader(range(6), batch_size=4)],
    [x for x in from_.DataLoader([(1, 2.0), (3, 4.0)], batch_size=2)],
)
print(
    list(from_.BatchSampler(from_.SequentialSampler(range(5)), 2, False)),
    list(from_.DataLoader([np.ones(2), np.zeros(2)], batch_size=2)),
)
print(
    next(
        iter(
            from_.DataLoader(
                from_.TensorDataset(torch.arange(6).reshape(3, 2), torch.arange(3)), batch_size=3
            )
        )
    )
)
print(
    from_.default_collate([{"a": 1}, {"a": 2}]),
    from_.default_collate(["a", "b"]),
    from_.default_collate([(1, torch.ones(1)), (2, torch.zeros(1))]),
)


class It(from_.IterableDataset):
    def __iter__(self):
        return iter(range(3))


print(
    list(from_.DataLoader(It(), batch_size=2)),
    list(from_.DataLoader(range(4), batch_size=2, collate_fn=lambda xs: sum(xs))),
)
attempt(lambda: from_.DataLoader(range(3), batch_size=0))
attempt(lambda: from_.DataLoader(range(3), batch_size=2, shuffle=True, sampler=[0]))
attempt(lambda: len(from_.DataLoader(It())))
