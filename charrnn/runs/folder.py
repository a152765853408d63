"""A run's folder: what is in it, and how a command finds the one that is meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from charrnn.errors import CheckpointError

RUNS = Path("runs")  # in the current folder


@dataclass(frozen=True)
class RunFolder:
    """The files that a training writes."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration as resolved."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """A JSON line for each training record and each validation."""
        return self.path / "metrics.jsonl"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "best.npz"

    @property
    def last(self) -> Path:
        """The newest checkpoint, which a resume goes on from."""
        return self.path / "last.npz"

    @property
    def lock(self) -> Path:
        """Locked by the training that is in the folder, and gone with it."""
        return self.path / ".lock"

    def holds_run(self) -> bool:
        """Whether a training has written here; a configuration alone may be anyone's."""
        return any(file.exists() for file in (self.metrics, self.best, self.last))

    def is_bare(self) -> bool:
        """Whether the training that was here was stopped before there was anything to lose."""
        has_metrics = self.metrics.exists() and self.metrics.stat().st_size > 0
        return not has_metrics and self.newest() is None

    def newest(self) -> Path | None:
        """Return the checkpoint to go on from: last.npz, or best.npz before there is one."""
        return next((file for file in (self.last, self.best) if file.exists()), None)


def find_checkpoint(argument: str | None) -> Path:
    """Return the checkpoint that a command's argument means.

    A file is itself; a run's folder is its best.npz where there is one, else its last.npz; nothing
    is the newest run under runs/ in the current folder.

    Raises:
        CheckpointError: saying what was looked for and what to do.
    """
    if argument is None:
        newest = newest_run(RUNS)
        if newest is None:
            raise CheckpointError(
                "no run found under runs/ in the current folder; train one with "
                "'charrnn train CONFIG', or name a checkpoint"
            )
        argument = str(newest)
    path = Path(argument)
    if not path.exists():
        raise CheckpointError(
            f"{path}: no such file or folder; name a checkpoint or a run's folder"
        )
    if not path.is_dir():
        return path
    run = RunFolder(path)
    for file in (run.best, run.last):
        if file.exists():
            return file
    if run.holds_run():
        raise CheckpointError(f"{path}: its training has not written a checkpoint yet")
    raise CheckpointError(f"{path}: has no best.npz or last.npz; it is not a run's folder")


def newest_run(folder: Path) -> Path | None:
    """Return the run below a folder whose last.npz is the newest."""
    checkpoints = [file for file in folder.glob("*/last.npz") if file.is_file()]
    if not checkpoints:
        return None
    return max(checkpoints, key=lambda file: file.stat().st_mtime_ns).parent
