"""charrnn eval."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from charrnn.evaluation import Score


@click.command(name="eval")
@click.argument("arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    help="Part of the model's own text to score.  [default: valid]",
)
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do with a character of TEXT_FILE that the model does not know.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def evaluate(arguments: tuple[str, ...], split: str | None, unknown: str, as_json: bool) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/. TEXT_FILE
    may be - for standard input. Of it every character but the first is scored, of a split every
    one.
    """
    checkpoint, text_file = _checkpoint_and_text(arguments)
    if text_file is not None and split is not None:
        raise click.UsageError("--split is of the model's own text; give it or TEXT_FILE.")
    from charrnn.checkpoint import load_checkpoint
    from charrnn.evaluation import codes_of_file, codes_of_split
    from charrnn.language_model import score_by_workers
    from charrnn.mpi import refuse_ranks
    from charrnn.reporting import progress
    from charrnn.runs import find_checkpoint

    refuse_ranks("eval")
    path = find_checkpoint(checkpoint)
    loaded = load_checkpoint(path)
    if text_file is not None:
        codes, start, end, skipped = codes_of_file(
            loaded, text_file, skip_unknown=unknown == "skip"
        )
        if skipped:
            click.echo(f"left out: {skipped:,} characters that the model does not know", err=True)
    else:
        codes, start, end = codes_of_split(
            loaded, split or "valid", lambda text: click.echo(text, err=True)
        )
    part = {"train": "training", "valid": "validation", "test": "test"}[split or "valid"]
    scored = "standard input" if text_file == "-" else text_file or f"{part} part"
    click.echo(f"{path}, {scored}", err=True)
    with progress(end - max(start, 1)) as advance:
        figures = score_by_workers(loaded, codes, start, end, advance)
    _print_score(figures, loaded.vocabulary.tokens, as_json)


def _checkpoint_and_text(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """Tell which of eval's arguments is which."""
    if len(arguments) > 2:
        raise click.UsageError(f"too many arguments: {' '.join(arguments)}")
    if len(arguments) == 2:
        return arguments[0], arguments[1]
    if not arguments:
        return None, None
    (only,) = arguments
    if only.endswith(".npz") or os.path.isdir(only):
        return only, None
    return None, only


def _print_score(score: Score, tokens: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(score.to_dict()))
        return
    click.echo(f"{'bytes     ' if tokens == 'byte' else 'characters'}  {score.chars:,}")
    click.echo(f"nats/{tokens}   {score.loss_nats:.4f}")
    click.echo(f"bits/{tokens}   {score.bits_per_char:.4f}")
    click.echo(f"perplexity  {score.perplexity:.3f}")
