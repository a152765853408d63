"""charrnn inspect predictions."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import loaded, report_skipped
from charrnn.commands.options import json_option, unknown_option

if TYPE_CHECKING:
    from charrnn.inspection.predictions import Prediction
    from charrnn.text.vocabulary import Vocabulary


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--text", required=True, help="The text to read, from its first character on.")
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="How many of the likeliest characters to show.",
)
@unknown_option
@json_option
def predictions(checkpoint: str | None, text: str, top: int, unknown: str, as_json: bool) -> None:
    """Show what a model expects after each character of a text, and what came.

    The rank of what came is 1 where it was the likeliest; such a line has a check mark.
    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/.
    """
    from charrnn.errors import TextError
    from charrnn.inspection.predictions import predictions as predicted

    path, model = loaded(checkpoint)
    vocabulary = model.vocabulary
    if not text:
        raise TextError("--text: is empty; it takes at least one character")
    symbols = vocabulary.symbols_of(text)
    codes = vocabulary.encode(symbols, "--text", skip_unknown=unknown == "skip")
    if not len(codes):
        raise TextError("--text: has no character that the model knows; it takes at least one")
    found = predicted(model.model(), codes, top)
    click.echo(str(path), err=True)
    report_skipped(len(symbols) - len(codes))
    if as_json:
        click.echo(json.dumps({"predictions": [_plain(one, vocabulary) for one in found]}))
    else:
        click.echo("\n".join(_table(found, vocabulary)))


def _plain(one: Prediction, vocabulary: Vocabulary) -> dict[str, object]:
    def name(code: int | None) -> str | int | None:
        if code is None:
            return None
        symbol = int(vocabulary.symbols[code])
        return symbol if vocabulary.tokens == "byte" else chr(symbol)

    return {
        "after": name(one.read),
        "likeliest": [
            {"character": name(code), "probability": p}
            for code, p in zip(one.likeliest, one.probabilities, strict=True)
        ],
        "actual": name(one.actual),
        "probability": one.probability,
        "rank": one.rank,
    }


def _table(found: Sequence[Prediction], vocabulary: Vocabulary) -> list[str]:
    from charrnn.inspection.glyphs import columns_of, glyphs

    signs = glyphs(vocabulary, spaces=True)
    width = max(columns_of(signs[one.read]) for one in found)

    def padded(sign: str) -> str:
        return sign + " " * (width - columns_of(sign))

    left = max(7, width + 2)
    rows = [f"{'after':<{left}}next{' ' * (width + 7)}rank    likeliest"]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for one in found:
        came = " " * (width + 16)
        if one.actual is not None and one.rank is not None:
            right = "✓" if one.rank == 1 else " "
            came = f"{padded(signs[one.actual])}  {one.probability:.4f}  {one.rank:>4} {right}"
        row = f"{padded(signs[one.read])}{' ' * (left - width)}{came} "
        for code, p in zip(one.likeliest, one.probabilities, strict=True):
            expected = f"  {signs[code]} {p:.3f}"
            if columns_of(row + expected) > columns:
                break
            row += expected
        rows.append(row)
    return rows
