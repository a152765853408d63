"""Training over MPI: ranks compute what the same number of worker processes does."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import wait_until

from charrnn.runs.checkpoint import load_checkpoint

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(
        MPIEXEC is None or find_spec("mpi4py") is None, reason="needs mpi4py and MPICH"
    ),
]

CONFIG = """
data: {path: text.txt}
model: {cell: lstm, num_layers: 2, hidden_size: 24, dropout: 0.2, weight_dropout: 0.1}
train: {batch_size: 8, seq_length: 10, max_steps: 100, validate_every: 25, log_every: 1,
        learning_rate: 2.0e-3, schedule: constant, warmup_steps: 0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = [
        "the",
        "cat",
        "sat",
        "on",
        "a",
        "mat",
        "and",
        "the",
        "dog",
        "ran",
        "off",
        "with",
        "it",
        "again",
    ]
    text = " ".join(words[i * i % len(words)] for i in range(1500))
    (tmp_path / "text.txt").write_text(text)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def charrnn(folder: Path, *arguments: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the command, under mpiexec with several ranks."""
    command = [sys.executable, "-m", "charrnn", *arguments]
    if ranks > 1:
        assert MPIEXEC is not None
        command = [MPIEXEC, "-n", str(ranks), *command]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss_nats"] for line in lines]


def without_clock(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in ("elapsed_s", "chars_per_s")} for r in records]


@pytest.mark.parametrize("records", ["null", "line"])
def test_two_ranks_compute_the_bits_of_two_workers(folder: Path, records: str) -> None:
    if records == "line":
        lines = "\n".join(str(n**3) for n in range(300))
        (folder / "text.txt").write_text(lines)
    words = ["train", "config.yaml", "--set", f"data.records={records}"]
    local = charrnn(folder, *words, "--run-dir", "a", "--set", "train.workers=2")
    mpi = charrnn(folder, *words, "--run-dir", "b", ranks=2)
    assert local.returncode == mpi.returncode == 0, local.stderr + mpi.stderr
    for file in ("last.npz", "best.npz", "config.yaml"):
        assert (folder / "a" / file).read_bytes() == (folder / "b" / file).read_bytes(), file
    assert without_clock(folder / "a") == without_clock(folder / "b")
    assert load_checkpoint(folder / "b" / "last.npz").counters.step == 100


def test_four_ranks_have_the_losses_of_four_workers(folder: Path) -> None:
    short = ("--set", "train.max_steps=20")
    charrnn(folder, "train", "config.yaml", "--run-dir", "a", "--set", "train.workers=4", *short)
    done = charrnn(folder, "train", "config.yaml", "--run-dir", "b", *short, ranks=4)
    assert done.returncode == 0, done.stderr
    assert losses(folder / "b") == pytest.approx(losses(folder / "a"), abs=1e-6)
    assert len(losses(folder / "b")) == 21


def test_a_run_of_worker_processes_is_resumed_under_mpi(folder: Path) -> None:
    two, whole = ("--set", "train.workers=2"), ("--set", "train.max_steps=40")
    part = ("--set", "train.max_steps=23")
    charrnn(folder, "train", "config.yaml", "--run-dir", "a", *two, *part)
    more = charrnn(folder, "train", "config.yaml", "--run-dir", "a", "--resume", *whole, ranks=2)
    assert more.returncode == 0, more.stderr
    charrnn(folder, "train", "config.yaml", "--run-dir", "b", *two, *whole)
    a, b = (load_checkpoint(folder / run / "last.npz") for run in ("a", "b"))
    assert a.parameters.tobytes() == b.parameters.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "model.cll=2"], "--set: model.cll: unknown key (did you mean model.cell?)"),
        (["--set", "data.path=nothing.txt"], "nothing.txt: no such file"),
        (["--set", "train.workers=3"], "mpiexec has started 2; run mpiexec -n 3"),
        (["--set", "train.learning_rate=1e30"], "the training diverged"),
    ],
)
def test_an_error_is_reported_once(folder: Path, arguments: list[str], message: str) -> None:
    done = charrnn(folder, "train", "config.yaml", "--run-dir", "a", *arguments, ranks=2)
    assert done.returncode == 1
    assert done.stderr.count("charrnn: error:") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_rank_with_another_text_is_refused(folder: Path) -> None:
    # Rank 1 reads a file of the same name in another folder, with another content.
    (folder / "other").mkdir()
    (folder / "other" / "text.txt").write_text("another text. " * 500)
    script = folder / "rank.py"
    script.write_text(
        "import os, sys\n"
        "import charrnn.workers.mpi\n"
        "if os.environ['PMI_RANK'] == '1':\n"
        "    mpi = charrnn.workers.mpi\n"
        "    read = mpi.load_corpus\n"
        "    from dataclasses import replace\n"
        "    mpi.load_corpus = lambda data: read(replace(data, path='other/text.txt'))\n"
        "from charrnn.__main__ import main\n"
        "main()\n"
    )
    assert MPIEXEC is not None
    command = [MPIEXEC, "-n", "2", sys.executable, str(script), "train", "config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "rank 1 of 2: " in done.stderr
    assert "is not the text that rank 0 has read" in done.stderr
    assert "Traceback" not in done.stderr


def endless(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a long training; return it and its ranks once there is a checkpoint."""
    assert MPIEXEC is not None
    command = [MPIEXEC, "-n", "2", sys.executable, "-m", "charrnn", "train", "config.yaml"]
    limits = ["--set", "train.max_steps=1000000", "--set", "train.checkpoint_every=10"]
    process = subprocess.Popen(
        [*command, "--run-dir", "a", *limits],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ranks = ranks_of(process.pid, 2)
    wait_for(folder / "a" / "last.npz")
    return process, ranks


def assert_ended(ranks: list[int]) -> None:
    """Assert that the ranks have ended, or do so shortly after mpiexec."""
    wait_until(lambda: not any(Path(f"/proc/{rank}").exists() for rank in ranks))


def test_an_interrupt_saves_and_leaves_no_rank(folder: Path) -> None:
    process, ranks = endless(folder)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    step = load_checkpoint(folder / "a" / "last.npz").counters.step
    assert f"interrupted at step {step:,}, saved in " in stderr
    assert_ended(ranks)


def test_a_killed_rank_ends_all_ranks(folder: Path) -> None:
    process, ranks = endless(folder)
    os.kill(max(ranks), signal.SIGKILL)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode != 0
    assert "Traceback" not in stderr
    assert load_checkpoint(folder / "a" / "last.npz").counters.step >= 10
    assert_ended(ranks)


def test_an_interrupt_at_the_start_leaves_no_rank(folder: Path) -> None:
    """Rank 1 waits in MPI for rank 0, which an interrupt ends before it arrives."""
    script = folder / "rank.py"
    script.write_text(
        "import os, pathlib, signal, sys, time\n"
        "if os.environ['PMI_RANK'] == '0':\n"
        "    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "    time.sleep(60)\n"
        "pathlib.Path('under way').touch()\n"
        "sys.argv[1:] = ['train', 'config.yaml']\n"
        "from charrnn.__main__ import main\n"
        "main()\n"
    )
    assert MPIEXEC is not None
    process = subprocess.Popen(
        [MPIEXEC, "-n", "2", sys.executable, str(script), "-m", "charrnn", "train"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ranks = ranks_of(process.pid, 2)
    wait_for(folder / "under way")
    time.sleep(2)  # rank 1 arrives at its wait
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=10)
        assert process.returncode != 0
        assert "Traceback" not in stderr
        assert_ended(ranks)
    finally:
        for each in (process.pid, *ranks):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def ranks_of(mpiexec: int, count: int) -> list[int]:
    """Return the processes of the ranks, once they are all there."""
    for _ in range(200):
        found = [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdigit()
            and mpiexec in ancestors(int(process.name))
            and b"-m\0charrnn\0train" in command_line(int(process.name))
        ]
        ranks = [process for process in found if b"mpiexec" not in command_line(process)]
        if len(ranks) == count:
            return ranks
        time.sleep(0.05)
    raise AssertionError(f"no {count} ranks below {mpiexec}")


def ancestors(process: int) -> list[int]:
    found = []
    while process > 1:
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            break
        process = int(stat.rpartition(")")[2].split()[1])
        found.append(process)
    return found


def command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_for(file: Path) -> None:
    for _ in range(400):
        if file.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{file} does not appear")


def test_a_missing_mpi4py_is_reported_once(folder: Path) -> None:
    (folder / "mpi4py.py").write_text("raise ImportError('No module named mpi4py')")
    done = charrnn(folder, "train", "config.yaml", ranks=2)
    assert done.returncode == 1
    assert done.stderr.count("charrnn: error: mpiexec has started 2 processes") == 1
    assert "pip install mpi4py mpich" in done.stderr
    assert "Traceback" not in done.stderr
