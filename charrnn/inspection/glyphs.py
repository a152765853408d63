"""A visible glyph for every character, control characters and combining marks included."""

from __future__ import annotations

import unicodedata

import numpy as np

from charrnn.kernels import Array
from charrnn.system.terminal import visible
from charrnn.text.vocabulary import Vocabulary

_END, _PROMPT_END = "␃", "␟"  # of a record, of a prompt
_SYMBOLS = {" ": "␣", "\n": "↵", "\t": "⇥"}
# Unicode categories: controls and unassigned characters, combining marks, separators.
_INVISIBLE = ("C", "M", "Z")


def token_glyphs(vocabulary: Vocabulary, *, spaces: bool) -> list[str]:
    """Return a visible glyph for each code: the character, a symbol for it, or its number.

    Args:
        vocabulary: characters or bytes, by code.
        spaces: whether a space becomes visible too.
    """
    symbols, is_byte = vocabulary.symbols[: vocabulary.size].tolist(), vocabulary.tokens == "byte"
    glyphs = [_glyph(symbol, is_byte, spaces) for symbol in symbols]
    return [*glyphs, _END, _PROMPT_END][: len(vocabulary)]


def line_ends(vocabulary: Vocabulary) -> Array:
    """Return for each code whether a line of a shown text ends after it, (V,) bool."""
    codes = np.arange(len(vocabulary))
    found: Array = (vocabulary.symbols == ord("\n")) | (codes == vocabulary.end)
    return found


def _glyph(symbol: int, is_byte: bool, spaces: bool) -> str:
    character = chr(symbol)
    if character == " " and not spaces:
        return character
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    if is_byte and symbol > 0x7E:
        return f"\\x{symbol:02x}"
    picture = visible(character)
    if picture != character and picture != "\N{REPLACEMENT CHARACTER}":
        return picture
    is_invisible = unicodedata.category(character)[0] in _INVISIBLE
    return f"<U+{symbol:04X}>" if is_invisible else character


def display_width(glyph: str) -> int:
    """Return the number of terminal columns of a glyph."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in glyph)
