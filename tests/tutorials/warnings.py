import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tutorials.tools import quiet

quiet(lambda: torch.tensor(torch.ones(2)))
quiet(lambda: (torch.ones(2, requires_grad=True) * 2).grad)
quiet(lambda: F.mse_loss(torch.ones(2), torch.ones(2, 1)))
quiet(lambda: F.softmax(torch.ones(2)))
quiet(lambda: nn.Softmax()(torch.ones(2, 2)))
quiet(lambda: torch.ones(2, 3, 4).T.shape)
quiet(lambda: F.log_softmax(torch.ones(2, 2)))
quiet(lambda: torch.range(0, 3))
quiet(lambda: torch.meshgrid(torch.ones(2), torch.ones(3))[0].shape)
quiet(lambda: F.sigmoid(torch.zeros(1)))
quiet(lambda: F.tanh(torch.zeros(1)))
quiet(lambda: torch.nn.utils.clip_grad_norm_([], 1.0))
quiet(lambda: F.l1_loss(torch.ones(2, 2), torch.ones(2)))
quiet(lambda: nn.MSELoss(size_average=True)(torch.ones(2), torch.ones(2)))
quiet(lambda: torch.floor_divide(torch.tensor(5), 2))
quiet(lambda: torch.ones(3).std(0) if False else torch.ones(1).std())
quiet(lambda: torch.from_numpy(np.ones(2)).int())
quiet(lambda: F.upsample(torch.ones(1, 1, 2), scale_factor=2).shape)
quiet(lambda: torch.sum(torch.ones(2, out=torch.ones(3)) if False else torch.ones(2)))
quiet(lambda: torch.add(torch.ones(2), 1, out=torch.ones(3)))
quiet(lambda: nn.Dropout2d()(torch.ones(2, 3)).shape)
quiet(lambda: nn.LSTM(2, 3, dropout=0.5))
quiet(lambda: nn.init.constant_(torch.empty(0), 1.0))
quiet(lambda: nn.init.xavier_uniform_(torch.empty(0, 2)).shape)
p = nn.Parameter(torch.ones(1))
opt = torch.optim.SGD([p], lr=0.1)
s = torch.optim.lr_scheduler.StepLR(opt, 1)
quiet(lambda: s.step())
quiet(lambda: s.step(5))
quiet(lambda: s.get_last_lr())
