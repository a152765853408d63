"""The rate of whole training steps, beside PyTorch where it is installed.

Forward, loss, backward, clipping and Adam, of a recurrent language model with one-hot input over
65 characters, float32. The two take turns in the same process, a round each, and the medians are
compared: on a shared machine only the ratio means something. `make bench` runs it on one core; the
number of threads is OMP_NUM_THREADS for PyTorch and OPENBLAS_NUM_THREADS for NumPy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from charrnn.config import ModelConfig
from charrnn.model import Model
from charrnn.optimizers import RULES, Optimizer, clip_by_norm
from charrnn.parameters import initial_parameters, parameter_views

V = 65
SHAPES = ((2, 128, 50, 50), (1, 256, 64, 64), (2, 512, 100, 64), (1, 100, 25, 1))
Step = Callable[[], None]


def charrnn_step(cell: str, layers: int, H: int, T: int, N: int) -> Step:
    """Return a function that makes one training step."""
    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=H)
    model = Model(config, V, initial_parameters(config, V, seed=1))
    gradient = np.zeros_like(model.parameters)
    views = parameter_views(gradient, model.shapes)
    optimizer = Optimizer("adam", RULES["adam"].hyperparameters, model.parameters)
    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(0, V, (2, T, N))
    states, t = model.zero_states(N), 0

    def step() -> None:
        nonlocal states, t
        t += 1
        _, states = model.loss_gradient(inputs, targets, states, views)
        clip_by_norm(gradient, 5.0)
        optimizer.update(model.parameters, gradient, 2e-3, t)

    return step


def torch_step(cell: str, layers: int, H: int, T: int, N: int) -> Step | None:
    """Return PyTorch's function of the same step, or None where PyTorch is not installed."""
    try:
        import torch
        from torch import nn
    except ImportError:
        return None
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    torch.manual_seed(1)
    rnn = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](V, H, layers)
    output = nn.Linear(H, V)
    parameters = [*rnn.parameters(), *output.parameters()]
    adam = torch.optim.Adam(parameters, lr=2e-3, fused=True)
    inputs, targets = torch.randint(0, V, (2, T, N))
    one_hot = nn.functional.one_hot(inputs, V).float()
    zero = torch.zeros(layers, N, H)
    states = (zero, zero.clone()) if cell == "lstm" else zero

    def step() -> None:
        nonlocal states
        adam.zero_grad()
        h, states = rnn(one_hot, states)
        states = tuple(s.detach() for s in states) if cell == "lstm" else states.detach()
        loss = nn.functional.cross_entropy(output(h).view(-1, V), targets.view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        adam.step()

    return step


def seconds(step: Step, count: int) -> float:
    """Return the mean time of a step."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def allocated_bytes(step: Step) -> int:
    """Return a steady-state step's peak of traced memory, less what it began with."""
    tracemalloc.start()
    try:
        step()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def measure(cell: str, shape: tuple[int, int, int, int], rounds: int) -> str:
    """Return a row of the table."""
    layers, H, T, N = shape
    ours, theirs = charrnn_step(cell, *shape), torch_step(cell, *shape)
    allocated = allocated_bytes(ours)
    count = max(1, round(0.5 / seconds(ours, 2)))  # steps in a round of half a second
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    if theirs:
        seconds(theirs, 2)
    for _ in range(rounds):
        times["ours"].append(seconds(ours, count))
        if theirs:
            times["theirs"].append(seconds(theirs, count))
    rate = T * N / statistics.median(times["ours"])
    row = f"| {cell} | {layers}x{H}, {T}, {N} | {rate:,.0f} |"
    if theirs:
        other = T * N / statistics.median(times["theirs"])
        pairs = zip(times["ours"], times["theirs"], strict=True)
        ratio = statistics.median(b / a for a, b in pairs)
        row += f" {other:,.0f} | {ratio:.2f} |"
    else:
        row += " - | - |"
    return f"{row} {allocated / 1e6:.2f} |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="the first so many")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print("| cell | layers x hidden, T, N | chars/s | PyTorch | ratio | MB allocated |")
    print("|---|---|---|---|---|---|")
    for cell in arguments.cells:
        for shape in SHAPES[: arguments.shapes]:
            print(measure(cell, shape, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
