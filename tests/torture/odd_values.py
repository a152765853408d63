"""Values, signs and texts that may break something."""

from __future__ import annotations

import os
import random
from pathlib import Path

from support import tiny_text
from torture.lists import LISTS, list_of_records
from torture.tables import TABLES, table

from charrnn.config.reader import load_config
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES
from charrnn.training.train import train

# Replacements for a value. Endless devices and pipes without a writer are left out, because reading
# them never ends.
VALUES = (
    *("", "~", "null", "true", "no", "-0", "0", "-1", "1", "2", "3", "7", "1.5", "0.5", "-0.0"),
    *("1e308", "-1e308", "1e-320", "1.0e+400", ".inf", "-.inf", ".nan", "nan", "1_000", "1e-3"),
    *("0x10", "0x", "0b", "0x_", "017", "0o7", "9" * 30, "9" * 400, "9" * 5000, "0x" + "f" * 9999),
    *("1:30:00", "190:20:30.15", "1" + ":59" * 3000, "2024-01-01", "2024-13-45"),
    *("2001-12-14t21:59:43.10-05:00", "0001-01-01 00:00:00 +23:59", "=", "<<", "?", "-", ":", "|"),
    "!!python/object/apply:os.system ['touch pwned']",
    "!!python/object/new:subprocess.Popen [[touch, pwned]]",
    *("!!python/name:os.system", "!!binary aGVsbG8=", "!!binary x", "!!int x", "!!int ''"),
    *("!!float ''", "!!bool x", "!!timestamp x", "!!set {a, b}", "!!omap [a: 1]", "!!str 1"),
    *("!local x", "! 3", "!!null x", "!!map []", "!!seq {}", "&a x", "*a", "&a [*a]", "&a {b: *a}"),
    *("[]", "{}", "[1, 2]", "{a: 1}", "[[[]]]", "[text.txt]", "[text.txt, 3]"),
    *("[text.txt, folder]",),
    *("[" * 30 + "]" * 30, "{a: " * 30 + "}" * 30, "[" * 3000, "- " * 3000),
    *("[" + "1," * 30_000 + "]",),
    *("x" * 100, "x" * 10_000, "'" + "x\n  " * 500 + "'", "\u00e9\u4e2d\U0001f41d", "\u202eabc"),
    *('"\\e[2J\\a"', '"\\0"', '"\\ud800"', '"\\udcff.txt"', '"\\n\\n"', '"\\x85"', "\x1b[31m"),
    *("\x00",),
    *("text.txt", "other.txt", ".", "..", "/", "folder", "missing.txt", "/dev/null", "text.txt/x"),
    *("/dev/stdin", "/proc/self/mem", "*.txt", "**/*", "te[x]t.txt", "[a", "~nobody/x"),
    *("~/missing",),
    *("empty.txt", "one.txt", "latin.txt", "large.txt", "bad.yaml", "//text.txt", "./././text.txt"),
    *('"~\\ud800/x"', '"\\ud800/*"', '["*\\ud800*"]', "~\u00e9/x", "~", "~root", "[!a]*", "a**b"),
    *("epoch", "auto", "60s", "0s", "0.5s", "9" * 400 + "s", "s", "lstm", "gru", "rnn", "LSTM"),
    *OPTIMIZERS,
    *SCHEDULES,
    *("utf-8", "utf-16", "utf-32", "idna", "punycode", "unicode_escape", "rot13", "hex"),
    *("raw_unicode_escape", "utf-7", "cp037", "big5", "undefined", "mbcs", "byte", "char", "keep"),
    *("line", "paragraph", "blocks.txt", "long.txt", "blank.txt", "nulls.txt"),
    *(*TABLES, "table.csv", "table.tsv", "table.jsonl", "labels", "labels/*", "file", "record"),
    *("prompt", "reply", "name", "kind", "[name, kind]", "[1, 1]", "[name, 2, x]", "\\t", ";"),
    *("lf", "numpy", "numba", "1000", "1000000", "1048576", "1048577", "1000000000000"),
    *("4294967295",),
)
# Replacements for a number.
SMALL = (
    *("0", "1", "2", "3", "5", "0.1", "0.5", "1e-3", "30", "null", "auto", "epoch", "1s", "0.9"),
    *("1e-9", "1e-17", "1e-308", "0.9999999999999999", "0.999999", "1e6", "1e30", "1e-45", "1e38"),
)
# Insertions for any place in a text.
PIECES = (
    *(": ", ":", " ", "  ", "\t", "\n", "\r", "- ", "#", "&a ", "*a", "!!", "!", "|", ">", "%"),
    *("@",),
    *("`", "'", '"', "{", "}", "[", "]", ",", "? ", "---\n", "...\n", "<<: ", "\0", "\x07"),
    *("\x1b[",),
    *("\ufeff", "\x85", "\u2028", "\ud7ff", "\U0010ffff", "%YAML 9.9\n---\n", "%TAG ! x\n---\n"),
)


def warm_up(folder: Path) -> None:
    """Train once, so that the time of imports and compilation does not count for a case."""
    os.environ.setdefault("CHARRNN_CACHE_DIR", str(folder / "cache"))
    (folder / "text.txt").write_text(tiny_text(), encoding="utf-8")
    (folder / "warm.yaml").write_text("data: {path: text.txt}\ntrain: {batch_size: 2}\n")
    sets = ["train.max_steps=2", "model.hidden_size=8"]
    train(load_config(folder / "warm.yaml", sets), folder / "warm")


def write_texts(place: Path) -> None:
    """Write the texts that configurations name."""
    (place / "folder").mkdir()
    (place / "text.txt").write_text(tiny_text(), encoding="utf-8")
    (place / "other.txt").write_text(tiny_text(400)[::-1], encoding="utf-8")
    (place / "empty.txt").write_bytes(b"")
    (place / "one.txt").write_bytes(b"a")
    (place / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    (place / "large.txt").write_bytes(b"abcdefghi\n" * 30_000)
    for kind in TABLES:
        text = table(random.Random(1), kind, 60)
        (place / f"table.{kind}").write_text(text, encoding="utf-8")
    (place / "labels").mkdir()
    for number, label in enumerate(("en", "de.list", "x y")):
        text = list_of_records(random.Random(number), 40)
        (place / "labels" / label).write_text(text, encoding="utf-8")
    (place / "blocks.txt").write_text(list_of_records(random.Random(1), 60), encoding="utf-8")
    for name, kind in (
        ("long.txt", "a long record"),
        ("blank.txt", "records of spaces"),
        ("nulls.txt", "records of nulls"),
    ):
        (place / name).write_bytes(LISTS[kind](random.Random(1)).encode())
