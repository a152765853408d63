"""Whether a training went on after its best model, and memorised the text."""

from __future__ import annotations

import math

from charrnn.config.schema import TrainConfig
from charrnn.runs.meta import Counters
from charrnn.training.limits import Limits

_EARLY = 0.5  # of the steps; the best validation should not come before
_FEW = 4  # validations, of which the best may be anywhere


def early_best_epoch(counters: Counters, train: TrainConfig, limits: Limits) -> int | None:
    """Return the epoch of the best model if it came long before the end; None if it did not."""
    validations = counters.step / limits.steps(train.validate_every)
    if counters.best_loss_nats is None or validations < _FEW:
        return None
    since = counters.step - counters.best_step
    if counters.best_step > _EARLY * counters.step or since < limits.steps_per_epoch:
        return None
    return math.ceil(counters.best_step / limits.steps_per_epoch)
