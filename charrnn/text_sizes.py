"""Whether a text is large enough for its parts and windows, and if not, what would do."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from charrnn.config import Config, DataConfig
from charrnn.corpus import Corpus, cut_points
from charrnn.errors import TextError


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
    train_chars, *others = (size for _, size in _parts(n, data))
    fewer, shorter = (train_chars - 1) // T, min([(train_chars - 1) // N, *others])
    remedies = [
        (f"train.batch_size {fewer}", (n, fewer, T, data)),
        (f"train.seq_length {shorter}", (n, N, shorter, data)),
    ]
    side = min([math.isqrt(max(0, train_chars - 1)), T, *others])
    if side and fewer < 1 and shorter < 1:
        streams = min(N, (train_chars - 1) // side)
        both = f"train.batch_size {streams} and train.seq_length {side} together"
        remedies.append((both, (n, streams, side, data)))
    for key in ("valid_fraction", "test_fraction"):
        if getattr(data, key):
            least = math.ceil(T / n * 10_000) / 10_000
            remedies.append((f"data.{key} {least:g}", (n, N, T, _changed(data, key, least))))
            remedies.append((f"data.{key} 0, for none", (n, N, T, _changed(data, key, 0.0))))
    enough = _text_needed(n, N, T, data)
    remedies.append((f"a text of {enough:,} characters", (enough, N, T, data)))
    mends = [mend for mend, sizes in remedies if not _too_small(*sizes)]
    where = data.path if isinstance(data.path, str) else "the text"
    raise TextError(f"{where}: {problem}. It would work with {'; or '.join(mends)}")


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
    """Return the fewest characters that are enough; rounding at the cuts decides the last few."""
    shares = [(N * T + 1, 1 - data.valid_fraction - data.test_fraction)]
    shares += [(T - 1, share) for share in (data.valid_fraction, data.test_fraction) if share]
    needed = max(n, *(int(size / share) - 2 for size, share in shares))
    while _too_small(needed, N, T, data):
        needed += 1
    return needed
