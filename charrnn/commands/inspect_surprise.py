"""charrnn inspect surprise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import Part, load_part, loaded, split_arguments
from charrnn.commands.options import json_option, show_text, shown_text_options, text_options

if TYPE_CHECKING:
    from charrnn.inspection.surprise import Place
    from charrnn.kernels import Array
    from charrnn.text.vocabulary import Vocabulary

_BEFORE = 30  # characters shown before a surprising one


@click.command()
@click.argument("arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1)
@text_options
@shown_text_options
@click.option(
    "--top",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many of the most surprising places to list.",
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
    """Show what each character of a text costs a model, in nats.

    The text from its beginning, coloured, then the most surprising places of all of it with their
    lines. The mean is what charrnn eval tells. CHECKPOINT and TEXT_FILE as there.
    """
    models, text_file = split_arguments(arguments, split)
    from charrnn.inspection.colours import NATS
    from charrnn.inspection.features import line_numbers
    from charrnn.inspection.surprise import most_surprising, nats_by_character
    from charrnn.model.evaluation import Score
    from charrnn.system.progress import progress

    path, model = loaded(models[0] if models else None)
    part = load_part(model, text_file, split, unknown)
    scored = part.end - max(part.start, 1)
    with progress(scored) as advance:
        nats = nats_by_character(model.model(), part.codes, part.start, part.end, advance)
    score = Score(scored, float(nats[part.end - part.start - scored :].sum(dtype="float64")))
    click.echo(f"{path}, {part.name}", err=True)
    lines = line_numbers(part.codes, model.vocabulary, part.start, part.end)
    places = most_surprising(nats, lines, top)
    if as_json:
        listed = [_plain(one, part, model.vocabulary) for one in places]
        kept = [None if math.isnan(one) else round(one, 4) for one in nats.tolist()]
        click.echo(json.dumps(score.to_dict() | {"surprising": listed, "nats": kept}))
        return
    if length:
        shown = slice(part.start, min(part.end, part.start + length))
        show_text(model.vocabulary, part.codes[shown], nats[:length], NATS, colour)
        click.echo()
    click.echo(f"mean {score.loss_nats:.4f} nats/{model.vocabulary.tokens}, {scored:,} characters")
    for row in _rows(places, part, model.vocabulary):
        click.echo(row)


def _before(part: Part, place: int) -> Array:
    """The codes of what stands before a place of a part."""
    end = part.start + place
    return part.codes[max(part.start, end - _BEFORE) : end]


def _plain(one: Place, part: Part, vocabulary: Vocabulary) -> dict[str, object]:
    at = part.start + one.place
    return {
        "line": one.line,
        "place": at,
        "nats": round(one.nats, 4),
        "before": vocabulary.decode(_before(part, one.place)),
        "character": vocabulary.decode(part.codes[at : at + 1]),
    }


def _rows(places: Sequence[Place], part: Part, vocabulary: Vocabulary) -> list[str]:
    from charrnn.inspection.glyphs import glyphs

    signs, shown = glyphs(vocabulary, spaces=False), glyphs(vocabulary, spaces=True)
    rows = ["", f"{'line':>8}  {'nats':>6}  the character, and what came before it"]
    for one in places:
        before = "".join(signs[code] for code in _before(part, one.place))
        sign = shown[part.codes[part.start + one.place]]
        rows.append(f"{one.line:>8,}  {one.nats:>6.2f}  {sign}  {before}")
    return rows if places else []
