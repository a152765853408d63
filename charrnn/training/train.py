"""A training from its configuration to its outcome: the folder, where to begin, what is said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from charrnn.backends.backend import compiling_note
from charrnn.config.reader import config_from_dict, load_config
from charrnn.config.schema import Config
from charrnn.errors import CheckpointError, Remedy, RunError, with_remedies
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.lock import lock_run
from charrnn.runs.metrics import MetricsLog
from charrnn.system.signals import graceful_interrupts
from charrnn.system.terminal import shortest
from charrnn.text.corpus import Corpus, load_corpus
from charrnn.text.size_check import check_sizes
from charrnn.training.recipe import fill_defaults, filled_keys
from charrnn.training.reporter import Reporter
from charrnn.training.resume import (
    check_best,
    check_same_text,
    checkpoint_to_resume,
    prepare_folder,
)
from charrnn.training.summary import default_rows, match_summary, summary_rows
from charrnn.training.trainer import Trainer
from charrnn.workers.count import resolve_workers
from charrnn.workers.group import WorkerGroup
from charrnn.workers.mpi import MPIGroup, Ranks
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_MANY_PARAMETERS = 20_000_000  # drawing the first values of more takes a while


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run_dir: Path
    steps: int
    best_loss_nats: float | None
    signal: int | None  # the number of the signal that interrupted it


def train(
    config: Config | str | os.PathLike[str],
    run_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    reporter: Reporter | None = None,
    ranks: Ranks | None = None,
) -> Outcome:
    """Train a model, or go on with its training.

    Args:
        config: as `load_config` makes it, or the file that it is to read.
        run_dir: the folder to write config.yaml, metrics.jsonl, best.npz and last.npz into.
        resume: go on from its last.npz, exactly; begin where there is none.
        overwrite: begin anew in a folder that holds a run.
        init_from: a checkpoint to take the first weights from, in a new run.
        reporter: told what happens; by default nobody is.
        ranks: those of MPI to share the work with, of which this is rank 0.

    Raises:
        CharRNNError: before anything is written, for whatever keeps the run from starting.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    config = config_from_dict(config.to_dict(), "the configuration")  # one made by hand is checked
    if not os.fspath(run_dir):
        raise RunError("run_dir is empty; it names the folder to write to")
    if resume and overwrite:
        raise RunError("to resume is to go on with a run, to overwrite to begin anew; ask for one")
    run, reporter = RunFolder(Path(run_dir)), reporter or Reporter()
    with lock_run(run, reporter.note):
        checkpoint = checkpoint_to_resume(run, config, resume, overwrite)
        source = None
        if init_from is not None:
            if checkpoint:
                unused = Remedy("init_from", "is not used")
                _note(reporter, "the run continues with its own weights", unused)
            else:
                source = Path(init_from), load_checkpoint(init_from)
        corpus = load_corpus(config.data, reporter.note)
        V, previous = len(corpus.vocabulary), checkpoint.config if checkpoint else None
        written = config
        shape = source[1].config.model if source else None
        size = ranks.size if ranks else None
        config = fill_defaults(
            written, len(corpus.codes), V, previous=previous, source=shape, ranks=size
        )
        check_sizes(corpus, config)
        if source:
            _look_at_rate(written, config, corpus, source[1], reporter)
        config = resolve_workers(config, V, previous.train if previous else None, size)
        note = "nothing to resume here: beginning" if resume else ""
        with closing(_group(config, corpus, ranks, reporter)) as group:
            trainer = Trainer(corpus, run, reporter, group)
            found = {} if checkpoint else filled_keys(written, config)
            return _train(trainer, run, reporter, checkpoint, source, found, note)


def _note(reporter: Reporter, text: str, remedy: Remedy) -> None:
    reporter.note(with_remedies(text, [remedy], reporter.worded))


def _look_at_rate(
    written: Config, config: Config, corpus: Corpus, source: Checkpoint, reporter: Reporter
) -> None:
    """Say so where a learning rate that is given is above the usual one of fine-tuning."""
    left_open: dict[str, Any] = {"learning_rate": None}
    written = replace(written, train=replace(written.train, **left_open))
    usual = fill_defaults(
        written, len(corpus.codes), len(corpus.vocabulary), source=source.config.model
    )
    if usual.train.learning_rate < config.train.learning_rate:
        reporter.note(
            f"train.learning_rate {config.train.learning_rate:g} is high for fine-tuning; left out "
            f"of the configuration, it is {usual.train.learning_rate:g}"
        )


def _train(
    trainer: Trainer,
    run: RunFolder,
    reporter: Reporter,
    checkpoint: Checkpoint | None,
    source: tuple[Path, Checkpoint] | None,
    found: Mapping[str, Any],
    first_note: str,
) -> Outcome:
    """Begin, or go on from a checkpoint, or begin from the weights of a source."""
    if checkpoint:
        check_same_text(run, checkpoint, trainer.checkpoint())
        trainer.restore(checkpoint)
        first_note = f"going on from step {trainer.counters.step:,}"
        if not run.last.exists():
            first_note += f" of {run.best}, as there is no {run.last.name}"
        if lost := check_best(run, trainer.counters):
            reporter.note(lost)
        if trainer.finished and run.last.exists():
            reporter.block(summary_rows(trainer, run))
            reporter.note(_how_to_go_on(trainer))
            reporter.note(_finished(trainer, run))
            return _outcome(trainer, run, None)
    elif source:
        try:
            first_note = match_summary(trainer.start_from(source[1]), trainer.corpus)
        except CheckpointError as error:
            raise CheckpointError(f"{source[0]}: {error}") from None
    elapsed_s = prepare_folder(run, trainer.config, trainer.counters if checkpoint else None)
    reporter.block([*summary_rows(trainer, run), *default_rows(found)])
    if first_note:
        reporter.note(first_note)
    metrics = MetricsLog(run.metrics)
    try:
        with graceful_interrupts() as interrupted:
            trainer.run(interrupted, metrics, elapsed_s)
            signal = interrupted()
    finally:
        metrics.close()
    if trainer.finished:
        reporter.note(_finished(trainer, run))
    else:
        _note(
            reporter,
            f"interrupted at step {trainer.counters.step:,}, saved in {run.last}",
            Remedy("resume=True", "continues from there"),
        )
    return _outcome(trainer, run, signal)


def _group(config: Config, corpus: Corpus, ranks: Ranks | None, reporter: Reporter) -> WorkerGroup:
    """Start the workers; say so where that takes a while."""
    job = Job(config, len(corpus.vocabulary), corpus.codes, corpus.train_end)
    if job.parameter_count > _MANY_PARAMETERS:
        reporter.note(f"preparing {job.parameter_count:,} parameters")
    if note := compiling_note(config.train.backend):
        reporter.note(note)
    return MPIGroup(job, ranks, corpus.text_sha256) if ranks else start_group(job)


def _finished(trainer: Trainer, run: RunFolder) -> str:
    counters = trainer.counters
    text = f"finished: {counters.step:,} steps"
    if counters.out_of_time:
        text += f", as the time of train.max_minutes {trainer.config.train.max_minutes:g} is over"
    if counters.out_of_patience:
        text += f", no new best in {counters.validations_since_best} validations"
    if counters.best_loss_nats is not None:
        text += (
            f"; best validation {counters.best_loss_nats:.4f} "
            f"nats/{trainer.config.data.tokens} "
            f"at step {counters.best_step:,}"
        )
    return f"{text}; {shortest(str(run.last if counters.best_loss_nats is None else run.best))}"


def _how_to_go_on(trainer: Trainer) -> str:
    """Say what would have to change of a run that is finished already."""
    train, counters = trainer.config.train, trainer.counters
    epochs = counters.step // trainer.limits.steps_per_epoch
    reached = {
        "max_epochs": train.max_epochs is not None and epochs >= train.max_epochs,
        "max_steps": train.max_steps is not None and counters.step >= train.max_steps,
        "max_minutes": counters.out_of_time,
        "patience": counters.out_of_patience,
    }
    higher = " and ".join(f"train.{name}" for name, is_reached in reached.items() if is_reached)
    return f"nothing is left to do; with a higher {higher} it goes on"


def _outcome(trainer: Trainer, run: RunFolder, signal: int | None) -> Outcome:
    counters = trainer.counters
    return Outcome(run.path, counters.step, counters.best_loss_nats, signal)
