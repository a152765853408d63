"""Divergence: when an update is skipped, when a training stops, and the messages about it.

A loss or gradient that is not finite never reaches the parameters: the trainer skips the update,
resets the states to zero and halves the learning rate for the rest of the run. The run's counters
hold the number of skipped updates, so a resumed run keeps the lower rate.
"""

from __future__ import annotations

import math

from charrnn.errors import Remedy, RunError, counted
from charrnn.runs.meta import Counters

MAX_DIVERGENCES = 10  # of a run; a thousandth of the learning rate remains after them
_ENOUGH_STEPS = 100  # in which a model learns at least how frequent the characters are
_NEAR_GUESSING = 0.02  # share of log V
_SETTINGS = "a lower train.learning_rate, a smaller train.clip_norm or more train.warmup_steps"


def backoff(divergences: int) -> float:
    """Return the factor on the scheduled learning rate after a number of skipped updates."""
    return float(0.5**divergences)


def not_finite(nats: float, norm: float) -> str:
    """Return which of the loss and the gradient norm is not finite, or '' if both are finite."""
    if not math.isfinite(nats):
        return f"the loss is {nats}"
    return "" if math.isfinite(norm) else f"the norm of the gradient is {norm}"


def update_skipped(step: int, reason: str, rate: float, divergences: int) -> str:
    """Return the note about a skipped update; `rate` is the learning rate from now on."""
    note = f"step {step:,}: {reason}; the update is skipped"
    if divergences > MAX_DIVERGENCES:
        return note
    return (
        f"{note}, the states are reset to zero, and the learning rate is halved to {rate:.3g} "
        f"({divergences} of at most {counted(MAX_DIVERGENCES, 'time')})"
    )


def given_up(step: int, divergences: int, best: object) -> RunError:
    """Return the error of a training that diverged too often; `best` is a checkpoint or None."""
    return _diverged(
        f"step {step:,}: the training diverged: the loss or the gradient was not finite "
        f"{counted(divergences, 'time')}, although the learning rate was halved each time",
        best,
    )


def parameters_lost(step: int, rate: float, best: object) -> RunError:
    """Return the error of an update that overflowed; `best` is a checkpoint or None."""
    return _diverged(
        f"step {step:,}: the training diverged: an update with learning rate {rate:g} made the "
        "parameters infinite; they are not saved",
        best,
    )


def _diverged(problem: str, best: object) -> RunError:
    problem = f"{problem}. Try {_SETTINGS}"
    if best:
        return RunError(
            problem,
            Remedy("init_from + run_dir", f"starts a new run from {best}"),
        )
    return RunError(problem, Remedy("overwrite=True", "starts again"))


def beats_guessing(loss_nats: float | None, V: int) -> bool:
    """Return whether there is a loss, and it is below that of equally likely characters."""
    return loss_nats is not None and loss_nats < math.log(V)


def no_better_than_guessing(counters: Counters, V: int, epochs: float) -> str:
    """Return a note about a finished training that has learned nothing, or '' if it has.

    Without validations there is no note.

    Args:
        counters: of the training.
        V: size of the vocabulary.
        epochs: that were trained.
    """
    best, trained, guessing = counters.best_loss_nats, counters.train_loss_nats, math.log(V)
    if best is None:
        return ""
    enough = epochs >= 1 and counters.step >= _ENOUGH_STEPS
    at_chance = trained is not None and abs(trained - guessing) <= _NEAR_GUESSING * guessing
    if enough and at_chance and best >= (1 - _NEAR_GUESSING) * guessing:
        return (
            "neither a validation nor the training loss was clearly better than guessing "
            f"({guessing:.2f} nats): the text may have no pattern to learn, as random characters "
            "have none; if it has one, try another train.learning_rate, or a longer training"
        )
    if beats_guessing(best, V):
        return ""
    return (
        f"no validation was better than guessing ({guessing:.2f} nats): try a lower "
        "train.learning_rate, a longer training, or more text"
    )


def worse_than_guessing(loss_nats: float, V: int) -> str:
    """Return a note about a finite loss that is far too high, or '' if it is not."""
    if loss_nats < 2 * math.log(V):
        return ""
    return (
        f"the loss of {loss_nats:.4g} nats is worse than guessing ({math.log(V):.2f}): the "
        "learning rate is probably too high, or the text is so small that the model memorises it; "
        "try a third of train.learning_rate, a smaller model.hidden_size, or more text"
    )
