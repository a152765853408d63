"""charrnn init for tables: the format, the columns and the direction that it proposes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from invented import (
    MOVIES,
    RNG,
    Row,
    as_csv,
    as_jsonl,
    clause,
    data_in,
    date,
    logged,
    reviewed,
    rows,
    swapped,
    title,
)
from support import ROOT

from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.text.load import load_corpus

pytestmark = pytest.mark.usefixtures("invented_here")


LOGS = rows(logged)
QUESTIONS = rows(lambda k: (k, f"Where is {clause()}?", f"Near {clause()}."), "n,question,answer")

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
    "dates and texts": (
        "days.csv",
        as_csv(rows(lambda k: (date(k)[:10], f"on a day the {clause()}"), "iso,written")),
        {
            "records": "csv",
            "header": True,
            "delimiter": ",",
            "prompt_column": "iso",
            "reply_column": "written",
        },
        {"prompt_column": "written", "reply_column": "iso"},
    ),
    "dates in two forms": (
        "days.tsv",
        as_csv(rows(lambda k: (f"{1 + k % 28} May {1900 + k}", date(k)[:10]), "day,iso"), "\t"),
        {"records": "tsv", "header": True, "prompt_column": "day", "reply_column": "iso"},
        {"prompt_column": "iso", "reply_column": "day"},
    ),
    "dates among other columns": (
        "news.csv",
        as_csv(rows(lambda k: (k, date(k), clause()), "nr,when,what")),
        {"records": "csv", "reply_column": "what", "header": True, "delimiter": ","},
        {},
    ),
    "the numbers of rows": (
        "news.csv",
        as_csv(rows(lambda k: (k + 1, clause()))),
        {"records": "csv", "reply_column": 2, "header": False, "delimiter": ","},
        {},
    ),
    "pairs without a header": (
        "pairs.tsv",
        as_csv(rows(lambda k: (f"{k} {clause()}", f"{clause()} {k}")), "\t"),
        {"records": "tsv", "header": False, "prompt_column": 1, "reply_column": 2},
        {"prompt_column": 2, "reply_column": 1},
    ),
}


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
        "a table of 5 columns with semicolons between them, named by its first row "
        "(if that is a row of data: data.header=false): data.records csv",
        "learned: title -> genre, a label (3 values), as accuracy can be measured; genre -> title "
        "is in the file, behind #",
        "not used: id (an id), year (numbers), score (numbers); data.prompt_column, "
        "data.reply_column and data.feature_columns choose columns",
    ]
    assert capsys.readouterr().err.split("\n")[2:5] == reasons
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


def test_a_column_with_one_value_is_not_learned(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(as_csv(rows(lambda k: ("spam", f"{clause()} {k}"), "label,text")))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    err = capsys.readouterr().err
    assert "learned: text, the only column of texts\nnot used: label (the same in all rows);" in err
    assert "prompt_column" not in data_in("t.yaml")


def test_numbers_beside_a_text_are_proposed_as_features(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """But no numbers of rows, and no column that the reader would refuse."""

    def row(k: int) -> Row:
        dear, gap = f"{k + RNG.random():.2f} €", "" if k % 9 == 7 else k / 7
        return clause(), RNG.random(), k, dear, f"{RNG.gauss(0, 1):.3e}", gap, 7

    table = rows(row, "name,red,id,price,blue,gap,seven")
    Path("t.csv").write_text(as_csv(table))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    said = (
        "red, blue can be given (data.feature_columns), behind #\nnot used: id (an id), "
        "price (numbers), gap (numbers, blank in 13 rows, which it would leave out), "
        "seven (the same in all rows);"
    )
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


def test_few_gaps_in_columns_of_numbers_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a table, and of objects that lack the key in place of the cell."""

    def row(k: int) -> Row:
        return clause(), RNG.random() if k not in (4, 9) else "", RNG.random()

    Path("t.csv").write_text(as_csv(rows(row, "name,red,blue")))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    said = "behind #; this leaves out rows in which one is blank (red in 2 rows)\n"
    assert said in capsys.readouterr().err
    text = Path("t.yaml").read_text()
    Path("t.yaml").write_text(text.replace("# feature", "feature"))
    assert len(load_corpus(load_config("t.yaml").data).starts) == 118
    lines = as_jsonl(rows(row, "name,red,blue")).replace('"red": "", ', "")
    Path("t.jsonl").write_text(lines)
    assert run(["init", "t.jsonl", "--minutes", "0.01", "--overwrite"]) == 0
    assert "not used: red (numbers, missing in 2 rows); data." in capsys.readouterr().err
    assert "  # feature_columns: [blue]" in Path("t.yaml").read_text()


def test_a_column_that_is_mostly_blank_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(
        lambda k: (clause(), "ab"[k % 2], title() if k % 3 == 0 else ""), "text,label,note"
    )
    Path("t.csv").write_text(as_csv(table))
    assert run(["init", "t.csv", "--minutes", "0.01"]) == 0
    said = "not used: note (texts, blank in 80 rows, which it would leave out); data."
    assert said in capsys.readouterr().err


def test_the_reason_for_a_column_of_numbers_alone_names_the_other_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("t.csv").write_text(as_csv(rows(lambda k: (7 * k, clause()), "digits,words")))
    command = ["init", "t.csv", "--minutes", "0.01", "--overwrite"]
    assert run(command) == 0
    said = "digits can be given (data.feature_columns), behind #; data.prompt_column: digits reads"
    assert said in capsys.readouterr().err
    assert run([*command, "--set", "data.prompt_column=digits"]) == 0
    assert "learned: digits -> words\n" in capsys.readouterr().err


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
