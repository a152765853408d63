"""The longest stretches of a sample that stand in the text, or in the records, of a training.

Windows of T characters of the text are looked up by their hash among those of the sample; runs of
windows that the sample has too are compared with it character by character. T begins large, where
few windows remain, and becomes smaller until there are enough stretches of T characters or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.text.reading import Reading

SHORTEST = 8  # characters of a stretch; any text has shorter ones
_WINDOWS = (64, 32, 16, SHORTEST)  # T
SEARCHES = len(_WINDOWS)
_BLOCK = 1 << 16  # codes hashed together, which the processor's cache holds
_BASE = 0x9E3779B1  # of the hash, odd
_BITS = 20  # first bits of a hash, by which most windows of a text are dismissed
_SEEN = 1 << 20  # runs remembered, at most
_NO_CODE = "\U0010ffff"  # stands for the end of a record in a sample, which no stretch contains


class Copy(NamedTuple):
    """A stretch of a sample that stands in a text."""

    start: int  # of its first character in the sample
    end: int  # after its last one
    place: int  # of its first occurrence, in the part of the text; of a whole record, as a whole
    number: int  # of the line or the record of that occurrence, from 1
    whole: bool  # whether it is a whole record of the sample, and one of the part


def longest_copies(
    sample: Array, reading: Reading, k: int, advance: Callable[[int], object] = lambda _: None
) -> list[Copy]:
    """Return the longest stretches of a sample that stand in a part of a text, longest first.

    Each is the longest, and of several the first, that does not overlap those before it. It has 8
    characters or more, unless it is a whole record that is one of the part's. None goes beyond the
    end of a record.

    Args:
        sample: (n,), codes; of records with the end of each, which the last one may lack.
        reading: the part, usually the one that was trained on.
        k: how many, at most.
        advance: called with the number of characters of each block of the part that is searched;
            the part is searched `SEARCHES` times at most.
    """
    text, end = reading.part, reading.vocabulary.end
    sample = np.asarray(sample).astype(text.dtype)
    longest = np.zeros(len(sample), np.intp)  # (n,), of the stretches found, by their start
    records = dict[int, int]()  # place in the text of a record, by its start in the sample
    if end is not None:
        for start, stop, place in _whole_records(sample, text, end):
            longest[start], records[start] = stop - start, place
    chosen = _chosen(longest, records, k)
    for T in _WINDOWS:
        if len(chosen) == k and min((b - a for a, b in chosen), default=T) >= T:
            break  # no shorter stretch could take the place of one of these
        for start, length in _stretches(sample, text, end, T, advance):
            longest[start] = max(longest[start], length)
        chosen = _chosen(longest, records, k)
    others = [one for one in chosen if one[0] not in records]
    places = records | _first_places(text, sample, others)
    found = [(start, stop, places[start], start in records) for start, stop in chosen]
    numbers = reading.numbers(np.array([place for _, _, place, _ in found], np.intp)).tolist()
    return [
        Copy(start, stop, place, number, whole)
        for (start, stop, place, whole), number in zip(found, numbers, strict=True)
    ]


def _chosen(longest: Array, records: dict[int, int], k: int) -> list[tuple[int, int]]:
    """Return the start and the end of each of the k longest stretches, longest first."""
    steps = np.arange(len(longest))
    # A stretch from the next place on is a character shorter.
    left = np.maximum.accumulate(longest + steps) - steps  # (n,), of what is not chosen yet
    least = np.full(len(longest), SHORTEST)
    least[[*records]] = 1
    found = list[tuple[int, int]]()
    while len(found) < k:
        left[left < least] = 0
        if not left.any():
            break
        start = int(left.argmax())
        stop = start + int(left[start])
        found.append((start, stop))
        left[start:stop] = 0
        left[:start] = np.minimum(left[:start], start - steps[:start])
    return found


def _stretches(
    sample: Array, text: Array, end: int | None, T: int, advance: Callable[[int], object]
) -> Iterator[tuple[int, int]]:
    """Yield the start in a sample, and the length, of each stretch of T characters or more.

    One that continues to the left, in the sample as in the text, is left out.
    """
    windows = np.unique(_hashes(sample, T))
    if not len(windows):
        return
    has = np.zeros(1 << _BITS, np.bool_)
    has[windows >> (32 - _BITS)] = True
    string, seen = _string(sample), set[str]()
    if end is not None:
        string = string.replace(chr(end), _NO_CODE)
    starts = dict[str, list[int]]()  # of each window of the sample
    for start in range(len(string) - T + 1):
        starts.setdefault(string[start : start + T], []).append(start)
    step = max(_BLOCK, 4 * len(sample))  # blocks overlap, so that each stretch is within one
    for first in range(0, len(text), step):
        block = text[first : first + step + len(sample)]
        advance(min(step, len(text) - first))
        hashes = _hashes(block, T)
        places = np.flatnonzero(has[hashes >> (32 - _BITS)])
        nearest = np.searchsorted(windows, hashes[places]).clip(max=len(windows) - 1)
        places = places[windows[nearest] == hashes[places]]
        if not len(places):
            continue
        shown = _string(block)
        breaks = np.flatnonzero(np.diff(places) > 1) + 1
        for one, next_one in pairwise([0, *breaks.tolist(), len(places)]):
            run = shown[places[one] : places[next_one - 1] + T]
            if run in seen:
                continue
            if len(seen) == _SEEN:
                seen.clear()
            seen.add(run)
            yield from _common(run, string, starts, T)


def _hashes(codes: Array, T: int) -> Array:
    """Return a hash of each T successive codes, a power of two; (n - T + 1,) uint32."""
    hashes, size = codes.astype(np.uint32), 1
    while size < T:
        left = hashes[: max(0, len(hashes) - size)]
        hashes = left * np.uint32(pow(_BASE, size, 1 << 32)) + hashes[size:]
        size *= 2
    return hashes


def _common(
    run: str, sample: str, starts: dict[str, list[int]], T: int
) -> Iterator[tuple[int, int]]:
    """Yield the start in a sample, and the length, of what it shares with a run of windows."""
    for here in range(len(run) - T + 1):
        for start in starts.get(run[here : here + T], ()):
            if here and start and run[here - 1] == sample[start - 1]:
                continue
            length, most = T, min(len(run) - here, len(sample) - start)
            while length < most and run[here + length] == sample[start + length]:
                length += 1
            yield start, length


def _string(codes: Array) -> str:
    """Return codes as a string with one character for each, to search in."""
    if codes.dtype.itemsize == 1:
        return codes.tobytes().decode("latin-1")
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _first_places(
    text: Array, sample: Array, stretches: Sequence[tuple[int, int]]
) -> dict[int, int]:
    """Return where each stretch of a sample first stands in a text, by its start."""
    missing = {start: _string(sample[start:stop]) for start, stop in stretches}
    found = dict[int, int]()
    for first in range(0, len(text), _BLOCK):
        if not missing:
            break
        block = _string(text[first : first + _BLOCK + len(sample)])
        for start, string in [*missing.items()]:
            if (place := block.find(string)) >= 0:
                found[start] = first + place
                del missing[start]
    return found


def _whole_records(sample: Array, text: Array, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the start and the end of each record of a sample that a text has, and its place."""
    stops = np.flatnonzero(text == end)  # (R,)
    starts = np.concatenate([[0], stops[:-1] + 1])
    known = dict[bytes, int]()
    for begin, stop in _records(sample, end):
        key = sample[begin:stop].tobytes()
        if key not in known:
            places = starts[stops - starts == stop - begin]
            for step, code in enumerate(sample[begin:stop].tolist()):
                places = places[text[places + step] == code]
            known[key] = int(places[0]) if len(places) else -1
        if known[key] >= 0:
            yield begin, stop, known[key]


def _records(sample: Array, end: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each record of a sample that is not empty."""
    for before, stop in pairwise([-1, *np.flatnonzero(sample == end).tolist(), len(sample)]):
        if stop > before + 1:
            yield before + 1, stop
