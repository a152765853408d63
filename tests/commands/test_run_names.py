"""Commands take the name of a run under runs/, unless a file or folder has that name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import train

import charrnn
from charrnn.commands.cli import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs/mine and its text."""
    folder = tmp_path_factory.mktemp("named")
    (folder / "runs").mkdir()
    train(folder).rename(folder / "runs" / "mine")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "sample {} -l 5",
        "eval {}",
        "eval {} text.txt",
        "info {}",
        "inspect surprise {}",
        "inspect predictions {} --text a",
        "report {} -o page.html",
        "train tiny.yaml --run-dir new --init-from {} --overwrite",
    ],
)
def test_a_name(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run(words.format("mine").split()) == 0


def test_a_file_of_that_name_comes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So do paths: only a name alone is looked for among the runs."""
    monkeypatch.chdir(folder)
    assert charrnn.load("mine").config.data.path == str(folder / "text.txt")
    shutil.copy("text.txt", "mine")
    try:
        assert run(["eval", "mine"]) == 0  # the newest run, on the text
        assert "runs/mine/best.npz, mine" in capsys.readouterr().err
    finally:
        Path("mine").unlink()
    assert run(["info", "./mine"]) == 1
    assert run(["info", "runs"]) == 1
    assert run(["info", "x" * 5000]) == 1


def test_a_name_that_is_almost_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for words in ("sample mien", "info mien", "predict a --model mien"):
        assert run(words.split()) == 1
        assert "mien: no such file or folder (did you mean mine?)" in capsys.readouterr().err
