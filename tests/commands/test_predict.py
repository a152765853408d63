"""charrnn predict: the labels of prompts, from arguments and from files of every kind."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from labelled import LABELS, make_run, words, write_table
from support import train

import charrnn
from charrnn.commands import predict
from charrnn.commands.cli import run
from charrnn.inspection.glyphs import display_width
from charrnn.workers import prediction

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs on a table, lines and files, and one that writes words."""
    folder = tmp_path_factory.mktemp("labelled")
    for kind in ("table", "lines", "files", "writer"):
        make_run(folder, kind)
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: Capture, *arguments: object) -> list[list[str]]:
    """Run `charrnn predict`; return the fields of its lines."""
    capsys.readouterr()
    assert run(["predict", *map(str, arguments)]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.split("\n")[:-1]]


def objects(capsys: Capture, *arguments: object) -> list[Any]:
    """Run `charrnn predict --json`; return its objects."""
    return [json.loads(line) for (line,) in printed(capsys, "--json", *arguments)]


def failed(capsys: Capture, *arguments: object, code: int = 1) -> str:
    """Run a command that fails; return its message."""
    capsys.readouterr()
    assert run(["predict", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err


def escaped(text: str) -> str:
    return text.replace("\t", r"\t").replace("\n", r"\n")


def test_prompts_as_arguments(capsys: Capture) -> None:
    """The labels and probabilities are those of Python, the likeliest first."""
    prompts = ["abx", "czy", "mz", "", "abx"]
    model = charrnn.load("runs/table")
    expected = [
        [prompt, escaped(one.text), f"{one.probability:.4f}"]
        for prompt, (one,) in zip(prompts, model.predict(prompts), strict=True)
    ]
    assert printed(capsys, "--model", "runs/table", *prompts) == expected
    assert [row[1] for row in expected[:3]] == [*map(escaped, LABELS)]
    rows = printed(capsys, "--model", "runs/table", "abx", "--top", 7)
    assert [row[1] for row in rows] == [
        escaped(one.text) for one in model.predict(["abx"], None)[0]
    ]
    assert sum(float(row[2]) for row in rows) == pytest.approx(1, abs=2e-4)


def test_the_newest_model_is_named_on_stderr(capsys: Capture) -> None:
    assert run(["predict", "--model", "runs/table", "abx"]) == 0
    assert capsys.readouterr().err == ""
    os.utime("runs/table/last.npz", (time.time() + 60,) * 2)
    assert run(["predict", "abx"]) == 0
    assert capsys.readouterr().err == "runs/table/best.npz\n"


def test_a_table_with_and_without_replies(tmp_path: Path, capsys: Capture) -> None:
    """Its other columns follow, with escapes, in its own order."""
    some = words()[:40]
    write_table(tmp_path / "with.csv", some, "n kind word note")
    write_table(tmp_path / "without.csv", some, "note word")
    rows = printed(capsys, "--model", "runs/table", "--file", tmp_path / "with.csv")
    assert [row[0] for row in rows] == [word for word, _ in some]
    expected = [[str(k), escaped(kind), rf'"{k}"\nnote'] for k, (_, kind) in enumerate(some)]
    assert [row[3:] for row in rows] == expected
    others = printed(capsys, "--model", "runs/table", "--file", tmp_path / "without.csv")
    assert others == [[*row[:3], row[5]] for row in rows]
    assert sum(row[1] == row[4] for row in rows) > 30


def test_some_rows_may_have_replies(tmp_path: Path, capsys: Capture) -> None:
    asked = "word,kind\nab,late\nac\nad,\n"
    (tmp_path / "some.csv").write_text(asked)
    rows = printed(capsys, "--model", "runs/table", "--file", tmp_path / "some.csv")
    assert [(row[0], row[3]) for row in rows] == [("ab", "late"), ("ac", ""), ("ad", "")]


def test_an_object_a_prompt(tmp_path: Path, capsys: Capture) -> None:
    write_table(tmp_path / "table.csv", words()[:5])
    found = objects(capsys, "--model", "runs/table", "--top", 2, "--file", tmp_path / "table.csv")
    rows = printed(capsys, "--model", "runs/table", "--top", 2, "--file", tmp_path / "table.csv")
    assert [one["prompt"] for one in found for _ in range(2)] == [row[0] for row in rows]
    replies = [reply for one in found for reply in one["replies"]]
    assert [escaped(reply["reply"]) for reply in replies] == [row[1] for row in rows]
    assert [f"{reply['probability']:.4f}" for reply in replies] == [row[2] for row in rows]
    assert found[3]["columns"] == {"kind": words()[3][1], "n": "3", "note": '"3"\nnote'}
    (alone,) = objects(capsys, "--model", "runs/table", "ab")
    assert [*alone] == ["prompt", "replies"]


def test_json_lines_have_the_columns_of_all(tmp_path: Path, capsys: Capture) -> None:
    lines = [{"word": word, "kind": kind.strip()} for word, kind in words()]
    (tmp_path / "text.txt").write_text("\n".join(map(json.dumps, lines)))
    keys = {"data.records": "jsonl", "data.prompt_column": "word", "data.reply_column": "kind"}
    model = train(tmp_path, keys)
    asked = '{"n": 3, "word": "ab", "list": [1]}\n\n{"é": "\\t", "word": "zz", "n": 0.5}\n'
    (tmp_path / "asked.jsonl").write_text(asked, encoding="utf-8")
    rows = printed(capsys, "--model", model, "--file", tmp_path / "asked.jsonl")
    assert [(row[0], *row[3:]) for row in rows] == [("ab", "3", ""), ("zz", "0.5", r"\t")]
    found = objects(capsys, "--model", model, "--file", tmp_path / "asked.jsonl")
    assert [one["columns"] for one in found] == [{"n": "3"}, {"é": "\t", "n": "0.5"}]


def test_columns_without_a_name_of_their_own_have_a_number(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "odd.csv").write_text("a,word,a\n1,ab,2\n4,zz\n")
    found = objects(capsys, "--model", "runs/table", "--file", tmp_path / "odd.csv")
    assert [one["columns"] for one in found] == [{"a": "1", "3": "2"}, {"a": "4"}]
    rows = printed(capsys, "--model", "runs/table", "--file", tmp_path / "odd.csv")
    assert [row[3:] for row in rows] == [["1", "2"], ["4", ""]]


def test_a_prompt_a_line_or_a_paragraph(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b"ab->late\n \n\nzz\nmx->mid->dle"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    rows = printed(capsys, "--model", "runs/lines", "--file", "-")
    assert rows == printed(capsys, "--model", "runs/lines", "ab", "zz", "mx")
    (tmp_path / "blocks").write_bytes(b"\n \nabx\nabx\n\n\nzzy\nzzy")
    rows = printed(capsys, "--model", "runs/files", "--file", tmp_path / "blocks")
    assert [row[:2] for row in rows] == [[r"abx\nabx", "early"], [r"zzy\nzzy", "late"]]
    assert rows == printed(capsys, "--model", "runs/files", "abx\nabx", "zzy\nzzy")


@pytest.mark.parametrize("cores", [1, 2])
def test_many_prompts_keep_their_order(
    cores: int, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all cores, in blocks, whatever the lengths, and as each alone."""
    prompts = [word * (1 + k % 5) for k, (word, _) in enumerate(words()[:300])]
    (tmp_path / "many").write_text("\n".join(prompts))
    model = charrnn.load("runs/lines")
    expected = [one for (one,) in model.predict(prompts)]
    monkeypatch.setattr(prediction, "_MIN_OPERATIONS_PER_WORKER", 1)
    monkeypatch.setattr(prediction, "free_cores", lambda: cores)
    monkeypatch.setattr(predict, "_TOGETHER", 130)
    rows = printed(capsys, "--model", "runs/lines", "--file", tmp_path / "many")
    assert [row[0] for row in rows] == prompts
    assert [row[1] for row in rows] == [one.text for one in expected]
    for row, one in zip(rows, expected, strict=True):
        assert float(row[2]) == pytest.approx(one.probability, abs=6e-5)


def test_a_table_on_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a header and fits; a long prompt is cut, and no control character gets through."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    asked = ["--model", "runs/table", "--unknown", "skip", "--top", "3"]
    assert run(["predict", *asked, "ab\x1b[31m\tcd", "ab" * 50, "日本" * 40]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["prompt", "reply", "probability"]
    assert len(lines) == 10
    assert {display_width(line) for line in lines} == {60}
    assert lines[1].startswith(r"ab␛[31m\tcd ")
    assert lines[4].split()[0].endswith("…")
    assert {line[-6:] for line in lines[1:]} == {
        f"{one['probability']:.4f}"
        for prompt in objects(capsys, *asked, "abm\tcd", "ab" * 50, "")
        for one in prompt["replies"]
    }


def test_an_unknown_character_is_named_with_its_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "table.csv").write_text('note,word\n"a\nb",ab\n\nc,aÄb\n', encoding="utf-8")
    asked = ("--model", "runs/table", "--file", tmp_path / "table.csv")
    message = failed(capsys, *asked)
    assert "table.csv: line 5: 'Ä' (U+00C4) in 'aÄb' is not among the " in message
    assert "--unknown skip leaves such characters out" in message
    assert run(["predict", *map(str, asked), "--unknown", "skip"]) == 0
    out, err = capsys.readouterr()
    assert err == "left out: 1 character that the model does not know\n"
    assert [line.split("\t")[0] for line in out.splitlines()] == ["ab", "aÄb"]
    message = failed(capsys, "ab", "zÄ", "--model", "runs/table")
    assert "PROMPT 2: 'Ä' (U+00C4) in 'zÄ' " in message


@pytest.mark.parametrize("content", ["", "blank"])
@pytest.mark.parametrize("model", ["table", "lines", "files"])
def test_a_file_without_prompts(content: str, model: str, tmp_path: Path, capsys: Capture) -> None:
    blank = "word,kind\n\n" if model == "table" else "\n \n\t\n"
    (tmp_path / "empty").write_text(blank if content else "")
    message = failed(capsys, "--model", f"runs/{model}", "--file", tmp_path / "empty")
    assert "empty: has no prompts; every line or row is blank\n" in message


def test_a_model_among_the_prompts(capsys: Capture) -> None:
    assert "runs/table is a model; --model" in failed(capsys, "runs/table", "ab", code=2)


@pytest.mark.parametrize("arguments", [[], ["ab", "--file", "words.csv"]])
def test_prompts_or_a_file(arguments: list[str], capsys: Capture) -> None:
    assert "either PROMPTs or --file" in failed(capsys, *arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--model runs/table --file none.csv", "none.csv: no such file"),
        ("--model runs/table --file kinds", "kinds: cannot be read: Is a directory"),
        ("--model runs/table --file words.txt", "no column is called 'word'"),
        (r"--model runs/table a\tb", r"PROMPT: \t is a backslash and a letter"),
        ("--model runs/writer early", "has no labels, as the replies"),
        ("--model runs/writer early", "charrnn sample --prompt TEXT writes replies"),
        ("--model runs/text early", "was not trained on prompts and replies; data.prompt_column"),
    ],
)
def test_what_is_refused(arguments: str, problem: str, folder: Path, capsys: Capture) -> None:
    if "runs/text" in arguments and not Path("runs/text").exists():
        train(folder).rename("runs/text")
    assert problem in failed(capsys, *arguments.split())
