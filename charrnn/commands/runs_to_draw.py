"""The runs that a command is to draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def runs_to_draw(arguments: Sequence[str]) -> dict[str, Path]:
    """Return the runs' folders by the names they get, each different; by default the newest run.

    Raises:
        CheckpointError: there is none.
        RunError: one is not a folder, or MPI has started the command several times.
    """
    from charrnn.errors import RunError
    from charrnn.mpi import refuse_ranks
    from charrnn.runs import find_checkpoint

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])
    folders = [Path(one) for one in arguments] or [find_checkpoint(None).parent]
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: is not a run's folder; name one, as in runs/tales")
    names = [folder.absolute().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return dict(zip(names, folders, strict=True))
