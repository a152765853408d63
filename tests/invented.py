"""Invented tables, and what `charrnn init` has written of them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

RNG = random.Random(5)
NOUNS = [
    "river",
    "garden",
    "king",
    "lantern",
    "mountain",
    "sister",
    "letter",
    "window",
    "orchard",
    "wolf",
    "harbour",
    "clock",
]
VERBS = ["sees", "carries", "remembers", "leaves", "follows", "answers", "hides", "opens"]
Row = Sequence[object]


def title() -> str:
    return f"The {RNG.choice(NOUNS).title()} and the {RNG.choice(NOUNS).title()}"


def clause() -> str:
    return f"the {RNG.choice(NOUNS)} {RNG.choice(VERBS)} the {RNG.choice(NOUNS)} {RNG.random():.2f}"


def rows(row: Callable[[int], Row], header: str = "", n: int = 120) -> list[Row]:
    """Return n rows, below the names of columns if there are some."""
    return [*([header.split(",")] if header else []), *(row(k) for k in range(n))]


def as_csv(table: Sequence[Row], delimiter: str = ",", **keys: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, **keys).writerows(table)
    return buffer.getvalue()


def as_jsonl(table: Sequence[Row]) -> str:
    names, *others = table
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in others)


def date(k: int) -> str:
    return f"2024-0{1 + k % 9}-{10 + k % 18} 12:{10 + k % 50}:00"


def movie(k: int) -> Row:
    genre = RNG.choice(("drama", "comedy", "science fiction"))
    return f"tt{k:07}", title(), RNG.randint(1930, 2020), genre, f"{RNG.random() * 9:.1f}"


def logged(k: int) -> Row:
    return date(k), RNG.choice(("INFO", "WARN", "ERROR")), clause()


def pair(k: int) -> Row:
    return f"Where is {clause()}?", f"Near {clause()}, {k}."


MOVIES = rows(movie, "id,title,year,genre,score")


def reviewed(k: int) -> Row:
    return f"{clause()}, {clause()}", k % 2


def data_in(path: str) -> dict[str, Any]:
    """Return the section data of a configuration file but for path and valid_fraction."""
    data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["data"]
    return {key: one for key, one in data.items() if key not in ("path", "valid_fraction")}


def swapped(path: str) -> str:
    """Write the file with the other direction: # added to the lines above, removed below."""
    text = Path(path).read_text(encoding="utf-8")
    lines = text.split("\n")
    commented = [k for k, line in enumerate(lines) if line.startswith("  # ")]
    below = [k for k in commented if "feature_columns" not in lines[k]]
    keys = {lines[k].split(":")[0][4:] for k in below}
    above = [k for k, line in enumerate(lines) if line.split(":")[0].strip() in keys]
    assert len(above) == len(below)
    for k in above:
        lines[k] = f"  # {lines[k][2:]}"
    for k in below:
        lines[k] = f"  {lines[k][4:]}"
    Path("swapped.yaml").write_text("\n".join(lines), encoding="utf-8")
    return "swapped.yaml"


def lines_of(line: Callable[[int], str], n: int = 120) -> str:
    return "".join(f"{line(k)}\n" for k in range(n))
