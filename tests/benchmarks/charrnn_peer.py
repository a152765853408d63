"""charrnn's side of the benchmarks: `python charrnn_peer.py numba lstm 2 128 50 50`.

For every number that it reads it makes so many whole training steps and prints the seconds that one
took; for the word peak, the rate of large matrix products of all its workers, in GFLOP/s.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing

from charrnn.config.reader import override_defaults
from charrnn.config.schema import Config
from charrnn.planning.benchmark import V, training_job, training_step
from charrnn.workers.count import resolve_workers
from charrnn.workers.processes import start_group


def configuration(backend: str, cell: str, layers: int, H: int, T: int, N: int) -> Config:
    """Return the resolved configuration of a shape."""
    values = {"model.cell": cell, "model.num_layers": layers, "model.hidden_size": H}
    values |= {"model.dropout": 0, "model.dropout_per": "step", "model.weight_dropout": 0}
    values |= {"train.seq_length": T, "train.batch_size": N, "train.streams": "fixed"}
    values |= {"train.max_epochs": 30, "train.optimizer": "adam", "train.learning_rate": 2e-3}
    values |= {"train.schedule": "constant", "train.warmup_steps": 0, "train.backend": backend}
    values["train.activation_penalty"] = 0
    return resolve_workers(
        override_defaults([f"{key}={value}" for key, value in values.items()]), V
    )


def main() -> None:
    """Serve until standard input ends."""
    backend, cell, *sizes = sys.argv[1:]
    config = configuration(backend, cell, *map(int, sizes))
    with closing(start_group(training_job(config))) as group:
        step = training_step(group)
        for line in sys.stdin:
            if line.strip() == "peak":
                print(group.peak_gflops(), flush=True)
                continue
            start = time.perf_counter()
            for _ in range(int(line)):
                step()
            print((time.perf_counter() - start) / int(line), flush=True)


if __name__ == "__main__":
    main()
