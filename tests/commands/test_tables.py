"""Tables with a configuration written by hand: delimiters, blank cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from invented import RNG, as_csv, as_jsonl, clause, rows

import charrnn.text.load
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.text.load import load_corpus

TABLE = rows(lambda k: (clause(), "pqr"[k % 3]), "text,label")
NAMED = "prompt_column: text, reply_column: label"
NUMBERED = "header: true, prompt_column: 1, reply_column: 2"


def configured(keys: str, table: str, path: str = "t.csv") -> str:
    """Write a table and a configuration of a tiny model for it, whose name is returned."""
    Path(path).write_text(table)
    Path("t.yaml").write_text(
        f"data: {{path: {path}, {keys}, valid_fraction: 0.3}}\nmodel: {{hidden_size: 4}}\n"
        "train: {max_steps: 1, workers: 1}\n"
    )
    return "t.yaml"


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RNG.seed(6)


@pytest.mark.parametrize("columns", [NAMED, NUMBERED])
@pytest.mark.parametrize(
    ("delimiter", "written", "corrected"),
    [
        (";", "records: csv", "data.delimiter: ';'"),
        ("|", "records: csv", "data.delimiter: '|'"),
        ("\t", "records: csv", "data.records: tsv"),
        (",", "records: csv, delimiter: ';'", "data.delimiter: ','"),
        (";", "records: tsv", "data.records: csv and data.delimiter: ';'"),
    ],
)
def test_a_wrong_delimiter_is_named_with_the_right_one(
    delimiter: str, written: str, corrected: str, columns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(f"{written}, {columns}", as_csv(TABLE, delimiter))
    assert run(["train", config]) == 1
    message = capsys.readouterr().err
    assert message.endswith(f"; set {corrected}\n")
    assert "did you mean" not in message


def test_a_wrong_name_is_not_taken_for_a_wrong_delimiter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configured(f"records: csv, {NAMED}", as_csv(TABLE).replace("label", "lable; x", 1))
    assert run(["train", config]) == 1
    assert "the columns are 'text', 'lable; x'" in capsys.readouterr().err


def with_gaps(column: int, gaps: Sequence[int], n: int = 40) -> list[list[object]]:
    """Return rows of a text, a label and a number, some of whose cells are blank."""
    table = [["text", "label", "size"], *([f"{clause()} {k}", "pqr"[k % 3], k] for k in range(n))]
    for gap in gaps:
        table[gap][column] = " "
    return table


BLANKS = {  # keys -> the column that has gaps, and its name in the message
    "prompt_column: text, reply_column: label": [(0, "'text'"), (1, "'label'"), (2, "")],
    "prompt_column: label, reply_column: text": [(0, "'text'"), (1, "'label'")],
    "header: true, prompt_column: 1, reply_column: 2": [(1, "'label'")],
    "header: false, prompt_column: 1, reply_column: 2": [(1, "column 2")],
    "reply_column: text": [(0, "'text'"), (1, "")],
    "reply_column: text, feature_columns: [size]": [(2, "'size'"), (1, "")],
}


@pytest.mark.parametrize(
    ("keys", "column", "name"), [(keys, *one) for keys, some in BLANKS.items() for one in some]
)
def test_rows_without_a_cell_that_they_need_are_left_out(
    keys: str, column: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And counted, by the training and by an evaluation of a file."""
    config = configured(f"records: csv, {keys}", as_csv(with_gaps(column, (5, 7))))
    rows = 41 if "header: false" in keys else 40
    left_out = f"t.csv: 2 of {rows} rows are left out, the first of them at line 6: {name} is blank"
    for command in (["train", config], ["eval", "runs/t", "t.csv"], ["eval", "runs/t"]):
        assert run(command) == 0
        assert (left_out in capsys.readouterr().err) == bool(name)
    assert len(load_corpus(load_config(config).data).starts) == rows - (2 if name else 0)


@pytest.mark.parametrize("large", [True, False])
def test_rows_that_are_left_out_are_counted_once(
    large: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charrnn.text.load, "LARGE", 0 if large else 1 << 20)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", "cache")
    table = with_gaps(1, (9,))
    table[11][0] = table[12][0] = ""
    assert run(["train", configured(f"records: csv, {NAMED}", as_csv(table))]) == 0
    message = "3 of 40 rows are left out, the first of them at line 10: 'label' is blank in 1, 'te"
    assert capsys.readouterr().err.count(message) == 1


def test_null_is_blank(capsys: pytest.CaptureFixture[str]) -> None:
    table = as_jsonl(with_gaps(1, (5,))).replace('" "', "null")
    assert run(["train", configured(f"records: jsonl, {NAMED}", table, "t.jsonl")]) == 0
    message = "t.jsonl: 1 of 40 rows is left out, the first of them at line 5: 'label' is blank in"
    assert message in capsys.readouterr().err


def test_predict_answers_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(f"records: csv, {NAMED}, feature_columns: [size]", as_csv(with_gaps(0, ())))
    assert run(["train", config]) == 0
    predict = ["predict", "--model", "runs/t", "--file", "some.csv"]
    Path("some.csv").write_text("text,size\nthe king,1\n ,2\n")
    capsys.readouterr()
    assert run(predict) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    Path("some.csv").write_text("text,size\nthe king,1\nthe wolf,\n")
    assert run(predict) == 1
    problem = "some.csv: line 3: 'size' (data.feature_columns) is blank; write a number, or remove"
    assert problem in capsys.readouterr().err


BLANK_BEHIND = {  # the cells of the header, the delimiter and quote of rows -> the labels
    "names alone": ("text, label\n", ",", "", ("p", "q", "r")),
    "all": ("text, label\n", ", ", "", ("p", "q", "r")),
    "quoted": ("text, label\n", ", ", '"', ("p, s", "q, s", "r, s")),
    "rows alone": ("text,label\n", ", ", "", (" p", " q", " r")),
    "another delimiter": ("text; label\n", "; ", "", ("p", "q", "r")),
}


@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize("name", BLANK_BEHIND)
def test_a_blank_behind_the_delimiter(
    name: str, tokens: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in no name, and in no cell if all of them have one; a given column has its name."""
    head, delimiter, quote, labels = BLANK_BEHIND[name]
    written = "".join(
        f"{''.join(RNG.choices('abcdé', k=12))}{delimiter}{quote}{label.strip()}{quote}\n"
        for label in labels * 30
    )
    Path("t.csv").write_text(head + written, encoding="utf-8")
    sets = [f"data.tokens={tokens}", "data.reply_column=label", "train.max_steps=1"]
    assert run(["train", "t.csv", "--minutes", "0.1s", *(f"--set={one}" for one in sets)]) == 0
    is_said = delimiter != "," and head[:-1].count(" ") > 0
    assert ("and blanks between them" in capsys.readouterr().err) is is_said
    data = load_config("runs/t/config.yaml").data
    assert (data.prompt_column, data.reply_column) == ("text", "label")
    found = load_corpus(data).labels.replies
    vocabulary = load_corpus(data).vocabulary
    assert tuple(vocabulary.decode(one) for one in found) == labels


def test_a_name_with_blanks_still_stands_for_its_column(capsys: pytest.CaptureFixture[str]) -> None:
    """As older versions wrote it; and a message has names without them."""
    table = as_csv(TABLE).replace(",label", ", label", 1)
    config = configured('records: csv, prompt_column: text, reply_column: " label"', table)
    assert run(["train", config, "--run-dir", "one"]) == 0
    config = configured("records: csv, prompt_column: text, reply_column: lable", table)
    assert run(["train", config, "--run-dir", "two"]) == 1
    assert "the columns are 'text', 'label'. " in capsys.readouterr().err
