"""The command line: refusals and their messages, help, finding a checkpoint, output streams."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import contents, tiny_text, train, write_config

import charrnn
from charrnn.commands.cli import run
from charrnn.workers.mpi import ranks

COMMANDS = (
    *("init", "train", "sample", "eval", "predict", "inspect", "report", "plot", "export"),
    *("info", "bench"),
)
VIEWS = tuple(f"inspect {view}" for view in ("predictions", "surprise", "cells", "gradients"))
USAGE, ERROR = 2, 1

# A command line in a folder with tiny.yaml, text.txt, a finished run runs/tiny and an empty folder;
# its exit code; and what its message contains.
REFUSED: list[tuple[str, int, tuple[str, ...]]] = [
    ("trian tiny.yaml", USAGE, ("No such command 'trian'", "charrnn --help")),
    ("--verbose", USAGE, ("No such option", "--verbose")),
    (
        "train",
        USAGE,
        ("Missing argument 'CONFIG|TEXT...', as in charrnn train my-text.txt", "--help"),
    ),
    ("init", USAGE, ("Missing argument 'TEXT...', as in charrnn init my-text.txt",)),
    ("text.txt", USAGE, ("No such command 'text.txt'; did you mean charrnn train text.txt?",)),
    ("gone.csv --minutes 1", USAGE, ("did you mean charrnn train gone.csv?",)),
    ("runs/tiny", USAGE, ("did you mean charrnn sample runs/tiny?",)),
    ("generate --prime x", USAGE, ("did you mean charrnn sample?",)),
    ("help", USAGE, ("No such command 'help'; did you mean charrnn --help?",)),
    ("version", USAGE, ("did you mean charrnn --version?",)),
    ("inspect generate", USAGE, ("No such command 'generate'.",)),
    ("sample --temp 1", USAGE, ("No such option '--temp'; did you mean --temperature?\n",)),
    ("sample --top 3", USAGE, ("did you mean --top-k or --top-p?\n",)),
    ("train tiny.yaml --fast", USAGE, ("No such option", "--fast")),
    ("train tiny.yaml tiny.yaml", USAGE, ("tiny.yaml is a configuration; give it alone",)),
    ("train tiny.yaml --set", USAGE, ("--set", "requires an argument")),
    ("train tiny.yaml --resume --overwrite", USAGE, ("--resume", "--overwrite", "give one")),
    ("train tiny.yaml --set seed", ERROR, ("--set seed", "KEY=VALUE")),
    ("train tiny.yaml --set sed=1", ERROR, ("--set: sed: unknown key", "did you mean seed?")),
    ("train tiny.yaml --set seed=x", ERROR, ("--set: seed: 'x' is not a whole number",)),
    ("train gone.yaml", ERROR, ("gone.yaml: no such file",)),
    ("train gone.txt", ERROR, ("gone.txt: no such file", "name a text file")),
    ("train runs/tiny", ERROR, ("is a run, not a text", "train runs/tiny/config.yaml --resume")),
    (
        "train tiny.yaml",
        ERROR,
        ("runs/tiny: holds a run already", "--resume", "--overwrite", "--run-dir"),
    ),
    (
        "train runs/tiny/best.npz",
        ERROR,
        ("best.npz: is a checkpoint, not a conf", "config.yaml of its run", "sample", "eval"),
    ),
    ("train tiny.yaml --run-dir text.txt", ERROR, ("text.txt: is a file", "names a folder")),
    ("train tiny.yaml --run-dir text.txt/run", ERROR, ("text.txt/run: cannot be written",)),
    (
        "train tiny.yaml --run-dir new --init-from gone.npz",
        ERROR,
        ("gone.npz: no such file or folder", "name a checkpoint or a run folder"),
    ),
    ("train tiny.yaml --run-dir new --init-from empty", ERROR, ("empty: has no best.npz",)),
    ("train tiny.yaml --run-dir new --init-from tiny.yaml", ERROR, ("not a checkpoint",)),
    ("train tiny.yaml --run-dir new --set data.path=gone.txt", ERROR, ("gone.txt: no such file",)),
    (
        "train tiny.yaml --run-dir new --set train.batch_size=500",
        ERROR,
        ("text.txt: the training part has 540 characters", "train.batch_size 107"),
    ),
    (
        "train tiny.yaml --run-dir new --set model.hidden_size=100000000000000000000",
        ERROR,
        ("model.hidden_size",),
    ),
    ("sample --prime a --prime-file text.txt", USAGE, ("--prime", "--prime-file", "give one")),
    ("sample --prime-file gone.txt", ERROR, ("--prime-file gone.txt: cannot be read: No such",)),
    ("sample --prime-file .", ERROR, ("--prime-file .: cannot be read: Is a directory",)),
    ("sample --prime aQ", ERROR, ("prime: 'Q' (U+0051) at position 1", "--unknown skip")),
    ("sample --greedy --temperature 0.5", USAGE, ("--greedy", "--temperature", "give one")),
    ("sample --greedy --temperature 1", USAGE, ("--greedy", "--temperature", "give one")),
    ("sample --temperature -1", USAGE, ("--temperature", "-1 is not a number of at least 0")),
    ("sample --temperature nan", USAGE, ("--temperature", "nan")),
    ("sample --temperature inf", USAGE, ("--temperature", "inf")),
    ("sample --temperature abc", USAGE, ("--temperature", "'abc' is not a number of at least 0")),
    ("sample --top-p 0", USAGE, ("--top-p", "0 is not a number above 0 and at most 1")),
    ("sample --top-p 1.5", USAGE, ("--top-p", "1.5 is not a number above 0 and at most 1")),
    ("sample --top-p nan", USAGE, ("--top-p", "nan")),
    ("sample --top-k 0", USAGE, ("--top-k", "0 is not a whole number of at least 1")),
    ("sample --top-k 1.5", USAGE, ("--top-k", "1.5 is not a whole number of at least 1")),
    ("sample --length -1", USAGE, ("--length", "-1 is not a whole number of at least 0")),
    ("sample --num-samples 0", USAGE, ("--num-samples", "0 is not a whole number of at least 1")),
    ("sample --seed -1", USAGE, ("--seed", "-1 is not a whole number of at least 0")),
    ("sample --stop ''", USAGE, ("--stop", "at least one character")),
    ("sample --unknown ask", USAGE, ("--unknown", "'ask' is not one of 'error', 'skip'")),
    ("sample runs/tiny runs/tiny", USAGE, ("unexpected extra argument",)),
    ("sample gone", ERROR, ("gone: no such file or folder",)),
    ("sample gone.npz", ERROR, ("gone.npz: no such file or folder",)),
    ("sample empty", ERROR, ("empty: has no best.npz or last.npz",)),
    ("sample text.txt", ERROR, ("text.txt: is not a checkpoint, or a damaged one",)),
    ("sample text.npz", ERROR, ("text.npz: is not a checkpoint, or a damaged one",)),
    ("eval runs/tiny text.txt more", USAGE, ("too many arguments", "more")),
    ("eval text.txt --split valid", USAGE, ("--split", "give it or TEXT_FILE")),
    ("eval runs/tiny text.txt --split test", USAGE, ("--split", "give it or TEXT_FILE")),
    ("eval --split dev", USAGE, ("--split", "'dev' is not one of 'train', 'valid', 'test'")),
    ("eval --split test", ERROR, ("has no test part", "data.test_fraction is 0")),
    ("eval gone.txt", ERROR, ("gone.txt: no such text file, checkpoint or run",)),
    ("eval runs/tiny gone.txt", ERROR, ("gone.txt: no such text file",)),
    ("eval gone.npz", ERROR, ("gone.npz: no such file or folder",)),
    ("eval empty", ERROR, ("empty: has no best.npz or last.npz",)),
    ("eval text.npz", ERROR, ("text.npz: is not a checkpoint, or a damaged one",)),
    ("eval tiny.yaml", ERROR, ("tiny.yaml: ", "is not among the", "characters this model knows")),
    ("eval one.txt", ERROR, ("one.txt: has nothing to predict", "at least two")),
    ("info /dev/null", ERROR, ("/dev/null: is a pipe or a device, not a checkpoint",)),
    ("info gone", ERROR, ("gone: no such file or folder",)),
    ("info empty", ERROR, ("empty: has no best.npz or last.npz",)),
    ("info text.npz", ERROR, ("text.npz: is not a checkpoint, or a damaged one",)),
    ("info runs/tiny tiny.yaml", USAGE, ("unexpected extra argument",)),
    ("info --json", USAGE, ("No such option", "--json")),
    # What was probably meant.
    ("train text.txt --epochs 3", USAGE, ("did you mean --set train.max_epochs=3?",)),
    ("train text.txt --lr=1e-3", USAGE, ("did you mean --set train.learning_rate=1e-3?",)),
    ("train text.txt --seed 3", USAGE, ("did you mean --set seed=3?",)),
    ("train text.txt --hiden-size", USAGE, ("did you mean --set model.hidden_size=...?",)),
    ("train text.txt --resum", USAGE, ("did you mean --resume?",)),
    ("init text.txt --layers 3", USAGE, ("did you mean --set model.num_layers=3?",)),
    ("predict --prompt the", USAGE, ("the prompt is an argument: charrnn predict the\n",)),
    ("predict --prompt= a", USAGE, ("argument: charrnn predict PROMPT\n",)),
    ("sample --model runs/tiny", USAGE, ("the model is an argument: charrnn sample runs/tiny\n",)),
    ("eval --model runs/tiny", USAGE, ("the model is an argument: charrnn eval runs/tiny\n",)),
    ("sample --checkpoint a.npz", USAGE, ("checkpoint is an argument: charrnn sample a.npz\n",)),
    ("report --model runs/tiny", USAGE, ("the model is an argument: charrnn report runs/tiny\n",)),
    ("plot --checkpoint", USAGE, ("the checkpoint is an argument: charrnn plot CHECKPOINT\n",)),
    ("predict the --checkpoint a.npz", USAGE, ("did you mean --model a.npz?",)),
    ("predict the --run", USAGE, ("did you mean --model CHECKPOINT?",)),
    ("sample runs/tiny the", USAGE, ("--prime TEXT", "--prompt TEXT")),
    ("train tiny.yaml --set epochs=3", ERROR, ("(did you mean train.max_epochs?)",)),
    ("train tiny.yaml --set model.lr=3", ERROR, ("(did you mean train.learning_rate?)",)),
    (
        "train tiny.yaml --set data.features=a,b",
        ERROR,
        ("(did you mean data.feature_columns or data.features_path?)",),
    ),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, which the tests do not change."""
    place = tmp_path_factory.mktemp("place")
    write_config(place)
    config = str(place / "tiny.yaml")
    assert run(["train", config, "--run-dir", str(place / "runs" / "tiny")]) == 0
    (place / "empty").mkdir()
    (place / "text.npz").write_text(tiny_text())
    (place / "one.txt").write_text("a")
    return place


@pytest.fixture
def in_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`place`, as the current folder."""
    monkeypatch.chdir(place)
    return place


def split(command_line: str) -> list[str]:
    """Return the arguments as a shell passes them; '' is an empty one."""
    return ["" if word == "''" else word for word in command_line.split()]


@pytest.mark.parametrize(("line", "code", "words"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_refused(
    line: str,
    code: int,
    words: tuple[str, ...],
    in_place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is a message on stderr, nothing on stdout, and no file is written."""
    before = contents(in_place)
    assert run(split(line)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert all(word in err for word in words), err
    if code == ERROR:
        assert err.count("charrnn: error: ") == 1
    else:
        assert err.count("Error: ") == 1
    assert contents(in_place) == before


def test_a_usage_error_is_short_and_has_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["sample", "--\x1b[2J" + "9" * 10_000]) == USAGE
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert len(err) < 2500


def test_a_usage_error_is_wrapped_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--set", "a=1", "--size", "3"]
    assert run(words) == USAGE
    whole = capsys.readouterr().err
    assert max(map(len, whole.splitlines())) > 100
    monkeypatch.setattr("charrnn.system.terminal.terminal_columns", lambda _: 60)
    assert run(words) == USAGE
    found = capsys.readouterr().err
    assert max(map(len, found.splitlines())) < 60
    assert found.split() == whole.split()


@pytest.mark.parametrize("command", ["sample", "eval", "info"])
def test_no_run_found(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([command]) == ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: no run found under runs/ in the current folder; ")
    assert "charrnn train TEXT" in err


@pytest.mark.parametrize("command", [*COMMANDS, *VIEWS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help explains every option, and goes to stdout."""
    assert run([*command.split(), option]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: charrnn {command} ")
    options = re.findall(
        r"^  (?:-\w, )?(--[\w-]+)(?:, --\w+)*(.*(?:\n {10,}.*)*)",
        out.partition("\nOptions:\n")[2],
        re.MULTILINE,
    )
    assert "--help" in [name for name, _ in options]
    for name, rest in options:
        assert re.search(r"  [A-Z].*\.", rest, re.DOTALL), f"{name} is not explained"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    listed = re.findall(r"^  (\w+)  ", out.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("group", ["--help", "inspect --help"])
def test_each_command_has_a_summary_of_one_line(
    group: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Click cuts off a first sentence that does not fit into 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run(group.split()) == 0
    summaries = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(summaries) >= 4
    assert all(re.fullmatch(r"  \w+ +[A-Z].*[^.]\.", line) for line in summaries), summaries


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr() == (f"charrnn, version {charrnn.__version__}\n", "")


def test_training_writes_nothing_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, {"train.sample_length": 10, "train.validate_every": 5})
    out, err = capsys.readouterr()
    assert out == ""
    assert "finished: 20 steps" in err


def test_the_values_of_unset_keys_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, {"model.hidden_size": None, "train.warmup_steps": None})
    assert "chosen   hidden_size 128, warmup_steps 1\n" in capsys.readouterr().err


@pytest.mark.usefixtures("in_place")
def test_products_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """The text, the figures, the description; the seed and the checkpoint's name go to stderr."""
    assert run(["sample", "--prime", "the", "--length", "5"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"the[\s\S]{5}\n?", out)
    assert re.fullmatch(r"runs.tiny.best.npz\nseed \d+\n", err)
    assert run(["sample", "--prime", "the", "--length", "5", "--seed", err.split()[-1]]) == 0
    assert capsys.readouterr() == (out, "runs/tiny/best.npz\n")
    assert run(["eval"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [
        "characters",
        "nats/char",
        "bits/char",
        "perplexity",
    ]
    assert err == "runs/tiny/best.npz, validation part\n"
    assert run(["info"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("file        runs/tiny/best.npz (format 4")
    assert err == ""


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the path of the checkpoint that `info` describes."""
    assert run(["info", *arguments]) == 0
    return capsys.readouterr().out.split()[1]


def test_the_newest_run_is_the_one_with_the_newest_last_npz(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The times of the folder and of best.npz do not matter."""
    monkeypatch.chdir(tmp_path)
    for name, last_at, best_at in (("old", 100, 900), ("new", 300, 200), ("older", 50, 400)):
        shutil.copytree(place / "runs" / "tiny", tmp_path / "runs" / name)
        os.utime(f"runs/{name}/last.npz", (last_at, last_at))
        os.utime(f"runs/{name}/best.npz", (best_at, best_at))
    (tmp_path / "runs" / "without").mkdir()
    assert described(capsys) == "runs/new/best.npz"
    os.utime("runs/older/last.npz", (1000, 1000))
    assert described(capsys) == "runs/older/best.npz"
    for name in ("vanished", "odd"):
        (tmp_path / "runs" / name).mkdir()
    os.symlink(tmp_path / "nowhere", "runs/vanished/last.npz")
    os.mkfifo("runs/odd/last.npz")  # newer than any
    assert described(capsys) == "runs/older/best.npz"


def test_best_is_preferred_in_a_folder(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(place / "runs" / "tiny", "run")
    assert described(capsys, "run") == "run/best.npz"
    assert described(capsys, "run/last.npz") == "run/last.npz"
    os.unlink("run/best.npz")
    assert described(capsys, "run") == "run/last.npz"


def test_the_run_folder_is_named_after_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is runs/NAME in the current folder, for a configuration in any folder."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    config = write_config(tmp_path / "configs", {"train.max_steps": 1}, name="my.small")
    monkeypatch.chdir(tmp_path / "here")
    assert run(["train", str(config)]) == 0
    assert sorted(os.listdir("runs/my.small")) == [
        "best.npz",
        "config.yaml",
        "last.npz",
        "metrics.jsonl",
    ]


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("text", ["text.txt", "./text.txt"])
def test_a_single_argument_of_eval_may_be_the_text(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", text]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == f"characters  {len(tiny_text()) - 1}"
    assert err.startswith(f"runs/tiny/best.npz, {text}\n")
    assert run(["eval", "runs/tiny/last.npz", text]) == 0
    assert capsys.readouterr().err.startswith(f"runs/tiny/last.npz, {text}\n")


def test_a_closed_stream_is_no_error(tmp_path: Path) -> None:
    """A shell closes one with `2>&-`."""
    train(tmp_path)
    for closed in ("2>&-", ">&-"):
        command = f'"{sys.executable}" -m charrnn sample run --length 5 --greedy {closed}'
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_any_character_can_be_printed_anywhere(tmp_path: Path) -> None:
    """Output is UTF-8, also if the environment names another encoding."""
    (tmp_path / "text.txt").write_text("жук и жаба " * 60, encoding="utf-8")
    train(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "charrnn", "info", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert "' абжику'" in done.stdout.decode("utf-8")


def test_a_training_continues_when_the_reader_of_its_progress_goes_away(tmp_path: Path) -> None:
    """That happens with `2>&1 | head -1`."""
    write_config(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "charrnn", "train", "tiny.yaml"]
    done = subprocess.run(command, cwd=tmp_path, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert (tmp_path / "runs" / "tiny" / "last.npz").exists()


@pytest.mark.parametrize("command", ["inspect surprise", "eval --json", "sample", "info"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, command: str) -> None:
    """That happens with `| head -1`."""
    train(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "charrnn", *command.split(), "run"]
    done = subprocess.run(
        words, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.returncode == 0
    assert "rror" not in done.stderr


def test_resume_without_a_run_starts_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, None, "--resume")
    assert "nothing to resume here: starting a new run" in capsys.readouterr().err


def test_a_model_larger_than_the_memory_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, {"model.hidden_size": 2**20, "model.num_layers": 20})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "model.hidden_size 1048576" in error
    assert " GB" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command",
    [
        "sample",
        "eval",
        "info",
        "bench",
        "init text.txt",
        "inspect cells",
        "report",
        "plot -o c.png",
    ],
)
@pytest.mark.parametrize("mpi", ["PMI", "OMPI_COMM_WORLD"])
@pytest.mark.usefixtures("in_place")
def test_mpiexec_starts_no_command_but_train_several_times(
    command: str, mpi: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 prints the error; the others end without output."""
    monkeypatch.setenv(f"{mpi}_SIZE", "4")
    monkeypatch.setenv(f"{mpi}_RANK", "0")
    words = command.split()
    name = " ".join(words[: 2 if words[0] == "inspect" else 1])
    assert run(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"charrnn: error: mpiexec has started 4 processes, and charrnn {name} ")
    monkeypatch.setenv(f"{mpi}_RANK", "3")
    with pytest.raises(SystemExit, match="1"):
        run(words)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("size", ["1", "0", "", "many", "-4"])
@pytest.mark.usefixtures("in_place")
def test_an_invalid_number_of_ranks_is_ignored(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", size)
    assert run(["info"]) == 0
    assert ranks() is None


def test_a_run_without_a_checkpoint_has_its_own_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.jsonl").touch()
    assert run(["sample", str(tmp_path)]) == 1
    assert "its training has not written a checkpoint yet" in capsys.readouterr().err


def test_a_training_loss_with_dropout_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dropout, expected in ((0, False), (0.2, True)):
        (tmp_path / str(dropout)).mkdir()
        folder = train(tmp_path / str(dropout), {"model.dropout": dropout, "train.log_every": 5})
        capsys.readouterr()
        assert run(["info", str(folder / "last.npz")]) == 0
        line = next(
            one for one in capsys.readouterr().out.split("\n") if one.startswith("training")
        )
        assert line.endswith("bits), with dropout") is expected
