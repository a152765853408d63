"""charrnn info."""

from __future__ import annotations

import click


@click.command()
@click.argument("checkpoint", required=False)
def info(checkpoint: str | None) -> None:
    """Show what a checkpoint is: configuration, vocabulary, parameters, losses, steps.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/.
    """
    from charrnn.checkpoint import load_checkpoint
    from charrnn.description import checkpoint_text
    from charrnn.mpi import refuse_ranks
    from charrnn.runs import find_checkpoint

    refuse_ranks("info")
    path = find_checkpoint(checkpoint)
    click.echo(checkpoint_text(path, load_checkpoint(path)))
