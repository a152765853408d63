"""What a training leaves of each step and validation: lines in its metrics, and what is said."""

from __future__ import annotations

import math
import time

from charrnn.config.schema import Config
from charrnn.model.evaluation import Score
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import MetricsLog
from charrnn.system.terminal import visible
from charrnn.training.divergence import update_skipped, worse_than_guessing
from charrnn.training.limits import Limits
from charrnn.training.reporter import Reporter


class TrainingLog:
    """Writes to the metrics and tells the reporter; keeps the time.

    Args:
        config: of the run.
        V: characters in the vocabulary.
        limits: of the run.
        metrics: the file.
        reporter: told the same, in words.
        start: when it began, by the clock `time.monotonic`, as if it had never been interrupted.
    """

    def __init__(
        self,
        config: Config,
        V: int,
        limits: Limits,
        metrics: MetricsLog,
        reporter: Reporter,
        start: float,
    ) -> None:
        self._config = config
        self._V = V
        self._limits = limits
        self._metrics = metrics
        self._reporter = reporter
        self._start = start
        self._busy_s, self._busy_chars = 0.0, 0  # in steps since the last line of one
        self._warned = False  # that the loss is far too high

    def step(self, step: int, chars: int, nats: float, seconds: float) -> None:
        """A step is done: its loss is the sum over so many characters."""
        self._busy_s += seconds
        self._busy_chars += chars
        self._reporter.step(self._limits.epoch(step), chars, nats / chars, seconds)

    def training(self, step: int, loss_nats: float, rate: float, norm: float) -> None:
        """A training line is due."""
        self._look_at(step, loss_nats)
        self._write(
            step,
            "train",
            loss_nats=loss_nats,
            learning_rate=rate,
            gradient_norm=norm if math.isfinite(norm) else None,
            chars_per_s=round(self._busy_chars / max(self._busy_s, 1e-9)),
        )
        self._busy_s, self._busy_chars = 0.0, 0

    def skipped(self, counters: Counters, reason: str, rate: float) -> None:
        """An update was skipped; `rate` is what the learning rate is from here on."""
        self._write(counters.step, "skipped", reason=reason, learning_rate=rate)
        self._reporter.note(update_skipped(counters.step, reason, rate, counters.divergences))

    def validating(self) -> None:
        """A validation begins."""
        self._reporter.validating()

    def validated(self, step: int, score: Score, best: bool) -> None:
        """A validation is done."""
        self._write(
            step, "valid", loss_nats=score.loss_nats, bits_per_char=score.bits_per_char, best=best
        )
        self._reporter.note(
            f"epoch {self._limits.epoch(step)}  step {step:,}  validation {score.loss_nats:.4f} "
            f"nats/{self._config.data.tokens} ({score.bits_per_char:.3f} bits)"
            + ("  best" if best else "")
        )
        self._look_at(step, score.loss_nats)

    def sample(self, step: int, text: str) -> None:
        """The model as it is has written a text."""
        self._write(step, "sample", text=text)
        self._reporter.note("\n".join(f"  | {line}" for line in visible(text).split("\n")))

    def flush_to_disk(self) -> None:
        """Make the lines last: due before a checkpoint that presupposes them."""
        self._metrics.flush_to_disk()

    def _look_at(self, step: int, loss_nats: float) -> None:
        """Remark on a loss that is far too high, once."""
        note = worse_than_guessing(loss_nats, self._V)
        if note and not self._warned:
            self._warned = True
            self._reporter.note(f"step {step:,}: {note}")

    def _write(self, step: int, split: str, **figures: object) -> None:
        self._metrics.write(
            step=step,
            epoch=self._limits.epoch(step),
            split=split,
            **figures,
            elapsed_s=round(time.monotonic() - self._start, 3),
        )
