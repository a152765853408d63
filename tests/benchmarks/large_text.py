"""A large text: how fast it is encoded, how soon training starts, what memory that takes.

The text is the lines of data/tales.txt, shuffled, over and over, in a folder that is deleted
afterwards and has room for twice the text. Training is of an LSTM of 2x128 by `charrnn train`, in
a process of its own whose anonymous memory is looked at all the time (Linux); it is held against
training on a text of 1 MB.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from charrnn.config.schema import DataConfig
from charrnn.text.load import load_corpus

TALES = Path(__file__).parents[2] / "data" / "tales.txt"
VALID_CHARS = 100_000
CONFIG = """
data: {{path: {path}, valid_fraction: {valid_fraction}}}
model: {{cell: lstm, num_layers: 2, hidden_size: 128, dropout: 0, weight_dropout: 0}}
train: {{batch_size: 50, seq_length: 50, streams: fixed, max_steps: 50, optimizer: adam,
        log_every: 1, workers: 1}}
"""


def write_text(path: Path, size: int) -> None:
    """Write a text of so many bytes."""
    lines, rng = TALES.read_bytes().splitlines(keepends=True), random.Random(1)
    with open(path, "wb") as file:
        while size > 0:
            rng.shuffle(lines)
            size -= file.write(b"".join(lines)[:size])


def train(path: Path) -> tuple[float, float]:
    """Train for a few steps.

    Returns:
        Seconds from the command to the first step's line in the metrics, and the most anonymous
        memory in MB.
    """
    config, run_dir = path.with_suffix(".yaml"), path.with_suffix(".run")
    size = path.stat().st_size
    config.write_text(CONFIG.format(path=path, valid_fraction=VALID_CHARS / size))
    arguments = ["train", str(config), "--run-dir", str(run_dir), "--overwrite"]
    metrics = run_dir / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    began, first_step_s, most_kb = time.monotonic(), 0.0, 0
    with subprocess.Popen(
        [sys.executable, "-m", "charrnn", *arguments], stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            if not first_step_s and metrics.exists() and metrics.stat().st_size:
                first_step_s = time.monotonic() - began
            most_kb = max(most_kb, anonymous_kb(process.pid))
            time.sleep(0.02)
    assert process.returncode == 0
    return first_step_s, most_kb * 1024 / 1e6


def anonymous_kb(pid: int) -> int:
    """Return a process's memory that is not a file's; 0 where there is no telling."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


@contextmanager
def timed(what: str, size: int) -> Iterator[None]:
    """Print a rate."""
    began = time.monotonic()
    yield
    elapsed_s = time.monotonic() - began
    print(f"{what}: {elapsed_s:.2f} s, {size / elapsed_s / 1e6:,.0f} MB/s", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the text")
    parser.add_argument("--folder", help="where to work; by default the system's temporary folder")
    arguments = parser.parse_args()
    size = arguments.megabytes * 1_000_000
    with TemporaryDirectory(dir=arguments.folder) as folder:
        os.environ["CHARRNN_CACHE_DIR"] = str(Path(folder, "cache"))
        large, small = Path(folder, "large.txt"), Path(folder, "small.txt")
        write_text(large, size)
        write_text(small, 1_000_000)
        with timed("encoding, to the cache on disk", size):
            load_corpus(DataConfig(str(large)))
        with timed("loading it again", size):
            load_corpus(DataConfig(str(large)))
        train(small)  # which compiles, where Numba is installed
        for path in (small, large, small, large):
            first_step_s, most_mb = train(path)
            print(
                f"training on {path.stat().st_size / 1e6:,.0f} MB: first step after "
                f"{first_step_s:.2f} s, at most {most_mb:.1f} MB of its own",
                flush=True,
            )


if __name__ == "__main__":
    main()
