"""Views of a model of records, each compared with its records read one by one from zero states."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_scoring import plain_loop
from support import plain_config

from charrnn.inspection import surprise
from charrnn.inspection.features import all_features
from charrnn.inspection.gradient_flow import backpropagate_last_loss, gradient_by_lag
from charrnn.inspection.predictions import predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import Unit, activations, correlated_units
from charrnn.kernels import CELLS, Array
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.text import corpus, record_index
from charrnn.text.load import load_corpus
from charrnn.text.reading import Reading
from charrnn.text.record_reading import reading_of

LINES = ["ab(c)", "d", '"Ef" g', "a" * 9, "bc (dd", "", "cab", "d" * 70, "ef)", "b", "gab" * 5]
RECORDS = [line for line in LINES if line]
each_cell = pytest.mark.parametrize("cell", CELLS)


def part_of(
    folder: Path, text: str, records: str = "line", features: Array | None = None, **how: Any
) -> Reading:
    """Return all records of a text, or the first of them."""
    (folder / "list.txt").write_text(text)
    overrides = {"data.path": str(folder / "list.txt"), "data.records": records}
    if features is not None:
        np.save(folder / "f.npy", features)
        overrides["data.features_path"] = str(folder / "f.npy")
    corpus = load_corpus(plain_config(overrides | {"data.valid_fraction": 0.0}).data)
    return reading_of(corpus, *corpus.everything, **how)


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return part_of(tmp_path, "\n".join(LINES))


def model_of(reading: Reading, cell: str) -> Model:
    """Return a new model of two layers, in float64."""
    config = plain_config({"model.cell": cell, "model.hidden_size": 5}).model
    V = len(reading.vocabulary)
    F = reading.corpus.F
    return Model(config, V, initial_parameters(config, V, 3, np.float64, F=F), F=F)


def alone(reading: Reading) -> list[Array]:
    """Return the codes of each record, with the symbols for its begin and its end."""
    vocabulary = reading.vocabulary
    return [
        vocabulary.as_record(vocabulary.encode(vocabulary.symbols_of(one), "")) for one in RECORDS
    ]


def test_records_stand_in_the_order_of_the_file(reading: Reading) -> None:
    assert reading.vocabulary.decode(reading.part) == "".join(RECORDS)
    everywhere = np.arange(len(reading.part))
    numbers = [i for i, one in enumerate(RECORDS, 1) for _ in f"{one}."]
    assert reading.numbers(everywhere).tolist() == numbers
    places = [place for one in RECORDS for place in range(len(one) + 1)]
    assert reading.places(everywhere).tolist() == places
    assert reading.size == (len(RECORDS), "record")


def test_a_part_keeps_the_numbers_of_its_records(tmp_path: Path) -> None:
    names = [f"{i:04}" for i in range(300)]
    (tmp_path / "list.txt").write_text("\n".join(names))
    overrides = {"data.path": str(tmp_path / "list.txt"), "data.records": "line"}
    corpus = load_corpus(plain_config(overrides | {"data.valid_fraction": 0.3}).data)
    start, end = corpus.split("valid")
    whole, some = reading_of(corpus, start, end), reading_of(corpus, start, end, 51)
    assert whole.size[0] == end - start
    assert some.size[0] == 11  # whole records of five symbols
    assert some.part.tolist() == whole.part[:55].tolist()
    for one in (whole, some):
        found = one.vocabulary.decode(one.part)
        shown = [found[i : i + 4] for i in range(0, len(found), 4)]
        numbers = one.numbers(np.arange(0, len(one.part), 5))
        assert [names[number - 1] for number in numbers] == shown
    assert shown == sorted(shown)


@each_cell
def test_the_surprise_of_each_record(cell: str, reading: Reading) -> None:
    model = model_of(reading, cell)
    nats = nats_by_character(model, reading)
    expected = [plain_loop(model, codes, 1, len(codes)) for codes in alone(reading)]
    np.testing.assert_allclose(nats, np.concatenate(expected), rtol=1e-5)


def test_surprising_characters_have_their_record_and_no_other_text(reading: Reading) -> None:
    nats = np.full(len(reading.part), 0.5)
    first = np.flatnonzero(reading.places(np.arange(len(reading.part))) == 0)
    nats[first[2] - 1], nats[first[2]], nats[first[2] + 2] = 5, 4, 3  # the end of d, then "E
    found = most_surprising(reading, nats, 3)
    assert [(one.number, one.place, one.nats) for one in found] == [
        (2, 1, 5),
        (3, 0, 4),
        (1, 0, 0.5),
    ]
    assert [reading.vocabulary.decode(one.before) for one in found] == ["d", "", ""]


@each_cell
def test_activations_are_those_of_each_record(cell: str, reading: Reading) -> None:
    model, unit = model_of(reading, cell), Unit(1, CELLS[cell].states[-1], 4)
    expected: list[float] = []
    for codes in alone(reading):
        states = model.zero_states(1)
        for code in codes[:-1]:
            _, states, _ = model.forward(code.reshape(1, 1).astype(np.intp), states)
            expected.append(states[1][-1][0, 4])
    found = activations(model, reading, unit)
    np.testing.assert_allclose(found[:-1], expected[1:], rtol=1e-6)
    assert np.isnan(found[-1])


@each_cell
def test_correlations_are_those_of_the_second_half(cell: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = ["".join(rng.choice(list("abcde"), rng.integers(1, 12))) for _ in range(300)]
    reading = part_of(tmp_path, "\n".join(names))
    model, features = model_of(reading, cell), all_features(reading)
    found = correlated_units(model, reading, {"position": features["position in the record"]}, 1)
    middle = len(reading.part) // 2
    values = activations(model, reading, found[0].unit)
    r = np.corrcoef(values[middle:-1], features["position in the record"][middle:-1])[0, 1]
    assert found[0].r == pytest.approx(r, abs=5e-3)


def test_features_begin_anew_with_each_record(reading: Reading) -> None:
    found = all_features(reading)
    lengths = [len(one) for one in RECORDS]
    positions = [place for n in lengths for place in (*range(1, n + 1), 0)]
    assert found["position in the record"].tolist() == positions
    assert "position in the line" not in found
    assert "distance from the last blank line" not in found
    ends = np.cumsum(lengths) + np.arange(1, len(RECORDS) + 1)
    inside = dict(
        zip(RECORDS, np.split(found["inside brackets"], ends)[: len(RECORDS)], strict=True)
    )
    assert inside["ab(c)"].tolist() == [0, 0, 1, 1, 0, 0]
    assert inside["bc (dd"].tolist() == [0, 0, 0, 1, 1, 1, 0]  # the end closes it
    assert inside["cab"].tolist() == [0, 0, 0, 0]
    assert not found["inside a word"][reading.part == reading.vocabulary.end].any()


def test_blocks_have_lines_too(tmp_path: Path) -> None:
    found = all_features(part_of(tmp_path, "ab\nc\n\n(d\n\n\ne)", "paragraph"))
    assert found["position in the record"].tolist() == [1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 0]
    assert found["position in the line"].tolist() == [1, 2, 0, 1, 0, 1, 2, 0, 1, 2, 0]
    assert found["inside brackets"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert found["newline"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@each_cell
def test_gradients_go_back_to_the_begin_of_a_record(cell: str, reading: Reading) -> None:
    model, K = model_of(reading, cell), 4
    positions = reading.loss_positions(K, 1000)
    far = [(codes, t) for codes in alone(reading) for t in range(K, len(codes))]
    assert len(positions) == len(far)
    expected = []
    for codes, t in far:
        states = model.zero_states(1)
        if t > K:
            _, states, _ = model.forward(codes[: t - K, None].astype(np.intp), states)
        window = codes[t - K : t + 1, None].astype(np.intp)
        expected.append(backpropagate_last_loss(model, window, states)[:, :, :, 0])
    found = gradient_by_lag(model, reading, positions, K)
    norms = np.array([one.norms for one in found])  # (layers x states, K, n)
    everything = np.stack(expected, -1).reshape(norms.shape)
    for ours, theirs in zip(norms, everything, strict=True):
        order, other = np.lexsort(ours[::-1]), np.lexsort(theirs[::-1])
        np.testing.assert_allclose(ours[:, order], theirs[:, other], rtol=1e-6)


def test_the_most_steps_that_losses_go_back(reading: Reading) -> None:
    lengths = [len(one) + 1 for one in RECORDS]
    assert reading.most_lags(1) == max(lengths) == 71
    for losses in (2, 10, 60, 100):
        most = reading.most_lags(losses)
        assert len(reading.loss_positions(most, 1000)) >= losses
        assert len(reading.loss_positions(most + 1, 1000)) < losses
    assert reading.most_lags(1000) == 1
    assert len(reading.loss_positions(2, 7)) == 7


def test_events_do_not_depend_on_how_many_are_put_in_order_at_a_time(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    nats = np.random.default_rng(1).integers(0, 9, len(reading.part)).astype(np.float32)
    nats[[0, 7, 40]] = np.nan, np.inf, 0
    expected = [(one.position, one.nats) for one in most_surprising(reading, nats, 1000)]
    assert len(expected) > 10
    assert [value for _, value in expected] == sorted((v for _, v in expected), reverse=True)
    for size in (1, 2, 5):
        monkeypatch.setattr(surprise, "_GROUP", size)
        found = [(one.position, one.nats) for one in most_surprising(reading, nats, 1000)]
        assert found == expected


def test_views_hold_a_few_bytes_for_each_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((record_index, "_BLOCK"), (corpus, "_BLOCK"), (surprise, "_GROUP")):
        monkeypatch.setattr(module, name, 1 << 12)  # what blocks hold does not grow with a text
    rng = np.random.default_rng(1)
    lines = "\n".join("ab" * int(half) for half in rng.integers(1, 20, 20_000))
    (tmp_path / "list.txt").write_text(lines)
    overrides = {"data.path": str(tmp_path / "list.txt"), "data.records": "line"}
    found = load_corpus(plain_config(overrides | {"data.valid_fraction": 0.4}).data)
    part = found.split("valid")
    n = reading_of(found, *part).scored
    nats = rng.random(n, np.float32)
    used = {}
    for most in (1000, None):
        tracemalloc.start()
        reading = reading_of(found, *part, most)
        values = nats[: len(reading.part)]
        assert most_surprising(reading, values, 3)[0].nats == values.max()
        assert len(reading.loss_positions(30, 50)) == 50
        used[most] = tracemalloc.get_traced_memory()[1] / n
        tracemalloc.stop()
    assert used[1000] < 2
    assert used[None] < 12


@pytest.mark.parametrize("most", [None, 60])
def test_views_read_each_record_with_its_features(tmp_path: Path, most: int | None) -> None:
    """In the order of the file, although the ranks have another; and the first of a part too."""
    values = np.random.default_rng(2).normal(5, 2, (len(RECORDS), 3))
    reading = part_of(tmp_path, "\n".join(LINES), features=values, most=most)
    rows = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    model, number = model_of(reading, "lstm"), reading.size[0]
    assert number == (len(RECORDS) if most is None else 7)
    expected = [
        plain_loop(model, codes, 1, len(codes), 0, row[None])
        for codes, row in zip(alone(reading)[:number], rows[:number], strict=True)
    ]
    found = nats_by_character(model, reading)
    assert np.allclose(found, np.concatenate(expected), rtol=1e-5)
    for k, (first, _, end) in enumerate(reading.stretches(999, 0)):
        features = reading.features_at(np.array([first]))
        codes = reading.codes[first:end]
        shown = predictions(model, codes, 1, features)
        nats = [-np.log(one.probability) for one in shown if one.probability is not None]
        assert np.allclose(nats, expected[k][: len(nats)], rtol=1e-5)


def test_a_gradient_goes_back_to_states_made_of_features(tmp_path: Path) -> None:
    """Also where the loss is far behind the begin of its record."""
    values = np.random.default_rng(2).normal(5, 2, (2, 3))
    reading = part_of(tmp_path, f"{'abc' * 100}\nabcd", features=values)
    model = model_of(reading, "gru")
    places = np.array([reading.start + 290, reading.start + 302])
    found = gradient_by_lag(model, reading, places, 1)
    rows = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    by_distance = zip(places[::-1].tolist(), rows[::-1], strict=True)  # from their begin
    for k, (place, row) in enumerate(by_distance):
        begin = int(np.flatnonzero(reading.codes[:place] == reading.vocabulary.end)[-1])
        codes = reading.codes[begin : place + 1, None].astype(np.intp)
        states = model.first_states(1, row[None])
        if len(codes) > 2:
            _, states, _ = model.forward(codes[:-2], states)
        norms = backpropagate_last_loss(model, codes[-2:], states)
        for one in found:
            assert one.norms[0, k] == pytest.approx(
                norms[one.layer, model.cell.states.index(one.state), 0, 0], rel=1e-9
            )
