"""Checkpoints load as they were saved, failed writes keep the old file; charrnn info."""

from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import checkpoint_of, differences, members_of
from small_models import wandering
from support import contents, train, write_config

from charrnn.commands.cli import run
from charrnn.errors import CheckpointError
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint
from charrnn.runs.meta import FORMAT, Counters


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


# Round trip.


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_field_comes_back_bit_for_bit(tmp_path: Path, cell: str, optimizer: str) -> None:
    counters = Counters(
        step=123_456_789,
        validated_step=1,
        best_loss_nats=0.1 + 0.2,  # has no short decimal form
        best_step=2,
        validations_since_best=3,
        unlogged_nats=1 / 3,
        unlogged_chars=4,
        out_of_patience=True,
        divergences=5,
    )
    tokens = "byte" if cell == "gru" else "char"
    embedding_size, pairs = 4 if cell == "lstm" else None, cell != "rnn"
    before = checkpoint_of(cell, optimizer, tokens, embedding_size, counters, pairs=pairs)
    path = tmp_path / "model.npz"
    save_checkpoint(path, before)
    after = load_checkpoint(path)
    assert differences(after, before) == ""
    assert after.text_chars == 600
    assert after.format == FORMAT
    again = tmp_path / "again.npz"
    save_checkpoint(again, after)
    assert again.read_bytes() == path.read_bytes()


def test_no_best_loss_yet_comes_back_as_none(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model.npz", checkpoint_of(counters=Counters()))
    assert load_checkpoint(tmp_path / "model.npz").counters == Counters()


def test_loaded_arrays_are_writable(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    loaded.model().parameters += 1
    for array in loaded.optimizer_state.values():
        array += 1


def test_equal_trainings_write_equal_files(tmp_path: Path) -> None:
    config = write_config(tmp_path, {"model.cell": "lstm", "model.dropout": 0.2})
    for name in ("a", "b"):
        assert run(["train", str(config), "--run-dir", str(tmp_path / name)]) == 0
    for file in ("last.npz", "best.npz", "config.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_arrays_are_named_for_anyone_to_read(tmp_path: Path) -> None:
    run_dir = train(tmp_path, {"model.cell": "lstm", "model.num_layers": 2})
    members = members_of(run_dir / "last.npz")
    V = len(members["vocabulary"])
    H = 8
    shapes = {name: array.shape for name, array in members.items()}
    assert shapes.pop("meta") == shapes.pop("sha256") == ()
    P = shapes["optimizer.m"][0]
    assert shapes == {
        "vocabulary": (V,),
        "layers.0.Wx": (V, 4 * H),
        "layers.0.Wh": (H, 4 * H),
        "layers.0.b": (4 * H,),
        "layers.1.Wx": (H, 4 * H),
        "layers.1.Wh": (H, 4 * H),
        "layers.1.b": (4 * H,),
        "output.W": (H, V),
        "output.b": (V,),
        "optimizer.m": (P,),
        "optimizer.v": (P,),
        **{f"states.{layer}.{state}": (2, H) for layer in (0, 1) for state in "hc"},
    }
    text = (tmp_path / "text.txt").read_text(encoding="utf-8")
    assert "".join(map(chr, members["vocabulary"])) == "".join(sorted(set(text)))
    meta = json.loads(str(members["meta"]))
    assert meta["format"] == FORMAT
    assert meta["counters"]["step"] == 20
    assert meta["config"]["model"]["hidden_size"] == H


# Writing.


def _half_written(file: Any, *_: Any, **__: Any) -> None:
    file.write(b"half of it")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILURES = {
    "numpy.lib.format.write_array": _half_written,
    "os.fsync": _no_space,
    "os.replace": _no_space,
    "builtins.open": _no_space,
}


@pytest.mark.parametrize("function", FAILURES)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    before = contents(saved.parent)
    monkeypatch.setattr(function, FAILURES[function])
    with pytest.raises(CheckpointError, match="cannot be written: No space left") as caught:
        save_checkpoint(saved, checkpoint_of(counters=Counters(step=13)))
    assert str(caught.value).startswith(f"{saved}: ")
    assert contents(saved.parent) == before


@pytest.mark.parametrize("name", ["parameters", "optimizer state", "state"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_that_could_not_be_loaded_are_not_written(
    saved: Path, name: str, value: float
) -> None:
    before = contents(saved.parent)
    checkpoint = checkpoint_of(counters=Counters(step=13))
    arrays = {
        "parameters": checkpoint.parameters,
        "optimizer state": checkpoint.optimizer_state["v"],
        "state": checkpoint.states[1][0],
    }
    arrays[name].flat[-1] = value
    found = {"parameters": "output.b", "optimizer state": "optimizer.v", "state": "states.1.h"}[
        name
    ]
    with pytest.raises(
        CheckpointError,
        match=f"step 13 is not saved.*{found} has values that are not finite.*unchanged",
    ):
        save_checkpoint(saved, checkpoint)
    assert contents(saved.parent) == before


@pytest.mark.parametrize(
    "counters",
    [
        {"best_loss_nats": math.nan},
        {"unlogged_nats": math.inf},
        {"unlogged_nats": -1.0},
        {"step": -1},
        {"step": 2**53 + 1},
        {"divergences": True},
    ],
    ids=str,
)
def test_counters_that_could_not_be_loaded_are_not_written(
    saved: Path, counters: dict[str, Any]
) -> None:
    before = contents(saved.parent)
    (name,) = counters
    with pytest.raises(CheckpointError, match=f"not saved.*its counter {name} is .*, not "):
        save_checkpoint(saved, checkpoint_of(counters=Counters(**counters)))
    assert contents(saved.parent) == before


def test_a_configuration_too_long_to_be_loaded_is_not_written(saved: Path) -> None:
    before = contents(saved.parent)
    checkpoint = checkpoint_of()
    data = replace(checkpoint.config.data, path=("/" + "a" * 999,) * 5000)
    config = replace(checkpoint.config, data=data)
    with pytest.raises(CheckpointError, match=r"data\.path lists too many files; use a glob"):
        save_checkpoint(saved, replace(checkpoint, config=config))
    assert contents(saved.parent) == before


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    before = contents(saved.parent)
    monkeypatch.setattr("numpy.lib.format.write_array", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, checkpoint_of(counters=Counters(step=13)))
    assert contents(saved.parent) == before


def test_the_file_is_flushed_before_it_takes_the_old_ones_place(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    def noted_replace(source: str, target: Path) -> None:
        calls.append("replace")
        assert Path(source).parent == target.parent
        assert Path(source).stat().st_size > 1000
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save_checkpoint(saved, checkpoint_of())
    assert calls[:2] == ["fsync", "replace"]


def test_a_training_that_cannot_save_ends_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    before = (run_dir / "last.npz").read_bytes()
    capsys.readouterr()
    monkeypatch.setattr("numpy.lib.format.write_array", _half_written)
    config = write_config(tmp_path, {"train.max_steps": 25, "train.validate_every": 1000})
    assert run(["train", str(config), "--run-dir", str(run_dir), "--resume"]) == 1
    error = capsys.readouterr().err
    assert "npz: cannot be written: No space left on device" in error.splitlines()[-1]
    assert (run_dir / "last.npz").read_bytes() == before
    names = {path.name for path in run_dir.iterdir()}
    assert names == {"config.yaml", "metrics.jsonl", "best.npz", "last.npz"}


# charrnn info.


def test_info_shows_what_a_checkpoint_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("so it is\n" * 60, encoding="utf-8")
    run_dir = train(tmp_path, {"model.cell": "gru"})
    capsys.readouterr()
    assert run(["info", str(run_dir)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    loaded = load_checkpoint(run_dir / "best.npz")
    lines = captured.out.splitlines()
    shown = {line[:12].strip(): line[12:] for line in lines if line[:1].strip()}
    assert shown["file"].startswith(f"{run_dir / 'best.npz'} (format {FORMAT}, ")
    assert shown["steps"] == "20"
    assert shown["parameters"] == f"{loaded.parameters.size:,}"
    assert f"{loaded.counters.best_loss_nats:.4f} nats/char" in shown["validation"]
    assert "at step 20" in shown["best"]
    assert shown["vocabulary"] == "6 characters " + repr("\n iost")
    for name, shape in loaded.model().shapes.items():
        assert [name, *str(shape).split()] in [line.split() for line in lines]
    configuration = captured.out.split("configuration\n")[1]
    assert [line[2:] for line in configuration.splitlines()] == (
        (run_dir / "config.yaml").read_text(encoding="utf-8").splitlines()
    )


def test_info_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alphabet = " ,0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    save_checkpoint(tmp_path / "model.npz", wandering(alphabet))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    assert run(["info", str(tmp_path / "model.npz")]) == 0
    shown = capsys.readouterr().out.partition("vocabulary")[2].partition("\nparameters")[0]
    rows = shown.split("\n")
    assert all(row.startswith(" " * 12) for row in rows[1:])
    assert max(map(len, rows)) < 50
    assert repr(alphabet) in "".join([rows[0], *(row[12:] for row in rows[1:])])


def test_info_of_a_run_that_has_not_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "model.npz", checkpoint_of(tokens="byte", counters=Counters()))
    assert run(["info", str(tmp_path / "model.npz")]) == 0
    out = capsys.readouterr().out
    assert "validation  none yet\nbest        none yet\n" in out
    assert "training    none yet\n" in out
    assert "vocabulary  3 bytes\n" in out


def test_info_escapes_characters_that_would_combine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "model.npz", wandering("a\u0301\u3099\u200b\n蜂'"))
    assert run(["info", str(tmp_path / "model.npz")]) == 0
    shown = r'''7 characters "\n'a\u0301\u200b\u3099蜂"'''
    assert f"vocabulary  {shown}\n" in capsys.readouterr().out
