"""metrics.jsonl: one JSON object per line, for training steps, validations, samples and skips."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from charrnn.config.schema import MAX_SAMPLE_LENGTH
from charrnn.errors import RunError, WriteError
from charrnn.system.atomic import atomic_write

SPLITS = ("train", "valid", "sample", "skipped")

_LARGEST_STEP = 2**53  # floats hold every smaller whole number exactly
_LONGEST = 12 * MAX_SAMPLE_LENGTH + (1 << 16)  # bytes; JSON takes up to 12 for a character


class MetricsLog:
    """Appends records, each a whole line that reaches the system before the next step.

    Raises:
        WriteError: from the constructor and from every method; the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _naming(path):
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115
            self._size = os.fstat(self._file.fileno()).st_size

    def write(self, **record: Any) -> None:
        """Append a record as one line; if that fails, remove what was written of it."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        left = memoryview(line)
        with _naming(self._path):
            try:
                while left:  # a nearly full disk takes a part of the line
                    left = left[self._file.write(left) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), self._size)
                raise
        self._size += len(line)

    def flush_to_disk(self) -> None:
        """Flush the records to disk, as is due before a checkpoint of the same step."""
        with _naming(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # which could hide the reason why the training ends
            self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any] | None]:
    """Return the record of each line, or None for a damaged line.

    A last line without an end is left out: it is being written.

    Raises:
        OSError: the file cannot be read.
    """
    return [_parse_line(line) for line in path.read_bytes().split(b"\n")[:-1]]


def keep_metrics_until(path: Path, step: int, validated_step: int) -> float:
    """Drop the lines that a resumed run writes again.

    Damaged lines after the last line to keep are dropped too: a loss of power can leave them.

    Args:
        path: the file, which is made if it is missing.
        step: the last step that the checkpoint contains.
        validated_step: the last step that was validated by then.

    Returns:
        elapsed_s of the last line kept, or 0.

    Raises:
        RunError: a line is damaged and lines to keep follow it.
        OSError: the file cannot be read or written.
    """
    elapsed_s, damaged = 0.0, 0  # damaged: number of the first damaged line, from 1
    with atomic_write(path) as file:
        for number, line in enumerate(_lines(path), 1):
            record = _parse_line(line) if line.endswith(b"\n") else None
            if record is None:
                damaged = damaged or number
            elif record["step"] <= (
                validated_step if record["split"] in ("valid", "sample") else step
            ):
                if damaged:
                    raise RunError(
                        f"{path}: line {damaged} is damaged; move the file away to resume without "
                        "it, or restore a sound copy"
                    )
                file.write(line)
                elapsed_s = float(record["elapsed_s"])
    return elapsed_s


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines with their ends; a line above `_LONGEST` is cut off."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            yield line
            while line and not line.endswith(b"\n"):
                line = file.readline(_LONGEST)


def _parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None if it lacks a right step, split or elapsed_s."""
    try:
        record: dict[str, Any] = json.loads(line)
        step = record["step"]
        right = (
            type(step) is int
            and 0 <= step <= _LARGEST_STEP
            and record["split"] in SPLITS
            and math.isfinite(record["elapsed_s"])
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return record if right else None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in the error of a write that fails inside."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}") from None
