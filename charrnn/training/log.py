"""The log of a training: one line in metrics.jsonl for each event, and a note on the terminal.

To add a figure to the training lines of metrics.jsonl, write it in `TrainingLog.training`; a figure
that only the trainer knows is one more argument there, passed by `Trainer._log_training`. The
report's charts read the names listed in `charrnn.report.history`.
"""

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

_BEST = "  best"  # at the end of a line
# Between lines of a sample on one line. Where several lines belong together, as inspect shows them.
_JOINTS = {"": "↵ ", "paragraph": "↵ ", "line": ", "}


class TrainingLog:
    """Writes the events of a training to metrics.jsonl and passes them to a reporter.

    Args:
        config: configuration of the run.
        V: size of the vocabulary.
        limits: limits of the run.
        metrics: the run's metrics.jsonl.
        reporter: receives the same events.
        start: start of the training on the clock `time.monotonic`, moved forward by the
            interruptions.
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
        self._busy_s, self._busy_chars = 0.0, 0  # in steps since the last training line
        self._warned = False  # about a loss that is far too high

    def step(self, step: int, chars: int, loss_nats: float, seconds: float) -> None:
        """Report a step and count its time.

        Args:
            step: steps made so far.
            chars: characters of the step.
            loss_nats: the mean loss of the step.
            seconds: time that the step took.
        """
        self._busy_s += seconds
        self._busy_chars += chars
        self._reporter.step(self._limits.epoch(step), chars, loss_nats, seconds)

    def training(self, step: int, loss_nats: float, rate: float, norm: float) -> None:
        """Write a training line.

        Args:
            step: steps made so far.
            loss_nats: mean loss since the last training line, nats per character.
            rate: learning rate of the step.
            norm: gradient norm of the step, before clipping.
        """
        self._warn_if_high(step, loss_nats)
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
        """Log a skipped update; `rate` is the learning rate from now on."""
        self._write(counters.step, "skipped", reason=reason, learning_rate=rate)
        self._reporter.note(update_skipped(counters.step, reason, rate, counters.divergences))

    def validated(self, step: int, score: Score, best: bool) -> None:
        """Log a validation; `best` says whether its loss is the lowest so far."""
        self._write(
            step, "valid", loss_nats=score.loss_nats, bits_per_char=score.bits_per_char, best=best
        )
        bits, end = f" ({score.bits_per_char:.3f} bits)", _BEST if best else ""
        self._reporter.note(
            f"epoch {self._limits.epoch(step)}  step {step:,}  validation {score.loss_nats:.4f} "
            f"nats/{self._config.data.tokens}{bits}{end}",
            strong=end,
            spare=bits,
        )
        self._warn_if_high(step, score.loss_nats)

    def sample(self, step: int, text: str) -> None:
        """Log a text sampled from the model."""
        self._write(step, "sample", text=text)
        if self._config.train.sample_length is None:  # a line or two
            joint = _JOINTS.get(self._config.data.records or "", "; ")
            text = joint.join(" ".join(line.split()) for line in text.splitlines() if line.strip())
        self._reporter.note(visible(text), mark="  | ")

    def flush_to_disk(self) -> None:
        """Make the lines permanent, before a checkpoint after which they are not written again."""
        self._metrics.flush_to_disk()

    def _warn_if_high(self, step: int, loss_nats: float) -> None:
        """Report a loss that is far too high, once."""
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
