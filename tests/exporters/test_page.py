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


def test_units_have_their_place_among_the_states() -> None:
    units = [
        UnitCorrelation(Unit(0, "c", 3), "inside a word", 0.5),
        UnitCorrelation(Unit(1, "h", 0), "capital letter", -0.25),
    ]
    html = page(checkpoint_of("text", Shape("lstm", 2)), 32, name="tales", version="1", units=units)
    first = '{"layer":0,"state":"c","number":3,"place":27,"feature":"inside a word","r":0.5}'
    assert f'"units":[{first},' in html
    assert '"place":48,"feature":"capital letter","r":-0.25}]' in html
