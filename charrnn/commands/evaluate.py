"""charrnn eval."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_model_and_part
from charrnn.commands.options import checkpoint_and_text_arguments, text_options
from charrnn.errors import plural
from charrnn.system.terminal import visible

if TYPE_CHECKING:
    from charrnn.model.evaluation import Score, WindowScore
    from charrnn.text.part import Part
    from charrnn.text.windows import Segments

_PRINTED = 1000  # lines printed together
# A line of the table is a line, and has as many fields as the others.
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@click.command(name="eval")
@checkpoint_and_text_arguments
@text_options
@click.option(
    "--each",
    is_flag=True,
    help="Print for each record, or each line of a text: nats, nats per character, and the record.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; with --each one a record."
)
def evaluate(
    arguments: tuple[str, ...], split: str | None, unknown: str, each: bool, as_json: bool
) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is an .npz file or a run folder, by default the newest run under runs/. TEXT_FILE is
    any text file, or - for standard input; without it, a split of the model's own text is read.
    Every character of a split is scored, and every character of a text file but the first. Records
    are scored from their beginning, end included.
    """
    checkpoint, part = load_model_and_part(arguments, split, unknown)
    from charrnn.model.evaluation import SegmentScores
    from charrnn.system.progress import progress
    from charrnn.workers.scoring import score_by_workers

    corpus, tokens = part.corpus, checkpoint.vocabulary.tokens
    scores = SegmentScores(corpus.segments(part.start, part.end)) if each else None
    with progress(corpus.scored(part.start, part.end), f"{tokens}s") as advance:

        def scored(window: WindowScore) -> None:
            advance(window.chars)
            if scores is not None:
                scores.add(window)

        score = score_by_workers(
            checkpoint.config,
            corpus,
            checkpoint.parameters,
            part.start,
            part.end,
            scored,
            each,
        )
    if scores is not None:
        _print_each(scores, _texts(part, scores.segments), as_json)
    else:
        _print_score(score, tokens, part.records, as_json)


def _texts(part: Part, segments: Segments) -> Iterator[str]:
    """Yield the text of each line or record, without its newline or end."""
    codes, vocabulary = part.corpus.codes, part.corpus.vocabulary
    for first, last in zip(segments.first, segments.last, strict=True):
        yield vocabulary.decode(codes[first : last + 1]).removesuffix("\n")


def _print_each(scores: Iterable[Score], texts: Iterable[str], as_json: bool) -> None:
    lines = (_line(score, text, as_json) for score, text in zip(scores, texts, strict=True))
    terminal = sys.stdout.isatty()
    while block := "\n".join(islice(lines, _PRINTED)):
        click.echo(visible(block) if terminal else block)


def _line(score: Score, text: str, as_json: bool) -> str:
    # The first line of a file may be a single character, which is not scored.
    nats_per_char = score.loss_nats if score.chars else None
    if as_json:
        return json.dumps({"nats": score.nats, "nats_per_char": nats_per_char, "text": text})
    mean = "nan" if nats_per_char is None else f"{nats_per_char:.4f}"
    return f"{score.nats:.4f}\t{mean}\t{text.translate(_ESCAPES)}"


def _print_score(score: Score, tokens: str, records: int | None, as_json: bool) -> None:
    figures = score.to_dict()
    rows = {
        plural(tokens): f"{score.chars:,}",
        f"nats/{tokens}": f"{score.loss_nats:.4f}",
        f"bits/{tokens}": f"{score.bits_per_char:.4f}",
        "perplexity": f"{score.perplexity:.3f}",
    }
    if records is not None:
        nats_per_record = score.nats / records
        figures |= {"records": records, "nats_per_record": nats_per_record}
        rows |= {"records": f"{records:,}", "nats/record": f"{nats_per_record:.4f}"}
    if as_json:
        click.echo(json.dumps(figures))
        return
    width = max(map(len, rows)) + 2
    for name, figure in rows.items():
        click.echo(f"{name:<{width}}{figure}")
