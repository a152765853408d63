"""Where a training starts: what its folder holds, if it can be gone on with, making it ready."""

from __future__ import annotations

from charrnn.config.schema import Config, all_keys, automatic_keys, value_of
from charrnn.errors import CheckpointError, RunError, TextError, shown
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.meta import Counters
from charrnn.runs.metrics import keep_metrics_until
from charrnn.system.atomic import remove_leftovers, replaced_atomically
from charrnn.training.summary import changed_text

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

# How a key is left open; then it is as it was.
_LEFT_OPEN = {
    **dict.fromkeys([*automatic_keys(), "model.embedding_size"]),
    "train.workers": "auto",
    "train.backend": "auto",
}


def starting_point(
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
                f"{run.config}: is not a run's, and would be written over; --run-dir names another "
                "folder"
            )
        return None
    if overwrite or run.is_bare():
        return None
    if not resume:
        raise RunError(
            f"{run.path}: holds a run already; --resume goes on with it, --overwrite begins anew, "
            "--run-dir names another folder"
        )
    newest = run.newest()
    if newest is None:
        return None
    checkpoint = load_checkpoint(newest)
    then, now = (
        {key: value_of(values, key) for key in all_keys()}
        for values in (checkpoint.config.to_dict(), config.to_dict())
    )
    changed = [
        f"{key} is {shown(now[key])}, and was {shown(then[key])}"
        for key in now
        if now[key] not in (then[key], _LEFT_OPEN.get(key, then[key])) and key not in MAY_CHANGE
    ]
    if changed:
        raise RunError(
            f"{run.path}: cannot be resumed with another configuration: {'; '.join(changed)}. "
            "Only the limits, and how often to log, validate, show and checkpoint, may change; "
            f"with {run.config} it goes on as it was, --overwrite begins anew, --run-dir names "
            "another folder"
        )
    return checkpoint


def check_same_text(run: RunFolder, then: Checkpoint, now: Checkpoint) -> None:
    """Refuse to go on with another text than a run's.

    Raises:
        TextError: saying what has changed.
    """
    if then.text_sha256 == now.text_sha256:
        return
    raise TextError(
        f"{run.path}: the text is not the one this run was trained on: {changed_text(then, now)}. "
        "Put the old text back, or begin a new run from these weights with --init-from"
    )


def forget_lost_best(run: RunFolder, counters: Counters) -> str:
    """Look whether the best checkpoint is there; if not, forget it, and return what to say."""
    if counters.best_loss_nats is None:
        return ""
    try:
        if load_checkpoint(run.best).counters.step >= counters.best_step:
            return ""
        problem = f"{run.best}: is older than the best, of step {counters.best_step:,}"
    except CheckpointError as error:
        problem = str(error)
    counters.best_loss_nats, counters.best_step = None, 0
    return f"{problem}. The best so far is lost; the best from here on takes its place"


def prepare(run: RunFolder, config: Config, resumed: Counters | None) -> float:
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
        with replaced_atomically(run.config) as config_file:
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
