"""What is known of a column of a table: how many cells it has, of which form, and its values."""

from __future__ import annotations

import math
import re

from charrnn.errors import shown_name
from charrnn.text.labels import LEAST_OF_LABEL, MOST_LABELS
from charrnn.text.rows import is_blank

_MOST_VALUES = 1 << 16  # different values that are counted
_LOOKED_AT = 500  # cells of a column whose form is looked at
_MOST = 0.9  # share of them that is enough
_MOST_NUMBERS = 20  # values of a label of numbers
_FEW_BLANK = 0.05  # share of rows that a feature may leave out

_FORMS = {  # of cells that are not the text to learn
    "numbers": re.compile(r"[-+]?[$€£]?\s?\d[\d., ]*([eE][-+]?\d+)?\s?[%$€£]?|[-+]?[.,]\d+"),
    "dates": re.compile(
        r"\W?\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b.*|\d{1,2}:\d\d\b.*|\d{1,2}\.? [^\W\d]{3,9}\.? \d{4}.*"
    ),
    "links": re.compile(r"(https?|ftp)://\S+|www\.\S+|[^\s@]+@[^\s@]+\.\w+"),
    "codes": re.compile(r"[A-Za-z]{0,4}[-_#:]?\d[\d-]*|(?=.*\d)[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*"),
}
_IDS = re.compile(r"(?i:(.*[ _-])?(id|uuid|guid|index|key|nr|row))|.*Id")
# Names of columns that decide among several labels.
LABELS = re.compile(
    "(label|class|genre|topic|sentiment|emotion|intent|severity|level|type|kind|tag|language|lang|"
    "nationality|gender|rating|target)s?|categor(y|ies)|stars"
)


class TableColumn:
    """What is known of a column."""

    def __init__(self, place: int | str) -> None:
        self.place = place  # from 0, or a key of JSON
        self.name: str | None = None
        self.rows = 0  # whose cell is not blank
        self.blank = 0  # rows
        self.missing = 0  # rows without the cell itself
        self._chars = 0
        self._values = set[int]()  # digests
        self._first: list[str] = []

    def add(self, cell: str) -> None:
        """Count a cell."""
        if is_blank(cell):
            self.blank += 1
        else:
            text = cell.strip()
            self.rows += 1
            self._chars += len(text)
            if len(self._values) < _MOST_VALUES:
                self._values.add(hash(text))
            if len(self._first) < _LOOKED_AT:
                self._first.append(text)

    def __contains__(self, cell: str) -> bool:
        return hash(cell.strip()) in self._values

    def __str__(self) -> str:
        return f"column {self.key}" if isinstance(self.key, int) else shown_name(self.key)

    @property
    def key(self) -> int | str:
        """The value of prompt_column or reply_column for it."""
        return self.name or (self.place + 1 if isinstance(self.place, int) else self.place)

    def fits(self, key: int | str | None) -> bool:
        """Return whether this value of prompt_column or reply_column stands for it."""
        if isinstance(key, int) and isinstance(self.place, int):
            return key == self.place + 1
        return key is not None and str(key).strip() == self.name

    @property
    def values(self) -> frozenset[str]:
        """The different values among its first cells."""
        return frozenset(self._first)

    @property
    def distinct(self) -> int:
        """The number of its different values."""
        return len(self._values)

    @property
    def short(self) -> int:
        """The characters of a cell than which few are shorter."""
        lengths = sorted(map(len, self._first))
        return lengths[len(lengths) // 20] if lengths else 0

    @property
    def form(self) -> str:
        """What nearly all of its cells are: a key of _FORMS, or texts."""
        for form, pattern in _FORMS.items():
            if sum(map(bool, map(pattern.fullmatch, self._first))) >= _MOST * len(self._first):
                return form
        return "texts"

    @property
    def named_like_a_label(self) -> bool:
        """Whether its name is usual for a label."""
        return bool(LABELS.fullmatch((self.name or "").strip().lower()))

    @property
    def is_label(self) -> bool:
        """Whether it has few different values, each of them often."""
        if not 1 < self.distinct <= min(MOST_LABELS, self.rows / LEAST_OF_LABEL):
            return False
        form = self.form
        few = self.distinct <= _MOST_NUMBERS or self.named_like_a_label
        return form == "texts" or (form in ("numbers", "codes") and few)

    @property
    def is_text(self) -> bool:
        """Whether it is worth learning: many different texts."""
        return self.form == "texts" and not (self.is_label or self.is_constant or self.is_id)

    @property
    def is_date(self) -> bool:
        """Whether it has different dates."""
        return self.form == "dates" and not self.is_constant

    @property
    def is_id(self) -> bool:
        """Whether it names its rows, or counts them from 0 or 1."""
        if _IDS.fullmatch(self.name or ""):
            return True
        return self.rows > 1 and any(
            all(cell == str(k) for k, cell in enumerate(self._first, start)) for start in (0, 1)
        )

    @property
    def is_numbers(self) -> bool:
        """Whether its cells are numbers of the rows, not all equal, which a feature can be."""
        if self.is_constant or self.is_id or not self._first:
            return False
        return all(map(_is_number, self._first))

    @property
    def is_feature(self) -> bool:
        """Whether it can be one of data.feature_columns, and leaves out few rows at most."""
        few = self.blank <= _FEW_BLANK * (self.rows + self.blank)
        return self.is_numbers and few and not self.missing

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if self.is_constant:
            return "the same in all rows"
        if self.is_id:
            return "an id"
        return "a label" if self.is_label else self.form

    @property
    def is_constant(self) -> bool:
        """Whether all of its cells are equal, so that there is nothing to learn from it."""
        return self.rows > 1 and self.distinct == 1

    @property
    def weight(self) -> float:
        """The more, the likelier it is the text of the table."""
        return self._chars / max(1, self.rows) * self.distinct


def _is_number(cell: str) -> bool:
    """Return whether the reader of features takes a cell."""
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def form_of(cell: str) -> str:
    """Return what a cell is: a key of _FORMS, or texts."""
    return next((form for form, one in _FORMS.items() if one.fullmatch(cell)), "texts")
