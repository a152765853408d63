"""Runs on words of three labels: a table, lines, a folder of files, and words for a label."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from support import train

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LABELS = ("early", "late", "mid\tdle")  # in the order of the vocabulary
_HEADER = ("word", "kind", "n", "note")
_MODEL = {
    "data.valid_fraction": 0.3,
    "model.cell": "gru",
    "model.hidden_size": 16,
    "train.batch_size": 20,
    "train.max_steps": 150,
    "train.learning_rate": 0.02,
    "train.seq_length": 12,
}
RUNS = {
    "table": {
        "data.path": "words.csv",
        "data.records": "csv",
        "data.prompt_column": "word",
        "data.reply_column": "kind",
    },
    "lines": {"data.path": "words.txt", "data.records": "line", "data.prompt_separator": "->"},
    "files": {
        "data.path": "kinds",
        "data.records": "paragraph",
        "data.label_from": "file",
        "data.label_as": "reply",
        "data.tokens": "byte",
    },
    "writer": {
        "data.path": "words.csv",
        "data.records": "csv",
        "data.prompt_column": "kind",
        "data.reply_column": "word",
    },
}


def words() -> list[tuple[str, str]]:
    """Return words and their labels, which depend on the last letter, in a random order."""
    found = [
        (f"{a}{b}{c}", label)
        for a in LETTERS[:12]
        for b in LETTERS
        for c, label in zip("xyz", LABELS, strict=True)
    ]
    random.Random(3).shuffle(found)
    return found


def write_table(path: Path, rows: list[tuple[str, str]], columns: str = "word kind n note") -> None:
    """Write words and labels as CSV, with a number and a note that has a newline."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        for number, (word, kind) in enumerate(rows):
            cells = dict(zip(_HEADER, (word, kind, number, f'"{number}"\nnote'), strict=True))
            writer.writerow(cells[column] for column in columns.split())


def make_run(folder: Path, kind: str) -> Path:
    """Write the data of one of RUNS, train on it, and return the run's folder, runs/KIND."""
    write_table(folder / "words.csv", words())
    pairs = [f"{word}->{label}".replace("\t", "") for word, label in words()]
    (folder / "words.txt").write_text("\n".join(pairs))
    (folder / "kinds").mkdir(exist_ok=True)
    for label in LABELS:
        some = [f"{word}\n{word}" for word, one in words() if one == label]
        (folder / "kinds" / f"{label.replace(chr(9), '')}.txt").write_text("\n\n".join(some))
    (folder / "runs").mkdir(exist_ok=True)
    return train(folder, _MODEL | RUNS[kind]).rename(folder / "runs" / kind)
