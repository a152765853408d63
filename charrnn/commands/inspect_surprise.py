"""charrnn inspect surprise."""

from __future__ import annotations

import math
import sys
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
from charrnn.commands.tables import print_objects
from charrnn.system.terminal import wants_colours

if TYPE_CHECKING:
    from charrnn.inspection.surprise import Surprise
    from charrnn.text.reading import Reading


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
    the most surprising characters of the whole text with their lines, or the numbers of their
    records, each event once. CHECKPOINT and TEXT_FILE are those of charrnn eval.
    """
    model, part = load_model_and_part(arguments, split, unknown)
    import numpy as np

    from charrnn.errors import counted, plural
    from charrnn.inspection.colours import NATS
    from charrnn.inspection.surprise import most_surprising, nats_by_character
    from charrnn.model.evaluation import Score
    from charrnn.system.progress import progress

    reading, tokens = part.reading(), model.vocabulary.tokens
    scored = reading.scored
    with progress(scored, plural(tokens), "scoring") as advance:
        nats = nats_by_character(model.model(), reading, advance)
    score = Score(scored, float(np.nansum(nats, dtype="float64")))
    found = most_surprising(reading, nats, top)
    if as_json:
        listed = [_to_dict(one, reading) for one in found]
        rounded = [None if math.isnan(one) else round(one, 4) for one in nats.tolist()]
        print_objects([score.to_dict() | {"surprising": listed, "nats": rounded}])
        return
    if length:
        show_text(model.vocabulary, reading.part[:length], nats[:length], NATS, colour)
        click.echo()
    click.echo(f"mean {score.loss_nats:.4f} nats/{tokens}, {counted(scored, tokens)}")
    coloured = wants_colours(sys.stdout, colour)
    for row in _table(found, reading, coloured):
        click.echo(row, color=coloured)


def _to_dict(one: Surprise, reading: Reading) -> dict[str, object]:
    vocabulary = reading.vocabulary
    return {
        reading.numbered: one.number,
        "place": one.place,
        "nats": round(one.nats, 4),
        "before": vocabulary.decode(one.before),
        "character": vocabulary.decode(reading.part[one.position : one.position + 1]),
        "after": vocabulary.decode(one.after),
    }


def _table(found: Sequence[Surprise], reading: Reading, coloured: bool) -> list[str]:
    """Return a row for each place, the surprising characters one below the other."""
    from charrnn.inspection.colours import NATS
    from charrnn.inspection.glyphs import display_width, token_glyphs

    if not found:
        return []
    spaced, plain = (token_glyphs(reading.vocabulary, spaces=spaces) for spaces in (True, False))
    texts = [
        ["".join(plain[code] for code in side.tolist()) for side in (one.before, one.after)]
        for one in found
    ]
    numbers = [f"{one.number:,}" for one in found]
    width = max(map(len, [reading.numbered, *numbers]))
    left = max(display_width(before) for before, _ in texts)
    token = "byte" if reading.vocabulary.tokens == "byte" else "character"
    rows = ["", f"{reading.numbered:>{width}}   nats  [{token}] and the text around it"]
    for number, one, (before, after) in zip(numbers, found, texts, strict=True):
        marked = f"[{spaced[one.code]}]"
        marked = NATS.coloured(marked, one.nats) if coloured else marked
        indent = " " * (left - display_width(before))
        rows.append(
            f"{number:>{width}}  {one.nats:>5.2f}  {indent}{before}{marked}{after}".rstrip()
        )
    return rows
