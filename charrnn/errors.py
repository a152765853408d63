"""Everything that can go wrong for a user: one message each, no traceback."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any


class CharRNNError(Exception):
    """The base of charrnn's own errors.

    Its text says where, what is wrong, what would be right and how to mend it.
    """


class ConfigError(CharRNNError):
    """A configuration, or a `--set`, that cannot be used."""


class TextError(CharRNNError):
    """A text that cannot be read, encoded or trained on.

    What could not be printed, as a line's end in a file's name, is escaped.
    """

    def __init__(self, message: str) -> None:
        printable = (c if c.isprintable() else repr(c)[1:-1] for c in message)
        super().__init__("".join(printable))


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
