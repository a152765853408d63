"""Default hyperparameters, chosen from the size of the text.

`fill_defaults` gives every unset key of a configuration a value. It is a pure function of the
configuration, the sizes of the text and the size of the vocabulary:

    cell, num_layers              a Mogrifier of two layers (`fill_defaults`)
    hidden_size                   larger for more work, smaller if little of the text is read twice
                                  (`_hidden_size`)
    batch_size, seq_length        32 and 80, or less for a small text (`_with_windows`)
    max_epochs                    what the work allows, at most 100 (`_epochs`)
    dropout, weight_dropout       more for more epochs, and for more parameters per character; half
                                  for fine-tuning; no weight dropout where a text is written for a
                                  prompt (`_with_dropout`)
    learning_rate                 by optimizer and cell; lower for a larger model, for many steps
                                  and for fine-tuning to a near text (`_with_rate`, `_rate_share`)
    weight_decay                  the optimizer's; lower for a long training (`_with_rate`)
    warmup_steps, validate_every  by the number of steps (`_with_length`)
    valid_chars                   all, or a twentieth of the time's (`_valid_chars`)
    prompt_weight, early_weight   0.1 and 1 for labels ("Labels, predicted early"; `_with_weights`)
    activation_penalty            1 for a text, 0 for records (`_with_weights`)

"Work" is the number of floating-point operations in the matrix products of the whole training. The
comments on the constants name, in quotes, the section of tests/benchmarks/EXPERIMENTS.md that
supports them; a constant without a section is a choice that was not measured.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.config.schema import (
    LIMITS,
    SHAPE,
    Config,
    ModelConfig,
    TrainConfig,
    unset_keys,
)
from charrnn.config.values import MAX_INT
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS
from charrnn.model.parameters import parameter_count, training_flops
from charrnn.text.windows import Sizes
from charrnn.training.limits import Limits

# "How large, how long": 1e14 operations train an LSTM of 2 x 256 on tiny Shakespeare for 21 epochs.
_WORK_AT_1_MB = 1e14  # operations
_WORK_EXPONENT = 0.5  # ten times the text gets three times the work
OPERATIONS_PER_S = 1e11  # of all cores, on a machine that has not been measured

_MIN_UNITS, _MAX_UNITS, _UNITS_STEP = 32, 512, 32  # hidden_size is a multiple of the step
_MAX_WORK_RATIO = 8.0  # of the work to `work_for`; more does not make the model larger
# "How large, where a text is not read many times":
_CHARS_PER_PARAMETER = 40.0  # characters read per parameter, if each is read a few times only
_FEW_AND_MANY_EPOCHS = (3.0, 8.0)  # between them, hidden_size changes from one rule to the other
# "Fine-tuning": shares of a new model's dropout, and of its learning rate for a near text. Near and
# far are how much more nats a character the source needs for the text than for its own.
_TUNED_DROPOUT, _NEAR_RATE = 0.5, 0.4
_NEAR_NATS, _FAR_NATS = 0.7, 1.9

MOST_EPOCHS = 100  # without a configured limit
_MAX_VALIDATIONS = 50
_MIN_VALIDATIONS = 10  # the least that this bound falls to, for a large validation part

_MIN_UNITS_TRIED = 96  # smaller models get the learning rate of this hidden size
# "Long trainings": from _MANY_STEPS on, the learning rate falls with the root of the steps.
_MANY_STEPS = 12_000
# The same section: upper bounds on weight_decay x learning_rate x steps, in the whole training and
# per epoch; the larger of the two counts. Decay also regularises a text that is read many times.
_MAX_DECAY, _MAX_DECAY_PER_EPOCH = 8.0, 0.8


_VALIDATION_SHARE = 0.05  # of the time, for all validations
_MAX_VALIDATION_SHARE = 0.25  # of the time of steps, where the text is small beside what is scored
_SCORING = 1 / 3  # of the work of training, per character
_LEAST_SCORED = 200_000  # characters of a validation


class Source(NamedTuple):
    """What a training starts from."""

    model: ModelConfig
    surplus_nats: float  # its loss on the new text, less that on the text it was trained on


def fill_defaults(
    config: Config,
    sizes: Sizes,
    V: int,
    *,
    previous: Config | None = None,
    source: Source | None = None,
    work: float | None = None,
    ranks: int | None = None,
) -> Config:
    """Return a configuration in which every key has a value.

    Args:
        config: configuration with unset keys.
        sizes: of the text.
        V: size of the vocabulary.
        previous: settings of the run being resumed; unset keys get its values.
        source: what the training starts from; unset keys of the model's shape get its values.
        work: operations that the training may take; by default those of `max_minutes` on a machine
            of OPERATIONS_PER_S, or else `work_for` the training part.
        ranks: number of MPI processes, which is the number of workers.

    Returns:
        The configuration; only `train.workers` and `train.backend` may still be "auto".
    """
    if previous is not None:
        return _filled_from_previous(config, previous)
    if source is not None:
        config = replace(config, model=_with_shape_of(config.model, source.model))
    n = max(2, sizes.train)
    given = OPERATIONS_PER_S * 60 * (config.train.max_minutes or 0)
    work = max(1.0, work or given or work_for(n))
    model = config.model
    model = replace(model, cell=model.cell or "mogrifier", num_layers=model.num_layers or 2)
    if model.hidden_size is None:
        model = replace(model, hidden_size=_hidden_size(model, n, V, work))
    workers = ranks or config.train.workers
    workers = workers if isinstance(workers, int) else 1  # each needs at least one stream
    train = _with_windows(config.train, sizes, workers)
    train = _with_weights(train, sizes, records=config.data.records is not None)
    epochs = _epochs(train, sizes, n, work / training_flops(model, V))
    keeps_prompt = sizes.prompts and sizes.labels != "reply"
    share = 1.0 if source is None else _TUNED_DROPOUT
    model = _with_dropout(model, n, V, epochs, keeps_prompt=keeps_prompt, share=share)
    train = _with_length(train, sizes, epochs)
    rate = 1.0 if source is None else _rate_share(source.surplus_nats)
    train = _with_rate(train, model, sizes, epochs, rate)
    return replace(config, model=model, train=train)


def filled_keys(config: Config, filled: Config) -> dict[str, Any]:
    """Return the values that `fill_defaults` gave to unset keys, by dotted key."""
    values = filled.by_key()
    return {key: values[key] for key in unset_keys(config)}


def work_for(n: int) -> float:
    """Return the work, in operations, that suits a training part of n characters."""
    return _WORK_AT_1_MB * math.pow(n / 1e6, _WORK_EXPONENT)


def _with_shape_of(model: ModelConfig, source: ModelConfig) -> ModelConfig:
    """Fill in the unset keys of a model's shape from another model."""
    missing = {name: getattr(source, name) for name in SHAPE if getattr(model, name) is None}
    return replace(model, **missing)


def _hidden_size(model: ModelConfig, n: int, V: int, work: float) -> int:
    """Return the hidden size that suits the work and the text.

    If the text is read many times, the work decides: 268.8 units for 1e14 operations ("How large,
    how long") and twice as many for 32 times the work. If each character is read a few times only,
    the best model is read 40 characters per parameter ("How large, where a text is not read many
    times"). In between, the size is interpolated on a logarithmic scale.
    """
    many = 268.8 * math.pow(min(work, _MAX_WORK_RATIO * work_for(n)) / 1e14, 0.2)
    parameters = math.sqrt(work / (6 * _CHARS_PER_PARAMETER))  # 6 operations per character each
    at_128 = training_flops(replace(model, hidden_size=128), V) / 6
    few = min(many, 128 * math.sqrt(parameters / at_128))
    epochs = _CHARS_PER_PARAMETER * parameters / n
    low, high = (math.log(bound) for bound in _FEW_AND_MANY_EPOCHS)
    share = max(0.0, min(1.0, (math.log(epochs) - low) / (high - low)))
    units = math.exp(share * math.log(many) + (1 - share) * math.log(few))
    return max(_MIN_UNITS, min(_MAX_UNITS, _UNITS_STEP * round(units / _UNITS_STEP)))


def _with_windows(train: TrainConfig, sizes: Sizes, workers: int) -> TrainConfig:
    """Fill in T = 80 steps of N = 32 streams ("What pays"), or fewer for a small text.

    Rows of short records are more, so that a step has as many symbols. Windows of prompts and
    replies are longer, so that the gradient of a reply reaches its prompt.

    Args:
        train: configuration.
        sizes: of the text.
        workers: lower bound on N.
    """
    N, streams = train.batch_size, train.streams or "fresh"
    T = train.seq_length or max(1, min(sizes.long_window, sizes.most_steps(N, workers)))
    N = N or max(workers, sizes.rows(32 * 80, T))
    return replace(train, seq_length=T, batch_size=N, streams=streams)


def _with_weights(train: TrainConfig, sizes: Sizes, *, records: bool) -> TrainConfig:
    """Fill in the weights of the loss: of prompts and early targets, which help labels, and of the
    penalty on activations, which helps texts ("Fewer operations for the same loss")."""
    if train.prompt_weight is None:
        train = replace(train, prompt_weight=0.1 if sizes.labels else 0.0)
    if train.early_weight is None:
        train = replace(train, early_weight=1.0 if sizes.labels == "reply" else 0.0)
    if train.activation_penalty is None:
        train = replace(train, activation_penalty=0.0 if records else 1.0)
    return train


def _epochs(train: TrainConfig, sizes: Sizes, n: int, chars: float) -> float:
    """Return the epochs of a training; without a limit it reads about `chars` of n characters."""
    limits = []
    if train.max_epochs is not None:
        limits.append(float(train.max_epochs))
    if train.max_steps is not None:
        limits.append(sizes.epochs_in(train.max_steps, train))
    if train.max_minutes is not None:
        limits.append(chars / n)
    return min(limits, default=float(min(MOST_EPOCHS, max(1, round(chars / n)))))


def _with_dropout(
    model: ModelConfig, n: int, V: int, epochs: float, *, keeps_prompt: bool, share: float
) -> ModelConfig:
    """Fill in the dropout, which grows with the epochs and with the parameters per character.

    The constants fit the best rows of "Rate, dropout and decay of the weights go together". Where
    the states have to keep a prompt to write a text for it, no recurrent weight is dropped ("A text
    for a label", "Prompts and replies that are both many"). Fine-tuning takes a share.
    """
    rate = 0.09 * math.log2(max(epochs, 1e-3) / 6.5)
    rate += 0.06 * math.log2(parameter_count(model, V) / n)
    rate = round(share * max(0.0, min(0.5, rate)), 2)
    if model.dropout is None:
        model = replace(model, dropout=rate)
    if model.weight_dropout is None:
        model = replace(model, weight_dropout=0.0 if keeps_prompt else rate)
    return replace(model, dropout_per=model.dropout_per or "window")


def _with_rate(
    train: TrainConfig, model: ModelConfig, sizes: Sizes, epochs: float, share: float
) -> TrainConfig:
    """Fill in the learning rate and the weight decay.

    The learning rate is the optimizer's default times the cell's factor ("The rate once more"). It
    falls with the root of the hidden size: a pre-activation sums over the units, so that an update
    of every weight changes it more in a larger layer. It also falls with the root of the steps if
    these are many ("Long trainings"): with little decay, weights drift by the learning rate times
    the root of the steps, until gradients explode.
    """
    steps = epochs * sizes.windows_in_epoch(train)
    if train.learning_rate is None:
        rate = OPTIMIZERS[train.optimizer].learning_rate
        rate *= math.sqrt(256 / max(_MIN_UNITS_TRIED, model.hidden_size))
        rate *= CELLS[model.cell].learning_rate_scale * share
        rate *= math.sqrt(_MANY_STEPS / max(_MANY_STEPS, steps))
        rate = max(float(f"{rate:.2g}"), train.min_learning_rate)
        train = replace(train, learning_rate=rate)
    default = OPTIMIZERS[train.optimizer].hyperparameters.get("weight_decay")
    if train.weight_decay is None and default is not None:
        bound = max(_MAX_DECAY, _MAX_DECAY_PER_EPOCH * epochs)
        decay = default / max(1.0, default * train.learning_rate * steps / bound)
        train = replace(train, weight_decay=float(f"{decay:.2g}"))
    return train


def _rate_share(surplus_nats: float) -> float:
    """Return the share of a new model's learning rate that suits a source.

    The weights of a near source need small changes; those of a far one are little more than a good
    beginning. In between, the share is interpolated on a logarithmic scale.
    """
    nearness = (_FAR_NATS - surplus_nats) / (_FAR_NATS - _NEAR_NATS)
    return math.pow(_NEAR_RATE, max(0.0, min(1.0, nearness)))


def _with_length(train: TrainConfig, sizes: Sizes, epochs: float) -> TrainConfig:
    """Fill in what depends on the number of steps: the end, the warm-up, the validations."""
    if not train.has_limit:
        train = replace(train, max_epochs=int(epochs))
    windows = sizes.windows_in_epoch(train)
    if train.warmup_steps is None:
        train = replace(train, warmup_steps=min(200, round(epochs * windows / 20)))
    if train.validate_every is None:
        train = replace(train, validate_every=_validate_every(windows, epochs, sizes))
    if train.valid_chars is None:
        train = replace(train, valid_chars=_valid_chars(train, sizes, epochs))
    return train


def _valid_chars(train: TrainConfig, sizes: Sizes, epochs: float) -> int:
    """Return the characters that a validation scores; 0 for all of them.

    Scoring takes a third of the work of training, so all validations together take a twentieth of
    the time at most, unless each of them scores the fewest characters that say something.
    """
    windows = sizes.windows_in_epoch(train)
    every = max(1, Limits(windows, None).steps(train.validate_every))  # a text may be too small
    validations = max(1, math.ceil(epochs * windows / every))
    share = _VALIDATION_SHARE / _SCORING
    chars = max(_LEAST_SCORED, round(share * epochs * sizes.train / validations))
    return 0 if chars >= sizes.others[0] else chars


def _validate_every(windows: int, epochs: float, sizes: Sizes) -> int | str:
    """Return the interval of about three validations per epoch: at least 2, at most 10 in all.

    A training of at least 10 epochs validates once per epoch, or once in several epochs where that
    would be more than 50 times. The bound is lower than 50, but not than 10, where the validation
    part is so large that scoring it takes more than a quarter of the time of the steps.
    """
    share = epochs * sizes.train * _MAX_VALIDATION_SHARE / (_SCORING * max(1, sizes.others[0]))
    most = min(_MAX_VALIDATIONS, max(_MIN_VALIDATIONS, share))
    if epochs > most:
        return max(1, min(MAX_INT, windows * math.ceil(epochs / most)))
    count = min(10, max(2, round(3 * epochs)))
    return "epoch" if epochs >= count else max(1, math.ceil(windows * epochs / count))


def _filled_from_previous(config: Config, previous: Config) -> Config:
    """Fill in unset keys, and unset limits, from the configuration of the run being resumed."""
    config = replace(config, model=_with_shape_of(config.model, previous.model))
    values: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key in unset_keys(config):
        section, name = key.split(".")
        values[section][name] = previous.by_key()[key]
    if not config.train.has_limit:
        values["train"] |= {name: getattr(previous.train, name) for name in LIMITS}
    if config.train.patience is None:
        values["train"]["patience"] = previous.train.patience
    return replace(
        config,
        model=replace(config.model, **values["model"]),
        train=replace(config.train, **values["train"]),
    )
