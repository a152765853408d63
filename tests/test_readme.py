"""README and docs/ are complete and true: every key, every option, every link; the commands run."""

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

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in [README, *DOCS]}
GUIDE = (ROOT / "charrnn" / "README.md").read_text(encoding="utf-8")
CONFIGURATION, COMMANDS = PAGES["docs/configuration.md"], PAGES["docs/commands.md"]
RECIPES = PAGES["docs/recipes.md"]
LINKED = {
    **PAGES,
    "charrnn/README.md": GUIDE,
    "CHANGELOG.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    **{
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tests").rglob("*.md"))
    },
}


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_the_readme_links_to_every_page() -> None:
    assert {page for page in PAGES if f"]({page})" in PAGES["README.md"]} == set(PAGES) - {
        "README.md"
    }


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
    assert row(key, all_keys()[key]) in CONFIGURATION


def test_no_other_key_is_there() -> None:
    documented = re.findall(
        r"^\| `((?:data|model|train)\.\w+|seed)` \|", "".join(PAGES.values()), re.MULTILINE
    )
    assert documented == list(all_keys())


OPTIONS = [
    (name, option)
    for name, group in cli.commands.items()
    for command in (group.commands.values() if isinstance(group, click.Group) else [group])
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
]


def section(command: str) -> str:
    """The part of the page of commands that describes one."""
    return COMMANDS.split(f"\n## charrnn {command}")[1].split("\n## ")[0]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_there(command: str, option: str) -> None:
    assert re.search(rf"`{option}[ `]", section(command))


@pytest.mark.parametrize("command", cli.commands)
def test_every_command_is_there(command: str) -> None:
    assert section(command)
    assert f"\n| [`charrnn {command}`](#charrnn-{command}" in COMMANDS


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and others make them."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: str) -> list[str]:
    """The targets of the links and pictures of a page that are not on the web."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return [one for one in re.findall(r"\]\(([^()\s]+)\)", text) if "://" not in one]


@pytest.mark.parametrize(
    ("page", "link"), [(page, link) for page in LINKED for link in links(LINKED[page])]
)
def test_no_link_is_dead(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text(encoding="utf-8"))


def commands_of(page: str) -> list[str]:
    """The commands of a page, each once: of its console blocks and, in the README, of its table."""
    found: list[str] = []
    in_console = False
    for line in PAGES[page].splitlines():
        if line.startswith("```"):
            in_console = line == "```console"
        elif in_console and line.startswith("$ charrnn "):
            found.append(line.removeprefix("$ "))
        elif page == "README.md" and line.startswith("| "):
            found += re.findall(r"`(charrnn [^`]+)`", line.replace(r"\|", "|"))
    return list(dict.fromkeys(found))


PAGES_WITH_COMMANDS = [page for page in PAGES if commands_of(page)]


def first_block(kind: str, text: str) -> str:
    """The first block of a kind, such as yaml, in a text."""
    return re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1]


def write_data() -> None:
    """Write the files that the pages speak of to the current folder, small."""
    for folder in ("data", "configs"):
        Path(folder).mkdir()
    for name in ("data/names-of-things.csv", "configs/things.yaml"):
        shutil.copy(ROOT / name, name)
    text = (ROOT / "data" / "tales.txt").read_text(encoding="utf-8")
    for name, chars in {"my-text.txt": 30_000, "other.txt": 5000}.items():
        Path(name).write_text(text[:chars], encoding="utf-8")
    names = [
        f"{a}{b}{c}{d}" for a in "kmr" for b in ("a", "ou", "iana") for c in "nls" for d in "aey"
    ]
    Path("names.txt").write_text("\n".join(names))
    Path("data/cards.txt").write_text(
        "\n\n".join(f"Name: {one}\nCost: {len(one)}" for one in names)
    )
    rows = [f"photograph{one},F {' '.join(one.upper())}" for one in names]
    Path("words.csv").write_text("\n".join(["word,phonemes", *rows]))
    Path("my.yaml").write_text(first_block("yaml", CONFIGURATION))
    Path("other.yaml").write_text(first_block("yaml", RECIPES.split("## Fine-tuning")[1]))


def test_the_pages_have_commands() -> None:
    assert PAGES_WITH_COMMANDS == ["README.md", "docs/commands.md", "docs/recipes.md"]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
def test_every_command_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the page's order, in one folder, with small models, and what takes long cut short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("charrnn.planning.proposal._MEASURED_S", 0.1)
    write_data()
    for command in commands_of(page):
        words = shlex.split(command.split(" | ")[0].split(" > ")[0])[1:]
        if words[0] in ("report", "plot") and find_spec("matplotlib") is None:
            continue
        if words[0] == "train":
            words += ["--set", "train.max_steps=4", "--set", "model.hidden_size=24"]
        assert run(words) == 0, (command, capsys.readouterr().err)


def test_the_python_of_the_recipes_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_data()
    code = "\n".join(re.findall(r"```python\n(.*?)```", RECIPES, re.DOTALL))
    for slow, quick in (("minutes=5", 'minutes="1s"'), ("max_steps=100", "max_steps=4")):
        assert slow in code
        code = code.replace(slow, quick)
    exec(code, {})
    assert (tmp_path / "runs" / "python" / "last.npz").exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+(?:/|\.py))`", GUIDE))))
def test_the_guide_names_files_that_are_there(path: str) -> None:
    places = (ROOT, ROOT / "charrnn")
    assert any((place / path).exists() for place in places)


def test_the_guide_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "charrnn").glob("*/__init__.py")}
    assert rooms == {room for room in rooms if f"`{room}/" in GUIDE}
