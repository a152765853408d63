"""Default hyperparameters, chosen from the size of the text."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import text_sizes

from charrnn.config.reader import config_from_dict, override_defaults
from charrnn.config.schema import SHAPE, Config, fillable_keys, unset_keys
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.size_check import check_sizes
from charrnn.text.streams import Streams, TextSizes
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.recipe import Source, fill_defaults, filled_keys
from charrnn.training.summary import default_rows

OPEN = override_defaults()
SIZES = tuple(range(50_000, 2_000_000, 50_000)) + tuple(range(2_000_000, 50_000_000, 500_000))


def corpus(chars: int, config: Config) -> Corpus:
    """Return a text in which only the sizes matter."""
    vocabulary = Vocabulary(np.array([97, 98], np.uint32), "char")
    codes = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (chars,), (0,))
    return Corpus(codes, vocabulary, "", *cut_points(chars, config.data))


def filled(config: Config, chars: int, V: int, **others: Any) -> Config:
    """Return a configuration with the defaults for a text of some characters."""
    return fill_defaults(config, text_sizes(chars, config.data), V, **others)


def values(config: Config) -> dict[str, Any]:
    """Return the values of the fillable keys."""
    by_key = config.by_key()
    return {key: by_key[key] for key in fillable_keys()}


@given(
    st.integers(20, 10**9),
    st.integers(2, 100_000),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.2]),
    st.one_of(st.none(), st.floats(5e-324, 1e18)),
)
@example(20, 2, 0.1, 0.0, None)
@example(20_000, 65, 0.1, 0.0, 5e-324)
def test_any_text_gets_a_configuration_that_can_be_trained(
    chars: int, V: int, valid: float, test: float, work: float | None
) -> None:
    data = replace(OPEN.data, valid_fraction=valid, test_fraction=test)
    written = replace(OPEN, data=data)
    config = filled(written, chars, V, work=work)
    assert None not in values(config).values()
    assert config_from_dict(config.to_dict()) == config
    check_sizes(corpus(chars, config), config)
    assert filled(config, chars, V, work=work) == config
    assert filled(written, chars, V, work=work) == config
    assert filled_keys(written, config) == values(config)
    assert filled_keys(config, config) == {}


@given(
    st.integers(20, 10**9),
    st.sampled_from(["max_epochs", "max_steps", "max_minutes"]),
    st.floats(0, 1),
)
@example(203_787, "max_epochs", 1.0)
def test_a_filled_configuration_with_any_limit_can_be_read_again(
    chars: int, limit: str, share: float
) -> None:
    most = 1e6 if limit == "max_minutes" else 10**12
    config = filled(override_defaults([f"train.{limit}={max(1, int(share * most))}"]), chars, 65)
    assert config_from_dict(config.to_dict()) == config


@given(st.integers(10**5, 10**8), st.integers(4, 9))
def test_the_last_of_ten_validations_comes_at_the_end(chars: int, epochs: int) -> None:
    written = override_defaults([f"train.max_epochs={epochs}"])
    train = filled(written, chars, 65).train
    steps = epochs * text_sizes(chars, written.data).windows_in_epoch(train)
    assert math.ceil(steps / train.validate_every) == 10


@pytest.mark.parametrize(("valid", "validations"), [(800, 50), (10_000, 50), (100_000, 10)])
def test_a_large_validation_part_is_scored_less_often(valid: int, validations: int) -> None:
    config = fill_defaults(OPEN, TextSizes(8_000, (valid, 0)), 65)
    windows = TextSizes(8_000, (valid, 0)).windows_in_epoch(config.train)
    assert config.train.max_epochs == 100
    assert config.train.validate_every == windows * 100 // validations


def test_every_rank_has_a_stream() -> None:
    assert filled(OPEN, 2_500, 65).train.batch_size == 3
    assert filled(OPEN, 2_500, 65, ranks=4).train.batch_size == 4
    assert filled(OPEN, 10**6, 65, ranks=40).train.batch_size == 40


@given(st.integers(20, 10**6), st.integers(1, 40), st.sampled_from(["fixed", "fresh"]))
@example(19_938, 32, "fresh")
def test_intervals_are_counted_in_the_windows_of_the_streams(chars: int, N: int, how: str) -> None:
    written = override_defaults(
        [f"train.batch_size={N}", f"train.streams={how}", "train.max_epochs=100"]
    )
    train_end, _ = cut_points(chars, written.data)
    if train_end > N:
        train = filled(written, chars, 65).train
        codes = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (train_end,), (0,))
        streams = Streams(codes, N, train.seq_length, 1 if how == "fresh" else None)
        assert train.validate_every == 2 * streams.windows


def test_a_tiny_validation_part_does_not_shorten_the_windows_of_a_text() -> None:
    written = override_defaults(["data.valid_fraction=0.0001"])
    assert filled(written, 30_000, 65).train.seq_length == 16


GIVEN = {
    "model.cell": "gru",
    "model.num_layers": 3,
    "model.hidden_size": 77,
    "model.dropout": 0.0,
    "model.dropout_per": "step",
    "model.weight_dropout": 0.0,
    "train.batch_size": 7,
    "train.seq_length": 9,
    "train.streams": "fixed",
    "train.max_epochs": 3,
    "train.learning_rate": 0.123,
    "train.weight_decay": 0.04,
    "train.warmup_steps": 0,
    "train.validate_every": 7,
    "train.valid_chars": 123,
    "train.prompt_weight": 0.0,
    "train.early_weight": 0.0,
    "train.activation_penalty": 0.0,
}


def test_given_values_are_kept() -> None:
    assert list(GIVEN) == fillable_keys()
    for key, value in GIVEN.items():
        assert values(filled(override_defaults([f"{key}={value}"]), 10**6, 65))[key] == value
    everything = override_defaults([f"{key}={value}" for key, value in GIVEN.items()])
    assert filled(everything, 10**6, 65) == everything


@given(st.integers(20, 10**6), st.integers(1, 1000))
def test_windows_fit_a_given_batch_size(chars: int, N: int) -> None:
    written = override_defaults([f"train.batch_size={N}"])
    train_end, _ = cut_points(chars, written.data)
    if train_end > N:
        check_sizes(corpus(chars, written), filled(written, chars, 65))


def test_a_tiny_text_has_at_most_100_epochs() -> None:
    assert filled(OPEN, 600, 20).train.max_epochs == 100


@pytest.mark.parametrize("limit", ["max_steps=100", "max_minutes=3", "max_epochs=2"])
def test_a_given_limit_is_the_only_one(limit: str) -> None:
    config = filled(override_defaults([f"train.{limit}"]), 10**6, 65)
    name = limit.split("=")[0]
    for other in {"max_steps", "max_minutes", "max_epochs"} - {name}:
        assert getattr(config.train, other) is None


# For a number of characters and overrides: hidden_size, dropout and weight_dropout, max_epochs,
# learning_rate, weight_decay, warmup_steps, validate_every.
EXPECTED: list[tuple[int, list[str], tuple[Any, ...]]] = [
    (2_500, [], (160, 0.5, 100, 0.025, 0.1, 50, 20)),
    (203_787, [], (224, 0.41, 58, 0.021, 0.1, 200, 144)),
    (203_787, ["train.max_minutes=1"], (160, 0.18, None, 0.025, 0.1, 57, "epoch")),
    (203_787, ["model.cell=rnn"], (224, 0.35, 100, 0.0064, 0.1, 200, 144)),
    (1_115_394, [], (256, 0.13, 19, 0.02, 0.1, 200, "epoch")),
    (1_115_394, ["train.max_minutes=600"], (416, 0.5, None, 0.0054, 0.1, 200, 2358)),
    (10_000_000, [], (320, 0.0, 4, 0.017, 0.033, 200, 1407)),
    (10_000_000, ["train.max_minutes=1"], (96, 0.0, None, 0.033, 0.078, 155, 1034)),
]


@pytest.mark.parametrize(("chars", "overrides", "expected"), EXPECTED)
def test_the_defaults_of_some_texts(
    chars: int, overrides: list[str], expected: tuple[Any, ...]
) -> None:
    """Any change of a rule changes these figures, and calls for new measurements."""
    config = filled(override_defaults(overrides), chars, 65)
    model, train = config.model, config.train
    found = (model.hidden_size, model.dropout, train.max_epochs)
    found += (train.learning_rate, train.weight_decay, train.warmup_steps, train.validate_every)
    assert found == expected
    assert model.weight_dropout == model.dropout


@pytest.mark.parametrize(("steps", "rate"), [(1, 0.02), (12_000, 0.02), (48_000, 0.01)])
def test_beyond_12000_steps_four_times_the_steps_have_half_the_rate(
    steps: int, rate: float
) -> None:
    written = override_defaults(["model.hidden_size=256", f"train.max_steps={steps}"])
    assert filled(written, 10**7, 65).train.learning_rate == rate


@given(st.integers(10**5, 10**8), st.integers(1, 500), st.floats(1e-4, 1e-1))
def test_the_weights_decay_by_a_bounded_factor(chars: int, epochs: int, rate: float) -> None:
    """The bound grows only from ten epochs on; a short training has the full weight decay."""
    written = override_defaults([f"train.max_epochs={epochs}", f"train.learning_rate={rate}"])
    train = filled(written, chars, 65).train
    steps = epochs * text_sizes(chars, written.data).windows_in_epoch(train)
    share = steps * rate * train.weight_decay / max(8.0, 0.8 * epochs)
    assert share < 1.05
    assert train.weight_decay == 0.1 or share > 0.95


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if "adamw" not in name])
def test_only_adamw_has_a_weight_decay(optimizer: str) -> None:
    config = filled(override_defaults([f"train.optimizer={optimizer}"]), 10**6, 65)
    assert config.train.weight_decay is None
    assert unset_keys(config) == []


@pytest.mark.parametrize(("surplus", "share"), [(-0.1, 0.4), (0.7, 0.4), (1.3, 0.63), (3, 1)])
def test_a_near_text_is_fine_tuned_at_a_lower_rate(surplus: float, share: float) -> None:
    new = filled(OPEN, 10**6, 65)
    tuned = filled(OPEN, 10**6, 65, source=Source(new.model, surplus))
    assert tuned.train.learning_rate == pytest.approx(share * new.train.learning_rate, rel=0.05)
    assert tuned.model.dropout == pytest.approx(new.model.dropout / 2, abs=0.01)


@pytest.mark.parametrize("workers", [2, 5, 64])
def test_every_given_worker_has_a_stream(workers: int) -> None:
    written = override_defaults([f"train.workers={workers}"])
    config = filled(written, 700, 20)
    assert config.train.batch_size >= workers
    check_sizes(corpus(700, config), config)


def test_larger_texts_get_larger_models_fewer_epochs_and_less_dropout() -> None:
    configs = [filled(OPEN, chars, 65) for chars in SIZES]
    sizes = [config.model.hidden_size for config in configs]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 1.5 * sizes[0]
    for falling in (
        [config.train.max_epochs for config in configs],
        [config.model.dropout for config in configs],
    ):
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] < falling[0]


def test_more_work_makes_a_larger_model_or_more_epochs() -> None:
    read = []
    for work in (1e12, 1e13, 1e14, 1e15):
        config = filled(OPEN, 10**6, 65, work=work)
        assert config.train.max_epochs is not None
        read.append(config.model.hidden_size * config.train.max_epochs)
    assert read == sorted(set(read))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_has_a_rate_of_its_own(optimizer: str) -> None:
    config = override_defaults([f"train.optimizer={optimizer}", "model.hidden_size=256"])
    assert filled(config, 10**6, 65).train.learning_rate == OPTIMIZERS[optimizer].learning_rate


def test_the_rate_is_not_below_its_minimum() -> None:
    config = override_defaults(["train.min_learning_rate=0.5"])
    assert filled(config, 10**6, 65).train.learning_rate == 0.5


def test_unset_keys_of_a_resumed_run_keep_its_values() -> None:
    previous = filled(override_defaults(["model.hidden_size=40", "train.max_steps=9"]), 10**4, 65)
    assert filled(OPEN, 10**7, 65, previous=previous) == previous
    longer = filled(override_defaults(["train.max_epochs=5"]), 10**7, 65, previous=previous)
    assert (longer.train.max_epochs, longer.train.max_steps) == (5, None)
    assert longer.model == previous.model


def test_fine_tuning_takes_the_shape_of_its_source() -> None:
    sets = ["model.cell=gru", "model.num_layers=1", "model.hidden_size=48"]
    source = filled(override_defaults([*sets, "model.embedding_size=5"]), 10**6, 65)
    tuned = filled(OPEN, 10**5, 65, source=Source(source.model, 0.5))
    for name in SHAPE:
        assert getattr(tuned.model, name) == getattr(source.model, name)
    new = filled(override_defaults(sets), 10**5, 65)
    assert tuned.train.learning_rate < new.train.learning_rate
    given = override_defaults(["train.learning_rate=0.01"])
    given_rate = filled(given, 10**5, 65, source=Source(source.model, 0.5))
    assert given_rate.train.learning_rate == 0.01


@pytest.mark.parametrize(("records", "shown"), [("null", True), ("line", False)])
def test_a_penalty_is_among_the_chosen_values_if_there_is_one(records: str, shown: bool) -> None:
    given = override_defaults([f"data.records={records}"])
    values = filled_keys(given, filled(given, 10**5, 65))
    assert ("activation_penalty 1.0" in default_rows(values)[0][1]) is shown
    assert ("activation_penalty" in default_rows(values)[0][1]) is shown
