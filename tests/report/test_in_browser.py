"""The page of charrnn report in Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from drawn_runs import make_run, report

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
QUIET = [  # with the options that Chromium needs if root starts it
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--enable-logging=stderr", "--v=0"),
]


@pytest.mark.external
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_has_no_errors_and_fits_the_window(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console stays empty, and the page does not scroll to the side."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path)
    page = report("runs/tiny")
    probe = (
        "<script>addEventListener('load', () => {document.title = 'wide ' + "
        "(document.documentElement.scrollWidth - innerWidth) + ' svg ' + "
        "[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 200).length})</script>"
    )
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page)
    assert policy
    (tmp_path / "probed.html").write_text(
        page.replace(policy[0], "").replace("</head>", probe + "</head>"), encoding="utf-8"
    )
    flags = [*QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    shown = []
    for file in ("page.html", "probed.html"):
        command = [str(CHROMIUM), *flags, "--dump-dom", (tmp_path / file).as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert "CONSOLE" not in done.stderr
        shown.append(done.stdout)
    title = re.search(r"<title>wide (-?\d+) svg (\d+)</title>", shown[1])
    assert title
    assert int(title[1]) <= 0
    assert int(title[2]) == 5
