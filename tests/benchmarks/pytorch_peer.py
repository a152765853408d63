"""PyTorch's side of the benchmarks: `python pytorch_peer.py lstm 2 128 50 50`.

For every number that it reads it makes so many whole training steps (one-hot input, forward, loss,
backward, clipping, fused Adam) and prints the seconds that one took.
"""

from __future__ import annotations

import os
import sys
import time

import torch
from torch import nn

V = 65


def main() -> None:
    """Serve until standard input ends."""
    cell, *sizes = sys.argv[1:]
    layers, H, T, N = map(int, sizes)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(1)
    rnn = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](V, H, layers)
    output = nn.Linear(H, V)
    parameters = [*rnn.parameters(), *output.parameters()]
    adam = torch.optim.Adam(parameters, lr=2e-3, fused=True)
    inputs, targets = torch.randint(0, V, (2, T, N))
    one_hot = nn.functional.one_hot(inputs, V).float()
    zero = torch.zeros(layers, N, H)
    states = (zero, zero.clone()) if cell == "lstm" else zero
    for line in sys.stdin:
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            adam.zero_grad()
            h, states = rnn(one_hot, states)
            states = tuple(s.detach() for s in states) if cell == "lstm" else states.detach()
            loss = nn.functional.cross_entropy(output(h).view(-1, V), targets.view(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            adam.step()
        print((time.perf_counter() - start) / count, flush=True)


if __name__ == "__main__":
    main()
