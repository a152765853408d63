"""Training: the loop, in the order it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import numpy as np

from charrnn.errors import (
    CharRNNError,
    CheckpointError,
    Remedy,
    RunError,
    WorkerError,
    WriteError,
)
from charrnn.kernels.optimizers import gradient_norm
from charrnn.model.evaluation import Score
from charrnn.model.parameters import initial_parameters
from charrnn.model.sampling import sample_in_training
from charrnn.runs.checkpoint import Checkpoint, save_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import MetricsLog
from charrnn.text.corpus import Corpus
from charrnn.training.divergence import (
    MAX_DIVERGENCES,
    backoff,
    given_up,
    not_finite,
    parameters_lost,
)
from charrnn.training.limits import Limits
from charrnn.training.log import TrainingLog
from charrnn.training.optimizer import clip_gradient, learning_rate, new_optimizer
from charrnn.training.reporter import Reporter
from charrnn.training.transfer import VocabularyMatch, transfer_parameters
from charrnn.workers.group import WorkerGroup

Interrupted = Callable[[], int | None]  # the number of the signal that came, or None


class Trainer:
    """A training in progress; it owns the optimizer state and the counters.

    Parameters, gradient and states are in the buffers of its worker group.

    Every random number is drawn from a generator made for the place that it is drawn at (seed,
    step, layer), so there is no generator to keep, and sampling disturbs nothing.
    """

    def __init__(
        self, corpus: Corpus, run: RunFolder, reporter: Reporter, group: WorkerGroup
    ) -> None:
        self.config = config = group.job.config
        self.corpus = corpus
        self.group = group
        self._folder = run
        self._reporter = reporter
        self.limits = Limits.of(config.train, group.worker.windows)
        self.model = group.worker.model
        self.model.parameters[...] = initial_parameters(config.model, self.model.V, config.seed)
        self._optimizer = new_optimizer(config.train, self.model)
        self.counters = Counters()
        self._saved_step, self._saved_at = -1, 0.0
        self._kept_step: int | None = None  # that a resume would go on from
        self._start = 0.0  # by the clock, as if it had never been interrupted; set by `run`

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same run."""
        self.model.parameters[...] = checkpoint.parameters
        for name, array in checkpoint.optimizer_state.items():
            self._optimizer.state[name][...] = array
        self.group.states[...] = checkpoint.states
        self.counters = checkpoint.counters
        self.counters.update_patience(self.config.train.patience)
        if self.config.train.max_minutes != checkpoint.config.train.max_minutes:
            self.counters.out_of_time = self.limits.out_of_time(self.counters.elapsed_s)
            if self.limits.total_s is None:
                self.counters.elapsed_s = 0.0
        self._kept_step = self.counters.step

    def start_from(self, checkpoint: Checkpoint) -> VocabularyMatch:
        """Take over the weights of another run."""
        return transfer_parameters(checkpoint, self.model, self.corpus.vocabulary)

    @property
    def finished(self) -> bool:
        """Whether a limit is reached, and the validation that is due there made."""
        return self._limit_reached and self.counters.validated_step == self.counters.step

    @property
    def _limit_reached(self) -> bool:
        counters = self.counters
        ended = counters.out_of_patience or counters.out_of_time
        return ended or self.limits.out_of_steps(counters.step)

    @property
    def _elapsed_s(self) -> float:
        """How long the training has taken, interruptions left out."""
        return time.monotonic() - self._start

    @property
    def _elapsed_share(self) -> float:
        return self.limits.elapsed_share(self._elapsed_s)

    def run(self, interrupted: Interrupted, metrics: MetricsLog, elapsed_s: float = 0.0) -> None:
        """Train until a limit or a signal; the last checkpoint is written in either case.

        What is due at a step (a line in the metrics, a validation, a checkpoint) is done in that
        order before the next one, also when it was interrupted: a resumed run catches up on it.

        Raises:
            RunError: it diverged too often, a worker is gone, or a file cannot be written. In the
                first two cases what was reached is saved; in each it is said how to go on.
        """
        self._start = time.monotonic() - (self.counters.elapsed_s or elapsed_s)
        self._update_elapsed()
        self._record = TrainingLog(
            self.config, self.model.V, self.limits, metrics, self._reporter, self._start
        )
        self._saved_step, self._saved_at = self.counters.step, time.monotonic()
        total_s = self.limits.total_s
        left_s = None if total_s is None else total_s - self._elapsed_s
        self._reporter.begin(self.counters.step, self.limits.total_steps, left_s)
        try:
            self._run(interrupted)
        except WorkerError as error:
            raise self._saved_after(error) from None
        except WriteError as error:
            raise self._to_resume(error.problem) from None
        finally:
            self._reporter.end()

    def _run(self, interrupted: Interrupted) -> None:
        while not interrupted():
            if self.counters.divergences > MAX_DIVERGENCES:
                self.save()
                counters = self.counters
                raise given_up(counters.step, counters.divergences, self._best())
            if self._validation_due():
                self._validate(interrupted)
                continue
            if self.finished:
                break
            if self._checkpoint_due():
                self.save()
            self._log(*self._step())
        self.save()

    def _saved_after(self, error: WorkerError) -> RunError:
        """Save the training after a worker has failed, and return the error to raise."""
        try:
            self.save()
        except CharRNNError as failure:
            return self._to_resume(f"{error.problem}; {failure.problem}")
        saved = f"{error.problem}; saved at step {self.counters.step:,}"
        return RunError(saved, Remedy("resume=True", "continues from there"))

    def _to_resume(self, problem: str) -> RunError:
        """Name the step that a resume continues from once the write error is fixed."""
        if self._kept_step is None:
            problem += "; no checkpoint had been written yet"
            return RunError(problem, Remedy("resume=True", "starts again once this is fixed"))
        problem += f"; step {self._kept_step:,} is kept"
        return RunError(problem, Remedy("resume=True", "continues from there once this is fixed"))

    def _step(self) -> tuple[float, float]:
        """Read a window, go back through it, clip, update.

        Where the loss or the gradient is not finite there is no update: the states start anew at
        zero, and the learning rate is halved from there on.

        Returns:
            The learning rate, and the gradient's norm before clipping.
        """
        counters, began = self.counters, time.monotonic()
        position = counters.step % self.limits.steps_per_epoch
        if position == 0:
            self.group.states[...] = 0
        chars = self.group.worker.window_length(counters.step) * self.config.train.batch_size
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            nats = self.group.train(counters.step)
            norm = clip_gradient(self.group.gradient, self.config.train)
        if reason := not_finite(nats, norm):
            rate = 0.0
            self._skip_update()
        else:
            rate = self._update()
            self.group.carry_states()
            counters.unlogged_nats += nats
            counters.unlogged_chars += chars
        counters.step += 1
        self._record.step(counters.step, chars, nats, time.monotonic() - began)
        self._update_elapsed()
        if reason:
            self._record.skipped(counters, reason, self._learning_rate())
        return rate, norm

    def _learning_rate(self) -> float:
        """The learning rate of the next step, halved for each update that was skipped."""
        counters, train = self.counters, self.config.train
        scheduled = learning_rate(counters.step, train, self.limits, self._elapsed_share)
        return scheduled * backoff(counters.divergences)

    def _update(self) -> float:
        """Change the parameters by the gradient; return the learning rate.

        Raises:
            RunError: they are beyond what a float holds; they are not to be saved.
        """
        counters = self.counters
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            rate = self._learning_rate()
            parameters, gradient = self.model.parameters, self.group.gradient
            self._optimizer.update(parameters, gradient, rate, counters.step + 1)
        if not math.isfinite(gradient_norm(self.model.parameters)):
            raise parameters_lost(counters.step + 1, rate, self._best())
        return rate

    def _update_elapsed(self) -> None:
        if self.limits.total_s is not None:
            self.counters.elapsed_s = self._elapsed_s
            self.counters.out_of_time = self.limits.out_of_time(self.counters.elapsed_s)

    def _best(self) -> Path | None:
        """The best checkpoint, where there is one that is better than guessing."""
        loss_nats = self.counters.best_loss_nats
        good = loss_nats is not None and loss_nats < math.log(self.model.V)
        return self._folder.best if good else None

    def _skip_update(self) -> None:
        """Let nothing of a gradient that is not finite go on."""
        self.group.states[...] = 0
        self.counters.divergences += 1

    def _log(self, rate: float, norm: float) -> None:
        """Write a training line when it is due: the mean loss of the updates since the last."""
        counters = self.counters
        if counters.step % self.config.train.log_every:
            return
        if not counters.unlogged_chars:  # every update since the last line was skipped
            return
        counters.train_loss_nats = counters.unlogged_nats / counters.unlogged_chars
        self._record.training(counters.step, counters.train_loss_nats, rate, norm)
        counters.unlogged_nats, counters.unlogged_chars = 0.0, 0

    def _validation_due(self) -> bool:
        if self.counters.validated_step == self.counters.step:
            return False
        return self._limit_reached or self._validation_scheduled()

    def _validation_scheduled(self) -> bool:
        return self.counters.step % self.limits.steps(self.config.train.validate_every) == 0

    def _validate(self, interrupted: Interrupted) -> None:
        """Score the validation part, keep the best, count patience; let the model write a sample.

        One that is interrupted leaves nothing, and is made anew by a resumed run.
        """
        counters, train = self.counters, self.config.train
        start, end = self.corpus.split("valid")
        score = Score(0, 0.0)
        if start < end:
            self._record.validating()
            for window in self.group.score_windows(start, end):
                score += window
                if interrupted():
                    return
        sample = self._sample(interrupted)
        if interrupted():
            return
        if start < end:
            scheduled = self._validation_scheduled()  # one at a limit is an extra
            best = counters.record_validation(score.loss_nats, scheduled, train.patience)
            self._record.validated(counters.step, score, best)
        if sample:
            self._record.sample(counters.step, sample)
        counters.validated_step = counters.step
        self._update_elapsed()
        if counters.best_step == counters.step:
            self._write(self._folder.best)
            if self._kept_step is None:
                self._kept_step = counters.step

    def _sample(self, interrupted: Interrupted) -> str:
        """Let the model write as much as is to be shown, or until it is interrupted."""
        length, seed = self.config.train.sample_length, [self.config.seed, self.counters.step]
        if not length:
            return ""
        pieces = sample_in_training(self.model, self.corpus.vocabulary, length, seed)
        return "".join(takewhile(lambda _: not interrupted(), pieces))

    def checkpoint(self) -> Checkpoint:
        """The training as it stands; its arrays are the live ones."""
        return Checkpoint(
            self.config,
            self.corpus.vocabulary,
            self.model.parameters,
            self.counters,
            self._optimizer.state,
            [tuple(layer) for layer in self.group.states],
            self.corpus.text_sha256,
            len(self.corpus.codes),
        )

    def save(self) -> None:
        """Write last.npz."""
        self._write(self._folder.last)
        self._kept_step = self.counters.step
        self._saved_step, self._saved_at = self.counters.step, time.monotonic()

    def _write(self, path: Path) -> None:
        """Write a checkpoint, after the metrics that a run resumed from it does not write again."""
        self._record.flush_to_disk()
        try:
            save_checkpoint(path, self.checkpoint())
        except CheckpointError as error:
            raise WriteError(error.problem) from None

    def _checkpoint_due(self) -> bool:
        every = self.config.train.checkpoint_every
        if isinstance(every, str):
            return time.monotonic() - self._saved_at >= float(every.rstrip("s"))
        return self.counters.step % every == 0 and self.counters.step != self._saved_step
