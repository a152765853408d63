"""The end of a training on a terminal: a sample, and commands that work."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from labelled import make_run
from support import train, write_config

from charrnn.commands.cli import run

Capture = pytest.CaptureFixture[str]


def ended(folder: Path, overrides: dict[str, object], capsys: Capture) -> list[str]:
    """Train on a terminal; return the lines of stderr after the one that says it has finished."""
    config = write_config(folder, overrides, "mine")
    capsys.readouterr()
    assert run(["train", str(config)]) == 0
    lines = capsys.readouterr().err.splitlines()
    return lines[next(k for k, line in enumerate(lines) if line.startswith("finished")) + 1 :]


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that makes stderr a terminal, to be called in the test, which has its own."""
    return lambda: monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def commands(lines: list[str]) -> list[list[str]]:
    """Return the next commands, whose lines follow the sample."""
    first = next(k for k, line in enumerate(lines) if line.startswith("next  "))
    return [shlex.split(line[6:])[1:] for line in lines[first:]]


def test_a_text(tmp_path: Path, capsys: Capture, on_terminal: Callable[[], None]) -> None:
    """The name of the run is enough, as no file has it; the sample is the finished model's."""
    on_terminal()
    lines = ended(tmp_path, {}, capsys)
    assert sum(line.startswith("  | ") for line in lines) > 2
    found = commands(lines)
    assert found == [["sample", "mine"], ["eval", "mine"], ["report", "mine"]]
    assert run(found[0]) == run(found[1]) == 0


def test_a_run_elsewhere_has_its_path(
    tmp_path: Path, capsys: Capture, on_terminal: Callable[[], None]
) -> None:
    on_terminal()
    capsys.readouterr()
    config = write_config(tmp_path)
    assert run(["train", str(config), "--run-dir", "a folder/mine"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert commands(lines)[0] == ["sample", "a folder/mine"]


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("table", ["predict", "TEXT", "--model"]),
        ("writer", ["sample", "--prompt", "early", "-n", "10"]),
    ],
)
def test_labels(
    kind: str, first: list[str], tmp_path: Path, capsys: Capture, on_terminal: Callable[[], None]
) -> None:
    """No sample: these models need a prompt."""
    on_terminal()
    folder = make_run(tmp_path, kind)
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.startswith("  | ") for line in lines[-3:])
    found = [word for word in commands(lines)[0] if not word.endswith(("run", kind))]
    assert found == first
    assert folder.exists()


def test_records_and_features(
    tmp_path: Path, capsys: Capture, on_terminal: Callable[[], None]
) -> None:
    on_terminal()
    rows = "".join(f"{a}{b},{k}\n" for k, a in enumerate("abcdefgh") for b in "klmnop")
    (tmp_path / "t.csv").write_text(rows)
    keys: dict[str, object] = {"data.path": "t.csv", "train.seq_length": 3}
    found = commands(ended(tmp_path, keys | {"data.records": "line"}, capsys))
    assert found[0] == ["sample", "mine", "-n", "100", "--new"]
    keys |= {"data.records": "csv", "data.reply_column": 1, "data.feature_columns": [2]}
    (tmp_path / "runs" / "mine").rename(tmp_path / "runs" / "other")
    found = commands(ended(tmp_path, keys, capsys))
    assert found[0][:3] == ["sample", "mine", "--features"]
    assert run(found[0]) == 0


def test_a_pipe_gets_none_of_it(tmp_path: Path, capsys: Capture) -> None:
    train(tmp_path)
    assert capsys.readouterr().err.splitlines()[-1].startswith("finished: ")


@pytest.mark.parametrize(
    ("keys", "joint", "others"),
    [
        ({}, "↵ ", ""),
        ({"data.records": "paragraph"}, "↵ ", ""),
        ({"data.records": "line"}, ", ", "↵;"),
        ({"data.records": "tsv", "data.reply_column": 1}, "; ", "↵,"),
    ],
)
def test_a_sample_at_a_validation_is_one_line(
    keys: dict[str, object],
    joint: str,
    others: str,
    tmp_path: Path,
    capsys: Capture,
    on_terminal: Callable[[], None],
) -> None:
    on_terminal()
    pairs = [(a, b) for a in "abcdefghijklm" for b in "nopqrstuvwxyz"]
    (tmp_path / "t.txt").write_text("".join(f"{a}{b}\n{b}{a}\n\n" for a, b in pairs))
    keys = keys | {"data.path": "t.txt", "train.max_steps": 40, "train.validate_every": 40}
    config = write_config(tmp_path, keys | {"train.learning_rate": 0.02}, "mine")
    assert run(["train", str(config)]) == 0
    lines = capsys.readouterr().err.splitlines()
    shown = next(line for line in lines if line.startswith("  | "))
    assert shown.count(joint) > 2
    assert not {*others, "/"} & {*shown}
