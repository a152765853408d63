"""Validations that score stretches of the validation part, and all of it at the end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import plain_config, text_sizes, tiny_text, train

from charrnn.config.reader import override_defaults
from charrnn.model.evaluation import Score, score_windows
from charrnn.model.model import Model
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text import corpus as of_texts
from charrnn.text.corpus import Corpus
from charrnn.text.load import load_corpus
from charrnn.text.records import RecordCorpus
from charrnn.training.recipe import fill_defaults

Capture = pytest.CaptureFixture[str]


def losses(run_dir: Path) -> list[float]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [one["loss_nats"] for one in records if one["split"] == "valid"]


def loss_on(corpus: Corpus, checkpoint_file: Path) -> float:
    """Return the loss of a checkpoint on all of a corpus."""
    checkpoint = load_checkpoint(checkpoint_file)
    model = Model(checkpoint.config.model, len(corpus.vocabulary), checkpoint.parameters)
    windows = corpus.scoring_windows(*corpus.everything)
    return sum(score_windows(model, windows), Score(0, 0.0)).loss_nats


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("records", [None, "line"])
def test_a_validation_scores_stretches_and_the_end_all(
    records: str | None,
    workers: int,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log has the loss of the stretches, the last line that of best.npz on all, too."""
    monkeypatch.setattr(of_texts, "_STRETCH", 40)
    text = "\n".join(dict.fromkeys(tiny_text(3000).splitlines()))
    (tmp_path / "text.txt").write_text(text)
    keys = {"data.records": records, "data.valid_fraction": 0.3, "train.workers": workers}
    keys |= {"train.valid_chars": 200, "train.batch_size": 4, "train.validate_every": 10}
    run_dir = train(tmp_path, keys)
    corpus = load_corpus(load_checkpoint(run_dir / "best.npz").config.data)
    start, end = corpus.split("valid")
    stretches = corpus.stretches(start, end, 200)
    assert loss_on(stretches, run_dir / "best.npz") == pytest.approx(min(losses(run_dir)), rel=1e-4)
    err = capsys.readouterr().err
    found = re.search(r", ([\d.]+) on all ([\d,]+) characters of the validation part", err)
    assert found is not None
    assert int(found[2].replace(",", "")) == corpus.scored(start, end)
    assert run_eval(run_dir, capsys) == pytest.approx(float(found[1]), abs=2e-4)


def run_eval(run_dir: Path, capsys: Capture) -> float:
    from charrnn.commands.cli import run

    capsys.readouterr()
    assert run(["eval", str(run_dir), "--json"]) == 0
    return float(json.loads(capsys.readouterr().out)["loss_nats"])


def test_stretches_of_a_text_are_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_texts, "_STRETCH", 10)
    vocabulary = of_texts.Vocabulary(np.arange(1000), "char")
    corpus = Corpus(np.arange(1000, dtype=np.uint16), vocabulary, "", 100, 900)
    codes = corpus.stretches(100, 900, 45).codes
    firsts = (194, 394, 594, 794)  # around the middles of four equal shares
    assert codes.tolist() == [code for first in firsts for code in range(first, first + 11)]
    assert corpus.stretches(100, 900, 1).codes.tolist() == [499, 500]
    monkeypatch.setattr(of_texts, "_STRETCH", 10_000)
    assert np.diff(corpus.stretches(100, 900, 400).codes).max() > 90  # four of them


def test_stretches_of_records_are_whole_records(tmp_path: Path) -> None:
    lines = sorted({f"{a}{b}" * n for a in "abc" for b in "defg" for n in range(1, 20)})
    (tmp_path / "list").write_text("\n".join(lines))
    config = plain_config({"data.path": str(tmp_path / "list"), "data.records": "line"})
    corpus = load_corpus(replace(config.data, valid_fraction=0.5))
    assert isinstance(corpus, RecordCorpus)
    start, end = corpus.split("valid")
    some = corpus.stretches(start, end, 500)
    assert isinstance(some, RecordCorpus)
    texts = [corpus.vocabulary.decode(one) for one in some.reply_codes(np.arange(len(some.starts)))]
    assert set(texts) <= set(lines)
    assert len(set(texts)) == len(texts) > 10
    assert 350 < sum(map(len, texts)) + len(texts) < 650
    assert len(min(texts, key=len)) < 6 < 30 < len(max(texts, key=len))


@pytest.mark.parametrize(
    ("n", "limit", "chars"),
    [
        (10**6, "max_epochs=20", 0),  # a tenth of it is less than is always scored
        (58 * 10**6, "max_epochs=0.3", None),
        (58 * 10**6, "max_steps=100", 200_000),
        (58 * 10**6, "max_epochs=50", 0),
    ],
)
def test_all_validations_take_a_twentieth_of_the_time(
    n: int, limit: str, chars: int | None
) -> None:
    if limit == "max_epochs=0.3":
        limit = "max_steps=7000"
    config = override_defaults([f"train.{limit}"])
    train = fill_defaults(config, text_sizes(n, config.data), 65).train
    if chars is not None:
        assert train.valid_chars == chars
        return
    assert isinstance(train.validate_every, int)
    validations = -(-7000 // train.validate_every)
    read = 7000 * train.batch_size * train.seq_length
    assert train.valid_chars is not None
    assert validations * train.valid_chars / 3 == pytest.approx(0.05 * read, rel=0.02)


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_a_text_that_is_too_small_gets_a_configuration(n: int) -> None:
    """It may have no window at all, which is refused later."""
    config = override_defaults(["train.batch_size=9", "train.validate_every=epoch"])
    assert fill_defaults(config, text_sizes(n, config.data), 2).train.valid_chars == 0
