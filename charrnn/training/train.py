"""A training from its configuration to its outcome: run folder, checkpoint, workers and notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from charrnn.backends.backend import compiling_note
from charrnn.config.paths import named_path
from charrnn.config.reader import config_from_dict, load_config
from charrnn.config.schema import Config, DataConfig
from charrnn.errors import (
    CharRNNError,
    Remedy,
    RunError,
    WorkerError,
    WriteError,
    counted,
    with_remedies,
)
from charrnn.model.beam import search_for
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint, reading_note
from charrnn.runs.folder import RunFolder, find_checkpoint
from charrnn.runs.lock import lock_run
from charrnn.runs.metrics import MetricsLog
from charrnn.system.signals import keyboard_interrupts
from charrnn.system.terminal import shortest
from charrnn.text.corpus import Corpus
from charrnn.text.load import load_corpus
from charrnn.text.remarks import remark_on, trained_validation
from charrnn.text.size_check import check_sizes, small_parts
from charrnn.training.accuracy import validation_accuracy, whole_validation
from charrnn.training.divergence import no_better_than_guessing
from charrnn.training.limits import reached_limits
from charrnn.training.memorising import early_best_epoch
from charrnn.training.recipe import Source, fill_defaults, filled_keys
from charrnn.training.reporter import Reporter
from charrnn.training.resume import (
    check_best,
    check_same_text,
    checkpoint_to_resume,
    prepare_folder,
)
from charrnn.training.summary import default_rows, match_summary, summary_rows
from charrnn.training.trainer import Trainer
from charrnn.training.transfer import start_from
from charrnn.workers.count import resolve_workers
from charrnn.workers.group import WorkerGroup
from charrnn.workers.mpi import MPIGroup, Ranks
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

_FOUND = ("split_by", "reverse_prompts")  # keys that are found in the data, if they are unset
_MANY_PARAMETERS = 20_000_000  # drawing the initial values of more takes a while
_CONTINUES = Remedy("resume=True", "continues from there")


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run_dir: Path
    steps: int
    best_loss_nats: float | None  # of the validations; None without one


def train(
    config: Config | str | os.PathLike[str],
    run_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    reporter: Reporter | None = None,
    ranks: Ranks | None = None,
    interrupts: Callable[[], AbstractContextManager[Callable[[], object]]] = keyboard_interrupts,
) -> Outcome:
    """Train a model, or resume its training.

    Ctrl-C (SIGINT) in the main thread ends the training after a checkpoint is written, and then
    raises KeyboardInterrupt; a second Ctrl-C raises it at once. Afterwards the previous handler is
    in place again. Other signals are left to the host program.

    >>> import charrnn
    >>> config = charrnn.load_config("my.yaml", ["model.hidden_size=8", "train.max_steps=2"])
    >>> outcome = charrnn.train(config, "runs/two-steps")
    >>> outcome.steps
    2

    Args:
        config: configuration from `propose` or `load_config`, or the path of a file. Unset keys get
            defaults; see `charrnn.training.recipe`.
        run_dir: folder to write config.yaml, metrics.jsonl, best.npz and last.npz to.
        resume: continue from last.npz in `run_dir`, exactly; start a new run if there is none.
        overwrite: replace the run in `run_dir`.
        init_from: checkpoint or run folder whose weights a new run starts from.
        reporter: receives what happens; by default nothing is printed. `TerminalReporter()` of
            `charrnn.training.reporter` prints what the command prints.
        ranks: MPI processes that share the work; this process is rank 0.
        interrupts: returns a context manager that handles signals during the training loop; it
            yields a function that says whether to stop, and raises at its end if it did.

    Returns:
        Run folder, number of steps and best validation loss.

    Raises:
        CharRNNError: before anything is written, if the run cannot start as asked.
        RunError: later, if the training diverges too often, a worker ends or a file cannot be
            written; the message says what a resumed run continues from.
        KeyboardInterrupt: after Ctrl-C.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    written = config_from_dict(config.to_dict(), "the configuration")  # may be made by hand
    run = RunFolder(named_path(run_dir, "run_dir"))
    if init_from is not None:
        init_from = named_path(init_from, "init_from")
    if resume and overwrite:
        raise RunError("resume continues a run and overwrite replaces it; choose one of them")
    reporter = reporter or Reporter()
    with lock_run(run, reporter.note):
        newest = run.newest() if resume and run.holds_run() else None
        if newest and (reading := reading_note(newest)):
            reporter.note(reading)
        checkpoint = checkpoint_to_resume(run, written, resume, overwrite)
        if checkpoint and init_from is not None:
            init_from = None
            unused = Remedy("init_from", "is not used")
            _note(reporter, "the run continues with its own weights", unused)
        source = None
        if init_from is not None:
            source_path = find_checkpoint(init_from)
            if reading := reading_note(source_path):
                reporter.note(reading)
            source = load_checkpoint(source_path)
        if checkpoint:
            written = _reading_as(written, checkpoint.config.data)
        elif source and written.data.has_prompts:
            order = source.config.data.reverse_prompts
            written = _reading_as(written, replace(written.data, reverse_prompts=order))
        cut = checkpoint.cut if checkpoint else None
        corpus = load_corpus(written.data, reporter.note, cut)
        if checkpoint:
            check_same_text(run, checkpoint, corpus, written.data)
        start = start_from(source, source_path, written, corpus) if source else None
        origin = start.source if start else None
        config = _resolve(written, corpus, checkpoint, origin, ranks, reporter)
        if not checkpoint:
            remarks = (
                remark_on(corpus.codes, corpus.vocabulary, written.data, lists=True),
                trained_validation(written.data),
                small_parts(corpus, written, config.train.seq_length),
            )
            for remark in filter(None, remarks):
                reporter.note(remark)
        with closing(start_workers(config, corpus, reporter.note, ranks)) as group:
            trainer = Trainer(corpus, run, reporter, group)
            note = "nothing to resume here: starting a new run" if resume else ""
            if checkpoint:
                note = _restore(trainer, run, checkpoint, reporter)
            elif start:
                trainer.model.parameters[...] = start.parameters
                note = match_summary(start.match, corpus)
            done = trainer.finished and run.last.exists()
            resumed = trainer.counters if checkpoint else None
            elapsed_s = 0.0 if done else prepare_folder(run, config, resumed)
            defaults = {} if checkpoint else filled_keys(written, config)
            reporter.block([*summary_rows(trainer, run), *default_rows(defaults)])
            if note:
                reporter.note(note)
            with nullcontext() if done else interrupts() as stop_requested:
                if stop_requested:
                    _run(trainer, run, elapsed_s, stop_requested)
                counters = trainer.counters
                if trainer.finished:
                    epochs = counters.step / trainer.limits.steps_per_epoch
                    if poor := no_better_than_guessing(counters, trainer.model.V, epochs):
                        reporter.note(poor)
                    accuracy = whole = ""
                    if counters.best_loss_nats is not None:
                        stop = stop_requested or (lambda: None)
                        whole = whole_validation(run, group, stop, reporter)
                        accuracy = validation_accuracy(run, group, epochs, stop, reporter)
                    reporter.note(_finished(trainer, run, whole, accuracy))
                    if early := _best_is_early(trainer):
                        reporter.note(early)
                else:
                    interrupted = f"interrupted at step {counters.step:,}, saved in {run.last}"
                    _note(reporter, interrupted, _CONTINUES)
            return Outcome(run.path, counters.step, counters.best_loss_nats)


def _note(reporter: Reporter, text: str, remedy: Remedy) -> None:
    reporter.note(with_remedies(text, [remedy], reporter.worded))


def _reading_as(config: Config, data: DataConfig) -> Config:
    """Return a configuration whose unset keys of prompts have the values of others."""
    unset = {name: getattr(data, name) for name in _FOUND if getattr(config.data, name) is None}
    return replace(config, data=replace(config.data, **unset))


def _resolve(
    written: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    source: Source | None,
    ranks: Ranks | None,
    reporter: Reporter,
) -> Config:
    """Fill in defaults, backend and number of workers; note a high rate for fine-tuning."""
    V, previous = len(corpus.vocabulary), checkpoint.config if checkpoint else None
    size = ranks.size if ranks else None
    fill = partial(
        fill_defaults,
        sizes=corpus.sizes,
        V=V,
        previous=previous,
        source=source,
        ranks=size,
    )
    written = _reading_as(
        written,
        replace(written.data, split_by=corpus.split_by, reverse_prompts=corpus.reverse_prompts),
    )
    config = fill(written)
    check_sizes(corpus, config)
    if source:
        unset: dict[str, Any] = {"learning_rate": None}
        default = fill(replace(config, train=replace(config.train, **unset))).train.learning_rate
        if default < config.train.learning_rate:
            reporter.note(
                f"train.learning_rate {config.train.learning_rate:g} is high for fine-tuning; null "
                f"gives {default:g}"
            )
    return resolve_workers(config, V, previous.train if previous else None, size, corpus.F)


def start_workers(
    config: Config, corpus: Corpus, note: Callable[[str], object], ranks: Ranks | None = None
) -> WorkerGroup:
    """Start the workers of a training, with a note if that takes a while."""
    search = search_for(corpus.vocabulary, corpus.labels, corpus.longest_record)
    start, end = corpus.split("valid")
    most, validation = config.train.valid_chars, None
    if most and start < end and most < corpus.sizes.others[0]:
        validation = corpus.stretches(start, end, most)
    labels = corpus.labels.replies
    job = Job(config, corpus, labels=labels, search=search, validation=validation)
    if job.parameter_count > _MANY_PARAMETERS:
        note(f"preparing {counted(job.parameter_count, 'parameter')}")
    if compiling := compiling_note(config.train.backend):
        note(compiling)
    group = MPIGroup(job, ranks) if ranks else start_group(job)
    if compiling:
        group.worker.warm_up()  # now, and not in the first step
    return group


def _restore(trainer: Trainer, run: RunFolder, checkpoint: Checkpoint, reporter: Reporter) -> str:
    """Continue from a checkpoint; return a note on where, or on what to change if it is done."""
    trainer.restore(checkpoint)
    if lost := check_best(run, trainer.counters):
        reporter.note(lost)
    note = f"continuing from step {trainer.counters.step:,}"
    if not run.last.exists():
        return f"{note} of {run.best}, as there is no {run.last.name}"
    return f"nothing is left to do; {_higher_limits(trainer)}" if trainer.finished else note


def _higher_limits(trainer: Trainer) -> str:
    """Return which limits of a finished run have to be raised to continue it."""
    reached = reached_limits(trainer.config.train, trainer.counters, trainer.limits.steps_per_epoch)
    names = " and ".join(f"train.{key}" for key in reached)
    return f"a higher {names} continues the run"


def _run(
    trainer: Trainer, run: RunFolder, elapsed_s: float, stop_requested: Callable[[], object]
) -> None:
    """Run the training loop, with the errors that say what a resumed run continues from."""
    with closing(MetricsLog(run.metrics)) as metrics:
        try:
            trainer.run(stop_requested, metrics, elapsed_s)
        except WorkerError as error:
            raise _saved_after(trainer, error) from None
        except WriteError as error:
            raise _not_written(trainer, error.problem) from None


def _saved_after(trainer: Trainer, error: WorkerError) -> RunError:
    """Write last.npz after a worker has failed; return the error to raise."""
    try:
        trainer.save()
    except CharRNNError as failure:
        return _not_written(trainer, f"{error.problem}; {failure.problem}")
    return RunError(f"{error.problem}; saved at step {trainer.counters.step:,}", _CONTINUES)


def _not_written(trainer: Trainer, problem: str) -> RunError:
    """Return the error of a failed write, with the step that a resumed run continues from."""
    if trainer.kept_step is None:
        effect = "starts again once this is fixed"
        return RunError(f"{problem}; no checkpoint has been written", Remedy("resume=True", effect))
    effect = "continues from there once this is fixed"
    problem = f"{problem}; step {trainer.kept_step:,} is kept"
    return RunError(problem, Remedy("resume=True", effect))


def _best_is_early(trainer: Trainer) -> str:
    """Return what to do if the best validation came long before the end; "" if it did not."""
    epoch = early_best_epoch(trainer.counters, trainer.config.train, trainer.limits)
    if epoch is None:
        return ""
    return (
        f"the best model is that of epoch {epoch:,}; later ones have memorised the text. "
        "Fewer epochs, more dropout or more text give a better one"
    )


def _finished(trainer: Trainer, run: RunFolder, whole: str, accuracy: str) -> str:
    """Return the last note of a training that has reached a limit."""
    counters = trainer.counters
    text = f"finished: {counted(counters.step, 'step')}"
    if counters.out_of_time:
        text += f", as the time of train.max_minutes {trainer.config.train.max_minutes:g} is over"
    if counters.out_of_patience:
        text += f", no new best in {counted(counters.validations_since_best, 'validation')}"
    if counters.best_loss_nats is not None:
        text += (
            f"; best validation {counters.best_loss_nats:.4f} "
            f"nats/{trainer.config.data.tokens} at step {counters.best_step:,}"
        )
    text += "".join(f", {figure}" for figure in (whole, accuracy) if figure)
    return f"{text}; {shortest(str(run.last if counters.best_loss_nats is None else run.best))}"
