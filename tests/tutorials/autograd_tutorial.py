import torch
import torch.nn.functional as F

x = torch.ones(5)
y = torch.zeros(3)
w = torch.full((5, 3), 0.5, requires_grad=True)
b = torch.arange(3.0).requires_grad_()
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
print(f"Gradient function for z = {z.grad_fn}")
print(f"Gradient function for loss = {loss.grad_fn}")
loss.backward()
print(w.grad)
print(b.grad)
z = torch.matmul(x, w) + b
print(z.requires_grad)
with torch.no_grad():
    z = torch.matmul(x, w) + b
print(z.requires_grad)
z_det = (torch.matmul(x, w) + b).detach()
print(z_det.requires_grad)
inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"First call\n{inp.grad}")
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nSecond call\n{inp.grad}")
inp.grad.zero_()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nCall after zeroing gradients\n{inp.grad}")
a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
Q = 3 * a**3 - b**2
print(Q)
external_grad = torch.tensor([1.0, 1.0])
Q.backward(gradient=external_grad)
print(9 * a**2 == a.grad)
print(-2 * b == b.grad)
x = torch.rand(5, 5)
y = torch.rand(5, 5)
z = torch.rand((5, 5), requires_grad=True)
a = x + y
print(f"Does `a` require gradients?: {a.requires_grad}")
b = x + z
print(f"Does `b` require gradients?: {b.requires_grad}")
for f in (
    lambda t: t.sum(),
    lambda t: t.mean(1),
    lambda t: t[0],
    lambda t: t.view(-1),
    lambda t: t.t(),
    lambda t: t.exp(),
    lambda t: t.relu(),
    lambda t: t.softmax(0),
    lambda t: t @ t,
    lambda t: t.max(),
    lambda t: t.max(0).values,
    lambda t: t.norm(),
    lambda t: torch.cat([t, t]),
    lambda t: torch.stack([t, t]),
    lambda t: t.unsqueeze(0),
    lambda t: t.squeeze(),
    lambda t: t[:, 1:],
    lambda t: t[torch.tensor([0])],
    lambda t: t.clone(),
    lambda t: t.permute(1, 0),
    lambda t: t.expand(2, 5, 5),
    lambda t: t.repeat(2, 1),
    lambda t: t.float(),
    lambda t: t.double(),
    lambda t: -t,
    lambda t: 1 - t,
    lambda t: t / 2,
    lambda t: 2 / t,
    lambda t: t**2,
    lambda t: 2**t,
    lambda t: t.log(),
    lambda t: t.sqrt(),
    lambda t: t.abs(),
    lambda t: t.clamp(0, 1),
    lambda t: t.sigmoid(),
    lambda t: t.tanh(),
    lambda t: torch.where(t > 0, t, -t),
    lambda t: t.std(),
    lambda t: t.var(0),
    lambda t: t.prod(),
    lambda t: t.cumsum(0),
    lambda t: t.sort()[0],
    lambda t: t.topk(2)[0],
    lambda t: t.gather(0, torch.zeros(1, 5, dtype=torch.long)),
    lambda t: F.linear(t, t, t[0]),
    lambda t: F.dropout(t, 0.5),
    lambda t: F.cross_entropy(t, torch.tensor([0, 1, 2, 3, 4])),
    lambda t: F.mse_loss(t, t),
    lambda t: F.layer_norm(t, (5,)),
    lambda t: F.gelu(t),
    lambda t: torch.einsum("ij,jk->ik", t, t),
    lambda t: t.mv(t[0]),
    lambda t: t.dot(t) if t.ndim == 1 else t[0].dot(t[1]),
    lambda t: torch.bmm(t[None], t[None]),
    lambda t: t.masked_fill(t > 0, 0.0),
    lambda t: t[t > 0.5],
    lambda t: t.flatten(),
    lambda t: t.reshape(25),
    lambda t: t.split(2)[0],
    lambda t: t.chunk(2)[1],
    lambda t: t.unbind()[0],
    lambda t: torch.addmm(t, t, t),
    lambda t: t.logsumexp(0),
    lambda t: t.log_softmax(1),
    lambda t: t.min(),
    lambda t: t.mean(),
    lambda t: torch.maximum(t, t),
    lambda t: t.triu(),
    lambda t: t.diagonal(),
    lambda t: t.flip(0),
    lambda t: t.roll(1),
    lambda t: t.transpose(0, 1),
    lambda t: t.contiguous(),
    lambda t: t.t().contiguous(),
    lambda t: t.detach().requires_grad_() * 1,
    lambda t: t.to(torch.float64),
    lambda t: t.sum(0, keepdim=True),
    lambda t: F.pad(t, (1, 1)),
    lambda t: F.conv1d(t[None], t[:, :, None]),
    lambda t: F.max_pool1d(t[None], 2),
    lambda t: F.embedding(torch.tensor([1]), t),
    lambda t: F.nll_loss(t, torch.tensor([0, 1, 2, 3, 4])),
    lambda t: F.binary_cross_entropy(t, t.detach()),
    lambda t: F.leaky_relu(t),
    lambda t: F.elu(t),
    lambda t: F.silu(t),
    lambda t: F.softplus(t),
    lambda t: F.normalize(t),
    lambda t: torch.linalg.norm(t),
    lambda t: torch.linalg.inv(t + 5 * torch.eye(5)),
    lambda t: torch.linalg.det(t),
    lambda t: t.inverse(),
    lambda t: t.trace(),
    lambda t: torch.outer(t[0], t[0]),
    lambda t: torch.lerp(t, t, 0.5),
    lambda t: torch.atan2(t, t),
    lambda t: t.select(0, 1),
    lambda t: t.narrow(0, 0, 2),
    lambda t: t.unfold(0, 2, 1),
    lambda t: t.view_as(t),
    lambda t: t.real,
    lambda t: torch.complex(t, t),
    lambda t: torch.fft.fft(t),
    lambda t: F.batch_norm(t, None, None, training=True),
    lambda t: F.instance_norm(t[None]),
    lambda t: F.group_norm(t[None], 5),
    lambda t: F.scaled_dot_product_attention(t[None], t[None], t[None]),
    lambda t: F.interpolate(t[None, None], scale_factor=2),
    lambda t: F.l1_loss(t, 2 * t),
    lambda t: F.smooth_l1_loss(t, 2 * t),
    lambda t: F.kl_div(t.log(), t),
    lambda t: F.cosine_similarity(t, 2 * t),
    lambda t: torch.cdist(t, t),
):
    try:
        print(f(z).grad_fn.name())
    except Exception as e:
        print(type(e).__name__, e)
