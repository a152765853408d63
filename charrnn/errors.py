"""Everything that can go wrong for a user: one message each, no traceback."""

from __future__ import annotations


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
