"""A text on a terminal, each character coloured by a number; elsewhere with marks below it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from charrnn.inspection.glyphs import columns_of
from charrnn.kernels import Array

_RESET = "\x1b[0m"


@dataclass(frozen=True)
class Scale:
    """Colours and marks for numbers, by level.

    The colours go from light to dark, or from one hue through none to another, so that they are
    told apart without telling red from green.
    """

    bounds: tuple[float, ...]  # between one level and the next
    backgrounds: tuple[
        int | None, ...
    ]  # for each level, of the 256 colours; None is the terminal's
    marks: str  # for each level; a space is none
    labels: tuple[str, ...]  # for each level
    what: str

    def level(self, value: float) -> int | None:
        """Return a number's level; None for one that is not there."""
        return None if np.isnan(value) else int(np.searchsorted(self.bounds, value, side="right"))

    def coloured(self, glyph: str, value: float) -> str:
        """Return a sign with its colour."""
        level = self.level(value)
        background = None if level is None else self.backgrounds[level]
        if background is None:
            return glyph
        ink = 231 if background in _DARK else 16
        return f"\x1b[48;5;{background};38;5;{ink}m{glyph}{_RESET}"

    def mark(self, value: float) -> str:
        """Return the mark of a number."""
        level = self.level(value)
        return " " if level is None else self.marks[level]

    def legend(self, coloured: bool) -> str:
        """Return what the levels stand for, on one line."""
        middles = [self.bounds[0] - 1, *np.add(self.bounds[1:], self.bounds[:-1]) / 2]
        middles.append(self.bounds[-1] + 1)
        if coloured:
            shown = [self.coloured(f" {n} ", m) for n, m in zip(self.labels, middles, strict=True)]
            return f"{self.what}: {' '.join(shown)}"
        shown = [f"{mark} = {label}" for mark, label in zip(self.marks, self.labels, strict=True)]
        return f"{self.what}: {', '.join(one for one in shown if one[0] != ' ')}"


_DARK = {25, 88, 166}
NATS = Scale(
    (1, 2, 3, 4, 6),
    (None, 230, 222, 214, 166, 88),
    " 12346",
    ("below 1", "1 to 2", "2 to 3", "3 to 4", "4 to 6", "over 6"),
    "nats",
)
ACTIVATION = Scale(
    (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75),
    (25, 74, 153, None, 223, 215, 166),
    "▁▂▃ ▅▆▇",
    ("-1", "-0.6", "-0.4", "0", "0.4", "0.6", "1"),
    "activation",
)


def wants_colours(stream: TextIO, choice: str) -> bool:
    """Return whether to colour: as asked for, else on a terminal that NO_COLOR lets have them."""
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def coloured_lines(
    codes: Array,
    values: Array,
    signs: Sequence[str],
    scale: Scale,
    *,
    columns: int,
    coloured: bool,
) -> Iterator[str]:
    """Yield the lines of a text with its numbers.

    Args:
        codes: (n,), the text.
        values: (n,), nan where there is none.
        signs: for each code; a line ends after ↵.
        scale: of the numbers.
        columns: of a line, at most.
        coloured: with colours; else each line has another below it, with marks.
    """
    line, marks, width = "", "", 0
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        sign = signs[code]
        wide = columns_of(sign)
        if line and width + wide > columns:
            yield from _line(line, marks, coloured)
            line, marks, width = "", "", 0
        line += scale.coloured(sign, value) if coloured else sign
        marks += scale.mark(value) + " " * (wide - 1)
        width += wide
        if sign == "↵":
            yield from _line(line, marks, coloured)
            line, marks, width = "", "", 0
    if line:
        yield from _line(line, marks, coloured)


def _line(line: str, marks: str, coloured: bool) -> Iterator[str]:
    yield line
    if not coloured and marks.strip():
        yield marks.rstrip()
