"""charrnn predict: the labels of prompts, from arguments and from files of every kind."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from labelled import LABELS, make_run, words, write_table
from support import train

import charrnn
from charrnn.commands import predict
from charrnn.commands.cli import run
from charrnn.inspection.glyphs import display_width
from charrnn.text import prompts
from charrnn.workers import predictor

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


def test_an_empty_prompt_is_noted(capsys: Capture) -> None:
    """An unset variable of the shell gives one; it is answered, as data may have such prompts."""
    capsys.readouterr()
    assert run(["predict", "--model", "runs/table", "abx", ""]) == 0
    out, err = capsys.readouterr()
    assert [line.partition("\t")[0] for line in out.splitlines()] == ["abx", ""]
    assert err == "PROMPT 2 is empty; its reply is what the model expects without a text\n"


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
    monkeypatch.setattr(predictor, "_MIN_OPERATIONS_PER_WORKER", 1)
    monkeypatch.setattr(predictor, "free_cores", lambda: cores)
    monkeypatch.setattr(predict, "_PROMPTS", 130)
    rows = printed(capsys, "--model", "runs/lines", "--file", tmp_path / "many")
    assert [row[0] for row in rows] == prompts
    assert [row[1] for row in rows] == [one.text for one in expected]
    for row, one in zip(rows, expected, strict=True):
        assert float(row[2]) == pytest.approx(one.probability, abs=6e-5)


@pytest.mark.parametrize("source", ["file", "pipe", "standard input"])
def test_many_prompts_take_little_memory(
    source: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read some at a time, and again what can be read only once."""
    text = "".join(f"abc{k:05}\n" for k in range(8000))
    (tmp_path / "many").write_text(text)
    done: list[int] = []

    def likely(_: object, __: object, start: int, end: int, advance: Any) -> Any:
        advance(end - start)
        return np.zeros((end - start, 3))

    @contextmanager
    def progress(total: int, unit: str, doing: str) -> Iterator[Any]:
        assert (total, unit, doing) == (8000, "prompts", "predicting")
        yield done.append

    monkeypatch.setattr(predictor.Predictor, "log_probs", likely)
    monkeypatch.setattr("charrnn.system.progress.progress", progress)
    monkeypatch.setattr(predict, "_PROMPTS", 500)
    monkeypatch.setattr(prompts, "_IN_MEMORY", 1000)
    file = str(tmp_path / "many")
    if source == "standard input":
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        file = "-"
    elif source == "pipe":
        os.mkfifo(tmp_path / "fifo")
        file = str(tmp_path / "fifo")
        threading.Thread(target=Path(file).write_text, args=(text,)).start()
    with Path("out.txt").open("w") as out, monkeypatch.context() as within:
        within.setattr("sys.stdout", out)
        tracemalloc.start()
        asked = ["predict", "--model", "runs/lines", "--unknown", "skip", "--file", file]
        assert run(asked) == 0
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3.5e6, peak
    rows = [line.split("\t")[0] for line in Path("out.txt").read_text().splitlines()]
    assert rows == text.splitlines()
    assert done == [500] * 16
    assert capsys.readouterr().err.startswith(
        "8,000 prompts: left out 40,000 characters that the model does not know: '"
    )


def test_a_file_that_changes_while_it_is_answered(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list"
    file.write_text("ab\nac\n")
    read_once = predict._totals

    def changing(*asked: Any) -> Any:
        found = read_once(*asked)
        file.write_text("ab\nac\nad\n")
        return found

    monkeypatch.setattr(predict, "_totals", changing)
    assert "has changed while it was read" in failed(
        capsys, "--model", "runs/lines", "--file", file
    )


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("semi.csv", "word;kind;n\nabx;early;1\n", "a table of 3 columns with semicolons between"),
        ("tabs.tsv", "word\tkind\nabx\tearly\n", "a table of 2 columns with tabs between them"),
        ("tabs", "word\tkind\nabx\tearly\n", "a table of 2 columns with tabs between them"),
        ("lines.jsonl", '{"word": "abx", "kind": "early"}\n', "JSON lines"),
    ],
)
def test_a_table_of_another_form(
    name: str, content: str, found: str, tmp_path: Path, capsys: Capture
) -> None:
    """The message says what the file is, what the model reads, and what to do."""
    (tmp_path / name).write_text(content)
    message = failed(capsys, "--model", "runs/table", "--file", tmp_path / name)
    assert f"{name}: is {found}" in message
    assert "this model reads the column 'word' of a table with ',' between columns; " in message
    assert message.endswith("; save it as such a table\n")
    assert run(["eval", "runs/table", str(tmp_path / name)]) == 1
    message = capsys.readouterr().err
    assert f"{name}: is {found}" in message
    assert "reads the columns 'word' and 'kind' of a table with ',' between columns; " in message


def test_a_list_for_a_model_of_a_table(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line is a prompt, also of prose with commas; of a table, it has the column's name."""
    asked = ["--model", "runs/table", "--unknown", "skip", "--file"]
    for lines in (["abx", "zzy"], ["abx", "z, zy", "mz,a,b"]):
        (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
        expected = printed(capsys, "--model", "runs/table", "--unknown", "skip", *lines)
        assert printed(capsys, *asked, tmp_path / "list.txt") == expected
        assert run(["predict", *asked, str(tmp_path / "list.txt")]) == 0
        note = f"{tmp_path / 'list.txt'}: each line is a word, as there is no such column\n"
        assert note in capsys.readouterr().err
        monkeypatch.setattr(
            "sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(lines).encode()))
        )
        assert printed(capsys, *asked, "-") == expected
    (tmp_path / "list.txt").write_text("word\nabx\n")
    assert [row[0] for row in printed(capsys, *asked, tmp_path / "list.txt")] == ["abx"]
    (tmp_path / "list.txt").write_text("abx\nzzy\n")
    assert run(["eval", "runs/table", str(tmp_path / "list.txt")]) == 1
    assert "list.txt: is a list of plain lines; this model reads " in capsys.readouterr().err


def test_without_prompts_standard_input_is_named(capsys: Capture) -> None:
    assert "--file FILE, which names a file of prompts (- is standard input)." in failed(
        capsys, code=2
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name,kind\nabx,early\n", "no column is called 'word'"),
        ("word\nÄ\n", "'Ä' (U+00C4) in 'Ä' is not among the "),
        ("word,n\nabx;zzy,1\nÄ;a,2\n", "';' (U+003B) in 'abx;zzy' is not among the "),
    ],
)
def test_a_table_of_the_right_form_keeps_its_message(
    content: str, problem: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "some.csv").write_text(content, encoding="utf-8")
    asked = ["--model", "runs/table", "--unknown", "error", "--file", tmp_path / "some.csv"]
    assert problem in failed(capsys, *asked)


def test_objects_are_expected(tmp_path: Path, capsys: Capture) -> None:
    lines = [{"word": word, "kind": kind.strip()} for word, kind in words()[:100]]
    (tmp_path / "text.txt").write_text("\n".join(map(json.dumps, lines)))
    keys = {"data.records": "jsonl", "data.prompt_column": "word", "data.reply_column": "kind"}
    model = train(tmp_path, keys | {"train.max_steps": 1})
    message = failed(capsys, "--model", model, "--file", "words.csv")
    assert (
        "words.csv: is a table of 4 columns with commas between them; this model reads " in message
    )
    assert "a JSON object in each line, with 'word'; write such lines" in message
    (tmp_path / "typo.jsonl").write_text('{"wrod": "abx"}\n')
    message = failed(capsys, "--model", model, "--file", tmp_path / "typo.jsonl")
    assert "typo.jsonl: line 1: has no text or number 'word' (data.prompt_column)" in message
    assert "(did you mean wrod?)" in message


def test_prompts_alone_for_a_table_of_numbered_columns(tmp_path: Path, capsys: Capture) -> None:
    pairs = [(kind.replace("\t", ""), word) for word, kind in words()[:100]]
    (tmp_path / "text.txt").write_text("".join(f"{kind}\t{word}\n" for kind, word in pairs))
    (tmp_path / "alone").write_text("".join(f"{word}\n" for _, word in pairs[:9]))
    keys = {"data.records": "tsv", "data.prompt_column": 2, "data.reply_column": 1}
    model = train(tmp_path, keys | {"train.max_steps": 1})
    alone = printed(capsys, "--model", model, "--file", tmp_path / "alone")
    whole = printed(capsys, "--model", model, "--file", tmp_path / "text.txt")
    assert alone == [row[:3] for row in whole[:9]]
    (tmp_path / "mixed").write_text("abx\nearly\tabx\n")
    message = failed(capsys, "--model", model, "--file", tmp_path / "mixed")
    assert "mixed: line 2: has 2 cells, and the first row one, the prompt; give all" in message
    assert run(["eval", str(model), str(tmp_path / "alone")]) == 1
    message = capsys.readouterr().err
    assert "alone: is a list of plain lines; this model reads columns 2 and 1 of" in message


def test_a_prompt_that_is_the_name_of_a_file(capsys: Capture) -> None:
    assert "words.txt: read as a prompt; --file words.txt reads the file\n" in failed(
        capsys, "--model", "runs/table", "words.txt", "--unknown", "error"
    )
    assert printed(capsys, "--model", "runs/table", "a" * 5000)
    assert "is a model" not in failed(capsys, "a" * 5000, "Ä", "--model", "runs/table")


def test_a_prompt_that_is_not_utf_8(capsys: Capture) -> None:
    asked = ["--model", "runs/table", "a\udcff"]  # as Python decodes the byte
    assert run(["predict", *asked]) == 0
    assert capsys.readouterr().err.endswith("does not know: byte 0xff, which is not valid UTF-8\n")
    message = failed(capsys, *asked, "--unknown", "error")
    assert "PROMPT 1: byte 0xff, which is not valid UTF-8, in 'a\\udcff' is not among" in message


def test_prompts_are_read_like_the_text(capsys: Capture) -> None:
    """Line ends too; a block with a blank line is none."""
    assert printed(capsys, "--model", "runs/table", "--unknown", "skip", "a\r\nb") == [
        [r"a\r\nb", *printed(capsys, "--model", "runs/table", "ab")[0][1:]]
    ]
    message = failed(capsys, "--model", "runs/files", "abx\n\nabx")
    assert "PROMPT 1: has a blank line, which would end the record" in message


def test_json_has_its_text_unescaped(tmp_path: Path, capsys: Capture) -> None:
    """In every command, as UTF-8."""
    lines = [f"{a}{b}ü日|{'öx'[b < 'p']}" for a in "abcdefg" for b in "klmnopqrst"]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    keys = {"data.records": "line", "data.prompt_separator": "|", "data.valid_fraction": 0.3}
    model = str(train(tmp_path, keys))
    for command in (
        ["predict", "--model", model, "aü"],
        ["eval", model],
        ["eval", model, "--each"],
        ["sample", model, "--prompt", "aü", "--prime", "ö", "--seed", "1"],
        ["inspect", "predictions", model, "--text", "ü日"],
        ["inspect", "surprise", model],
        ["inspect", "cells", model],
    ):
        capsys.readouterr()
        assert run([*command, "--json"]) == 0
        out = capsys.readouterr().out
        assert "\\u" not in out, command
        assert ("ü" in out or "ö" in out) or "cells" in command, command


def test_labels_of_bytes_that_look_alike_are_kept_apart(tmp_path: Path, capsys: Capture) -> None:
    lines = [bytes([97 + k % 7, 120 + k % 3, 45, 0xFD + k % 3]) for k in range(300)]
    (tmp_path / "text.txt").write_bytes(b"\n".join(lines))
    keys = {"data.records": "line", "data.prompt_separator": "-", "data.tokens": "byte"}
    model = train(tmp_path, keys)
    rows = printed(capsys, "--model", model, "--top", 3, "ax")
    assert {row[1] for row in rows} == {r"\\xfd", r"\\xfe", r"\\xff"}
    assert run(["eval", str(model), "--json", "--split", "train"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["recall"]) == [r"\xfd", r"\xfe", r"\xff"]


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
    message = failed(capsys, *asked, "--unknown", "error")
    assert "table.csv: line 5: 'Ä' (U+00C4) in 'aÄb' is not among the " in message
    assert "--unknown skip leaves such characters out" in message
    message = failed(capsys, "ab", "zÄ", "--model", "runs/table", "--unknown", "error")
    assert "PROMPT 2: 'Ä' (U+00C4) in 'zÄ' " in message


@pytest.mark.parametrize("unknown", [[], ["--unknown", "skip"]], ids=["default", "skip"])
def test_unknown_characters_are_left_out(
    tmp_path: Path, capsys: Capture, unknown: list[str]
) -> None:
    """One note on stderr names them; the answer is that of the rest."""
    (tmp_path / "table.csv").write_text('note,word\n"a\nb",ab\n\nc,aÄb\n', encoding="utf-8")
    asked = ["predict", "--model", "runs/table", *unknown]
    assert run([*asked, "--file", str(tmp_path / "table.csv")]) == 0
    out, err = capsys.readouterr()
    left_out = "left out 1 character that the model does not know: 'Ä' (U+00C4)\n"
    assert err == f"{tmp_path / 'table.csv'}: line 5: {left_out}"
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["ab", "aÄb"]
    assert rows[0][1:3] == rows[1][1:3]
    assert run([*asked, "ab", "aÄb"]) == 0
    assert capsys.readouterr().err == f"PROMPT 2: {left_out}"
    assert run([*asked, "--json", "aÄb", "Öa", "Üa1234567"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["prompt"] for line in out.splitlines()] == ["aÄb", "Öa", "Üa1234567"]
    assert err == (
        "3 prompts: left out 10 characters that the model does not know: 'Ä' (U+00C4), "
        "'Ö' (U+00D6), 'Ü' (U+00DC), '1' (U+0031), '2' (U+0032), '3' (U+0033), ...\n"
    )


def test_a_prompt_of_unknown_characters_alone_is_refused(tmp_path: Path, capsys: Capture) -> None:
    """By default; --unknown skip answers it like an empty one."""
    (tmp_path / "table.csv").write_text("note,word\na,ab\nc,ÄÖ\n", encoding="utf-8")
    message = failed(capsys, "--model", "runs/table", "--file", tmp_path / "table.csv")
    assert "table.csv: line 3: 'Ä' (U+00C4) in 'ÄÖ' is not among the " in message
    assert "--unknown skip leaves such characters out" in message
    message = failed(capsys, "--model", "runs/table", "ab", "ÄÖ")
    assert "PROMPT 2: 'Ä' (U+00C4) in 'ÄÖ' is not among the " in message
    answers = printed(capsys, "--model", "runs/table", "--unknown", "skip", "ÄÖ", "")
    assert answers[0][1:] == answers[1][1:]


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
        (r"--model runs/table a\tb", r"PROMPT: \t is a backslash and a letter"),
        ("--model runs/writer eerly", "with 'eerly' as a prompt (did you mean early?)"),
        ("--model runs/writer ''", "needs a prompt, and this one is empty; it knows early, late"),
        ("--model runs/writer early --top 3 --beam 2", "beam: 2 is narrower than top, 3"),
        ("--model runs/text early", "was not trained on prompts and replies; data.prompt_column"),
    ],
)
def test_what_is_refused(arguments: str, problem: str, folder: Path, capsys: Capture) -> None:
    if "runs/text" in arguments and not Path("runs/text").exists():
        train(folder).rename("runs/text")
    assert problem in failed(capsys, *("" if one == "''" else one for one in arguments.split()))
