"""Everything that can go wrong for a user: one message each, no traceback."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Remedy(NamedTuple):
    """A way out of an error: an argument that helps, and what it does.

    The argument is one of the Python API, or a key of the configuration with a value. The command
    line shows its own option in place of it.
    """

    argument: str  # as in "resume=True" or "data.tokens=byte"
    effect: str  # as in "continues the run"


def with_remedies(text: str, remedies: Sequence[Remedy], worded: Callable[[str], str] = str) -> str:
    """Return a text followed by its remedies.

    Args:
        text: what is wrong.
        remedies: of which each is enough.
        worded: returns how an argument is shown; by default unchanged.
    """
    ways = ", ".join(f"{worded(argument)} {effect}" for argument, effect in remedies)
    return f"{text}; {ways}" if ways else text


class CharRNNError(Exception):
    """The base of charrnn's own errors.

    Args:
        problem: where, what is wrong, what would be right, and what is not an argument's to fix.
        remedies: arguments that help.
    """

    def __init__(self, problem: str, *remedies: Remedy) -> None:
        super().__init__(problem, *remedies)
        self.problem = problem
        self.remedies = remedies

    def __str__(self) -> str:
        return with_remedies(self.problem, self.remedies)


class ConfigError(CharRNNError):
    """A configuration, or an override, that cannot be used."""


class TextError(CharRNNError):
    """A text that cannot be read, encoded or trained on.

    Characters that cannot be printed, such as a newline in the name of a file, are escaped.
    """

    def __init__(self, problem: str, *remedies: Remedy) -> None:
        printable = (c if c.isprintable() else repr(c)[1:-1] for c in problem)
        super().__init__("".join(printable), *remedies)


class CheckpointError(CharRNNError):
    """A file that is no checkpoint, or one that does not fit what is asked of it."""


class NewerFormatError(CheckpointError):
    """A checkpoint of a format that came later; nothing need be wrong with it."""


class SamplingError(CharRNNError):
    """A way of sampling that does not exist, such as a negative temperature."""


class RunError(CharRNNError):
    """A run's folder that cannot be used as asked, or a training that cannot go on."""


class WriteError(RunError):
    """A file of a run that cannot be written; what was written before is unharmed."""


class WorkerError(RunError):
    """A worker that cannot go on, or is gone; what was reached before is unharmed."""


class BackendError(CharRNNError):
    """A backend that cannot be had."""


def shown(value: Any) -> str:
    """A value as an error message quotes it: short, on one line, whatever it is."""
    text = " ".join(_SHORT.repr(value).split("\n"))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def shown_name(name: str, longest: int = 60) -> str:
    """A name as an error message has it: as it is, unless it is long or cannot be printed."""
    if len(name) <= longest and name.isprintable():
        return name
    text = repr(name[:longest])[1:-1]
    return text if len(text) <= longest and len(name) <= longest else text[: longest - 3] + "..."


_SHOWN = 60  # characters


class _Short(reprlib.Repr):
    """Python's forms, but of large values only what is to be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 3, _SHOWN

    def repr1(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, bool):
            return "null" if x is None else str(x).lower()
        return super().repr1(x, level)

    def repr_str(self, x: str, level: int) -> str:  # noqa: ARG002
        text = repr(x[:_SHOWN])
        return text if len(x) <= _SHOWN else text[:-1] + "..."

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        # Python refuses to write out a number of more than 4,300 digits.
        return repr(x) if abs(x) < 10**_SHOWN else "a number of over 60 digits"


_SHORT = _Short()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' for a near miss, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""
