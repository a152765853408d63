"""Beam search finds the likeliest replies, with the probability that sampling would write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import plain_config

from charrnn.errors import SamplingError
from charrnn.kernels import CELLS
from charrnn.model import beam
from charrnn.model.language_model import LanguageModel
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_count
from charrnn.model.prediction import Reply
from charrnn.model.transcription import Transcription, edit_distances
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

PROMPTS = ("", "a", "ba", "abcab", "cc", "c" * 70)


def model_of(cell: str, *, letters: str = "abc", scale: float = 1.0) -> LanguageModel:
    """Return a model of prompts and replies with random weights."""
    config = plain_config(
        {"data.records": "line", "data.prompt_separator": "=", "model.cell": cell}
        | {"model.num_layers": 2, "model.hidden_size": 5, "train.max_epochs": 1}
    )
    ends = [SYMBOLS["char"], SYMBOLS["char"] + 1]
    vocabulary = Vocabulary(np.array([*map(ord, letters), *ends]), "char")
    rng = np.random.default_rng(5)
    parameters = scale * rng.standard_normal(parameter_count(config.model, len(vocabulary)))
    model = Model(config.model, len(vocabulary), parameters)
    return LanguageModel(config, vocabulary, model, longest_record=20)


def by_trying_all(model: LanguageModel, prompt: str, length: int) -> list[Reply]:
    """Return all replies of some length or less, the likeliest first."""
    texts = ["".join(one) for n in range(length + 1) for one in product("abc", repeat=n)]
    scores = model.score_records([(prompt, text) for text in texts])
    found = [Reply(text, math.exp(-one.nats)) for text, one in zip(texts, scores, strict=True)]
    return sorted(found, key=lambda one: -one.probability)


def same(found: Sequence[Reply], expected: Sequence[Reply]) -> None:
    assert [one.text for one in found] == [one.text for one in expected]
    probabilities = [one.probability for one in expected]
    assert [one.probability for one in found] == pytest.approx(probabilities, rel=1e-9)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(cell: str, length: int) -> None:
    """All beginnings of 4 letters of 3 are 81; the score is the true log-probability."""
    model = model_of(cell)
    most = sum(3**n for n in range(length + 1))
    for prompt in PROMPTS[:4]:
        expected = by_trying_all(model, prompt, length)
        ((best,),) = model.predict([prompt], beam=81, length=length)
        same([best], expected[:1])
        (some,) = model.predict([prompt], top=most, beam=max(81, most), length=length)
        same(some, expected)


def test_replies_that_do_not_exist_are_left_out() -> None:
    """Three letters make four replies of one letter or less."""
    (replies,) = model_of("gru").predict(["a"], top=9, length=1)
    assert sorted(one.text for one in replies) == ["", "a", "b", "c"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("rows", [1, 11, 2048])
def test_prompts_side_by_side_do_not_change_each_other(
    cell: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beam, "_ROWS", rows)
    model = model_of(cell)
    together = model.predict(PROMPTS, top=3)
    for prompt, found in zip(PROMPTS, together, strict=True):
        same(found, model.predict([prompt], top=3)[0])


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_narrow_beam(width: int) -> None:
    """Its replies are in order, different, not too long, and have their true probability."""
    model = model_of("lstm", scale=0.5)
    for prompt, found in zip(PROMPTS, model.predict(PROMPTS, top=width, beam=width), strict=True):
        assert len({one.text for one in found}) == len(found) == width
        assert all(len(one.text) <= model.default_length for one in found)
        assert [*found] == sorted(found, key=lambda one: -one.probability)
        scores = model.score_records([(prompt, one.text) for one in found])
        same(found, [Reply(f.text, math.exp(-s.nats)) for f, s in zip(found, scores, strict=True)])


def test_the_search_ends_when_nothing_likelier_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that ends almost surely reads hardly more than the first letters."""
    model = model_of("rnn")
    model.model.views["output.b"][-2] = 50
    steps = []
    forward = Model.forward

    def counted(self: Model, codes: np.ndarray, states: object) -> object:
        steps.append(codes.shape)
        return forward(self, codes, states)  # type: ignore[arg-type]

    monkeypatch.setattr(Model, "forward", counted)
    ((reply,),) = model.predict(["ab"], length=1000)
    assert reply.text == ""
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"top": 3, "beam": 2}, "beam: 2 is narrower than top, 3; widen it to 3"),
        ({"top": 0}, "top: 0 "),
        ({"beam": 0}, "beam: 0 "),
        ({"beam": 1001}, "beam: 1001 is not a whole number of at least 1 and at most 1,000"),
        ({"top": 10**9}, "top: 1000000000 is not a whole number of at least 1 and at most 1,000"),
        ({"beam": 2.5}, "beam: "),
        ({"length": 0}, "length: 0 "),
        ({"top": None}, "top: None stands for all labels, and this model has none"),
    ],
)
def test_what_is_refused(arguments: dict[str, int], problem: str) -> None:
    with pytest.raises(SamplingError) as raised:
        model_of("gru").predict(["a"], **arguments)
    assert problem in str(raised.value)


def distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Return the edit distance, from its definition."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        replaced = of(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, replaced)

    return of(len(first), len(second))


_TEXTS = st.lists(st.integers(0, 2), max_size=8).map(tuple)


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=6))
def test_edit_distances(pairs: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    sides = ([np.array(pair[k], np.intp) for pair in pairs] for k in (0, 1))
    assert edit_distances(*sides).tolist() == [distance(*pair) for pair in pairs]


def test_any_listed_reply_counts() -> None:
    """The first prompt has an exact reply; the second is one symbol from the nearer of two."""
    replies = [np.array([1, 2]), np.array([3])]
    listed = [[np.array([9]), np.array([1, 2])], [np.array([4, 4, 4]), np.array([4])]]
    assert Transcription.of(replies, listed) == (2, 0.5, 0.5)
