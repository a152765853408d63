"""Define the kinds of value that a configuration key can take.

Each kind turns a value into the value that the program uses, or raises a ValueError that describes
the right values. In a file and in an override every number is a string, as it is spelled; in a
checkpoint or a configuration made by hand it is an int or a float.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeGuard

from charrnn.errors import did_you_mean, shown, shown_name


class Kind(Protocol):
    """The values that a key can take."""

    def parse(self, value: Any) -> Any:
        """Return the value to use, or raise ValueError."""

    def __str__(self) -> str:
        """Return a description of the right values, as in 'a whole number of at least 1'."""


@dataclass(frozen=True)
class Number:
    """A float, or an int if `whole`, within bounds; a strict bound is itself excluded."""

    low: float = -math.inf
    high: float = math.inf
    strict_low: bool = False
    strict_high: bool = False
    whole: bool = False

    def parse(self, value: Any) -> int | float:
        number: int | float = self._number(value)
        below = number <= self.low if self.strict_low else number < self.low
        above = number >= self.high if self.strict_high else number > self.high
        if above and self.whole and self.high == MAX_INT:
            raise ValueError(
                f"{_as_written(value)} is more than {MAX_INT:,}, the largest whole number"
            )
        if below or above:
            raise ValueError(f"{_as_written(value)} is not {self}")
        return number

    def _number(self, value: Any) -> int | float:
        read = _read_number(value) if isinstance(value, str) else value
        if isinstance(read, (int, float)) and not isinstance(read, bool):
            with suppress(ValueError, OverflowError):  # not finite, or too large for a float
                number = int(read) if self.whole else float(read)
                if number == read if self.whole else math.isfinite(number):
                    return number
        raise ValueError(f"{_as_written(value)} is not {self}")

    def __str__(self) -> str:
        text = "a whole number" if self.whole else "a number"
        if self.low > -math.inf:
            text += f" {'above' if self.strict_low else 'of at least'} {self.low:g}"
        if self.high < (MAX_INT if self.whole else math.inf):
            joint = " and" if self.low > -math.inf else ""
            text += f"{joint} {'below' if self.strict_high else 'at most'} {self.high:,}"
        return text


@dataclass(frozen=True)
class Minutes(Number):
    """A time in minutes, which a text may give in other units: 90s, 2m or 1.5h."""

    def parse(self, value: Any) -> float:
        if isinstance(value, str) and re.fullmatch(r"\d+(:\d+)+", value):
            raise ValueError(f"{_as_written(value)} is not {self}")
        given = re.fullmatch(r"(.*\S)\s*([smh])", value) if isinstance(value, str) else None
        if given is None:
            return super().parse(value)
        number, unit = given.groups()
        with suppress(ValueError):
            return super().parse(Number().parse(number) * _MINUTES[unit])
        raise ValueError(f"{_as_written(value)} is not {self}")

    def __str__(self) -> str:
        bounds = super().__str__().removeprefix("a number")
        return f"a number of minutes{bounds}, as in 5, 90s, 2m or 1h"


_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}
MAX_INT = 10**12  # the default bound of whole numbers; floats hold every one of them exactly
_LONGEST_NUMBER = 100  # characters


class AmbiguousNumberError(ValueError):
    """A number that means one thing in YAML and another to most people."""


def _read_number(text: str) -> int | float | None:
    """Return the number that a text spells, or None.

    A number is spelled as in Python: 1_000, 0x10, 0b11, .5, 1., 1e3 and +5 are numbers.

    Raises:
        AmbiguousNumberError: the spelling has more than one meaning.
    """
    if len(text) > _LONGEST_NUMBER:
        return None
    if re.fullmatch(r"[+-]?0(_?[0-7])+", text) and int(text, 8) != int(text, 10):
        raise AmbiguousNumberError(
            f"{text} is octal in YAML and means {int(text, 8)}; "
            f"write {int(text, 10)} or {int(text, 8)}"
        )
    if re.fullmatch(r"[+-]?\d+(:[0-5]?\d)+(\.\d*)?", text):
        parts = [float(part) for part in text.lstrip("+-").split(":")]
        meant = sum(part * 60**power for power, part in enumerate(reversed(parts)))
        meant = -meant if text.startswith("-") else meant
        raise AmbiguousNumberError(
            f"{text} is in base 60 in YAML and means {meant:.15g}; write {meant:.15g} or another "
            "decimal number"
        )
    if re.fullmatch(r"[+-]?[\d.,]*\d,\d[\d.,]*", text):
        raise AmbiguousNumberError(
            f"{text} has a comma; write a point before decimals, and nothing between thousands"
        )
    for read in (partial(int, base=0), float):
        with suppress(ValueError):
            number: int | float = read(text)
            return number if math.isfinite(number) else None
    return None


def _as_written(value: Any) -> str:
    """Return a value for a message, a number without quotes."""
    if isinstance(value, str) and _read_number(value) is not None:
        return shown_name(value)
    return shown(value)


def whole(low: int, high: int = MAX_INT) -> Number:
    """Return the kind of a whole number within bounds."""
    return Number(low, high, whole=True)


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    options: tuple[str, ...]

    def parse(self, value: Any) -> str:
        if value not in self.options:
            near = did_you_mean(value, self.options) if isinstance(value, str) else ""
            raise ValueError(f"unknown value {shown(value)}; choose {self}{near}")
        return str(value)

    def __str__(self) -> str:
        return ", ".join(self.options[:-1]) + f" or {self.options[-1]}"


@dataclass(frozen=True)
class Switch:
    """True or false."""

    def parse(self, value: Any) -> bool:
        if str(value) in ("true", "false", "True", "False"):
            return str(value).lower() == "true"
        raise ValueError(f"{_as_written(value)} is not {self}")

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Text:
    """A string of at least one character, or of exactly one; \\t is read as a tab."""

    single: bool = False

    def parse(self, value: Any) -> str:
        if isinstance(value, str) and value == r"\t":
            return "\t"
        longest = 1 if self.single else _LONGEST_NAME
        if _is_text(value) and len(value) <= longest and "\n" not in value:
            return value
        raise ValueError(f"{shown(value)} is not {self}")

    def __str__(self) -> str:
        size = "a single character" if self.single else "one or more characters of a line"
        return rf"{size}, \t for a tab"


@dataclass(frozen=True)
class Column:
    """A column of a table by name or by number; several of them, if `several`."""

    several: bool = False

    def parse(self, value: Any) -> int | str | tuple[int | str, ...]:
        if self.several and isinstance(value, (list, tuple)) and value:
            return tuple(self._one(item) for item in value)
        return self._one(value)

    def _one(self, value: Any) -> int | str:
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            value = int(value)
        if type(value) is int and 1 <= value < 10**9:
            return value
        if _is_text(value) and len(value) <= _LONGEST_NAME:
            return value
        raise ValueError(f"{_as_written(value)} is not {self}")

    def __str__(self) -> str:
        one = "the name of a column, or its number from 1"
        return f"{one}, or a list of these" if self.several else one


@dataclass(frozen=True)
class Nullable:
    """Another kind, or null."""

    kind: Kind

    def parse(self, value: Any) -> Any:
        return None if value is None else self.kind.parse(value)

    def __str__(self) -> str:
        return f"{self.kind}, or null"


@dataclass(frozen=True)
class OrWord:
    """Another kind, or a word."""

    kind: Kind
    pattern: str  # regular expression of the word
    description: str  # of the word, for messages

    def parse(self, value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return value
        try:
            return self.kind.parse(value)
        except AmbiguousNumberError:
            raise
        except ValueError:
            raise ValueError(f"{_as_written(value)} is not {self}") from None

    def __str__(self) -> str:
        return f"{self.kind}, or {self.description}"


@dataclass(frozen=True)
class Encoding:
    """The name of a text encoding that Python knows."""

    def parse(self, value: Any) -> str:
        try:
            "".encode(value)
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"{shown(value)} is not {self}") from None
        return str(value)

    def __str__(self) -> str:
        return "the name of a text encoding, such as utf-8, latin-1, cp1252 or utf-16"


@dataclass(frozen=True)
class Paths:
    """A file, a glob, or a list of either."""

    def parse(self, value: Any) -> str | tuple[str, ...]:
        if isinstance(value, (list, tuple)) and value:
            return tuple(self._one(item, "a file or a glob") for item in value)
        return self._one(value, str(self))

    def _one(self, value: Any, kind: str) -> str:
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_PATH and "\0" not in value:
            try:
                os.fsencode(value)
                return value
            except UnicodeEncodeError:  # the name is not one that a file can have
                pass
        raise ValueError(f"{shown(value)} is not {kind}")

    def __str__(self) -> str:
        return "a file, a glob such as texts/*.txt, or a list of either"


def _is_text(value: Any) -> TypeGuard[str]:
    """Return whether a value is a string of characters; half of a surrogate pair is none."""
    return isinstance(value, str) and bool(value) and not re.search("[\ud800-\udfff]", value)


_LONGEST_PATH = 4096  # characters; systems allow no more
_LONGEST_NAME = 1000  # characters of a column's name, or of a separator
