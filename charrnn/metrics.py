"""metrics.jsonl: one JSON object a line, for training steps and validations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from charrnn.atomic import replaced_atomically
from charrnn.errors import RunError


class MetricsLog:
    """Appends records; each is handed to the system, as a whole line, before the next step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, **record: Any) -> None:
        """Append a record.

        Raises:
            RunError: the line cannot be written.
        """
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        try:
            self._file.write(line)
        except OSError as error:
            raise RunError(f"{self._path}: cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file; a last line that was cut off is left out."""
    return [json.loads(line) for line in _whole_lines(path)]


def keep_metrics_until(path: Path, step: int, validated_step: int) -> float:
    """Drop what a resumed run is going to write again.

    Args:
        step: the last one that was made.
        validated_step: the last one that was validated; it may be an earlier one.

    Returns:
        elapsed_s of the last record kept, 0 where there is none.
    """
    kept, elapsed_s = [], 0.0
    for line in _whole_lines(path):
        record = json.loads(line)
        if record["step"] <= (validated_step if record["split"] == "valid" else step):
            kept.append(line)
            elapsed_s = float(record["elapsed_s"])
    with replaced_atomically(path) as file:
        file.writelines(line + b"\n" for line in kept)
    return elapsed_s


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
