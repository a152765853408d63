"""What the commands count in words: one of a thing is in the singular, and bytes are bytes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import write_config

from charrnn.commands.cli import run

ONE_STEP = {
    "data.tokens": "byte",
    "data.valid_fraction": 0.3,
    "model.hidden_size": 3,
    "train.batch_size": 1,
    "train.seq_length": 1,
    "train.max_steps": 1,
}
COMMANDS = {
    "train tiny.yaml": "finished: 1 step; ",
    "train tiny.yaml --overwrite --set train.batch_size=2": "the training part has 2 bytes; ",
    "train tiny.yaml --overwrite --set train.workers=2": "has only 1 stream to share",
    "info": "vocabulary  2 bytes\n",
    "eval": "bytes       1\n",
    "eval other.txt --unknown skip": "left out: 1 byte that",
    "eval one.txt": "has nothing to predict; at least two bytes are needed",
    "sample --length 2 --prime xa --unknown skip": "left out: 1 byte that",
    "sample --prime x": "is not among the 2 bytes this model knows",
    "inspect surprise": "nats/byte, 1 byte\n",
    "inspect cells": "it takes 100 bytes",
    "inspect gradients --lags 1 --losses 1": "1 loss\n",
    "inspect gradients --lags 9": "ends after 3 bytes",
    "inspect predictions --text x --unknown skip": "none of the bytes",
    "init pair.txt -o - --set data.tokens=byte --set train.max_epochs=1": "1 epoch of training",
}
if find_spec("matplotlib") and find_spec("jinja2"):
    COMMANDS |= {"report -o -": "Speed, bytes/s", "plot -o speed.svg --what speed": "written: "}
WRONG = re.compile(r"\b1 (steps|streams|bytes|losses|epochs|lines)\b|[\d,]+ char(acter)?s\b")


def test_a_run_of_one_step_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("charrnn.planning.proposal._MEASURED_S", 0.01)
    for name, text in {"text": "aba", "other": "abxab", "one": "a", "pair": "ab" * 9}.items():
        Path(f"{name}.txt").write_text(text, encoding="utf-8")
    write_config(tmp_path, ONE_STEP)
    for command, expected in COMMANDS.items():
        run(command.split())
        output = "".join(capsys.readouterr())
        assert expected in output, f"{command}: {output}"
        assert not WRONG.search(output), f"{command}: {output}"
    if Path("speed.svg").exists():
        assert "<!-- Speed, bytes/s: " in Path("speed.svg").read_text(encoding="utf-8")
