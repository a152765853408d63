"""Configurations that are refused, with file, key, problem and what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import contents, tiny_text, write_config

from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.errors import ConfigError

DATA = "data: {path: text.txt}\n"
HUGE = "1" * 400  # a whole number too large for a float

# What is wrong -> the text of the file, and the words that the message must contain.
REFUSED: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "unknown key": (
        DATA + "model: {hiden_size: 8}",
        ("model.hiden_size", "unknown key", "did you mean model.hidden_size?"),
    ),
    "unknown key, none near": (
        DATA + "model: {xyz: 8}",
        ("model.xyz", "unknown key", "model has cell, num_layers, hidden_size"),
    ),
    "key of another section": (
        DATA + "model: {batch_size: 8}",
        ("model.batch_size", "unknown key", "did you mean train.batch_size?"),
    ),
    "key outside its section": (
        DATA + "hidden_size: 8",
        ("hidden_size", "unknown key", "did you mean model.hidden_size?"),
    ),
    "unknown section": (
        DATA + "gpu: {device: 0}",
        ("gpu", "unknown key", "top level has data, model, train, seed"),
    ),
    "misspelt section": (DATA + "modle: {cell: rnn}", ("modle", "did you mean model?")),
    "section that is a scalar": (
        DATA + "model: lstm",
        ("model", "'lstm' is not a section", "below it, indented", "cell: ..."),
    ),
    "section that is a list": (DATA + "train: [adam]", ("train", "is not a section", "indented")),
    "section instead of a value": (
        DATA + "train: {batch_size: {a: 1}}",
        ("train.batch_size", "{'a': '1'} is not a whole number of at least 1"),
    ),
    "word for a whole number": (
        DATA + "model: {num_layers: two}",
        ("model.num_layers", "'two' is not a whole number of at least 1"),
    ),
    "fraction for a whole number": (
        DATA + "train: {batch_size: 2.5}",
        ("train.batch_size", "2.5 is not a whole number of at least 1"),
    ),
    "bool for a whole number": (
        DATA + "model: {num_layers: true}",
        ("model.num_layers", "'true' is not a whole number of at least 1"),
    ),
    "bool for a number": (
        DATA + "train: {learning_rate: yes}",
        ("train.learning_rate", "'yes' is not a number above 0"),
    ),
    "list for a number": (
        DATA + "train: {learning_rate: [1.0]}",
        ("train.learning_rate", "['1.0'] is not a number above 0"),
    ),
    "null where a value is needed": (
        DATA + "train: {log_every: null}",
        ("train.log_every", "null is not a whole number of at least 1"),
    ),
    "too small whole number": (
        DATA + "model: {hidden_size: 0}",
        ("model.hidden_size", "0 is not a whole number of at least 1"),
    ),
    "negative seed": (DATA + "seed: -1", ("seed", "-1 is not a whole number of at least 0")),
    "too large whole number": (DATA + f"seed: {HUGE}", ("seed", "is not", "at most")),
    "too large number": (
        DATA + f"train: {{learning_rate: {HUGE}}}",
        ("train.learning_rate", "is not a number above 0"),
    ),
    "number at a strict bound": (
        DATA + "train: {learning_rate: 0}",
        ("train.learning_rate", "0 is not a number above 0"),
    ),
    "number at a strict upper bound": (
        DATA + "model: {dropout: 1}",
        ("model.dropout", "1 is not a number of at least 0 and below 1"),
    ),
    "number above its bound": (
        DATA + "model: {dropout: 1.5}",
        ("model.dropout", "1.5 is not a number of at least 0 and below 1"),
    ),
    "nan": (
        DATA + "train: {learning_rate: .nan}",
        ("train.learning_rate", "'.nan' is not a number above 0"),
    ),
    "nan as text": (
        DATA + "train: {learning_rate: nan}",
        ("train.learning_rate", "nan", "is not a number above 0"),
    ),
    "inf": (
        DATA + "train: {clip_norm: .inf}",
        ("train.clip_norm", "'.inf' is not a number above 0"),
    ),
    "inf for a whole number": (
        DATA + "train: {max_steps: .inf}",
        ("train.max_steps", "'.inf' is not a whole number of at least 1"),
    ),
    "unknown cell": (
        DATA + "model: {cell: lsmt}",
        ("model.cell", "'lsmt'", "choose rnn, lstm, gru or mogrifier", "did you mean lstm?"),
    ),
    "list for a choice": (
        DATA + "train: {optimizer: [adam]}",
        ("train.optimizer", "['adam']", "choose sgd, momentum"),
    ),
    "interval of another unit": (
        DATA + "train: {validate_every: 60s}",
        ("train.validate_every", "'60s' is not a whole number of at least 1", "the word epoch"),
    ),
    "interval in minutes": (
        DATA + "train: {checkpoint_every: 5m}",
        ("train.checkpoint_every", "'5m' is not a whole number of at least 1", "as in 60s"),
    ),
    "interval of no steps": (
        DATA + "train: {decay_every: 0}",
        ("train.decay_every", "0 is not a whole number of at least 1, or the word epoch"),
    ),
    "no workers": (
        DATA + "train: {workers: 0}",
        ("train.workers", "0 is not a whole number", "at least 1", "or the word auto"),
    ),
    "word for workers": (
        DATA + "train: {workers: all}",
        ("train.workers", "'all' is not a whole number", "or the word auto"),
    ),
    "unknown backend": (
        DATA + "train: {backend: nubma}",
        ("train.backend", "'nubma'", "choose auto, numpy or numba", "did you mean numba?"),
    ),
    "unknown encoding": (
        "data: {path: text.txt, encoding: utf9}",
        ("data.encoding", "'utf9' is not the name of a text encoding", "latin-1"),
    ),
    "null for a path": ("data: {path: ~}", ("data.path", "null is not a file, a glob")),
    "empty list of paths": ("data: {path: []}", ("data.path", "[] is not a file, a glob")),
    "path longer than paths can be": (
        f"data: {{path: {'x' * 5000}}}",
        ("data.path", "is not a file, a glob"),
    ),
    "path in the home of half a pair": (
        r'data: {path: "~\ud800/x"}',
        ("data.path", r"'~\ud800/x' is not a file"),
    ),
    "glob in the folder of half a pair": (
        r'data: {path: ["\ud800/*"]}',
        ("data.path", r"'\ud800/*' is not a file or a glob"),
    ),
    "null in a list of paths": (
        "data: {path: [text.txt, null]}",
        ("data.path", "null is not a file or a glob"),
    ),
    "no data.path": ("seed: 1", ("data.path is missing", "path: your-text.txt")),
    "both clip keys": (
        DATA + "train: {clip_norm: 5, clip_value: 1}",
        ("train.clip_value", "train.clip_norm", "set one of them"),
    ),
    "another optimizer's hyperparameter": (
        DATA + "train: {momentum: 0.5}",
        ("train.momentum", "optimizer cadamw", "beta1, beta2, epsilon"),
    ),
    "hyperparameters of another optimizer": (
        DATA + "train: {optimizer: sgd, weight_decay: 0.1, beta2: 0.9, momentum: 0}",
        (
            "train.momentum",
            "sgd does not use it (it has: only",
            ", nor train.beta2, nor train.weight_decay; leave them out, or set them to null",
        ),
    ),
    "hyperparameter of an optimizer without any": (
        DATA + "train: {optimizer: sgd, beta1: 0.5}",
        ("train.beta1", "optimizer sgd", "only learning_rate"),
    ),
    "fractions that add up to 1": (
        "data: {path: text.txt, valid_fraction: 0.5, test_fraction: 0.5}",
        ("data.valid_fraction", "nothing to train on", "add up to less than 1"),
    ),
    "fraction that with a default adds up to 1": (
        "data: {path: text.txt, test_fraction: 0.9}",
        ("data.test_fraction", "0.9", "nothing to train on", "add up to less than 1"),
    ),
    "key of another schedule": (
        DATA + "train: {decay_factor: 0.5}",
        ("train.decay_factor", "0.5 is not used by schedule cosine", "step, exponential"),
    ),
    "patience without validation": (
        "data: {path: text.txt, valid_fraction: 0}\ntrain: {patience: 3}",
        ("train.patience", "validation part", "data.valid_fraction"),
    ),
    "dotted key in the file": (
        DATA + "train.batch_size: 3",
        ("train.batch_size", "below 'train:'"),
    ),
    "min_learning_rate above learning_rate": (
        DATA + "train: {schedule: cosine, learning_rate: 1e-3, min_learning_rate: 1e-2}",
        ("train.min_learning_rate", "0.01 is above train.learning_rate"),
    ),
    "key that stands twice": (
        DATA + "seed: 1\nseed: 2",
        ("line 3, column 1", "the key seed", "twice in this section; remove one"),
    ),
    "section that stands twice": (
        DATA + DATA,
        ("line 2, column 1", "the key data", "twice in this section; remove one"),
    ),
    "key that is a number": (DATA + "1: 2", ("1: unknown key",)),
    "key that is null": (DATA + "~: 2", ("line 2, column 1", "null is not a key")),
    "broken syntax": (DATA + "model: {cell: rnn", ("line 2, column 18", "not valid YAML")),
    "tab": ("data:\n\tpath: text.txt", ("line 2, column 1", r"'\t'", "with spaces, not tabs")),
    "two documents": (DATA + "---\n" + DATA, ("line 2, column 1", "another document")),
    "object of Python": (
        "data: !!python/object:os.system {}",
        ("line 1, column 7", "the tag !!python/object:os.system is not used here; leave it out"),
    ),
    "control character": ("seed: \x01", ("not valid YAML", "#x0001")),
    "escape beyond Unicode": (DATA + r'seed: "\UFFFFFFFF"', ("is not valid YAML",)),
    "day": (DATA + "seed: 2024-01-01", ("seed", "'2024-01-01' is not a whole number")),
    "day that does not exist": (DATA + "seed: 2024-13-45", ("'2024-13-45' is not a whole",)),
    "not UTF-8": (b"data: {path: caf\xe9.txt}", ("byte 16", "not UTF-8", "save the file as UTF-8")),
    "UTF-16": (DATA.encode("utf-16"), ("byte 0", "not UTF-8", "save the file as UTF-8")),
    "more than any configuration has": (
        DATA + "#" * 300_000,
        ("more than 262,144 bytes, and no configuration does",),
    ),
    "many values": (
        "data: {path: [" + "a," * 100_000 + "]}",
        ("line 1, column ", "more than 20,000 values"),
    ),
    "deep list": ("[" * 100_000, ("line 1, column 21", "more than 20 levels of nesting")),
    "deep block": (
        "".join(" " * i + "a:\n" for i in range(100)),
        ("line 20, column ", "more than 20 levels"),
    ),
    "large value by aliases": (
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
        ("more than 20,000 values, with aliases written out", "write out the values"),
    ),
    "value within itself": (
        "data: &a {path: [*a]}",
        ("line 1, column 18", "the alias *a is part of the value it names"),
    ),
    "alias of nothing": ("data: {path: *a}", ("undefined alias 'a'", "into quotes")),
    "shared value": (
        "data: {path: &a [text.txt]}\nmodel: {cell: *a}",
        ("model.cell", "['text.txt']", "choose rnn, lstm, gru or mogrifier"),
    ),
    "merged mapping": (DATA + "model: {<<: {cell: rnn}}", ("model.<<", "unknown key")),
    "tag of bytes": (
        "data: {path: !!binary aGk=}",
        ("line 1, column 14", "the tag !!binary is not used here; leave it out"),
    ),
    "tag of what it is not": (
        DATA + "seed: !!int x",
        ("line 2, column 7", "the tag !!int is not used"),
    ),
    "number in another base": (DATA + "seed: 0b", ("seed", "'0b' is not a whole number")),
    "number of no digits": (DATA + "seed: 0x_", ("seed", "'0x_' is not a whole number")),
    "number of a hundred thousand digits": (
        DATA + f"seed: 0x{'f' * 100_000}",
        ("seed", "'0xffff", "is not a whole number"),
    ),
    "number beyond what is written out": (
        DATA + f"seed: 0x{'f' * 500}",
        ("seed: '0xffff", "is not a whole number"),
    ),
    "day beyond the calendar": (
        DATA + "seed: 0001-01-01 00:00:00 +23:59",
        ("seed", "is not a whole number"),
    ),
    "long key": (DATA + "x" * 500 + ": 1", ("xxx...: unknown key",)),
    "long key that stands twice": (
        DATA + f"? {'x' * 500}\n: 1\n? {'x' * 500}\n: 1",
        ("the key xxx", "twice in this section; remove one"),
    ),
    "orders for a terminal": (
        DATA + r'"\e[2J": "\e]0;title\a"',
        (r"bad.yaml: \x1b[2J: unknown key",),
    ),
    "value of orders for a terminal": (DATA + r'seed: "\e[2J"', (r"'\x1b[2J' is not a whole",)),
    "half of a pair": (DATA + r'model: {cell: "\ud800"}', (r"'\ud800'; choose",)),
    "table without a reply": (
        "data: {path: text.txt, records: csv}",
        ("data.records", "csv needs data.reply_column", "usually data.prompt_column"),
    ),
    "column of no table": (
        "data: {path: text.txt, records: line, reply_column: a}",
        ("data.reply_column", "'a' needs data.records to be one of csv, tsv, jsonl"),
    ),
    "delimiter of TSV": (
        "data: {path: text.txt, records: tsv, reply_column: 1, delimiter: ;}",
        ("data.delimiter", "';' needs data.records to be one of csv"),
    ),
    "column 0": (
        "data: {path: text.txt, records: csv, reply_column: 0}",
        ("data.reply_column", "0 is not the name of a column, or its number from 1"),
    ),
    "half of a character as a column": (
        'data: {path: text.txt, records: csv, reply_column: "\\ud800"}',
        ("data.reply_column", "is not the name of a column"),
    ),
    "half of a character as a separator": (
        'data: {path: text.txt, records: line, prompt_separator: "\\ud800"}',
        ("data.prompt_separator", "is not one or more characters of a line"),
    ),
    "several replies": (
        "data: {path: text.txt, records: csv, reply_column: [1, 2]}",
        ("data.reply_column", "is not the name of a column"),
    ),
    "prompt that is the reply": (
        "data: {path: text.txt, records: csv, reply_column: a, prompt_column: a}",
        ("data.reply_column", "'a' is data.prompt_column too; give two columns"),
    ),
    "prompts with the reply": (
        "data: {path: text.txt, records: jsonl, reply_column: 2, prompt_column: [1, 2]}",
        ("data.reply_column", "2 is data.prompt_column too; give two columns"),
    ),
    "features with the reply": (
        "data: {path: text.txt, records: csv, reply_column: a, feature_columns: [b, a]}",
        ("data.reply_column", "'a' is data.feature_columns too; give two columns"),
    ),
    "features of no table": (
        "data: {path: text.txt, records: line, feature_columns: a}",
        ("data.feature_columns", "'a' needs data.records to be one of csv, tsv, jsonl"),
    ),
    "features of a text": (
        "data: {path: text.txt, features_path: a.npy}",
        (
            "data.features_path",
            "needs data.records to be one of line, paragraph, csv, tsv, jsonl",
        ),
    ),
    "features twice": (
        "data: {path: a, records: csv, reply_column: 1, feature_columns: 2, features_path: a.npy}",
        ("data.features_path", "excludes data.feature_columns; set one"),
    ),
    "features of one part": (
        "data: {path: a, records: line, features_path: a.npy, test_path: b}",
        ("data.test_path", "has records without features", "use data.feature_columns of a table"),
    ),
    "delimiter that quotes": (
        "data: {path: text.txt, records: csv, reply_column: 1, delimiter: '\"'}",
        ("data.delimiter", "'\"' quotes a cell or ends a row", "such as ; or |"),
    ),
    "delimiter that ends a row": (
        'data: {path: text.txt, records: csv, reply_column: 1, delimiter: "\\r"}',
        ("data.delimiter", r"'\r' quotes a cell or ends a row"),
    ),
    "newline as delimiter": (
        'data: {path: text.txt, records: csv, reply_column: 1, delimiter: "\\n"}',
        ("data.delimiter", "is not a single character"),
    ),
    "long delimiter": (
        "data: {path: text.txt, records: csv, reply_column: 1, delimiter: ';;'}",
        ("data.delimiter", "';;' is not a single character"),
    ),
    "delimiter of several bytes": (
        "data: {path: text.txt, records: csv, reply_column: 1, delimiter: §, tokens: byte}",
        ("data.delimiter", "'§' is several bytes", "data.tokens: byte", "ASCII"),
    ),
    "labels and a separator": (
        "data: {path: text.txt, records: line, label_from: file, prompt_separator: ':'}",
        ("data.prompt_separator", "excludes data.label_from"),
    ),
    "direction without labels": (
        "data: {path: text.txt, records: line, label_as: reply}",
        ("data.label_as", "needs data.label_from: file"),
    ),
    "side of no pair": (
        "data: {path: text.txt, records: line, split_by: prompt}",
        ("data.split_by", "needs records with a prompt and a reply"),
    ),
    "empty file": ("", ("a mapping of keys to values", "path: your-text.txt")),
    "only a comment": ("# nothing yet\n", ("a mapping of keys to values",)),
    "list at the top": ("- data\n- model\n", ("a mapping of keys to values",)),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(
    text: str | bytes,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message with file, key, problem and remedy, no other output, and no file is written."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(tiny_text())
    Path("bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = contents(tmp_path)
    assert run(["train", "bad.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: bad.yaml: ")
    assert err.count("charrnn: error:") == 1
    assert "Traceback" not in err
    assert "\n\n" not in err
    assert len(err) < 400
    assert err.replace("\n", "").isprintable()
    assert all(word in err for word in words), err
    assert contents(tmp_path) == before


# A --set that is refused -> the words that the message must contain.
REFUSED_OVERRIDES: dict[str, tuple[str, ...]] = {
    "train.max_steps": ("--set train.max_steps", "KEY=VALUE", "train.learning_rate=1e-3"),
    "train.max_step=3": ("--set", "train.max_step", "did you mean train.max_steps?"),
    "train=3": ("--set", "train", "section", "train.batch_size="),
    "=3": ("--set =3", "KEY=VALUE"),
    "train.max_steps=few": ("--set", "train.max_steps", "'few' is not a whole number"),
    "train.log_every=": ("--set", "train.log_every", "null is not a whole number"),
    "train.clip_value=1": ("--set", "train.clip_value", "train.clip_norm", "set one of them"),
    "train.momentum=0.5": ("--set", "train.momentum", "optimizer adam"),
    "data.test_fraction=0.9": ("--set", "data.test_fraction", "add up to less than 1"),
    "seed=[1": ("--set seed=[1", "is not a YAML value"),
    "seed=2024-13-45": ("--set: seed: '2024-13-45'", "is not a whole number"),
    "seed=" + "1" * 5000: ("--set: seed: '1111", "is not a whole number"),
    "seed=0x" + "f" * 100_000: ("--set: seed: '0xff", "is not a whole number"),
    "seed=" + "[" * 2000: ("--set seed=", "is not a YAML value", "more than 20 levels"),
    "seed=" + "1," * 200_000: ("--set seed=1,1", "is not a YAML value", "262,144 characters"),
    "seed=&a [*a]": ("--set seed=&a [*a]", "the alias *a is part of the value it names"),
    "data.path=*.txt": ("is not a YAML value", "'data.path=\"*.txt\"'"),
    "data.path=!!binary aGk=": ("the tag !!binary is not used here",),
    "x" * 10_000 + "=1": ("--set: xxxx", "unknown key"),
    "x" * 10_000: ("--set xxxx", "KEY=VALUE"),
    "\x1b[2J=1": (r"--set: \x1b[2J: unknown key",),
    "\x1b[2J": (r"--set \x1b[2J: expected KEY=VALUE",),
    "seed=\x1b[2J": ("--set seed=", "is not a YAML value", "#x001b"),
    "data.path=\udcff.txt": ("is not a YAML value", "#xdcff"),
    "data.path=gone.txt": ("gone.txt: no such file", "current folder"),
}


@pytest.mark.parametrize(
    ("override", "words"), REFUSED_OVERRIDES.items(), ids=[o[:24] for o in REFUSED_OVERRIDES]
)
def test_refused_override(
    override: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {"train.clip_norm": 5.0})
    before = contents(tmp_path)
    assert run(["train", "tiny.yaml", "--set", override]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: ")
    assert len(err) < 400
    assert all(word in err for word in words), err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.yaml", "no such file; name a YAML configuration"),
        (".", "is a folder; name a YAML configuration in it"),
        ("tiny.yaml/x", "cannot be read: Not a directory"),
    ],
)
def test_configuration_that_is_not_a_file(
    path: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    before = contents(tmp_path)
    assert run(["bench", path]) == 1
    assert capsys.readouterr() == ("", f"charrnn: error: {path}: {words}\n")
    assert contents(tmp_path) == before


def test_the_error_about_a_text_names_the_call_for_it(tmp_path: Path) -> None:
    text = tmp_path / "my poem.txt"
    text.write_text("a line: of: text\n")
    with pytest.raises(ConfigError, match=r"charrnn\.propose\('.*my poem.txt'\) proposes one"):
        load_config(text)


@pytest.mark.parametrize("path", [None, 3, {"data": {"path": "text.txt"}}, ["a.yaml"]], ids=repr)
def test_what_is_not_a_path_is_refused(path: object) -> None:
    with pytest.raises(ConfigError, match="is not the path of a YAML configuration"):
        load_config(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("overrides", ["train.max_steps=3", b"seed=1", None, 3, ["seed=1", 3]])
def test_overrides_that_are_not_a_list_of_strings_are_refused(
    tmp_path: Path, overrides: object
) -> None:
    with pytest.raises(ConfigError, match=r"is not a (list of overrides|string KEY=VALUE)"):
        load_config(write_config(tmp_path), overrides)  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_a_configuration_may_come_through_a_pipe(tmp_path: Path) -> None:
    text = f"data: {{path: {tmp_path}/text.txt}}\nseed: 7\n"
    code = "import charrnn; print(charrnn.load_config('/dev/stdin').seed)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_no_more_of_an_endless_file_is_read_than_needed() -> None:
    with pytest.raises(
        ConfigError, match=r"has more than 262,144 bytes, and no configuration does$"
    ):
        load_config("/dev/zero")  # without advice to train on it


def test_a_text_in_place_of_a_configuration_gets_the_command_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("emma\nolivia\n")
    assert run(["bench", "names.txt"]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: names.txt: is not a configuration; charrnn train names.txt proposes one, "
        "if it is a text to train on\n"
    )
    Path("it's.txt").write_bytes(b"\xff\xfe")
    assert run(["bench", "it's.txt"]) == 1
    assert """charrnn train 'it'"'"'s.txt' proposes one""" in capsys.readouterr().err
    with pytest.raises(
        ConfigError, match=r"^names\.txt: is not .*; charrnn\.propose\('names\.txt'\) "
    ):
        load_config("names.txt")


def test_all_wrong_keys_are_reported_together(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(
        "data: {path: t.txt, valid_fraction: 2}\nmodle: {cell: gru}\n"
        "model: {cell: lsmt, hidden: 3}\ntrain: {max_steps: no}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["train.patience=-1", "seed=2", "train.rate=1"], origin="--set")
    lines = str(caught.value).split("\n")
    starts = ("data.valid_fraction", "modle", "model.cell", "model.hidden", "train.max_steps")
    expected = [f"{path}: {start}: " for start in starts]
    expected += ["--set: train.patience: ", "--set: train.rate: "]
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))


def test_at_most_ten_wrong_keys_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("data: {path: t.txt}\nmodel:\n" + "".join(f"  k{n}: 1\n" for n in range(99)))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).count("unknown key") == 10
