"""All commands count the same lines and characters of one odd file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support import write_config

import charrnn.planning.proposal
from charrnn.commands.cli import run
from charrnn.config.reader import override_defaults
from charrnn.text import corpus, lines
from charrnn.text.corpus import line_ends
from charrnn.text.lines import lengths_in_words
from charrnn.text.load import load_corpus

# CR LF, blank lines, a form feed, U+2028, U+0085, characters of several bytes, a lone CR.
PIECES = ["one bee\r\n", "\r\n", "two\fbees hum\r\n", "a\u2028b\x85c\n", "\n", "ééé 蜂 hum\r"]
ODD = "".join(PIECES * 40)
READ = ODD.replace("\r\n", "\n").replace("\r", "\n")  # as the model does


@pytest.mark.parametrize("end", ["", "the end", "the end\n", "the end\n\n"])
def test_every_command_counts_the_same(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charrnn.planning.proposal, "_MEASURED_S", 0.01)
    text = READ + end
    number = text.count("\n") + (not text.endswith("\n"))
    Path("text.txt").write_bytes(b"\xef\xbb\xbf" + (ODD + end).encode())
    write_config(tmp_path, {"data.valid_fraction": 0.2, "train.max_steps": 1})

    assert run(["init", "text.txt", "-o", "-", "--set", "data.records=null"]) == 0
    header = capsys.readouterr().out.partition("data:")[0]
    assert f"{len(text):,} characters, " in header
    assert f" {number:,} lines with a median of " in header
    assert run(["train", "tiny.yaml"]) == 0
    err = capsys.readouterr().err
    assert re.search(rf"^text +text\.txt: {len(text):,} characters, ", err, re.MULTILINE)
    assert run(["eval", "runs/tiny", "text.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chars"] == len(text) - 1
    assert run(["eval", "runs/tiny", "text.txt", "--each", "--json"]) == 0
    each = [json.loads(line)["text"] for line in capsys.readouterr().out.split("\n")[:-1]]
    assert each == text.removesuffix("\n").split("\n")
    assert len(each) == number
    command = ["inspect", "surprise", "runs/tiny", "text.txt", "--json", "--top", str(len(text))]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chars"] == len(text) - 1
    for one in found["surprising"]:
        assert one["line"] == 1 + text.count("\n", 0, one["place"])


def test_the_lines_of_a_long_text_are_counted_and_their_median_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beginning has shorter lines than the rest."""
    monkeypatch.setattr(corpus, "_BLOCK", 1000)
    monkeypatch.setattr(lines, "_MEASURED", 3000)
    text = tmp_path / "text.txt"
    text.write_text("short\n" * 1000 + "this is a long line\n" * 500 + "end", encoding="utf-8")
    found = load_corpus(override_defaults(text=str(text)).data)
    assert lengths_in_words(found) == "1,501 lines with a median of about 5 characters"
    text.write_text("short\n" * 400 + "end", encoding="utf-8")
    found = load_corpus(override_defaults(text=str(text)).data)
    assert lengths_in_words(found) == "401 lines with a median of 5 characters"


@pytest.mark.parametrize("text", ["a", "\n", "ab\n", "\n\nab", "ab\n\ncd\n\n"])
@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_the_ends_of_lines(text: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_BLOCK", block)
    ends = np.concatenate([*line_ends(np.array([*text.encode()], np.uint8), ord("\n"))])
    sizes = [len(line) for line in text.splitlines(keepends=True)]
    assert ends.tolist() == (np.cumsum(sizes) - 1).tolist()
