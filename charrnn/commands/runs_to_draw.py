"""The runs that a command is to draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def runs_to_draw(arguments: Sequence[str]) -> dict[str, Path]:
    """Return the runs' folders by the names they get, each different; by default the newest run.

    Raises:
        CheckpointError: there is none.
        RunError: one is not a folder, or is named twice; or MPI has started several processes.
    """
    from charrnn.errors import RunError
    from charrnn.mpi import refuse_ranks
    from charrnn.runs import find_checkpoint
    from charrnn.visible import visible

    refuse_ranks(click.get_current_context().command_path.partition(" ")[2])
    folders = [Path(one) for one in arguments] or [find_checkpoint(None).parent]
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: is not a run's folder; name one, as in runs/tales")
    real = [folder.resolve() for folder in folders]
    if len(set(real)) < len(real):
        raise RunError(f"the same run is named twice: {' '.join(arguments)}")
    names = [folder.name for folder in real]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    shown = [visible(name.encode("utf-8", "replace").decode()) for name in names]
    # Matplotlib leaves out what begins with a low line.
    shown = [f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name for name in shown]
    return dict(zip(shown, folders, strict=True))
