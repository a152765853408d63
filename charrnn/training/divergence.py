"""A training that diverges: what is done about it, when it is given up, and what is said.

A loss or a gradient that is not finite never reaches the parameters. The update is skipped, the
states start anew at zero, and the learning rate is halved from there on. The count of these is
part of a run's counters, so that a resumed run has it too.
"""

from __future__ import annotations

import math

from charrnn.errors import Remedy, RunError

MAX_DIVERGENCES = 10  # of a run; after these there is a thousandth left of the learning rate
_SETTINGS = "a lower train.learning_rate, a smaller train.clip_norm or more train.warmup_steps"


def backoff(divergences: int) -> float:
    """Return what is left of the scheduled learning rate."""
    return float(0.5**divergences)


def not_finite(nats: float, norm: float) -> str:
    """Say which of loss and norm of the gradient is not finite; nothing where both are."""
    if not math.isfinite(nats):
        return f"the loss is {nats}"
    return "" if math.isfinite(norm) else f"the norm of the gradient is {norm}"


def update_skipped(step: int, reason: str, rate: float, divergences: int) -> str:
    """Say what was done at a step."""
    done = f"step {step:,}: {reason}; the update is skipped"
    if divergences > MAX_DIVERGENCES:
        return done
    return (
        f"{done}, the states start anew at zero, and the learning rate is halved from here on, to "
        f"{rate:.3g} ({divergences} of at most {MAX_DIVERGENCES} times)"
    )


def given_up(step: int, divergences: int, best: object) -> RunError:
    """Return the error of a training that diverged too often; `best` is a checkpoint to use."""
    return _diverged(
        f"step {step:,}: the training diverged: {divergences} times the loss or the gradient was "
        "not finite, and halving the learning rate each time has not helped",
        best,
    )


def parameters_lost(step: int, rate: float, best: object) -> RunError:
    """Return the error of a training whose update was too large for a float."""
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
            Remedy("init_from", f"starts from {best}"),
            Remedy("run_dir", "names a folder for it"),
        )
    return RunError(problem, Remedy("overwrite=True", "starts again"))


def worse_than_guessing(loss_nats: float, V: int) -> str:
    """Say that something seems wrong, where it does: a finite loss that is far too high."""
    if loss_nats < 2 * math.log(V):
        return ""
    return (
        f"the loss of {loss_nats:.4g} nats is worse than guessing ({math.log(V):.2f}): the "
        "learning rate is probably too high, or the text so small that it is learnt by heart"
    )
