"""Check that a text is large enough for its splits and windows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.config.schema import Config, DataConfig
from charrnn.errors import TextError, counted
from charrnn.text.corpus import Corpus, cut_points
from charrnn.text.records import RecordCorpus

_SHORT = 8  # steps of a window, with which little is learned
_LITTLE = 100  # symbols of a part, whose loss says little
_SMALL_TEXT, _ENOUGH = 20_000, 50_000  # symbols that a model memorises, and that train well
_FEW = 4  # streams or steps, with which little is learned
_LONGEST_TEXT = 10**9  # characters; nobody finds a longer text to fix a configuration

_Changes = dict[str, Any]  # values by key, as in {"train.batch_size": 4}


class _Text(NamedTuple):
    """The length of a text."""

    n: int  # characters of data.path
    valid: int | None = None  # of data.valid_path


def check_sizes(corpus: Corpus, config: Config) -> None:
    """Refuse a text that is too small for one window.

    Raises:
        TextError: the text is too small; the error names changes, each of which is enough.
    """
    if isinstance(corpus, RecordCorpus):  # any fit: windows are as long as they need
        records, rows = corpus.train_end, config.train.batch_size
        if rows > records:
            raise TextError(
                f"{config.data.where}: the training part has {counted(records, 'record')}, fewer "
                f"than train.batch_size {rows:,}. It would work with train.batch_size {records}"
            )
        return
    n = len(corpus.codes)
    text = _Text(corpus.middle_end, n - corpus.middle_end) if corpus.own_valid else _Text(n)
    problem = _too_small(text, config, corpus.cut_points)
    if not problem:
        return
    windows = [changes for changes in _other_windows(text, config) if _fits(text, config, changes)]
    remedies = [_in_words(changes) for changes in (*windows, *_other_fractions(text, config))]
    if chars := _text_needed(text, config):
        remedies.append(f"a text of {counted(chars, config.data.tokens)}")
    remedies = remedies or [_in_words(_all_at_once(text, config))]
    raise TextError(f"{config.data.where}: {problem}. It would work with {'; or '.join(remedies)}")


def small_parts(corpus: Corpus, written: Config, seq_length: int) -> str:
    """Return a remark on a text so small that its windows or its parts say little, or "".

    Args:
        corpus: the text.
        written: the configuration, with unset keys; one that sets train.seq_length gets no remark.
        seq_length: the value in use.
    """
    if written.train.seq_length is not None:
        return ""
    tokens, (valid, test) = corpus.vocabulary.tokens, corpus.sizes.others
    small = []
    if seq_length < _SHORT and corpus.longest_record is None:  # windows of short records are short
        small.append(f"a window has {counted(seq_length, 'step')} (train.seq_length)")
    for name, size in (("validation", valid), ("test", test)):
        if 0 < size < _LITTLE:
            small.append(f"the {name} part has {counted(size, tokens)}, so its loss says little")
    if small:
        return f"the text is very small: {'; '.join(small)}. A longer text helps"
    if corpus.longest_record is None and (n := len(corpus.codes)) < _SMALL_TEXT:
        return (
            f"a text of {counted(n, tokens)} is small: a model will mostly memorise it; "
            f"{_ENOUGH:,} or more train well"
        )
    return ""


def _too_small(text: _Text, config: Config, cut: tuple[int, int] | None = None) -> str:
    """Return which split of a text is too small for a (T, N) window, or nothing."""
    N, T, tokens = config.train.batch_size, config.train.seq_length, config.data.tokens
    train_chars, others = _split_sizes(text, config.data, cut)
    if train_chars < N * T + 1:
        return (
            f"the training part has {counted(train_chars, tokens)}; train.batch_size {N} x "
            f"train.seq_length {T} needs {N * T + 1:,}"
        )
    for name, size in others.items():
        if size < T:
            return f"the {name} part has {counted(size, tokens)}; train.seq_length {T} needs {T:,}"
    return ""


def _split_sizes(
    text: _Text, data: DataConfig, cut: tuple[int, int] | None = None
) -> tuple[int, dict[str, int]]:
    """Return the size of the training split of a text, and of the other ones by name."""
    train_end, middle_end = cut or cut_points(text.n, data)
    valid, test = data.fractions
    others = {}
    if text.valid is not None:
        others["validation"] = text.valid
    elif valid:
        others["validation"] = middle_end - train_end
    if test:
        others["test"] = text.n - (train_end if text.valid is not None else middle_end)
    return train_end, others


def _other_windows(text: _Text, config: Config) -> Iterator[_Changes]:
    """Yield the largest windows that may fit: fewer streams, fewer steps, or fewer of both."""
    N, T = config.train.batch_size, config.train.seq_length
    train_chars, others = _split_sizes(text, config.data)
    room = max(1, train_chars - 1)
    fewer = max(1, room // T)
    shorter = max(1, min([room // N, *others.values()]))
    yield {"train.batch_size": fewer}
    yield {"train.seq_length": shorter}
    side = max(1, min([math.isqrt(room), T, *others.values()]))
    streams = min(N, room // side)
    if min(fewer, shorter) < _FEW and streams < N and side < T:
        yield {"train.batch_size": streams, "train.seq_length": side}


def _other_fractions(text: _Text, config: Config) -> Iterator[_Changes]:
    """Yield for each fraction the nearest hundredth that fits, and 0 if it does."""
    for key, used in zip(("valid_fraction", "test_fraction"), config.data.fractions, strict=True):
        now = getattr(config.data, key)
        if not used:
            continue
        hundredths = sorted(range(1, 100), key=lambda k: abs(k / 100 - now))
        options = [{f"data.{key}": k / 100} for k in hundredths]
        yield from [changes for changes in options if _fits(text, config, changes)][:1]
        none = {f"data.{key}": 0}
        needed = key == "valid_fraction" and config.train.patience
        if not needed and _fits(text, config, none):
            yield none


def _text_needed(text: _Text, config: Config) -> int:
    """Return a number of characters that is enough when one fewer is not; 0 if it is too large."""
    lengths = range(text.n, _LONGEST_TEXT)
    at = bisect_left(lengths, True, key=lambda n: not _too_small(text._replace(n=n), config))
    return lengths[at] if at < len(lengths) else 0


def _all_at_once(text: _Text, config: Config) -> _Changes:
    """Return a change of several keys that is enough for any text of two characters or more."""
    side = min(math.isqrt(text.n - 1), config.train.seq_length, text.valid or text.n)
    streams = min((text.n - 1) // side, config.train.batch_size)
    changes: _Changes = {"train.batch_size": streams, "train.seq_length": side}
    # Without a validation part there can be no patience.
    changes |= {"train.patience": None, "data.valid_fraction": 0, "data.test_fraction": 0}
    now = config.by_key()
    return {key: value for key, value in changes.items() if value != now[key]}


def _fits(text: _Text, config: Config, changes: _Changes) -> bool:
    """Return whether a text is long enough after some changes."""
    sections: dict[str, Any] = {"data": config.data, "train": config.train}
    for key, value in changes.items():
        section, _, name = key.partition(".")
        sections[section] = replace(sections[section], **{name: value})
    return not _too_small(text, replace(config, **sections))


def _in_words(changes: _Changes) -> str:
    *most, last = (f"{key} {'null' if value is None else value}" for key, value in changes.items())
    return f"{', '.join(most)} and {last} together" if most else last
