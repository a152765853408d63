"""Decide whether the first row of a table names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from charrnn.planning.column import LABELS, TableColumn, form_of

_LONGEST_NAME = 60  # characters of the name of a column
_LONGEST_SHOWN = 30  # characters of a cell that is likely to be a name
_USUAL = re.compile(
    rf"{LABELS.pattern}|\w*_\w*|repl(y|ies)|body|"
    "(text|sentence|message|title|name|question|answer|prompt|response|input|output|source|word|"
    "phrase|translation|singular|plural|lemma|pronunciation|phoneme|description|review|comment|"
    "content|author|date|year|url|id)s?|"
    "english|german|french|spanish|italian|portuguese|dutch|russian|chinese|japanese"
)
_WORDS = re.compile(r"[^\W_]\w*([ _-]\w+){0,2}")  # of a name, without punctuation


def are_names(head: Sequence[str], columns: Sequence[TableColumn]) -> bool:
    """Return whether the first row of a table names its columns.

    It does if it differs from the rows below: words above numbers, or above labels that it is not
    one of, or single words above sentences. A usual name decides, too, even if another cell occurs
    below, as in text,spam above the labels spam and ham.

    Args:
        head: the cells of the first row.
        columns: what is known of the columns below it.
    """
    cells = [cell.strip() for cell in head]
    filled = [cell for cell in cells if cell]
    if len({*filled}) < max(len(filled), len(cells) / 2):
        return False
    if any(len(cell) > _LONGEST_NAME or form_of(cell) != "texts" for cell in filled):
        return False
    pairs = [(cells[int(one.place)], one) for one in columns if int(one.place) < len(cells)]
    pairs = [(cell, column) for cell, column in pairs if cell]
    new = [(cell, column) for cell, column in pairs if cell not in column]
    if any(_USUAL.fullmatch(cell.lower()) for cell, _ in new):
        return True
    if len(new) < len(pairs):
        return False
    if any(column.form != "texts" or column.is_label for _, column in new):
        return True
    # Half as long as the shortest cells: the first of pairs in the order of their length is not.
    return bool(new) and all(
        _WORDS.fullmatch(cell) and 2 * len(cell) <= column.short for cell, column in new
    )


def may_be_names(head: Sequence[str]) -> bool:
    """Return whether a row looks like names, whatever the rows below it are."""
    cells = [cell.strip() for cell in head]
    return len({*cells}) == len(cells) and all(
        len(cell) <= _LONGEST_SHOWN and form_of(cell) == "texts" and _WORDS.fullmatch(cell)
        for cell in cells
    )
