"""metrics.jsonl: one JSON object a line, for training steps and validations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends records; each is on disk, as a whole line, before the next step."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, **record: Any) -> None:
        """Append a record; numbers that are not finite cannot be written."""
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def keep_metrics_until(path: Path, step: int, validated_step: int) -> float:
    """Drop what a resumed run is going to write again.

    Args:
        step: the last one that was made.
        validated_step: the last one that was validated; it may be an earlier one.

    Returns:
        elapsed_s of the last record kept, 0 where there is none.
    """
    records = [
        record
        for record in read_metrics(path)
        if record["step"] <= (validated_step if record["split"] == "valid" else step)
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return float(records[-1]["elapsed_s"]) if records else 0.0
