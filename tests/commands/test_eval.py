"""charrnn eval: the characters it scores, its output, its errors."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checkpoints import members_of, sealed
from plain_scoring import plain_loop
from support import tiny_text, train, write_config

import charrnn
from charrnn.commands.cli import run
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.load import load_corpus

TALES = Path(__file__).parents[2] / "data" / "tales.txt"


@pytest.fixture
def run_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A run with three splits, in runs/ of the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = train(tmp_path, {"data.valid_fraction": 0.2, "data.test_fraction": 0.1})
    (tmp_path / "runs").mkdir()
    folder = folder.rename(tmp_path / "runs" / "mine")
    capsys.readouterr()
    return folder


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> SimpleNamespace:
    """Run `charrnn eval --json` and return its figures."""
    assert run(["eval", "--json", *arguments]) == 0
    return SimpleNamespace(**json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("run_dir")
def test_stdout_gets_only_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    found = json.loads(captured.out)
    assert list(found) == ["chars", "loss_nats", "bits_per_char", "perplexity"]
    assert found["bits_per_char"] == pytest.approx(found["loss_nats"] / math.log(2))
    assert found["perplexity"] == pytest.approx(math.exp(found["loss_nats"]))
    assert str(Path("runs", "mine", "best.npz")) in captured.err
    assert "validation part" in captured.err


@pytest.mark.usefixtures("run_dir")
def test_the_text_of_the_training_gets_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    """A file of the text, or a copy; no split of it, and no other text."""
    text = Path("text.txt").read_text(encoding="utf-8")
    Path("copy.txt").write_text(text, encoding="utf-8")
    Path("other.txt").write_text(text[:100], encoding="utf-8")
    for arguments, noted in (
        (["text.txt"], 1),
        (["copy.txt"], 1),
        (["other.txt"], 0),
        ([], 0),
        (["--split", "train"], 0),
    ):
        assert run(["eval", *arguments]) == 0
        err = capsys.readouterr().err
        assert err.count("most of it was trained on") == noted
    Path("text.txt").write_text(text[:300], encoding="utf-8")  # no longer the same bytes
    assert run(["eval", "text.txt"]) == 0
    assert "most of it was trained on" in capsys.readouterr().err


@pytest.mark.usefixtures("run_dir")
def test_without_json_stdout_gets_one_figure_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys)
    assert run(["eval"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["characters", f"{found.chars:,}"],
        ["nats/char", f"{found.loss_nats:.4f}"],
        ["bits/char", f"{found.bits_per_char:.4f}"],
        ["perplexity", f"{found.perplexity:.3f}"],
    ]


@pytest.mark.parametrize(
    ("split", "start", "end"), [("train", 0, 420), ("valid", 420, 540), ("test", 540, 600)]
)
def test_every_character_of_a_split_is_scored(
    run_dir: Path, capsys: pytest.CaptureFixture[str], split: str, start: int, end: int
) -> None:
    found = figures(capsys, "--split", split)
    loaded = load_checkpoint(run_dir / "best.npz")
    costs = plain_loop(loaded.model(), load_corpus(loaded.config.data).codes, start, end)
    assert found.chars == len(costs) == end - max(start, 1)
    assert found.loss_nats == pytest.approx(sum(costs) / len(costs), abs=1e-3)


def test_the_default_is_the_validation_loss_of_the_training(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = figures(capsys)
    assert vars(found) == vars(figures(capsys, "--split", "valid"))
    best = load_checkpoint(run_dir / "best.npz").counters.best_loss_nats
    assert found.loss_nats == pytest.approx(best, rel=1e-6)


def test_which_argument_is_which(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or an .npz file is a model; any other single argument is a text."""
    text = Path("other")  # its name has no ending
    text.write_text(tiny_text(300), encoding="utf-8")
    last = str(run_dir / "last.npz")
    of_split, of_text = vars(figures(capsys)), vars(figures(capsys, "other"))
    assert of_split["chars"] == 120
    assert of_text["chars"] == 299
    assert vars(figures(capsys, str(run_dir))) == of_split
    assert vars(figures(capsys, last)) == of_split
    assert vars(figures(capsys, str(run_dir), "other")) == of_text
    assert vars(figures(capsys, last, "other")) == of_text
    model = charrnn.load(run_dir)
    assert model.score(tiny_text(300)).to_dict() == of_text


def test_a_text_is_read_as_the_training_text_was(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_dir.exists()
    Path("plain").write_bytes(b"in the blue\nbox\n")
    Path("other").write_bytes(b"\xef\xbb\xbfin the blue\r\nbox\r")
    assert vars(figures(capsys, "other")) == vars(figures(capsys, "plain"))


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "has nothing to predict"),
        (b"a", "has nothing to predict"),
        (b"in the Box", "'B' (U+0042) at position 7 is not among the "),
        (b"in \xff", "byte 3 (0xff) is not utf-8"),
        (None, "no such text file, checkpoint or run"),
    ],
)
def test_a_text_that_cannot_be_scored_is_refused(
    capsys: pytest.CaptureFixture[str], raw: bytes | None, problem: str
) -> None:
    if raw is not None:
        Path("other.txt").write_bytes(raw)
    assert run(["eval", "other.txt"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"charrnn: error: other.txt: {problem}")
    assert captured.out == ""


def test_a_text_may_come_from_standard_input(
    run_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = b"\xef\xbb\xbfin the blue\r\nbox\r"
    Path("other").write_bytes(raw)
    for arguments in ([], [str(run_dir)]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        assert figures(capsys, *arguments, "-") == figures(capsys, *arguments, "other")


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "has nothing to predict"),
        (None, "has nothing to predict"),
        (b"in the Box", "'B' (U+0042) at position 7 is not among the "),
        (b"in \xff", "byte 3 (0xff) is not utf-8"),
    ],
)
def test_standard_input_that_cannot_be_scored_is_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raw: bytes | None,
    problem: str,
) -> None:
    closed = raw is None  # by the parent process
    monkeypatch.setattr(sys, "stdin", None if closed else io.TextIOWrapper(io.BytesIO(raw or b"")))
    assert run(["eval", "-"]) == 1
    assert capsys.readouterr().err.startswith(f"charrnn: error: standard input: {problem}")


@pytest.mark.usefixtures("run_dir")
def test_unknown_characters_are_skipped_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other").write_text("Yin theZ Bbox", encoding="utf-8")
    Path("known").write_text("in the box", encoding="utf-8")
    assert run(["eval", "other"]) == 1
    error = capsys.readouterr().err
    assert "'Y' (U+0059) at position 0 is not among the " in error
    assert error.endswith("; --unknown skip leaves such characters out\n")
    assert run(["eval", "other", "--unknown", "skip", "--json"]) == 0
    captured = capsys.readouterr()
    assert "left out: 3 characters that the model does not know\n" in captured.err
    of_rest = json.loads(captured.out)
    assert of_rest == vars(figures(capsys, "known"))
    model = charrnn.load()
    assert model.score("Yin theZ Bbox", skip_unknown=True).to_dict() == of_rest
    Path("other").write_text("YZB", encoding="utf-8")
    assert run(["eval", "other", "--unknown", "skip"]) == 1
    assert (
        "other: has nothing to predict; at least two characters that this model knows are"
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    "change",
    [lambda text: text + "a", lambda text: text[:-1], str.swapcase, lambda text: text[::-1]],
    ids=["longer", "shorter", "other characters", "same characters"],
)
def test_the_splits_of_a_changed_text_are_refused(
    capsys: pytest.CaptureFixture[str], change: object
) -> None:
    assert callable(change)
    text = Path("text.txt")
    text.write_text(change(text.read_text(encoding="utf-8")), encoding="utf-8")
    assert run(["eval", "--split", "valid"]) == 1
    captured = capsys.readouterr()
    assert "text.txt: has changed since the training" in captured.err
    assert "name a text file to score it whole" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("split", "other"), [("valid", "train"), ("test", "valid")])
def test_an_empty_split_is_refused_with_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, other: str
) -> None:
    folder = train(tmp_path, {f"data.{split}_fraction": 0})
    capsys.readouterr()
    assert run(["eval", str(folder), "--split", split]) == 1
    error = capsys.readouterr().err
    assert f"text.txt: has no {split} part (data.{split}_fraction is 0)" in error
    assert "choose another part, or name a text file" in error
    assert figures(capsys, str(folder), "--split", other).chars > 0
    assert figures(capsys, str(folder), str(tmp_path / "text.txt")).chars == 599


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize(
    "arguments", [["a", "b", "c"], ["text.txt", "--split", "test"], ["--split", "all"]]
)
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["eval", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_standard_input_without_an_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    monkeypatch.setattr("charrnn.text.files._UNSIZED", 2000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a bee " * 500)))
    capsys.readouterr()
    assert run(["eval", str(run_dir), "-"]) == 1
    assert "standard input: has more than 0 MB and may have no end" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize(("chars", "cut"), [(10**6, [500_000, 700_000]), (600, [1, 600])])
def test_cuts_that_do_not_fit_the_text_are_no_bug(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    chars: int,
    cut: list[int],
    split: str,
) -> None:
    """A checkpoint may come from anywhere; its digest says only that it is complete."""
    folder = train(tmp_path)
    for name in ("best.npz", "last.npz"):
        members = members_of(folder / name)
        meta = json.loads(str(members["meta"])) | {"text_chars": chars, "cut_points": cut}
        np.savez(folder / name, **sealed(members | {"meta": np.array(json.dumps(meta))}))
    assert run(["eval", str(folder), "--split", split]) in (0, 1)
    assert "Error" not in capsys.readouterr().err
    config = write_config(tmp_path, {"train.max_steps": 25})
    assert run(["train", str(config), "--run-dir", str(folder), "--resume"]) in (0, 1)
    assert "Error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "train ~/tiny.yaml --run-dir=~/other",
        "sample ~/runs/mine --length 3 --prime-file=~/short.txt",
        "eval ~/runs/mine",
        "eval ~/text.txt",
        "eval ~/runs/mine ~/text.txt",
        "inspect surprise ~/runs/mine",
        "inspect gradients ~/runs/mine ~/text.txt",
        "info ~/runs/mine",
        "report ~/runs/mine -o ~/page.html",
        "init ~/text.txt --minutes 1",
    ],
)
def test_every_path_may_begin_with_the_home_folder(
    words: str, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell replaces ~ only at the beginning of a word."""
    home = run_dir.parents[1]
    (home / "short.txt").write_text("bee", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert run(words.split()) == 0
    assert not list(home.glob("~*"))
    assert all((home / file).exists() for file in re.findall(r"~/(\S+)", words))


@pytest.mark.usefixtures("run_dir")
@pytest.mark.parametrize("words", ["sample --prime", "inspect predictions --text"])
@pytest.mark.parametrize(("escape", "name"), [(r"\n", "newline"), (r"\t", "tab")])
def test_a_backslash_and_a_letter_get_advice(
    words: str, escape: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*words.split(), f"bee{escape}bee"]
    assert run(command) == 1
    err = capsys.readouterr().err
    assert f"{words.split()[-1]}: {escape} is a backslash and a letter here" in err
    assert f"write a {name} as $'{escape}' in the shell" in err
    assert ("--escapes" in err) is ("--prime" in words)
    assert run([*command, "--unknown", "skip"]) == 0
