"""The training loop: steps, validations, checkpoints, in the order in which they happen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import numpy as np

from charrnn.errors import CheckpointError, WriteError
from charrnn.kernels import Array
from charrnn.kernels.optimizers import flat_norm
from charrnn.model.evaluation import Score
from charrnn.model.language_model import LanguageModel
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
from charrnn.model.record_sampling import RecordSampler
from charrnn.model.sampling_params import SamplingParams
from charrnn.runs.checkpoint import Checkpoint, save_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import MetricsLog
from charrnn.text.corpus import Corpus
from charrnn.text.records import RecordCorpus
from charrnn.training.divergence import (
    MAX_DIVERGENCES,
    backoff,
    beats_guessing,
    given_up,
    not_finite,
    parameters_lost,
)
from charrnn.training.limits import Limits
from charrnn.training.log import TrainingLog
from charrnn.training.optimizer import clip_gradient, new_optimizer, scheduled_rate
from charrnn.training.reporter import Reporter
from charrnn.workers.group import WorkerGroup


class Trainer:
    """A training in progress; owns the optimizer state and the counters.

    Parameters, gradient and states are in the buffers of the worker group.

    Random numbers come from generators seeded by where they are used (seed, step, layer). No
    generator is part of the state, and sampling does not change the training.

    Args:
        corpus: text to train on.
        run: folder to write to.
        reporter: receives what happens.
        group: workers; the configuration and the model are theirs.
    """

    def __init__(
        self, corpus: Corpus, run: RunFolder, reporter: Reporter, group: WorkerGroup
    ) -> None:
        self.config = config = group.job.config
        self.corpus = corpus
        self.group = group
        self._folder = run
        self._reporter = reporter
        self.limits = Limits.of(config.train, group.worker.training_windows.windows)
        self.model = group.worker.model
        self.model.parameters[...] = initial_parameters(
            config.model, self.model.V, config.seed, F=self.model.F
        )
        self._optimizer = new_optimizer(config.train, self.model)
        self.counters = Counters()
        self.kept_step: int | None = None  # of the checkpoint to resume from

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint of the same run."""
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
        self.kept_step = self.counters.step

    @property
    def finished(self) -> bool:
        """Whether a limit is reached and the validation due at it is done."""
        return self._limit_reached and self.counters.validated_step == self.counters.step

    @property
    def _limit_reached(self) -> bool:
        counters = self.counters
        ended = counters.out_of_patience or counters.out_of_time
        return ended or self.limits.out_of_steps(counters.step)

    @property
    def _elapsed_s(self) -> float:
        """Seconds that the training has taken, without interruptions."""
        return time.monotonic() - self._start

    def run(
        self, stop_requested: Callable[[], object], metrics: MetricsLog, elapsed_s: float = 0.0
    ) -> None:
        """Train until a limit is reached or a stop is requested, and write the last checkpoint.

        After a step, its metrics, validation and checkpoint follow in this order if they are due. A
        resumed run catches up on those that an interruption has prevented.

        Args:
            stop_requested: returns a true value if the training is to stop.
            metrics: the run's metrics.jsonl.
            elapsed_s: seconds that the run has taken so far, for a run without a time limit.

        Raises:
            RunError: if the training diverged too often; the last checkpoint is written before.
            WorkerError: if a worker has ended; `save` still works.
            WriteError: if a file cannot be written.
        """
        self._stop_requested = stop_requested
        # The start on the clock, moved forward by the interruptions.
        self._start = time.monotonic() - (self.counters.elapsed_s or elapsed_s)
        self._update_elapsed()
        self._log = TrainingLog(
            self.config, self.model.V, self.limits, metrics, self._reporter, self._start
        )
        self._saved_step, self._saved_at = self.counters.step, time.monotonic()
        total_s = self.limits.total_s
        left_s = None if total_s is None else total_s - self._elapsed_s
        self._reporter.begin(
            self.counters.step, self.limits.total_steps, left_s, self.config.data.tokens
        )
        try:
            self._run()
        finally:
            self._reporter.end()

    def _run(self) -> None:
        counters = self.counters
        while not self._stop_requested():
            if counters.divergences > MAX_DIVERGENCES:
                self.save()
                raise given_up(counters.step, counters.divergences, self._best())
            if self._validation_due():
                self._validate()
                continue
            if self.finished:
                break
            if self._checkpoint_due():
                self.save()
            self._log_training(*self._step())
        self.save()

    def _step(self) -> tuple[float, float]:
        """Train on the next window: gradient, clipping, update.

        If the loss or the gradient is not finite, the update is skipped; see
        `charrnn.training.divergence`.

        Returns:
            The learning rate, 0 for a skipped update, and the gradient norm before clipping.
        """
        counters, start = self.counters, time.monotonic()
        windows = self.group.worker.training_windows
        chars, weight = windows.symbols(counters.step), windows.weight(counters.step)
        with np.errstate(all="ignore"):  # `not_finite` checks
            nats = self.group.train(counters.step)
            norm = clip_gradient(self.group.gradient, self.config.train)
        if reason := not_finite(nats, norm):
            rate = 0.0
            self.group.states[...] = 0
            counters.divergences += 1
        else:
            rate = self._update() if weight else 0.0
            self.group.carry_states()
            counters.unlogged_nats += nats
            counters.unlogged_chars += weight
        counters.step += 1
        self._log.step(counters.step, chars, nats / (weight or 1), time.monotonic() - start)
        self._update_elapsed()
        if reason:
            self._log.skipped(counters, reason, self._learning_rate())
        return rate, norm

    def _learning_rate(self) -> float:
        """Return the learning rate of the next step: scheduled, and halved by each divergence."""
        elapsed_share = self.limits.elapsed_share(self._elapsed_s)
        scheduled = scheduled_rate(
            self.counters.step, self.config.train, self.limits, elapsed_share
        )
        return scheduled * backoff(self.counters.divergences)

    def _update(self) -> float:
        """Update the parameters by the gradient; return the learning rate.

        Raises:
            RunError: if a parameter overflows; the parameters must not be saved then.
        """
        parameters, step = self.model.parameters, self.counters.step + 1
        with np.errstate(all="ignore"):  # checked below
            rate = self._learning_rate()
            self._optimizer.update(parameters, self.group.gradient, rate, step)
        if not math.isfinite(flat_norm(parameters)):
            raise parameters_lost(step, rate, self._best())
        return rate

    def _update_elapsed(self) -> None:
        if self.limits.total_s is not None:
            self.counters.elapsed_s = self._elapsed_s
            self.counters.out_of_time = self.limits.out_of_time(self.counters.elapsed_s)

    def _best(self) -> Path | None:
        """Return best.npz if its loss is better than guessing, else None."""
        good = beats_guessing(self.counters.best_loss_nats, self.model.V)
        return self._folder.best if good else None

    def _log_training(self, rate: float, norm: float) -> None:
        """Write a training line if it is due, with the mean loss since the last one."""
        counters = self.counters
        every_update_skipped = not counters.unlogged_chars  # since the last line
        if counters.step % self.config.train.log_every or every_update_skipped:
            return
        counters.train_loss_nats = counters.unlogged_nats / counters.unlogged_chars
        self._log.training(counters.step, counters.train_loss_nats, rate, norm)
        counters.unlogged_nats, counters.unlogged_chars = 0.0, 0

    def _validation_due(self) -> bool:
        if self.counters.validated_step == self.counters.step:
            return False
        return self._limit_reached or self._validation_scheduled()

    def _validation_scheduled(self) -> bool:
        return self.counters.step % self.limits.steps(self.config.train.validate_every) == 0

    def _validate(self) -> None:
        """Score the validation part, write best.npz if the loss is the lowest, log a sample.

        An interrupted validation leaves nothing; a resumed run repeats it.
        """
        counters, train = self.counters, self.config.train
        start, end = self.corpus.split("valid")
        score = Score(0, 0.0)
        if start < end:
            with self._reporter.progress("validating", *self.group.validated) as advance:
                for window in self.group.validate():
                    score += window
                    advance(window.chars)
                    if self._stop_requested():
                        return
        sample = self._sample()
        if self._stop_requested():
            return
        if start < end:
            scheduled = self._validation_scheduled()  # one at a limit does not use up patience
            best = counters.record_validation(score.loss_nats, scheduled, train.patience)
            self._log.validated(counters.step, score, best)
        if sample:
            self._log.sample(counters.step, sample)
        counters.validated_step = counters.step
        self._update_elapsed()
        if counters.best_step == counters.step:
            self._save(self._folder.best)
            if self.kept_step is None:
                self.kept_step = counters.step

    def _sample(self) -> str:
        """Sample the configured number of characters, or fewer if a stop is requested."""
        length, seed = self.config.train.sample_length, [self.config.seed, self.counters.step]
        length = self._reporter.sample_length if length is None else length
        # With NumPy's gates, like `charrnn sample` of a text: compiled gates round differently.
        model = Model(self.config.model, self.model.V, self.model.parameters, F=self.model.F)
        shown = LanguageModel(self.config, self.corpus.vocabulary, model)
        if length and self.corpus.reverse_prompts is not None:
            return self._replies(shown, length, seed)
        pieces = shown.show(length, seed, self._sampled_features())
        return "".join(takewhile(lambda _: not self._stop_requested(), pieces))

    def _replies(self, shown: LanguageModel, length: int, seed: list[int]) -> str:
        """Return replies to prompts of the validation part, or else of the training part."""
        corpus = self.corpus
        assert isinstance(corpus, RecordCorpus)
        start, end = corpus.split("valid")
        start, end = (start, end) if start < end else corpus.split("train")
        text = ""
        for k, rank in enumerate(start + corpus.starts[start:end].argsort()):
            if len(text) >= length or self._stop_requested():
                break
            codes = corpus.vocabulary.as_read(corpus.prompt_codes(np.array([rank]))[0][1:-1])
            sampler = RecordSampler(
                shown.model,
                corpus.vocabulary,
                codes,
                codes[:0],
                max(1, length),
                SamplingParams.of(corpus.vocabulary),
                [*seed, k],
                rows=1,
                features=corpus.features_of(int(rank)),
            )
            reply = next(sampler.attempts())[0]
            text += f"{corpus.vocabulary.decode(codes)} -> {reply.text}\n"
        return text[:length]

    def _sampled_features(self) -> Array | None:
        """Return the features (F,) of samples: those of the first record for validation.

        Without a validation part, they are those of the first record for training.
        """
        if not isinstance(self.corpus, RecordCorpus):
            return None
        start, end = self.corpus.split("valid")
        part = slice(start, end) if start < end else slice(*self.corpus.split("train"))
        first = part.start + int(self.corpus.starts[part].argmin())
        return self.corpus.features_of(first)

    def checkpoint(self) -> Checkpoint:
        """Return the current state as a checkpoint that shares the training's arrays."""
        return Checkpoint(
            self.config,
            self.corpus.vocabulary,
            self.model.parameters,
            self.counters,
            self._optimizer.state,
            [tuple(layer) for layer in self.group.states],
            self.corpus.text_sha256,
            len(self.corpus.codes),
            self.corpus.cut_points,
            self.limits.steps_per_epoch,
            self.corpus.longest_record,
            self.corpus.labels,
            self.corpus.scale,
        )

    def save(self) -> None:
        """Write last.npz."""
        self._save(self._folder.last)
        self.kept_step = self.counters.step
        self._saved_step, self._saved_at = self.counters.step, time.monotonic()

    def _save(self, path: Path) -> None:
        """Write a checkpoint, after the metrics that a run resumed from it does not write again."""
        self._log.flush_to_disk()
        try:
            save_checkpoint(path, self.checkpoint())
        except CheckpointError as error:
            raise WriteError(error.problem) from None

    def _checkpoint_due(self) -> bool:
        every = self.config.train.checkpoint_every
        if isinstance(every, str):
            return time.monotonic() - self._saved_at >= float(every.rstrip("s"))
        return self.counters.step % every == 0 and self.counters.step != self._saved_step
