"""Tables with a prompt, a reply and a number in each row, and such that may break something."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from typing import Any

from support import WORDS

TABLES = ("csv", "tsv", "jsonl")
COLUMNS = {"data.prompt_column": "name", "data.reply_column": "kind"}
_NAMES = ("name", "kind", "size")
_LABELS = ("bee", "box", "blue")
_CELLS = (
    *("", " ", '"', '""', '"a', 'a"b', "a,b", "a\tb", "a\nb", "a\r\nb", "\r", "\0", "\ufeff"),
    *("\u2028", "\x85", "\U0001f41d", "\u0301", "1", "null", "x" * 5000, "'", ";", "=", "#"),
)
_LINES = (
    *("", " ", ",", '"', "name,kind", "a", "a,b,c,d", "{}", "[]", "null", "1", '{"name": 1}', "{"),
    *(
        '{"name": "a", "kind": null}',
        '{"kind": "\\ud800", "name": "a"}',
        '{"name": NaN, "kind": 1}',
    ),
    *('{"name": {"a": 1}, "kind": [1]}', "[" * 9000, '{"kind": ' + "9" * 5000 + "}", "\t", "a\tb"),
    '"' + "x" * 140_000 + '",b',
)


def table(rng: random.Random, kind: str, rows: int) -> str:
    """Return a sound table of names and few kinds, of which no part is empty."""
    names = (" ".join(rng.choices(WORDS, k=rng.choice((1, 2, 5)))) for _ in range(rows))
    return _written(kind, [(name, _LABELS[len(name) % 3], f"{len(name)}") for name in names])


def odd_table(rng: random.Random, kind: str) -> str:
    """Return a table with some odd cells and lines."""
    sizes = ("1", "2.5", "-3e2", " 7 ", "0")
    rows = [
        [*rng.choices(WORDS, k=2), rng.choice(sizes)] for _ in range(rng.choice((1, 9, 90, 90)))
    ]
    for _ in range(rng.choice((0, 0, 1, 3))):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(_CELLS)
    for _ in range(rng.choice((0, 0, 0, 1))):
        row = rng.choice(rows)
        row[1:] = rng.choice(((), (*row[1:], "more"), ("x", "y", "z")))
    lines = _written(kind, rows).split("\n")
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_LINES))
    return rng.choice(("\n", "\n", "\n", "\r\n", "\r")).join(lines)


def odd_columns(rng: random.Random, kind: str) -> dict[str, Any]:
    """Return settings of the columns of a table."""
    one = rng.choice((1, 2, 2, 2, 3, "kind", "kind", "kind", "Kind", "x" * 99, "\u00e9"))
    other = rng.choice((None, 1, 1, 1, 3, "name", "name", "name", [1, 2], ["name", "kind"], "nome"))
    settings = {"data.reply_column": one, "data.prompt_column": other}
    if rng.random() < 0.6:
        settings = dict(COLUMNS)
    if rng.random() < 0.4:
        columns = ("size", "size", ["size"], 3, [3, 3], ["size", "name"], "sizes", 4)
        settings |= {"data.feature_columns": rng.choice(columns)}
    if kind != "jsonl":
        settings |= {"data.header": rng.choice((None, None, None, None, True, False))}
    if kind == "csv":
        settings |= {"data.delimiter": rng.choice((*[None] * 9, ";", "\\t", "|", " "))}
        settings |= {"data.delimiter": rng.choice('"\0\u00e9')} if rng.random() < 0.05 else {}
    return settings | odd_sides(rng) if other else settings


def odd_sides(rng: random.Random) -> dict[str, Any]:
    """Return settings of prompts and replies."""
    weight = rng.choice((0, 0.3, 1))
    side = rng.choice((None, None, None, "prompt", "reply", "record"))
    order = rng.choice((None, None, True, False))
    return {
        "data.split_by": side,
        "data.reverse_prompts": order,
        "train.prompt_weight": weight,
    }


def _written(kind: str, rows: Sequence[Sequence[str]]) -> str:
    if kind == "jsonl":
        return "".join(json.dumps(dict(zip(_NAMES, row, strict=False))) + "\n" for row in rows)
    if kind == "tsv":
        return "".join("\t".join(row) + "\n" for row in (_NAMES, *rows))
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows((_NAMES, *rows))
    return file.getvalue()
