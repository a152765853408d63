"""Evaluation scores every token of a part once, with the result of a plain loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_scoring import plain_loop
from support import train

from charrnn.config.schema import ModelConfig
from charrnn.kernels import CELLS, Array
from charrnn.model.evaluation import Score, score, score_windows
from charrnn.model.model import Model, States
from charrnn.model.parameters import initial_parameters
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text import streams as streams_module
from charrnn.text.load import load_corpus
from charrnn.text.streams import STREAMS, WARM_UP, scoring_windows

TALES = Path(__file__).parents[2] / "data" / "tales.txt"


def small_model(cell: str = "lstm", V: int = 7) -> Model:
    """Return a model in float64, so that sums in different orders agree to many digits."""
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=6)
    parameters = initial_parameters(config, V, seed=3, dtype=np.float64)
    parameters += 0.3 * np.random.default_rng(4).standard_normal(parameters.size)
    return Model(config, V, parameters)


def random_codes(n: int, V: int = 7) -> Array:
    """Return the codes of n random characters."""
    return np.random.default_rng(5).integers(0, V, n).astype(np.uint8)


def score_part(model: Model, codes: Array, start: int, end: int, streams: int = STREAMS) -> Score:
    """Score the tokens from `start` to `end` of a text."""
    return score(model, scoring_windows(codes, start, end, model.V, streams=streams))


# Comparison with a plain loop.


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("start", "end"), [(0, 300), (1, 300), (0, 2), (100, 101), (150, 290), (257, 300), (299, 300)]
)
def test_one_stream_equals_the_plain_loop(cell: str, start: int, end: int) -> None:
    model, codes = small_model(cell), random_codes(300)
    context = max(0, start - 1 - WARM_UP)
    costs_nats = plain_loop(model, codes, start, end, context)
    found = score_part(model, codes, start, end)
    assert found.chars == len(costs_nats) == end - max(start, 1)
    assert found.nats == pytest.approx(sum(costs_nats), rel=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0, 4000), (1, 4000), (3, 3100), (1500, 4000)])
def test_several_streams_agree_with_the_plain_loop(start: int, end: int) -> None:
    model, codes = small_model(), random_codes(4000)
    costs_nats = plain_loop(model, codes, start, end)
    found = score_part(model, codes, start, end)
    assert found.chars == len(costs_nats)
    assert found.loss_nats == pytest.approx(sum(costs_nats) / len(costs_nats), abs=1e-6)


def test_the_first_character_of_a_text_is_not_scored() -> None:
    model, codes = small_model(), random_codes(50)
    assert score_part(model, codes, 0, 50).chars == 49
    assert score_part(model, codes, 0, 50) == score_part(model, codes, 1, 50)


def test_the_first_character_of_a_split_is_predicted_from_the_text_before() -> None:
    model, codes = small_model(), random_codes(50)
    other = codes.copy()
    other[29] = (codes[29] + 1) % 7
    assert score_part(model, codes, 30, 31).nats != score_part(model, other, 30, 31).nats


def test_the_text_after_a_part_does_not_matter() -> None:
    model, codes = small_model(), random_codes(5000)
    other = codes.copy()
    other[4000:] = 0
    assert score_part(model, codes, 500, 4000) == score_part(model, other, 500, 4000)


def test_the_parts_of_a_text_add_up_to_it() -> None:
    model, codes = small_model(), random_codes(200)
    parts = (
        score_part(model, codes, 0, 80)
        + score_part(model, codes, 80, 150)
        + score_part(model, codes, 150, 200)
    )
    whole = score_part(model, codes, 0, 200)
    assert parts.chars == whole.chars
    assert parts.nats == pytest.approx(whole.nats, rel=1e-9)


# Which tokens are scored, by a stand-in for the model that records what it reads.


class Reader:
    """A stand-in for `Model` that checks the order of the codes, which are positions in the text.

    Its states are, for each stream, the position that must come next (0: any) and the number of
    tokens read in order before it.
    """

    def __init__(self, n: int, end: int) -> None:
        self.end = end  # of the part
        self.V = 7
        self.costs = np.random.default_rng(6).random(n)  # loss at each position
        self.scored_without_context: list[int] = []

    def zero_states(self, N: int) -> States:
        return [(np.zeros((N, 1)), np.zeros((N, 1)))]

    def forward(self, codes: Array, states: States) -> tuple[None, States, None]:
        expected, read = (state[:, 0] for state in states[0])
        for row in codes:
            in_order = row == expected
            read = np.where(in_order, read + 1, 1)
            expected = row + 1
        return None, [(expected[:, None].astype(float), read[:, None].astype(float))], None

    def score(self, codes: Array, targets: Array, states: States) -> tuple[Array, States]:
        assert np.array_equal(targets, codes + 1)
        expected = states[0][0][:, 0]
        fresh = (expected != codes[0]) & (expected < self.end - 1)
        self.scored_without_context += codes[0][fresh].tolist()
        _, states, _ = self.forward(codes, states)
        return self.costs[targets], states


def read_through(n: int, start: int, end: int, streams: int) -> tuple[Reader, list[Score]]:
    """Score a part of a text of n positions with the stand-in; return it and the scores."""
    reader = Reader(n, end)
    codes = np.arange(n, dtype=np.uint32)
    windows = scoring_windows(codes, start, end, reader.V, streams=streams)
    return reader, list(score_windows(reader, windows))  # type: ignore[arg-type]


def check_each_once(n: int, start: int, end: int, streams: int) -> None:
    """Check that each token is scored once, and after enough text before it."""
    reader, windows = read_through(n, start, end, streams)
    assert sum(window.chars for window in windows) == end - max(start, 1)
    nats = sum(window.nats for window in windows)
    assert nats == pytest.approx(reader.costs[max(start, 1) : end].sum(), rel=1e-9)
    # Every stream has read the text before its part; only position 0 has none.
    assert set(reader.scored_without_context) <= ({0} if start <= 1 else set())


@given(st.data(), st.integers(1, 7))
def test_each_character_is_scored_once_however_many_streams(
    data: st.DataObject, streams: int
) -> None:
    n = data.draw(st.integers(2, 250))
    start = data.draw(st.integers(0, n - 2))
    end = data.draw(st.integers(max(start, 1) + 1, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_module, "WARM_UP", 3)
        patch.setattr(streams_module, "WINDOW", 5)
        check_each_once(n, start, end, streams)


@pytest.mark.parametrize("streams", [1, 2, 7, 64])
@pytest.mark.parametrize(
    ("start", "end"), [(0, 30_000), (1, 30_000), (2, 29_999), (5, 8_197), (27_000, 30_000)]
)
def test_each_character_is_scored_once_with_the_real_windows(
    start: int, end: int, streams: int
) -> None:
    check_each_once(30_000, start, end, streams)


@given(st.integers(2, 250), st.integers(1, 7), st.integers(0, 100))
def test_each_character_is_scored_once_however_large_the_vocabulary(
    n: int, streams: int, logits: int
) -> None:
    """A window stays within its limit on logits, unless one step of one stream exceeds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_module, "WARM_UP", 3)
        patch.setattr(streams_module, "_LOGITS", logits)
        check_each_once(n, 0, n, streams)
        _, windows = read_through(n, 0, n, streams)
        assert max(window.chars for window in windows) * 7 <= max(logits, 7)


def test_a_long_text_is_read_by_many_streams() -> None:
    _, windows = read_through(70_000, 0, 70_000, 64)
    assert max(window.chars for window in windows) == 64 * 64  # streams x steps


def test_the_score_does_not_depend_on_the_number_of_streams(tmp_path: Path) -> None:
    overrides = {
        "data.path": str(TALES),
        "model.cell": "lstm",
        "model.hidden_size": 16,
        "train.batch_size": 16,
        "train.seq_length": 25,
        "train.max_steps": 100,
        "train.learning_rate": 1e-2,
    }
    loaded = load_checkpoint(train(tmp_path, overrides) / "last.npz")
    codes = load_corpus(loaded.config.data).codes
    model, end = loaded.model(), 40_000
    scores = [score_part(model, codes, 10_000, end, streams=streams) for streams in (1, 2, 7, 64)]
    assert {found.chars for found in scores} == {30_000}
    assert 1.5 < scores[0].loss_nats < 3.0  # the model has learnt something, but not everything
    for found in scores[1:]:
        assert found.loss_nats == pytest.approx(scores[0].loss_nats, abs=1e-3)


# Units.


def test_scores_and_their_units() -> None:
    found = Score(chars=4, nats=4 * math.log(8))
    assert found.to_dict() == {
        "chars": 4,
        "loss_nats": pytest.approx(math.log(8)),
        "bits_per_char": pytest.approx(3.0),
        "perplexity": pytest.approx(8.0),
    }
    assert math.isfinite(Score(1, 1e6).perplexity)
