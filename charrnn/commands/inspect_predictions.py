"""charrnn inspect predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import find_and_load, refuse_escapes, report_skipped
from charrnn.commands.options import (
    IntInRange,
    checkpoint_argument,
    features_option,
    json_option,
    unknown_option,
)
from charrnn.commands.tables import print_objects
from charrnn.system.terminal import output_columns

if TYPE_CHECKING:
    from charrnn.inspection.predictions import Prediction
    from charrnn.text.vocabulary import Vocabulary


@click.command()
@checkpoint_argument
@click.option("--text", required=True, help="Text to read, as the start of a line.")
@click.option(
    "--top",
    type=IntInRange(1, 1000),
    default=5,
    show_default=True,
    help="Number of likeliest characters to show.",
)
@features_option
@unknown_option
@json_option
def predictions(
    checkpoint: str | None,
    text: str,
    top: int,
    features: tuple[float, ...] | None,
    unknown: str,
    as_json: bool,
) -> None:
    """Show what a model predicts after each character of a text.

    The text is read like a prime of `charrnn sample`, after a newline, which has the first row; a
    model that was trained on prompts reads a prompt and its end, after which the reply begins.
    Each row has the probability and the rank of the actual next character, with a check mark if it
    is the likeliest. CHECKPOINT is an .npz file or a run folder, by default the newest run under
    runs/.
    """
    from charrnn.errors import TextError, plural
    from charrnn.inspection.predictions import predictions as predict
    from charrnn.model.encoder import Encoder
    from charrnn.text.decoding import normalise_newlines
    from charrnn.text.one_record import check_record

    path, model = find_and_load(checkpoint)
    vocabulary = model.vocabulary
    if not text:
        raise TextError("--text: is empty; it takes at least one character")
    if unknown != "skip":
        refuse_escapes("--text", text, vocabulary)
    symbols = vocabulary.symbols_of(normalise_newlines(text, model.config.data))
    codes = vocabulary.encode(symbols, "--text", skip_unknown=unknown == "skip")
    if not len(codes):
        needed = plural(vocabulary.tokens)
        raise TextError(f"--text: has none of the {needed} that the model knows; it takes one")
    check_record(codes, vocabulary, model.config.data, "--text", begins=True)
    skipped = len(symbols) - len(codes)
    if vocabulary.prompt_end is not None:
        codes = vocabulary.as_pair(vocabulary.as_read(codes), codes[:0])
    encoder = Encoder(model.config.data, vocabulary, model.labels, model.scale)
    given = encoder.features(features)
    first = None if given is None else given[None]
    found = predict(model.model(), vocabulary.as_prime(codes), top, first)
    click.echo(str(path), err=True)
    report_skipped(skipped, vocabulary.tokens)
    if as_json:
        print_objects([{"predictions": [_to_dict(one, vocabulary) for one in found]}])
    else:
        click.echo("\n".join(_table(found, vocabulary)))


def _to_dict(one: Prediction, vocabulary: Vocabulary) -> dict[str, object]:
    def token(code: int | None) -> str | int | None:
        if code is None:
            return None
        if code in (vocabulary.end, vocabulary.prompt_end):
            return "" if code == vocabulary.end else "\t"
        symbol = int(vocabulary.symbols[code])
        return symbol if vocabulary.tokens == "byte" else chr(symbol)

    return {
        "after": token(one.read),
        "likeliest": [
            {"character": token(code), "probability": p}
            for code, p in zip(one.likeliest, one.probabilities, strict=True)
        ],
        "actual": token(one.actual),
        "probability": one.probability,
        "rank": one.rank,
    }


def _table(found: Sequence[Prediction], vocabulary: Vocabulary) -> list[str]:
    from charrnn.inspection.glyphs import display_width, token_glyphs

    glyphs = token_glyphs(vocabulary, spaces=True)
    width = max(display_width(glyphs[one.read]) for one in found)

    def padded(glyph: str) -> str:
        return glyph + " " * (width - display_width(glyph))

    left = max(7, width + 2)
    rows = [f"{'after':<{left}}next{' ' * (width + 7)}rank    likeliest"]
    columns = output_columns()
    for one in found:
        actual = " " * (width + 16)
        if one.actual is not None and one.rank is not None:
            check = "✓" if one.rank == 1 else " "
            actual = f"{padded(glyphs[one.actual])}  {one.probability:.4f}  {one.rank:>4} {check}"
        row = f"{padded(glyphs[one.read])}{' ' * (left - width)}{actual} "
        indent = " " * display_width(row)
        for code, p in zip(one.likeliest, one.probabilities, strict=True):
            likely = f"  {glyphs[code]} {p:.3f}"
            if display_width(row + likely) > columns and row != indent:
                rows.append(row)
                row = indent
            row += likely
        rows.append(row)
    return rows
