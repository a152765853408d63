"""Resuming: the checkpoint to continue from, what may differ, and preparing the run folder."""

from __future__ import annotations

from charrnn.config.schema import PATHS, Config, DataConfig, fillable_keys
from charrnn.errors import CheckpointError, Remedy, RunError, TextError, shown
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import keep_metrics_until
from charrnn.system.atomic import atomic_write, remove_leftovers
from charrnn.text.corpus import Corpus
from charrnn.training.summary import text_differences

# Keys that may differ when a run is resumed: its length, and how often it logs and saves. The text
# may have moved, but must be the same.
MAY_CHANGE = (
    "train.max_epochs",
    "train.max_steps",
    "train.max_minutes",
    "train.patience",
    "train.log_every",
    "train.validate_every",
    "train.checkpoint_every",
    "train.sample_length",
    *(f"data.{key}" for key in PATHS),
)

_OVERWRITE = Remedy("overwrite=True", "starts again")
_OTHER_FOLDER = Remedy("run_dir", "names another folder")

# Values that stand for an unset key, which keeps the value of the run.
_UNSET = {
    **dict.fromkeys(fillable_keys()),
    **dict.fromkeys(("model.embedding_size", "data.split_by", "data.reverse_prompts")),
    "train.workers": "auto",
    "train.backend": "auto",
}


def checkpoint_to_resume(
    run: RunFolder, config: Config, resume: bool, overwrite: bool
) -> Checkpoint | None:
    """Return the checkpoint to continue from, or None to start a new run.

    Args:
        run: folder of the run.
        config: configuration as written, with unset keys.
        resume: continue the run in the folder, if there is one.
        overwrite: replace the run in the folder.

    Raises:
        RunError: if the folder holds other files or a run, or its run has another configuration.
        CheckpointError: if its checkpoint cannot be read.
    """
    if not run.holds_run():
        if run.config.exists():
            raise RunError(
                f"{run.config}: does not belong to a run and would be overwritten",
                _OTHER_FOLDER,
            )
        return None
    if overwrite or run.is_bare():
        return None
    if not resume:
        raise RunError(
            f"{run.path}: holds a run already",
            Remedy("resume=True", "continues it"),
            _OVERWRITE,
            _OTHER_FOLDER,
        )
    newest = run.newest()
    if newest is None:
        return None
    checkpoint = load_checkpoint(newest)
    previous, now = checkpoint.config.by_key(), config.by_key()
    changed = [
        f"{key} is {shown(now[key])}, and was {shown(previous[key])}"
        for key in now
        if now[key] not in (previous[key], _UNSET.get(key, previous[key])) and key not in MAY_CHANGE
    ]
    if changed:
        raise RunError(
            f"{run.path}: cannot be resumed with another configuration: {'; '.join(changed)}. "
            "Only the limits and the intervals of logs, validations, samples and checkpoints may "
            f"change; with {run.config} as the configuration, resuming keeps all settings",
            Remedy(
                "init_from + run_dir", "starts a new run with other settings from these weights"
            ),
            _OVERWRITE,
            _OTHER_FOLDER,
        )
    return checkpoint


def check_same_text(
    run: RunFolder, previous: Checkpoint, corpus: Corpus, config: DataConfig
) -> None:
    """Check that a run is resumed with the text, and the parts of it, that it was trained on.

    A test part that only `eval` reads may be added to a text, as its other parts stay; those of
    records would not.

    Raises:
        TextError: if the text or a part has changed, with the differences.
    """
    if previous.text_sha256 == corpus.text_sha256 and corpus.cut_points == previous.cut(
        len(corpus.codes)
    ):
        return
    new_run = Remedy("init_from + run_dir", "starts a new run from these weights")
    changes = [
        f"data.{key} was {'added' if getattr(config, key) else 'removed'}"
        for key in ("valid_path", "test_path")
        if bool(getattr(config, key)) != bool(getattr(previous.config.data, key))
    ]
    if changes:
        raise TextError(
            f"{run.path}: the parts are not those this run was trained on, because "
            f"{' and '.join(changes)}. Undo this to resume",
            new_run,
        )
    raise TextError(
        f"{run.path}: the text is not the one this run was trained on: "
        f"{text_differences(previous, corpus)}. Put the old text back",
        new_run,
    )


def check_best(run: RunFolder, counters: Counters) -> str:
    """If best.npz is missing or stale, reset the best loss in place and return a warning."""
    if counters.best_loss_nats is None:
        return ""
    try:
        if load_checkpoint(run.best).counters.step >= counters.best_step:
            return ""
        problem = f"{run.best}: is older than the best checkpoint, of step {counters.best_step:,}"
    except CheckpointError as error:
        problem = error.problem
    counters.best_loss_nats, counters.best_step = None, 0
    return f"{problem}. That checkpoint is lost; the best from now on takes its place"


def prepare_folder(run: RunFolder, config: Config, resumed: Counters | None) -> float:
    """Prepare a run folder: write the configuration and remove what the run will write again.

    Args:
        run: folder of the run.
        config: configuration to write, without unset keys.
        resumed: counters of the run being resumed; None starts a new run and deletes an old one.

    Returns:
        elapsed_s: seconds that the run has taken so far, according to its metrics.

    Raises:
        RunError: if the folder cannot be written to.
    """
    try:
        for file in (run.config, run.metrics, run.best, run.last):
            remove_leftovers(file)
        at = resumed or Counters()
        with atomic_write(run.config) as config_file:
            config_file.write(config.to_yaml().encode("utf-8"))
            config_file.flush()  # on a full disk this fails before an old run is deleted
            if resumed is None:
                for checkpoint in (run.best, run.last):
                    checkpoint.unlink(missing_ok=True)
            # The metrics come before config.yaml, which alone does not mark a folder as a run's.
            return keep_metrics_until(run.metrics, at.step, at.validated_step)
    except OSError as error:
        raise RunError(
            f"{error.filename or run.path}: cannot be written: {error.strerror}"
        ) from None
