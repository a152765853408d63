"""Text on a terminal with a colour for the value of each character, or a mark below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.inspection.glyphs import display_width, line_ends, token_glyphs
from charrnn.kernels import Array
from charrnn.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Scale:
    """The levels of a quantity, each with a colour, a mark and a label.

    The colours run from light to dark, or from one hue through none to another, so that nobody
    has to tell red from green.
    """

    quantity: str  # for the legend
    bounds: tuple[float, ...]  # (L - 1,), between adjacent levels
    backgrounds: tuple[int | None, ...]  # (L,), of the 256 colours; None leaves the terminal's
    marks: str  # (L,); a space stands for no mark
    labels: tuple[str, ...]  # (L,)

    def level(self, value: float) -> int | None:
        """Return the level of a value, None for nan."""
        return None if np.isnan(value) else int(np.searchsorted(self.bounds, value, side="right"))

    def coloured(self, glyph: str, value: float) -> str:
        """Return a glyph on the background of its value."""
        level = self.level(value)
        return glyph if level is None else _on_background(glyph, self.backgrounds[level])

    def mark(self, value: float) -> str:
        """Return the mark of a value, one character."""
        level = self.level(value)
        return " " if level is None else self.marks[level]

    def legend(self, coloured: bool, columns: int) -> str:
        """Return each level's label, on its colour or beside its mark.

        Args:
            coloured: whether to use the colours.
            columns: width of a line, at most.
        """
        rows, row, width = list[str](), f"{self.quantity}:", len(self.quantity) + 1
        indent = " " * width
        for level, label in enumerate(self.labels):
            mark = self.marks[level] if self.marks[level] != " " else "unmarked"
            comma = "," if level < len(self.labels) - 1 else ""
            text = f" {label} " if coloured else f"{mark}: {label}{comma}"
            if width + 1 + len(text) > columns and row != indent:
                rows.append(row)
                row, width = indent, len(indent)
            width += 1 + len(text)
            row += " " + (_on_background(text, self.backgrounds[level]) if coloured else text)
        return "\n".join([*rows, row])


def _on_background(text: str, background: int | None) -> str:
    if background is None:
        return text
    ink = 231 if background in _DARK else 16
    return f"\x1b[48;5;{background};38;5;{ink}m{text}\x1b[0m"


_DARK = {25, 88, 166}
NATS = Scale(
    "nats",
    (1, 2, 3, 4, 6),
    (None, 230, 222, 214, 166, 88),
    " 12346",
    ("<1", "1-2", "2-3", "3-4", "4-6", ">6"),
)
ACTIVATION = Scale(
    "activation",
    (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75),
    (25, 74, 153, None, 223, 215, 166),
    "▁▂▃ ▅▆▇",
    ("<-0.75", "to -0.5", "to -0.25", "to 0.25", "to 0.5", "to 0.75", ">0.75"),
)


def coloured_lines(
    codes: Array,
    values: Array,
    vocabulary: Vocabulary,
    scale: Scale,
    *,
    columns: int,
    coloured: bool,
) -> Iterator[str]:
    """Yield the lines of a text with its values.

    Args:
        codes: (n,), the text.
        values: (n,), nan for a character without a value.
        vocabulary: of the codes.
        scale: of the values.
        columns: width of a line, at most.
        coloured: whether to use colours; otherwise a line of marks follows each line.
    """
    for row in _rows(codes, values, vocabulary, columns):
        if coloured:
            yield "".join(scale.coloured(glyph, value) for glyph, value in row)
            continue
        yield "".join(glyph for glyph, _ in row)
        marks = "".join(scale.mark(value).ljust(display_width(glyph)) for glyph, value in row)
        if marks.strip():
            yield marks.rstrip()


def _rows(
    codes: Array, values: Array, vocabulary: Vocabulary, columns: int
) -> Iterator[list[tuple[str, float]]]:
    """Yield the glyphs and values of each line; a long one is cut after a space if it has one."""
    glyphs, ends_line = token_glyphs(vocabulary, spaces=False), line_ends(vocabulary).tolist()
    row: list[tuple[str, float]] = []
    words, width, ended = 0, 0, False  # glyphs up to the last space, columns of all
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        glyph = glyphs[code]
        while row and (ended or width + display_width(glyph) > columns):
            cut = len(row) if ended else words or len(row)
            yield row[:cut]
            row, words, ended = row[cut:], 0, False
            width = sum(display_width(one) for one, _ in row)
        row.append((glyph, value))
        if glyph == " ":
            words = len(row)
        width, ended = width + display_width(glyph), ends_line[code]
    if row:
        yield row
