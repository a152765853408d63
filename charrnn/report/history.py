"""The history of a run, from its metrics: arrays to draw, samples to show."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import RunError
from charrnn.kernels import Array


class Sample(NamedTuple):
    """What the model wrote at a validation."""

    step: int
    loss_nats: float | None  # of that validation
    text: str


@dataclass(frozen=True)
class History:
    """What was recorded of a run; each array is by record, in the order of the steps."""

    train: Mapping[str, Array]  # step, loss_nats, learning_rate, gradient_norm, chars_per_s
    valid: Mapping[str, Array]  # step, loss_nats
    samples: tuple[Sample, ...]
    skipped: Array  # steps of updates that were skipped
    elapsed_s: float
    damaged: int  # lines that cannot be read

    @property
    def steps(self) -> int:
        """The last step that something was recorded of."""
        last = [of["step"][-1] for of in (self.train, self.valid) if len(of["step"])]
        return int(max([*last, *self.skipped], default=0))

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss of the lowest validation."""
        losses = self.valid["loss_nats"]
        if not np.isfinite(losses).any():
            return None
        at = int(np.nanargmin(losses))
        return int(self.valid["step"][at]), float(losses[at])

    def clipped_share(self, clip_norm: float | None) -> float | None:
        """Return the share of the recorded steps whose gradient was clipped."""
        norms = self.train["gradient_norm"]
        if clip_norm is None or not len(norms):
            return None
        return float(np.mean(~(norms <= clip_norm)))  # one that is not finite was, too


_LARGEST = 1e30  # that is drawn; what is larger is shown as it, and one over it as 0
_MOST_STEPS = 2**53
_TRAIN = ("step", "loss_nats", "learning_rate", "gradient_norm", "chars_per_s")
_VALID = ("step", "loss_nats")


def read_history(path: Path) -> History:
    """Read a run's metrics, of one that is still being written too.

    Lines that are damaged, or of a kind that is not known, are left out and counted.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; name a run's folder") from None
    records: dict[str, list[dict[str, Any]]] = {
        split: [] for split in ("train", "valid", "sample", "skipped")
    }
    damaged = 0
    for line in lines[:-1]:  # what comes after the last line's end is still being written
        try:
            record = json.loads(line)
            kind = records[record["split"]]
            record["step"] = int(record["step"])
            if not 0 <= record["step"] < _MOST_STEPS:
                raise ValueError
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            damaged += 1
            continue
        kind.append(record)
    elapsed = [_number(r.get("elapsed_s")) for of in records.values() for r in of[-1:]]
    found = {r["step"]: _number(r.get("loss_nats")) for r in records["valid"]}
    losses = {step: loss for step, loss in found.items() if not math.isnan(loss)}
    return History(
        _table(records["train"], _TRAIN),
        _table(records["valid"], _VALID),
        tuple(
            Sample(r["step"], losses.get(r["step"]), str(r.get("text", "")))
            for r in records["sample"]
        ),
        np.array([r["step"] for r in records["skipped"]], np.int64),
        max((s for s in elapsed if s > 0), default=0.0),
        damaged,
    )


def _table(records: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Array]:
    """Return a column for each name; nan where a record has no number."""
    kept = list(records)
    return {name: np.array([_number(r.get(name)) for r in kept], np.float64) for name in names}


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    if abs(number) < 1 / _LARGEST:
        return 0.0
    return max(-_LARGEST, min(_LARGEST, number)) if math.isfinite(number) else math.nan


class Binned(NamedTuple):
    """A long curve as few points: of each stretch the lowest, the mean and the highest value."""

    x: Array
    low: Array
    mean: Array
    high: Array


def binned(x: Array, y: Array, most: int) -> Binned:
    """Return a curve of at most so many points; what is not finite is left out."""
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
