"""charrnn export, and charrnn.export: the file that they write, and what they refuse."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import tiny_text, train

import charrnn
from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint
from charrnn.runs.meta import Counters


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, runs/my tales."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "long.txt").write_text(tiny_text(6000), encoding="utf-8")
    overrides = {"data.path": "long.txt", "train.max_steps": 60, "model.num_layers": 2}
    (folder / "runs").mkdir()
    train(folder, overrides).rename(folder / "runs" / "my tales")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_names_the_page_after_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export"]) == 0
    out, err = capsys.readouterr()
    assert not out
    page = (folder / "my tales.html").read_text(encoding="utf-8")
    losses = re.search(
        r"validation ([\d.]+) nats/char with 16 bits, ([\d.]+) without rounding", err
    )
    assert losses
    assert abs(float(losses[1]) - float(losses[2])) < 1e-3
    assert f"written: my tales.html ({len(page.encode()) / 1e6:.1f} MB)" in err
    assert "can recite the text that it was trained on" in err
    assert "<h1>my tales</h1>" in page
    assert "trained on long.txt" in page
    assert '"units":[{' in page
    assert str(folder) not in page


def test_python_writes_the_same_page(folder: Path) -> None:
    assert run(["export", "my tales", "-o", "a.html", "--precision", "8"]) == 0
    written = charrnn.export("runs/my tales", "b.html", precision=8)
    assert written.path == Path("b.html")
    assert written.size == (folder / "b.html").stat().st_size
    assert written.loss
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()


def test_fewer_bits_make_a_smaller_page(folder: Path) -> None:  # noqa: ARG001
    sizes = [charrnn.export(None, "a.html", precision=bits).size for bits in (8, 16, 32)]
    assert sizes == sorted(set(sizes))


def test_a_model_whose_text_is_gone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder / "runs" / "my tales")
    overrides = {"data.path": "long.txt", "train.max_steps": 3}
    train(folder, overrides).rename(folder / "runs" / "my tales")
    (folder / "long.txt").unlink()
    capsys.readouterr()
    assert run(["export"]) == 0
    err = capsys.readouterr().err
    assert "left out, as the text cannot be read: the units, and what rounding costs" in err
    assert "nats/char with" not in err
    assert '"units":[]' in (folder / "my tales.html").read_text(encoding="utf-8")
    assert charrnn.export().loss is None


def test_a_model_without_a_validation_part(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {"data.path": "long.txt", "train.max_steps": 3, "data.valid_fraction": 0}
    train(folder, overrides).rename(folder / "runs" / "all")
    capsys.readouterr()
    assert run(["export", "all"]) == 0
    assert "no validation part, so what rounding costs is not measured" in capsys.readouterr().err
    assert charrnn.export("all").loss is None


MINE = "<!doctype html><title>How I trained charrnn</title>"
REFUSED = {
    "export -o page.htm": (1, "name a file that ends in .html"),
    "export -o notes.html": (1, "exists already and is not from charrnn"),
    "export -o none/page.html": (1, "there is no folder none"),
    "export --precision 12": (2, "'12' is not one of '8', '16', '32'"),
    "export nothing": (1, "nothing: no such file or folder"),
    "export damaged.npz": (1, "damaged.npz"),
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_refused(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.html").write_text(MINE)
    content = (folder / "runs" / "my tales" / "last.npz").read_bytes()
    (folder / "damaged.npz").write_bytes(content[: len(content) // 2])
    before = {path.name for path in folder.iterdir()}
    code, message = REFUSED[command]
    assert run(command.split()) == code
    assert message in capsys.readouterr().err
    assert (folder / "notes.html").read_text() == MINE
    assert {path.name for path in folder.iterdir()} == before


def test_python_refuses_the_same(folder: Path) -> None:
    (folder / "notes.html").write_text("<p>mine</p>")
    wrong: list[dict[str, Any]] = [{"path": "a.htm"}, {"path": "notes.html"}]
    wrong += [{"path": "none/a.html"}, {"precision": 12}, {"precision": 16.0}]
    for arguments in wrong:
        with pytest.raises(charrnn.CharRNNError):
            charrnn.export("runs/my tales", **arguments)


def test_a_page_is_written_over_an_older_one(folder: Path) -> None:
    charrnn.export(precision=32)
    charrnn.export(precision=8)
    assert ", rounded to 8 bits" in (folder / "my tales.html").read_text(encoding="utf-8")


def test_the_default_name_is_not_that_of_another_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my tales.html").write_text("<p>mine</p>")
    assert run(["export"]) == 1
    assert "my tales.html: exists already and is not from charrnn" in capsys.readouterr().err


def test_the_loss_on_the_page_is_that_of_its_own_checkpoint(folder: Path) -> None:
    checkpoint = load_checkpoint(folder / "runs" / "my tales" / "best.npz")
    counters = Counters(step=7, validated_step=7, valid_loss_nats=1.25, best_loss_nats=0.5)
    for step in (7, 8):
        counters = replace(counters, step=step)
        save_checkpoint(folder / "a.npz", replace(checkpoint, counters=counters))
        charrnn.export("a.npz", "a.html")
        page = (folder / "a.html").read_text(encoding="utf-8")
        assert ("Its loss on unseen text is 1.250 nats/char." in page) is (step == 7)
        assert "0.500 nats" not in page


def test_the_sentence_has_the_loss_of_a_trained_run(folder: Path) -> None:
    charrnn.export()
    assert "Its loss on unseen text is " in (folder / "my tales.html").read_text(encoding="utf-8")


def test_a_run_whose_name_is_not_utf8(folder: Path) -> None:
    (folder / "runs" / "my tales").rename(folder / "runs" / os.fsdecode(b"a\xffb"))
    written = charrnn.export()
    assert os.fsencode(written.path) == b"a\xffb.html"
    assert "<h1>a?b</h1>" in written.path.read_text(encoding="utf-8")
