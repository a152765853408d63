"""Tables with a configuration written by hand: delimiters."""

from __future__ import annotations

from pathlib import Path

import pytest
from invented import as_csv, clause, rows

from charrnn.commands.cli import run

TABLE = rows(lambda k: (clause(), "pqr"[k % 3]), "text,label")
NAMED = "prompt_column: text, reply_column: label"
NUMBERED = "header: true, prompt_column: 1, reply_column: 2"


def configured(keys: str, table: str, path: str = "t.csv") -> str:
    """Write a table and a configuration of a tiny model for it, whose name is returned."""
    Path(path).write_text(table)
    Path("t.yaml").write_text(
        f"data: {{path: {path}, {keys}}}\nmodel: {{hidden_size: 4}}\n"
        "train: {max_steps: 1, workers: 1}\n"
    )
    return "t.yaml"


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
