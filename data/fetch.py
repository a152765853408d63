"""Fetch tiny Shakespeare (1.1 MB, public domain) to this folder, and check its SHA-256."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import sys
import urllib.request
from pathlib import Path

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
FILE = Path(__file__).parent / "tinyshakespeare.txt"


def fetch(url: str, sha256: str, file: Path) -> str:
    """Bring `file` to the content with the digest; return what was done.

    Raises:
        OSError: the address does not answer, or the file cannot be written.
        ValueError: what came has another digest; nothing is written then.
    """
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
        return f"{file}: is there already"
    with urllib.request.urlopen(url, timeout=60) as response:
        content = response.read()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"SHA-256 is {found}, expected {sha256}; nothing was written")
    part = file.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, file)
    return f"{file}: fetched, {len(content):,} bytes"


def main() -> int:
    """Fetch, and say what happened in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=URL)
    parser.add_argument("--sha256", default=SHA256)
    parser.add_argument("--file", type=Path, default=FILE)
    arguments = parser.parse_args()
    try:
        print(fetch(arguments.url, arguments.sha256, arguments.file))
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        print(f"{arguments.url}: {reason}; fetch it by hand to {arguments.file}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
