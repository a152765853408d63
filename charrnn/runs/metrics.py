"""metrics.jsonl: a JSON object a line, for training steps, validations, samples and skips."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config.schema import MOST_SHOWN
from charrnn.errors import RunError, WriteError
from charrnn.system.atomic import atomic_write

_SPLITS = ("train", "valid", "sample", "skipped")
_OF_VALIDATION = ("valid", "sample")
_LONGEST = 12 * MOST_SHOWN + (1 << 16)  # bytes of a line; a character of a sample may take 12


class MetricsLog:
    """Appends records; each is handed to the system, as a whole line, before the next step.

    Raises:
        RunError: from any method: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _told(path):
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115
            self._size = os.fstat(self._file.fileno()).st_size

    def write(self, **record: Any) -> None:
        """Append a record: the whole line, or nothing of it."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        left = memoryview(line)
        with _told(self._path):
            try:
                while left:  # a disk that is nearly full takes a part, and refuses the rest
                    left = left[self._file.write(left) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), self._size)
                raise
        self._size += len(line)

    def flush_to_disk(self) -> None:
        """Make the records last: due before a checkpoint that presupposes them."""
        with _told(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what counts of it has been flushed."""
        with suppress(OSError):  # it could only hide why the training ends
            self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file; a last line that was cut off is left out."""
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]


def keep_metrics_until(path: Path, step: int, validated_step: int) -> float:
    """Drop what a resumed run is going to write again.

    What a killed process, or a loss of power, left behind the checkpoint's lines need not be whole.

    Args:
        path: of the file, which is made where there is none.
        step: the last one that was made.
        validated_step: the last one that was validated; it may be an earlier one.

    Returns:
        elapsed_s of the last record kept, 0 where there is none.

    Raises:
        RunError: a line is damaged, and lines that are to be kept come after it.
        OSError: the file cannot be read or written.
    """
    elapsed_s, damaged = 0.0, 0  # the number of the first damaged line, counted from 1
    with atomic_write(path) as file:
        for number, line in enumerate(_lines(path), 1):
            place = _place(line)
            if place is None:
                damaged = damaged or number
            elif place.step <= (validated_step if place.validation else step):
                if damaged:
                    raise RunError(
                        f"{path}: line {damaged} is damaged; move the file away to resume without "
                        "it, or put back a copy that is whole"
                    )
                file.write(line)
                elapsed_s = place.elapsed_s
    return elapsed_s


class _Place(NamedTuple):
    """Where in a training a line was written."""

    step: int
    validation: bool  # whether it was written by one
    elapsed_s: float


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines, each with its end; one that is far too long, without."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            yield line
            while line and not line.endswith(b"\n"):
                line = file.readline(_LONGEST)


def _place(line: bytes) -> _Place | None:
    """Return where a line belongs, or None for one that is damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
        step, split, elapsed_s = record["step"], record["split"], float(record["elapsed_s"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    if type(step) is not int or split not in _SPLITS or not math.isfinite(elapsed_s):
        return None
    return _Place(step, split in _OF_VALIDATION, elapsed_s)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Name the file and the cause of what fails inside."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}") from None
