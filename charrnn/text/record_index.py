"""Where each record of an encoded text begins, and which part it belongs to.

The ranks order the records by part, then by length, then by place in the text. Records are drawn
into the training, validation and test part by a digest of their symbols, or of those of one side,
the prompt or the reply; the features of a record count as part of it. A side with few different
texts consists of labels, which are kept.

The text is read in blocks, and the places are sorted by counting: a first pass counts the records
of each part and length, a second one writes each place to its rank. So the memory that is taken
does not grow with the text, if the caller has the array of places and the notes between the passes
in files.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import Remedy, TextError, counted
from charrnn.kernels import Array
from charrnn.text.digests import digests
from charrnn.text.encoding import EncodedText
from charrnn.text.labels import LEAST_OF_LABEL, MOST_LABELS
from charrnn.text.rows import NO_RECORDS
from charrnn.text.shuffle import mixed

PARTS = ("training", "validation", "test")
_BLOCK = 1 << 21  # codes looked at together
_PART = 40  # bits of a length; the part of a record is above them
COUNTED = 10_000_000  # records among which repeats are counted exactly
_SAMPLED = 2_000_000  # of more records, so many tell how many are repeats
SIDES = ("prompt", "reply", "record")
_HEAD = struct.Struct("<11Q")
_REMEDIES = (  # of an empty validation and an empty test part
    (
        Remedy("data.valid_path=valid.txt", "reads it from a file of its own"),
        Remedy("data.valid_fraction=0", "leaves it out"),
    ),
    (
        Remedy("data.test_path=test.txt", "reads it from a file of its own"),
        Remedy("data.test_fraction=0", "leaves it out"),
    ),
)


class Lengths(NamedTuple):
    """The lengths of records in the order of their ranks, as runs of equal ones."""

    length: Array  # (k,) int64, symbols of each record of a run, without begin and end
    end: Array  # (k,) int64, rank after the last record of a run

    def run(self, ranks: Array) -> Array:
        """Return the run of each rank."""
        runs: Array = np.searchsorted(self.end, ranks, side="right")
        return runs


class RecordIndex(NamedTuple):
    """The records of an encoded text."""

    starts: Array  # (R,), place of the symbol before each record, by rank
    lengths: Lengths
    ends: tuple[int, int, int]  # ranks where the parts end
    repeats: int  # records that occurred before
    predicted: tuple[int, int, int]  # symbols of replies, ends included, in each part
    split_by: str | None  # one of SIDES; None without prompts
    label_places: tuple[Array, Array]  # of a prompt and a reply with each label, (k,) int64 each

    def head(self, n: int) -> bytes:
        """Return all but the starts, as bytes; n is the number of codes of the text."""
        side = SIDES.index(self.split_by) if self.split_by else len(SIDES)
        prompts, replies = self.label_places
        numbers = n, *self.ends, self.repeats, *self.predicted, side, len(prompts), len(replies)
        arrays = np.concatenate([prompts, replies, *self.lengths]).astype("<u8")
        return _HEAD.pack(*numbers) + arrays.tobytes()

    @classmethod
    def from_head(cls, head: bytes, starts: Array) -> RecordIndex:
        """Return an index whose head is known."""
        _, *numbers, side, prompts, replies = _HEAD.unpack_from(head)
        arrays = np.frombuffer(head, "<u8", offset=_HEAD.size).astype(np.int64)
        places = arrays[:prompts], arrays[prompts : prompts + replies]
        lengths = Lengths(*arrays[prompts + replies :].reshape(2, -1))
        split_by = (*SIDES, None)[side]
        ends, repeats, predicted = numbers[:3], numbers[3], numbers[4:]
        return cls(
            starts,
            lengths,
            (ends[0], ends[1], ends[2]),
            repeats,
            (predicted[0], predicted[1], predicted[2]),
            split_by,
            places,
        )

    @staticmethod
    def codes(head: bytes) -> int:
        """Return the number of codes of the text, which every start is below."""
        return int(_HEAD.unpack_from(head)[0])


class CountedRecords(NamedTuple):
    """The records of an encoded text after the first pass."""

    counts: dict[int, int]  # records of each key: part << _PART | length
    repeats: int
    predicted: tuple[int, int, int]
    split_by: str | None
    label_places: tuple[Array, Array]

    @property
    def number(self) -> int:
        """R, the number of records."""
        return sum(self.counts.values())

    @property
    def head_size(self) -> int:
        """Bytes of `RecordIndex.head`."""
        return _HEAD.size + 16 * len(self.counts) + 8 * sum(map(len, self.label_places))


class Notes:
    """The keys of the records in the order of the text, kept between the passes.

    Args:
        file: open for writing and reading; without one, the keys are in memory.
    """

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file, self._blocks = file, list[Array]()

    def add(self, keys: Array) -> None:
        """Keep the keys (r,) of a block, uint64."""
        if self._file is None:
            self._blocks.append(keys)
        else:
            self._file.write(keys.data)

    def blocks(self) -> Iterator[Array]:
        """Yield the keys again, block by block."""
        yield from self._blocks
        if self._file is not None:
            self._file.seek(0)
            while raw := self._file.read(8 * _BLOCK):
                yield np.frombuffer(raw, np.uint64)


def start_dtype(n: int) -> np.dtype[np.unsignedinteger]:
    """Return the type of a place in n codes."""
    return np.dtype("<u4" if n <= 1 << 32 else "<u8")


def index_in_memory(
    text: EncodedText, config: DataConfig, features: Array | None = None
) -> RecordIndex:
    """Return the records of an encoded text, drawn into parts and ordered.

    See `count_records` for the arguments.

    Raises:
        TextError: a part that the configuration asks for is empty.
    """
    notes = Notes()
    found = count_records(text, config, notes, features)
    starts: Array = np.empty(found.number, start_dtype(len(text.codes)))
    return order_records(found, notes, starts)


def count_records(
    text: EncodedText, config: DataConfig, notes: Notes, features: Array | None = None
) -> CountedRecords:
    """Read all records once: count those of each part and length, and note them.

    Args:
        text: with the records.
        config: how they are drawn into parts.
        notes: written.
        features: (R,) uint64, a digest of the features of each, which is a part of the record's.

    Raises:
        TextError: a part that the configuration asks for is empty.
    """
    counts, distinct = Counter[int](), _Distinct(text)
    side = _split_by(text, config)
    labels, predicted = (_FewTexts(), _FewTexts()), np.zeros(len(PARTS), np.int64)
    read = 0  # records
    for places in places_of(text):
        found = digests(text, places)
        if features is not None:
            both = mixed(found.record ^ features[read : read + len(found.record)])
            found = found._replace(record=both)
        read += len(found.record)
        parts = _parts(places, found.of(side or "record"), text, config)  # (r,)
        lengths = np.diff(places) - 1  # (r,)
        keys = parts << np.uint64(_PART) | lengths.astype(np.uint64)
        notes.add(keys)
        values, how_many = np.unique(keys, return_counts=True)
        counts.update(dict(zip(values.tolist(), how_many.tolist(), strict=True)))
        distinct.add(found.record)
        replies = lengths + 1 - found.prompts  # (r,)
        predicted += np.bincount(parts.astype(np.intp), replies, len(PARTS)).astype(np.int64)
        if side:
            trained = parts == 0
            first = places[:-1][trained] + 1
            labels[0].add(found.prompt[trained], first)
            labels[1].add(found.reply[trained], first + found.prompts[trained])
    number = sum(counts.values())
    few = dict(zip(SIDES, (len(one.places) for one in labels), strict=False))  # without "record"
    _refuse_empty_parts(counts, config, few=bool(few.get(config.split_by or "")))
    return CountedRecords(
        dict(counts),
        number - round(distinct.estimate * number),
        (int(predicted[0]), int(predicted[1]), int(predicted[2])),
        side,
        (labels[0].places, labels[1].places),
    )


class _Distinct:
    """Counts different digests; of very many, a sample.

    Args:
        text: with the records.
    """

    def __init__(self, text: EncodedText) -> None:
        end, codes = text.vocabulary.end, text.codes
        number = sum(
            int(np.count_nonzero(codes[first : first + _BLOCK] == end))
            for first in range(0, len(codes), _BLOCK)
        )
        kept = 1.0 if number <= COUNTED else _SAMPLED / number
        self._bound = np.uint64(kept * ((1 << 64) - 1025))
        self._some: list[Array] = []  # the different ones of each block
        self._number = 0

    def add(self, found: Array) -> None:
        """Add digests (r,)."""
        some = found[found <= self._bound]
        self._number += len(some)
        self._some.append(np.unique(some))

    @property
    def estimate(self) -> float:
        """The share of digests that are not repeats; 0 if so few differ that none is sampled."""
        if not self._number:
            return 0.0
        sampled = np.concatenate(self._some)
        sampled.sort()  # for many numbers, several times faster than np.unique
        return (1 + int(np.count_nonzero(np.diff(sampled)))) / self._number


class _FewTexts:
    """The different texts of one side of records, if they are few."""

    def __init__(self) -> None:
        self._place_of: dict[int, int] | None = {}  # by digest; None: too many
        self._records = 0

    def add(self, found: Array, places: Array) -> None:
        """Add the digests (r,) of texts that begin at places (r,)."""
        self._records += len(found)
        if self._place_of is not None:
            values, first = np.unique(found, return_index=True)
            for value, place in zip(values.tolist(), places[first].tolist(), strict=True):
                self._place_of.setdefault(value, place)
            if len(self._place_of) > MOST_LABELS:
                self._place_of = None

    @property
    def places(self) -> Array:
        """The place of each text (k,) int64, empty if they are not labels."""
        found = self._place_of or {}
        few = 1 < len(found) <= self._records / LEAST_OF_LABEL
        return np.array([*found.values()] if few else [], np.int64)


def _split_by(text: EncodedText, config: DataConfig) -> str | None:
    """Return the side that draws a record into its part; None without prompts."""
    if text.vocabulary.prompt_end is None:
        return None
    if config.split_by:
        return config.split_by
    prompts, replies = _Distinct(text), _Distinct(text)
    for places in places_of(text):
        found = digests(text, places)
        prompts.add(found.prompt)
        replies.add(found.reply)
    return "reply" if replies.estimate > prompts.estimate else "prompt"


def order_records(found: CountedRecords, notes: Notes, starts: Array) -> RecordIndex:
    """Read the notes of all records: write the place of each to its rank.

    Args:
        found, notes: from `count_records`.
        starts: (R,), written.
    """
    keys = np.array(sorted(found.counts), np.uint64)  # (k,)
    how_many = np.array([found.counts[key] for key in keys.tolist()], np.int64)  # (k,)
    run_end = how_many.cumsum()
    free = run_end - how_many  # (k,), the next free rank of each run
    mask = np.uint64((1 << _PART) - 1)
    place = 0
    for block in notes.blocks():
        length = (block & mask).astype(np.int64)
        after = place + (length + 1).cumsum()
        order = np.argsort(block, kind="stable")
        run = np.searchsorted(keys, block[order])
        first = np.flatnonzero(np.diff(run, prepend=-1))  # of each run in the block
        size = np.diff(np.append(first, len(run)))
        within = np.arange(len(run)) - np.repeat(first, size)
        starts[free[run] + within] = (after - length - 1)[order]
        free[run[first]] += size
        place = int(after[-1])
    part = (keys >> np.uint64(_PART)).astype(np.int64)
    ends = [int(how_many[part <= one].sum()) for one in range(len(PARTS))]
    lengths = Lengths((keys & mask).astype(np.int64), run_end)
    ranks = (ends[0], ends[1], ends[2])
    return RecordIndex(starts, lengths, ranks, *found[1:])


def places_of(text: EncodedText) -> Iterator[Array]:
    """Yield the places of end symbols in blocks, each from the last place of the one before it."""
    codes, end = text.codes, text.vocabulary.end
    last = np.zeros(1, np.int64)  # the text begins with an end symbol
    for first in range(1, len(codes), _BLOCK):
        found = np.flatnonzero(codes[first : first + _BLOCK] == end) + first
        if len(found):
            yield np.concatenate([last, found])
            last = found[-1:]


def _parts(places: Array, digest: Array, text: EncodedText, config: DataConfig) -> Array:
    """Return the part of each record, (r,) uint64: 0 training, 1 validation, 2 test."""
    valid, test = config.fractions
    from_test, from_valid = (
        np.uint64(int((1 << 64) * (1 - share)) - 1) for share in (test, valid + test)
    )
    part: Array = (digest > from_valid).astype(np.uint64) + (digest > from_test)
    part[places[:-1] >= text.ends[0] - 1] = 1  # a text of its own for validation
    return part


def _refuse_empty_parts(found: Mapping[int, int], config: DataConfig, *, few: bool) -> None:
    """Raise an error if a part is empty; `few`: data.split_by is a side with few values."""
    counts = np.zeros(len(PARTS), np.int64)
    for run, count in found.items():
        counts[run >> _PART] += count
    records = counted(sum(found.values()), "record")
    if config.valid_path and not counts[0] + counts[2]:
        raise TextError(f"data.path: {NO_RECORDS}")
    if not counts[0]:
        raise TextError(
            f"{config.where}: the training part is empty, as none of {records} is drawn into it",
            Remedy("data.valid_path=valid.txt", "reads the validation part from another file"),
            Remedy("data.valid_fraction=0 + data.test_fraction=0", "trains on all"),
        )
    if config.valid_path and not counts[1]:
        raise TextError(f"data.valid_path: {NO_RECORDS}")
    for part, fraction in enumerate(config.fractions, 1):
        if fraction and not counts[part] and few:
            raise TextError(
                f"{config.where}: the {PARTS[part]} part is empty, as data.split_by: "
                f"{config.split_by} draws the {records} by the {config.split_by}, and few of these "
                "differ",
                Remedy("data.split_by=null", "draws them by the side with more different values"),
            )
        if fraction and not counts[part]:
            raise TextError(
                f"{config.where}: the {PARTS[part]} part is empty, as none of {records} is drawn "
                "into it",
                *_REMEDIES[part - 1],
            )
