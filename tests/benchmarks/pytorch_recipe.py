"""char-rnn's recipe in PyTorch: what a script of its own makes of the same minutes.

    python tests/benchmarks/pytorch_recipe.py TEXT --minutes 3 --hidden 128

A stacked `nn.LSTM` on one-hot input, weights and biases uniform in 0.08 with the forget gates' at
1, RMSprop with decay 0.95 at 2e-3, from the eleventh epoch on less by 3% an epoch, gradients cut at
5, 50 streams of 50 steps, 50 epochs at most; dropout as it is asked for. It trains on the first 90%
of the text and scores the last 10% after each epoch, every character once, the state carried.
Prints a JSON line for each validation, with the seconds since PyTorch was imported; the last one is
made when the minutes are over.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

T, N, EPOCHS = 50, 50, 50
SCORED_T = 1000  # steps at a time when the validation part is scored, as one stream


def main() -> None:
    """Train and tell."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(arguments.seed)
    text = arguments.text.read_text(encoding="utf-8")
    symbols, inverse = np.unique(np.array(list(text)), return_inverse=True)
    codes, V = torch.from_numpy(inverse.astype(np.int64)), len(symbols)
    cut = int(len(codes) * 0.9)
    H = arguments.hidden
    lstm = nn.LSTM(V, H, 2, dropout=arguments.dropout)
    dropped, output = nn.Dropout(arguments.dropout), nn.Linear(H, V)
    parameters = [*lstm.parameters(), *output.parameters()]
    for parameter in parameters:
        nn.init.uniform_(parameter, -0.08, 0.08)
    for layer in range(2):
        getattr(lstm, f"bias_ih_l{layer}").data[H : 2 * H] = 1
    modules = nn.ModuleList([lstm, dropped, output])
    rmsprop = torch.optim.RMSprop(parameters, lr=2e-3, alpha=0.95)
    step = 0

    def tell(epoch: int) -> float:
        seconds = time.perf_counter() - start
        loss_nats = validation_loss(lstm, output, codes, cut, V)
        print(
            json.dumps({"s": round(seconds, 1), "epoch": epoch, "step": step, "loss": loss_nats}),
            flush=True,
        )
        return loss_nats

    for epoch in range(1, EPOCHS + 1):
        if epoch > 10:
            rmsprop.param_groups[0]["lr"] *= 0.97
        modules.train()
        zero = torch.zeros(2, N, H)
        states = (zero, zero.clone())
        for inputs, targets in windows(codes[:cut]):
            rmsprop.zero_grad()
            h, states = lstm(nn.functional.one_hot(inputs, V).float(), states)
            states = (states[0].detach(), states[1].detach())
            loss = nn.functional.cross_entropy(
                output(dropped(h)).reshape(-1, V), targets.reshape(-1)
            )
            loss.backward()
            nn.utils.clip_grad_value_(parameters, 5.0)
            rmsprop.step()
            step += 1
            if time.perf_counter() - start > 60 * arguments.minutes:
                tell(epoch)
                return
        modules.eval()
        tell(epoch)


def windows(codes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets of an epoch, each (T, N)."""
    length = (len(codes) - 1) // N
    inputs = codes[: N * length].view(N, length).t()
    targets = codes[1 : N * length + 1].view(N, length).t()
    for at in range(0, length - T + 1, T):
        yield inputs[at : at + T], targets[at : at + T]


@torch.no_grad()
def validation_loss(lstm: nn.LSTM, output: nn.Linear, codes: Tensor, cut: int, V: int) -> float:
    """Score the characters from the cut on, in nats, each once."""
    was_training = lstm.training
    lstm.eval()
    zero = torch.zeros(2, 1, lstm.hidden_size)
    states, nats = (zero, zero.clone()), 0.0
    first = max(0, cut - 1 - SCORED_T)  # to warm up on
    for at in range(first, len(codes) - 1, SCORED_T):
        end = min(at + SCORED_T, len(codes) - 1)
        h, states = lstm(nn.functional.one_hot(codes[at:end, None], V).float(), states)
        losses = nn.functional.cross_entropy(
            output(h).view(-1, V), codes[at + 1 : end + 1], reduction="none"
        )
        places = torch.arange(at + 1, end + 1)
        nats += float(losses[places >= cut].double().sum())
    lstm.train(was_training)
    return nats / (len(codes) - cut)


if __name__ == "__main__":
    main()
