"""charrnn init for tables: what it makes of the first row, and of blank cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from invented import (
    NOUNS,
    RNG,
    VERBS,
    Row,
    as_csv,
    clause,
    data_in,
    pair,
    rows,
    swapped,
    title,
)

from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.text.load import load_corpus

pytestmark = pytest.mark.usefixtures("invented_here")


# What the first row and the rows below it are -> the first row, a row below, whether it names them,
# and whether it may be names although it is not taken for them.
HEADERS: dict[str, tuple[str, Callable[[int], Row], bool, bool]] = {
    "a name that is a label": (
        "text,spam",
        lambda k: (clause(), ("spam", "ham")[k % 2]),
        True,
        False,
    ),
    "short names": ("q,a", pair, True, False),
    "names in German": ("Frage,Antwort", pair, True, False),
    "names of languages": ("english,latin", lambda k: (title()[4:], f"{k} {title()}"), True, False),
    "names of forms": (
        "singular,plural",
        lambda k: (f"{RNG.choice(NOUNS)} {k}", f"{RNG.choice(NOUNS)}s {k}"),
        True,
        False,
    ),
    "a text and a label": ("so bad,ham", lambda k: (clause(), ("spam", "ham")[k % 2]), False, True),
    "a label with a usual name": (
        "so bad,text",
        lambda k: (clause(), ("text", "ham")[k % 2]),
        False,
        True,
    ),
    "a text with an underscore": (
        "a new_line,ham",
        lambda k: (clause(), ("spam", "ham")[k % 2]),
        False,
        True,
    ),
    "a long text and a label": (
        f"{'so ' * 20},ham",
        lambda k: (clause(), ("spam", "ham")[k % 2]),
        False,
        False,
    ),
    "pairs of words": (
        "cat,Katze",
        lambda k: (f"{RNG.choice(NOUNS)} {k}", f"{RNG.choice(VERBS)} {k}"),
        False,
        True,
    ),
    "pairs, the shortest first": (
        "Hi,Salut",
        lambda k: (f"Hi{' the' * (k // 5)} {RNG.choice(NOUNS)}", f"Bon{' le' * (k // 5)} {k}"),
        False,
        True,
    ),
    "pairs of sentences": ("Go.,Va !", pair, False, False),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_first_row_names_the_columns_or_not(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, row, named, doubtful = HEADERS[name]
    Path("t.csv").write_text(as_csv(rows(row, first)), encoding="utf-8")
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    assert data_in("t.yaml")["header"] == named
    err, cells = capsys.readouterr().err, first.split(",")
    names = ", ".join(map(repr, cells))
    assert (f"(if {names} are names: data.header=true)" in err) == doubtful
    assert ("data.header=true" in Path("t.yaml").read_text()) == doubtful
    assert ("named by its first row (if that is a row of data: data.header" in err) == named
    assert f"t.csv: {120 if named else 121} records" in err


def test_a_header_that_is_set_is_not_doubted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(as_csv(rows(pair, "cat,Katze")))
    assert run(["init", "t.csv", "--minutes", "0.01", "--set", "data.header=false"]) == 0
    assert "data.header: true" not in capsys.readouterr().err


def test_blank_prompts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(lambda k: (" " if k in (4, 9) else clause(), "pqr"[k % 3]), "text,label")
    Path("t.csv").write_text(as_csv(table))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    message = "t.csv: 2 of 120 rows are left out, the first of them at line 6: 'text' is blank in 2"
    assert message in capsys.readouterr().err


def test_columns_without_a_name_of_their_own_have_numbers() -> None:
    text = as_csv(rows(lambda k: ("z", clause(), k, "", "pqr"[k % 3])))
    Path("t.csv").write_text(f"text,text,1a,,2\n{text}")
    assert run(["init", "t.csv", "--minutes", "0.01", "--set", "data.header=true"]) == 0
    found = data_in("t.yaml")
    assert (found["header"], found["prompt_column"], found["reply_column"]) == (True, 2, 5)


@pytest.mark.parametrize(
    "name", ["a: #b", "new\nline", "~", "null", "1e3", "é 蜂", "'\"", "x" * 90]
)
def test_any_name_of_a_column_is_read_back(name: str) -> None:
    table = rows(lambda k: (clause(), "pqr"[k % 3]))
    Path("t.csv").write_text(as_csv([("Text", name), *table]), encoding="utf-8")
    sets = ["--set", "data.header=true"]
    assert run(["init", "t.csv", "--minutes", "0.01", *sets]) == 0
    for path in ("t.yaml", swapped("t.yaml")):
        data = load_config(path).data
        assert {data.prompt_column, data.reply_column} == {"Text", name}
        assert load_corpus(data).split_by == data.split_by
