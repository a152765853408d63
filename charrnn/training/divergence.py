"""Divergence: when an update is skipped, when a training stops, and the messages about it.

A loss or gradient that is not finite never reaches the parameters: the trainer skips the update,
resets the states to zero and halves the learning rate for the rest of the run. The run's counters
hold the number of skipped updates, so a resumed run keeps the lower rate.
"""

from __future__ import annotations

import math

from charrnn.errors import Remedy, RunError, counted

MAX_DIVERGENCES = 10  # of a run; a thousandth of the learning rate remains after them
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


def no_better_than_guessing(best_loss_nats: float | None, V: int) -> str:
    """Return a note about a finished training that has learned nothing, or '' if it has.

    Without validations, `best_loss_nats` is None and there is no note.
    """
    if best_loss_nats is None or beats_guessing(best_loss_nats, V):
        return ""
    return (
        f"no validation was better than guessing ({math.log(V):.2f} nats): try a lower "
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
