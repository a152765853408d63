"""Prompts and replies from which little can be learned get a remark in train and in init."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charrnn.planning.proposal
from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.text import remarks
from charrnn.text.load import load_corpus
from charrnn.text.remarks import remark_on

TSV = {"records": "tsv", "prompt_column": 1, "reply_column": 2}
LINES = {"records": "line", "prompt_separator": "->"}


def pairs(row: Callable[[int], str], n: int = 120) -> str:
    return "".join(f"{row(k)}\n" for k in range(n))


# What is wrong with the pairs -> the text, its keys, and the remark.
REMARKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "one reply": (
        pairs(lambda k: f"text {k}\tspam"),
        TSV,
        "every reply is 'spam', so there is nothing to learn about replies from their prompts; a "
        "reply must differ between records",
    ),
    "one prompt": (pairs(lambda k: f"x\ttext {k}"), TSV, "every prompt is 'x', so there is"),
    "capitals": (
        pairs(lambda k: f"text {k}\t{'Spam' if k == 7 else ('ham', 'spam')[k % 2]}"),
        TSV,
        "the replies 'spam' (59 records) and 'Spam' (1) are two labels; write them alike if they "
        "mean the same",
    ),
    "blanks in prompts": (
        pairs(lambda k: f"{('ham ', 'ham', 'x')[k % 3]}\ttext {k}"),
        TSV,
        "the prompts 'ham ' (40 records) and 'ham' (40) are two labels",
    ),
    "capitals beyond ASCII": (
        pairs(lambda k: f"text {k}\t{('été', 'ÉTÉ', 'hiver')[k % 3]}"),
        {**TSV, "tokens": "byte"},
        "the replies 'été' (40 records) and 'ÉTÉ' (40) are two labels",
    ),
    "a separator without its blanks": (
        pairs(lambda k: f"text {k} -> reply {k}"),
        LINES,
        "every prompt ends and every reply begins with a blank; data.prompt_separator: ' -> ', in "
        "quotes, leaves it out",
    ),
    "a separator without a blank": (
        pairs(lambda k: f"text {k}-> reply {k}"),
        LINES,
        "every reply begins with a blank; data.prompt_separator: '-> ', in quotes, leaves it out",
    ),
    "few records": (
        pairs(lambda k: f"text {k}\treply {k}", 30),
        TSV,
        "30 records with a prompt are few: the model memorises their replies, and answers other "
        "prompts at random; hundreds are better",
    ),
    "few records of each label": (
        pairs(lambda k: f"text {k}\treply {k // 3}"),
        TSV,
        "120 records have 40 different replies, 3 of them for each; if these are labels, they need "
        "at least 5 on average, for charrnn predict and eval to choose among them",
    ),
}
# Pairs without a remark -> the text and its keys.
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "labels": (pairs(lambda k: f"text {k}\t{'abc'[k % 3]}"), TSV),
    "prompts that are labels": (pairs(lambda k: f"{'abc'[k % 3]}\ttext {k}"), TSV),
    "texts that differ by capitals": (pairs(lambda k: f"text {k}\t{'Tt'[k % 2]}ext {k // 2}"), TSV),
    "some blanks": (pairs(lambda k: f"text {k}->{' ' * (k % 2)}reply {k}"), LINES),
    "no prompt": ("spam\n" * 30, {"records": "tsv", "reply_column": 1}),
}


def remark(path: Path, text: str, keys: dict[str, Any]) -> str:
    path.write_text(text, encoding="utf-8")
    data = DataConfig(str(path), valid_fraction=0.0, **keys)
    corpus = load_corpus(data)
    return remark_on(corpus.codes, corpus.vocabulary, data)


@pytest.mark.parametrize("name", REMARKS)
def test_pairs_with_a_remark(tmp_path: Path, name: str) -> None:
    text, keys, words = REMARKS[name]
    found = remark(tmp_path / "t.txt", text, keys)
    assert found.startswith(f"{tmp_path / 't.txt'}: {words}")
    assert "\n" not in found


@pytest.mark.parametrize("name", GOOD)
def test_pairs_without_a_remark(tmp_path: Path, name: str) -> None:
    assert not remark(tmp_path / "t.txt", *GOOD[name])


@pytest.mark.parametrize("read", [1, 8, 500])
def test_the_beginning_says_nothing_about_the_number_of_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    """A table may be in the order of its labels."""
    monkeypatch.setattr(remarks, "READ", read)
    text = pairs(lambda k: f"text {k}\t{'ab'[k // 100]}")
    assert not remark(tmp_path / "t.txt", text, TSV)


def test_train_and_init_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charrnn.planning.proposal, "_MEASURED_S", 0.01)
    Path("t.tsv").write_text(REMARKS["capitals"][0])
    assert run(["init", "t.tsv", "--minutes", "0.01"]) == 0
    assert capsys.readouterr().err.count("are two labels") == 1
    for more in ([], ["--resume", "--set", "train.max_steps=3"]):  # a resumed run has said it
        assert run(["train", "t.yaml", "--set", "train.max_steps=2", *more]) == 0
        assert capsys.readouterr().err.count("are two labels") == (not more)
