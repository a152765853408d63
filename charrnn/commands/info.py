"""charrnn info."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from charrnn.runs.checkpoint import Checkpoint


@click.command()
@click.argument("checkpoint", required=False)
def info(checkpoint: str | None) -> None:
    """Show what a checkpoint is: configuration, vocabulary, parameters, losses, steps.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/.
    """
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.workers.mpi import refuse_ranks

    refuse_ranks("info")
    path = find_checkpoint(checkpoint)
    click.echo(_checkpoint_text(path, load_checkpoint(path)))


def _checkpoint_text(path: Path, checkpoint: Checkpoint) -> str:
    """Return what a checkpoint is, for reading."""
    import numpy as np

    from charrnn.model.parameters import parameter_shapes

    counters, vocabulary = checkpoint.counters, checkpoint.vocabulary
    shapes = parameter_shapes(checkpoint.config.model, len(vocabulary))
    tokens = vocabulary.tokens
    best = _loss(counters.best_loss_nats, tokens)
    if counters.best_loss_nats is not None:
        best += f" at step {counters.best_step:,}"
    symbols = ""
    if vocabulary.tokens == "char":
        symbols = repr(vocabulary.decode(np.arange(len(vocabulary))))
    width = max(map(len, shapes))
    return "\n".join(
        [
            f"file        {path} (format {checkpoint.format}, {path.stat().st_size:,} bytes)",
            f"steps       {counters.step:,}",
            f"validation  {_loss(counters.valid_loss_nats, tokens)}",
            f"best        {best}",
            f"training    {_loss(counters.train_loss_nats, tokens)}",
            f"vocabulary  {len(vocabulary)} {vocabulary.tokens}s {symbols}".rstrip(),
            f"parameters  {checkpoint.parameters.size:,}",
            *(f"  {name:<{width}}  {shape}" for name, shape in shapes.items()),
            "configuration",
            *(f"  {line}" for line in checkpoint.config.to_yaml().splitlines()),
        ]
    )


def _loss(nats: float | None, tokens: str) -> str:
    if nats is None:
        return "none yet"
    return f"{nats:.4f} nats/{tokens} ({nats / math.log(2):.4f} bits)"
