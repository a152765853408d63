"""The messages of errors: their remedies exist, and speak of arguments or of options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import click
import numpy as np
import pytest
from support import ROOT, train, write_config

import charrnn
import charrnn.errors
from charrnn.commands.cli import cli, run
from charrnn.commands.options import OPTIONS, option_of
from charrnn.config.reader import override_defaults
from charrnn.config.schema import all_keys
from charrnn.errors import CharRNNError, Remedy, RunError, counted, plural, with_remedies

PACKAGE = Path(charrnn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LIBRARY = [
    path
    for path in MODULES
    if path.relative_to(PACKAGE).parts[0] not in ("commands", "__main__.py")
]
PROSE = [
    *sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".html", ".md")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
AWKWARD = re.compile(
    r".{,40}\b(gone on with|is told|are told|mended|by heart|freed of|left open|what it goes by)\b",
    re.IGNORECASE,
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_library_module = pytest.mark.parametrize("path", LIBRARY, ids=named)
each_text = pytest.mark.parametrize("path", PROSE, ids=named)


def remedy_arguments() -> Iterator[str]:
    """Yield the argument of every `Remedy(...)` in the package.

    It is a constant, or begins with a key or the call that proposes a configuration.
    """
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Remedy":
                argument = node.args[0]
                if isinstance(argument, ast.JoinedStr):
                    start = argument.values[0]
                    assert isinstance(start, ast.Constant), f"{path}:{node.lineno}"
                    assert start.value == "charrnn.propose(" or start.value[:-1] in all_keys()
                    continue
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}"
                yield from argument.value.split(" + ")


def with_whole_strings(text: str) -> str:
    """Return a source with the parts of each string joined."""
    return re.sub(r"\"\s*\n\s*[frb]*\"", "", text)


def continuous(text: str) -> str:
    """Return a text with its line breaks removed, also those in comments and strings."""
    text = with_whole_strings(text)
    text = re.sub(r"\n\s*#", " ", text)
    return re.sub(r"\s+", " ", text)


ARGUMENTS = sorted(set(remedy_arguments()))


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_remedy_is_an_argument_with_an_option_or_a_key_with_a_value(argument: str) -> None:
    if argument not in OPTIONS:
        assert argument.partition("=")[0] in all_keys()
        override_defaults([argument])  # refuses a value that the key does not take


def test_the_options_of_remedies_exist() -> None:
    assert set(OPTIONS) <= set(ARGUMENTS)
    parameters = [parameter for command in cli.commands.values() for parameter in command.params]
    options = {
        name for option in parameters if isinstance(option, click.Option) for name in option.opts
    }
    assert {option.split()[0] for option in OPTIONS.values()} <= options
    accepted = {*signature(charrnn.train).parameters}
    for method in (charrnn.LanguageModel.score, charrnn.LanguageModel.sample_records):
        accepted |= {*signature(method).parameters}
    assert {argument.partition("=")[0] for argument in OPTIONS} <= accepted


@each_library_module
def test_the_library_does_not_speak_of_options(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            css = re.sub(r"var\(--", "", node.value)
            assert not re.search(r"(?<![\w-])--[a-z]", css), f"{path}:{node.lineno}: {css}"


def test_an_error_speaks_of_arguments_or_of_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    config = write_config(tmp_path)
    with pytest.raises(RunError) as caught:
        charrnn.train(config, run_dir)
    assert "resume=True continues it" in str(caught.value)
    assert "--" not in str(caught.value)
    capsys.readouterr()
    assert run(["train", str(config), "--run-dir", str(run_dir)]) == 1
    message = capsys.readouterr().err
    assert "--resume continues it" in message
    assert "resume=True" not in message


def test_remedies_follow_the_problem() -> None:
    remedies = [Remedy("resume=True", "continues it"), Remedy("data.tokens=byte", "reads bytes")]
    assert str(CharRNNError("x: is wrong")) == "x: is wrong"
    assert (
        str(CharRNNError("x: is wrong", *remedies))
        == "x: is wrong; resume=True continues it, data.tokens=byte reads bytes"
    )
    assert (
        with_remedies("x: is wrong", remedies, option_of)
        == "x: is wrong; --resume continues it, --set data.tokens=byte reads bytes"
    )


def test_a_remedy_may_need_several_arguments() -> None:
    error = CharRNNError("x: is wrong", Remedy("init_from + run_dir", "starts anew"), hint="ask")
    assert str(error) == "x: is wrong; ask; init_from with run_dir starts anew"
    assert error.worded(option_of) == "x: is wrong; ask; --init-from with --run-dir starts anew"


def test_every_error_is_raised_somewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in MODULES if path.name != "errors.py"]
    for name, value in vars(charrnn.errors).items():
        if isinstance(value, type) and issubclass(value, CharRNNError) and value != CharRNNError:
            assert any(f"{name}(" in source for source in sources), name


@each_text
def test_the_distribution_has_the_right_name(path: Path) -> None:
    """The name `charrnn` on the package index belongs to another project."""
    text = continuous(path.read_text(encoding="utf-8"))
    assert "charrnn[" not in text
    assert not re.search(r"pip install ['\"]?charrnn(?!-numpy)", text)


@each_text
def test_no_text_has_an_awkward_phrase(path: Path) -> None:
    found = AWKWARD.search(continuous(path.read_text(encoding="utf-8")))
    assert not found, found


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (0, "step", "0 steps"),
        (1, "step", "1 step"),
        (2, "step", "2 steps"),
        (2500, "step", "2,500 steps"),
        (1, "char", "1 character"),
        (65, "char", "65 characters"),
        (1, "byte", "1 byte"),
        (256, "byte", "256 bytes"),
        (1, "loss", "1 loss"),
        (3, "worker process", "3 worker processes"),
        (0.5, "epoch", "0.5 epochs"),
        (1.0, "epoch", "1 epoch"),
        (1.00001, "epoch", "1 epoch"),
        (2.46913, "epoch", "2.469 epochs"),
        (1234567.5, "minute", "1,234,568 minutes"),
        (10**30, "step", f"{10**30:,} steps"),
        (np.int64(1), "line", "1 line"),
    ],
)
def test_a_number_with_its_unit(number: float, unit: str, words: str) -> None:
    assert counted(number, unit) == words


def counted_units() -> Iterator[str]:
    """Yield the plural of every unit that the package counts."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "counted":
                unit = node.args[1]
                if isinstance(unit, ast.Constant):
                    yield plural(unit.value)
    yield from ("characters", "bytes")


# A value in braces, of an f-string or of a template, with a plural after it.
UNCOUNTED = re.compile(
    rf".{{,40}}\}} (({'|'.join(sorted({*counted_units()}))})\b|\{{[^{{}}]*\}}s\b(?!/))"
)


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ('f"{n:,} steps"', True),
        ('f"{n} {tokens}s"', True),
        ('f"reads {n} "\n    f"characters"', True),
        ("{{ n }} characters", True),
        ("f\"{counted(n, 'step')}\"", False),
        ('f"{key} has steps"', False),
        ('f"{n:,} {tokens}s/s"', False),
    ],
)
def test_a_number_before_a_plural_is_found(text: str, is_refused: bool) -> None:
    assert bool(UNCOUNTED.search(with_whole_strings(text))) is is_refused


@pytest.mark.parametrize("path", [*MODULES, *sorted(PACKAGE.rglob("*.html"))], ids=named)
def test_a_number_has_its_unit_from_one_function(path: Path) -> None:
    """So that no message says '1 steps', or counts characters where the tokens are bytes."""
    found = UNCOUNTED.search(with_whole_strings(path.read_text(encoding="utf-8")))
    assert not found, found
