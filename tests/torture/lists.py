"""Lists of records: names and blocks of text, and lists that may break something."""

from __future__ import annotations

import random
from collections.abc import Callable

from support import WORDS

KINDS = ("line", "paragraph")  # of records
LONG = "a record of a million characters"
_ODD = ("\0", "\x01", "\t", "\v", "\f", "\x85", "\xa0", "\u2028", "\u3000", "\ufeff", "\U0001f41d")
_ENDS = ("\n", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\n \n", "\n\t\r\n")


def list_of_records(rng: random.Random, records: int) -> str:
    """Return names, some of them in blocks and some repeated, of which no part is empty."""
    names = ["".join(rng.choices(WORDS, k=rng.choice((1, 1, 2, 5)))) for _ in range(records)]
    return "".join(name + rng.choice(("\n", "\n\n", "\n\n")) for name in names)


def _names(rng: random.Random) -> str:
    end = rng.choice(_ENDS)
    return end.join(rng.choices(WORDS, k=rng.choice((2, 30, 300)))) + rng.choice(("", end))


def _blocks(rng: random.Random) -> str:
    lines = rng.choices(WORDS, k=rng.choice((9, 90)))
    return "".join(line + rng.choice(_ENDS) for line in lines)


def _odd(rng: random.Random) -> str:
    names = rng.choices(WORDS, k=rng.choice((3, 40)))
    for _ in range(rng.choice((1, 5, 50))):
        names.insert(rng.randrange(len(names) + 1), rng.choice(_ODD) * rng.choice((1, 1, 2, 99)))
    return rng.choice(("", "\n", "\n", "\r\n")).join(names)


def _long(rng: random.Random, chars: int) -> str:
    """Return a long record among others, in one line or in one block of lines."""
    line = rng.choice(("ab", "a\0", "ab" * 20 + "\n")) * chars
    around = "\n\n".join(rng.choices(WORDS, k=rng.choice((1, 9))))
    return rng.choice(("{1}", "{0}\n\n{1}", "{1}\n\n{0}")).format(around, line[:chars])


LISTS: dict[str, Callable[[random.Random], str]] = {
    "a list": _names,
    "blocks": _blocks,
    "odd records": _odd,
    "empty lines": lambda rng: "".join(rng.choices(("\n", "\r\n", "a"), (9, 9, 1), k=300)),
    "records of spaces": lambda rng: "".join(rng.choices((" ", "\t", "\n", "\xa0"), k=300)),
    "records of nulls": lambda rng: "".join(rng.choices(("\0", "\0\0\0", "\n"), k=200)),
    "a single record": lambda rng: rng.choice(("ab", "a", "\nab\n\n", "a\nb", "\0", "ab\r")),
    "one record again and again": lambda rng: "ab\n\n" * rng.choice((2, 9, 1000)),
    "records of one character": lambda rng: "\n\n".join(rng.choices("ab", k=rng.choice((2, 500)))),
    "a long record": lambda rng: _long(rng, 20_000),
    LONG: lambda rng: _long(rng, 1_000_000),
}
