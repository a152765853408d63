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
from charrnn.runs.folder import find_checkpoint
from charrnn.runs.load import load

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FETCHED = {"shakespeare", "shakespeare-quick"}  # those whose text is not in the repository


def write_numbers(folder: Path) -> None:
    script = [sys.executable, str(ROOT / "data" / "numbers.py"), "--folder", str(folder)]
    subprocess.run(script, check=True, capture_output=True)


def test_the_configurations_are_there() -> None:
    shipped = {"hello", "tales", "things", "numbers", "colour-of"}
    shipped |= {"shakespeare", "shakespeare-quick"}
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
    if config.stem == "numbers":
        write_numbers(tmp_path)
        overrides += ["--set", "data.path=numbers.csv", "--set", "data.test_path=numbers-test.csv"]
    assert run(["train", str(config), *overrides]) == 0
    checkpoint = load_checkpoint(find_checkpoint(tmp_path / "runs" / config.stem))
    assert checkpoint.counters.step == 3


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


def test_cards_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the recipe says."""
    monkeypatch.chdir(tmp_path)
    script = [sys.executable, str(ROOT / "data" / "cards.py"), "--file", "cards.txt"]
    subprocess.run(script, check=True, capture_output=True)
    cards = Path("cards.txt").read_text(encoding="ascii").rstrip("\n").split("\n\n")
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert len(cards) == len({*cards}) == 896
    assert "\n\n".join(cards[:2]) in recipes
    assert run(["train", "cards.txt", "--set", "train.max_steps=2"]) == 0
    assert f"{len(cards)} blocks between blank lines" in capsys.readouterr().err
    assert load(tmp_path / "runs" / "cards").config.data.records == "paragraph"


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


WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety"


def value(words: str) -> int:
    """Return the number that words stand for."""
    values = {word: 10 * k for k, word in enumerate(TENS.split(), 1)}
    values |= {word: k for k, word in enumerate(WORDS.split())}
    thousands = part = 0
    for word in re.split("[ -]", words):
        if word == "thousand":
            thousands, part = part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += values[word]
    return 1000 * thousands + part


def test_numbers(tmp_path: Path) -> None:
    """All small numbers are for training, no number is in both tables, and the words are right."""
    write_numbers(tmp_path)
    tables = []
    for name in ("numbers", "numbers-test"):
        with (tmp_path / f"{name}.csv").open(encoding="ascii", newline="") as table:
            tables.append({int(row["digits"]): row["words"] for row in csv.DictReader(table)})
    train, test = tables
    assert (len(train), len(test)) == (20_000, 2000)
    assert set(range(1000)) < set(train)
    assert not set(train) & set(test)
    for numbers in (set(train) - set(range(1000)), set(test)):
        lengths = Counter(len(str(number)) for number in numbers)
        assert sorted(lengths) == [4, 5, 6]
        assert max(lengths.values()) - min(lengths.values()) <= 1
    both = train | test
    assert {number: value(words) for number, words in both.items()} == {n: n for n in both}
    small = "[a-z]+(-[a-z]+)?"
    hundreds = f"[a-z]+ hundred( and {small})?"
    form = f"({hundreds}|{small})( thousand( {hundreds}| and {small})?)?"
    assert [words for words in both.values() if not re.fullmatch(form, words)] == []
    assert (train[90], train[219]) == ("ninety", "two hundred and nineteen")


def test_colours_have_one_name_each_and_the_same_value_twice() -> None:
    with (ROOT / "data" / "colours.csv").open(encoding="ascii", newline="") as table:
        rows = list(csv.DictReader(table))
    assert (
        len({row["name"] for row in rows}) == len({row["hex"] for row in rows}) == len(rows) == 949
    )
    for row in rows:
        assert row["hex"] == "#" + bytes(int(row[k]) for k in ("red", "green", "blue")).hex()


def test_hello_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The word-completion example, as it ships: after h, e, l, l comes o."""
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(ROOT / "configs" / "hello.yaml")]) == 0
    capsys.readouterr()
    assert run(["sample", "--prime", "hell", "--length", "1", "--greedy"]) == 0
    assert capsys.readouterr().out == "hello\n"
