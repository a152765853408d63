"""Prompts that a model reads backwards: in training, scoring, sampling and predicting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain_config, train

import charrnn
from charrnn.config.schema import TrainConfig
from charrnn.model.language_model import LanguageModel
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_count
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.load import load_corpus
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

WORDS = st.text("abc", min_size=1, max_size=6)
PAIRS = [("", "ab"), ("a", "b"), ("ab", "c"), ("abca", "ba"), ("cab", "aab")]


def corpus_of(path: Path, pairs: Iterable[tuple[str, str]], reverse: bool | None) -> RecordCorpus:
    path.write_text("".join(f"{prompt}>{reply}\n" for prompt, reply in pairs))
    config = plain_config(
        {"data.path": str(path), "data.records": "line", "data.prompt_separator": ">"}
        | {"data.valid_fraction": 0, "data.reverse_prompts": reverse, "train.max_epochs": 1}
    )
    corpus = load_corpus(config.data)
    assert isinstance(corpus, RecordCorpus)
    return corpus


def model_of(*, reverse: bool) -> LanguageModel:
    """Return a model with random weights, the same for both orders."""
    config = plain_config(
        {"data.records": "line", "data.prompt_separator": ">", "model.cell": "gru"}
        | {"model.num_layers": 2, "model.hidden_size": 5, "train.max_epochs": 1}
    )
    symbols = np.array([*map(ord, "abc"), SYMBOLS["char"], SYMBOLS["char"] + 1])
    vocabulary = Vocabulary(symbols, "char", reverse_prompts=reverse)
    parameters = np.random.default_rng(4).standard_normal(parameter_count(config.model, 5))
    model = Model(config.model, 5, parameters)
    return LanguageModel(config, vocabulary, model, longest_record=8)


@settings(max_examples=30)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=2), st.integers(1, 5), st.integers(1, 15))
def test_training_reads_prompts_backwards_and_replies_forwards(  # type: ignore[no-untyped-def]
    tmp_path_factory, pairs: list[tuple[str, str]], N: int, T: int
) -> None:
    pairs += [("a", "b"), ("b", "a")]  # two different symbols, at least
    corpus = corpus_of(tmp_path_factory.mktemp("windows") / "list", pairs, reverse=True)
    config = replace(TrainConfig(), batch_size=N, seq_length=T, streams="fresh", prompt_weight=1)
    windows = corpus.training_windows(config, 5)
    rows: list[list[int]] = []
    for step in range(windows.windows):
        window = windows.window(step)
        assert window.weights is not None
        rows += [[] for _ in range(N if window.fresh else 0)]
        for k, row in enumerate(rows[-N:]):
            row += window.targets[window.weights[:, k] > 0, k].tolist()
    text_of = corpus.vocabulary.decode
    found = Counter(text_of(np.array(row)) for row in rows if row)
    assert found == Counter(f"{prompt[::-1]}\t{reply}" for prompt, reply in pairs)


def test_scores_are_those_of_reversed_prompts() -> None:
    pairs = [(prompt[::-1], reply) for prompt, reply in PAIRS]
    expected = [one.nats for one in model_of(reverse=False).score_records(pairs)]
    found = [one.nats for one in model_of(reverse=True).score_records(PAIRS)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert found != pytest.approx(
        [one.nats for one in model_of(reverse=False).score_records(PAIRS)], rel=1e-3
    )


def test_replies_are_those_to_reversed_prompts() -> None:
    prompts = [prompt for prompt, _ in PAIRS]
    backward, forward = model_of(reverse=True), model_of(reverse=False)
    expected = forward.predict([one[::-1] for one in prompts], top=3)
    for some, others in zip(backward.predict(prompts, top=3), expected, strict=True):
        assert [one.text for one in some] == [one.text for one in others]
    for prompt in prompts:
        found = backward.sample_records(5, prompt=prompt, seed=1)
        other = forward.sample_records(5, prompt=prompt[::-1], seed=1)
        assert [one.text for one in found] == [one.text for one in other]


@pytest.mark.parametrize("reverse", [None, True, False])
def test_by_default_prompts_of_free_replies_are_read_backwards(
    reverse: bool | None, tmp_path: Path
) -> None:
    words = ["".join(letters) for letters in product("abcde", repeat=3)]
    free = [(word, word.upper()) for word in words]
    labelled = [(word, word[0]) for word in words]
    for pairs, default in ((free, True), (labelled, False), ([p[::-1] for p in labelled], False)):
        expected = default if reverse is None else reverse
        assert corpus_of(tmp_path / "list", pairs, reverse).reverse_prompts is expected


def test_a_run_keeps_the_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoint has it, a resumed run and what is scored have it too; texts are unchanged."""
    words = ["".join(letters) for letters in product("abcde", repeat=3)]
    lines = [f"{word}>{word.upper()}" for word in words]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    keys = {"data.records": "line", "data.prompt_separator": ">", "data.valid_fraction": 0.3}
    run_dir = train(tmp_path, keys | {"train.max_steps": 4, "train.seq_length": 9})
    checkpoint = load_checkpoint(run_dir / "last.npz")
    assert checkpoint.config.data.reverse_prompts is True
    assert checkpoint.vocabulary.reverse_prompts
    train(tmp_path, keys | {"train.max_steps": 6, "train.seq_length": 9}, "--resume")
    capsys.readouterr()
    assert charrnn.commands.cli.run(["eval", str(run_dir), "--each"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert all(prompt.upper() == reply for _, _, prompt, reply, *_ in rows)
    scores = charrnn.load(run_dir).score_records([(row[2], row[3]) for row in rows])
    assert [float(row[0]) for row in rows] == pytest.approx([s.nats for s in scores], abs=1e-3)


def test_a_model_that_is_fine_tuned_keeps_the_order(tmp_path: Path) -> None:
    words = ["".join(letters) for letters in product("abcde", repeat=3)]
    (tmp_path / "text.txt").write_text("\n".join(f"{word}>{word.upper()}" for word in words))
    keys = {"data.records": "line", "data.prompt_separator": ">", "train.seq_length": 9}
    forward = train(tmp_path, keys | {"data.reverse_prompts": False}).rename(tmp_path / "forward")
    run_dir = train(tmp_path, keys, "--init-from", str(forward))
    assert load_checkpoint(run_dir / "last.npz").config.data.reverse_prompts is False
