"""Lists and blocks are distinguished from running text; a text that may be running text is one."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.text import lines as lines_module
from charrnn.text.lines import find_shape
from charrnn.text.load import load_corpus
from charrnn.text.remarks import remark_on
from charrnn.text.shape import shape_of

RNG = random.Random(4)
SYLLABLES = (
    "ka",
    "ro",
    "mi",
    "el",
    "sha",
    "ton",
    "be",
    "lu",
    "ver",
    "na",
    "di",
    "gor",
    "ess",
    "um",
)
NOUNS = ("river", "garden", "king", "lantern", "mountain", "sister", "letter", "window", "orchard")
VERBS = ("sees", "carries", "remembers", "leaves", "follows", "answers", "hides", "opens")
LINKS = ("and", "while", "because", "until", "before", "where")
SPEAKERS = ("MARTA", "THE KING", "OLD SERVANT", "PIRRO", "FIRST GUARD")


def word(least: int = 2, most: int = 4) -> str:
    return "".join(RNG.choices(SYLLABLES, k=RNG.randint(least, most)))


def clause() -> str:
    return f"the {RNG.choice(NOUNS)} {RNG.choice(VERBS)} the {word()} {RNG.choice(NOUNS)}"


def sentence() -> str:
    text = clause()
    for _ in range(RNG.randint(0, 2)):
        text += f"{RNG.choice((',', ''))} {RNG.choice(LINKS)} {clause()}"
    return text[0].upper() + text[1:] + RNG.choice((".", ".", ".", "?", "!"))


def paragraph(sentences: int = 5) -> str:
    return " ".join(sentence() for _ in range(sentences))


def wrapped(text: str, width: int) -> str:
    lines = [""]
    for one in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(one) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + one
    return "\n".join(lines)


def atoms(depth: int = 0) -> str:
    """Return a molecule: chains, rings that close, nested branches."""
    chain = "".join(RNG.choice("CCCCNOcS") for _ in range(RNG.randint(1, 6)))
    if RNG.random() < 0.4:
        chain += f"C{depth + 1}CCCC{depth + 1}"
    if depth < 3 and RNG.random() < 0.6:
        chain += f"({atoms(depth + 1)})" + RNG.choice(("", "=O", "[O-]", "[NH3+]"))
    return chain + RNG.choice("CNO")


def password() -> str:
    return word(2, 3) + RNG.choice(("", "!", "1", "123", str(RNG.randint(1950, 2020)), "_x", "#9"))


def date() -> str:
    return f"{RNG.randint(1900, 2030)}-{RNG.randint(1, 12):02}-{RNG.randint(1, 28):02}"


def title() -> str:
    first, second = word().title(), RNG.choice(NOUNS).title()
    return f"{first} {second} " + RNG.choice(
        (f"with {word().title()}", f"and {word().title()} Pie")
    )


def tune(n: int) -> str:
    bars = "|".join("".join(RNG.choices("ABcdefG2", k=8)) for _ in range(8))
    key = RNG.choice(("D", "G", "Am"))
    return f"X:{n}\nT:The {word().title()} Reel\nM:4/4\nL:1/8\nK:{key}\n|:{bars}:|\n{bars}||\n"


def card() -> str:
    rules = sentence() + ("\n" + sentence() if RNG.random() < 0.5 else "")
    return f"name: {word().title()}\ncost: {RNG.randint(0, 9)}\ntext: {rules}\n"


def bare_card() -> str:
    kind = RNG.choice(("Creature", "Spell"))
    numbers = f"{RNG.randint(0, 9)}/{RNG.randint(0, 9)}"
    return f"{word().title()} {word().title()}\n{kind}\n{sentence()}\n{numbers}\n"


def recipe() -> str:
    items = [f"{RNG.randint(1, 500)} g {word()}" for _ in range(RNG.randint(2, 6))]
    return "\n".join([f"{word().title()} cake", *items, sentence()]) + "\n"


def sequence() -> str:
    rows = ["".join(RNG.choices("ACGT", k=60)) for _ in range(RNG.randint(1, 5))]
    return "\n".join([f">{word()} {RNG.randint(1, 999)}", *rows]) + "\n"


def stanza(stop: Callable[[], str]) -> str:
    lines = [clause()[: RNG.randint(28, 44)].rsplit(" ", 1)[0] for _ in range(4)]
    return "".join(f"{line[0].upper()}{line[1:]}{stop()}\n" for line in lines)


def speech() -> str:
    return f"{RNG.choice(SPEAKERS)}:\n{wrapped(paragraph(RNG.randint(1, 4)), 50)}\n"


def message() -> str:
    return f"{RNG.choice(('anna', 'bob'))}: {clause()[: RNG.randint(5, 60)]}"


def many(make: Callable[[], str], n: int = 300, between: str = "\n") -> str:
    return between.join(make() for _ in range(n)) + "\n"


LISTS = {
    "names": many(lambda: word(2, 3)),
    "names in capitals": many(lambda: word(2, 3).upper()),
    "words, sorted": "".join(f"{one}\n" for one in sorted({word() for _ in range(900)})),
    "full names": many(lambda: f"{word().title()} {word().title()}"),
    "surname, first name": many(lambda: f"{word().title()}, {word().title()}"),
    "passwords": many(password),
    "molecules": many(atoms),
    "dates": many(date),
    "sums": many(lambda: f"{RNG.randint(0, 999)}+{RNG.randint(0, 999)}={RNG.randint(0, 1998)}"),
    "addresses": many(lambda: f"{RNG.randint(1, 99)} {word().title()} Street, {word().title()}"),
    "addresses of pages": many(lambda: f"https://{word()}.org/{word()}/{word()}.html"),
    "titles of recipes": many(title),
    "labelled names": many(lambda: f"{RNG.choice(('Korean', 'Czech'))}: {word().title()}"),
    "names in other letters": many(lambda: "".join(RNG.choices("абвгдежзиклмно", k=6))),
    "names of two characters": many(
        lambda: "".join(map(chr, RNG.choices(range(0x4E00, 0x4F00), k=2)))
    ),
    "names with a few blank lines": many(word, 200) + "\n" + many(word, 200) + "\n",
    "names without an end of the last line": many(word).rstrip("\n"),
}

BLOCKS = {
    "cards": many(card),
    "cards without names of fields": many(bare_card),
    "tunes": "\n".join(tune(n) for n in range(100)),
    "sequences": many(sequence),
    "recipes": many(recipe),
    "questions and answers": many(lambda: f"Q: {sentence()}\nA: {sentence()}\n"),
    "two blank lines between": many(card, between="\n\n"),
}

ONE_TEXT = {
    "nothing": "",
    "blank lines": "\n" * 500,
    "one line": paragraph(300),
    "the same word": "hello\n" * 500,
    "few names": many(word, 30),
    "prose, wrapped": wrapped(paragraph(300), 70),
    "prose, wrapped in narrow columns": wrapped(paragraph(300), 30),
    "paragraphs, wrapped": many(lambda: wrapped(paragraph(), 70) + "\n"),
    "paragraphs, indented": many(lambda: "  " + wrapped(paragraph(), 70)),
    "a paragraph a line": many(paragraph),
    "a paragraph a line, blank lines between": many(paragraph, between="\n\n"),
    "a sentence a line": many(sentence),
    "a short sentence a line": many(lambda: f"The {RNG.choice(NOUNS)} {RNG.choice(VERBS)}."),
    "a word of a text a line": paragraph(300).replace(" ", "\n"),
    "a word of a plain text a line": many(clause, 900).replace(" ", "\n"),
    "a play": many(speech),
    "a play without blank lines": many(speech, between=""),
    "a play, speakers before the speech": many(lambda: f"{RNG.choice(SPEAKERS)}: {paragraph(2)}\n"),
    "a dialogue of two": many(lambda: f"{RNG.choice('AB')}: {sentence()}\n"),
    "a poem": many(lambda: stanza(lambda: RNG.choice((",", ";", ".", "")))),
    "a poem without stanzas": many(lambda: stanza(lambda: RNG.choice((",", ";", ""))), between=""),
    "a song without stops": many(lambda: stanza(lambda: "")),
    "a song without stops and stanzas": many(lambda: stanza(lambda: ""), between=""),
    "a song without capitals": many(lambda: stanza(lambda: ""), between="").lower(),
    "a Chinese poem": many(lambda: "".join(map(chr, RNG.choices(range(0x4E00, 0x4F00), k=7)))),
    "Chinese prose": many(
        lambda: "".join(map(chr, RNG.choices(range(0x4E00, 0x4F00), k=40))) + "。"
    ),
    "Markdown": many(lambda: f"## {word().title()}\n\n{paragraph(2)}\n\n- {word()}\n- {word()}\n"),
    "a log of changes": many(lambda: f"Version {RNG.randint(1, 99)}\n- {clause()}\n- {clause()}\n"),
    "a program without indents": many(lambda: f"if {word()} {{\n{word()}({word()});\n}}"),
    "a program in blocks": many(lambda: f"{word()} = 1\nfor {word()} in x:\n    {word()}()\n"),
    "a conversation": many(message),
    "a conversation with days between": many(lambda: many(message, 9)),
    "a conversation with times": many(lambda: f"[12:{RNG.randint(10, 59)}] <{word()}> {clause()}"),
    "a conversation in angles": many(lambda: f"<{RNG.choice(('anna', 'bob'))}> {word()} {word()}"),
    "a log": many(lambda: f"{date()} 12:00:{RNG.randint(10, 59)} INFO {word()} {word()}"),
    "rows of figures and names": many(
        lambda: f"R G {RNG.randint(1900, 2000)} o - 3 Su>={RNG.randint(1, 28)} 2:00"
    ),
    "a table with a header": "name,age\n" + many(lambda: f"{word()},{RNG.randint(1, 99)}"),
    "measurements": many(lambda: f"{RNG.random():.3f}"),
    "rows of measurements": many(lambda: f"{RNG.random():.3f} {RNG.random():.3f}"),
    "a sequence in lines": many(lambda: "".join(RNG.choices("ACGT", k=60))),
    "sequences without blank lines": many(sequence, between=""),
    "prose in capitals, wrapped": wrapped(paragraph(300), 34).upper(),
    "prose in capitals without stops, wrapped": wrapped(many(clause), 34).upper(),
    "exclamations": many(lambda: f"{word().title()} {word()}!"),
    "a Chinese primer": many(
        lambda: "".join(map(chr, RNG.choices(range(0x4E00, 0x4F00), k=3))) + "，"  # noqa: RUF001
    ),
    "a name, then a long word": many(lambda: f"{word()}\n{word(40, 60)}"),
    "a log like titles": many(lambda: f"{date()} {word().title()} {word().title()}"),
    "a conversation of short lines": many(lambda: f"[{RNG.choice(('Ann', 'Bob'))}] {word()}"),
    "a play with numbered lines": many(lambda: f"{RNG.choice(SPEAKERS)}\n{word()}\n12 {word()}\n"),
    "a program of short names": many(lambda: f"function {word()}\n    a1 = b2\nend\n"),
    "subtitles": "\n".join(f"{n}\n00:00:{n % 60:02},000 --> 1\n{clause()}\n" for n in range(200)),
    "a list with a comment on each item": many(lambda: f"#{word()}\n{word()}\n{word()}"),
    "a page": many(lambda: f"<p>{word()} {word()}</p>"),
    "a manual page": many(lambda: f".TP\n.B {word()}\n{word()}"),
    "words with the line ends of old Macs": many(word).replace("\n", "\r"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_lines(name: str) -> None:
    shape = shape_of(LISTS[name])
    assert shape is not None
    assert shape.records == "line"
    assert shape.reason.endswith(" characters: a list")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_paragraphs(name: str) -> None:
    shape = shape_of(BLOCKS[name])
    assert shape is not None
    assert shape.records == "paragraph"


DOUBTS = {
    "few names": "30 lines may be a list, but they are few",
    "the same word": "500 lines may be a list, but 500 of them are 'hello'",
    "a word of a text a line": "lines may be a list, but",
    "a word of a plain text a line": "of them are 'the'",
}


@pytest.mark.parametrize("name", ONE_TEXT)
def test_running_text_is_one_text(name: str) -> None:
    shape = shape_of(ONE_TEXT[name])
    if name not in DOUBTS:
        assert shape is None
    else:
        assert shape is not None
        assert shape.records is None
        assert DOUBTS[name] in shape.reason


def test_init_says_why_lines_are_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "names.txt"
    path.write_text(LISTS["names"].replace("\n", "\n\n"))
    init = ["init", str(path), "--minutes", "0.001", "-o", str(tmp_path / "names.yaml")]
    assert run(init) == 0
    err = " ".join(capsys.readouterr().err.split())
    n = LISTS["names"].strip().count("\n") + 1
    assert f"{2 * n} lines with a median of " in err  # the same number
    assert f"{2 * n} lines may be a list, but {n - 1} blank lines stand between them; --set" in err
    assert "records:" not in (tmp_path / "names.yaml").read_text()
    assert run([*init, "--overwrite", "--set", "data.records=line"]) == 0
    assert "may be a list" not in capsys.readouterr().err


@pytest.mark.parametrize(  # not .pytest_cache and the like, which appear while tests are collected
    "path",
    sorted(
        {
            *(ROOT / "charrnn").rglob("*.py"),
            *ROOT.glob("[!.]*.*"),
            *ROOT.glob("data/*.txt"),
            *ROOT.glob("data/*.py"),
        }
    ),
)
def test_the_files_of_this_repository_are_texts(path: Path) -> None:
    assert path.is_dir() or shape_of(path.read_text(encoding="utf-8")) is None


def test_the_reason_counts() -> None:
    assert shape_of("".join(f"name{n:03}\n" for n in range(80))) == (
        "line",
        "80 lines with a median of 7 characters: a list",
    )
    cards = "".join(f"name: {n}\ncost: {n % 7}\n" + "a line\n" * (n % 2) + "\n" for n in range(40))
    assert shape_of(cards) == (
        "paragraph",
        "40 blocks between blank lines with a median of 2 lines, most of them with the fields "
        "name, cost",
    )


@pytest.mark.parametrize(
    ("encoding", "keys"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {}),
        ("utf-16", {"encoding": "utf-16"}),
        ("latin-1", {"encoding": "latin-1"}),
        ("utf-8", {"tokens": "byte"}),
        ("latin-1", {"tokens": "byte"}),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends_are_read_as_in_training(
    tmp_path: Path, encoding: str, keys: dict[str, Any], newline: str
) -> None:
    path = tmp_path / "text.txt"
    config = DataConfig(str(path), **keys)
    for text, records in ((LISTS["names"] + "é\n", "line"), (BLOCKS["cards"], "paragraph")):
        path.write_bytes(text.replace("\n", newline).encode(encoding))
        shape = find_shape(config)
        assert shape is not None
        assert shape.records == records
    path.write_bytes(ONE_TEXT["a play"].replace("\n", newline).encode(encoding))
    assert find_shape(config) is None


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.json"])
def test_a_file_named_like_a_table_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LISTS["full names"])
    assert find_shape(DataConfig(str(tmp_path / name))) is None


@pytest.mark.parametrize(
    "line", ['{{"name": "{0}", "n": 3}}', "{0},{0},3", "{0}\t{0}", "{0};3", "{0}|{0}"]
)
def test_a_table_is_no_list(tmp_path: Path, line: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(line.format(word()) + "\n" for _ in range(300)))
    assert find_shape(DataConfig(str(path))) is None


def test_the_beginning_of_a_long_text_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "READ", 1005)
    path, other = tmp_path / "text.txt", tmp_path / "other.txt"
    path.write_text("".join(f"name{n:05}\n" for n in range(300)))
    other.write_text("".join(f"more{n:05}\n" for n in range(70)))
    shape = find_shape(DataConfig(str(path)))
    assert shape == ("line", "its first 100 lines with a median of 9 characters: a list")
    shape = find_shape(DataConfig((str(other), str(path))))
    assert shape is not None


def test_training_a_list_as_one_text_gets_a_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, config = tmp_path / "text.txt", tmp_path / "my.yaml"
    text.write_text(LISTS["names"])
    config.write_text("data: {path: text.txt}\nmodel: {hidden_size: 4}\ntrain: {max_steps: 2}\n")
    train = ["train", str(config), "--run-dir", str(tmp_path / "run")]
    assert run(train) == 0
    assert capsys.readouterr().err.count("data.records: line reads each line as a record") == 1
    assert run([*train, "--overwrite", "--set", "data.records=line"]) == 0
    assert "a list" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cards", "a play", "prose, wrapped", "a conversation"])
def test_other_texts_get_no_remark(tmp_path: Path, name: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text({**BLOCKS, **ONE_TEXT}[name])
    config = DataConfig(str(path))
    corpus = load_corpus(config)
    assert remark_on(corpus.codes, corpus.vocabulary, config, lists=True) == ""
