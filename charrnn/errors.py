"""The errors that charrnn raises for its user's mistakes, and helpers to word messages."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Remedy(NamedTuple):
    """An argument that would prevent an error, or several joined by " + ", and the effect.

    An argument is one of the Python API, or a configuration key with a value. The command line
    shows the option that stands for it.
    """

    argument: str  # as in "resume=True" or "data.tokens=byte"
    effect: str  # a verb phrase, as in "continues the run"


def with_remedies(text: str, remedies: Sequence[Remedy], worded: Callable[[str], str] = str) -> str:
    """Return a text followed by remedies.

    Args:
        text: the problem.
        remedies: alternatives, each of which is enough.
        worded: returns the form in which an argument is shown, by default unchanged.
    """
    ways = ", ".join(
        f"{' with '.join(map(worded, argument.split(' + ')))} {effect}"
        for argument, effect in remedies
    )
    return f"{text}; {ways}" if ways else text


class CharRNNError(Exception):
    """The base class of charrnn's own errors.

    Args:
        problem: where and what is wrong, and what would be right.
        remedies: arguments that would prevent the error.
        hint: advice for whoever named what the problem is about; a caller may have a better one.
    """

    def __init__(self, problem: str, *remedies: Remedy, hint: str = "") -> None:
        super().__init__(problem, *remedies)
        self.problem = problem
        self.remedies = remedies
        self.hint = hint

    def worded(self, worded: Callable[[str], str] = str) -> str:
        """Return the whole message; see `with_remedies`."""
        problem = f"{self.problem}; {self.hint}" if self.hint else self.problem
        return with_remedies(problem, self.remedies, worded)

    def __str__(self) -> str:
        return self.worded()


class ConfigError(CharRNNError):
    """A configuration or an override is invalid."""


class TextError(CharRNNError):
    """A text cannot be read, encoded or trained on.

    Unprintable characters of the message, such as a newline in a file's name, are escaped.
    """

    def __init__(self, problem: str, *remedies: Remedy, hint: str = "") -> None:
        problem, hint = (
            "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
            for text in (problem, hint)
        )
        super().__init__(problem, *remedies, hint=hint)


class CheckpointError(CharRNNError):
    """A file is not a checkpoint, is damaged, or does not fit the model or the run."""


class NewerFormatError(CheckpointError):
    """A checkpoint has a newer format than this version of charrnn reads; it may be intact."""


class SamplingError(CharRNNError):
    """An argument of sampling is invalid, such as a negative temperature."""


class RunError(CharRNNError):
    """A run folder cannot be used, or a training cannot continue."""


class WriteError(RunError):
    """A file of a run cannot be written; the files that were written before are intact."""


class WorkerError(RunError):
    """A worker has failed or ended; the training can be resumed from its last checkpoint."""


class BackendError(CharRNNError):
    """A backend, or the library that it needs, is not available."""


_MOST_SHOWN = 60  # characters of a value


class _Short(reprlib.Repr):
    """Python's notation for values, shortened, with YAML's null, true and false."""

    def repr1(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, bool):
            return "null" if x is None else str(x).lower()
        return super().repr1(x, level)

    def repr_str(self, x: str, level: int) -> str:  # noqa: ARG002
        text = repr(x[:_MOST_SHOWN])
        return text if len(x) <= _MOST_SHOWN else text[:-1] + "..."

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        # Python refuses to convert a number of more than 4,300 digits to a string.
        return repr(x) if abs(x) < 10**_MOST_SHOWN else "a number of over 60 digits"


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxother = 3, _MOST_SHOWN


def shown(value: Any) -> str:
    """Return any value for an error message: at most 60 characters on one line."""
    text = " ".join(_SHORT.repr(value).split("\n"))
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def shown_name(name: str, longest: int = 60) -> str:
    """Return a name for an error message: unchanged if it is short and printable, else escaped.

    Args:
        name: a key, a file name, or another short text.
        longest: the most characters to return.
    """
    if len(name) <= longest and name.isprintable():
        return name
    text = repr(name[:longest])[1:-1]
    return text if len(text) <= longest and len(name) <= longest else text[: longest - 3] + "..."


def counted(number: float, unit: str) -> str:
    """Return a number with its unit, as in '1 step', '2,500 characters' or '1.5 epochs'.

    Args:
        number: a whole number, or a fraction, which is shown with four digits.
        unit: the singular of the unit; "char", as in data.tokens, stands for a character.
    """
    whole = number >= 1000 or number == round(number)
    digits = f"{round(number):,}" if whole else f"{number:.4g}"
    return f"{digits} {singular(unit) if digits == '1' else plural(unit)}"


def plural(unit: str) -> str:
    """Return the plural of a unit, as in 'steps', 'bytes' or 'losses'."""
    word = singular(unit)
    return f"{word}es" if word.endswith("s") else f"{word}s"


def singular(unit: str) -> str:
    """Return a unit as a word."""
    return "character" if unit == "char" else unit


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the known word that is nearly this one, or ""."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
