"""metrics.jsonl holds whole lines, and after a resume those up to the checkpoint."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import timeless, train, write_config

import charrnn.runs.metrics
import charrnn.training.trainer
from charrnn.commands.cli import run
from charrnn.config.schema import MAX_SAMPLE_LENGTH
from charrnn.errors import RunError
from charrnn.runs.checkpoint import Checkpoint, save_checkpoint
from charrnn.runs.metrics import MetricsLog, keep_metrics_until, read_metrics


class NearlyFull:
    """A file on a disk with room for 30 bytes, the last ones a part of a write."""

    def __init__(self, path: Path, mode: str, buffering: int) -> None:
        self._file, self._room = open(path, mode, buffering=buffering), 30  # noqa: SIM115

    def write(self, data: bytes) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[: min(self._room, max(1, len(data) // 2))]
        self._room -= len(part)
        return self._file.write(part)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def test_a_short_write_is_continued_and_a_full_disk_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.jsonl"
    monkeypatch.setattr(charrnn.runs.metrics, "open", NearlyFull, raising=False)
    metrics = MetricsLog(path)
    metrics.write(step=1)
    metrics.write(step=2)
    whole = path.read_bytes()
    assert whole == b'{"step": 1}\n{"step": 2}\n'
    with pytest.raises(RunError, match=r"metrics\.jsonl: cannot be written: No space left"):
        metrics.write(step=3)
    assert path.read_bytes() == whole  # and no part of the line that did not fit
    metrics.close()


@pytest.mark.parametrize("when", ["opened", "flushed"])
def test_a_file_that_cannot_be_used_is_named(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    metrics = MetricsLog(tmp_path / "metrics.jsonl")
    monkeypatch.setattr("builtins.open" if when == "opened" else "os.fsync", fails)
    with pytest.raises(RunError, match=r"metrics\.jsonl: cannot be written: Input/output error"):
        MetricsLog(tmp_path / "metrics.jsonl") if when == "opened" else metrics.flush_to_disk()
    metrics.close()


def test_metrics_are_on_the_disk_before_each_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, flushed, checked = tmp_path / "run" / "metrics.jsonl", [0], []

    class Flushed(MetricsLog):
        def flush_to_disk(self) -> None:
            super().flush_to_disk()
            flushed.append(metrics.stat().st_size)

    def save(path: Path, *arguments: Any) -> None:
        checked.append(path.name)
        assert flushed[-1] == metrics.stat().st_size > 0
        save_checkpoint(path, *arguments)

    monkeypatch.setattr("charrnn.training.train.MetricsLog", Flushed)
    monkeypatch.setattr(charrnn.training.trainer, "save_checkpoint", save)
    train(tmp_path, {"train.log_every": 1, "train.validate_every": 5, "train.checkpoint_every": 3})
    assert {"best.npz", "last.npz"} == set(checked)


def line(step: int, split: str = "train", **more: Any) -> bytes:
    return (
        json.dumps({"step": step, "split": split, "elapsed_s": step / 2, **more}).encode() + b"\n"
    )


LONGEST = "\U0001f41d" * MAX_SAMPLE_LENGTH
LINES = [
    line(1),
    line(2, "skipped"),
    line(2),
    line(2, "valid"),
    line(2, "sample", text=LONGEST),
    line(3),
]
DAMAGED = {
    "cut": b'{"step": 2, "spl\n',
    "zeros": bytes(100) + b"\n",
    "bytes": b"\xff\xfe{}\n",
    "no object": b"[1]\n",
    "no step": b'{"split": "train", "elapsed_s": 1}\n',
    "no whole step": line(2.5),
    "a negative step": line(-2),
    "no elapsed_s": b'{"step": 2, "split": "train"}\n',
    "elapsed_s of text": b'{"step": 2, "split": "train", "elapsed_s": "1"}\n',
    "another split": line(2, "test"),
    "not finite": b'{"step": 2, "split": "train", "elapsed_s": NaN}\n',
    "too large": b'{"step": 2, "split": "train", "elapsed_s": ' + b"9" * 400 + b"}\n",
    "deep": b"[" * 50_000 + b"\n",
    "long": b" " * 1_500_000 + line(2),
}


def test_a_kill_after_the_first_sample_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run resumes from best.npz, which is written after the sample."""
    overrides = {"train.validate_every": 10, "train.sample_length": 20}
    train(tmp_path, overrides).rename(tmp_path / "whole")

    class KilledError(Exception):
        pass

    def save(path: Path, checkpoint: Checkpoint) -> None:
        save_checkpoint(path, checkpoint)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(charrnn.training.trainer, "save_checkpoint", save)
        with pytest.raises(KilledError):
            train(tmp_path, overrides)
    train(tmp_path, overrides, "--resume")
    assert timeless(tmp_path / "run") == timeless(tmp_path / "whole")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@pytest.mark.parametrize(
    ("step", "validated", "kept"), [(3, 2, 6), (2, 2, 5), (2, 0, 3), (1, 0, 1), (0, 0, 0)]
)
def test_what_a_resumed_run_writes_again_is_dropped(
    step: int, validated: int, kept: int, path: Path
) -> None:
    path.write_bytes(b"".join(LINES))
    assert keep_metrics_until(path, step, validated) == step / 2
    assert path.read_bytes() == b"".join(LINES[:kept])


def test_a_missing_file_is_made(path: Path) -> None:
    assert keep_metrics_until(path, 5, 5) == 0
    assert read_metrics(path) == []


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_before_a_line_to_keep_is_an_error(damage: str, path: Path) -> None:
    before = line(1) + DAMAGED[damage] + line(3)
    path.write_bytes(before)
    with pytest.raises(RunError, match=r"metrics\.jsonl: line 2 is damaged; move the file away"):
        keep_metrics_until(path, 3, 0)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_after_those_to_keep_is_dropped(damage: str, path: Path) -> None:
    """A loss of power leaves such lines: the blocks of a file reach the disk in any order."""
    path.write_bytes(line(1) + DAMAGED[damage] + line(3) + b'{"step": 4')
    assert keep_metrics_until(path, 2, 0) == 0.5
    assert path.read_bytes() == line(1)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_is_read_as_none(damage: str, path: Path) -> None:
    path.write_bytes(line(1) + DAMAGED[damage] + line(3) + b'{"step": 4')
    first, second, third = read_metrics(path)
    assert (first["step"], third["step"]) == (1, 3)
    assert (second is None) == (damage != "long")  # only a resume limits the length


def test_a_damaged_file_stops_a_resume_until_it_is_moved_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path, {"train.log_every": 5})
    metrics = run_dir / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(b"".join([lines[0], b"{\n", *lines[1:]]))
    config = write_config(tmp_path, {"train.log_every": 5, "train.max_steps": 30})
    command = ["train", str(config), "--run-dir", str(run_dir), "--resume"]
    capsys.readouterr()
    assert run(command) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"charrnn: error: {metrics}: line 2 is damaged; ")
    )
    metrics.rename(tmp_path / "damaged")
    assert run(command) == 0
    assert [r["step"] for r in read_metrics(metrics)] == [25, 30, 30]
