"""What charrnn must stand, in full; `make torture` runs it. The test suite has a short form of it.

    python -m torture [--only NAME] [--seed N] [--scale X] [--write]

Each part is a function of a folder to work in, a number of cases and a seed. It returns its
figures in words, and raises an AssertionError that names the case where something gave way.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import date
from importlib import import_module
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
CACHE = Path(__file__).parents[2] / ".pytest_cache" / "charrnn"  # the tests' own

# Part: the module and the function, how many cases, and what it shows.
PARTS: dict[str, tuple[int, str]] = {
    "kills.one_process": (200, "`kill -9` at random moments, half of them while a file is written"),
    "kills.two_workers": (200, "the same with two workers: the parent, or one of them"),
    "mutated_checkpoints.checkpoints": (10_000, "mutated checkpoints"),
    "mutated_configs.configurations": (10_000, "mutated configurations"),
    "mutated_texts.texts": (2_000, "mutated texts"),
    "mutated_runs.runs": (1_000, "mutated records of a run, drawn"),
    "command_lines.command_lines": (2_000, "random command lines"),
    "failing_writes.every_call": (2, "each system call of a checkpoint's write fails"),
    "pickles.every_place": (1, "a pickle in every place of a checkpoint"),
    "divergences.recovered_or_stopped": (5, "a training made to diverge, by seed"),
    "soak.training": (200_000, "steps of a tiny model"),
    "soak.sampling": (1_000_000, "characters sampled"),
    "resumed_pairs.pairs": (50, "random configurations, each stopped at a random step"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="parts whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the cases")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["CHARRNN_CACHE_DIR"] = str(CACHE)
    rows, failed = [], False
    for name, (count, what) in PARTS.items():
        if arguments.only and arguments.only not in name:
            continue
        module, function = name.split(".")
        cases, began = max(1, round(count * arguments.scale)), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            part = getattr(import_module(f"torture.{module}"), function)
            try:
                figures = part(Path(folder), cases, arguments.seed)
            except AssertionError as error:
                figures, failed = f"**failed**: {error}", True
        rows.append(f"| {what} | {cases:,} | {figures} | {time.monotonic() - began:,.0f} |")
        print(rows[-1], flush=True)
    if arguments.write and not arguments.only:
        write(rows, arguments.seed)
    return int(failed)


def write(rows: list[str], seed: int) -> None:
    """Write the table, with the date and the machine's shape."""
    shape = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    python = f"Python {platform.python_version()}"
    head = f"{date.today().isoformat()}, {shape}, {python}, seed {seed}; `make torture`."
    table = ["| what | cases | result | seconds |", "|---|---|---|---|", *rows]
    RESULTS.write_text("\n".join(["# Torture", "", head, "", *table, ""]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
