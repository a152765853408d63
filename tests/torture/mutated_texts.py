"""Run commands on texts that are broken, odd, tiny, or no texts at all."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import random
import re
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from encodings.aliases import aliases
from pathlib import Path

import yaml
from support import WORDS, tiny_text, train, write_config
from torture.lists import KINDS as RECORDS
from torture.lists import LISTS, LONG
from torture.tables import COLUMNS, TABLES, odd_columns, odd_sides, odd_table, table
from torture.watched import SECONDS, Case, watch

from charrnn.commands.cli import cli, run

ENCODINGS = sorted({*aliases, *aliases.values(), "utf-8-sig", "idna", "punycode", "undefined"})
COMMON = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "latin-1", "ascii")
ODD_CODECS = ("unicode_escape", "raw_unicode_escape", "utf-7", "hz", "iso2022_jp_2", "gb18030")
CHARACTERS = (
    *("\0", "\x01", "\x1b", "\x7f", "\x85", "\xad", "\r", "\n", "\r\n", "\n\r", "\t", " "),
    *("\u0301", "\u0600", "\u05d0", "\u200b", "\u2028", "\u202e", "\u2066", "\ue000", "\ufdd0"),
    *("\ufeff", "\ufffe", "\ufffd", "\u0378", "\U0001f41d", "\U000e0041", "\U0010ffff", "+", "\\"),
)
BYTES = (
    *(b"\0", b"\xff", b"\xfe", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x90", b"\x80", b"\xc0\x80"),
    *(b"\xe0\x80\xaf", b"\xf8\x88\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xed\xbf"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\0\xd8"),
    *(b"+2AA-", b"+2ADcAA-", b"+", b"\\ud800", b"\\N{", b"\\N{DIGIT ONE}", b"\\x", b"\\U00110000"),
    *(b"\r", b"\r\n", b"\x1b$B", b"\x1b(J", b"~{", b"~}", b"~", b"\x0e", b"xn--", b"-99999999"),
)

PREDICTS = "predict" in cli.commands
ODD_TABLES = {f"{again}odd {kind}": kind for kind in TABLES for again in ("", "another ")}
EVERY = "every character"
LARGE = (EVERY, "an end of a chunk", "a long line", LONG)

Texts = Callable[[random.Random], bytes]


def texts(folder: Path, count: int, seed: int) -> str:
    """Run `train`, `eval` and `sample` on mutated texts; return a summary."""
    models = []
    for records in (None, *RECORDS, *TABLES):
        place = folder / str(records)
        place.mkdir()
        text = tiny_text().replace("bee ", "bee\n\n")
        values = {"train.max_steps": 1, "data.valid_fraction": 0, "data.records": records}
        if records in TABLES:
            text, values = table(random.Random(1), records, 60), {**values, **COLUMNS}
        (place / "text.txt").write_text(text, encoding="utf-8")
        models.append(train(place, values) / "last.npz")
    watched = watch((_case(seed, number, models) for number in range(count)), folder)
    if count < 1000:
        return str(watched)
    line = watch([Case("a line of 200 MB", _very_long_line)], folder)
    assert line.codes[0] == 1, line
    assert line.most_bytes < 300e6, line
    return f"{watched}; trained on a line of 200 MB with at most {line.most_bytes >> 20} MB"


def _very_long_line(place: Path) -> Sequence[str]:
    with open(place / "text.txt", "wb") as file:
        for _ in range(200):
            file.write(b"no end and " * 91_000)
    os.environ["CHARRNN_CACHE_DIR"] = str(place / "cache")
    config = write_config(place, {"train.max_steps": 2, "data.valid_fraction": 0.001})
    return ["train", str(config), "--run-dir", "run"]


def _case(seed: int, number: int, models: Sequence[Path]) -> Case:
    rng = random.Random(f"{seed} {number}")
    kind = rng.choice(list(PLACES)) if rng.random() < 0.15 else rng.choice(list(KINDS))
    commands = ("train", "eval") if kind in (*PLACES, EVERY) else ("train", "eval", "sample")
    commands = commands if kind != LONG else ("train",)
    if PREDICTS and "sample" in commands:
        commands = (*commands, "predict")
    command = rng.choices(commands, (8, 1, 1, 1)[: len(commands)])[0]
    model, settings = str(rng.choice(models)), _settings(rng)
    if kind in LISTS and rng.random() < 0.9:
        settings |= {"data.encoding": "utf-8", "data.records": rng.choice(RECORDS)}
    if kind in ODD_TABLES and rng.random() < 0.9:
        settings |= {"data.encoding": "utf-8", "data.records": ODD_TABLES[kind]}
        if rng.random() < 0.7:
            settings["train.batch_size"] = 1
    settings |= _columns(rng, settings["data.records"])
    if settings["data.records"] and settings["train.batch_size"] == 10**6:
        settings["train.batch_size"] = 100  # every step would rightly have a million rows
    if kind in (*LARGE, "a long record"):  # a long window would rightly take long
        settings |= {"train.batch_size": 1, "train.seq_length": rng.choice((1, 3))}
    if kind in LARGE and settings["data.records"]:  # one symbol is scored after another
        settings |= {"data.valid_fraction": 0, "data.test_fraction": 0}
    if kind == EVERY:  # a million logits for each of a million characters take hours
        settings |= {"data.valid_fraction": rng.choice((0, 1e-5)), "data.test_fraction": 0}
    of_model = "" if command == "train" else f" by {Path(model).parts[-3]}"
    name = f"seed {seed}, text {number}: {command}{of_model} on {kind}, {settings}"

    def prepare_folder(place: Path) -> Sequence[str]:
        random_here = random.Random(f"{seed} {number} bytes")
        if kind in PLACES:
            path = PLACES[kind](place, random_here)
        else:
            path = str(place / "text.txt")
            Path(path).write_bytes(KINDS[kind](random_here))
        if command == "eval":
            return ["eval", model, path, "--unknown", "skip"]
        if command == "predict":
            return ["predict", "--model", model, "--file", path, "--unknown", "skip"]
        if command == "sample":
            return ["sample", model, "--prime-file", path, "--length", "5", "--seed", "1"]
        sections = {"data": {"path": path}, "model": {"hidden_size": 2, "num_layers": 1}}
        sections["train"] = {"max_steps": 2, "backend": "numpy", "workers": 1}
        for key, value in settings.items():
            section, _, key = key.partition(".")
            sections[section][key] = value
        (place / "c.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
        return ["train", "c.yaml", "--run-dir", "run"]

    return Case(name, prepare_folder, _check(kind, settings) if command == "train" else None)


def _settings(rng: random.Random) -> dict[str, object]:
    """Return random settings for reading and cutting a text."""
    encoding = rng.choice((COMMON, COMMON, ODD_CODECS, ENCODINGS)[rng.randrange(4)])
    return {
        "data.encoding": encoding,
        "data.newlines": rng.choice(("lf", "keep")),
        "data.tokens": rng.choices(("char", "byte"), (4, 1))[0],
        "data.records": rng.choices((None, *RECORDS, rng.choice(TABLES)), (6, 1, 1, 1))[0],
        "data.valid_fraction": rng.choice((0, 0, 0, 0, 0.1, 0.1, 0.5, 0.999, 1e-17, 1e-300)),
        "data.test_fraction": rng.choice((0, 0, 0, 0, 0, 0, 0, 0.2, 1e-9, 1e-16)),
        "train.batch_size": rng.choice((1, 1, 1, 2, 2, 7, 1000, 10**6)),
        "train.seq_length": rng.choice((1, 1, 1, 3, 3, 50, 10**6)),
    }


def _columns(rng: random.Random, records: object) -> dict[str, object]:
    """Return random settings of the prompts and replies of some records."""
    if records in TABLES:
        return odd_columns(rng, str(records))
    if not records or rng.random() < 0.7:
        return {}
    if records == "line" and rng.random() < 0.5:
        return {"data.prompt_separator": rng.choice(("e", " ", "\\t", "the")), **odd_sides(rng)}
    label_as = rng.choice(("prompt", "reply"))
    return {"data.label_from": "file", "data.label_as": label_as, **odd_sides(rng)}


def _check(kind: str, settings: dict[str, object]) -> Callable[[Path, int, str, str], str]:
    """Return a check: a model that was trained can be scored on its text, and can be sampled."""

    def check(place: Path, code: int, _: str, err: str) -> str:
        if code == 2:
            return f"wrong usage: {err}"
        several = "c.yaml: data.encoding: " in err and "c.yaml: data.path: " in err
        if code and (err.count("\n") != 1 + several or not err.startswith("charrnn: error: ")):
            return f"not one message: {err!r}"
        wrong = "" if kind in PLACES else _unlike_python(place / "text.txt", settings, code, err)
        slow = kind == EVERY or (kind in LARGE and settings["data.records"])
        if code or wrong or slow or kind == "a pipe":
            return wrong
        prompts = {"prompt_column", "prompt_separator", "label_from"}
        prompts = {key for key in prompts if settings.get(f"data.{key}")}
        sample = ["sample", "run/last.npz", "--length", "5", "--seed", "1"]
        predict = ["predict", "--model", "run/last.npz", "--file", str(place / "text.txt")]
        for arguments in (
            ["eval", "run/last.npz", "--split", "train"],
            *([predict] if prompts and PREDICTS and kind not in PLACES else ()),
            *(() if prompts or settings.get("data.feature_columns") else (sample,)),
            ["info", "run/last.npz"],
        ):
            said = io.StringIO()
            signal.alarm(SECONDS)
            os.chdir(place)
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = run(arguments)
            signal.alarm(0)
            allowed = ("that reached the greatest length",)
            if code and not any(problem in said.getvalue() for problem in allowed):
                return f"{arguments[0]}: exit code {code}: {said.getvalue()}"
        return ""

    return check


def _unlike_python(file: Path, settings: dict[str, object], code: int, err: str) -> str:
    """Return an error unless charrnn accepts what Python decodes, and refuses the rest."""
    raw, encoding = file.read_bytes(), str(settings["data.encoding"])
    if settings["data.tokens"] == "byte" or len(raw) > 1 << 20 or "names, not texts" in err:
        return ""
    try:
        name = codecs.lookup(encoding).name
        if name in ("utf-16", "utf-32") and not raw.startswith(codecs.BOM_UTF8):
            return ""  # without a mark Python decodes a whole text and chunks differently
        text = raw.decode("utf-8" if name == "utf-8-sig" else encoding)
    except (UnicodeError, LookupError):
        return "" if code else "trained on what Python cannot decode"
    text = text.removeprefix("\ufeff")
    if re.search("[\ud800-\udfff]", text):
        return "" if code else "trained on half a pair"
    return f"refused, though Python decodes it: {err}" if " is not " + encoding in err else ""


# What a file holds.


def _text(rng: random.Random) -> bytes:
    """Return words and some odd characters, in a random encoding."""
    pieces = rng.choices(WORDS, k=rng.choice((3, 30, 300)))
    for _ in range(rng.choice((0, 1, 10))):
        pieces.insert(rng.randrange(len(pieces)), rng.choice(CHARACTERS))
    text, encoding = rng.choice(("", " ", "\r\n")).join(pieces), rng.choice(COMMON)
    return text.encode(encoding, "ignore")


def _damaged(rng: random.Random) -> bytes:
    """Return a text with bytes inserted, deleted, changed or moved."""
    raw = bytearray(_text(rng) or b"ab")
    for _ in range(rng.choice((1, 2, 20))):
        at = rng.randrange(len(raw) + 1)
        change = rng.randrange(4)
        if change == 0:
            raw[at:at] = rng.choice(BYTES)
        elif change == 1:
            del raw[at : at + rng.choice((1, 2, 30))]
        elif change == 2 and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        else:
            raw = raw[at:] + raw[:at]
    return bytes(raw)


def _at_the_chunks(rng: random.Random) -> bytes:
    """Return a text with critical bytes across the end of a chunk of a megabyte."""
    what, before = rng.choice(BYTES), rng.choice((b"ab", b"\n", b"\xc3\xa9", b"a\0"))
    length = (1 << 20) - rng.randrange(len(what) + 2)
    head = (before * (length // len(before) + 1))[:length]
    return head + what + before * rng.choice((0, 1, 100))


def _every_character(rng: random.Random) -> bytes:
    """Return every code point once, in order or shuffled."""
    encoding = rng.choice(("utf-8", "utf-16", "utf-32", "gb18030", "utf-7", "utf-8/surrogatepass"))
    name, _, errors = encoding.partition("/")
    symbols = list(map(chr, range(0x110000)))
    if rng.random() < 0.3:
        rng.shuffle(symbols)
    return "".join(symbols).encode(name, errors or "ignore")


def _ends(rng: random.Random) -> bytes:
    return b"".join(rng.choices((b"\r", b"\n", b"\r\n", b"a", b"\xef\xbb\xbf"), k=300))


def _one_line(rng: random.Random) -> bytes:
    return rng.choice((b"ab", b"+AAAA", b"\\N{a", "é大".encode(), b"~{<:")) * 300_000


KINDS: dict[str, Texts] = {
    "a text": _text,
    "a damaged text": _damaged,
    "another damaged text": _damaged,
    "a third damaged text": _damaged,
    "random bytes": lambda rng: rng.randbytes(rng.choice((1, 2, 3, 100, 5000))),
    "an end of a chunk": _at_the_chunks,
    "nothing": lambda _: b"",
    "one or two characters": lambda rng: bytes(rng.choices(b"ab\r\n\xff", k=rng.randint(1, 3))),
    "a mark alone": lambda rng: rng.choice(BYTES),
    "one character again and again": lambda rng: rng.choice(BYTES) * rng.choice((2, 99, 10_000)),
    "line ends": _ends,
    EVERY: _every_character,
    "a long line": _one_line,
    "pieces": lambda rng: b"".join(rng.choices(BYTES, k=rng.choice((5, 500)))),
    "Python's escapes": lambda rng: b"".join(rng.choices((b"\\", b"u", b"x0", b"a", b"\n"), k=400)),
    **{name: lambda rng, of=of: of(rng).encode() for name, of in LISTS.items()},
    **{
        name: lambda rng, of=of: odd_table(rng, of).encode("utf-8", "surrogatepass")
        for name, of in ODD_TABLES.items()
    },
    "a compressed file": lambda rng: codecs.encode(_text(rng), rng.choice(("zlib", "bz2", "hex"))),
}


# What lies at a path.


def _pipe(place: Path, rng: random.Random) -> str:
    """Make a pipe to which a text, or nothing, is written."""
    path = str(place / "pipe")
    os.mkfifo(path)
    raw = rng.choice((_text(rng), b""))

    def write() -> None:
        with contextlib.suppress(OSError):
            Path(path).write_bytes(raw)

    threading.Thread(target=write, daemon=True).start()
    return path


def _link(place: Path, rng: random.Random) -> str:
    for name, target in (("a", "b"), ("b", "a"), ("up", "."), ("again", "."), ("none", "nothing")):
        os.symlink(target, place / name)
    (place / "t.txt").write_bytes(_text(rng))
    return str(place / rng.choice(("a", "none", "**/*.txt", "up/**/a", "again/up/t.txt", "*")))


def _several(place: Path, rng: random.Random) -> str:
    """Write files with odd names in a folder; return a path or a glob of some of them."""
    folder = place / "texts"
    (folder / "sub").mkdir(parents=True)
    names = ("a.txt", "b.txt", "sub/c.txt", "[d].txt", "e\nf.txt", "\udcff.txt", "\u202e.txt")
    for name in names:
        (folder / name).write_bytes(rng.choice(list(KINDS.values())[:5])(rng))
    return str(folder / rng.choice((*names, "*.txt", "**", "sub", "[ab].txt", "s*/*")))


def _unreadable(place: Path, rng: random.Random) -> str:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(place)
        listening.bind("socket")
    (place / "t").write_bytes(b"ab")
    names = ("socket", "t/t", "x" * 300, "x/" * 3000 + "x", "/proc/self/mem", "/proc/self/fd/0")
    return os.path.join(place, rng.choice(names))


PLACES: dict[str, Callable[[Path, random.Random], str]] = {
    "a pipe": _pipe,
    "a device": lambda _, rng: rng.choice(("/dev/zero", "/dev/urandom", "/dev/null", "/dev/tty")),
    "a folder": lambda place, _: str(place),
    "a link": _link,
    "several files": _several,
    "what cannot be read": _unreadable,
}
