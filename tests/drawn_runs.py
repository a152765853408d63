"""A run to draw, and a parser for the page about it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from support import tiny_text, train

from charrnn.commands.cli import run

LONG = {"data.path": "long.txt", "train.max_steps": 60, "train.validate_every": 20}


def make_run(folder: Path) -> None:
    """Write a text with lines and train on it, in runs/tiny."""
    (folder / "long.txt").write_text(tiny_text(4000), encoding="utf-8")
    overrides = {"train.sample_length": 80, "model.cell": "lstm", "train.log_every": 1}
    (folder / "runs").mkdir()
    train(folder, LONG | overrides).rename(folder / "runs" / "tiny")


def report(*arguments: str) -> str:
    """Write a page about runs and return it."""
    assert run(["report", *arguments, "-o", "page.html"]) == 0
    return Path("page.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """The tags of a page, the addresses it loads, its event handlers and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.loaded, self.handlers = list[str](), list[str](), list[str]()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.loaded.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data
