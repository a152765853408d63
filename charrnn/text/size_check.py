"""Whether a text is large enough for its parts and windows, and if not, what would do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from charrnn.config.schema import Config, DataConfig
from charrnn.errors import TextError
from charrnn.text.corpus import Corpus, cut_points

_FEW = 4  # streams, or steps, with which little is learned
_LARGEST_TEXT = 10**12  # characters; what needs more is not to be mended by a longer text

_Sizes = tuple[int, int, int, DataConfig]  # n, N, T and how the n characters are divided


def check_sizes(corpus: Corpus, config: Config) -> None:
    """Refuse a text that is too small for one window.

    Raises:
        TextError: with the smallest changes, of which each would be enough.
    """
    n, data = len(corpus.codes), config.data
    N, T = config.train.batch_size, config.train.seq_length
    problem = _too_small(n, N, T, data)
    if not problem:
        return
    remedies = [*_other_windows(n, N, T, data), *_other_parts(n, N, T, data, config)]
    if enough := _text_needed(n, N, T, data):
        remedies.append((f"a text of {enough:,} characters", (enough, N, T, data)))
    mends = [mend for mend, sizes in remedies if not _too_small(*sizes)]
    where = data.path if isinstance(data.path, str) else "the text"
    raise TextError(
        f"{where}: {problem}. It would work with {'; or '.join(mends or [_all_at_once(n, config)])}"
    )


def _other_windows(n: int, N: int, T: int, data: DataConfig) -> Iterator[tuple[str, _Sizes]]:
    """Yield the largest windows that may do, each in words and with all sizes."""
    train_chars, *others = (size for _, size in _parts(n, data))
    fewer, shorter = (train_chars - 1) // T, min([(train_chars - 1) // N, *others])
    yield f"train.batch_size {fewer}", (n, fewer, T, data)
    yield f"train.seq_length {shorter}", (n, N, shorter, data)
    side = min([math.isqrt(max(0, train_chars - 1)), T, *others])
    if (side > 1 and min(fewer, shorter) < _FEW) or (side and max(fewer, shorter) < 1):
        streams = min(N, (train_chars - 1) // side)
        if streams == N or side == T:
            return  # it is one of the two above
        both = f"train.batch_size {streams} and train.seq_length {side} together"
        yield both, (n, streams, side, data)


def _other_parts(
    n: int, N: int, T: int, data: DataConfig, config: Config
) -> Iterator[tuple[str, _Sizes]]:
    """Yield the nearest fractions that do, and none at all, each in words and with all sizes."""
    for key in ("valid_fraction", "test_fraction"):
        now = getattr(data, key)
        if not now:
            continue
        for shown in _nearest_fraction(n, N, T, data, key):
            yield f"data.{key} {shown}", (n, N, T, _changed(data, key, float(shown)))
        if key == "test_fraction" or config.train.patience is None:  # which needs validations
            yield f"data.{key} 0, for none", (n, N, T, _changed(data, key, 0.0))


def _nearest_fraction(n: int, N: int, T: int, data: DataConfig, key: str) -> Iterator[str]:
    """Yield the least fraction that does where it is too small, the largest where it is too large.

    It is written with as many digits as it takes to tell one character from the next.
    """
    now, digits = getattr(data, key), len(str(n - 1))
    both = data.valid_fraction + data.test_fraction
    unit = 10**digits

    def shown(k: int) -> str:
        return f"{k / unit:.{digits}f}".rstrip("0")

    def does(k: int) -> bool:
        changed = _changed(data, key, k / unit)
        fits = 0 < k < unit and changed.valid_fraction + changed.test_fraction < 1
        return fits and not _too_small(n, N, T, changed)

    margin = 2 * unit // n  # rounding at the cuts may take or give a character
    least = T * unit // n
    largest = int((1 - both + now) * unit) - (N * T + 1) * unit // n
    for k in range(least - margin, least + margin + 2):
        if k / unit > now and does(k):
            yield shown(k)
            return
    for k in range(largest + margin + 2, largest - margin, -1):
        if k / unit < now and does(k):
            yield shown(k)
            return


def _all_at_once(n: int, config: Config) -> str:
    """Return a change of several keys that does for two characters and more."""
    side = min(math.isqrt(n - 1), config.train.seq_length)
    streams = min((n - 1) // side, config.train.batch_size)
    changes = [f"train.batch_size {streams}", f"train.seq_length {side}"]
    changes += ["train.patience null"] if config.train.patience else []
    return f"{', '.join(changes)}, data.valid_fraction 0 and data.test_fraction 0 together"


def _too_small(n: int, N: int, T: int, data: DataConfig) -> str:
    """Return which part of n characters is too small for a (T, N) window, or nothing."""
    if N < 1 or T < 1:
        return "there is no such window"
    (_, train_chars), *others = _parts(n, data)
    if train_chars < N * T + 1:
        return (
            f"the training part has {train_chars:,} characters; train.batch_size {N} x "
            f"train.seq_length {T} needs {N * T + 1:,}"
        )
    for name, size in others:
        if size < T:
            return (
                f"the {name} part has {size:,} characters; one window of train.seq_length {T} "
                "needs as many"
            )
    return ""


def _parts(n: int, data: DataConfig) -> list[tuple[str, int]]:
    """Return name and size of the parts that n characters are divided into."""
    train_end, valid_end = cut_points(n, data)
    parts = [("training", train_end)]
    if data.valid_fraction:
        parts.append(("validation", valid_end - train_end))
    if data.test_fraction:
        parts.append(("test", n - valid_end))
    return parts


def _changed(data: DataConfig, key: str, fraction: float) -> DataConfig:
    change: dict[str, Any] = {key: fraction}
    return replace(data, **change)


def _text_needed(n: int, N: int, T: int, data: DataConfig) -> int:
    """Return a number of characters that is enough where one fewer is not; 0: more than any."""
    too_few, enough = n, 2 * n
    while _too_small(enough, N, T, data):
        too_few, enough = enough, 2 * enough
        if enough > _LARGEST_TEXT:
            return 0
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _too_small(middle, N, T, data):
            too_few = middle
        else:
            enough = middle
    return enough
