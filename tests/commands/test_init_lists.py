"""charrnn init for lines with a separator, and for folders of lists."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from invented import (
    MOVIES,
    RNG,
    as_csv,
    clause,
    data_in,
    lines_of,
    swapped,
    title,
)

from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.text.load import load_corpus

pytestmark = pytest.mark.usefixtures("invented_here")


def test_lines_may_have_a_file_of_features() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefg" for b in "hijklm" for c in "nopq"]
    Path("t.txt").write_text("\n".join(words))
    np.save("f.npy", np.arange(len(words))[:, None])
    assert run(["init", "t.txt", "--minutes", "0.01", "--set", "data.features_path=f.npy"]) == 0
    assert data_in("t.yaml")["features_path"] == "f.npy"
    assert load_corpus(load_config("t.yaml").data).F == 1


# Lines with a separator -> the text, the separator that is proposed, and words of the messages.
SEPARATED: dict[str, tuple[str, str, str]] = {
    "arrows": (
        lines_of(lambda k: f"{clause()} => {clause()} {k}"),
        " => ",
        "120 lines with ' => ' between prompt and reply: data.records line\nlearned: text before "
        "' => ' -> text after it (data.prompt_separator: null does not divide lines)",
    ),
    "arrows without blanks": (lines_of(lambda k: f"{k} {clause()}->{clause()}"), "->", "'->'"),
    "a label behind a bar": (
        lines_of(lambda k: f"{clause()} | {'xyz'[k % 3]}"),
        " | ",
        "learned: text -> label (3 values), as accuracy can be measured",
    ),
    "labels before a colon": (
        lines_of(lambda k: f"{('negative', 'positive')[k % 2]}: {clause()}{':' * (k < 5)}"),
        ": ",
        "learned: label (2 values) -> text; for text -> label, exchange the sides",
    ),
    "labels behind a colon": (
        lines_of(lambda k: f"{clause()}: {('bad', 'Good')[k % 2]}"),
        ": ",
        "learned: text -> label (2 values)",
    ),
    "labels behind a semicolon": (
        lines_of(lambda k: f"{clause()}; {'xyz'[k % 3]}"),
        "; ",
        "text -> label (3 values)",
    ),
}


@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize("name", SEPARATED)
def test_lines_with_a_separator(name: str, tokens: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, separator, words = SEPARATED[name]
    Path("t.txt").write_text(text)
    command = ["init", "t.txt", "--minutes", "0.01", "--set", f"data.tokens={tokens}"]
    assert run(command) == 0
    assert words in capsys.readouterr().err
    found = data_in("t.yaml")
    assert (found["records"], found["prompt_separator"]) == ("line", separator)
    corpus = load_corpus(load_config("t.yaml").data)
    assert sum(corpus.starts >= 0) == 120
    sets = ["--set", "data.prompt_separator=null", "--overwrite"]
    assert run([*command, *sets]) == 0
    assert data_in("t.yaml").get("prompt_separator") is None


# Lines that are no pairs, or perhaps are not -> the text, and the doubt.
NOT_SEPARATED = {
    "a conversation": (
        lines_of(lambda k: f"{('Ann', 'Bob')[k % 2]}: {clause()}"),
        "120 lines begin with one of 2 values and ': ', as in a conversation or a log; "
        "data.prompt_separator: ': ' reads pairs of a label and a text",
    ),
    "a chat": (lines_of(lambda k: f"{('user', 'bot')[k % 2]}: {clause()}"), "as in a conversation"),
    "a log": (lines_of(lambda k: f"{('INFO', 'ERROR')[k % 2]}: {clause()}"), "or a log"),
    "an arrow is missing": (
        lines_of(lambda k: f"{clause()}{', ' if k in (6, 9) else ' => '}{clause()} {k}"),
        "120 lines may be pairs with ' => ' between them, but 2 lines lack it, the first of them "
        "line 7; data.prompt_separator: ' => ' reads pairs, once these are complete",
    ),
    "keys, all different": (lines_of(lambda k: f"key{k}: {clause()}"), ""),
    "sentences with colons": (lines_of(lambda k: f"{clause()}: {clause()} {k}."), ""),
    "few arrows": (lines_of(lambda k: f"{clause()}{' -> ' if k % 2 else ', '}{clause()}"), ""),
}


@pytest.mark.parametrize("name", NOT_SEPARATED)
def test_lines_that_may_be_a_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, doubt = NOT_SEPARATED[name]
    Path("t.txt").write_text(text)
    assert run(["init", "t.txt", "--minutes", "0.01"]) == 0
    err = capsys.readouterr().err
    assert doubt in err
    assert bool(doubt) == ("reads pairs" in err)
    assert data_in("t.yaml") == {}


def test_blocks_of_fields_are_no_pairs() -> None:
    Path("t.txt").write_text(lines_of(lambda k: f"name: {title()}\ncost: {k % 7}\n", 60))
    assert run(["init", "t.txt", "--minutes", "0.01"]) == 0
    assert data_in("t.yaml") == {"records": "paragraph"}


# Folders.


def write_lists(folder: str = "names", *others: str) -> None:
    """Write lists of names, each with its label as the name of the file."""
    Path(folder).mkdir(exist_ok=True)
    parts = {"Czech": ("ova", "ek", "nov"), "Korean": ("kim", "lee", "o"), "Few": ("x", "yz", "w")}
    for label, some in parts.items():
        names = ["".join(RNG.choices(some, k=RNG.randint(2, 5))) for _ in range(200)]
        Path(folder, f"{label}.txt").write_text("\n".join(names[: 30 if label == "Few" else 200]))
    for other in others:
        Path(folder, other).write_text("".join(f"{clause()}. {clause()}.\n\n" for _ in range(60)))


@pytest.mark.parametrize("argument", ["names", "names/", "names/*.txt"])
def test_a_folder_of_lists(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_lists()
    Path("names/.hidden").write_bytes(b"\xff")
    Path("names/more").mkdir()
    assert run(["init", argument, "--minutes", "0.01", "-o", "my.yaml"]) == 0
    err = capsys.readouterr().err
    assert "lists, each with its label as the name of its file: data.label_from file\n" in err
    assert "learned: line -> label, as accuracy can be measured; label -> line is in the" in err
    keys = {"records": "line", "label_from": "file", "label_as": "reply", "split_by": "prompt"}
    assert data_in("my.yaml") == keys
    assert yaml.safe_load(Path("my.yaml").read_text())["data"]["path"] == "names/*.txt"
    other = {"label_as": "prompt", "split_by": "reply"}
    assert data_in(swapped("my.yaml")) == keys | other
    for path in ("my.yaml", "swapped.yaml"):
        assert run(["train", path, "--set", "train.max_steps=2", "--run-dir", path[:-5]]) == 0


def test_a_folder_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists("my [x] names")
    assert run(["init", "my [x] names", "--minutes", "0.01"]) == 0
    assert "\nmy [x] names: 430 records" in capsys.readouterr().err
    assert load_config("my [x] names.yaml").data.label_from == "file"
    assert len(load_corpus(load_config("my [x] names.yaml").data).labels.replies) == 3


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["label_as=prompt"], {"label_as": "prompt", "label_from": "file", "records": "line"}),
        (["label_from=file"], {"label_as": "reply", "label_from": "file", "records": "line"}),
        (["records=line"], {"records": "line"}),
        (["label_from=null"], {"label_from": None}),
        (["records=null"], {"records": None}),
    ],
)
def test_what_is_set_decides_about_a_folder(sets: list[str], expected: dict[str, Any]) -> None:
    write_lists()
    arguments = [word for one in sets for word in ("--set", f"data.{one}")]
    assert run(["init", "names", "--minutes", "0.01", *arguments]) == 0
    found = data_in("names.yaml")
    assert {key: one for key, one in found.items() if key != "split_by"} == expected


def test_a_folder_of_texts_is_one_text(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists("texts", "one.txt", "two.txt")
    assert run(["init", "texts", "--minutes", "0.01"]) == 0
    assert "label" not in capsys.readouterr().err
    assert data_in("texts.yaml") == {}


def test_a_folder_of_files_with_many_lines_may_be_labels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("authors").mkdir()
    for author in ("poe", "twain"):
        Path(f"authors/{author}.txt").write_text("".join(f"{clause()}.\n" for _ in range(60)))
    hint = "2 files of lines may be one for each label; charrnn init with data.label_from=file"
    init = ["init", "authors", "--minutes", "0.01", "--overwrite"]
    assert run(init) == 0
    assert hint in capsys.readouterr().err.replace("\n", " ")
    assert data_in("authors.yaml") == {}
    assert run([*init, "--set", "data.label_from=file"]) == 0
    assert "label_from" in data_in("authors.yaml")
    assert "may be one for each" not in capsys.readouterr().err
    assert run([*init, "--set", "data.label_from=null"]) == 0
    assert "may be one for each" not in capsys.readouterr().err
    Path("authors/poe.txt").write_text("".join(f"{clause()}.\n\n" for _ in range(60)))
    assert run(init) == 0
    assert "may be one for each" not in capsys.readouterr().err


def test_notes_beside_a_list_are_no_labels() -> None:
    write_lists()
    for name in ("Czech", "Few"):
        Path(f"names/{name}.txt").write_text("to do: sort these\n")
    assert run(["init", "names", "--minutes", "0.01"]) == 0
    assert "label_from" not in data_in("names.yaml")


def test_parts_of_a_text_are_no_labels() -> None:
    write_lists()
    for old, new in (("Czech", "train"), ("Korean", "valid"), ("Few", "test")):
        Path(f"names/{old}.txt").rename(f"names/{new}.txt")
    assert run(["init", "names", "--minutes", "0.01"]) == 0
    assert "label_from" not in data_in("names.yaml")


def test_a_folder_with_one_file_is_that_file() -> None:
    Path("one").mkdir()
    Path("one/films.csv").write_text(as_csv(MOVIES))
    assert run(["init", "one", "--minutes", "0.01"]) == 0
    data = yaml.safe_load(Path("one.yaml").read_text())["data"]
    assert (data["path"], data["reply_column"]) == ("one/films.csv", "genre")


def test_folders_without_texts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty/below").mkdir(parents=True)
    assert run(["init", "empty"]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: empty: is a folder without texts in it; name a text, or a folder of "
        "texts\n"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["empty"]


def write_folders(*folders: str) -> None:
    for folder in folders:
        Path(folder).mkdir(parents=True)
        for k in range(3):
            text = "".join(f"{clause()}.\n" for _ in range(60))
            Path(folder, f"{k}.txt").write_text(text)


def test_a_folder_for_each_label_is_refused_with_a_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_folders("films/pos", "films/neg")
    assert run(["init", "films"]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: films: has no texts, only folders (neg, pos), which are not read; if the "
        "folders are labels, write the texts of each, one a line, to a file of its name, as in "
        "neg.txt, and name the folder of these files\n"
    )


def test_a_folder_for_each_part_is_refused_with_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_folders("all [x]/train", "all [x]/dev", "all [x]/test")
    assert run(["init", "all [x]"]) == 1
    err = capsys.readouterr().err
    assert "only folders (dev, test, train), which are not read; charrnn train " in err
    command = shlex.split(err.split("read; charrnn ")[1].split(" trains on the texts of")[0])
    assert run([*command, "--set", "train.max_steps=2"]) == 0
    data = load_config("runs/train/config.yaml").data
    assert "all [[]x]/dev" in str(data.valid_path)
    assert "all [[]x]/test" in str(data.test_path)


def test_folders_beside_texts_are_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    write_folders("films", "films/pos", "films/neg")
    assert run(["init", "films", "--minutes", "0.01"]) == 0
    assert "films: the folders in it (neg, pos) are not read\n" in capsys.readouterr().err


def test_the_file_to_write_must_not_be_one_of_the_texts(capsys: pytest.CaptureFixture[str]) -> None:
    write_lists()
    Path("names/Czech.txt").rename("names/Czech")  # without a common ending, all files are texts
    command = ["init", "names", "--minutes", "0.01", "-o"]
    assert run([*command, "names/my.yaml"]) == 1
    assert (
        "my.yaml: would be one of the texts; -o names a file elsewhere" in capsys.readouterr().err
    )
    assert run([*command, "my.yaml"]) == 0
    assert yaml.safe_load(Path("my.yaml").read_text())["data"]["path"] == "names/*"
