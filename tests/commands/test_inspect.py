"""charrnn inspect: its output in a pipe, on a terminal and as JSON; what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import reciting, wandering
from support import tiny_text, train

from charrnn.commands.cli import run
from charrnn.inspection.colours import ACTIVATION, NATS, coloured_lines
from charrnn.inspection.glyphs import display_width, token_glyphs
from charrnn.kernels import CELLS
from charrnn.runs.checkpoint import save_checkpoint
from charrnn.text.vocabulary import Vocabulary

ANSI = re.compile(r"\x1b\[[\d;]*m")
LONG = {"data.path": "long.txt", "train.max_steps": 60, "data.valid_fraction": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of each cell, on a text with lines."""
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    for cell in CELLS:
        (folder / "runs").mkdir(exist_ok=True)
        train(folder, LONG | {"model.cell": cell, "model.num_layers": 2}).rename(
            folder / "runs" / cell
        )
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command prints."""
    assert run(["inspect", *arguments]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the one JSON object that a command prints."""
    out = printed(capsys, *arguments, "--json")
    assert out.count("\n") == 1
    return json.loads(out)


def test_predictions_of_a_model_that_knows_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "m.npz", reciting("hel\no"))
    arguments = ["predictions", str(tmp_path / "m.npz"), "--text", "hel\nl", "--top", "2"]
    header, *rows = printed(capsys, *arguments).splitlines()
    assert header.split() == ["after", "next", "rank", "likeliest"]
    assert [row.split()[:5] for row in rows[:4]] == [
        ["↵", "h", "0.0000", "4", "o"],  # a text is read after a newline
        ["h", "e", "1.0000", "1", "✓"],
        ["e", "l", "1.0000", "1", "✓"],
        ["l", "↵", "1.0000", "1", "✓"],
    ]
    assert "✓" not in rows[4]  # the model expects o after a newline
    assert [row.split()[-4] for row in rows] == ["o", "e", "l", "↵", "o", "↵"]
    assert len(rows) == 6
    found = as_json(capsys, *arguments)["predictions"]
    assert [one["after"] for one in found] == ["\n", "h", "e", "l", "\n", "l"]
    assert [one["rank"] == 1 for one in found] == [False, True, True, True, False, False]
    assert found[4]["likeliest"][0] == {"character": "o", "probability": pytest.approx(1)}
    assert found[5]["actual"] is None


@pytest.mark.parametrize("text", ["hel", "h蜂"])
def test_many_predictions_fit_the_width(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "m.npz", wandering("helo abcdfgijkmnpqrst\n\u0301蜂"))
    arguments = ["predictions", str(tmp_path / "m.npz"), "--text", text, "--top", "20"]
    out = printed(capsys, *arguments)
    assert 70 < max(map(display_width, out.splitlines())) <= 80
    glyphs = re.findall(r"  (\S+) \d\.\d{3}(?!\d)", out)
    rows = [set(glyphs[k : k + 20]) for k in range(0, len(glyphs), 20)]
    assert [len(row) for row in rows] == [20] * (1 + len(text))


def test_predictions_read_line_ends_as_in_the_training_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "m.npz")
    for data, after in (({}, "\ne\n\n"), ({"newlines": "keep"}, "\ne\r\n\r")):
        save_checkpoint(tmp_path / "m.npz", reciting("e\r\n", **data))
        found = as_json(capsys, "predictions", path, "--text", "e\r\n\r")["predictions"]
        assert "".join(one["after"] for one in found) == after


def test_predictions_of_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "m.npz", reciting("aé", tokens="byte"))
    arguments = ["predictions", str(tmp_path / "m.npz"), "--text", "aé", "--top", "1"]
    assert "\\xc3" in printed(capsys, *arguments)
    assert [one["actual"] for one in as_json(capsys, *arguments)["predictions"]] == [195, 169, None]


@pytest.mark.parametrize("text", [[], ["long.txt"], ["--split", "train"]], ids=str)
def test_the_mean_surprise_is_that_of_eval(
    text: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "surprise", "runs/gru", *text)
    assert run(["eval", "runs/gru", *text, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6)
    nats = [one for one in found["nats"] if one is not None]
    assert len(nats) == found["chars"]
    assert np.mean(nats) == pytest.approx(found["loss_nats"], abs=1e-4)
    assert f"mean {found['loss_nats']:.4f} nats/char" in printed(
        capsys, "surprise", "runs/gru", *text
    )


def test_the_most_surprising_characters_have_their_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = as_json(capsys, "surprise", "runs/lstm", "--top", "4")
    text = Path("long.txt").read_text(encoding="utf-8")
    assert [one["nats"] for one in found["surprising"]] == sorted(
        (one for one in found["nats"] if one), reverse=True
    )[:4]
    header, *rows = printed(capsys, "surprise", "runs/lstm", "--top", "4").splitlines()[-5:]
    assert header.endswith("line   nats  [character] and the text around it")
    assert len({row.index("[") for row in rows}) == 1
    for one, row in zip(found["surprising"], rows, strict=True):
        place = one["place"]
        assert one["character"] == text[place]
        before, after = text[:place], text[place + 1 :]
        assert before.endswith(one["before"])
        assert after.startswith(one["after"])
        for cut in (before.removesuffix(one["before"])[-1:], after[len(one["after"]) :][:1]):
            assert not cut.strip()  # no word is cut
        assert 25 <= len(one["before"] + one["after"]) <= 38
        assert one["line"] == text[:place].count("\n") + 1
        number, nats, words = row.split(maxsplit=2)
        assert (number, nats) == (f"{one['line']:,}", f"{one['nats']:.2f}")
        character = one["character"].replace(" ", "␣")
        assert words == f"{one['before']}[{character}]{one['after']}".replace("\n", "↵")


@pytest.mark.parametrize(("text", "widest"), [("words", 58), ("我", 60), ("é", 60), ("\u0301", 60)])
def test_the_table_of_surprising_characters_fits_60_columns(
    text: str, widest: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = "".join(sorted({*text, " ", "x"}))
    for tokens in ("char", "byte"):
        save_checkpoint(tmp_path / "m.npz", wandering(letters, tokens=tokens))
        (tmp_path / "t.txt").write_text((text * 30 + " x") * 40, encoding="utf-8")
        arguments = ["surprise", str(tmp_path / "m.npz"), str(tmp_path / "t.txt"), "--length", "0"]
        rows = printed(capsys, *arguments).splitlines()[2:]
        assert 45 < max(map(display_width, rows)) <= widest
        coloured = printed(capsys, *arguments, "--colour", "always").splitlines()[2:]
        assert coloured != rows
        assert [ANSI.sub("", row) for row in coloured] == rows


def test_a_pipe_gets_marks_below_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "surprise", "runs/rnn", "--length", "200", "--top", "0")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    text = Path("long.txt").read_text(encoding="utf-8")[2000:2200]
    lines = [line.removesuffix("↵") for line in out.splitlines()[2:-2]]
    assert [line for line in lines if line and not set(line) <= set(" 12346")] == [
        line for line in text.split("\n") if line
    ]


@pytest.mark.parametrize(
    ("choice", "environment", "coloured"),
    [("auto", {}, False), ("always", {}, True), ("always", {"NO_COLOR": "1"}, True)],
)
def test_colours_in_a_pipe(
    choice: str,
    environment: dict[str, str],
    coloured: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = printed(capsys, "surprise", "runs/rnn", "--length", "50", "--colour", choice)
    assert ("\x1b[48;5;" in out) is coloured
    assert out.count("\x1b[48") == out.count("\x1b[0m")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_no_color_turns_colours_off_on_a_terminal(
    environment: dict[str, str],
    coloured: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    out = printed(capsys, "surprise", "runs/rnn", "--length", "50")
    assert ("\x1b[48;5;" in out) is coloured


def test_a_coloured_text_is_the_text() -> None:
    text = "ab\t\x1b[31m漢字 é\u0301\n" * 3
    vocabulary = Vocabulary.from_pieces([np.array([ord(c) for c in text])], "char")
    codes = vocabulary.encode(vocabulary.symbols_of(text), "")
    glyphs = token_glyphs(vocabulary, spaces=False)
    assert {display_width(glyph) for glyph in glyphs} == {1, 2, 8}
    values = np.linspace(-1, 7, len(text))
    for scale in (NATS, ACTIVATION):
        coloured = list(coloured_lines(codes, values, vocabulary, scale, columns=9, coloured=True))
        plain = list(coloured_lines(codes, values, vocabulary, scale, columns=9, coloured=False))
        without_marks = [line for line in plain if not set(line) <= set(scale.marks)]
        for lines in (coloured, without_marks):
            shown = "".join(ANSI.sub("", line) for line in lines)
            assert shown.replace(" ", "").startswith("ab⇥␛[31m漢字é<U+0301>↵ab⇥")
        assert all(display_width(ANSI.sub("", line)) <= 9 for line in [*coloured, *plain])
        assert "\x1b[31m" not in "".join(ANSI.sub("", line) for line in coloured)


def test_a_long_line_is_cut_between_words() -> None:
    text = "the bees hum in a\nvery-very-long box"
    vocabulary = Vocabulary.from_pieces([np.array([ord(c) for c in text])], "char")
    codes = vocabulary.encode(vocabulary.symbols_of(text), "")
    lines = coloured_lines(codes, np.zeros(len(text)), vocabulary, NATS, columns=11, coloured=False)
    assert [*lines] == ["the bees ", "hum in a↵", "very-very-l", "ong box"]


def test_nan_has_neither_colour_nor_mark() -> None:
    assert NATS.coloured("a", float("nan")) == "a"
    assert (NATS.mark(float("nan")), NATS.mark(0.5), NATS.mark(9)) == (" ", " ", "6")
    for scale in (NATS, ACTIVATION):
        sizes = {len(scale.backgrounds), len(scale.marks), len(scale.labels), len(scale.bounds) + 1}
        assert len(sizes) == 1


@pytest.mark.parametrize("columns", [60, 80])
def test_a_legend_names_each_step(columns: int) -> None:
    plain = NATS.legend(coloured=False, columns=columns)
    assert plain == "nats: unmarked: <1, 1: 1-2, 2: 2-3, 3: 3-4, 4: 4-6, 6: >6"
    for scale in (NATS, ACTIVATION):
        assert scale.quantity in scale.legend(coloured=True, columns=columns)
        for coloured in (True, False):
            shown = ANSI.sub("", scale.legend(coloured, columns))
            assert max(map(display_width, shown.splitlines())) <= columns
            places = [shown.index(label) for label in scale.labels]
            assert places == sorted(places)
        legend = scale.legend(coloured=True, columns=columns)
        for value in (-9.0, *(bound + 0.1 for bound in scale.bounds)):
            level = scale.level(value)
            assert level is not None
            assert scale.coloured(f" {scale.labels[level]} ", value) in legend


def test_units_that_track_a_feature(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "cells", "runs/lstm")["units"]
    assert [abs(one["r"]) for one in found] == sorted(
        (abs(one["r"]) for one in found), reverse=True
    )
    by_name = {one["follows"]: one for one in found}
    assert {"inside a word", "position in the line"} <= by_name.keys()
    assert "inside quotes" not in by_name  # this text has none
    assert abs(by_name["inside a word"]["r"]) > 0.3
    assert {one["state"] for one in found} <= {"h", "c"}
    out = printed(capsys, "cells", "runs/lstm", "--top", "2")
    assert f"{found[0]['r']:+.3f}" in out
    strong, weak = out.split("\nweak:\n")
    assert all(abs(float(r)) >= 0.3 for r in re.findall(r"[+-]0\.\d{3}", strong))
    assert all(abs(float(r)) < 0.3 for r in re.findall(r"[+-]0\.\d{3}", weak))
    of_layer = as_json(capsys, "cells", "runs/lstm", "--layer", "0", "--state", "c")["units"]
    assert {(one["layer"], one["state"]) for one in of_layer} == {(0, "c")}
    assert "this text lacks, or has in too few places: inside quotes, inside brackets, " in out
    command = re.search(r"charrnn (inspect cells .*)", out)
    assert command
    view = printed(capsys, *command[1].split()[1:])
    assert f"layer {found[0]['layer']}, {found[0]['state']} {found[0]['unit']}" in view


@pytest.mark.parametrize("places", [18, 10, 8, 0])
def test_a_feature_in_too_few_places_is_not_listed(
    places: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path("long.txt").read_text(encoding="utf-8").split("\n")[:60]
    words = [line.replace(" ", "\n", 1) for line in lines]
    for line in [*range(10), *range(50, 50 + places // 2)]:
        words[line] = " a\n" + words[line]  # two places
    Path("words.txt").write_text("\n".join(words))
    listed = as_json(capsys, "cells", "runs/gru", "words.txt")["units"]
    present = "indentation" in {one["follows"] for one in listed}
    out = printed(capsys, "cells", "runs/gru", "words.txt")
    rows = out.split("\n\n")
    assert present is ("indentation" in rows[0]) is ("indentation" not in rows[1])
    assert present is (places >= 10)


def test_the_activation_of_one_unit(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "cells", "runs/lstm", "--unit", "3", "--layer", "0", "--state", "c")
    assert (found["layer"], found["state"], found["unit"]) == (0, "c", 3)
    assert len(found["activations"]) == 2000
    assert found["activations"][-1] is None
    assert None not in found["activations"][:-1]
    out = printed(capsys, "cells", "runs/lstm", "--unit", "3", "--length", "60")
    assert out.startswith("layer 1, h 3; 1 stands for 1.00\n")


def test_gradients_by_lag(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gradients", "runs/rnn", "runs/lstm", "runs/gru", "--lags", "20", "--losses", "7"]
    found = as_json(capsys, *arguments)
    assert found["lags"] == list(range(1, 21))
    assert [(c["cell"], c["layer"], c["state"]) for c in found["curves"]] == [
        *(("rnn", layer, "h") for layer in (0, 1)),
        *(("lstm", layer, state) for layer in (0, 1) for state in ("h", "c")),
        *(("gru", layer, "h") for layer in (0, 1)),
    ]
    for curve in found["curves"]:
        low, median, high = (
            np.array(curve[name]) for name in ("lower_quartile", "median", "upper_quartile")
        )
        assert (low <= median).all()
        assert (median <= high).all()
        assert (low > 0).all()
    rows = printed(capsys, *arguments).splitlines()
    assert max(map(len, rows)) <= 80
    assert rows[0].split() == ["lag", "1", "lag", "2", "lag", "5", "lag", "10", "lag", "20"]
    assert f"{found['curves'][0]['median'][0]:.1e}" in rows[2]
    assert sum("█" in row for row in rows) >= 1


def test_gradients_fit_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows = printed(capsys, "gradients", "runs/lstm", "--losses", "7").splitlines()
    assert rows[0].split() == ["lag", "1", "lag", "5", "lag", "20", "lag", "100"]
    assert 50 < max(len(row) for row in rows if "logarithmic" not in row) <= 60


REFUSED: dict[str, tuple[int, str]] = {
    "predictions runs/rnn": (2, "Missing option '--text'"),
    "predictions runs/rnn --text ''": (1, "--text: is empty"),
    "predictions runs/rnn --text €": (1, "this model knows; --unknown skip leaves such"),
    "predictions runs/rnn --text € --unknown skip": (
        1,
        "--text: has none of the characters",
    ),
    "predictions none --text a": (1, "none: no such file or folder"),
    "surprise runs/rnn long.txt --split test": (
        2,
        "--split selects a part of the model's own text",
    ),
    "surprise runs/rnn --split test": (1, "has no test part"),
    "surprise a b c": (2, "too many arguments"),
    "cells runs/rnn --layer 2": (2, "this model has layers 0 to 1"),
    "cells runs/rnn --unit 8": (2, "a layer has units 0 to 7"),
    "cells runs/rnn --unit 1 --layer 2": (2, "this model has layers 0 to 1"),
    "cells runs/rnn --unit 1 --state c": (2, "this model has h"),
    "gradients runs/rnn --lags 4000": (1, "--lags 3999 is the most"),
    "gradients runs/rnn -o g.bmp": (1, "name a file that ends in .png, .svg, .pdf or .gif"),
    "gradients runs/rnn runs/gru -": (2, "- can be read once"),
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = REFUSED[command]
    words = [word.replace("''", "") for word in command.split()]
    assert run(["inspect", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_gradients_go_as_far_back_as_a_short_text_allows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("twenty.txt").write_text("hums in the blue box")
    found = as_json(capsys, "gradients", "runs/rnn", "twenty.txt")
    assert found["lags"] == list(range(1, 20))
    both = as_json(capsys, "gradients", "runs/rnn", "runs/gru", "twenty.txt", "--losses", "3")
    assert {len(one["median"]) for one in both["curves"]} == {19}
    assert as_json(capsys, "gradients", "runs/rnn")["lags"] == list(range(1, 101))


def test_a_text_too_short_for_correlations(capsys: pytest.CaptureFixture[str]) -> None:
    Path("short.txt").write_text("hums in the blue box")
    assert run(["inspect", "cells", "runs/rnn", "short.txt"]) == 1
    assert "short.txt: is too short" in capsys.readouterr().err
    assert run(["inspect", "surprise", "runs/rnn", "short.txt"]) == 0


def test_the_examples_fit_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["inspect", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.split("\n"))) < 60
