"""Features of each position of a text: its place in the line, whether it is inside quotes, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from charrnn.kernels import Array
from charrnn.text.reading import Reading

_OPENING, _CLOSING = "([{", ")]}"
_CONTEXT = 10_000  # characters before the part that features take into account
_PLACES = 10  # in each half of a part, at least, where a feature is there, and where it is not


def text_features(reading: Reading) -> dict[str, Array]:
    """Return the features that a part has, by name, (n,) each; see `present` and `all_features`."""
    return present(all_features(reading))


def present(features: Mapping[str, Array]) -> dict[str, Array]:
    """Return the features (n,) that are zero in some places of a text and not in others.

    There are at least 10 of either in each half. A count such as the position in the line is zero
    where it begins anew; without that it is no more than the position in the text.
    """

    def varies(half: Array) -> bool:
        nonzero = np.count_nonzero(half)
        return bool(min(nonzero, len(half) - nonzero) >= _PLACES)

    return {
        name: feature
        for name, feature in features.items()
        if all(map(varies, np.array_split(feature, 2)))
    }


def all_features(reading: Reading) -> dict[str, Array]:
    """Return features of the characters of a part, by name, (n,) each, also those it lacks.

    Quotes and brackets count from the last blank line or the start of the record, so that one which
    is never closed affects its own paragraph only. An opening quote or bracket counts as inside.
    """
    vocabulary, start = reading.vocabulary, reading.start
    # Bytes beyond ASCII count as parts of letters.
    last = 0x7F if vocabulary.tokens == "byte" else 0x10FFFF
    symbols = vocabulary.symbols[: vocabulary.end].tolist()
    characters = [chr(s) if s <= last else "ª" for s in symbols]
    characters += [""] * (len(vocabulary) - len(characters))  # the end of a record
    first = max(0, start - _CONTEXT)
    codes = reading.codes[first : reading.end]

    def where(holds: Callable[[str], bool]) -> Array:
        """Return whether each character of the text has a property, (n,)."""
        found: Array = np.array([bool(c) and holds(c) for c in characters])[codes]
        return found

    newline = where(lambda c: c == "\n")
    between_records = codes == vocabulary.end
    line_start = _latest(newline | between_records)
    not_cr = _latest(where(lambda c: c != "\r"))
    before = np.concatenate(([-1], not_cr[:-1]))
    blank = newline & ((before < 0) | newline[before]) | between_records
    paragraph_start = _latest(blank)
    indent = where(lambda c: c in " \t")
    indent &= _latest(~indent) == line_start

    straight = _count_since(paragraph_start, where(lambda c: c == '"')) % 2 == 1
    opening, closing = ("„«", "“”»") if where(lambda c: c == "„").any() else ("“«", "”»")
    opened = _latest(where(lambda c: c in opening))
    curved = (opened > _latest(where(lambda c: c in closing))) & (opened > paragraph_start)
    bracket = where(lambda c: c in _OPENING).astype(np.int64)
    bracket -= where(lambda c: c in _CLOSING)
    depth = _count_since(paragraph_start, bracket)
    # The lowest depth so far in each paragraph: an unmatched closing bracket opens nothing.
    apart = 2 * len(codes) * np.cumsum(blank)
    lowest = np.minimum(0, np.minimum.accumulate(depth - apart) + apart)
    position = np.arange(len(codes))
    features = {
        "position in the line": position - line_start,
        "inside quotes": straight | curved,
        "inside brackets": depth > lowest,
        "inside a word": where(str.isalpha),
        "capital letter": where(str.isupper),
        "newline": newline,
        "indentation": _count_since(line_start, indent),
        "distance from the last blank line": position - paragraph_start,
    }
    if vocabulary.end is not None:  # a record has no blank lines
        features["position in the record"] = features.pop("distance from the last blank line")
        if not newline.any():
            del features["position in the line"], features["newline"]
    return {name: feature[start - first :].astype(float) for name, feature in features.items()}


def _latest(marked: Array) -> Array:
    """Return the latest marked position at or before each position, -1 before the first."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))


def _count_since(start: Array, counted: Array) -> Array:
    """Return the sum of `counted` after each position's start, -1 for the start of the text."""
    totals = np.concatenate(([0], np.cumsum(counted)))
    difference: Array = totals[1:] - totals[start + 1]
    return difference
