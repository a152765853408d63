"""The page of charrnn report in Chromium."""

from __future__ import annotations

from pathlib import Path

import chromium
import pytest
from drawn_runs import make_run, report

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.mark.external
@pytest.mark.skipif(chromium.PATH is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_in_a_window(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no errors, does not scroll to the side, and shows the values under the pointer."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path)
    report("runs/tiny")
    (tmp_path / "profile").mkdir()
    with chromium.chromium(tmp_path / "profile") as browser:
        tab = browser.tab()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        tab.send("Emulation.setDeviceMetricsOverride", **size)
        tab.go((tmp_path / "page.html").as_uri())
        assert tab.run("return document.documentElement.scrollWidth - innerWidth") <= 0
        charts = "[...document.querySelectorAll('svg')].filter((one) => one.clientWidth > 200)"
        assert tab.run(f"return {charts}.length") == 5
        bar = "document.querySelectorAll('.readout > g')[20]"
        x, y = tab.run(
            f"{bar}.scrollIntoView({{block: 'center'}});"
            f"const box = {bar}.querySelector('rect').getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]"
        )
        visibility = f"return getComputedStyle({bar}.querySelector('text')).visibility"
        assert tab.run(visibility) == "hidden"
        tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        assert tab.run(visibility) == "visible"
        assert tab.messages == []
