"""Write numbers.csv and numbers-test.csv to this folder: numbers in digits and in English words.

The words are British: 105,001 is one hundred and five thousand and one.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

FOLDER = Path(__file__).parent
ALL_BELOW = 1000
TRAINING, TEST = 20_000, 2_000
LENGTHS = (4, 5, 6)  # digits of the numbers that are drawn, equally many of each

SMALL, TENS = (
    words.split()
    for words in (
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
        fifteen sixteen seventeen eighteen nineteen""",
        "zero ten twenty thirty forty fifty sixty seventy eighty ninety",
    )
)


def in_words(number: int) -> str:
    """Return a number below a million in words.

    >>> in_words(105_042)
    'one hundred and five thousand and forty-two'
    """
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return TENS[tens] + (f"-{SMALL[rest]}" if rest else "")
    unit, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    count, rest = divmod(number, unit)
    words = f"{in_words(count)} {name}"
    if rest:
        words += (" and " if rest < 100 else " ") + in_words(rest)
    return words


def drawn(draw: random.Random, count: int, known: set[int]) -> list[int]:
    """Return new numbers, equally many of each length, in order, and add them to the known ones."""
    found = []
    for place in range(count):
        digits = LENGTHS[place % len(LENGTHS)]
        low, high = 10 ** (digits - 1), 10**digits
        number = 0
        while not number or number in known:
            number = low + int(draw.random() * (high - low))  # the same in every Python
        known.add(number)
        found.append(number)
    return sorted(found)


def write(file: Path, numbers: list[int]) -> None:
    """Write a table of numbers and their words."""
    rows = [(str(number), in_words(number)) for number in numbers]
    with file.open("w", encoding="ascii", newline="") as table:
        csv.writer(table, lineterminator="\n").writerows([("digits", "words"), *rows])
    print(f"{file}: {len(rows):,} numbers")


def main() -> None:
    """Write both tables; no number is in both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    small, draw = list(range(ALL_BELOW)), random.Random("numbers")
    known = set(small)
    training = drawn(draw, TRAINING - len(small), known)
    write(folder / "numbers.csv", small + training)
    write(folder / "numbers-test.csv", drawn(draw, TEST, known))


if __name__ == "__main__":
    main()
