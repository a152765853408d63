"""The configurations and texts that come with charrnn."""

from __future__ import annotations

import csv
import gzip
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.load import load

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FETCHED = {"shakespeare", "shakespeare-quick"}  # those whose text is not in the repository


def test_the_configurations_are_there() -> None:
    shipped = {"hello", "tales", "things", "shakespeare", "shakespeare-quick"}
    assert shipped <= {path.stem for path in CONFIGS}


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


def test_things_trains_in_the_other_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lines of the columns that are commented out, in place of the others."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "configs" / "things.yaml").read_text(encoding="utf-8")
    for side, column, other in (("prompt", "kind", "name"), ("reply", "name", "kind")):
        assert text.count(f"  {side}_column: {column}\n") == 1
        text = text.replace(f"  {side}_column: {column}\n", "")
        text = text.replace(f"  # {side}_column: {other}\n", f"  {side}_column: {other}\n")
    Path("kinds.yaml").write_text(text.replace("../data", str(ROOT / "data")), encoding="utf-8")
    assert run(["train", "kinds.yaml", "--set", "train.max_steps=3"]) == 0
    model = load(tmp_path / "runs" / "kinds")
    assert sorted(model.label_texts()) == sorted(KINDS)


THINGS = ROOT / "data" / "names-of-things.csv"
with THINGS.open(encoding="ascii", newline="") as table:
    ROWS = list(csv.DictReader(table))
KINDS = Counter(row["kind"] for row in ROWS)


def test_things_is_what_its_script_writes(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "data" / "things.py"), "--file", str(tmp_path / "a.csv")]
    subprocess.run(script, check=True, capture_output=True)
    assert (tmp_path / "a.csv").read_bytes() == THINGS.read_bytes()


def test_things_has_as_many_names_of_each_kind_and_none_twice() -> None:
    assert len(KINDS) == 10
    assert set(KINDS.values()) == {420}
    assert len({tuple(row.values()) for row in ROWS}) == len(ROWS)


def test_things_has_plain_articles_and_plurals() -> None:
    """What the script puts together reads like English."""
    wrong = r"{|}|\ba [AEIOU]|\ban [^AEIOU]|xs\b|sss\b|mans\b|Gooses|  |^ | $"
    assert [row["name"] for row in ROWS if re.search(wrong, row["name"])] == []


def test_hello_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The word-completion example, as it ships: after h, e, l, l comes o."""
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(ROOT / "configs" / "hello.yaml")]) == 0
    capsys.readouterr()
    assert run(["sample", "--prime", "hell", "--length", "1", "--greedy"]) == 0
    assert capsys.readouterr().out == "hello\n"
