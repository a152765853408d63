"""Small texts: the settings that charrnn chooses, beside many that are chosen by hand.

    python tests/benchmarks/small_texts.py TEXT... --results FILE
    python tests/benchmarks/small_texts.py --results FILE --table

From each TEXT, slices of 8,000, 30,000 and 60,000 characters are cut, which begin where 40% of it
are over. A model is trained on a slice and validated on the last 100,000 characters of the TEXT
(data.valid_path). `charrnn train` runs with a configuration of nothing but these paths, and then
with each of the settings in BY_HAND, where all else is chosen as before. The lowest validation loss
of a run counts. Runs take turns on the cores of this process, one worker each; each result is a
line of FILE, and what is there already is not run again.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from long_runs import Line, append_line, charrnn, lowest_validation, processor, read_lines

SIZES = (8_000, 30_000, 60_000)  # characters of a slice
VALID = 100_000  # characters of the validation part
START = 0.4  # of the text, where a slice begins

Settings = Mapping[str, Any]


def both_dropouts(rate: float) -> Settings:
    """Return the settings of a rate of dropout, of outputs and of weights."""
    return {"model.dropout": rate, "model.weight_dropout": rate}


AUTOMATIC: Settings = {}
BY_HAND: tuple[Settings, ...] = (
    *({"model.hidden_size": H, **both_dropouts(rate)} for H in (96, 160) for rate in (0.3, 0.6)),
    {"model.num_layers": 1},
    {"model.cell": "lstm"},
    {"model.cell": "gru"},
    {"train.max_epochs": 40},
    {"train.max_epochs": 40, **both_dropouts(0.3)},
    {"train.activation_penalty": 3},
    {"train.weight_decay": 0.3},
    {"train.batch_size": 8},
    {"train.learning_rate": 0.01},
)


def slices(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the size, the training text and the validation text of each slice."""
    start = int(START * len(text))
    for size in SIZES:
        if start + size + VALID > len(text):
            raise SystemExit(f"a text of {len(text):,} characters is too short")
        yield size, text[start : start + size], text[-VALID:]


def train(training: str, validation: str, settings: Settings) -> Line:
    """Return the lowest validation loss of a training, and what was chosen for it."""
    with TemporaryDirectory() as folder:
        run = Path(folder, "run")
        paths = {"data.path": Path(folder, "train.txt"), "data.valid_path": Path(folder, "v.txt")}
        for path, text in zip(paths.values(), (training, validation), strict=True):
            path.write_text(text, encoding="utf-8")
        config = Path(folder, "config.yaml")
        config.write_text(f"data:\n  path: {paths['data.path']}\n")
        command = ["train", str(config), "--run-dir", str(run)]
        everything = {"data.valid_path": paths["data.valid_path"], "train.workers": 1, **settings}
        for key, value in everything.items():
            command += ["--set", f"{key}={value}"]
        began = time.monotonic()
        printed = charrnn(*command).stderr.splitlines()
        chosen = next(line for line in printed if line.startswith("chosen"))
        return {
            **lowest_validation(run),
            "s": round(time.monotonic() - began, 1),
            "chosen": chosen.removeprefix("chosen").strip(),
        }


def run_missing(texts: list[Path], results: Path) -> None:
    """Train what is missing in the results, on all cores."""
    there = {(one["text"], one["chars"], name(one["settings"])) for one in read_lines(results)}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:

        def run(path: Path, size: int, training: str, validation: str, settings: Settings) -> None:
            line = {"text": path.stem, "chars": size, "settings": settings}
            line |= train(training, validation, settings) | {"processor": processor()}
            append_line(results, line)
            print(f"{path.stem} {size:,}, {name(settings)}: {line['loss_nats']:.4f}", flush=True)

        jobs = [
            threads.submit(run, path, *one, settings)
            for path in texts
            for one in slices(path.read_text(encoding="utf-8"))
            for settings in (AUTOMATIC, *BY_HAND)
            if (path.stem, one[0], name(settings)) not in there
        ]
        for job in jobs:
            job.result()


def name(settings: Settings) -> str:
    """Return settings in words.

    >>> name({"model.hidden_size": 96, "model.dropout": 0.3})
    'hidden_size 96, dropout 0.3'
    """
    words = [f"{key.partition('.')[2]} {value}" for key, value in settings.items()]
    return ", ".join(words) or "automatic"


def print_table(lines: list[Line]) -> None:
    """Print each slice's automatic and best losses, and what each setting adds on average."""
    by_slice: dict[tuple[str, int], dict[str, Line]] = {}
    for one in lines:
        by_slice.setdefault((one["text"], one["chars"]), {})[name(one["settings"])] = one
    print("| text | characters | automatic | seconds | best by hand | with | automatic is |")
    print("|---|---|---|---|---|---|---|")
    ratios: dict[str, list[float]] = {}
    for (text, size), runs in sorted(by_slice.items(), key=lambda item: item[0][::-1]):
        automatic = runs.pop(name(AUTOMATIC))
        best = min(runs, key=lambda one: runs[one]["loss_nats"])
        ours, hand = automatic["loss_nats"], runs[best]["loss_nats"]
        row = f"| {text} | {size:,} | {ours:.4f} | {automatic['s']:.0f} | {hand:.4f} | {best} "
        print(f"{row}| {100 * (ours / hand - 1):+.1f}% |")
        for setting, one in runs.items():
            ratios.setdefault(setting, []).append(one["loss_nats"] / ours)
    print("\n| by hand | loss beside the automatic one: mean | least | most |\n|---|---|---|---|")
    for setting, found in ratios.items():
        mean = sum(found) / len(found)
        cells = " | ".join(f"{100 * (one - 1):+.1f}%" for one in (mean, min(found), max(found)))
        print(f"| {setting} | {cells} |")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, nargs="*", metavar="TEXT", help="a text file")
    parser.add_argument("--results", type=Path, default=Path("small.jsonl"), help="JSON lines")
    parser.add_argument("--table", action="store_true", help="print the table of the results")
    arguments = parser.parse_args()
    run_missing(arguments.texts, arguments.results)
    if arguments.table:
        print_table(read_lines(arguments.results))


if __name__ == "__main__":
    main()
