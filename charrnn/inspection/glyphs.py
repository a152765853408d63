"""Characters of a text as single signs that can be seen."""

from __future__ import annotations

import unicodedata

from charrnn.system.terminal import visible
from charrnn.text.vocabulary import Vocabulary

_SEEN = {" ": "␣", "\n": "↵", "\t": "⇥"}
_UNSEEN = ("C", "M", "Z")  # categories: controls and the unassigned, marks on others, separators


def glyphs(vocabulary: Vocabulary, *, spaces: bool) -> list[str]:
    """Return for each code a sign that can be seen: itself, a picture, or its number.

    Args:
        vocabulary: of the codes.
        spaces: whether a space, too, is to be seen.
    """
    symbols, is_byte = vocabulary.symbols.tolist(), vocabulary.tokens == "byte"
    return [_glyph(symbol, is_byte, spaces) for symbol in symbols]


def _glyph(symbol: int, is_byte: bool, spaces: bool) -> str:
    character = chr(symbol)
    if character == " " and not spaces:
        return character
    if character in _SEEN:
        return _SEEN[character]
    if is_byte and symbol > 0x7E:
        return f"\\x{symbol:02x}"
    picture = visible(character)
    if picture != character and picture != "\N{REPLACEMENT CHARACTER}":
        return picture
    unseen = unicodedata.category(character)[0] in _UNSEEN
    return f"<U+{symbol:04X}>" if unseen else character


def columns_of(glyph: str) -> int:
    """Return how many columns of a terminal a sign takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in glyph)
