"""charrnn eval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_model_and_part
from charrnn.commands.options import checkpoint_and_text_arguments, json_option, text_options
from charrnn.errors import plural

if TYPE_CHECKING:
    from charrnn.model.evaluation import Score


@click.command(name="eval")
@checkpoint_and_text_arguments
@text_options
@json_option
def evaluate(arguments: tuple[str, ...], split: str | None, unknown: str, as_json: bool) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is an .npz file or a run folder, by default the newest run under runs/. TEXT_FILE is
    any text file, or - for standard input; without it, a split of the model's own text is read.
    Every character of a split is scored, and every character of a text file but the first.
    """
    checkpoint, part = load_model_and_part(arguments, split, unknown)
    from charrnn.system.progress import progress
    from charrnn.workers.scoring import score_by_workers

    tokens = checkpoint.vocabulary.tokens
    with progress(part.corpus.scored(part.start, part.end), f"{tokens}s") as advance:
        score = score_by_workers(
            checkpoint.config,
            part.corpus,
            checkpoint.parameters,
            part.start,
            part.end,
            advance,
        )
    _print_score(score, tokens, as_json)


def _print_score(score: Score, tokens: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(score.to_dict()))
        return
    click.echo(f"{plural(tokens):<10}  {score.chars:,}")
    click.echo(f"nats/{tokens}   {score.loss_nats:.4f}")
    click.echo(f"bits/{tokens}   {score.bits_per_char:.4f}")
    click.echo(f"perplexity  {score.perplexity:.3f}")
