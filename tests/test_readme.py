"""The README is complete and true: every key, every option, and its commands run."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from support import ROOT

from charrnn.commands.cli import cli, run
from charrnn.config.schema import all_keys

GUIDE = (ROOT / "charrnn" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def row(key: str, spec: Any) -> str:
    """The table row that a key must have."""
    if key == "data.path":
        shown = "(required)"
    elif spec["default"] is None:
        shown = "`null`"
    else:
        shown = f"`{spec['default']}`"
    return f"| `{key}` | {shown} | {spec['meaning']} | {spec['kind']} |"


@pytest.mark.parametrize("key", all_keys())
def test_every_key_is_there_with_default_and_meaning(key: str) -> None:
    assert row(key, all_keys()[key]) in README


def test_no_other_key_is_there() -> None:
    documented = re.findall(r"^\| `((?:data|model|train)\.\w+|seed)` \|", README, re.MULTILINE)
    assert documented == list(all_keys())


OPTIONS = [
    (name, option)
    for name, group in cli.commands.items()
    for command in (group.commands.values() if isinstance(group, click.Group) else [group])
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_there(command: str, option: str) -> None:
    section = README.split(f"### charrnn {command}")[1].split("\n##")[0]
    assert re.search(rf"`{option}[ `]", section)


def console_commands() -> list[str]:
    """The lines of the README's console blocks that start with `charrnn`, after the prompt."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ charrnn ")]


def test_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the README's order, in one folder, with small models, and what takes long cut short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("charrnn.planning.proposal._MEASURED_S", 0.1)
    for folder in ("texts", "data", "configs"):
        Path(folder).mkdir()
    for name in ("data/names-of-things.csv", "configs/things.yaml"):
        shutil.copy(ROOT / name, name)
    text = (ROOT / "data" / "tales.txt").read_text(encoding="utf-8")
    for name, chars in {"my-text.txt": 30_000, "other.txt": 5000, "texts/a.txt": 5000}.items():
        Path(name).write_text(text[:chars], encoding="utf-8")
    names = (
        f"{a}{b}{c}{d}" for a in "kmr" for b in ("a", "ou", "iana") for c in "nls" for d in "aey"
    )
    Path("names.txt").write_text("\n".join(names))
    Path("my.yaml").write_text(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
    commands = console_commands()
    assert len(commands) >= 10
    for command in commands:
        words = shlex.split(command.split(" | ")[0].split(" > ")[0])[1:]
        if words[0] in ("report", "plot") and find_spec("matplotlib") is None:
            continue
        if words[0] == "train":
            words += ["--set", "train.max_steps=4", "--set", "model.hidden_size=24"]
        assert run(words) == 0, (command, capsys.readouterr().err)
    python = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    exec(python.replace("max_steps=100", "max_steps=4"), {})
    assert (tmp_path / "runs" / "python" / "last.npz").exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+(?:/|\.py))`", GUIDE))))
def test_the_guide_names_files_that_are_there(path: str) -> None:
    places = (ROOT, ROOT / "charrnn")
    assert any((place / path).exists() for place in places)


def test_the_guide_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "charrnn").glob("*/__init__.py")}
    assert rooms == {room for room in rooms if f"`{room}/" in GUIDE}
