"""Lines of tables: tabs between the fields in a pipe, columns on a terminal; lines of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import islice

import click

from charrnn.system.terminal import visible

_PRINTED = 1000  # lines printed together
# A line of a table is a line, and has as many fields as the others.
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def fields(cells: Iterable[str]) -> str:
    r"""Return a line with a tab between cells, whose own tabs and line ends are escaped.

    >>> fields(["a\tb", "c"])
    'a\\tb\tc'
    """
    return "\t".join(cell.translate(_ESCAPES) for cell in cells)


def print_lines(lines: Iterable[str]) -> None:
    """Print many lines; a terminal gets no control characters."""
    lines, terminal = iter(lines), sys.stdout.isatty()
    while block := "\n".join(islice(lines, _PRINTED)):
        click.echo(visible(block) if terminal else block)


def print_objects(objects: Iterable[object]) -> None:
    """Print a line of JSON for each object."""
    print_lines(map(json_line, objects))


def json_line(value: object) -> str:
    """Return a value as one line of JSON, with its text unescaped: output is always UTF-8."""
    return json.dumps(value, ensure_ascii=False)


def fitted(text: str, width: int) -> str:
    """Return a text on one line of a terminal, with spaces after it or shortened.

    Args:
        text: any.
        width: of the result, in columns.
    """
    from charrnn.inspection.glyphs import display_width

    text = one_line(text)
    if len(text) > width or display_width(text) > width:
        while display_width(text := text[:width]) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - display_width(text))


def width_of(texts: Iterable[str]) -> int:
    """Return the columns that the widest of some texts takes on a terminal, each on one line."""
    from charrnn.inspection.glyphs import display_width

    return max(map(display_width, map(one_line, texts)), default=0)


def one_line(text: str) -> str:
    """Return a text with its line ends, tabs and control characters made visible."""
    return visible(text.translate(_ESCAPES))
