"""The oddest lines and records, compared with those of `charrnn eval --each`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.inspection.lines import LineSurprise, lines_by_surprise
from charrnn.inspection.surprise import nats_by_character
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.part import encode_split

KINDS: dict[str, dict[str, Any]] = {
    "text": {},
    "line": {"data.records": "line"},
    "pairs": {"data.records": "line", "data.prompt_separator": "e"},
}


def written(kind: str) -> str:
    """Return a text of lines, some of them short and some there twice."""
    if kind == "text":
        return tiny_text(3000).replace("\na ", "\na\n").replace("\nbee ", "\nbee\n") * 2
    rng = random.Random(3)
    lines = [
        "".join(rng.choices("abcd", k=rng.randint(1, 14))) + "e" + rng.choice("ab")
        for _ in range(300)
    ]
    return "\n".join(lines + lines[:40])


@pytest.mark.parametrize("kind", KINDS)
def test_the_oddest_and_the_typical_lines_are_those_of_eval(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(written(kind))
    overrides = {"data.valid_fraction": 0.4, "train.max_steps": 20, "train.batch_size": 5}
    folder = train(tmp_path, overrides | KINDS[kind])
    assert run(["eval", str(folder), "--each", "--json"]) == 0
    each = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    means = dict[str, list[float]]()
    for one in each:
        text = one["text"] if "text" in one else one["prompt"] + "\t" + one["reply"]
        means.setdefault(text, []).append(one["nats_per_char"])

    checkpoint = load_checkpoint(folder / "last.npz")
    part = encode_split(checkpoint.config.data, checkpoint.text_sha256, "valid", cut=checkpoint.cut)
    reading = part.reading()
    nats = nats_by_character(checkpoint.model(), reading)
    found = lines_by_surprise(reading, nats, 12)
    lines = Path("text.txt").read_text().split("\n")

    def check(listed: list[LineSurprise]) -> None:
        assert len({one.text for one in listed}) == len(listed) == 12
        for one in listed:
            assert any(one.nats == pytest.approx(mean, rel=1e-3) for mean in means[one.text])
            assert lines[one.number - 1].endswith(one.text.replace("\t", "e"))

    check(found.oddest)
    check(found.typical)
    shortest = {"text": 9, "line": 9, "pairs": 0}[kind]  # median of reply and end: 2
    assert any(len(text) < shortest for text in means) is (kind != "pairs")
    expected = sorted((max(m) for t, m in means.items() if len(t) >= shortest), reverse=True)[:12]
    assert [one.nats for one in found.oddest] == pytest.approx(expected, rel=1e-3)
    whole = lines_by_surprise(reading, nats, 10_000)
    assert len(whole.oddest) == len(whole.typical)
    assert {one.text for one in whole.oddest} == {one.text for one in whole.typical}
    middle = np.median([one.nats for one in whole.oddest])
    distances = [abs(one.nats - middle) for one in found.typical]
    assert max(distances) < abs(found.oddest[0].nats - middle)
    assert lines_by_surprise(reading, nats, 0) == ([], [])


def test_blank_lines_are_not_the_oddest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a text of paragraphs every second line is blank."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(tiny_text(3000).replace("\n", "\n\n\n"))
    folder = train(tmp_path, {"data.valid_fraction": 0.4, "train.max_steps": 2})
    checkpoint = load_checkpoint(folder / "last.npz")
    part = encode_split(checkpoint.config.data, checkpoint.text_sha256, "valid", cut=checkpoint.cut)
    reading = part.reading()
    found = lines_by_surprise(reading, nats_by_character(checkpoint.model(), reading), 10_000)
    assert found.oddest
    assert "" not in {one.text for one in found.oddest}
