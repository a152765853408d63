"""What a configuration leaves open, chosen for the text: sizes, dropout, learning rate, length.

One pure function of the text's size, its vocabulary and what is given. The rules are wrapped to the
experiments in tests/benchmarks/EXPERIMENTS.md.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from charrnn.config.schema import (
    LIMITS,
    SHAPE,
    Config,
    ModelConfig,
    TrainConfig,
    unset_keys,
    value_of,
)
from charrnn.config.values import MANY
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.model.parameters import parameter_count, training_flops
from charrnn.text.corpus import cut_points
from charrnn.text.streams import windows_in_epoch

# The work of a whole training of a text, in operations of matrix products.
_WORK_AT_1_MB = 1e14
_WORK_EXPONENT = 0.5  # ten times the text gets three times the work

_SHORTEST = 16  # steps of a window, if a text has room; a tiny validation part leaves it
MOST_EPOCHS = 100  # unless more are asked for
_MOST_VALIDATIONS = 50
OPERATIONS_PER_S = 1e11  # of all cores of a machine that has not been measured
_SMALLEST, _LARGEST, _UNIT = 32, 512, 32  # hidden units, in steps
_SMALLEST_TRIED = 96  # hidden units; fewer have its rate
_CHARS_A_PARAMETER = 40.0  # that a training reads at best, if it reads each a few times only
_FEW_AND_MANY = (3.0, 8.0)  # epochs
_MOST_WORK = 8.0  # times that which suits a text: beyond it, a larger model does not pay
_FINE_TUNING = 0.125  # of the learning rate of a new model
_MANY_STEPS = 12_000  # for more the learning rate is less
# The weights decay at most so much (weight_decay x learning_rate x steps): in a whole training, or,
# where that is more, in each epoch. It keeps from learning by heart what is read many times.
_DECAY, _DECAY_AN_EPOCH = 8.0, 0.8


def fill_defaults(
    config: Config,
    chars: int,
    V: int,
    *,
    previous: Config | None = None,
    source: ModelConfig | None = None,
    work: float | None = None,
    ranks: int | None = None,
) -> Config:
    """Return a configuration with every value settled.

    Args:
        config: as it was written.
        chars: characters of the whole text.
        V: characters in the vocabulary.
        previous: settings of the run being resumed; they fill in what is unset.
        source: the model whose weights are begun with; what is left open of the shape is its.
        work: operations that the training may take; by default what suits the text.
        ranks: how many MPI has started, which are the workers.
    """
    if previous is not None:
        return _as_previous(config, previous)
    if source is not None:
        config = replace(config, model=_shaped_as(config.model, source))
    train_end, valid_end = cut_points(chars, config.data)
    n, others = max(2, train_end), [valid_end - train_end, chars - valid_end]
    work = max(1.0, work or _work_given(config.train) or work_for(n))
    model = config.model
    model = replace(model, cell=model.cell or "lstm", num_layers=model.num_layers or 2)
    if model.hidden_size is None:
        model = replace(model, hidden_size=_hidden_size(model, n, V, work))
    workers = ranks or config.train.workers
    workers = workers if isinstance(workers, int) else 1  # each has a stream, at least
    train = _with_windows(config.train, n, [size for size in others if size], workers)
    epochs = _epochs(train, n, work / training_flops(model, V))
    model = _with_dropout(model, n, V, epochs)
    train = _with_length(train, n, epochs)
    train = _with_rate(train, model, n, epochs, fine_tuning=source is not None)
    return replace(config, model=model, train=train)


def filled_keys(config: Config, filled: Config) -> dict[str, Any]:
    """Return what was left open, by dotted key, and what became of it."""
    values = filled.to_dict()
    return {key: value_of(values, key) for key in unset_keys(config)}


def _work_given(train: TrainConfig) -> float:
    """Return the operations that a limit of time stands for, whatever the machine; 0 for none."""
    return OPERATIONS_PER_S * 60 * (train.max_minutes or 0)


def work_for(n: int) -> float:
    """Return the operations that suit a training part of n characters."""
    return _WORK_AT_1_MB * math.pow(n / 1e6, _WORK_EXPONENT)


def _shaped_as(model: ModelConfig, source: ModelConfig) -> ModelConfig:
    """Take over what is left open of a model's shape."""
    missing = {name: getattr(source, name) for name in SHAPE if getattr(model, name) is None}
    return replace(model, **missing)


def _hidden_size(model: ModelConfig, n: int, V: int, work: float) -> int:
    """Return as many units as suit the work and the text.

    Of a text that is read many times it goes by the work: 256 units for 1e14 operations, twice as
    many for 32 times the work. Where each character can be read a few times only, the best model
    is one for which there are 40 characters to a parameter. In between it is in between.
    """
    many = 8.4 * 32 * math.pow(min(work, _MOST_WORK * work_for(n)) / 1e14, 0.2)
    parameters = math.sqrt(work / (6 * _CHARS_A_PARAMETER))  # each takes 6 operations a character
    at_128 = training_flops(replace(model, hidden_size=128), V) / 6
    few = min(many, 128 * math.sqrt(parameters / at_128))
    epochs = _CHARS_A_PARAMETER * parameters / n
    low, high = (math.log(bound) for bound in _FEW_AND_MANY)
    share = max(0.0, min(1.0, (math.log(epochs) - low) / (high - low)))
    units = math.exp(share * math.log(many) + (1 - share) * math.log(few))
    return max(_SMALLEST, min(_LARGEST, _UNIT * round(units / _UNIT)))


def _with_windows(train: TrainConfig, n: int, others: list[int], workers: int) -> TrainConfig:
    """Settle T and N: as they are best, or what a small text and its other parts have room for."""
    N, streams = train.batch_size, train.streams or "fresh"
    room = [min(n // 8, (n - 1) // workers) if N is None else (n - 1) // N]
    room += others if n < 16 * _SHORTEST else [max(_SHORTEST, size) for size in others]
    T = train.seq_length or max(1, min([80, *room]))
    N = N or max(workers, min(32, n // (8 * T)))
    return replace(train, seq_length=T, batch_size=N, streams=streams)


def _epochs(train: TrainConfig, n: int, chars: float) -> float:
    """Return the epochs that a training has; one without a limit reads about so many characters."""
    limits = []
    if train.max_epochs is not None:
        limits.append(float(train.max_epochs))
    if train.max_steps is not None:
        limits.append(train.max_steps * train.batch_size * train.seq_length / n)
    if train.max_minutes is not None:
        limits.append(chars / n)
    return min(limits, default=float(min(MOST_EPOCHS, max(1, round(chars / n)))))


def _with_dropout(model: ModelConfig, n: int, V: int, epochs: float) -> ModelConfig:
    """Settle the dropout: more for more epochs, and for more parameters to a character."""
    rate = 0.09 * math.log2(max(epochs, 1e-3) / 6.5)
    rate += 0.06 * math.log2(parameter_count(model, V) / n)
    rate = round(max(0.0, min(0.5, rate)), 2)
    if model.dropout is None:
        model = replace(model, dropout=rate)
    if model.weight_dropout is None:
        model = replace(model, weight_dropout=rate)
    return replace(model, dropout_per=model.dropout_per or "window")


def _with_rate(
    train: TrainConfig, model: ModelConfig, n: int, epochs: float, *, fine_tuning: bool
) -> TrainConfig:
    """Settle the learning rate, and how fast the weights decay.

    The rate goes by the cell, and is less for more units, as their sum moves further. Where little
    decays, the weights wander as far as the rate times the root of the steps, until gradients
    explode; so with many steps the rate falls by that root.
    """
    steps = epochs * windows_in_epoch(n, train)
    if train.learning_rate is None:
        rate = OPTIMIZERS[train.optimizer].learning_rate
        rate *= math.sqrt(256 / max(_SMALLEST_TRIED, model.hidden_size))
        rate *= CELLS[model.cell].learning_rate_scale * (_FINE_TUNING if fine_tuning else 1.0)
        rate *= math.sqrt(_MANY_STEPS / max(_MANY_STEPS, steps))
        rate = max(float(f"{rate:.2g}"), train.min_learning_rate)
        train = replace(train, learning_rate=rate)
    most = OPTIMIZERS[train.optimizer].hyperparameters.get("weight_decay")
    if train.weight_decay is None and most is not None:
        in_all = max(_DECAY, _DECAY_AN_EPOCH * epochs)
        decay = most / max(1.0, most * train.learning_rate * steps / in_all)
        train = replace(train, weight_decay=float(f"{decay:.2g}"))
    return train


def _with_length(train: TrainConfig, n: int, epochs: float) -> TrainConfig:
    """Settle what goes by the steps of a training: its end, its warm-up, its validations."""
    if not train.has_limit:
        train = replace(train, max_epochs=int(epochs))
    windows = windows_in_epoch(n, train)
    if train.warmup_steps is None:
        train = replace(train, warmup_steps=min(200, round(epochs * windows / 20)))
    if train.validate_every is None:
        train = replace(train, validate_every=_validate_every(windows, epochs))
    return train


def _validate_every(windows: int, epochs: float) -> int | str:
    """Return an interval of at most 50 validations, and of 10 where that takes little time."""
    if epochs > _MOST_VALIDATIONS:
        return max(1, min(MANY, windows * math.ceil(epochs / _MOST_VALIDATIONS)))
    count = min(10, max(2, round(3 * epochs)))
    return "epoch" if epochs >= count else max(1, math.ceil(windows * epochs / count))


def _as_previous(config: Config, previous: Config) -> Config:
    """Settle what is left open as a run did which is gone on with."""
    config = replace(config, model=_shaped_as(config.model, previous.model))
    values: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key in unset_keys(config):
        section, name = key.split(".")
        values[section][name] = value_of(previous.to_dict(), key)
    if not config.train.has_limit:
        values["train"] |= {name: getattr(previous.train, name) for name in LIMITS}
    if config.train.patience is None:
        values["train"]["patience"] = previous.train.patience
    return replace(
        config,
        model=replace(config.model, **values["model"]),
        train=replace(config.train, **values["train"]),
    )
