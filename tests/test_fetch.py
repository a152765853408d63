"""`make data` fetches a file only if it is the one that was meant."""

from __future__ import annotations

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

FETCH = Path(__file__).parents[1] / "data" / "fetch.py"
CONTENT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "input.txt").write_bytes(CONTENT)
    handler = functools.partial(_Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/input.txt"
        server.shutdown()
        thread.join()


def fetch(url: str, sha256: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, FETCH, "--url", url, "--sha256", sha256, "--file", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_fetches_once(url: str, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    first = fetch(url, SHA256, file)
    assert (first.returncode, file.read_bytes()) == (0, CONTENT)
    assert "fetched" in first.stdout
    again = fetch("http://127.0.0.1:9/nothing-listens-here", SHA256, file)
    assert again.returncode == 0
    assert "already" in again.stdout


def test_another_content_is_refused(url: str, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    result = fetch(url, "0" * 64, file)
    assert result.returncode == 1
    assert "SHA-256" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.glob("text*")) == []


def test_no_answer_is_one_message(tmp_path: Path) -> None:
    result = fetch("http://127.0.0.1:9/nothing-listens-here", SHA256, tmp_path / "text.txt")
    assert result.returncode == 1
    assert "by hand" in result.stderr
    assert "Traceback" not in result.stderr
