"""The page as a file: its policy, its size, and what it holds."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from exported import Shape, checkpoint_of

from charrnn.exporters.page import page
from charrnn.inspection.units import Unit, UnitCorrelation


@pytest.fixture
def html() -> str:
    return page(checkpoint_of("text", Shape("lstm", 2)), 16, name="tales", version="1.2")


def test_the_policy_allows_the_own_script_and_style_alone(html: str) -> None:
    def source(element: str) -> str:
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert found
    assert found[1] == (
        f"default-src 'none'; script-src 'sha256-{source('script')}' 'wasm-unsafe-eval'; "
        f"style-src 'sha256-{source('style')}'; worker-src blob:"
    )
    assert not re.search(r"\{\{|https?:|<link|<img|<script src|import\(|fetch\(|innerHTML", html)


def test_it_names_its_model_and_its_maker(html: str) -> None:
    assert "<title>tales</title>" in html
    assert '<meta name="generator" content="charrnn 1.2">' in html


def test_a_model_of_2x256_and_200_characters_takes_less_than_3_mb() -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))
    html = page(
        checkpoint_of("text", Shape("lstm", 2, None, 256), symbols=many), name="m", version="1"
    )
    assert len(html.encode()) < 3_000_000


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours #rrggbb, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        linear = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
        return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [0, 1], ids=["light", "dark"])
def test_text_is_readable_on_every_colour(html: str, palette: int) -> None:
    colours = re.findall(r":root \{(.*?)\}", html, re.DOTALL)[palette]
    grounds = {"ink": ["paper", "card", *(f"n{k}" for k in range(1, 6)), "a1", "a2", "a4", "a5"]}
    grounds |= {"soft": ["paper", "card"], "on-a": ["a0", "a6"], "on-accent": ["accent"]}
    own = dict(re.findall(r"--([\w-]+): (#(?:\w{6}|\w{3}));", colours))
    full = {n: v if len(v) == 7 else "#" + "".join(2 * x for x in v[1:]) for n, v in own.items()}
    for text, names in grounds.items():
        for name in names:
            assert contrast(full[text], full[name]) >= 4.5, (text, name)


def test_units_have_their_place_among_the_states() -> None:
    units = [
        UnitCorrelation(Unit(0, "c", 3), "inside a word", 0.5),
        UnitCorrelation(Unit(1, "h", 0), "capital letter", -0.25),
    ]
    html = page(checkpoint_of("text", Shape("lstm", 2)), 32, name="tales", version="1", units=units)
    first = '{"layer":0,"state":"c","number":3,"place":27,"feature":"inside a word","r":0.5}'
    assert f'"units":[{first},' in html
    assert '"place":48,"feature":"capital letter","r":-0.25}]' in html
