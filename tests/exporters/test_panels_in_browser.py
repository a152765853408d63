"""What a reader sees and does in an exported page, in Chromium: with the mouse and the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pytest
from chromium import Tab
from exported import Shape, checkpoint_of

from charrnn.exporters.page import page
from charrnn.inspection.units import Unit, UnitCorrelation
from charrnn.text.features import FeatureScale
from charrnn.text.labels import Labels

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(chromium.PATH is None, reason="needs Chromium"),
]

UNITS = [
    UnitCorrelation(Unit(0, "c", 3), "inside a word", 0.5),
    UnitCorrelation(Unit(1, "h", 0), "capital letter", -0.25),
]
KINDS = ["text", "bytes", "records", "pairs", "labels", "writer", "features", "features and pairs"]
PANELS = {
    "text": ["Write", "Type", "Look inside"],
    "bytes": ["Write", "Type", "Look inside"],
    "records": ["Write", "Type", "Look inside"],
    "pairs": ["Replies"],
    "labels": ["Labels", "Type", "Look inside"],
    "writer": ["Write", "Type", "Look inside"],
    "features": ["Write", "Type", "Look inside"],
    "features and pairs": ["Replies", "Type", "Look inside"],
}
KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "Enter": 13, "Home": 36}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One tab for all pages, whose console stays empty and which asks for nothing."""
    with chromium.chromium(tmp_path_factory.mktemp("chromium")) as browser:
        one = browser.tab()
        yield one
        assert one.messages == []
        asked = [url for url in one.requests if not url.startswith("blob:")]
        assert all(url.endswith("/model.html") for url in asked)
        assert len(asked) == one.loads


class Page:
    """A page of a model in the tab."""

    def __init__(self, tab: Tab, folder: Path, kind: str, width: int = 900) -> None:
        self.tab = tab
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        tab.send("Emulation.setDeviceMetricsOverride", **size)
        html = page(
            checkpoint_of(kind, Shape("lstm", 2)), 32, name="a model", version="0", units=UNITS
        )
        (folder / "model.html").write_text(html, encoding="utf-8")
        tab.go((folder / "model.html").as_uri())
        tab.run("await engine.ready")
        self.settle()

    def settle(self) -> None:
        """Wait until the worker has answered everything, and the page has shown it."""
        self.tab.run(
            "do await new Promise((resolve) => setTimeout(resolve, 20)); while (engine.tasks.size);"
            "await new Promise((resolve) => setTimeout(resolve, 20))"
        )

    def value(self, expression: str) -> Any:
        return self.tab.run(f"return {expression}")

    def click(self, name: str) -> None:
        self.tab.run(f"element({json.dumps(name)}).click()")
        self.settle()

    def fill(self, name: str, value: str) -> None:
        """Set the value of a field, as a reader would."""
        self.tab.run(
            f"const one = element({json.dumps(name)}); one.value = {json.dumps(value)};"
            "one.dispatchEvent(new Event('input', {bubbles: true}));"
            "one.dispatchEvent(new Event('change', {bubbles: true}))"
        )
        self.settle()

    def press(self, key: str) -> None:
        options = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        for kind in ("rawKeyDown", "keyUp"):
            self.tab.send("Input.dispatchKeyEvent", type=kind, **options)
        self.settle()

    def type(self, text: str) -> None:
        self.tab.send("Input.insertText", text=text)
        self.settle()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_model_has_its_panels(kind: str, tab: Tab, tmp_path: Path) -> None:
    """And none of them is wider than a phone."""
    shown = Page(tab, tmp_path, kind, 360)
    names = shown.value(
        "[...document.querySelectorAll('[role=tab]')].map((one) => one.textContent)"
    )
    assert names == PANELS[kind]
    if "features" in kind:
        assert shown.value("element('sliders').textContent").startswith("feature 1 ")
    assert shown.value("element('loading').hidden")
    for number in range(len(names)):
        tab.run(f"document.querySelectorAll('[role=tab]')[{number}].click()")
        tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        shown.settle()
        panels = "[...document.querySelectorAll('[role=tabpanel]')]"
        assert shown.value(f"{panels}.filter((one) => !one.hidden).length") == 1
        assert shown.value("document.documentElement.scrollWidth") == 360


def test_a_long_name_is_not_wider_than_a_phone(tab: Tab, tmp_path: Path) -> None:
    checkpoint, long = checkpoint_of("features", Shape("gru", 1)), "n" * 100
    data = replace(checkpoint.config.data, feature_columns=(long, "b", "c"), features_path=None)
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, data=data))
    html = page(checkpoint, 32, name=long, version="0", about=f"trained on {long}.csv")
    (tmp_path / "model.html").write_text(html, encoding="utf-8")
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    tab.send("Emulation.setDeviceMetricsOverride", **size)
    tab.go((tmp_path / "model.html").as_uri())
    tab.run("await engine.ready")
    assert tab.run("return document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_has_a_name(kind: str, tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, kind)
    tab.send("Accessibility.enable")
    roles = {
        "button",
        "textbox",
        "searchbox",
        "slider",
        "spinbutton",
        "combobox",
        "checkbox",
        "tab",
    }
    for number in range(len(PANELS[kind])):
        tab.run(f"document.querySelectorAll('[role=tab]')[{number}].click()")
        shown.settle()
        nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
        controls = [node for node in nodes if node.get("role", {}).get("value") in roles]
        assert controls
        for node in controls:
            assert node["name"]["value"].strip(), node
    tab.send("Accessibility.disable")


def test_a_text_grows_from_a_beginning(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    assert len(shown.value("element('text').textContent")) >= 400  # the first one, unasked
    texts = []
    for length in ("40", "40", "80"):
        for name, value in {"prime": "ab <", "seed": "7", "amount": length}.items():
            shown.fill(name, value)
        shown.click("go")
        texts.append(shown.value("element('text').textContent"))
    assert texts[0] == texts[1]
    assert texts[2].startswith(texts[0])
    assert texts[0].startswith("ab <")
    assert shown.value("Array.from(element('text').textContent).length") == 84
    assert "80 characters" in shown.value("element('status').textContent")
    assert "seed 7" in shown.value("element('status').textContent")
    shown.click("more")
    assert shown.value("Array.from(element('text').textContent).length") == 164
    longer = shown.value("element('text').textContent")
    assert longer.startswith(texts[2])
    last = longer[30:32]
    shown.fill("stop-after", last)
    shown.click("go")
    stopped = shown.value("element('text').textContent")
    assert stopped == longer[: longer.index(last, 4) + len(last)]


def test_a_long_text_can_be_stopped(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.fill("amount", "100000")
    tab.run("element('go').click()")
    assert not shown.value("element('stop').disabled")
    shown.click("stop")
    assert 0 < shown.value("element('text').textContent.length") < 100_000
    assert shown.value("element('stop').disabled")
    assert not shown.value("element('more').disabled")


def test_what_does_not_fit_is_not_sent(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    before = shown.value("element('text').textContent")
    shown.fill("amount", "0")
    shown.click("go")
    assert shown.value("element('text').textContent") == before
    shown.fill("amount", "30")
    shown.fill("prime", "a\u0394b")
    shown.click("go")
    assert "does not know \u0394" in shown.value("element('status').textContent")
    written = shown.value("element('text').textContent")
    shown.fill("amount", "")
    shown.click("more")
    assert shown.value("element('text').textContent") == written
    assert shown.value("document.activeElement.id") == "amount"
    shown.fill("amount", "30")
    shown.fill("top-p", "2")  # in a part of the page that is closed
    shown.click("go")
    assert shown.value("element('text').textContent") == written
    assert shown.value("document.activeElement.id") == "top-p"
    shown.fill("top-p", "0.995")
    shown.click("go")
    assert shown.value("element('text').textContent") != written


def test_only_the_last_of_several_texts_is_announced(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    tab.run(
        "window.said = []; new MutationObserver(() => said.push(element('status').textContent))"
        ".observe(element('status'), {childList: true});"
        "for (let k = 0; k < 5; k++) element('go').click();"
    )
    shown.settle()
    said = [one for one in shown.value("said") if one != "Writing."]
    assert len(said) == 1
    assert said[0].startswith("500 characters")
    assert len(shown.value("element('text').textContent")) >= 500


def test_no_button_takes_the_focus_away(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.fill("amount", "100000")
    tab.run("element('more').focus(); element('more').click()")
    assert shown.value("document.activeElement.id") == "stop"
    shown.click("stop")
    assert shown.value("document.activeElement.id") == "more"


def test_typing_shows_surprise_and_what_may_come_next(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.click("type-tab")
    tab.run("element('typed').focus()")
    shown.type("ab <c\U0001d11e \u0394<img src=x onerror=alert(1)>")
    assert "\u0394" in shown.value("document.querySelector('#colours .unknown').textContent")
    assert not shown.value("document.querySelectorAll('#colours img').length")
    answer = tab.run("return engine.start('read', {text: element('typed').value, next: 8}).done")
    levels = [(1, "n1"), (2, "n2"), (3, "n3"), (4, "n4"), (6, "n5")]
    expected = [
        (one["text"], [name for bound, name in levels if one["nats"] >= bound][-1])
        for one in answer["characters"]
        if one["known"] and one["nats"] is not None and one["nats"] >= 1
    ]
    coloured = "[...document.querySelectorAll('#colours span:not(.unknown)')]"
    found = shown.value(f"{coloured}.map((one) => [one.textContent, one.className])")
    assert [tuple(one) for one in found] == expected
    before = shown.value("element('typed').value")
    assert shown.value("element('colours').textContent") == before + "\u200b"
    assert shown.value("element('next').children.length") == 8
    shown.press("ArrowRight")
    assert shown.value("element('typed').value") == before + answer["next"][0]["text"]
    tab.run("element('typed').setSelectionRange(0, 0)")
    shown.press("ArrowRight")  # not at the end, so that it moves
    assert shown.value("element('typed').selectionStart") == 1
    assert shown.value("element('typed').value") == before + answer["next"][0]["text"]
    shown.press("Tab")
    assert shown.value("document.activeElement.id") != "typed"


def test_the_right_arrow_takes_only_what_is_likely_after_all_of_the_text(
    tab: Tab, tmp_path: Path
) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.click("type-tab")
    tab.run("element('typed').focus()")
    shown.type("ab")
    likeliest = shown.value("first")
    tab.run(
        "const key = new KeyboardEvent('keydown', {key: 'ArrowRight'});"
        "for (let k = 0; k < 3; k++) element('typed').dispatchEvent(key)"
    )
    shown.settle()
    assert shown.value("element('typed').value") == f"ab{likeliest}"


def test_a_pressed_character_keeps_the_focus(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.click("type-tab")
    buttons = "document.querySelectorAll('#next button')"
    for _ in range(3):
        tab.run(f"{buttons}[2].focus(); {buttons}[2].click()")
        shown.settle()
        assert shown.value(f"document.activeElement === {buttons}[2]")
    assert len(shown.value("Array.from(element('typed').value)")) == 3


def test_characters_without_a_place_are_named_by_their_number(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.click("type-tab")
    tab.run("element('typed').focus()")
    shown.type("a\u202e\u200b\u0301\u00a0\u0394")
    said = shown.value("element('unknown').textContent")
    assert "does not know U+202E U+200B U+0301 U+00A0 \u0394, which" in said
    shown.type("".join(map(chr, range(0x4E00, 0x4F00))))
    assert len(shown.value("element('unknown').textContent")) < 150


def test_a_likely_character_can_be_pressed(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "records")
    shown.click("type-tab")
    shown.type("")
    label = shown.value("document.querySelector('#next button').getAttribute('aria-label')")
    tab.run("document.querySelector('#next button').click()")
    shown.settle()
    assert label == f"add {shown.value('element(`typed`).value')}"


def test_units_light_up_along_a_text(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    shown.click("look-tab")
    written = shown.value("element('text').textContent")
    assert written.startswith(shown.value("element('looked').value").replace("\r", ""))
    shown.fill("looked", "ab <c d\nab")
    columns = "document.querySelectorAll('#strip .column')"
    assert shown.value(f"{columns}.length") == 10
    assert shown.value(f"[...{columns}].every((one) => one.querySelectorAll('i').length === 2)")
    answer = tab.run("return engine.start('read', {text: 'ab <c d\\nab', units: [27]}).done")
    values = [one["active"][0] for one in answer["characters"]]
    largest = max(1, *map(abs, values))
    names = ["a0", "a1", "a2", "", "a4", "a5", "a6"]
    bounds = (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75)
    shown.tab.run("document.querySelectorAll('#units input')[1].click()")
    shown.settle()
    stripes = shown.value("[...document.querySelectorAll('#strip i')].map((one) => one.className)")
    assert stripes == [names[sum(v / largest >= bound for bound in bounds)] for v in values]


def test_units_are_shown_along_one_record_not_too_long(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "records")
    texts = "[...document.querySelectorAll('#text li')].map((one) => one.textContent)"
    first = shown.value(f"{texts}.find(Boolean)")
    shown.click("look-tab")
    assert shown.value("element('looked').value") == first
    shown.fill("typed", "ab" * 10_000)
    shown.fill("looked", "")
    assert shown.value("element('looked').value") == "ab" * 300


def test_tabs_are_moved_between_with_arrows(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    tab.run("element('write-tab').focus()")
    for key, panel in (("ArrowRight", "type"), ("ArrowRight", "look"), ("ArrowRight", "write")):
        shown.press(key)
        assert shown.value("document.activeElement.id") == f"{panel}-tab"
        assert not shown.value(f"element('{panel}').hidden")


def test_records_of_a_label(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "writer")
    prompts = shown.value("description.prompts.texts")
    assert shown.value("[...element('prompt').options].map((one) => one.text)") == prompts
    shown.fill("seed", "5")
    shown.fill("amount", "4")
    lists = []
    for label in (prompts[0], prompts[1]):
        shown.fill("prompt", label)
        items = "[...document.querySelectorAll('#text li')].map((one) => one.textContent)"
        lists.append(shown.value(items))
        options = {"n": 4, "seed": 5, "prompt": label, "prime": "", "temperature": 1}
        parts = tab.run(
            "const parts = [];"
            f"await engine.start('records', {json.dumps(options)}, (x) => parts.push(...x)).done;"
            "return parts.map(({text}) => text)"
        )
        assert lists[-1] == parts
    assert lists[0] != lists[1]


def test_a_label_is_sent_with_its_blanks(tab: Tab, tmp_path: Path) -> None:
    checkpoint = checkpoint_of("writer", Shape("gru", 1))
    vocabulary, label = checkpoint.vocabulary, "  a  b "
    codes = vocabulary.encode(vocabulary.symbols_of(label), "label")
    html = page(replace(checkpoint, labels=Labels((codes,), ())), 32, name="a model", version="0")
    (tmp_path / "model.html").write_text(html, encoding="utf-8")
    tab.go((tmp_path / "model.html").as_uri())
    assert tab.run("await engine.ready; return prompt()") == label


def test_panels_follow_a_label_that_was_chosen_in_another(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "writer")
    records = "[...document.querySelectorAll('#text li')].map((one) => one.textContent)"
    next_ones = "element('next').textContent"
    shown.fill("seed", "5")
    shown.click("go")
    before = shown.value(records)
    shown.click("type-tab")
    expected = shown.value(next_ones)
    shown.fill("prompt", shown.value("description.prompts.texts")[1])
    assert shown.value(next_ones) != expected
    assert shown.value(records) == before
    shown.click("write-tab")
    after = shown.value(records)
    assert after != before
    shown.click("type-tab")
    shown.click("write-tab")  # nothing has changed
    assert shown.value(records) == after


def test_the_probabilities_of_labels_move_while_one_types(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "labels")
    tab.run("element('question').focus()")
    rows = "[...document.querySelectorAll('#answers li')].map((one) => one.textContent)"
    seen = []
    for text in ("c", "a"):
        shown.type(text)
        seen.append(shown.value(rows))
        best = tab.run("return engine.start('labels', {prompt: element('question').value}).done")
        shown_best = shown.value("document.querySelector('#answers progress').value")
        assert shown_best == pytest.approx(best[0]["probability"])
    assert len(seen[0]) == 5
    assert seen[0] != seen[1]
    name = best[0]["text"] or "an empty reply"
    assert shown.value("element('asked').textContent") == f"Likeliest: {name}."
    shown.fill("question", "")
    assert shown.value("element('asked').textContent") == ""


def test_a_prompt_is_answered(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "pairs")
    tab.run("element('question').focus()")
    shown.type("ab")
    assert shown.value("element('answers').children.length") == 0
    shown.press("Enter")
    found = tab.run("return engine.start('replies', {prompt: 'ab', top: 5}).done")
    texts = "[...document.querySelectorAll('#answers b')].map((one) => one.textContent)"
    assert shown.value(texts) == [one["text"] for one in found]
    assert shown.value("element('asked').textContent").startswith("Likeliest: ")


def test_features_have_sliders(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "features")
    means = shown.value("description.features.mean")
    sliders = "[...document.querySelectorAll('#sliders input')]"
    values = shown.value(f"{sliders}.map((one) => Number(one.value))")
    std = shown.value("description.features.std")
    assert all(abs(v - m) <= s / 30 for v, m, s in zip(values, means, std, strict=True))
    assert shown.value("element('colour-field').hidden")
    shown.fill("seed", "5")
    shown.click("go")
    items = "[...document.querySelectorAll('#text li')].map((one) => one.textContent)"
    before = shown.value(items)
    tab.run(f"const one = {sliders}[0]; one.value = one.max; one.dispatchEvent(new Event('input'))")
    shown.settle()
    assert shown.value(items) != before
    tab.run(
        f"const one = {sliders}[0]; one.min = 0; one.max = 1e6; one.step = 1; one.value = 123456;"
        "one.dispatchEvent(new Event('input'))"
    )
    assert shown.value("element('sliders').textContent").startswith("feature 1 123000 ")


def test_prompts_that_were_not_learned_cannot_be_typed(tab: Tab, tmp_path: Path) -> None:
    checkpoint = checkpoint_of("labels", Shape("lstm", 2))
    train = replace(checkpoint.config.train, prompt_weight=0.0)
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, train=train))
    html = page(checkpoint, 32, name="a model", version="0", units=UNITS)
    (tmp_path / "model.html").write_text(html, encoding="utf-8")
    tab.go((tmp_path / "model.html").as_uri())
    tab.run("await engine.ready")
    tabs = "[...document.querySelectorAll('[role=tab]')].map((one) => one.textContent)"
    assert tab.run(f"return {tabs}") == ["Labels"]


@pytest.mark.parametrize("unit", [1, 255])
def test_a_colour_field_for_red_green_and_blue(tab: Tab, tmp_path: Path, unit: int) -> None:
    checkpoint = checkpoint_of("features", Shape("gru", 1))
    scale = FeatureScale(np.full(3, unit / 2), np.full(3, unit / 8))
    html = page(replace(checkpoint, scale=scale), 32, name="a model", version="0")
    html = html.replace('"features":{"names":[]', '"features":{"names":["Red","green","blue"]')
    (tmp_path / "model.html").write_text(html, encoding="utf-8")
    tab.go((tmp_path / "model.html").as_uri())
    tab.run("await engine.ready")
    if unit == 1:  # the field's numbers are from 0 to 255
        assert tab.run("return element('colour-field').hidden")
        return
    tab.run(
        "const one = element('colour'); one.value = '#2040f0';one.dispatchEvent(new Event('input'))"
    )
    assert tab.run("return features()") == [0x20, 0x40, 0xF0]
    tab.run(
        "const one = document.querySelector('#sliders input'); one.value = 255;"
        "one.dispatchEvent(new Event('input'))"
    )
    assert tab.run("return element('colour').value") == "#ff40f0"


def test_a_text_can_stop_after_a_line(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    for name, value in {"prime": "ab", "seed": "3", "amount": "400"}.items():
        shown.fill(name, value)
    shown.click("go")
    whole = shown.value("element('text').textContent")
    assert "\n" in whole[2:]
    shown.fill("stop-after", "\\n")
    shown.click("go")
    assert shown.value("element('text').textContent") == whole[: whole.index("\n", 2) + 1]


def test_a_worker_that_has_failed_is_not_waited_for(tab: Tab, tmp_path: Path) -> None:
    shown = Page(tab, tmp_path, "text")
    tab.run("engine.worker.onerror({preventDefault() {}, message: 'out of memory'})")
    shown.click("type-tab")
    assert shown.value("element('trouble').textContent") == "out of memory"
