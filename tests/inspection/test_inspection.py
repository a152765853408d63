"""Predictions, surprise, units and gradients of a model, each compared with a plain computation."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from gradient_check import numeric_gradient, relative_error
from plain_scoring import plain_loop
from small_models import reciting, symbols_of
from support import plain_config

from charrnn.inspection.features import all_features
from charrnn.inspection.gradient_flow import (
    StateGradient,
    backpropagate_last_loss,
    gradient_by_lag,
)
from charrnn.inspection.predictions import predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import Unit, activations, all_units, correlated_units
from charrnn.kernels import CELLS, Array
from charrnn.model.evaluation import score
from charrnn.model.model import Model, States
from charrnn.model.parameters import initial_parameters
from charrnn.text.corpus import Corpus
from charrnn.text.reading import Reading
from charrnn.text.record_reading import reading_of
from charrnn.text.streams import scoring_windows
from charrnn.text.vocabulary import Vocabulary

V, H = 7, 5
each_cell = pytest.mark.parametrize("cell", CELLS)


def model_of(cell: str, embedding: int | None = None, dtype: Any = np.float64) -> Model:
    """Return a new model of two layers."""
    config = plain_config(
        {"model.cell": cell, "model.hidden_size": H, "model.embedding_size": embedding}
    ).model
    return Model(config, V, initial_parameters(config, V, 3, dtype))


def random_codes(n: int, seed: int = 1) -> Array:
    """Return random codes (n,)."""
    return np.random.default_rng(seed).integers(0, V, n)


def part_of(
    codes: Array, start: int = 0, end: int | None = None, vocabulary: Vocabulary | None = None
) -> Reading:
    """Return a part of a text, by default all of it."""
    n = len(codes)
    vocabulary = vocabulary or Vocabulary(np.arange(97, 97 + V), "char")
    return reading_of(Corpus(codes, vocabulary, "", n, n), start, n if end is None else end)


def last_loss(
    model: Model, window: Array, states: States, index: tuple[int, int, int], value: Array
) -> float:
    """Return the loss of a stream's last character after a change of one state of a layer."""
    layer, s, n = index
    changed = [[state.copy() for state in of_layer] for of_layer in states]
    changed[layer][s][n] = value
    nats, _ = model.score(window[:-1], window[1:], [tuple(of_layer) for of_layer in changed])
    return float(nats[-1, n])


@each_cell
@pytest.mark.parametrize("embedding", [None, 3])
def test_gradients_by_lag_equal_finite_differences(cell: str, embedding: int | None) -> None:
    K, N = 4, 2
    model = model_of(cell, embedding)
    window = random_codes((K + 1) * N).reshape(K + 1, N)
    rng = np.random.default_rng(2)
    states = [tuple(rng.normal(size=(N, H)) for _ in layer) for layer in model.zero_states(N)]
    norms = backpropagate_last_loss(model, window, [tuple(layer) for layer in states])
    assert norms.shape == (2, len(CELLS[cell].states), K, N)
    for k in range(1, K + 1):
        before = states
        if k < K:
            _, before, _ = model.forward(window[: K - k], states)
        for layer in range(2):
            for s in range(len(CELLS[cell].states)):
                for n in range(N):
                    loss = partial(last_loss, model, window[K - k :], before, (layer, s, n))
                    expected = np.linalg.norm(numeric_gradient(loss, before[layer][s][n]))
                    found = norms[layer, s, k - 1, n]
                    assert relative_error(np.array([found]), np.array([expected])) < 1e-6


@each_cell
def test_a_batch_of_losses_equals_each_by_itself(cell: str) -> None:
    """Each loss is backpropagated at its position, after reading the text before it."""
    model, codes, K = model_of(cell, dtype=np.float32), random_codes(400), 6
    positions = np.array([199, 250, 399, *range(200, 240)])
    together = gradient_by_lag(model, part_of(codes), positions, K)
    assert [(gradient.layer, gradient.state) for gradient in together] == [
        (layer, state) for layer in range(2) for state in CELLS[cell].states
    ]
    exact = Model(model.config, V, model.parameters.astype(np.float64))
    for n in (0, 2, 3, 40):
        _, states, _ = exact.forward(codes[: positions[n] - K, None], exact.zero_states(1))
        alone = backpropagate_last_loss(
            exact, codes[positions[n] - K : positions[n] + 1, None], states
        )
        of_n = np.array([gradient.norms[:, n] for gradient in together])
        np.testing.assert_allclose(of_n, alone.reshape(of_n.shape), rtol=1e-4)


@each_cell
def test_a_loss_without_text_before_its_lags(cell: str) -> None:
    model, codes = model_of(cell), random_codes(20)
    (first, *_) = gradient_by_lag(model, part_of(codes), np.array([6]), 6)
    alone = backpropagate_last_loss(model, codes[:7, None], model.zero_states(1))
    np.testing.assert_allclose(first.norms[:, 0], alone[0, 0, :, 0])


def test_predictions_agree_with_the_loss() -> None:
    model, codes = model_of("lstm"), random_codes(30)
    found = predictions(model, codes, 3)
    assert [p.read for p in found] == codes.tolist()
    assert [p.actual for p in found] == [*codes[1:].tolist(), None]
    np.testing.assert_allclose(
        [-np.log(p.probability) for p in found[:-1] if p.probability],
        plain_loop(model, codes, 1, 30),
        rtol=1e-5,
    )
    for p in found:
        assert list(p.probabilities) == sorted(p.probabilities, reverse=True)
        assert (len(p.likeliest), len(p.probabilities)) == (3, 3)
        if p.rank is not None and p.rank <= 3:
            assert p.likeliest[p.rank - 1] == p.actual
            assert p.probabilities[p.rank - 1] == p.probability
    assert found[-1].rank is None


def test_predictions_of_a_model_that_knows_its_text() -> None:
    checkpoint = reciting("abcd")
    codes = checkpoint.vocabulary.encode(symbols_of("abdab", "char"), "")
    found = predictions(checkpoint.model(), codes, 1)
    likeliest = checkpoint.vocabulary.decode(np.array([p.likeliest[0] for p in found]))
    assert likeliest == "bcabc"
    assert [p.rank == 1 for p in found[:-1]] == [True, False, True, True]


@pytest.mark.parametrize("start", [0, 1, 40])
@pytest.mark.parametrize("n", [60, 3000])
def test_surprise_sums_to_the_score(start: int, n: int) -> None:
    model, codes = model_of("gru", dtype=np.float32), random_codes(n)
    nats = nats_by_character(model, part_of(codes, start))
    total = score(model, scoring_windows(codes, start, n, model.V))
    assert len(nats) == n - start
    assert np.isnan(nats).sum() == (start == 0)
    assert np.nansum(nats, dtype=np.float64) == pytest.approx(total.nats, rel=1e-6)
    if n < 2000:  # one stream
        expected = plain_loop(model, codes, max(start, 1), n)
        np.testing.assert_allclose(nats[~np.isnan(nats)], expected, rtol=1e-4)


def test_the_most_surprising_characters() -> None:
    nats = np.full(60, 0.5)
    nats[[0, 2, 30, 45]] = np.nan, 5, 4, 4.5
    codes = np.arange(60) + 1
    codes[[20, 41]] = 0
    reading = part_of(codes, vocabulary=Vocabulary(np.array([10, *range(300, 360)]), "char"))
    found = most_surprising(reading, nats, 3)
    assert [(s.position, s.number, s.nats) for s in found] == [(2, 1, 5), (45, 3, 4.5), (30, 2, 4)]
    assert [s.code for s in found] == [3, 46, 31]
    assert found[0].before.tolist() == [1, 2]
    assert found[0].after.tolist() == codes[3:20].tolist()  # a newline ends a word
    assert found[1].before.tolist() == codes[42:45].tolist()
    assert found[1].after.tolist() == codes[46:].tolist()


def around(text: str, place: int, tokens: str = "char") -> tuple[str, str]:
    """Return the text that is shown before and after a surprising character."""
    symbols = symbols_of(text, tokens)
    vocabulary = Vocabulary.from_pieces([symbols], tokens)
    reading = part_of(vocabulary.encode(symbols, ""), vocabulary=vocabulary)
    nats = np.zeros(len(symbols))
    nats[place] = 1
    (found,) = most_surprising(reading, nats, 1)
    return vocabulary.decode(found.before), vocabulary.decode(found.after)


def test_whole_words_around_a_surprising_character() -> None:
    fox = "The quick brown fox\njumps over the lazy dog."
    assert around(fox, 24) == ("quick brown fox\njump", " over the lazy")
    assert around(fox, 26) == ("brown fox\njumps ", "ver the lazy dog.")
    assert around(fox, 1) == ("T", "e quick brown fox")
    assert around(fox, len(fox) - 1) == ("over the lazy dog", "")
    letters = "abcdefghijklmnopqrstuvwxyz" * 2
    assert around(letters, 30) == (letters[10:30], letters[31:49])
    assert around(letters + " " + letters, 52) == (letters[-20:], letters[:18])
    assert around("我" * 30 + " " + "你" * 30, 35) == ("我" * 5 + " " + "你" * 4, "你" * 8)
    before, after = around("à" * 20, 21, "byte")  # 4 columns a byte
    assert (before[:2], len(before), after[0], len(after)) == ("àà", 3, "à", 2)


def test_an_event_that_surprises_several_times_is_listed_once() -> None:
    codes = np.tile(np.arange(20), 10)
    codes[:2] = 30, 31
    reading = part_of(codes, vocabulary=Vocabulary(np.arange(100, 132), "char"))
    nats = np.random.default_rng(1).random(200)
    nats[10::20] = 8.0 + nats[10::20]  # the same character after the same ones
    nats[46:50] = 4.0, 7.0, 6.0, 5.0  # within one strange passage
    found = most_surprising(reading, nats, 3)
    assert found[0].position % 20 == 10
    assert [one.position for one in found[1:2]] == [47]
    positions = [one.position for one in most_surprising(reading, nats, 200)]
    assert len(positions) > 10
    assert min(abs(a - b) for a in positions for b in positions if a != b) > 5


@each_cell
@pytest.mark.parametrize("start", [0, 20])
def test_activations_equal_reading_step_by_step(cell: str, start: int) -> None:
    model, codes = model_of(cell, dtype=np.float32), random_codes(50)
    for unit in (Unit(0, "h", 2), Unit(1, CELLS[cell].states[-1], 4)):
        found = activations(model, part_of(codes, start), unit)
        states, expected = model.zero_states(1), []
        for code in codes[:-1]:
            _, states, _ = model.forward(code.reshape(1, 1), states)
            expected.append(
                states[unit.layer][CELLS[cell].states.index(unit.state)][0, unit.number]
            )
        np.testing.assert_allclose(found[:-1], expected[start:], rtol=1e-4, atol=1e-6)
        assert np.isnan(found[-1])


TEXT = 'Aé ("b")\n\n  x "y\n\nz” [“q\n\t(\n'
FEATURES = {
    "position in the line": "123456780 0 1234560 0 1234560 120",
    "inside quotes": "000011000 0 0000111 0 0000111 111",
    "inside brackets": "000111100 0 0000000 0 0001111 111",
    "inside a word": "110001000 0 0010010 0 1000010 000",
    "capital letter": "100000000 0 0000000 0 0000000 000",
    "newline": "000000001 1 0000001 1 0000001 001",
    "indentation": "000000000 0 1222220 0 0000000 110",
    "distance from the last blank line": "",
}


def test_the_features_of_a_text() -> None:
    symbols = symbols_of(TEXT, "char")
    vocabulary = Vocabulary.from_pieces([symbols], "char")
    codes = vocabulary.encode(symbols, "")
    found = all_features(part_of(codes, vocabulary=vocabulary))
    for name, values in all_features(part_of(codes, 12, 20, vocabulary)).items():
        assert values.tolist() == found[name][12:20].tolist()
    lines = part_of(codes, 5, vocabulary=vocabulary).numbers(np.arange(len(TEXT) - 5))
    assert lines.tolist() == [TEXT[:i].count("\n") + 1 for i in range(5, len(TEXT))]
    assert list(found) == list(FEATURES)
    for name, digits in FEATURES.items():
        expected = [int(digit) for digit in digits.replace(" ", "")]
        if name.startswith("distance"):
            expected = [*range(1, 10), 0, *range(1, 8), 0, *range(1, 11)]
        assert found[name].tolist() == expected, name


def features_of(text: str, tokens: str = "char") -> dict[str, str]:
    """Return the features of a text as digits."""
    symbols = symbols_of(text, tokens)
    vocabulary = Vocabulary.from_pieces([symbols], tokens)
    found = all_features(part_of(vocabulary.encode(symbols, ""), vocabulary=vocabulary))
    return {name: "".join(f"{value:.0f}" for value in values) for name, values in found.items()}


def test_other_quotes_and_unmatched_brackets() -> None:
    assert features_of("„Ja“ sagt")["inside quotes"] == "111000000"
    assert features_of(":) (a)b")["inside brackets"] == "0001100"
    assert features_of('"a\r\n\r\nb')["inside quotes"] == "1111100"
    assert features_of("(]\n\n)(a")["inside brackets"] == "1000011"


def test_bytes_beyond_ascii_count_as_letters() -> None:
    found = features_of("ë ß", "byte")
    assert found["inside a word"] == "11011"
    assert found["capital letter"] == found["inside quotes"] == "00000"


@each_cell
def test_correlated_units_agree_with_numpy(cell: str) -> None:
    model, codes = model_of(cell, dtype=np.float32), random_codes(4000)
    start, end = 100, 4000
    features = {"code": codes[start:].astype(float), "one": np.ones(end - start)}
    reading = part_of(codes, start)
    found = correlated_units(model, reading, features, 2)
    assert [f.feature for f in found] == ["code", "code"]  # a constant correlates with nothing
    assert [abs(f.r) for f in found] == sorted((abs(f.r) for f in found), reverse=True)
    middle = (start + end) // 2 - start
    for one in found[:2]:
        values = activations(model, reading, one.unit)[middle:-1]
        r = np.corrcoef(values, features["code"][middle:-1])[0, 1]
        assert one.r == pytest.approx(r, abs=1e-4)
    best = max(
        all_units(model),
        key=lambda u: abs(
            np.corrcoef(activations(model, reading, u)[:middle], features["code"][:middle])[0, 1]
        ),
    )
    assert best in {found[0].unit, found[1].unit}


def test_a_correlation_by_chance_is_small_in_the_other_half() -> None:
    """The unit that noise selects in one half does not correlate with it in the other."""
    model, codes = model_of("lstm", dtype=np.float32), random_codes(2000)
    noise = {f"noise {i}": np.random.default_rng(i).normal(size=300) for i in range(20)}
    found = correlated_units(model, part_of(codes, 1700), noise, 1)
    assert np.mean([abs(f.r) for f in found]) < 0.15


@each_cell
def test_floating_point_errors_that_the_host_raises_are_its_own(cell: str) -> None:
    """Large parameters make probabilities and gradients that underflow."""
    model, codes = model_of(cell, dtype=np.float32), random_codes(600)
    model.parameters *= 100
    reading = part_of(codes)
    with np.errstate(all="raise"):
        predictions(model, codes, 3)
        most_surprising(reading, nats_by_character(model, reading), 3)
        correlated_units(model, reading, all_features(reading), 2)
        gradient_by_lag(model, reading, np.array([450, 590]), 400)
        tiny = StateGradient(0, "h", np.array([[1.3e-310, 2.7e-310, 5e-310, 7e-310]]))
        assert tiny.quartiles.all()
        assert np.geterr()["under"] == "raise"
