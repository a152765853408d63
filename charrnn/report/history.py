"""The history of a run, read from its metrics: arrays to draw and samples to show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import RunError
from charrnn.kernels import Array
from charrnn.runs.metrics import SPLITS, read_metrics


class Sample(NamedTuple):
    """A sample that the model wrote at a validation."""

    step: int
    loss_nats: float | None  # of the validation
    elapsed_s: float  # nan if it is not known
    text: str


@dataclass(frozen=True)
class History:
    """The records of a run, in the order of the file."""

    train: Mapping[str, Array]  # step, loss_nats, learning_rate, gradient_norm, chars_per_s
    valid: Mapping[str, Array]  # step, loss_nats
    samples: tuple[Sample, ...]
    skipped: Array  # steps of skipped updates
    elapsed_s: float
    damaged: int  # damaged lines

    @property
    def steps(self) -> int:
        """The last recorded step."""
        last = [of["step"][-1] for of in (self.train, self.valid) if len(of["step"])]
        return int(max([*last, *self.skipped], default=0))

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss in nats of the best validation, or None."""
        losses = self.valid["loss_nats"]
        if not np.isfinite(losses).any():
            return None
        at = int(np.nanargmin(losses))
        return int(self.valid["step"][at]), float(losses[at])

    def clipped_share(self, clip_norm: float | None) -> float | None:
        """Return the share of recorded steps whose gradient was clipped, or None if none can be."""
        norms = self.train["gradient_norm"]
        if clip_norm is None or not len(norms):
            return None
        return float(np.mean(~(norms <= clip_norm)))  # nan counts as clipped


_LARGEST = 1e30  # numbers are drawn between its negative and itself, and 0 below its inverse
_TRAIN = ("step", "loss_nats", "learning_rate", "gradient_norm", "chars_per_s")
_VALID = ("step", "loss_nats")


def read_history(path: Path) -> History:
    """Read the metrics of a run, which may still be training.

    Damaged lines are left out and counted.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        found = read_metrics(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; name a run folder") from None
    records: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for record in found:
        if record is not None:
            records[record["split"]].append(record)
    elapsed = [_number(r.get("elapsed_s")) for of in records.values() for r in of[-1:]]
    by_step = {r["step"]: _number(r.get("loss_nats")) for r in records["valid"]}
    losses = {step: loss for step, loss in by_step.items() if not math.isnan(loss)}
    return History(
        _table(records["train"], _TRAIN),
        _table(records["valid"], _VALID),
        tuple(
            Sample(
                r["step"],
                losses.get(r["step"]),
                _number(r.get("elapsed_s")),
                str(r.get("text", "")),
            )
            for r in records["sample"]
        ),
        np.array([r["step"] for r in records["skipped"]], np.int64),
        max((s for s in elapsed if s > 0), default=0.0),
        found.count(None),
    )


def _table(records: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Array]:
    """Return an array for each name, nan where a record has no number."""
    return {name: np.array([_number(r.get(name)) for r in records], np.float64) for name in names}


def _number(value: Any) -> float:
    """Return a number to draw, or nan."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    if abs(number) < 1 / _LARGEST:
        return 0.0
    return max(-_LARGEST, min(_LARGEST, number)) if math.isfinite(number) else math.nan


class Binned(NamedTuple):
    """A curve as few points, each the lowest, mean and highest value of a stretch."""

    x: Array
    low: Array
    mean: Array
    high: Array


def binned(x: Array, y: Array, most: int) -> Binned:
    """Return a curve as at most `most` points; values that are not finite are left out."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) <= most:
        return Binned(x, y, y, y)
    starts = np.arange(most) * len(x) // most
    counts = np.diff(np.append(starts, len(x)))
    return Binned(
        np.add.reduceat(x, starts) / counts,
        np.minimum.reduceat(y, starts),
        np.add.reduceat(y, starts) / counts,
        np.maximum.reduceat(y, starts),
    )
