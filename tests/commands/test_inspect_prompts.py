"""inspect, report, info and sample of models that reply to prompts."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_runs import report
from labelled import LABELS, make_run, words

import charrnn
from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.part import encode_split

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs that tell labels, of characters and of bytes, and one that writes.

    In the runs of bytes a prompt is a paragraph.
    """
    folder = tmp_path_factory.mktemp("labelled")
    for kind in ("table", "files", "writer"):
        make_run(folder, kind)
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: Capture, *arguments: str) -> str:
    """Return what a command prints."""
    capsys.readouterr()
    assert run(arguments) == 0
    return capsys.readouterr().out


def as_json(capsys: Capture, *arguments: str) -> Any:
    """Return the JSON object that a command prints."""
    return json.loads(printed(capsys, *arguments, "--json"))


@pytest.mark.parametrize("name", ["table", "files", "writer"])
def test_only_replies_have_a_loss(name: str, capsys: Capture) -> None:
    """The mean loss is that of eval, which reads the part from a file of its own order."""
    found = as_json(capsys, "inspect", "surprise", f"runs/{name}")
    expected = as_json(capsys, "eval", f"runs/{name}")
    assert found["loss_nats"] == pytest.approx(expected["loss_nats"], rel=1e-5)
    scored = [one for one in found["nats"] if one is not None]
    assert len(scored) == found["chars"] == expected["chars"] < len(found["nats"])
    assert np.mean(scored) == pytest.approx(found["loss_nats"], abs=1e-4)
    pairs = dict(words())
    if name == "table":
        for one in found["surprising"]:
            word, _, begin = one["before"].partition("\t")
            assert (pairs[word] + " ").startswith(begin + one["character"])


def test_the_end_of_a_prompt_has_a_glyph(capsys: Capture) -> None:
    out = printed(capsys, "inspect", "surprise", "runs/table", "words.csv", "--length", "200")
    text = out.split("\nmean ")[0]
    shown = [line.removesuffix("␃") for line in text.splitlines() if line.endswith("␃")]
    assert len(shown) > 10
    assert shown == [f"{word}␟{kind.replace(chr(9), '⇥')}" for word, kind in words()[: len(shown)]]


@pytest.mark.parametrize("name", ["table", "files"])
def test_activations_along_prompts(name: str, capsys: Capture) -> None:
    values = as_json(capsys, "inspect", "cells", f"runs/{name}", "--unit", "1")["activations"]
    assert [i for i, one in enumerate(values) if one is None] == [len(values) - 1]
    found = as_json(capsys, "inspect", "cells", f"runs/{name}")["units"]
    assert "position in the record" in {one["follows"] for one in found}
    assert "␟" in printed(capsys, "inspect", "cells", f"runs/{name}", "--unit", "1")


def test_activations_are_those_of_reading_a_record_alone(capsys: Capture) -> None:
    values = as_json(
        capsys, "inspect", "cells", "runs/table", "words.csv", "--unit", "3", "--layer", "0"
    )["activations"]
    model = charrnn.load("runs/table")
    begin = 0
    for word, kind in words()[:20]:
        pair = model.vocabulary.as_pair(model.encoder.text(word, ""), model.encoder.text(kind, ""))
        codes = model.vocabulary.as_record(pair).astype(np.intp)
        _, _, cache = model.model.forward(codes[:-1, None], model.model.zero_states(1))
        h = model.model.state_sequences(cache)[0][0][1:, 0, 3]
        assert values[begin : begin + len(h)] == pytest.approx(h.tolist(), abs=1e-4)
        begin += len(pair) + 1


@pytest.mark.parametrize("K", [1, 3, 6, 10])
def test_losses_of_gradients_are_those_of_replies(K: int, capsys: Capture) -> None:
    checkpoint = load_checkpoint("runs/writer/best.npz")
    part = encode_split(checkpoint.config.data, checkpoint.text_sha256, "valid")
    reading = part.reading()
    places = reading.loss_positions(K, 10**6)
    text = checkpoint.vocabulary.decoder()
    records = "".join(text(c) or "\n" for c in reading.part.tolist()).split("\n")[:-1]
    expected, begin = [], reading.start
    for record in records:
        first = max(record.rindex("\t") + 1, K - 1)
        expected += range(begin + first, begin + len(record) + 1)
        begin += len(record) + 1
    assert places.tolist() == expected
    for losses in (1, 50, len(reading.loss_positions(1, 10**6))):
        most = reading.most_lags(losses)
        assert len(reading.loss_positions(most, 10**6)) >= losses
        assert len(reading.loss_positions(most + 1, 10**6)) < losses
    found = as_json(capsys, "inspect", "gradients", "runs/writer", "--losses", "20")
    assert min(found["curves"][0]["median"]) > 0


def test_predictions_after_a_prompt(capsys: Capture) -> None:
    found = as_json(capsys, "inspect", "predictions", "runs/table", "--text", "abx")["predictions"]
    assert [one["after"] for one in found] == ["", "a", "b", "x", "\t"]
    assert found[-1]["likeliest"][0]["character"] == "e"  # of early
    assert found[3]["actual"] == "\t"
    rows = printed(capsys, "inspect", "predictions", "runs/table", "--text", "abx").splitlines()
    assert [row.split()[0] for row in rows] == ["after", "␃", "a", "b", "x", "␟"]


def test_info_lists_labels(capsys: Capture) -> None:
    labels = r"3 labels: early, late, mid\tdle"
    for name, prompts, replies in (
        ("table", "too many to be labels", labels),
        ("writer", labels, "too many to be labels"),
    ):
        out = printed(capsys, "info", f"runs/{name}")
        assert f"\nprompts     {prompts}\nreplies     {replies}\nvocabulary  " in out
        assert ", the end of a prompt and the end of a record\n" in out


def test_replies_to_a_prompt(capsys: Capture) -> None:
    """They are printed without it; in JSON it has a field."""
    options = ["-n", "20", "--unique", "--seed", "1"]
    out = printed(capsys, "sample", "runs/writer", "--prompt", "late", *options)
    assert len(set(out.splitlines())) == 20
    lines = printed(capsys, "sample", "runs/writer", "--prompt", "late", *options, "--json")
    found = [*map(json.loads, lines.splitlines())]
    assert [one["text"] for one in found] == out.splitlines()
    assert {one["prompt"] for one in found} == {"late"}
    known = {word for word, label in words() if label == "late"}
    out = printed(capsys, "sample", "runs/writer", "--prompt", "late", *options, "--new")
    assert not known & {*out.splitlines()}
    out = printed(capsys, "sample", "runs/writer", "--prompt", "late", *options[:2], "--prime", "k")
    assert {line[0] for line in out.splitlines()} == {"k"}


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ("runs/writer", 1, "there is none; it knows early, late, mid\\tdle; --prompt TEXT gives"),
        ("runs/table", 1, "tells the label of a text; charrnn predict TEXT prints it"),
        ("runs/writer --prompt lte", 1, "(did you mean late?)"),
        ("early", 1, "did you mean --prompt early?"),
        ("runs/writer --prompt late --stop a", 2, "--stop: a record ends where"),
        (r"runs/table --prompt a\nb", 1, r"--prompt: \n is a backslash and a letter here"),
    ],
)
def test_prompts_that_sample_refuses(
    arguments: str, code: int, problem: str, capsys: Capture
) -> None:
    assert run(["sample", *arguments.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err


@pytest.mark.skipif(
    find_spec("matplotlib") is None or find_spec("jinja2") is None, reason="they draw the page"
)
def test_the_page_has_accuracy_and_confusions(capsys: Capture) -> None:
    expected = as_json(capsys, "eval", "runs/table")
    text = re.sub("<[^>]*>", " ", report("runs/table"))
    assert f"Accuracy {expected['accuracy']:.4f}, macro-F1 {expected['macro_f1']:.4f}, on" in text
    assert f"{expected['chars']:,} characters, {expected['loss_nats']:.4f} nats/char." in text
    texts = {label: sum(row.values()) for label, row in expected["confusion"].items()}
    most = re.escape(max(texts, key=texts.__getitem__).replace("\t", r"\t"))
    assert re.search(rf"always “{most}” would be right for {expected['majority']:.0%}", text)
    for label, row in expected["confusion"].items():
        start = rf"{label}\s+{expected['recall'][label]:.3f}"
        found = re.search(rf"{start}\s+(\d+)\s+(\d+)\s+(\d+)\s", text)
        assert found
        assert [*map(int, found.groups())] == [row.get(one, 0) for one in LABELS]
    assert "Accuracy" not in report("runs/writer")
