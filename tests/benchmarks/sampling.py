"""The rate of sampling, beside PyTorch where it is installed.

An untrained model with one-hot input over 65 characters, float32, that writes one text or many
side by side: each character is drawn from the softmax and fed back. The two take turns in the same
process, a round each, and the medians are compared: on a shared machine only the ratio means
something. `OPENBLAS_NUM_THREADS=1` leaves NumPy one thread. PyTorch has two turns, one thread and
all cores, as now the one is faster and now the other; the better counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from charrnn.config.schema import ModelConfig
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.model.sampling import generate
from charrnn.model.sampling_params import SamplingParams, generators

V = 65
SHAPES = ((2, 128, 1), (2, 128, 64), (1, 512, 1), (1, 512, 64))
Step = Callable[[], object]  # N characters


def charrnn_step(cell: str, layers: int, H: int, N: int) -> Step:
    """Return a function that draws the next character of each text."""
    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=H)
    model = Model(config, V, initial_parameters(config, V, seed=1))
    codes: Iterator[object] = generate(
        model, np.zeros(1, np.intp), SamplingParams(), [*generators(1, range(N))]
    )
    return codes.__next__


def torch_step(cell: str, layers: int, H: int, N: int, threads: int) -> Step | None:
    """Return PyTorch's function of the same step, or None where PyTorch is not installed."""
    try:
        import torch
        from torch import nn
    except ImportError:
        return None
    torch.manual_seed(1)
    rnn = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](V, H, layers).eval()
    output = nn.Linear(H, V)
    codes = torch.zeros(N, dtype=torch.long)
    zero = torch.zeros(layers, N, H)
    states = (zero, zero.clone()) if cell == "lstm" else zero

    @torch.no_grad()
    def step() -> None:
        nonlocal codes, states
        torch.set_num_threads(threads)
        one_hot = nn.functional.one_hot(codes, V).float()
        h, states = rnn(one_hot[None], states)
        probabilities = torch.softmax(output(h[0]), dim=1)
        codes = torch.multinomial(probabilities, 1)[:, 0]

    return step


def seconds(step: Step, at_least_s: float) -> float:
    """Return the mean time of a step over a round of so long."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < at_least_s:
        for _ in range(10):
            step()
        count += 10
    return elapsed / count


def measure(cell: str, shape: tuple[int, int, int], rounds: int, round_s: float) -> str:
    """Return a row of the table."""
    layers, H, N = shape
    ours = charrnn_step(cell, *shape)
    theirs = [torch_step(cell, *shape, threads) for threads in (1, os.cpu_count() or 1)]
    times: list[float] = []
    other_times: list[float] = []
    for _ in range(rounds):
        times.append(seconds(ours, round_s))
        other_times.append(min((seconds(step, round_s) for step in theirs if step), default=0))
    row = f"| {cell} | {layers}x{H} | {N} | {N / statistics.median(times):,.0f} |"
    if not all(other_times):
        return f"{row} - | - |"
    ratio = statistics.median(b / a for a, b in zip(times, other_times, strict=True))
    return f"{row} {N / statistics.median(other_times):,.0f} | {ratio:.1f} |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="the first so many")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-s", type=float, default=0.3, help="seconds of a round")
    arguments = parser.parse_args()
    print("| cell | layers x hidden | texts | chars/s | PyTorch | ratio |")
    print("|---|---|---|---|---|---|")
    for cell in arguments.cells:
        for shape in SHAPES[: arguments.shapes]:
            print(measure(cell, shape, arguments.rounds, arguments.round_s), flush=True)


if __name__ == "__main__":
    main()
