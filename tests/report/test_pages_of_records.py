"""charrnn report: pages about models of records, of labels, of pairs and with features."""

from __future__ import annotations

import re
from pathlib import Path

import labelled
import pytest
from drawn_runs import Outline, report
from support import train

from charrnn.report import writing
from charrnn.text.corpus import Corpus
from charrnn.text.known import KnownRecords

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

RECORDS = "data.records"
TABLE = {"data.path": "t.csv", RECORDS: "csv", "data.valid_fraction": 0.2, "train.max_steps": 40}
KINDS = {
    "list": {"data.path": "list.txt", RECORDS: "line", "data.valid_fraction": 0.2},
    "pairs": TABLE | {"data.prompt_column": "word", "data.reply_column": "back"},
    "features": TABLE | {"data.reply_column": "word", "data.feature_columns": ["n"]},
}


def page_of(kind: str, folder: Path) -> str:
    """Train on one of the data sets and return the text of its page."""
    rows = [f"{word},{word[::-1]},{n}" for n, (word, _) in enumerate(labelled.words()[:200])]
    (folder / "t.csv").write_text("\n".join(["word,back,n", *rows]))
    (folder / "list.txt").write_text("\n".join(["ab", "ba", "abab"] * 40))
    run_dir = train(folder, KINDS[kind])
    return Outline(report(str(run_dir.relative_to(folder)))).text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_records_that_stand_in_the_data_are_marked(folder: Path) -> None:
    text = page_of("list", folder)
    assert "character of records that it has not seen" in text
    written = text.split("What it writes")[1].split("Longest stretches")[0].splitlines()
    known = [line.removesuffix(" (in the data)") for line in written if "(in the data)" in line]
    assert known
    assert set(known) <= {"ab", "ba", "abab"}
    assert not {"ab", "ba", "abab"} & {line.strip() for line in written}
    assert "charrnn sample run -n 100 --new" in text


def test_pairs_are_shown_with_the_right_reply(folder: Path) -> None:
    text = page_of("pairs", folder)
    lines = text.split("likeliest replies to prompts of the validation part")[1].splitlines()
    pairs = [line for line in lines if "→" in line]
    assert len(pairs) == 12
    words = {word for word, _ in labelled.words()[:200]}
    for line in pairs:
        prompt, _, reply = line.partition(" → ")
        assert prompt in words
        assert reply == prompt[::-1] or reply.endswith(f" (right: {prompt[::-1]})")
    assert "Longest stretches" not in text


def test_long_prompts_and_replies_are_cut(folder: Path) -> None:
    long = "ab" * 2000
    (folder / "t.csv").write_text(
        "word,back\n" + "".join(f"{n}{long},{long}{n}\n" for n in range(60))
    )
    train(folder, KINDS["pairs"] | {"train.max_steps": 2})
    written = Outline(report("run")).text.split("prompts of the validation part")[1]
    shown = re.findall(r"(.*) → .*right: (.*)\)", written)
    assert len(shown) == 12
    assert {len(one) for pair in shown for one in pair} == {1001}


def test_records_of_the_mean_features(folder: Path) -> None:
    text = page_of("features", folder)
    assert "temperature 1, with the mean of each feature" in text
    assert "charrnn sample run --features " in text


def test_labels_have_their_accuracy_on_top(folder: Path) -> None:
    labelled.make_run(folder, "table")
    text = Outline(report("runs/table")).text
    verdict = text.split("Training")[0]
    assert "It tells the label of " in verdict
    assert "What it writes" not in text
    assert "charrnn predict TEXT --model runs/table" in text


def test_records_for_each_label(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.make_run(folder, "writer")
    digested = list[Corpus]()  # a second or more each, of a large text

    class Counted(KnownRecords):
        def __init__(self, corpus: Corpus) -> None:
            digested.append(corpus)
            super().__init__(corpus)

    monkeypatch.setattr(writing, "KnownRecords", Counted)
    text = Outline(report("runs/writer")).text
    for label in ("early", "late", "mid\tdle"):
        assert text.count(f"{label} → ") == 2 * 3
    assert len(digested) == 1


def test_one_long_record(folder: Path) -> None:
    (folder / "long.txt").write_text("".join("abcdefghij"[n % 10] * 1000 + "\n" for n in range(90)))
    long = ("ab" * 15_000 + "\n") * 3
    (folder / "valid.txt").write_text(long)
    overrides = {"data.path": "long.txt", "data.valid_path": "valid.txt", RECORDS: "line"}
    train(folder, overrides | {"train.max_steps": 3})
    text = Outline(report("run")).text
    assert "on the first record of the validation part: 30,001 characters" in text
    assert "The text has none of the features that are looked for." in text
    assert "too short" not in text
