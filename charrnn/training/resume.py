"""Where a training starts: what its folder holds, if it can be gone on with, making it ready."""

from __future__ import annotations

from charrnn.config.schema import Config, all_keys, automatic_keys, value_of
from charrnn.errors import CheckpointError, Remedy, RunError, TextError, shown
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import keep_metrics_until
from charrnn.system.atomic import atomic_write, remove_leftovers
from charrnn.training.summary import text_differences

# What may differ when a run is resumed: how long it goes on, and how often it tells and saves.
# The text may lie elsewhere, as long as it is the same.
MAY_CHANGE = (
    "train.max_epochs",
    "train.max_steps",
    "train.max_minutes",
    "train.patience",
    "train.log_every",
    "train.validate_every",
    "train.checkpoint_every",
    "train.sample_length",
    "data.path",
)

_OVERWRITE = Remedy("overwrite=True", "starts again")
_OTHER_FOLDER = Remedy("run_dir", "names another folder")

# How a key is left open; then it is as it was.
_LEFT_OPEN = {
    **dict.fromkeys([*automatic_keys(), "model.embedding_size"]),
    "train.workers": "auto",
    "train.backend": "auto",
}


def checkpoint_to_resume(
    run: RunFolder, config: Config, resume: bool, overwrite: bool
) -> Checkpoint | None:
    """Return the checkpoint to go on from, or None to begin.

    Raises:
        RunError: the folder is taken, or its run is of another configuration.
        CheckpointError: its checkpoint cannot be read.
    """
    if not run.holds_run():
        if run.config.exists():
            raise RunError(
                f"{run.config}: is not a run's, and would be written over",
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
    previous, now = (
        {key: value_of(values, key) for key in all_keys()}
        for values in (checkpoint.config.to_dict(), config.to_dict())
    )
    changed = [
        f"{key} is {shown(now[key])}, and was {shown(previous[key])}"
        for key in now
        if now[key] not in (previous[key], _LEFT_OPEN.get(key, previous[key]))
        and key not in MAY_CHANGE
    ]
    if changed:
        raise RunError(
            f"{run.path}: cannot be resumed with another configuration: {'; '.join(changed)}. "
            "Only the limits, and how often to log, validate, show and checkpoint, may change; "
            f"{run.config} has the settings of the run",
            _OVERWRITE,
            _OTHER_FOLDER,
        )
    return checkpoint


def check_same_text(run: RunFolder, previous: Checkpoint, now: Checkpoint) -> None:
    """Refuse to go on with another text than a run's.

    Raises:
        TextError: saying what has changed.
    """
    if previous.text_sha256 == now.text_sha256:
        return
    raise TextError(
        f"{run.path}: the text is not the one this run was trained on: "
        f"{text_differences(previous, now)}. Put the old text back",
        Remedy("init_from", "starts a new run from these weights"),
    )


def check_best(run: RunFolder, counters: Counters) -> str:
    """Look whether the best checkpoint is there; if not, forget it, and return what to say."""
    if counters.best_loss_nats is None:
        return ""
    try:
        if load_checkpoint(run.best).counters.step >= counters.best_step:
            return ""
        problem = f"{run.best}: is older than the best, of step {counters.best_step:,}"
    except CheckpointError as error:
        problem = error.problem
    counters.best_loss_nats, counters.best_step = None, 0
    return f"{problem}. The best so far is lost; the best from here on takes its place"


def prepare_folder(run: RunFolder, config: Config, resumed: Counters | None) -> float:
    """Make the folder ready.

    Args:
        run: the folder.
        config: to be kept in it.
        resumed: the counters of the run that is gone on with, or None to begin.

    Returns:
        The seconds that the run has taken so far, as its metrics have them.

    Raises:
        RunError: the folder cannot be written to.
    """
    try:
        for file in (run.config, run.metrics, run.best, run.last):
            remove_leftovers(file)
        at = resumed or Counters()
        with atomic_write(run.config) as config_file:
            config_file.write(config.to_yaml().encode("utf-8"))
            config_file.flush()  # an old run goes only now that something new can be written
            if resumed is None:
                for checkpoint in (run.best, run.last):
                    checkpoint.unlink(missing_ok=True)
            # Before there is a configuration: one that lies alone may be anyone's.
            return keep_metrics_until(run.metrics, at.step, at.validated_step)
    except OSError as error:
        raise RunError(
            f"{error.filename or run.path}: cannot be written: {error.strerror}"
        ) from None
