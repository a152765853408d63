"""How long a training goes on, in steps."""

from __future__ import annotations

from dataclasses import dataclass

from charrnn.config import TrainConfig


@dataclass(frozen=True)
class Limits:
    """The steps of an epoch and of the whole training."""

    steps_per_epoch: int
    total_steps: int

    @classmethod
    def of(cls, train: TrainConfig, steps_per_epoch: int) -> Limits:
        """Return the limits that a configuration sets; the first one reached counts."""
        limits = []
        if train.max_epochs is not None:
            limits.append(train.max_epochs * steps_per_epoch)
        if train.max_steps is not None:
            limits.append(train.max_steps)
        return cls(steps_per_epoch, min(limits))

    def epoch(self, step: int) -> int:
        """Return the epoch, from 1, that the last of so many steps was in."""
        return max(0, step - 1) // self.steps_per_epoch + 1

    def steps(self, interval: int | str) -> int:
        """Return the steps of an interval: a number of them, or 'epoch'."""
        return self.steps_per_epoch if isinstance(interval, str) else interval
