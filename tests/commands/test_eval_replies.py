"""charrnn eval of models whose replies are free: exact replies and edit distance."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import train

import charrnn
from charrnn.commands.cli import run
from charrnn.model.transcription import edit_distances
from charrnn.workers import predictor, worker

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run on pairs, of which some prompts have two replies."""
    folder = tmp_path_factory.mktemp("pairs")
    words = ["".join(letters) for letters in product("abcdef", repeat=3)]
    rows = [(word, word.upper() + word[0]) for word in words]
    rows += [(word, word.upper() + "!") for word in words[::7]]
    (folder / "pairs.tsv").write_text("\n".join(map("\t".join, [("in", "out"), *rows])))
    keys = {
        "data.path": "pairs.tsv",
        "data.records": "tsv",
        "data.prompt_column": "in",
        "data.reply_column": "out",
        "data.valid_fraction": 0.3,
        "model.cell": "gru",
        "model.hidden_size": 24,
        "train.batch_size": 20,
        "train.seq_length": 12,
        "train.max_steps": 200,
        "train.learning_rate": 0.02,
    }
    train(folder, keys)
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: Capture, *arguments: str) -> list[str]:
    """Return the lines that `charrnn eval` prints of the run."""
    capsys.readouterr()
    assert run(["eval", "run", *arguments]) == 0
    return capsys.readouterr().out.split("\n")[:-1]


@pytest.mark.parametrize("beam", [1, 5])
def test_figures(beam: int, capsys: Capture) -> None:
    """Any reply listed for a prompt counts, and prompts count once."""
    each = [json.loads(line) for line in printed(capsys, "--each", "--json", "--beam", str(beam))]
    listed: dict[str, set[str]] = {}
    for one in each:
        listed.setdefault(one["prompt"], set()).add(one["reply"])
    assert max(map(len, listed.values())) == 2
    answers = charrnn.load("run").predict([*listed], beam=beam)
    best = {prompt: one for prompt, (one,) in zip(listed, answers, strict=True)}
    exact = [best[prompt].text in replies for prompt, replies in listed.items()]
    assert 0 < sum(exact) < len(exact)
    codes = {text: np.array([*map(ord, text)]) for some in listed.values() for text in some}
    codes |= {one.text: np.array([*map(ord, one.text)]) for one in best.values()}
    distances = [
        min(int(edit_distances([codes[best[prompt].text]], [codes[one]])[0]) for one in replies)
        for prompt, replies in listed.items()
    ]
    (figures,) = (json.loads(line) for line in printed(capsys, "--json", "--beam", str(beam)))
    assert figures["prompts"] == len(listed)
    assert figures["exact"] == pytest.approx(sum(exact) / len(exact))
    assert figures["edit_distance"] == pytest.approx(sum(distances) / len(distances))
    for one in each:
        assert one["predicted"] == best[one["prompt"]].text
        assert one["probability"] == pytest.approx(best[one["prompt"]].probability, rel=1e-4)
    lines = dict(re.split(r"  +", line) for line in printed(capsys, "--beam", str(beam)))
    assert lines["exact replies"] == f"{figures['exact']:.4f}"
    assert lines["edit distance"] == f"{figures['edit_distance']:.4f}"
    assert lines["prompts"] == str(len(listed))


@pytest.mark.parametrize("cores", [1, 2])
def test_any_number_of_cores_finds_the_same(
    cores: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[Any] = [json.loads(line) for line in printed(capsys, "--each", "--json")]
    monkeypatch.setattr(predictor, "_MIN_OPERATIONS_PER_WORKER", 1)
    monkeypatch.setattr(predictor, "free_cores", lambda: cores)
    monkeypatch.setattr(worker, "_PREDICTED", 7)
    found = [json.loads(line) for line in printed(capsys, "--each", "--json")]
    for one, other in zip(found, expected, strict=True):
        for figure in ("nats", "nats_per_char", "probability"):
            assert one.pop(figure) == pytest.approx(other.pop(figure), rel=1e-4)
    assert found == expected


def test_the_end_of_a_training_says_how_many_replies_are_exact(capsys: Capture) -> None:
    """The share is that of `charrnn eval`."""
    (figures,) = (json.loads(line) for line in printed(capsys, "--json"))
    assert run(["train", "run/config.yaml", "--run-dir", "run", "--resume"]) == 0
    err = capsys.readouterr().err
    share, prompts = figures["exact"], figures["prompts"]
    assert f"exact replies to {share:.1%} of {prompts} validation prompts" in err


def test_a_beam_is_for_free_replies(folder: Path, capsys: Capture) -> None:
    (folder / "text").mkdir()
    train(folder / "text")
    assert run(["eval", "text/run", "--beam", "2"]) == 1
    assert "--beam is for models of prompts and replies that are both many" in (
        capsys.readouterr().err
    )
