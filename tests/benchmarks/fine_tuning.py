"""Fine-tuning beside a new model: the same text, the same minutes.

    python tests/benchmarks/fine_tuning.py SOURCE=TARGET... --models FOLDER --results FILE
    python tests/benchmarks/fine_tuning.py --results FILE --table

A model of each text SOURCE is trained for three minutes and stays in FOLDER. Then, for each number
of minutes and each seed, `charrnn train TARGET --minutes M` trains a new model, and the same with
`--init-from` one that starts from the model of SOURCE. The lowest loss on the validation part, the
last tenth of TARGET, counts. Two trainings run at a time on two cores, one worker each; each result
is a line of FILE, and what is there already is not run again.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from long_runs import Line, append_line, charrnn, lowest_validation, processor, read_lines

SOURCE_MINUTES = 3
NEW, FINE_TUNED = "new", "fine-tuned"


def train(text: Path, run: Path, minutes: float, seed: int, *more: str) -> Line:
    """Train a model of a text; return its lowest validation loss, and what was chosen for it."""
    settings = ["data.records=null", "train.workers=1", f"seed={seed}"]
    command = ["train", str(text), "--run-dir", str(run), "--minutes", str(minutes), *more]
    for setting in settings:
        command += ["--set", setting]
    printed = charrnn(*command).stderr.splitlines()
    chosen = [line for line in printed if line.startswith(("model", "chosen"))]
    return {**lowest_validation(run), "chosen": " ".join(" ".join(chosen).split())}


def run_missing(
    pairs: Sequence[tuple[Path, Path]],
    minutes: Sequence[float],
    seeds: int,
    models: Path,
    results: Path,
) -> None:
    """Train what is missing in the results, on all cores."""
    there = {identity(one) for one in read_lines(results)}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:

        def source(path: Path) -> None:
            run, unfinished = models / path.stem, models / f"{path.stem}.unfinished"
            if not run.exists():
                train(path, unfinished, SOURCE_MINUTES, 1, "--overwrite")
                unfinished.rename(run)

        def target(line: Line, path: Path) -> None:
            run = models / line["source"]
            more = ("--init-from", str(run)) if line["system"] == FINE_TUNED else ()
            with TemporaryDirectory() as folder:
                line |= train(path, Path(folder, "run"), line["minutes"], line["seed"], *more)
            append_line(results, line | {"processor": processor()})
            print(*identity(line), f"{line['loss_nats']:.4f}", flush=True)

        list(threads.map(source, dict.fromkeys(first for first, _ in pairs)))
        jobs = []
        for seed in range(1, seeds + 1):
            for first, second in pairs:
                for limit in minutes:
                    for system in (NEW, FINE_TUNED):
                        line = {"system": system, "target": second.stem, "minutes": limit}
                        line |= {"seed": seed, "source": first.stem if system != NEW else None}
                        if identity(line) not in there:
                            there.add(identity(line))
                            jobs.append(threads.submit(target, line, second))
        for job in jobs:
            job.result()


def identity(line: Line) -> tuple[Any, ...]:
    """Return what tells one training from the others."""
    return tuple(line[key] for key in ("system", "source", "target", "minutes", "seed"))


def print_table(lines: list[Line]) -> None:
    """Print the medians of the seeds, a row for each pair and number of minutes."""
    losses: dict[tuple[Any, ...], list[float]] = {}
    for one in lines:
        losses.setdefault(identity(one)[1:4], []).append(one["loss_nats"])
    print("| from | text | minutes | seeds | new model | fine-tuned | beside the new one |")
    print("|---|---|---|---|---|---|---|")
    for (source, target, minutes), found in losses.items():
        if source is not None:
            new, tuned = (statistics.median(one) for one in (losses[None, target, minutes], found))
            row = f"| {source} | {target} | {minutes:g} | {len(found)} | {new:.4f} | {tuned:.4f} "
            print(f"{row}| {100 * (tuned / new - 1):+.1f}% |")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="*", metavar="SOURCE=TARGET", help="two text files")
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.5, 2], help="of training")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the sources")
    parser.add_argument("--results", type=Path, default=Path("tuning.jsonl"), help="JSON lines")
    parser.add_argument("--table", action="store_true", help="print the table of the results")
    arguments = parser.parse_args()
    pairs = [(Path(a), Path(b)) for a, _, b in (one.partition("=") for one in arguments.pairs)]
    run_missing(pairs, arguments.minutes, arguments.seeds, arguments.models, arguments.results)
    if arguments.table:
        print_table(read_lines(arguments.results))


if __name__ == "__main__":
    main()
