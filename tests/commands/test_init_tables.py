"""charrnn init for tables and folders of lists: the columns and the direction that it proposes."""

from __future__ import annotations

import csv
import io
import json
import random
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import ROOT

import charrnn.planning.proposal
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.text.load import load_corpus

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


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charrnn.planning.proposal, "_MEASURED_S", 0.01)
    RNG.seed(6)  # whichever tests this process has run before


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


MOVIES = rows(movie, "id,title,year,genre,score")
LOGS = rows(logged)
QUESTIONS = rows(lambda k: (k, f"Where is {clause()}?", f"Near {clause()}."), "n,question,answer")


def reviewed(k: int) -> Row:
    return f"{clause()}, {clause()}", k % 2


# Name and text of a file -> the keys of the section data that are written, but for path and
# valid_fraction, and those of the other direction.
TABLES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "films, semicolons": (
        "films.csv",
        as_csv(MOVIES, ";"),
        {
            "records": "csv",
            "header": True,
            "delimiter": ";",
            "prompt_column": "title",
            "reply_column": "genre",
        },
        {"prompt_column": "genre", "reply_column": "title"},
    ),
    "films by the content alone, bars": (
        "films.txt",
        as_csv(MOVIES, "|"),
        {
            "records": "csv",
            "header": True,
            "delimiter": "|",
            "prompt_column": "title",
            "reply_column": "genre",
        },
        {"prompt_column": "genre", "reply_column": "title"},
    ),
    "films in JSON": (
        "films.json",
        as_jsonl(MOVIES),
        {"records": "jsonl", "prompt_column": "title", "reply_column": "genre"},
        {"prompt_column": "genre", "reply_column": "title"},
    ),
    "a log without a header": (
        "log.tsv",
        as_csv(LOGS, "\t"),
        {"records": "tsv", "header": False, "prompt_column": 3, "reply_column": 2},
        {"prompt_column": 2, "reply_column": 3},
    ),
    "a log with quoted columns": (
        "log.tab",
        as_csv(LOGS, "\t", quoting=csv.QUOTE_ALL),
        {
            "records": "csv",
            "header": False,
            "delimiter": "\t",
            "prompt_column": 3,
            "reply_column": 2,
        },
        {"prompt_column": 2, "reply_column": 3},
    ),
    "questions and answers": (
        "questions.csv",
        as_csv(QUESTIONS),
        {
            "records": "csv",
            "header": True,
            "delimiter": ",",
            "prompt_column": "question",
            "reply_column": "answer",
        },
        {"prompt_column": "answer", "reply_column": "question"},
    ),
    "questions in JSON lines": (
        "questions.jsonl",
        as_jsonl(QUESTIONS),
        {"records": "jsonl", "prompt_column": "question", "reply_column": "answer"},
        {"prompt_column": "answer", "reply_column": "question"},
    ),
    "reviews and a number": (
        "reviews.csv",
        as_csv(rows(reviewed, "review,positive")),
        {
            "records": "csv",
            "header": True,
            "delimiter": ",",
            "prompt_column": "review",
            "reply_column": "positive",
        },
        {"prompt_column": "positive", "reply_column": "review"},
    ),
    "reviews without a header": (
        "reviews.csv",
        as_csv(rows(reviewed)),
        {
            "records": "csv",
            "header": False,
            "delimiter": ",",
            "prompt_column": 1,
            "reply_column": 2,
        },
        {"prompt_column": 2, "reply_column": 1},
    ),
    "labels that are usual names": (
        "parts.csv",
        as_csv(rows(lambda k: (clause(), ("answer", "review")[k % 2]))),
        {
            "records": "csv",
            "header": False,
            "delimiter": ",",
            "prompt_column": 1,
            "reply_column": 2,
        },
        {"prompt_column": 2, "reply_column": 1},
    ),
    "two labels": (
        "two.csv",
        as_csv(rows(lambda k: ("uv"[k % 2], clause(), "pq"[k % 2], k % 2), "a,b,c,d")),
        {
            "records": "csv",
            "header": True,
            "delimiter": ",",
            "prompt_column": "b",
            "reply_column": "c",
        },
        {"prompt_column": "c", "reply_column": "b"},
    ),
    "an index without a name, and links": (
        "pages.csv",
        as_csv(rows(lambda k: (k, f"https://example.org/{k}", clause(), "ab"[k % 2]), ",url,x,y")),
        {
            "records": "csv",
            "header": True,
            "delimiter": ",",
            "prompt_column": "x",
            "reply_column": "y",
        },
        {"prompt_column": "y", "reply_column": "x"},
    ),
    "one column": (
        "titles.csv",
        "name\n" + "".join(f"{title()} {k}\n" for k in range(120)),
        {"records": "csv", "reply_column": "name", "header": True, "delimiter": ","},
        {},
    ),
    "one text among numbers": (
        "people.csv",
        as_csv(rows(lambda k: (f"{clause()}", 10000 + 7 * k), "who,salary")),
        {"records": "csv", "reply_column": "who", "header": True, "delimiter": ","},
        {},
    ),
    "pairs without a header": (
        "pairs.tsv",
        as_csv(rows(lambda k: (f"{k} {clause()}", f"{clause()} {k}")), "\t"),
        {"records": "tsv", "header": False, "prompt_column": 1, "reply_column": 2},
        {"prompt_column": 2, "reply_column": 1},
    ),
}


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


@pytest.mark.parametrize("name", TABLES)
def test_the_proposal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, text, keys, instead = TABLES[name]
    Path(file).write_text(text, newline="")
    assert run(["init", file, "--minutes", "0.01", "-o", "my.yaml"]) == 0
    err = capsys.readouterr().err
    assert "this looks like" not in err
    assert f"data.records {keys['records']}" in err
    assert f"{keys.get('prompt_column', '')}"[1:] in err
    side = {"split_by": "prompt"} if instead else {}
    found = data_in("my.yaml")
    if instead:  # the side with more values
        assert found["split_by"] == load_corpus(load_config("my.yaml").data).split_by
        side = {"split_by": found["split_by"]}
    assert found == keys | side
    if instead:
        other = {"prompt": "reply", "reply": "prompt"}[side["split_by"]]
        assert data_in(swapped("my.yaml")) == keys | instead | {"split_by": other}


def test_what_is_chosen_is_said_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    Path("films.csv").write_text(as_csv(MOVIES, ";"))
    assert run(["init", "films.csv", "--minutes", "0.01"]) == 0
    reasons = [
        "a table of 5 columns with semicolons between them, named by its first row: data.records "
        "csv",
        "learned: title -> genre, a label (3 values), as accuracy can be measured; genre -> title "
        "is in the file, behind #",
    ]
    assert capsys.readouterr().err.split("\n")[1:3] == reasons
    text = Path("films.yaml").read_text()
    assert all(f"# {reason}.\n" in text for reason in reasons)
    for comment in (
        "records: csv            # each row is a record",
        "split_by: prompt        # no two parts share",
        "# prompt_column: genre  # the other direction: move the # to the lines above",
        "  # reply_column: title\n  # split_by: reply\n",
        "prompt_weight: 0.1",
        "drawn by a digest",
    ):
        assert comment in text
    assert "label_as" not in text


def pair(k: int) -> Row:
    return f"Where is {clause()}?", f"Near {clause()}, {k}."


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
    assert (f"(data.header: true if {names} are names)" in err) == doubtful
    assert ("data.header: true" in Path("t.yaml").read_text()) == doubtful
    assert f"t.csv: {120 if named else 121} records" in err


def test_a_header_that_is_set_is_not_doubted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(as_csv(rows(pair, "cat,Katze")))
    assert run(["init", "t.csv", "--minutes", "0.01", "--set", "data.header=false"]) == 0
    assert "data.header: true" not in capsys.readouterr().err


def test_blank_prompts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(lambda k: (" " if k in (4, 9) else clause(), "pqr"[k % 3]), "text,label")
    Path("t.csv").write_text(as_csv(table))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    assert (
        "text is blank in 2 rows, the first of them at line 6: the prompt is empty there\n"
        in capsys.readouterr().err
    )


def test_a_column_with_one_value_is_not_learned(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(as_csv(rows(lambda k: ("spam", f"{clause()} {k}"), "label,text")))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    err = capsys.readouterr().err
    assert "learned: text, the only column of texts; label is the same in all rows" in err
    assert "prompt_column" not in data_in("t.yaml")


def test_numbers_beside_a_text_are_proposed_as_features(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """But no numbers of rows, and no column that the reader would refuse."""

    def row(k: int) -> Row:
        dear, gap = f"{k + RNG.random():.2f} €", "" if k == 70 else "1"
        return clause(), RNG.random(), k, dear, f"{RNG.gauss(0, 1):.3e}", gap, 7

    table = rows(row, "name,red,id,price,blue,gap,seven")
    Path("t.csv").write_text(as_csv(table))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    said = "red, blue can be given (data.feature_columns), behind #\n"
    assert said in capsys.readouterr().err
    text = Path("t.yaml").read_text()
    assert "  # feature_columns: [red, blue]  # given too, without the first #\n" in text
    assert load_corpus(load_config("t.yaml").data).F == 0
    Path("t.yaml").write_text(text.replace("# feature", "feature"))
    assert load_corpus(load_config("t.yaml").data).F == 2
    given = ["--set", "data.feature_columns=[blue, 2]", "--overwrite"]
    assert run(["init", "t.csv", "--minutes", "0.01", *given]) == 0
    assert "behind #" not in capsys.readouterr().err
    found = data_in("t.yaml")
    assert found["feature_columns"] == ["blue", 2]
    assert found["reply_column"] == "name"
    assert "prompt_column" not in found


def test_lines_may_have_a_file_of_features() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefg" for b in "hijklm" for c in "nopq"]
    Path("t.txt").write_text("\n".join(words))
    np.save("f.npy", np.arange(len(words))[:, None])
    assert run(["init", "t.txt", "--minutes", "0.01", "--set", "data.features_path=f.npy"]) == 0
    assert data_in("t.yaml")["features_path"] == "f.npy"
    assert load_corpus(load_config("t.yaml").data).F == 1


def test_both_directions_train(capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.tsv").write_text(as_csv(LOGS, "\t"))
    assert run(["init", "log.tsv", "--minutes", "0.01"]) == 0
    for path in ("log.yaml", swapped("log.yaml")):
        assert run(["train", path, "--set", "train.max_steps=2", "--run-dir", path[:-5]]) == 0
        err = capsys.readouterr().err
        assert "looks like" not in err
    assert len(load_corpus(load_config("log.yaml").data).labels.replies) == 3
    assert len(load_corpus(load_config("swapped.yaml").data).labels.prompts) == 3


SET: dict[str, tuple[list[str], dict[str, Any]]] = {
    "a reply": (["reply_column=year"], {"prompt_column": "genre", "reply_column": "year"}),
    "a label as reply": (
        ["reply_column=genre"],
        {"prompt_column": "title", "reply_column": "genre"},
    ),
    "a text as reply": (
        ["reply_column=title"],
        {"prompt_column": "genre", "reply_column": "title"},
    ),
    "a prompt": (["prompt_column=genre"], {"prompt_column": "genre", "reply_column": "title"}),
    "several prompts": (
        ["prompt_column=[year, title]"],
        {"prompt_column": ["year", "title"], "reply_column": "genre"},
    ),
    "no prompt": (["prompt_column=null"], {"prompt_column": None, "reply_column": "title"}),
    "both": (
        ["prompt_column=year", "reply_column=id"],
        {"prompt_column": "year", "reply_column": "id"},
    ),
    "by number": (
        ["header=true", "prompt_column=3", "reply_column=1"],
        {"prompt_column": 3, "reply_column": 1},
    ),
    "a reply by number": (
        ["header=true", "reply_column=4"],
        {"prompt_column": "title", "reply_column": 4},
    ),
    "the delimiter": (
        ["delimiter=;"],
        {"prompt_column": "title", "reply_column": "genre"},
    ),
    "the kind": (["records=csv"], {"prompt_column": "title", "reply_column": "genre"}),
    "the side": (
        ["split_by=record"],
        {"prompt_column": "title", "reply_column": "genre", "split_by": "record"},
    ),
}


@pytest.mark.parametrize("name", SET)
def test_what_is_set_decides(name: str) -> None:
    sets, expected = SET[name]
    Path("films.csv").write_text(as_csv(MOVIES, ";"))
    arguments = [word for one in sets for word in ("--set", f"data.{one}")]
    assert run(["init", "films.csv", "--minutes", "0.01", *arguments]) == 0
    found = data_in("films.yaml")
    assert {key: found[key] for key in expected} == expected
    assert (found["records"], found["delimiter"], found["header"]) == ("csv", ";", True)
    text = Path("films.yaml").read_text()
    if "by number" not in name:
        prompts = expected["prompt_column"]
        prompts = prompts if isinstance(prompts, list) else filter(None, [prompts])
        sides = [" and ".join(prompts), expected["reply_column"]]
        assert f"# learned: {' -> '.join(filter(None, sides))}" in text
    other = text.count("the other direction")
    assert other == (0 if "column" in sets[-1] else 1)


def test_a_delimiter_that_is_not_in_the_first_row_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("films.csv").write_text(as_csv(MOVIES).replace(" ", "; "))
    assert run(["init", "films.csv", "--set", "data.delimiter=;"]) == 1
    message = capsys.readouterr().err
    assert "films.csv looks like a table of 5 columns with commas between them, and " in message
    assert "and its first row has no ';'; leave this key out" in message
    assert not Path("films.yaml").exists()


def test_a_header_that_is_set_decides() -> None:
    Path("films.csv").write_text(as_csv(MOVIES, ";"))
    command = ["init", "films.csv", "--minutes", "0.01", "--set", "data.header=false"]
    assert run(command) == 0
    found = data_in("films.yaml")
    assert (found["header"], found["prompt_column"], found["reply_column"]) == (False, 2, 4)


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


@pytest.mark.parametrize("name", ["id", "ID", "movie_id", "userId"])
def test_an_id_is_no_text(name: str) -> None:
    table = rows(lambda k: (f"{clause()}; {k}", clause(), "pqr"[k % 3]), f"{name},x,label")
    Path("t.csv").write_text(as_csv(table), encoding="utf-8")
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    assert data_in("t.yaml")["prompt_column"] == "x"


def test_a_table_as_one_text_gets_the_remark(capsys: pytest.CaptureFixture[str]) -> None:
    Path("films.csv").write_text(as_csv(MOVIES, ";"))
    command = ["init", "films.csv", "--minutes", "0.01", "--set", "data.records=null"]
    assert run(command) == 0
    err = capsys.readouterr().err
    assert "looks like a table of 5 columns with semicolons between them; data.records: csv" in err
    assert data_in("films.yaml") == {"records": None}


def test_prose_with_commas_in_a_file_called_csv_is_one_text() -> None:
    lines = [f"{clause()}{',' * (k % 4)} {clause()}\n" for k in range(60)]
    Path("prose.csv").write_text("".join(lines))
    assert run(["init", "prose.csv", "--minutes", "0.01"]) == 0
    assert data_in("prose.yaml") == {}


def test_a_kind_that_is_set_decides(capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.tsv").write_text(as_csv(LOGS, "\t"))
    command = ["init", "log.tsv", "--minutes", "0.01", "--overwrite"]
    assert run([*command, "--set", "data.records=csv"]) == 0
    found = data_in("log.yaml")
    assert (found["records"], found["delimiter"], found["reply_column"]) == ("csv", "\t", 2)
    assert "a table with tabs between" not in capsys.readouterr().err
    Path("t.csv").write_text(as_csv(rows(reviewed)))
    assert run(["init", "t.csv", "--set", "data.records=jsonl"]) == 1
    assert "t.csv: line 1: is not JSON" in capsys.readouterr().err


def test_several_tables(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text(as_csv(MOVIES, ";"))
    Path("b.csv").write_text(as_csv(MOVIES[:50], ";"))
    assert run(["init", "*.csv", "--minutes", "0.01", "-o", "my.yaml"]) == 0
    assert "*.csv: 169 records" in capsys.readouterr().err
    found = data_in("my.yaml")
    assert (found["prompt_column"], found["reply_column"]) == ("title", "genre")
    Path("b.csv").write_text(as_jsonl(MOVIES))  # which is another kind of table
    assert run(["init", "*.csv", "--minutes", "0.01", "-o", "my.yaml", "--overwrite"]) == 0
    assert data_in("my.yaml") == {}


def test_bytes_have_columns_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(lambda k: (f"é {clause()}", "àb"[k % 2]), "phrase,catégorie")
    Path("t.csv").write_text("\ufeff" + as_csv(table), encoding="utf-8")
    command = ["init", "t.csv", "--minutes", "0.01", "--overwrite"]
    for tokens in ("char", "byte"):
        assert run([*command, "--set", f"data.tokens={tokens}"]) == 0
        found = data_in("t.yaml")
        assert (found["prompt_column"], found["reply_column"]) == ("phrase", "catégorie")
    assert "phrase -> catégorie" in capsys.readouterr().err


def test_values_in_order_are_still_few() -> None:
    """A table sorted by its label has one value at its beginning."""
    table = rows(lambda k: (clause(), "early" if k < 9000 else "late"), "text,when", n=18_000)
    Path("t.csv").write_text(as_csv(table))
    command = ["init", "t.csv", "--set", "train.max_steps=1", "--set", "model.hidden_size=4"]
    assert run(command) == 0
    assert data_in("t.yaml")["reply_column"] == "when"


def lines_of(line: Callable[[int], str], n: int = 120) -> str:
    return "".join(f"{line(k)}\n" for k in range(n))


# Lines with a separator -> the text, the separator that is proposed, and words of the messages.
SEPARATED: dict[str, tuple[str, str, str]] = {
    "arrows": (
        lines_of(lambda k: f"{clause()} => {clause()} {k}"),
        " => ",
        "120 lines with ' => ' between prompt and reply: data.records line\nlearned: text before "
        "' => ' -> text after it (data.prompt_separator: null does not divide lines)",
    ),
    "arrows without blanks": (lines_of(lambda k: f"{k} {clause()}->{clause()}"), "->", "'->'"),
    "a label behind a bar": (
        lines_of(lambda k: f"{clause()} | {'xyz'[k % 3]}"),
        " | ",
        "learned: text -> label (3 values), as accuracy can be measured",
    ),
    "labels before a colon": (
        lines_of(lambda k: f"{('negative', 'positive')[k % 2]}: {clause()}{':' * (k < 5)}"),
        ": ",
        "learned: label (2 values) -> text; for text -> label, exchange the sides",
    ),
    "labels behind a colon": (
        lines_of(lambda k: f"{clause()}: {('bad', 'Good')[k % 2]}"),
        ": ",
        "learned: text -> label (2 values)",
    ),
    "labels behind a semicolon": (
        lines_of(lambda k: f"{clause()}; {'xyz'[k % 3]}"),
        "; ",
        "text -> label (3 values)",
    ),
}


@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize("name", SEPARATED)
def test_lines_with_a_separator(name: str, tokens: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, separator, words = SEPARATED[name]
    Path("t.txt").write_text(text)
    command = ["init", "t.txt", "--minutes", "0.01", "--set", f"data.tokens={tokens}"]
    assert run(command) == 0
    assert words in capsys.readouterr().err
    found = data_in("t.yaml")
    assert (found["records"], found["prompt_separator"]) == ("line", separator)
    corpus = load_corpus(load_config("t.yaml").data)
    assert sum(corpus.starts >= 0) == 120
    sets = ["--set", "data.prompt_separator=null", "--overwrite"]
    assert run([*command, *sets]) == 0
    assert data_in("t.yaml").get("prompt_separator") is None


# Lines that are no pairs, or perhaps are not -> the text, and the doubt.
NOT_SEPARATED = {
    "a conversation": (
        lines_of(lambda k: f"{('Ann', 'Bob')[k % 2]}: {clause()}"),
        "120 lines begin with one of 2 values and ': ', as in a conversation or a log; "
        "data.prompt_separator: ': ' reads pairs of a label and a text",
    ),
    "a chat": (lines_of(lambda k: f"{('user', 'bot')[k % 2]}: {clause()}"), "as in a conversation"),
    "a log": (lines_of(lambda k: f"{('INFO', 'ERROR')[k % 2]}: {clause()}"), "or a log"),
    "an arrow is missing": (
        lines_of(lambda k: f"{clause()}{', ' if k in (6, 9) else ' => '}{clause()} {k}"),
        "120 lines may be pairs with ' => ' between them, but 2 lines lack it, the first of them "
        "line 7; data.prompt_separator: ' => ' reads pairs, once these are complete",
    ),
    "keys, all different": (lines_of(lambda k: f"key{k}: {clause()}"), ""),
    "sentences with colons": (lines_of(lambda k: f"{clause()}: {clause()} {k}."), ""),
    "few arrows": (lines_of(lambda k: f"{clause()}{' -> ' if k % 2 else ', '}{clause()}"), ""),
}


@pytest.mark.parametrize("name", NOT_SEPARATED)
def test_lines_that_may_be_a_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, doubt = NOT_SEPARATED[name]
    Path("t.txt").write_text(text)
    assert run(["init", "t.txt", "--minutes", "0.01"]) == 0
    err = capsys.readouterr().err
    assert doubt in err
    assert bool(doubt) == ("reads pairs" in err)
    assert data_in("t.yaml") == {}


def test_blocks_of_fields_are_no_pairs() -> None:
    Path("t.txt").write_text(lines_of(lambda k: f"name: {title()}\ncost: {k % 7}\n", 60))
    assert run(["init", "t.txt", "--minutes", "0.01"]) == 0
    assert data_in("t.yaml") == {"records": "paragraph"}


REFUSED: dict[str, tuple[str, str, list[str], str]] = {
    "numbers": (
        "t.csv",
        as_csv(rows(lambda k: (k / 7, k * k / 3, "ab"[k % 2]), "width,height,species")),
        [],
        "t.csv: no column of this table is a text to learn: width (numbers), height (numbers), "
        "species (a label); data.prompt_column and data.reply_column choose two; "
        "--set data.records=null "
        "reads the whole table as one text",
    ),
    "only a header": ("t.csv", "text,label\n", [], "it has no rows"),
    "a quote that is not closed": (
        "t.csv",
        as_csv(MOVIES) + '1,"2\n',
        [],
        "t.csv: line 122: a quote is not closed",
    ),
    "an empty reply": (
        "t.csv",
        as_csv([*MOVIES, (1, "a", 3, "", 5)]),
        [],
        "t.csv: line 122: the reply is empty",
    ),
    "no such column": (
        "t.csv",
        as_csv(MOVIES),
        ["--set", "data.reply_column=gnre"],
        "line 1: no column is called 'gnre' (data.reply_column) (did you mean genre?)",
    ),
    "a column on both sides": (
        "t.csv",
        as_csv(MOVIES),
        ["--set", "data.reply_column=genre", "--set", "data.prompt_column=genre"],
        "data.reply_column: 'genre' is data.prompt_column too",
    ),
    "a column of no table": (
        "t.txt",
        "".join(clause() + "\n" for _ in range(60)),
        ["--set", "data.reply_column=1"],
        "data.reply_column: 1 needs data.records to be one of csv, tsv, jsonl",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, text, arguments, words = REFUSED[name]
    Path(file).write_text(text)
    assert run(["init", file, "--minutes", "0.01", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert not Path("t.yaml").exists()


# Folders.


def write_lists(folder: str = "names", *others: str) -> None:
    """Write lists of names, each with its label as the name of the file."""
    Path(folder).mkdir(exist_ok=True)
    parts = {"Czech": ("ova", "ek", "nov"), "Korean": ("kim", "lee", "o"), "Few": ("x", "yz", "w")}
    for label, some in parts.items():
        names = ["".join(RNG.choices(some, k=RNG.randint(2, 5))) for _ in range(200)]
        Path(folder, f"{label}.txt").write_text("\n".join(names[: 30 if label == "Few" else 200]))
    for other in others:
        Path(folder, other).write_text("".join(f"{clause()}. {clause()}.\n\n" for _ in range(60)))


@pytest.mark.parametrize("argument", ["names", "names/", "names/*.txt"])
def test_a_folder_of_lists(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_lists()
    Path("names/.hidden").write_bytes(b"\xff")
    Path("names/more").mkdir()
    assert run(["init", argument, "--minutes", "0.01", "-o", "my.yaml"]) == 0
    err = capsys.readouterr().err
    assert "lists, each with its label as the name of its file: data.label_from file\n" in err
    assert "learned: line -> label, as accuracy can be measured; label -> line is in the" in err
    keys = {"records": "line", "label_from": "file", "label_as": "reply", "split_by": "prompt"}
    assert data_in("my.yaml") == keys
    assert yaml.safe_load(Path("my.yaml").read_text())["data"]["path"] == "names/*.txt"
    other = {"label_as": "prompt", "split_by": "reply"}
    assert data_in(swapped("my.yaml")) == keys | other
    for path in ("my.yaml", "swapped.yaml"):
        assert run(["train", path, "--set", "train.max_steps=2", "--run-dir", path[:-5]]) == 0


def test_a_folder_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists("my [x] names")
    assert run(["init", "my [x] names", "--minutes", "0.01"]) == 0
    assert capsys.readouterr().err.startswith("my [x] names: 430 records")
    assert load_config("my [x] names.yaml").data.label_from == "file"
    assert len(load_corpus(load_config("my [x] names.yaml").data).labels.replies) == 3


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["label_as=prompt"], {"label_as": "prompt", "label_from": "file", "records": "line"}),
        (["label_from=file"], {"label_as": "reply", "label_from": "file", "records": "line"}),
        (["records=line"], {"records": "line"}),
        (["label_from=null"], {"label_from": None}),
        (["records=null"], {"records": None}),
    ],
)
def test_what_is_set_decides_about_a_folder(sets: list[str], expected: dict[str, Any]) -> None:
    write_lists()
    arguments = [word for one in sets for word in ("--set", f"data.{one}")]
    assert run(["init", "names", "--minutes", "0.01", *arguments]) == 0
    found = data_in("names.yaml")
    assert {key: one for key, one in found.items() if key != "split_by"} == expected


def test_a_folder_of_texts_is_one_text(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists("texts", "one.txt", "two.txt")
    assert run(["init", "texts", "--minutes", "0.01"]) == 0
    assert "label" not in capsys.readouterr().err
    assert data_in("texts.yaml") == {}


def test_a_folder_of_files_with_many_lines_may_be_labels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("authors").mkdir()
    for author in ("poe", "twain"):
        Path(f"authors/{author}.txt").write_text("".join(f"{clause()}.\n" for _ in range(60)))
    hint = "2 files of lines may be one for each label; charrnn init with data.label_from=file"
    init = ["init", "authors", "--minutes", "0.01", "--overwrite"]
    assert run(init) == 0
    assert hint in capsys.readouterr().err.replace("\n", " ")
    assert data_in("authors.yaml") == {}
    assert run([*init, "--set", "data.label_from=file"]) == 0
    assert "label_from" in data_in("authors.yaml")
    assert "may be one for each" not in capsys.readouterr().err
    assert run([*init, "--set", "data.label_from=null"]) == 0
    assert "may be one for each" not in capsys.readouterr().err
    Path("authors/poe.txt").write_text("".join(f"{clause()}.\n\n" for _ in range(60)))
    assert run(init) == 0
    assert "may be one for each" not in capsys.readouterr().err


def test_notes_beside_a_list_are_no_labels() -> None:
    write_lists()
    for name in ("Czech", "Few"):
        Path(f"names/{name}.txt").write_text("to do: sort these\n")
    assert run(["init", "names", "--minutes", "0.01"]) == 0
    assert "label_from" not in data_in("names.yaml")


def test_parts_of_a_text_are_no_labels() -> None:
    write_lists()
    for old, new in (("Czech", "train"), ("Korean", "valid"), ("Few", "test")):
        Path(f"names/{old}.txt").rename(f"names/{new}.txt")
    assert run(["init", "names", "--minutes", "0.01"]) == 0
    assert "label_from" not in data_in("names.yaml")


def test_a_folder_with_one_file_is_that_file() -> None:
    Path("one").mkdir()
    Path("one/films.csv").write_text(as_csv(MOVIES))
    assert run(["init", "one", "--minutes", "0.01"]) == 0
    data = yaml.safe_load(Path("one.yaml").read_text())["data"]
    assert (data["path"], data["reply_column"]) == ("one/films.csv", "genre")


def test_folders_without_texts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty/below").mkdir(parents=True)
    assert run(["init", "empty"]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: empty: is a folder without texts in it; name a text, or a folder of "
        "texts\n"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["empty"]


def write_folders(*folders: str) -> None:
    for folder in folders:
        Path(folder).mkdir(parents=True)
        for k in range(3):
            text = "".join(f"{clause()}.\n" for _ in range(60))
            Path(folder, f"{k}.txt").write_text(text)


def test_a_folder_for_each_label_is_refused_with_a_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_folders("films/pos", "films/neg")
    assert run(["init", "films"]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: films: has no texts, only folders (neg, pos), which are not read; if the "
        "folders are labels, write the texts of each, one a line, to a file of its name, as in "
        "neg.txt, and name the folder of these files\n"
    )


def test_a_folder_for_each_part_is_refused_with_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_folders("all [x]/train", "all [x]/dev", "all [x]/test")
    assert run(["init", "all [x]"]) == 1
    err = capsys.readouterr().err
    assert "only folders (dev, test, train), which are not read; name those of each part: " in err
    command = shlex.split(err.split("each part: charrnn ")[1])
    assert run([*command, "--minutes", "0.01"]) == 0
    data = load_config("train.yaml").data
    assert "all [[]x]/dev" in str(data.valid_path)
    assert "all [[]x]/test" in str(data.test_path)


def test_folders_beside_texts_are_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    write_folders("films", "films/pos", "films/neg")
    assert run(["init", "films", "--minutes", "0.01"]) == 0
    assert "films: the folders in it (neg, pos) are not read\n" in capsys.readouterr().err


def test_the_file_to_write_must_not_be_one_of_the_texts(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists()
    Path("names/Czech.txt").rename("names/Czech")  # without a common ending, all files are texts
    command = ["init", "names", "--minutes", "0.01", "-o"]
    assert run([*command, "names/my.yaml"]) == 1
    assert (
        "my.yaml: would be one of the texts; -o names a file elsewhere" in capsys.readouterr().err
    )
    assert run([*command, "my.yaml"]) == 0
    assert yaml.safe_load(Path("my.yaml").read_text())["data"]["path"] == "names/*"


def test_numbers_beside_two_texts_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    Path("colours.csv").write_text((ROOT / "data" / "colours.csv").read_text(encoding="utf-8"))
    assert run(["init", "colours.csv", "--minutes", "0.01"]) == 0
    err = capsys.readouterr().err
    assert "learned: name -> hex" in err
    assert "red, green, blue can be given (data.feature_columns), behind #" in err
    text = Path("colours.yaml").read_text(encoding="utf-8")
    line = "  # feature_columns: [red, green, blue]"
    assert line in text
    Path("colours.yaml").write_text(text.replace(line, line.replace("# ", "")), encoding="utf-8")
    assert load_config("colours.yaml").data.feature_columns == ("red", "green", "blue")
