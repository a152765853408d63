"""nanoGPT's character model for a CPU in PyTorch, one of the recipes of `pytorch_recipe.py`.

A transformer of 4 layers of 128 units with 4 heads and a context of 64, without biases, layer norm
before attention and before an MLP of four times the width with GELU, and the input embedding as the
output matrix; weights are normal with deviation 0.02, those of the projections back to the residual
stream with 0.02 / sqrt(2 layers). AdamW at 1e-3 with betas 0.9 and 0.99, decay of the matrices 0.1,
gradient norm at most 1, 12 random windows a step, no dropout, 100 steps of warm-up and a cosine
to 1e-4. (karpathy/nanoGPT: model.py, config/train_shakespeare_char.py, and the command for a CPU in
its README, which has 2,000 steps; here the cosine follows the clock and ends with the minutes.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYERS, HEADS, C, BLOCK, N = 4, 4, 128, 64, 12
RATE, LEAST_RATE, WARM_UP_STEPS = 1e-3, 1e-4, 100
STRIDE = BLOCK // 2  # in scoring: predictions of a window that count, those with the most context
SCORED_N = 256  # windows at a time in scoring


class Block(nn.Module):
    """Attention and an MLP, each added to the residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(C, bias=False), nn.LayerNorm(C, bias=False)
        self.attention = nn.Linear(C, 3 * C, bias=False)
        self.project_1 = nn.Linear(C, C, bias=False)
        self.expand = nn.Linear(C, 4 * C, bias=False)
        self.project_2 = nn.Linear(4 * C, C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, T, _ = x.shape
        heads = self.attention(self.norm_1(x)).view(n, T, 3, HEADS, C // HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # (n, HEADS, T, C / HEADS) each
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project_1(y.transpose(1, 2).reshape(n, T, C))
        return x + self.project_2(functional.gelu(self.expand(self.norm_2(x))))


class Transformer(nn.Module):
    """The model: codes (n, T) to logits (n, T, V)."""

    def __init__(self, V: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(V, C), nn.Embedding(BLOCK, C)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(C, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                back = "project" in name
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * LAYERS) if back else 1))

    def forward(self, codes: Tensor) -> Tensor:
        x = self.characters(codes) + self.places(torch.arange(codes.shape[1]))
        return functional.linear(self.norm(self.blocks(x)), self.characters.weight)


class NanoGPT:
    """A model and its training.

    Args:
        codes: (n,), int64, of the whole text.
        train_end: where the training part ends.
        V: size of the vocabulary.
    """

    def __init__(self, codes: Tensor, train_end: int, V: int) -> None:
        self.codes, self.train_end, self.steps = codes, train_end, 0
        self.model = Transformer(V)
        matrices = [one for one in self.model.parameters() if one.dim() == 2]
        others = [one for one in self.model.parameters() if one.dim() < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99), fused=True)

    def step(self, share: float) -> bool:
        """Make a step; return whether there was one to make.

        Args:
            share: elapsed share of the time, which the cosine follows.
        """
        self.steps += 1
        rate = LEAST_RATE + (RATE - LEAST_RATE) * (1 + math.cos(math.pi * min(1, share))) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1, self.steps / WARM_UP_STEPS)
        firsts = torch.randint(self.train_end - BLOCK, (N, 1))
        windows = self.codes[firsts + torch.arange(BLOCK + 1)]  # (N, BLOCK + 1)
        logits = self.model(windows[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return True

    @torch.no_grad()
    def loss_nats(self, firsts: list[int], length: int) -> float:
        """Return the mean loss on stretches, each character with 33 to 64 characters before it.

        Windows of 64 predictions move on by 32, and the last 32 of each count; where a stretch has
        fewer left, its last window ends with it.

        Args:
            firsts: the first place of each stretch.
            length: characters of each.
        """
        ends = [
            (min(first + at + STRIDE, first + length), min(STRIDE, length - at))
            for first in firsts
            for at in range(0, length, STRIDE)
        ]
        nats = 0.0
        for k in range(0, len(ends), SCORED_N):
            end, counted = torch.tensor(ends[k : k + SCORED_N]).t()
            windows = self.codes[end[:, None] + torch.arange(-BLOCK - 1, 0)]  # (n, BLOCK + 1)
            logits, targets = self.model(windows[:, :-1])[:, -STRIDE:], windows[:, -STRIDE:]
            losses = functional.cross_entropy(logits.mT, targets, reduction="none")  # (n, STRIDE)
            counts = torch.arange(STRIDE, 0, -1) <= counted[:, None]
            nats += float(losses[counts].double().sum())
        return nats / (length * len(firsts))
