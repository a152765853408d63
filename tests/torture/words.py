"""The words of random command lines."""

from __future__ import annotations

WORDS = (
    *("", " ", "-", "--", "---", "-x", "--help", "-h", "--version", "--no-such", "=", "=x", "a=b"),
    *(
        "\u00e9",
        "\u4e2d\u6587",
        "\U0001f41d",
        "\u202e",
        "\x1b[2J",
        "\x07",
        "\r\n",
        "\t",
        "%s",
        "{}",
    ),
    *("\udcff", "a\udc80b", "\udcff.npz", "x" * 300, "x" * 5000, "/" * 300, "*", "?", "~", "$HOME"),
    *("'", '"', "\\", "nan", "inf", "0x10", "1e3", "1_0", "\u0663", "-1", "0", "1", "9" * 5000),
)
# A pipe is never given for a text, because reading a pipe without a writer never ends.
CHECKPOINTS = (
    *("runs/tiny", "runs/bytes", "runs/lines", "runs/pairs", "runs/free", "runs/blocks/last.npz"),
    *("runs/tiny/last.npz", "runs/bytes/best.npz", "runs/tiny/"),
    *("runs", ".", "..", "/", "folder", "text.txt", "empty.txt", "cut.npz", "text.npz", "gone.npz"),
    *("runs/tiny/config.yaml", "runs/tiny/metrics.jsonl", "/dev/null", "/dev/zero", "/dev/stdin"),
    *("fifo", "link.npz", "loop.npz", "gone", "runs/tiny/last.npz/x", "/proc/self/mem"),
)
TEXTS = (
    *("text.txt", "blocks.txt", "table.csv", "blank.txt", "nulls.txt", "table.tsv", "labels"),
    *("other.txt", "empty.txt", "one.txt", "latin.txt", "-", "folder", ".", "gone.txt"),
    *("/dev/null", "/proc/self/mem", "text.txt/x", "runs/tiny/last.npz", "tiny.yaml", "loop.npz"),
)
CONFIGS = (
    *("tiny.yaml", "lines.yaml", "pairs.yaml", "blocks.yaml", "bytes.yaml"),
    *("text.txt", "gone.yaml", "folder", "."),
    *("empty.txt", "latin.txt", "large.txt", "runs/tiny/config.yaml", "runs/tiny", "/dev/null"),
    *("/dev/zero", "-", "text.npz", "loop.npz", "/proc/self/mem"),
)
# Only folders in the current one, because a command may write to any folder that is named.
RUN_DIRS = (
    *(
        "new",
        "runs/tiny",
        "a/b/c",
        ".",
        "text.txt",
        "text.txt/x",
        "folder",
        "runs/\u00e9",
        "x" * 300,
    ),
    *("runs/\udcff", "x" * 5000, "", "a\nb", "\x1b[2J", "/dev/null", "link.npz", " "),
)
RUNS = (
    *("runs/tiny", "runs/lines", "runs/bytes", "runs/blocks", "runs/tiny/", "runs", ".", "folder"),
    *("gone", "text.txt", "runs/tiny/last.npz", "loop.npz", "fifo", "/dev/null", "runs/tiny/x"),
    *("/proc/self",),
)
PICTURES = (
    *("new.png", "new.svg", "new.pdf", "curve.svg", "new.gif", "new.PNG", "new", "text.txt"),
    *("page.html", "folder", "folder/new.svg", "gone/new.svg", "text.txt/new.svg", ".", "", "-"),
    *("loop.npz", "link.npz", "fifo", "/dev/null", "x" * 300 + ".svg", "\x1b[2J.svg", "\udcff.svg"),
)
PRIMES = (
    "",
    "the",
    "The",
    "\u00e9",
    "\U0001f41d",
    "\udcff\udcfe",
    "\x1b",
    "\n",
    "a" * 3000,
    "--",
    "-",
)
# Small lengths and numbers, because users may rightly ask for a long text.
NUMBERS = {
    "--length": ("0", "1", "7", "300"),
    "--num-samples": ("1", "2", "3", "300"),
    "--temperature": ("0", "0.5", "1", "1e-300", "1e300", "1e-400", "-0.0", "5e-324"),
    "--top-k": ("1", "3", "1000", "9" * 30),
    "--top-p": ("0.5", "1", "1e-300", "0.999999999999"),
    "--seed": ("0", "1", "4294967296", "9" * 300),
}
PROMPTS = ("bee", "bee", "the blue box", "hums", "red", "a\tb")
VIEW_NUMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "predictions": {"--top": ("1", "3", "1000", "1001")},
    "surprise": {"--top": ("0", "1", "1000000"), "--length": ("0", "1", "50", "9" * 30)},
    "cells": {
        "--top": ("1", "5", "1000000"),
        "--length": ("0", "1", "50", "9" * 30),
        "--unit": ("0", "5", "6", "9" * 30),
        "--layer": ("0", "1", "9" * 30),
        "--state": ("h", "c", "x"),
    },
    "gradients": {"--lags": ("1", "5", "10000"), "--losses": ("1", "5", "10000")},
}
