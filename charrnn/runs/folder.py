"""The files of a run folder, and the checkpoint that an argument of a command names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from charrnn.config.paths import named_path
from charrnn.errors import CheckpointError, did_you_mean

RUNS = Path("runs")  # in the current folder


@dataclass(frozen=True)
class RunFolder:
    """A run folder: the files that a training writes."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, with all defaults filled in."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """The records of training and validation, a JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "best.npz"

    @property
    def last(self) -> Path:
        """The newest checkpoint, from which training resumes."""
        return self.path / "last.npz"

    @property
    def lock(self) -> Path:
        """The file that a training in the folder locks, and removes when it ends."""
        return self.path / ".lock"

    def holds_run(self) -> bool:
        """Return whether a training has written here; a configuration alone does not count."""
        return any(file.exists() for file in (self.metrics, self.best, self.last))

    def is_bare(self) -> bool:
        """Return whether the folder holds no records and no checkpoint."""
        has_metrics = self.metrics.exists() and self.metrics.stat().st_size > 0
        return not has_metrics and self.newest() is None

    def newest(self) -> Path | None:
        """Return the checkpoint to resume from: last.npz, else best.npz, else None."""
        return next((file for file in (self.last, self.best) if file.exists()), None)


def find_checkpoint(argument: str | os.PathLike[str] | None) -> Path:
    """Return the path of the checkpoint that an argument names.

    Args:
        argument: a file; or a run folder, for its best.npz, else its last.npz; or the name of a run
            under runs/ in the current folder; or None, for the newest of these runs.

    Raises:
        CheckpointError: there is no such file, or no checkpoint in the folder.
        ConfigError: no file can have this path.
    """
    if argument is None:
        newest = newest_run(RUNS)
        if newest is None:
            raise CheckpointError(
                "no run found under runs/ in the current folder; train one with "
                "'charrnn train TEXT', or name a checkpoint"
            )
        argument = str(newest)
    path = named_run(argument, "path")
    try:
        return _checkpoint_at(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def named_run(argument: str | os.PathLike[str], name: str) -> Path:
    """Return the path that an argument names, or runs/NAME if only a run there has that name.

    Args:
        argument: as given.
        name: of the argument, for the error.

    Raises:
        ConfigError: no file can have this path.
    """
    path = named_path(argument, name)
    run = RunFolder(RUNS / path)
    if path.name != os.fspath(argument) or os.path.lexists(path) or not _holds_run(run):
        return path
    return run.path


def _holds_run(run: RunFolder) -> bool:
    try:
        return run.holds_run()
    except OSError:  # as for a name that is too long
        return False


def _checkpoint_at(path: Path) -> Path:
    """Return the path of a checkpoint, or of the one in a run folder."""
    if not path.exists():
        near = did_you_mean(path.name, [folder.name for folder in _runs()])
        raise CheckpointError(
            f"{path}: no such file or folder{near}; name a checkpoint or a run folder"
        )
    if not path.is_dir():
        return path
    run = RunFolder(path)
    for file in (run.best, run.last):
        if file.exists():
            return file
    if run.holds_run():
        raise CheckpointError(f"{path}: its training has not written a checkpoint yet")
    raise CheckpointError(f"{path}: has no best.npz or last.npz; it is not a run folder")


def _runs() -> list[Path]:
    """Return the run folders under runs/ in the current folder."""
    return [file.parent for file in RUNS.glob("*/last.npz")]


def newest_run(folder: Path) -> Path | None:
    """Return the run folder in `folder` with the newest last.npz, or None."""
    checkpoints = [file for file in folder.glob("*/last.npz") if file.is_file()]
    if not checkpoints:
        return None
    return max(checkpoints, key=lambda file: file.stat().st_mtime_ns).parent
