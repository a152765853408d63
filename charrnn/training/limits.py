"""The length of a training: in steps, in seconds, or both; the first limit reached ends it."""

from __future__ import annotations

from dataclasses import dataclass

from charrnn.config.schema import TrainConfig
from charrnn.runs.meta import Counters


@dataclass(frozen=True)
class Limits:
    """The limits of a training; None stands for no limit of that kind."""

    steps_per_epoch: int
    total_steps: int | None
    total_s: float | None = None

    @classmethod
    def of(cls, train: TrainConfig, steps_per_epoch: int) -> Limits:
        """Return the limits that a configuration sets."""
        steps = []
        if train.max_epochs is not None:
            steps.append(train.max_epochs * steps_per_epoch)
        if train.max_steps is not None:
            steps.append(train.max_steps)
        seconds = None if train.max_minutes is None else 60 * train.max_minutes
        return cls(steps_per_epoch, min(steps, default=None), seconds)

    def out_of_steps(self, step: int) -> bool:
        """Return whether the limit on steps is reached after a number of steps."""
        return self.total_steps is not None and step >= self.total_steps

    def out_of_time(self, elapsed_s: float) -> bool:
        """Return whether the limit on time is reached after a number of seconds."""
        return self.total_s is not None and elapsed_s >= self.total_s

    def elapsed_share(self, elapsed_s: float) -> float:
        """Return the elapsed share of the time limit; 0 without one."""
        return 0.0 if self.total_s is None else elapsed_s / self.total_s

    def epoch(self, step: int) -> int:
        """Return the epoch, counted from 1, of the last of a number of steps."""
        return max(0, step - 1) // self.steps_per_epoch + 1

    def steps(self, interval: int | str) -> int:
        """Return the steps of an interval: itself, or those of 'epoch'."""
        return self.steps_per_epoch if isinstance(interval, str) else interval


def reached_limits(train: TrainConfig, counters: Counters, steps_per_epoch: int) -> list[str]:
    """Return the keys of the section train that ended a training; none if it is not finished."""
    epochs = counters.step // steps_per_epoch
    reached = {
        "max_epochs": train.max_epochs is not None and epochs >= train.max_epochs,
        "max_steps": train.max_steps is not None and counters.step >= train.max_steps,
        "max_minutes": counters.out_of_time,
        "patience": counters.out_of_patience,
    }
    return [key for key, is_reached in reached.items() if is_reached]
