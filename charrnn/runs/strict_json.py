"""JSON that means one thing only: what a program wrote, not what a parser lets pass."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

_MOST_DIGITS = 20  # of a whole number


def strict_json(text: str) -> Any:
    """Read a JSON text.

    Raises:
        ValueError: also for a key that stands twice, a number that is not finite or has too many
            digits, and nesting that is too deep.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_int=_whole_number,
            parse_float=_number,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in counts if counts[name] > 1)
        raise ValueError(f"the key {twice[:40]!r} stands twice")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits[:_MOST_DIGITS]}... has too many digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_MOST_DIGITS]} is not finite")
    return value
