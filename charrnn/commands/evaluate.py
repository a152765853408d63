"""charrnn eval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_part, loaded, split_arguments
from charrnn.commands.options import json_option, text_options

if TYPE_CHECKING:
    from charrnn.model.evaluation import Score


@click.command(name="eval")
@click.argument("arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1)
@text_options
@json_option
def evaluate(arguments: tuple[str, ...], split: str | None, unknown: str, as_json: bool) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/. TEXT_FILE
    may be - for standard input. Of it every character but the first is scored, of a split every
    one.
    """
    models, text_file = split_arguments(arguments, split)
    from charrnn.system.progress import progress
    from charrnn.workers.scoring import score_by_workers

    path, checkpoint = loaded(models[0] if models else None)
    part = load_part(checkpoint, text_file, split, unknown)
    click.echo(f"{path}, {part.name}", err=True)
    with progress(part.end - max(part.start, 1)) as advance:
        figures = score_by_workers(
            checkpoint.config,
            len(checkpoint.vocabulary),
            checkpoint.parameters,
            part.codes,
            part.start,
            part.end,
            advance,
        )
    _print_score(figures, checkpoint.vocabulary.tokens, as_json)


def _print_score(score: Score, tokens: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(score.to_dict()))
        return
    click.echo(f"{'bytes     ' if tokens == 'byte' else 'characters'}  {score.chars:,}")
    click.echo(f"nats/{tokens}   {score.loss_nats:.4f}")
    click.echo(f"bits/{tokens}   {score.bits_per_char:.4f}")
    click.echo(f"perplexity  {score.perplexity:.3f}")
