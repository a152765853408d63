"""Files of older formats keep working: they load, sample, score and resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoints import members_of, sealed

from charrnn.commands.cli import run
from charrnn.config.schema import MAX_SAMPLE_LENGTH
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.meta import FORMAT
from charrnn.runs.metrics import read_metrics

STORED = Path(__file__).parent / "stored"
FORMATS = (1, 2, 3)

# Losses in nats per character, as computed by the code that wrote the files: of the whole text, and
# of the validation split at the end of the run.
_FIRST = {"best.npz": 2.4597138637, "last.npz": 2.3573907338, "resumed": 1.5108115292}
_THIRD = {"best.npz": 2.4577143345, "last.npz": 2.3551000975, "resumed": 1.5200661300}
LOSSES = {1: _FIRST, 2: _FIRST, 3: _THIRD}


@pytest.fixture(params=FORMATS, ids=lambda number: f"format {number}")
def old_format(request: pytest.FixtureRequest) -> int:
    """The number of an older checkpoint format."""
    return int(request.param)


@pytest.fixture
def old_run(tmp_path: Path, old_format: int) -> Path:
    """A copy of a stored run; its configuration holds the paths of the folder it was made in."""
    return Path(shutil.copytree(STORED / f"format_{old_format}", tmp_path / "run"))


def test_each_older_format_is_stored() -> None:
    assert list(range(1, FORMAT)) == list(FORMATS)


def test_a_checkpoint_is_read(old_run: Path, old_format: int) -> None:
    loaded = load_checkpoint(old_run / "last.npz")
    assert loaded.config.data.path == f"/stored/format_{old_format}/text.txt"
    assert (loaded.config.model.cell, loaded.config.train.optimizer) == ("lstm", "adam")
    assert (loaded.config.model.dropout_per, loaded.config.model.weight_dropout) == ("step", 0)
    assert loaded.config.train.streams == "fixed"
    assert loaded.format == old_format
    assert loaded.text_chars == (None if old_format == 1 else 945)
    assert (loaded.counters.step, loaded.counters.divergences) == (70, 0)
    assert loaded.parameters.size == 430
    assert list(loaded.optimizer_state) == ["m", "v"]
    assert np.shape(loaded.states) == (1, 2, 2, 5)


def test_a_sample_length_above_the_newer_bound_is_read(tmp_path: Path) -> None:
    members = members_of(STORED / "format_1" / "last.npz")
    meta = json.loads(str(members["meta"]))
    meta["config"]["train"]["sample_length"] = 2_000_000
    np.savez(tmp_path / "last.npz", **members | {"meta": np.array(json.dumps(meta))})
    assert load_checkpoint(tmp_path / "last.npz").config.train.sample_length == MAX_SAMPLE_LENGTH


@pytest.mark.parametrize("name", ["best.npz", "last.npz"])
def test_it_scores_as_it_did(
    old_run: Path, old_format: int, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(["eval", str(old_run / name), str(old_run / "text.txt"), "--json"]) == 0
    loss_nats = json.loads(capsys.readouterr().out)["loss_nats"]
    assert loss_nats == pytest.approx(LOSSES[old_format][name], rel=1e-5)


def test_it_samples(old_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", str(old_run), "--prime", "the bee", "--length", "20", "--seed", "1"]) == 0
    assert len(capsys.readouterr().out.rstrip("\n")) > len("the bee")


def test_it_is_described(
    old_run: Path, old_format: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", str(old_run / "last.npz")]) == 0
    out = capsys.readouterr().out
    assert f"(format {old_format}, " in out
    assert "steps       70\n" in out


def test_it_resumes_to_its_end(old_run: Path, old_format: int) -> None:
    config, text = old_run / "config.yaml", old_run / "text.txt"
    arguments = ["train", str(config), "--set", f"data.path={text}", "--run-dir", str(old_run)]
    assert run([*arguments, "--resume"]) == 0
    loaded = load_checkpoint(old_run / "last.npz")
    assert (loaded.format, loaded.counters.step) == (FORMAT, 150)
    assert loaded.counters.best_loss_nats == pytest.approx(LOSSES[old_format]["resumed"], rel=1e-3)
    steps = [record["step"] for record in read_metrics(old_run / "metrics.jsonl")]
    assert steps == sorted(steps)
    assert steps.count(70) == 1
    assert steps[-1] == 150


def as_format_3(path: Path) -> None:
    """Rewrite a checkpoint without the keys of format 4."""
    members = members_of(path)
    meta = json.loads(str(members["meta"])) | {"format": 3}
    del meta["cut_points"], meta["steps_per_epoch"], meta["longest_record"]
    np.savez(path, **sealed(members | {"meta": np.array(json.dumps(meta))}))


def test_a_run_keeps_its_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Older formats computed with floats: .3 and .3 left 399 of 1,000 characters, not 400."""
    (tmp_path / "text.txt").write_text("the bees! " * 100)
    (tmp_path / "my.yaml").write_text(
        "data: {path: text.txt, valid_fraction: 0.3, test_fraction: 0.3}\n"
        "model: {hidden_size: 4}\n"
        "train: {batch_size: 2, seq_length: 5, max_steps: 2}\n"
    )
    folder = tmp_path / "run"
    train = ["train", str(tmp_path / "my.yaml"), "--run-dir", str(folder)]
    for as_written, chars, end in ((lambda _: None, 300, 400), (as_format_3, 301, 399)):
        assert run([*train, "--set", "train.max_steps=2", "--overwrite"]) == 0
        for name in ("best.npz", "last.npz"):
            as_written(folder / name)
        assert run([*train, "--set", "train.max_steps=4", "--resume"]) == 0
        assert load_checkpoint(folder / "last.npz").cut_points == (end, 700)
        capsys.readouterr()
        assert run(["eval", str(folder / "last.npz"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["chars"] == chars
