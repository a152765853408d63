"""The rate of whole records, beside PyTorch where it is installed.

An untrained model, whose records end after some seven symbols, writes records from one-hot input
over 27 characters and the end: 64 rows a process, a row begins the next record as soon as one has
ended. charrnn writes as `charrnn sample -n` does, on all cores. PyTorch runs the usual step loop:
step, softmax, draw, zero states and the end as input for the rows that have ended, texts joined at
their end; with one thread and with all cores, of which the better counts. The two take turns, so
on a shared machine only the ratio means something.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/record_sampling.py --peer PYTHON

PYTHON is an interpreter that has PyTorch; without it, only charrnn is measured.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from long_runs import processor

V, ROWS, MEAN = 28, 64, 7  # symbols with the end, rows of a process, symbols of a record
END_LOGIT = math.log((V - 1) / (MEAN - 1))
Rate = Callable[[float], float]  # records per second over a round of so many seconds


def charrnn_rates(cell: str, layers: int, H: int, stack: ExitStack) -> dict[str, Rate]:
    """Return charrnn's rates: of one process, and of one on each core."""
    import numpy as np

    from charrnn.config.schema import ModelConfig
    from charrnn.model.model import Model
    from charrnn.model.parameters import initial_parameters
    from charrnn.model.record_sampling import RecordSampler
    from charrnn.model.sampling_params import SamplingParams
    from charrnn.system.cores import free_cores
    from charrnn.text.vocabulary import SYMBOLS, Vocabulary
    from charrnn.workers.sampling import attempts_by_workers, compiled_for

    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=H)
    model = Model(config, V, initial_parameters(config, V, seed=1))
    model.views["output.b"][-1] = END_LOGIT
    letters = Vocabulary(np.append(np.arange(97, 97 + V - 1), SYMBOLS["char"]), "char")
    prime = np.zeros(0, letters.code_dtype)
    sampler = RecordSampler(model, letters, prime, 20 * MEAN, SamplingParams(), 1, ROWS)
    sampler = compiled_for(sampler, 10**6)

    def rate_of(workers: int) -> Rate:
        def rate(round_s: float) -> float:
            with attempts_by_workers(sampler, workers) as attempts:
                for _ in range(20):
                    next(attempts)  # all processes are writing
                start, count = time.perf_counter(), 0
                while (elapsed_s := time.perf_counter() - start) < round_s:
                    count += len(next(attempts))
            return count / elapsed_s

        return rate

    del stack
    return {f"charrnn {workers}": rate_of(workers) for workers in sorted({1, free_cores()})}


def pytorch_rates(peer: str, cell: str, layers: int, H: int, stack: ExitStack) -> dict[str, Rate]:
    """Return PyTorch's rates with one thread and with all cores, each in a process of its own."""

    def rate_of(threads: int) -> Rate:
        command = [peer, __file__, "--serve", cell, str(layers), str(H), str(threads)]
        process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )

        def rate(round_s: float) -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            print(round_s, file=process.stdin, flush=True)
            return float(process.stdout.readline())

        return rate

    return {f"PyTorch {threads}": rate_of(threads) for threads in sorted({1, os.cpu_count() or 1})}


def serve(cell: str, layers: int, H: int, threads: int) -> None:
    """Write records with PyTorch for each number of seconds that is read; print the rate."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    rnn = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](V, H, layers).eval()
    output, one_hot = nn.Linear(H, V), torch.eye(V)
    with torch.no_grad():
        output.bias[-1] = END_LOGIT
    zero = torch.zeros(layers, ROWS, H)
    states = (zero, zero.clone()) if cell == "lstm" else zero
    codes = torch.full((ROWS,), V - 1)
    texts: list[list[int]] = [[] for _ in range(ROWS)]
    written: list[str] = []

    @torch.no_grad()
    def step() -> None:
        nonlocal codes, states
        h, states = rnn(one_hot[codes][None], states)
        probabilities = torch.softmax(output(h[0]), dim=1)
        codes = torch.multinomial(probabilities, 1)[:, 0]
        ended = codes == V - 1
        for state in states if cell == "lstm" else (states,):
            state[:, ended] = 0
        for text, code in zip(texts, codes.tolist(), strict=True):
            if code < V - 1:
                text.append(97 + code)
            else:
                written.append("".join(map(chr, text)))
                text.clear()

    for line in sys.stdin:
        for _ in range(5):
            step()
        written.clear()
        start = time.perf_counter()
        while (elapsed_s := time.perf_counter() - start) < float(line):
            step()
        print(len(written) / elapsed_s, flush=True)


def main() -> None:
    """Print a row of a Markdown table for each cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="an interpreter that has PyTorch")
    parser.add_argument("--cells", nargs="+", default=["lstm"])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-s", type=float, default=1.0, help="seconds of a round")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        cell, *sizes = arguments.serve
        serve(cell, *map(int, sizes))
        return
    print(f"{processor()}, {os.cpu_count()} cores; records/s, the median of {arguments.rounds}")
    for cell in arguments.cells:
        with ExitStack() as stack:
            shape = (cell, arguments.layers, arguments.hidden)
            rates = charrnn_rates(*shape, stack)
            if arguments.peer:
                rates |= pytorch_rates(arguments.peer, *shape, stack)
            rounds = [
                {name: rate(arguments.round_s) for name, rate in rates.items()}
                for _ in range(arguments.rounds)
            ]
        medians = {name: statistics.median(one[name] for one in rounds) for name in rates}
        row = [f"{name}: {value:,.0f}" for name, value in medians.items()]
        if arguments.peer:
            ours, theirs = (
                [
                    max(value for name, value in one.items() if name.startswith(who))
                    for one in rounds
                ]
                for who in ("charrnn", "PyTorch")
            )
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            row.append(f"ratio {ratio:.1f}")
        print(f"| {cell} | {arguments.layers}x{arguments.hidden} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
