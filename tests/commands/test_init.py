"""charrnn init: its summary of the text, the configuration it writes, training with that."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import text_sizes, tiny_text

import charrnn.planning.proposal
from charrnn.commands.cli import run
from charrnn.config.reader import load_config, override_defaults
from charrnn.planning.proposal import propose
from charrnn.runs.metrics import read_metrics
from charrnn.text.files import find_files
from charrnn.text.load import load_corpus
from charrnn.training.recipe import MOST_EPOCHS, fill_defaults, filled_keys
from charrnn.workers.group import WorkerGroup


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charrnn.planning.proposal, "_MEASURED_S", 0.01)
    Path("tales.txt").write_text(tiny_text(20_000), encoding="utf-8")


def written(path: str) -> dict[str, Any]:
    """Return the values of a configuration file by dotted key."""
    sections = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {f"{name}.{key}": v for name, keys in sections.items() for key, v in keys.items()}


def test_it_writes_a_configuration_that_trains(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "tales.txt", "--minutes", "0.05"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        "tales.txt: 20,000 characters, 17 distinct; 601 lines with a median of 32 characters" in err
    )
    assert "charrnn train tales.yaml" in err
    text = Path("tales.yaml").read_text(encoding="utf-8")
    assert text.startswith("# tales.txt: 20,000 characters")
    assert "path: tales.txt\n" in text
    config = load_config("tales.yaml")
    filled = fill_defaults(config, text_sizes(20_000, config.data), 17)
    # All but one, which depends on the direction of prompts and replies, are in the file.
    assert filled_keys(config, filled) == dict.fromkeys(
        ("train.valid_chars", "train.prompt_weight", "train.early_weight"), 0
    )
    assert run(["train", "tales.yaml", "--set", "train.sample_length=0"]) == 0
    (last,) = [r for r in read_metrics(Path("runs/tales/metrics.jsonl")) if r["split"] == "valid"][
        -1:
    ]
    assert last["loss_nats"] < 2.5  # guessing is 2.83


def test_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "tales.txt", "--minutes", "0.01", "-o", "-"]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["data"]["path"] == "tales.txt"
    assert err == "measuring this machine for some seconds\n"
    assert not Path("tales.yaml").exists()


def test_a_path_is_relative_to_the_configuration_file() -> None:
    Path("configs").mkdir()
    assert run(["init", "tales.txt", "--minutes", "0.01", "-o", "configs/my.yaml"]) == 0
    assert written("configs/my.yaml")["data.path"] == "../tales.txt"
    assert load_config("configs/my.yaml").data.path == str(Path("tales.txt").absolute())


@pytest.mark.parametrize(
    "name",
    [
        "a b: #'c\".txt",
        "new\nline.txt",
        "next\x85line.txt",
        "separated\u2028line.txt",
        "none\uffff.txt",
        "no-utf8\udcff.txt",
        "~[b]\\.txt",
        "蜂 é.txt",
    ],
)
def test_any_name_of_a_text_is_read_back(name: str) -> None:
    Path(name).write_text(tiny_text(2_000), encoding="utf-8")
    for path in (name, f"./{name}"):
        assert run(["init", path, "--minutes", "0.01", "-o", "my.yaml", "--overwrite"]) == 0
        assert load_config("my.yaml").data.path == str(Path(name).absolute())


@pytest.mark.parametrize("folder", ["~", "~root"])
def test_a_folder_named_like_a_home_is_not_expanded(folder: str) -> None:
    Path(folder).mkdir()
    text = Path(folder, "t.txt")
    text.write_text(tiny_text(2_000), encoding="utf-8")
    assert run(["init", f"./{text}", "--minutes", "0.01", "-o", "my.yaml"]) == 0
    assert load_config("my.yaml").data.path == str(text.absolute())


def test_several_texts_and_globs() -> None:
    Path("b.txt").write_text(tiny_text(5_000), encoding="utf-8")
    assert run(["init", "tales.txt", "b.txt", "--minutes", "0.01", "-o", "two.yaml"]) == 0
    assert written("two.yaml")["data.path"] == ["tales.txt", "b.txt"]
    assert run(["init", "*.txt", "--minutes", "0.01", "-o", "all.yaml"]) == 0
    assert written("all.yaml")["data.path"] == "*.txt"


def test_a_glob_in_a_folder_named_like_a_glob_is_written_as_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It survives another name of the folder."""
    Path("x[1]").mkdir()
    Path("tales.txt").rename("x[1]/tales.txt")
    monkeypatch.chdir("x[1]")
    assert run(["init", "*.txt", "--minutes", "0.01", "-o", "all.yaml"]) == 0
    assert written("all.yaml")["data.path"] == "*.txt"
    assert run(["train", "all.yaml", "--set", "train.max_steps=1"]) == 0
    assert " *.txt: 20,000 characters" in capsys.readouterr().err
    Path("../x[1]").rename("../y")
    texts = find_files(load_config("all.yaml").data.path)
    assert [Path(text).name for text in texts] == ["tales.txt"]


def test_a_file_named_like_a_glob_is_one_text() -> None:
    Path("a[1]*.txt").write_text(tiny_text(2_000), encoding="utf-8")
    assert run(["init", "a[1]*.txt", "--minutes", "0.01"]) == 0
    assert load_config("a[1]*.yaml").data.path == str(Path("a[1]*.txt").absolute())


def test_long_values_have_no_comments_beside_them() -> None:
    folder = Path("f" * 60)
    folder.mkdir()
    (folder / "t.txt").write_text(tiny_text(2_000), encoding="utf-8")
    fraction = "data.valid_fraction=0.12345678901234568"
    assert run(["init", f"{folder}/t.txt", "--minutes", "0.01", "--set", fraction]) == 0
    assert written("t.yaml")["data.valid_fraction"] == 0.12345678901234568


def test_the_chosen_values_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["model.hidden_size=48", "model.dropout=0.125", "train.max_steps=2345678"]
    arguments = [word for one in given for word in ("--set", one)]
    assert run(["init", "tales.txt", "--minutes", "0.01", *arguments]) == 0
    err = capsys.readouterr().err
    assert "mogrifier 2 x 48, dropout 0.125, weight dropout 0.5, " in err
    assert "2,345,678 steps of training: about" in err


def fix_speed(monkeypatch: pytest.MonkeyPatch, training: float, scoring: float) -> None:
    proposal = charrnn.planning.proposal
    monkeypatch.setattr(proposal, "_training_speed", lambda *_: training)
    monkeypatch.setattr(proposal, "_speed", lambda *_: proposal.Speed(training, scoring))


def test_more_minutes_make_it_larger_or_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_speed(monkeypatch, 50_000.0, 200_000.0)
    trained = []
    for minutes in ("0.01", "0.1", "1"):
        assert run(["init", "tales.txt", "--minutes", minutes, "--overwrite"]) == 0
        keys = written("tales.yaml")
        epochs = keys.get("train.max_epochs", 0)
        trained.append((keys["model.hidden_size"], epochs))
    assert [size for size, _ in trained] == sorted(size for size, _ in trained)
    assert [size**2 * epochs for size, epochs in trained] == sorted(
        {size**2 * epochs for size, epochs in trained}
    )


def test_given_values_are_written() -> None:
    sets = ["model.cell=gru", "train.clip_norm=2", "seed=7", "data.tokens=byte"]
    arguments = [word for one in sets for word in ("--set", one)]
    assert run(["init", "tales.txt", "--minutes", "0.01", *arguments]) == 0
    config = load_config("tales.yaml")
    assert (config.model.cell, config.train.clip_norm, config.seed) == ("gru", 2.0, 7)
    assert config.data.tokens == "byte"


def test_less_than_an_epoch_is_a_number_of_steps() -> None:
    Path("large.txt").write_text(tiny_text(400_000), encoding="utf-8")
    assert run(["init", "large.txt", "--minutes", "0.001"]) == 0
    keys = written("large.yaml")
    assert "train.max_epochs" not in keys
    assert 1 <= keys["train.validate_every"] <= keys["train.max_steps"]


@pytest.mark.parametrize("minutes", [0.3, 2, 10, 60])
@pytest.mark.parametrize("chars_per_s", [2_000, 60_000])
def test_the_estimate_is_the_given_minutes(
    minutes: float, chars_per_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The speed is fixed; a small text gets at most MOST_EPOCHS."""
    fix_speed(monkeypatch, chars_per_s, 4 * chars_per_s)
    proposal = propose(override_defaults(text="tales.txt"), minutes)
    train = proposal.config.train
    assert proposal.most_epochs is (train.max_epochs == MOST_EPOCHS)
    assert proposal.estimated_s <= 1.1 * 60 * minutes
    if train.max_epochs != MOST_EPOCHS:
        assert proposal.estimated_s >= 0.75 * 60 * minutes
    read = (
        train.max_epochs * 18_000 if train.max_epochs else train.max_steps * train.batch_size * 80
    )
    assert proposal.estimated_s == pytest.approx(1 + read / chars_per_s, rel=0.15)


def test_max_minutes_sizes_a_model_like_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.planning.proposal, "_training_speed", lambda *_: 50_000.0)
    sizes = {
        propose(override_defaults(overrides, text="tales.txt"), minutes).config.model.hidden_size
        for overrides, minutes in [
            (["train.max_minutes=0.2"], None),
            (["train.max_minutes=0.2"], 10),
            (["train.max_minutes=0.2"], 0.01),
            ([], 0.2),
        ]
    }
    assert len(sizes) == 1
    assert propose(override_defaults(text="tales.txt"), 10).config.model.hidden_size > max(sizes)


@pytest.mark.parametrize("limit", ["max_steps=7", "max_epochs=2", "max_minutes=0.01"])
def test_a_given_limit_is_kept(limit: str) -> None:
    name, value = limit.split("=")
    minutes = [] if name == "max_minutes" else ["--minutes", "0.01"]
    assert run(["init", "tales.txt", *minutes, "--set", f"train.{limit}"]) == 0
    keys = written("tales.yaml")
    assert keys[f"train.{name}"] == float(value)
    others = {"train.max_steps", "train.max_epochs", "train.max_minutes"} - {f"train.{name}"}
    assert not others & keys.keys()


REFUSED: dict[str, tuple[list[str], str]] = {
    "a file that exists": (["tales.txt", "-o", "short.txt"], "--overwrite replaces it"),
    "a device": (["tales.txt", "-o", "/dev/null", "--overwrite"], "is a pipe or a device"),
    "the text itself": (["tales.txt", "-o", "./tales.txt", "--overwrite"], "is the text itself"),
    "the text by another path": (["tales.txt", "-o", "folder/../tales.txt"], "is the text itself"),
    "one of the texts": (["t*.txt", "-o", "tales.txt", "--overwrite"], "is the text itself"),
    "a file without a name": (["tales.txt", "short.txt", "-o", ""], "is not a path"),
    "a glob that matches nothing": (["none*"], "no file matches; name a text file"),
    "another text": (
        ["tales.txt", "--set", "data.path=x.txt"],
        "--set: data.path: name the text as the argument for it",
    ),
    "a pipe": (["fifo"], "fifo: is not a file that a training can read again"),
    "several without a name": (["tales.txt", "short.txt"], "-o FILE names the file to write"),
    "a glob without a name": (["*.txt"], "-o FILE names the file to write"),
    "a folder": (["tales.txt", "-o", "folder", "--overwrite"], "folder: is a folder"),
    "no such text": (["none.txt"], "none.txt: no such file; name a text file"),
    "no such folder": (["tales.txt", "-o", "none/my.yaml"], "there is no folder none"),
    "an unknown key": (["tales.txt", "--set", "model.size=3"], "model.size: unknown key"),
    "an empty text": (["empty.txt"], "the text is empty"),
    "too short a text": (["short.txt"], "short.txt: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.txt").touch()
    Path("short.txt").write_text("ab")
    Path("folder").mkdir()
    os.mkfifo("fifo")
    arguments, problem = REFUSED[name]
    before = sorted(path.name for path in Path().iterdir())
    assert run(["init", *arguments]) == 1
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == before


@pytest.mark.parametrize("minutes", ["0", "-1", "soon"])
def test_minutes_must_be_above_zero(minutes: str) -> None:
    assert run(["init", "tales.txt", "--minutes", minutes]) == 2


def test_minutes_and_max_minutes_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["init", "tales.txt", "--minutes", "5", "--set", "train.max_minutes=0.01"]
    assert run(command) == 2
    assert "--minutes and train.max_minutes both set a time; give one" in capsys.readouterr().err


def test_a_semicolon_in_a_name_stays_in_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "a; b.txt"]) == 1
    assert "a; b.txt: no such file; name a text file" in capsys.readouterr().err


# Records.


def _names() -> str:
    rng = random.Random(3)
    parts = ("ka", "ro", "mi", "n", "el", "sha", "t")
    names = ["".join(rng.choices(parts, k=rng.randint(2, 6))) for _ in range(3000)]
    return "\n".join([*names, "x" * 40]) + "\n"


def test_a_list_becomes_records(capsys: pytest.CaptureFixture[str]) -> None:
    text = _names()
    Path("names.txt").write_text(text)
    assert run(["init", "names.txt", "--minutes", "0.05"]) == 0
    err = " ".join(capsys.readouterr().err.split())
    lines = text.split()
    assert f"names.txt: 3,001 records of {sum(map(len, lines)):,} characters (13 distinct)" in err
    repeats = len(lines) - len(set(lines))
    median = sorted(map(len, lines))[1500]
    assert f", {repeats:,} of them repeats; a median of {median} characters each, 40 in" in err
    reason = (
        f"3,001 lines with a median of {median} characters: a list; data.records line "
        "(--set data.records=null reads one text)"
    )
    assert reason in err
    config = load_config("names.yaml")
    assert config.data.records == "line"
    assert f" {config.train.batch_size} records x " in err
    assert " symbols/s" in err
    text = Path("names.yaml").read_text()
    assert f"# {reason}.\n" in text
    for comment in ("records side by side", "drawn by a digest", "a new order of the records"):
        assert f"# {comment}" in text or f", {comment}" in text or f": {comment}" in text
    for wrong in ("parallel streams", "end of the text", "new cuts"):
        assert wrong not in text
    assert run(["train", "names.yaml", "--set", "train.max_steps=1"]) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert re.search(r"split 2,\d+ train, \d+ valid, 0 test records", err)
    assert re.search(r" of \d+ records x \d+ symbols, ", err)


def test_blocks_become_records(capsys: pytest.CaptureFixture[str]) -> None:
    cards = [f"name: {one}\ncost: {n % 7}\n" for n, one in enumerate(_names().split()[:200])]
    Path("cards.txt").write_text("\n".join(cards))
    assert run(["init", "cards.txt", "--minutes", "0.01"]) == 0
    assert "200 blocks between blank lines with a median of 2 lines" in capsys.readouterr().err
    assert load_config("cards.yaml").data.records == "paragraph"


@pytest.mark.parametrize("value", ["null", "paragraph", "line"])
def test_what_is_set_decides(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("names.txt").write_text(_names().replace("\nka", "\n\nka"))
    arguments = ["--minutes", "0.01", "--set", f"data.records={value}"]
    assert run(["init", "names.txt", *arguments]) == 0
    assert "a list" not in capsys.readouterr().err
    assert written("names.yaml")["data.records"] == (None if value == "null" else value)


def test_running_text_stays_one_text() -> None:
    assert run(["init", "tales.txt", "--minutes", "0.01"]) == 0
    assert "data.records" not in written("tales.yaml")


def test_the_same_file_is_written_again_but_for_the_speed() -> None:
    Path("names.txt").write_text(_names())
    files = []
    for _ in range(2):
        assert run(["init", "names.txt", "--overwrite"]) == 0
        files.append(re.sub(r"about .* on this machine \(.*\)", "", Path("names.yaml").read_text()))
    assert files[0] == files[1]


@pytest.mark.parametrize("minutes", [0.3, 2])
def test_the_estimate_for_records_counts_their_symbols(
    minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("names.txt").write_text(_names())
    fix_speed(monkeypatch, 10_000.0, 40_000.0)
    proposal = propose(override_defaults(["data.records=line"], text="names.txt"), minutes)
    corpus = load_corpus(proposal.config.data)
    train = proposal.config.train
    windows = corpus.training_windows(train, 1)
    epoch = sum(windows.weight(step) for step in range(windows.windows))
    steps = train.max_steps or train.max_epochs * windows.windows
    read = epoch * steps / windows.windows
    assert proposal.estimated_s == pytest.approx(1 + read / 10_000, rel=0.15)
    assert 0.6 * 60 * minutes <= proposal.estimated_s <= 1.1 * 60 * minutes


def test_of_prompts_and_replies_validations_score_the_replies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each prompt here is nine times as long as its reply, with their ends."""
    rows = "".join(f"{n:017d}|{n % 10}\n" for n in range(2_000))
    Path("pairs.txt").write_text(rows, encoding="utf-8")
    fix_speed(monkeypatch, 10_000, 1_000)
    sets = ["data.records=line", "data.prompt_separator=|"]
    sets += ["train.max_epochs=3", "train.validate_every=epoch"]
    proposal = propose(override_defaults(sets, text="pairs.txt"))
    corpus = load_corpus(proposal.config.data)
    start, end = corpus.split("valid")
    assert proposal.config.train.valid_chars == 0
    assert proposal.validation_s == 3 * 2 * (end - start) / 1_000


def test_scoring_is_measured_on_the_validation_part(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("names.txt").write_text(_names())
    config = override_defaults(["data.records=line"], text="names.txt")
    corpus = load_corpus(config.data)
    parts = []
    original = WorkerGroup.score_windows

    def noted(group: WorkerGroup, start: int, end: int) -> Any:
        parts.append((start, end))
        return original(group, start, end)

    monkeypatch.setattr(WorkerGroup, "score_windows", noted)
    propose(config, 0.01)
    assert set(parts) == {corpus.split("valid")}


def test_a_validation_text_of_its_own_needs_no_fraction() -> None:
    Path("valid.txt").write_text(tiny_text(300))
    assert run(["init", "tales.txt", "--minutes", "0.1", "--set", "data.valid_path=valid.txt"]) == 0
    text = Path("tales.yaml").read_text()
    assert "valid_path: valid.txt  # for validation" in text
    assert "valid_fraction" not in text
