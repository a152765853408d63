"""Commands with a model of features: what they print, and what they refuse."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import train
from training.test_features import LABELS, RUN, make_table

import charrnn
from charrnn.commands.cli import run

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, and runs: texts of features, labels, and lists with a file of them."""
    folder = tmp_path_factory.mktemp("commands")
    make_table(folder)
    (folder / "runs").mkdir()
    train(folder, RUN).rename(folder / "runs" / "texts")
    train(folder, {**RUN, **LABELS}).rename(folder / "runs" / "labels")
    rows = [line.split(",") for line in (folder / "t.csv").read_text().splitlines()[1:]]
    (folder / "list.txt").write_text("\n".join(row[0] for row in rows))
    (folder / "pairs.txt").write_text("\n".join(f"{row[2]}={row[4]}" for row in rows))
    np.save(folder / "f.npy", [[float(row[3]), float(row[1])] for row in rows])
    keys = {**RUN, "data.reply_column": None, "data.feature_columns": None}
    keys |= {"data.records": "line", "data.path": "list.txt"}
    # A path of --set is relative to the current folder.
    file = ("--set", f"data.features_path={folder / 'f.npy'}")
    train(folder, keys, *file).rename(folder / "runs" / "list")
    pairs = {"data.path": "pairs.txt", "data.prompt_separator": "="}
    train(folder, keys | pairs, *file).rename(folder / "runs" / "pairs")
    return folder


@pytest.fixture
def said(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Return a function that runs a command in the folder; it returns code, stdout and stderr."""
    monkeypatch.chdir(runs)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([*arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.mark.parametrize(
    ("newest", "argument", "meant"),
    [
        ("list", "70,-0.9", "--features 70,-0.9"),
        ("list", "new name", "--features X,Y,... --prime 'new name'"),
        ("pairs", "new", "--features X,Y,... --prompt new"),
        ("pairs", "70,-0.9", "--features 70,-0.9 --prompt TEXT"),
    ],
)
def test_a_text_or_features_given_as_a_checkpoint(
    newest: str, argument: str, meant: str, said: Said
) -> None:
    os.utime(f"runs/{newest}/last.npz", (time.time() + 60,) * 2)
    code, _, err = said("sample", argument)
    os.utime(f"runs/{newest}/last.npz")
    assert (code, f"did you mean {meant}?\n" in err) == (1, True)


def test_sample_writes_from_features(said: Said) -> None:
    code, out, _ = said("sample", "runs/texts", "--features", "70,-0.9", "--seed", "1", "-n", "3")
    model = charrnn.load("runs/texts")
    expected = [one.text for one in model.sample_records(3, features=[70, -0.9], seed=1)]
    assert (code, out.splitlines()) == (0, expected)
    other = [one.text for one in model.sample_records(3, features=[130, 0.9], seed=1)]
    assert other != expected
    code, out, _ = said("sample", "runs/list", "--features", "70,-9e-1", "--seed", "1", "--json")
    assert json.loads(out)["text"] == charrnn.load("runs/list").sample(features=[70, -0.9], seed=1)


@pytest.mark.parametrize("name", ["texts", "labels", "list"])
def test_a_part_scored_as_a_file_has_the_same_scores(said: Said, name: str) -> None:
    """With the scale of the training, and each record with its own features."""
    code, out, _ = said("eval", f"runs/{name}", "--each", "--json")
    assert code == 0
    own = [json.loads(line) for line in out.splitlines()]
    assert 20 < len(own) < 80
    if name == "list":
        code, out, _ = said("eval", "runs/list", "--json")
        assert json.loads(out)["nats_per_record"] * len(own) == pytest.approx(
            sum(one["nats"] for one in own), rel=1e-4
        )
        return
    code, out, _ = said("eval", f"runs/{name}", "t.csv", "--each", "--json")
    whole = [json.loads(line) for line in out.splitlines()]
    assert (code, len(whole)) == (0, 240)

    def key(one: dict[str, object]) -> tuple[object, ...]:
        return one.get("text"), one.get("prompt"), one.get("reply"), round(float(one["nats"]), 3)  # type: ignore[arg-type]

    assert {key(one) for one in own} <= {key(one) for one in whole}


def test_predict_reads_features_of_a_table_and_of_an_option(said: Said) -> None:
    code, out, _ = said("predict", "--file", "t.csv", "--model", "runs/labels", "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, len(answers)) == (0, 240)
    assert answers[0]["columns"].keys() == {"name", "y", "x", "kind"}
    for one in answers[:5]:
        prompt, x = one["prompt"], one["columns"]["x"]
        alone = said("predict", prompt, "--features", x, "--model", "runs/labels", "--json")
        (reply,) = json.loads(alone[1])["replies"]
        assert reply["probability"] == pytest.approx(one["replies"][0]["probability"], rel=1e-4)
    code, out, _ = said("predict", "abc", "--features", "70,0.5", "--model", "runs/pairs")
    assert (code, out[:4]) == (0, "abc\t")


def test_predict_needs_no_prompt_where_the_model_has_none(said: Said) -> None:
    """The likeliest texts for features, of an option or of a table, in its order."""
    model = charrnn.load("runs/texts")
    code, out, _ = said("predict", "--features", "70,-0.9", "--model", "runs/texts", "--top", "3")
    rows = [line.split("\t") for line in out.splitlines()]
    (expected,) = model.predict(features=[[70, -0.9]], top=3)
    assert (code, [row[1] for row in rows]) == (0, [one.text for one in expected])
    assert [row[0] for row in rows] == ["70,-0.9"] * 3
    scores = model.score_records([row[1] for row in rows], features=[[70, -0.9]] * 3)
    assert [float(row[2]) for row in rows] == pytest.approx(
        [math.exp(-one.nats) for one in scores], abs=1e-4
    )
    code, out, _ = said("predict", "--file", "t.csv", "--model", "runs/texts")
    rows = [line.split("\t") for line in out.splitlines()]
    features = [[float(one) for one in row[0].split(",")] for row in rows]
    assert (code, len(rows)) == (0, 240)
    assert [row[1] for row in rows] == [one.text for (one,) in model.predict(features=features)]
    with pytest.raises(charrnn.CharRNNError, match="reads features alone"):
        model.predict(["a"], features=[[70, -0.9]])


def test_info_and_the_summary_name_features(said: Said) -> None:
    code, out, _ = said("info", "runs/texts")
    assert code == 0
    scale = charrnn.load("runs/texts").scale
    assert scale is not None
    (x, y), (a, b) = scale.mean, scale.std
    assert f"features    2: x {x:.4g} ± {a:.4g}, y {y:.4g} ± {b:.4g}\n" in out
    assert "  features.W   (2, 24)\n" in out
    assert "features    2: 1 " in said("info", "runs/list")[1]
    config = ["--set", "train.max_steps=1", "--run-dir", "runs/summary", "--overwrite"]
    assert "distinct), 2 features each" in said("train", "runs/texts/config.yaml", *config)[2]


def test_inspect_reads_features(said: Said) -> None:
    out = said("eval", "runs/texts", "--json")[1]
    surprise = said("inspect", "surprise", "runs/texts", "--json")[1]
    assert json.loads(surprise)["loss_nats"] == pytest.approx(json.loads(out)["loss_nats"])
    text = ["--text", "low left", "--features", "70,-0.9", "--json", "--top", "99"]
    out = said("inspect", "predictions", "runs/texts", *text)[1]
    found = json.loads(out)["predictions"]
    score = charrnn.load("runs/texts").score("low left", features=[70, -0.9]).nats
    read = [-np.log(one["probability"]) for one in found[:-1]]
    last = next(p["probability"] for p in found[-1]["likeliest"] if p["character"] == "")
    assert sum(read) - np.log(last) == pytest.approx(score, rel=1e-4)
    for view in ("cells", "gradients"):
        assert said("inspect", view, "runs/texts")[0] == 0


REFUSED = {
    "sample runs/texts": (
        "features: this model reads 2 features (x, y), and there are none; --features X,Y,... gives"
    ),
    "sample runs/texts --features 1": "features: this model reads 2 features (x, y), and there are",
    "sample runs/texts --features 1,inf": "features[1]: inf is not finite",
    "sample runs/texts --features 1,a": "'1,a' is not a list of numbers, as in 0.8,0.1,0.3.",
    "sample runs/texts --features 1,,2": "'1,,2' is not a list of numbers",
    "sample runs/list": "this model reads 2 features, and there are none; --features",
    "predict abc --model runs/labels": "this model reads 1 feature (x), and there are none; --feat",
    "predict abc --features 1,2 --model runs/texts": "PROMPT: this model reads features alone",
    "predict --features 1 --model runs/labels": "this model replies to prompts, and there is none",
    "predict --file t.csv --features 1 --model runs/labels": "--features is for PROMPTs; a --file",
    "predict --file pairs.txt --model runs/pairs": (
        "pairs.txt: has no features, and this model reads those of data.features_path with each pr"
    ),
    "eval runs/list list.txt": (
        "list.txt: has no features, and this model reads those of data.features_path, a row for ea"
    ),
    "inspect predictions runs/texts --text low": "this model reads 2 features (x, y), and there ar",
    "eval runs/texts list.txt": "this model reads the columns 'x' and 'y' and 'name'",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_refused(said: Said, command: str) -> None:
    code, out, err = said(*command.split())
    assert code in (1, 2)
    assert out == ""
    assert REFUSED[command] in " ".join(err.split())


def test_changed_features_are_refused(said: Said) -> None:
    values = np.load("f.npy")
    try:
        np.save("f.npy", values[::-1])
        code, _, err = said("eval", "runs/list")
        assert code == 1
        assert "has changed since the training, and its parts with it, or its features have" in err
        more = ("--resume", "--set", "train.max_steps=30")
        code, _, err = said("train", "runs/list/config.yaml", *more)
        assert code == 1
        assert "its characters or features have changed" in err
    finally:
        np.save("f.npy", values)
    assert said("eval", "runs/list")[0] == 0


def test_fine_tuning_says_which_features_it_keeps(said: Said) -> None:
    command = ["train", "runs/texts/config.yaml", "--init-from", "runs/texts", "--overwrite"]
    command += ["--run-dir", "runs/tuned", "--set", "train.max_steps=2"]
    assert "features kept: 2, of 2" in said(*command)[2]
    assert "features kept: 1, of 1" in said(*command, "--set", "data.feature_columns=[x]")[2]
    none = ("data.feature_columns=null", "data.valid_fraction=0")
    assert "features kept: 0, of 0" in said(*command, *(w for n in none for w in ("--set", n)))[2]
