"""The probabilities of labels are those of scoring every pair of prompt and label, normalised."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain_config

from charrnn.kernels import CELLS, Array
from charrnn.model import prediction
from charrnn.model.language_model import LanguageModel
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_count
from charrnn.text.labels import Labels
from charrnn.text.part import encode_prompts
from charrnn.text.vocabulary import SYMBOLS, Vocabulary
from charrnn.workers import predictor as of_workers
from charrnn.workers import worker

each_cell = pytest.mark.parametrize("cell", CELLS)


def model_of(
    cell: str,
    labels: Sequence[str],
    *,
    layers: int = 2,
    embedding_size: int | None = None,
    tokens: str = "char",
    dtype: type = np.float64,
    scale: float = 0.7,
) -> LanguageModel:
    """Return a model with random weights that knows the characters of labels and some others."""
    config = plain_config(
        {"data.records": "line", "data.prompt_separator": "=", "data.tokens": tokens}
        | {"model.cell": cell, "model.num_layers": layers, "model.hidden_size": 5}
        | {"model.embedding_size": embedding_size, "train.max_epochs": 1}
    )
    of_tokens = Vocabulary(np.array([], np.uint32), tokens)
    symbols = {*of_tokens.symbols_of("".join(labels) + "abcé").tolist()}
    symbols |= {SYMBOLS[tokens], SYMBOLS[tokens] + 1}
    vocabulary = Vocabulary(np.array(sorted(symbols)), tokens)
    P = parameter_count(config.model, len(vocabulary))
    parameters = (scale * np.random.default_rng(3).standard_normal(P)).astype(dtype)
    codes = [vocabulary.encode(vocabulary.symbols_of(one), "label") for one in labels]
    known = Labels((), tuple(sorted(codes, key=np.ndarray.tolist)))
    return LanguageModel(
        config, vocabulary, Model(config.model, len(vocabulary), parameters), labels=known
    )


def predicted(model: LanguageModel, prompts: Sequence[str]) -> Array:
    """Return the log-probabilities (prompts, labels) in the order of `label_texts`."""
    labels = model.label_texts()
    found = np.empty((len(prompts), len(labels)))
    for row, replies in zip(found, model.predict(prompts, top=None), strict=True):
        row[...] = -np.inf
        for reply in replies:
            row[labels.index(reply.text)] = np.log(reply.probability)
        assert sum(reply.probability for reply in replies) == pytest.approx(1, rel=1e-12)
        assert [*replies] == sorted(replies, key=lambda reply: -reply.probability)
    return found


def by_pairs(model: LanguageModel, prompts: Sequence[str]) -> Array:
    """Return the same by scoring every pair."""
    labels = model.label_texts()
    found = np.empty((len(prompts), len(labels)))
    for row, prompt in zip(found, prompts, strict=True):
        row[...] = [-one.nats for one in model.score_records([(prompt, one) for one in labels])]
        row -= row.max()
        row -= np.log(np.exp(row).sum())
    return found


LABELS = st.lists(
    st.text("ab", min_size=1, max_size=5) | st.sampled_from(["a", "ab", "abc", "é", "a" * 70]),
    min_size=2,
    max_size=12,
    unique=True,
)
PROMPTS = st.lists(
    st.text("abcé", max_size=9) | st.sampled_from(["ab" * n for n in (31, 32, 33, 64, 70)]),
    min_size=1,
    max_size=7,
)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
@each_cell
@settings(max_examples=8)
@given(
    LABELS,
    PROMPTS,
    st.integers(1, 3),
    st.none() | st.integers(1, 4),
    st.sampled_from(["char", "byte"]),
    st.sampled_from([1, 20, 2048]),
    st.sampled_from([3, 64]),
)
def test_labels_have_the_probabilities_of_their_pairs(
    cell: str,
    dtype: type,
    tolerance: float,
    labels: list[str],
    prompts: list[str],
    layers: int,
    embedding_size: int | None,
    tokens: str,
    rows: int,
    window: int,
) -> None:
    """For labels that begin others, and prompts longer than a window; in batches of any size."""
    model = model_of(
        cell, labels, layers=layers, embedding_size=embedding_size, tokens=tokens, dtype=dtype
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "_ROWS", rows)
        patch.setattr(prediction, "_WINDOW", window)
        found = predicted(model, prompts)
    expected = by_pairs(model, prompts)
    # Where a label has hardly a chance, its probability is a small part of a rounded sum.
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())
    alone = np.concatenate([predicted(model, [prompt]) for prompt in prompts])
    assert np.abs(found - alone).max() <= tolerance * max(1.0, np.abs(expected).max())


@each_cell
def test_256_labels_are_predicted_in_several_batches(cell: str) -> None:
    labels = [f"{n:x}" for n in range(256)]
    model = model_of(cell, labels)
    prompts = ["abc"[: n % 4] * (n % 9) for n in range(40)]
    assert np.allclose(predicted(model, prompts), by_pairs(model, prompts), rtol=1e-11)


def test_many_characters_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows have fewer steps, and batches fewer prompts, where each step has many logits."""
    model = model_of("gru", ["b", "".join(map(chr, range(0x4E00, 0x4E00 + 20)))])
    prompts = ["abc" * (n % 40) for n in range(60)]
    expected = predicted(model, prompts)
    monkeypatch.setattr(prediction, "_LOGITS", 1000)
    sizes, forward = list[int](), Model.forward

    def counted(self: Model, codes: Array, *others: Any) -> Any:
        sizes.append(codes.size * self.V)
        return forward(self, codes, *others)

    monkeypatch.setattr(Model, "forward", counted)
    assert np.allclose(predicted(model, prompts), expected, rtol=1e-11)
    assert 700 < max(sizes) <= 1000


def test_labels_may_be_long() -> None:
    """The tree of labels has each of their characters once."""
    labels = [np.array([k, *[5] * 9_000]) for k in range(20)]
    tree = prediction.LabelTree(labels, 9)
    assert [len(level.code) for level in tree.levels] == [1, *[20] * 9_001]
    assert tree.levels[-1].label.tolist() == list(range(20))


def test_certain_labels_have_finite_log_probabilities() -> None:
    """Large logits neither overflow nor make a sum of 0."""
    model = model_of("rnn", ["a", "b", "aab"], dtype=np.float32, scale=300.0)
    tree = prediction.LabelTree(model.labels.replies, model.vocabulary.end or 0)
    assert model.vocabulary.prompt_end is not None
    prompt = np.array([model.vocabulary.end, 0, model.vocabulary.prompt_end])
    ((_, log_probs),) = prediction.label_log_probs(model.model, [prompt], tree)
    assert np.isfinite(log_probs).all()
    assert np.exp(log_probs).sum() == pytest.approx(1)


def test_no_prompts_have_no_labels() -> None:
    assert model_of("gru", ["a", "b"]).predict([]) == []


def test_threads_share_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "_ROWS", 20)  # batches take turns
    model = model_of("lstm", ["a", "b", "ab", "abc"])
    texts = [["abc"[: n % 4] * (k + n % 7) for n in range(30)] for k in range(4)]
    expected = [model.predict(prompts, top=None) for prompts in texts]
    found: dict[int, object] = {}

    def predict(k: int) -> None:
        found[k] = [model.predict(texts[k], top=None) for _ in range(5)]

    threads = [threading.Thread(target=predict, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [expected[k]] * 5 for k in range(4)}


@pytest.mark.parametrize(("workers", "block"), [(1, 3), (2, 1), (2, 3), (3, 1000)])
def test_workers_predict_in_the_order_of_the_ranks(
    monkeypatch: pytest.MonkeyPatch, workers: int, block: int
) -> None:
    """Even where a worker has no prompt; each process sees the size of a block, as it is forked."""
    model = model_of("gru", ["a", "b", "ab", "cab"], dtype=np.float32)
    prompts = ["abc"[: n % 4] * (1 + n % 9) for n in range(11)]
    codes = [model.encoder.text(prompt, "prompt") for prompt in prompts]
    corpus = encode_prompts(model.vocabulary, codes)
    ranks = [prompts.index(prompt) for prompt in _texts(model, corpus)]
    monkeypatch.setattr(worker, "_PREDICTED", block)
    monkeypatch.setattr(of_workers, "free_cores", lambda: workers)
    monkeypatch.setattr(of_workers, "_MIN_OPERATIONS_PER_WORKER", 1)
    counts: list[int] = []
    predictor = of_workers.Predictor(
        replace(model.config, train=replace(model.config.train, batch_size=1)),
        model.model.parameters,
        model.labels.replies,
        records=1000,
        symbols=1000,
    )
    expected = predicted(model, prompts)[ranks]
    fewer = encode_prompts(model.vocabulary, [codes[3]])
    with closing(predictor):
        found = predictor.log_probs(corpus, *corpus.everything, counts.append)
        of_others = predictor.log_probs(fewer, *fewer.everything)
        again = predictor.log_probs(corpus, 1, 4)
    assert sum(counts) == len(prompts)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.allclose(of_others, predicted(model, prompts[3:4]), rtol=1e-5, atol=1e-6)
    assert np.allclose(again, expected[1:4], rtol=1e-5, atol=1e-6)


def _texts(model: LanguageModel, corpus: object) -> list[str]:
    """Return the prompts of a corpus, by rank."""
    codes = corpus.prompt_codes(np.arange(corpus.everything[1]))  # type: ignore[attr-defined]
    return [model.vocabulary.decode(one[1:-1]) for one in codes]
