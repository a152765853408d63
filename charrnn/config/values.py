"""The kinds of value that a configuration key can take.

Each kind turns what YAML made of a value into what the program uses, or raises a ValueError that
says what would be right. YAML reads `1e-3` as text and `5` as an integer where a float is asked;
both are taken for what they mean.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import Any, Protocol

from charrnn.errors import did_you_mean, shown


class Kind(Protocol):
    """What a key's value must be."""

    def parse(self, value: Any) -> Any:
        """Return the value to use, or raise ValueError."""

    def __str__(self) -> str:
        """Say what would be right, as in 'a whole number, at least 1'."""


@dataclass(frozen=True)
class Number:
    """A float, or an int where `whole`, within bounds; a strict bound is excluded itself."""

    low: float = -math.inf
    high: float = math.inf
    strict_low: bool = False
    strict_high: bool = False
    whole: bool = False

    def parse(self, value: Any) -> int | float:
        number: int | float = self._number(value)
        below = number <= self.low if self.strict_low else number < self.low
        above = number >= self.high if self.strict_high else number > self.high
        if above and self.whole and self.high == MANY:
            raise ValueError(f"{shown(value)} is more than {MANY:,}, the most there can be")
        if below or above:
            raise ValueError(f"{shown(value)} is not {self}")
        return number

    def _number(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = float(value) if not re.fullmatch(r"[+-]?\d+", value) else int(value)
            except ValueError:
                raise ValueError(f"{shown(value)} is not {self}") from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{shown(value)} is not {self}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{shown(value)} is not {self}")
        if not self.whole:
            try:
                return float(value)
            except OverflowError:
                raise ValueError(f"{shown(value)} is not {self}") from None
        if value != int(value):
            raise ValueError(f"{shown(value)} is not {self}")
        return int(value)

    def __str__(self) -> str:
        text = "a whole number" if self.whole else "a number"
        if self.low > -math.inf:
            text += f" {'above' if self.strict_low else 'of at least'} {self.low:g}"
        if self.high < (MANY if self.whole else math.inf):
            joint = " and" if self.low > -math.inf else ""
            text += f"{joint} {'below' if self.strict_high else 'at most'} {self.high:,}"
        return text


MANY = 10**12  # more than anyone means, and few enough for floats and arrays of them


def whole(low: int, high: int = MANY) -> Number:
    """A whole number of at least `low`."""
    return Number(low, high, whole=True)


@dataclass(frozen=True)
class Choice:
    """One word of several."""

    options: tuple[str, ...]

    def parse(self, value: Any) -> str:
        if value not in self.options:
            near = did_you_mean(value, self.options) if isinstance(value, str) else ""
            raise ValueError(f"unknown value {shown(value)}; choose {self}{near}")
        return str(value)

    def __str__(self) -> str:
        return ", ".join(self.options[:-1]) + f" or {self.options[-1]}"


@dataclass(frozen=True)
class Nullable:
    """Another kind, or null."""

    kind: Kind

    def parse(self, value: Any) -> Any:
        return None if value is None else self.kind.parse(value)

    def __str__(self) -> str:
        return f"{self.kind}, or null"


@dataclass(frozen=True)
class Auto:
    """Another kind, or the word auto."""

    kind: Kind

    def parse(self, value: Any) -> Any:
        if value == "auto":
            return "auto"
        try:
            return self.kind.parse(value)
        except ValueError:
            raise ValueError(f"{shown(value)} is not {self}") from None

    def __str__(self) -> str:
        return f"{self.kind}, or the word auto"


@dataclass(frozen=True)
class Interval:
    """A number of steps, or a unit of its own: `epoch`, or seconds as in `60s`."""

    unit: str  # "epoch" or "s"

    def parse(self, value: Any) -> int | str:
        if self.unit == "epoch" and value == "epoch":
            return "epoch"
        if self.unit == "s" and isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?s", value):
            return value
        try:
            return int(whole(1).parse(value))
        except ValueError:
            raise ValueError(f"{shown(value)} is not {self}") from None

    def __str__(self) -> str:
        other = "the word epoch" if self.unit == "epoch" else "seconds, as in 60s"
        return f"a whole number of steps of at least 1, or {other}"


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
            except UnicodeEncodeError:  # no file can have this name
                pass
        raise ValueError(f"{shown(value)} is not {kind}")

    def __str__(self) -> str:
        return "a file, a glob such as texts/*.txt, or a list of either"


_LONGEST_PATH = 4096  # characters; no system knows longer ones
