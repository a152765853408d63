"""The rate of whole training steps beside PyTorch's, on all cores of this machine.

Forward, loss, backward, clipping and Adam, of a recurrent language model with one-hot input over
65 characters, float32. charrnn is measured with NumPy alone and with Numba, its workers as
`train.workers: auto` has them. All take turns, each in processes of its own, and what counts is the
median of the rounds' ratios: on a shared machine nothing else means much. `make bench` runs it;
with --write it puts the tables into RESULTS.md and docs/measurements.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from charrnn_peer import configuration

from charrnn.model.parameters import training_flops
from charrnn.planning.benchmark import V, memory_mb

CELLS = ("lstm", "gru", "rnn", "mogrifier")  # PyTorch has all but the last
SHAPES = ((2, 128, 50, 50), (1, 256, 64, 64), (2, 512, 100, 64), (1, 100, 25, 1))
HERE = Path(__file__).parent
SETTLE_S = 0.2  # before a turn: the threads of the one before may still be spinning


class Row(NamedTuple):
    """A row of the table. Rates are characters/s, ratios are to PyTorch's rate; None: not had."""

    name: str
    pytorch: float | None
    numpy: float
    numpy_ratio: float | None
    numba: float | None
    numba_ratio: float | None
    share_of_peak: float | None  # of the products of 1024 x 1024 matrices, with Numba
    memory_mb: dict[str, float | None]  # by side


class Peer:
    """A side of the benchmark, which makes training steps when it is its turn."""

    def __init__(self, side: str, cell: str, shape: tuple[int, ...]) -> None:
        sizes = [cell, *map(str, shape)]
        script = ["pytorch_peer.py"] if side == "pytorch" else ["charrnn_peer.py", side]
        command = [sys.executable, HERE / script[0], *script[1:], *sizes]
        threads = {} if side == "pytorch" else {"OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
        )

    def ask(self, question: object) -> float:
        """Return the answer: to a number, the mean time of so many steps, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(question, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def memory_mb(self) -> float | None:
        """Return what its processes take."""
        return memory_mb(self._process.pid)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(cell: str, shape: tuple[int, ...], rounds: int, round_s: float) -> Row:
    """Return a row of the table."""
    sides = ["numpy"]
    sides += ["numba"] * (find_spec("numba") is not None)
    sides += ["pytorch"] * (find_spec("torch") is not None and cell != "mogrifier")
    times: dict[str, list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        peers = {side: stack.enter_context(closing(Peer(side, cell, shape))) for side in sides}
        for peer in peers.values():
            peer.ask(2)
        counts = {side: max(1, round(round_s / peers[side].ask(1))) for side in sides}
        for _ in range(rounds):
            for side in sides:
                time.sleep(SETTLE_S)
                times[side].append(peers[side].ask(counts[side]))
        memory = {side: peer.memory_mb() for side, peer in peers.items()}
        peaks = [peers["numpy"].ask("peak") for _ in range(rounds)]
    layers, H, T, N = shape
    rates = {side: T * N / statistics.median(values) for side, values in times.items()}

    def ratio(side: str) -> float | None:
        if not {side, "pytorch"} <= times.keys():
            return None
        pairs = zip(times["pytorch"], times[side], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    flops = training_flops(configuration("numpy", cell, *shape).model, V)
    share = rates["numba"] * flops / statistics.median(peaks) / 1e9 if "numba" in rates else None
    return Row(
        f"{cell.upper()} {layers}x{H}, {T}, {N}",
        rates.get("pytorch"),
        rates["numpy"],
        ratio("numpy"),
        rates.get("numba"),
        ratio("numba"),
        share,
        memory,
    )


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| layers x hidden, T, N | PyTorch | NumPy | ratio | with Numba | ratio | share of peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row.name,
            _rate(row.pytorch),
            _rate(row.numpy),
            _ratio(row.numpy_ratio),
            _rate(row.numba),
            _ratio(row.numba_ratio),
            "-" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def memory_line(row: Row) -> str:
    """Return what a row's sides take in memory, in a sentence."""
    sides = [f"{side} {mb:,.0f}" for side, mb in row.memory_mb.items() if mb is not None]
    return f"Memory of all processes at {row.name}, in MB (PSS): {', '.join(sides)}."


def write(file: Path, text: str) -> None:
    """Put the text between a file's two marks."""
    marks = "<!-- make bench: begin -->", "<!-- make bench: end -->"
    pattern = re.compile(f"{marks[0]}.*{marks[1]}", re.DOTALL)
    new, count = pattern.subn(lambda _: f"{marks[0]}\n{text}\n{marks[1]}", file.read_text())
    assert count == 1, f"{file}: has no place for the table"
    file.write_text(new)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:,.0f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def main() -> None:
    """Print the tables, and write them where they are shown if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="the first so many")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-s", type=float, default=0.7, help="seconds of a turn")
    parser.add_argument("--write", action="store_true", help="to the two pages")
    arguments = parser.parse_args()
    rows = []
    for cell in arguments.cells:
        for shape in SHAPES[: arguments.shapes]:
            rows.append(measure(cell, shape, arguments.rounds, arguments.round_s))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    cores = len(os.sched_getaffinity(0))
    when = f"{datetime.date.today()}, {cores} cores, {arguments.rounds} rounds."
    text = f"{when}\n\n{table(rows)}\n\n{memory_line(rows[0])}"
    print(text)
    if arguments.write:
        write(HERE / "RESULTS.md", text)
        write(HERE.parents[1] / "docs" / "measurements.md", text)


if __name__ == "__main__":
    main()
