"""Resuming in a folder with nothing, with part of a run, with another text, with damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import contents, tiny_text, train, write_config

from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint


def test_without_a_last_checkpoint_the_run_continues_from_the_best(tmp_path: Path) -> None:
    """A run may be killed after a validation and before its first last.npz."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder, limit in ((straight, 20), (killed, 10)):
        folder.mkdir()
        train(folder, {"train.validate_every": 5, "train.max_steps": limit})
    (killed / "run" / "last.npz").unlink()
    train(killed, {"train.validate_every": 5, "train.max_steps": 20}, "--resume")
    finals = [load_checkpoint(folder / "run" / "last.npz") for folder in (straight, killed)]
    assert np.array_equal(finals[0].parameters, finals[1].parameters)


def test_temporary_files_of_killed_writes_are_removed(tmp_path: Path) -> None:
    run_dir = train(tmp_path, {"train.max_steps": 5})
    (run_dir / ".last.npz.0a1b2c3d").write_bytes(b"half a checkpoint")
    train(tmp_path, {"train.max_steps": 10}, "--resume")
    assert not list(run_dir.glob(".*"))


@pytest.mark.parametrize("arguments", [[], ["--resume"], ["--overwrite"]])
def test_a_configuration_outside_a_run_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    config = write_config(tmp_path, name="config")
    own = config.read_bytes()
    assert run(["train", str(config), "--run-dir", str(tmp_path), *arguments]) == 1
    assert "does not belong to a run" in capsys.readouterr().err
    assert config.read_bytes() == own


@pytest.mark.parametrize("exists", [False, True])
def test_resume_starts_a_new_run_in_an_empty_folder(exists: bool, tmp_path: Path) -> None:
    if exists:
        (tmp_path / "run").mkdir()
    run_dir = train(tmp_path, None, "--resume")
    assert load_checkpoint(run_dir / "last.npz").counters.step == 20


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text.swapcase(), "new in its vocabulary: 'A' (U+0041), "),
        (lambda text: text[1:] + text[0], "its characters have changed"),
        (lambda text: text + text[:50], "it had 600 characters, now 650"),
    ],
    ids=["vocabulary", "order", "length"],
)
def test_a_changed_text_is_refused(
    change: Callable[[str], str],
    what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = train(tmp_path)
    (tmp_path / "text.txt").write_text(change(tiny_text()))
    before = contents(run_dir)
    config = write_config(tmp_path)
    assert run(["train", str(config), "--run-dir", str(run_dir), "--resume"]) == 1
    err = capsys.readouterr().err
    assert "the text is not the one this run was trained on" in err
    assert what in err
    assert "--init-from" in err
    assert contents(run_dir) == before


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda best: best.unlink(), "no such file"),
        (lambda best: best.write_bytes(best.read_bytes()[:-100]), "is not a checkpoint"),
        (
            lambda best: shutil.copy(best.with_name("old.npz"), best),
            "is older than the best checkpoint",
        ),
    ],
    ids=["gone", "cut off", "old"],
)
def test_a_lost_best_checkpoint_is_reported_and_replaced(
    damage: Callable[[Path], object],
    what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = train(tmp_path, {"train.validate_every": 5, "train.max_steps": 7})
    (run_dir / "best.npz").rename(run_dir / "old.npz")
    shutil.copy(run_dir / "last.npz", run_dir / "best.npz")
    train(tmp_path, {"train.validate_every": 5, "train.max_steps": 14}, "--resume")
    assert load_checkpoint(run_dir / "last.npz").counters.best_step > 5
    damage(run_dir / "best.npz")
    before = contents(run_dir)
    capsys.readouterr()
    train(tmp_path, {"train.validate_every": 5, "train.max_steps": 14}, "--resume")
    err = capsys.readouterr().err
    assert f"{run_dir / 'best.npz'}: {what}" in err
    assert "That checkpoint is lost" in err
    assert "best validation" not in err  # the file does not hold it
    assert contents(run_dir) == before
    train(tmp_path, {"train.validate_every": 5, "train.max_steps": 15}, "--resume")
    assert load_checkpoint(run_dir / "best.npz").counters.step == 15


def test_a_note_says_that_the_run_continues_from_the_best_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    (run_dir / "last.npz").unlink()
    train(tmp_path, None, "--resume")
    assert f"of {run_dir / 'best.npz'}, as there is no last.npz" in capsys.readouterr().err


def test_a_folder_without_a_step_can_be_used_again(tmp_path: Path) -> None:
    run_dir = train(tmp_path)
    for file in (run_dir / "last.npz", run_dir / "best.npz"):
        file.unlink()
    assert run(["train", str(tmp_path / "tiny.yaml"), "--run-dir", str(run_dir)]) == 1
    (run_dir / "metrics.jsonl").write_bytes(b"")
    train(tmp_path)
    assert (run_dir / "last.npz").exists()


def test_a_run_is_resumed_with_its_own_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    capsys.readouterr()
    assert run(["train", str(run_dir / "config.yaml"), "--resume"]) == 0
    assert "finished: 20 steps" in capsys.readouterr().err
    assert run(["train", str(run_dir / "config.yaml")]) == 1
    assert f"{run_dir}: holds a run already" in capsys.readouterr().err


def test_a_message_shows_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    config = str(tmp_path / "tiny.yaml")
    command = ["train", config, "--run-dir", str(tmp_path / "run"), "--resume"]
    assert run([*command, "--set", "train.clip_norm=null"]) == 1
    assert "train.clip_norm is null, and was 5.0" in capsys.readouterr().err
