"""The configurations and texts that come with charrnn."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FETCHED = {"shakespeare", "shakespeare-quick"}  # those whose text is not in the repository


def test_the_configurations_are_there() -> None:
    assert {"hello", "tales", "shakespeare", "shakespeare-quick"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_each_configuration_trains(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any folder, into runs/ there."""
    monkeypatch.chdir(tmp_path)
    overrides = ["--set", "train.max_steps=3"]
    if config.stem in FETCHED:
        overrides += ["--set", f"data.path={ROOT / 'data' / 'tales.txt'}"]
    assert run(["train", str(config), *overrides]) == 0
    counters = load_checkpoint(tmp_path / "runs" / config.stem / "best.npz").counters
    assert counters.step == 3


def test_hello() -> None:
    """Four letters, so that the example can be followed by hand."""
    text = (ROOT / "data" / "hello.txt").read_text(encoding="ascii")
    assert set(text) == set("helo")
    assert text == "hello" * (len(text) // 5)


TALES = (ROOT / "data" / "tales.txt").read_bytes()


def test_tales_is_plain_ascii_and_long_enough_to_learn_from() -> None:
    assert len(TALES) >= 150_000
    assert not set(TALES) - set(range(32, 127)) - {ord("\n")}


def test_tales_is_as_varied_as_written_text() -> None:
    """Generated filler compresses far better than prose does."""
    assert len(gzip.compress(TALES, 9)) / len(TALES) >= 0.33


def test_tales_repeats_no_paragraph() -> None:
    paragraphs = Counter(" ".join(p.split()) for p in TALES.decode("ascii").split("\n\n"))
    assert [p for p, count in paragraphs.items() if len(p) > 60 and count > 1] == []


def test_hello_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The word-completion example, as it ships: after h, e, l, l comes o."""
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(ROOT / "configs" / "hello.yaml")]) == 0
    capsys.readouterr()
    assert run(["sample", "--prime", "hell", "--length", "1", "--greedy"]) == 0
    assert capsys.readouterr().out == "hello\n"
