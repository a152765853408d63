"""charrnn train TEXT: proposes a configuration as init does, and trains with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import contents, tiny_text, train

from charrnn.commands.cli import run
from charrnn.config.reader import load_config

QUICK = ["--minutes", "0.5s", "--set", "model.hidden_size=8", "--set", "train.max_steps=3"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a text and a list."""
    monkeypatch.chdir(tmp_path)
    Path("tales.txt").write_text(tiny_text(3000), encoding="utf-8")
    words = [f"{a}{b}{c}{d}" for a in "bcdfg" for b in "aeiou" for c in "klmnr" for d in "aeiou"]
    Path("names.txt").write_text("\n".join(words), encoding="utf-8")


def files() -> list[str]:
    return [name for name, data in contents(Path()).items() if data is not None]


def test_only_the_run_is_written(capsys: Capture) -> None:
    """What is chosen is printed: how the text is read, the model and the time."""
    assert run(["train", "names.txt", *QUICK]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "a list; data.records line" in err
    assert "3 steps of training: about " in err
    assert [name for name in files() if not name.startswith("runs/names/")] == [
        "names.txt",
        "tales.txt",
    ]
    assert load_config("runs/names/config.yaml").data.records == "line"


def test_it_trains_what_init_proposes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same configuration, and to the bit the same run."""
    monkeypatch.setattr("charrnn.planning.proposal._training_speed", lambda *_: 1e6)
    quick = [*QUICK[:2], "--set", "train.max_steps=3"]
    assert run(["init", "tales.txt", *quick]) == 0
    assert run(["train", "tales.yaml", "--run-dir", "runs/config"]) == 0
    assert run(["train", "tales.txt", *quick]) == 0
    one, other = (Path("runs", name) for name in ("config", "tales"))
    assert load_config(one / "config.yaml") == load_config(other / "config.yaml")
    losses: list[Any] = [
        [
            json.loads(line).get("loss_nats")
            for line in (path / "metrics.jsonl").read_text().splitlines()
        ]
        for path in (one, other)
    ]
    assert losses[0] == losses[1]


def test_resume_takes_the_runs_own_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """It proposes nothing, and starts where there is no run yet."""
    assert run(["train", "tales.txt", *QUICK, "--resume"]) == 0
    monkeypatch.setattr("charrnn.planning.proposal.propose", None)
    capsys.readouterr()
    assert run(["train", "tales.txt", "--resume", "--set", "train.max_steps=5"]) == 0
    assert "continuing from step 3" in capsys.readouterr().err
    assert run(["train", "tales.txt", "--resume", "--minutes", "90s"]) == 2
    err = capsys.readouterr().err
    assert "--minutes sizes a new run, and runs/tales is one already" in err
    command = err.strip().rpartition("with: charrnn ")[2].split()
    assert command == ["train", "tales.txt", "--resume", "--set", "train.max_minutes=1.5"]
    assert run(command) == 0
    assert run(["train", "names.txt", "--resume", "--run-dir", "runs/tales"]) == 1
    assert "text" in capsys.readouterr().err


def test_a_run_that_is_there_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert run(["train", "tales.txt", *QUICK]) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("charrnn.planning.proposal.propose", None)
        assert run(["train", "tales.txt", *QUICK]) == 1
    assert "runs/tales: holds a run already; --resume continues it" in capsys.readouterr().err
    assert run(["train", "tales.txt", *QUICK, "--overwrite"]) == 0


def test_several_texts_need_the_name_of_a_run(capsys: Capture) -> None:
    assert run(["train", "tales.txt", "names.txt", *QUICK]) == 1
    assert "--run-dir DIR names the folder of the run" in capsys.readouterr().err
    assert run(["train", "tales.txt", "names.txt", *QUICK, "--run-dir", "runs/both"]) == 0
    assert len(load_config("runs/both/config.yaml").data.path) == 2


def test_weights_of_another_run_bring_their_shape() -> None:
    """Nothing is measured, and the time is a limit."""
    train(Path(), {"data.path": "tales.txt"})
    command = ["train", "tales.txt", "--minutes", "1m", "--init-from", "run"]
    assert run([*command, "--set", "train.max_steps=2"]) == 0
    config = load_config("runs/tales/config.yaml")
    assert config.model.hidden_size == load_config("run/config.yaml").model.hidden_size
    assert config.train.max_minutes == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("tales.yaml --minutes 3", "--minutes is for a TEXT"),
        ("tales.yaml names.txt", "tales.yaml is a configuration; give it alone, or texts"),
        ("tiny", "tiny: no such text; did you mean tiny.yaml?"),
        ("mine.conf", "mine.conf looks like a configuration, whose name ends in .yaml"),
    ],
)
def test_wrong_usage(words: str, problem: str, capsys: Capture) -> None:
    Path("tiny.yaml").write_text("data: {path: tales.txt}")
    Path("mine.conf").write_text("# Mine.\ndata:\n  path: tales.txt\n")
    assert run(["train", *words.split()]) == 2
    assert problem in capsys.readouterr().err


def test_a_folder_is_a_text() -> None:
    Path("texts").mkdir()
    Path("tales.txt").rename("texts/a.txt")
    Path("names.txt").rename("texts/b.txt")
    assert run(["train", "texts", *QUICK, "--set", "data.records=null"]) == 0
    assert Path("runs/texts/last.npz").exists()


def test_the_way_to_the_other_direction_is_an_option(capsys: Capture) -> None:
    """There is no file with a # as init writes it."""
    kinds = ["late", "early", "never"]
    rows = [f"{kinds[k % 3]},the {k} bus of line {k * 7} in {k}th street" for k in range(120)]
    Path("buses.csv").write_text("\n".join(["my kind,news", *rows]), encoding="utf-8")
    assert run(["train", "buses.csv", *QUICK]) == 0
    err = capsys.readouterr().err
    other = ["data.prompt_column=my kind", "data.reply_column=news"]
    assert f"my kind -> news with --set '{other[0]}' --set {other[1]}" in err
    assert "#" not in err
    sets = [word for one in other for word in ("--set", one)]
    assert run(["train", "buses.csv", *QUICK, *sets, "--overwrite"]) == 0
    assert load_config("runs/buses/config.yaml").data.reply_column == "news"


def test_the_way_to_features_and_labels_is_an_option(capsys: Capture) -> None:
    rows = [f"the {k} bus of line {k * 7},{k / 7:.3f},{k * k / 3:.3f}" for k in range(120)]
    Path("buses.csv").write_text("\n".join(["news,red,blue", *rows]), encoding="utf-8")
    assert run(["train", "buses.csv", *QUICK]) == 0
    err = capsys.readouterr().err
    assert "red, blue can be given with --set 'data.feature_columns=[red, blue]'\n" in err
    Path("kinds").mkdir()
    names = Path("names.txt").read_text(encoding="utf-8").split("\n")
    for number in range(2):
        Path("kinds", f"kind{number}.txt").write_text("\n".join(names[number::2]))
    assert run(["train", "kinds", *QUICK]) == 0
    assert "label -> line with --set data.label_as=prompt" in capsys.readouterr().err
