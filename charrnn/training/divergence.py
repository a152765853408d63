"""A training that diverges: what is done about it, when it is given up, and what is said.

A loss or a gradient that is not finite never reaches the parameters. The update is skipped, the
states start anew at zero, and the learning rate is halved from there on. The count of these is
part of a run's counters, so that a resumed run has it too.
"""

from __future__ import annotations

import math

MAX_DIVERGENCES = 10  # of a run; after these there is a thousandth left of the learning rate
_REMEDY = "a lower train.learning_rate, a smaller train.clip_norm or more train.warmup_steps"


def rate_share(divergences: int) -> float:
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


def given_up(step: int, divergences: int, best: object) -> str:
    """Say why a training ends that has diverged too often; `best` is a checkpoint worth keeping."""
    return (
        f"step {step:,}: the training diverged: {divergences} times the loss or the gradient was "
        "not finite, and halving the learning rate each time has not helped. "
        f"{_what_to_try(best)}"
    )


def parameters_lost(step: int, rate: float, best: object) -> str:
    """Say why a training ends whose update was too large for a float."""
    return (
        f"step {step:,}: the training diverged: an update with learning rate {rate:g} made the "
        f"parameters infinite; they are not saved. {_what_to_try(best)}"
    )


def _what_to_try(best: object) -> str:
    if best:
        return f"Begin a new run from {best} (--init-from, --run-dir) with {_REMEDY}"
    return f"Begin anew (--overwrite) with {_REMEDY}"


def worse_than_guessing(loss_nats: float, V: int) -> str:
    """Say that something seems wrong, where it does: a finite loss that is far too high."""
    if loss_nats < 2 * math.log(V):
        return ""
    return (
        f"the loss of {loss_nats:.4g} nats is worse than guessing ({math.log(V):.2f}): the "
        "learning rate is probably too high, or the text so small that it is learnt by heart"
    )
