"""charrnn inspect surprise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_model_and_part
from charrnn.commands.options import (
    IntInRange,
    checkpoint_and_text_arguments,
    json_option,
    show_text,
    shown_text_options,
    text_options,
)

if TYPE_CHECKING:
    from charrnn.inspection.surprise import Surprise
    from charrnn.text.part import Part
    from charrnn.text.vocabulary import Vocabulary


@click.command()
@checkpoint_and_text_arguments
@text_options
@shown_text_options
@click.option(
    "--top",
    type=IntInRange(0),
    default=10,
    show_default=True,
    help="Number of most surprising characters to list.",
)
@json_option
def surprise(
    arguments: tuple[str, ...],
    split: str | None,
    unknown: str,
    length: int,
    colour: str,
    top: int,
    as_json: bool,
) -> None:
    """Show the loss of each character of a text, in nats.

    Prints the beginning of the text in colours, the mean loss, which is that of charrnn eval, and
    the most surprising characters of the whole text with their lines, each event once. CHECKPOINT
    and TEXT_FILE are those of charrnn eval.
    """
    model, part = load_model_and_part(arguments, split, unknown)
    from charrnn.errors import counted
    from charrnn.inspection.colours import NATS
    from charrnn.inspection.features import line_numbers
    from charrnn.inspection.surprise import most_surprising, nats_by_character
    from charrnn.model.evaluation import Score
    from charrnn.system.progress import progress

    codes, start, end, tokens = part.codes, part.start, part.end, model.vocabulary.tokens
    scored = end - max(start, 1)
    with progress(scored, f"{tokens}s") as advance:
        nats = nats_by_character(model.model(), codes, start, end, advance)
    score = Score(scored, float(nats[end - start - scored :].sum(dtype="float64")))
    lines = line_numbers(codes, model.vocabulary, start, end)
    found = most_surprising(codes[start:end], nats, lines, top)
    if as_json:
        listed = [_to_dict(one, part, model.vocabulary) for one in found]
        rounded = [None if math.isnan(one) else round(one, 4) for one in nats.tolist()]
        click.echo(json.dumps(score.to_dict() | {"surprising": listed, "nats": rounded}))
        return
    if length:
        shown = codes[start : min(end, start + length)]
        show_text(model.vocabulary, shown, nats[:length], NATS, colour)
        click.echo()
    click.echo(f"mean {score.loss_nats:.4f} nats/{tokens}, {counted(scored, tokens)}")
    for row in _table(found, model.vocabulary):
        click.echo(row)


def _to_dict(one: Surprise, part: Part, vocabulary: Vocabulary) -> dict[str, object]:
    place = part.start + one.position
    return {
        "line": one.line,
        "place": place,
        "nats": round(one.nats, 4),
        "before": vocabulary.decode(one.before),
        "character": vocabulary.decode(part.codes[place : place + 1]),
    }


def _table(found: Sequence[Surprise], vocabulary: Vocabulary) -> list[str]:
    from charrnn.inspection.glyphs import token_glyphs

    spaced, plain = (token_glyphs(vocabulary, spaces=spaces) for spaces in (True, False))
    rows = ["", f"{'line':>8}  {'nats':>6}  the character and the text before it"]
    for one in found:
        before = "".join(plain[code] for code in one.before)
        rows.append(f"{one.line:>8,}  {one.nats:>6.2f}  {spaced[one.code]}  {before}")
    return rows if found else []
