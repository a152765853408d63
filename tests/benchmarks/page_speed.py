"""The speed of an exported page in Chromium, beside `charrnn sample`, on the same core.

Random LSTMs with one-hot input over 65 characters write one text each, at temperature 1: charrnn
with NumPy, the page with WebAssembly, and the page without. They take turns,
a round each, and the medians of rates and of ratios are printed, as on a shared machine only the
ratios mean something. Everything is bound to one core, on which Chromium's own processes run, too.

The last columns are the time from opening the file to the first character, and the file's size.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported
sys.path.insert(0, str(Path(__file__).parents[1]))

from chromium import Tab, chromium
from exported import Shape, checkpoint_of

from charrnn.exporters.page import page
from charrnn.model.language_model import LanguageModel

SYMBOLS = "\n" + "".join(map(chr, range(32, 96)))
_CHUNK = 50  # characters of charrnn between two looks at the clock


def charrnn_rate(model: LanguageModel, seconds: float) -> float:
    """Return characters per second, written by charrnn."""
    pieces = model.stream("", 10**9, seed=1)
    for _ in range(_CHUNK):
        next(pieces)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for _ in range(_CHUNK):
            next(pieces)
        count += _CHUNK
    return count / elapsed


def page_rate(tab: Tab, engine: str, seconds: float) -> float:
    """Return characters per second, written by an engine of a page, clocked by the page."""
    rate: float = tab.run(
        f"""
        let count = 0, start = null, now = null;
        const task = {engine}.start("write", {{length: 1e9, seed: 1}}, (part) => {{
          now = performance.now();
          if (start === null) start = now;
          else count += part.length;
          if (now - start > {1000 * seconds}) task.stop();
        }});
        await task.done;
        return 1000 * count / (now - start);
        """
    )
    return rate


def first_character_ms(tab: Tab, url: str) -> float:
    """Return the time from opening a file to the first character that it writes."""
    tab.go(url)
    found: float = tab.run(
        """
        await engine.ready;
        return await new Promise((resolve) => {
          engine.start("write", {length: 1}, () => resolve(performance.now()));
        });
        """
    )
    return found


def measure(tab: Tab, folder: Path, H: int, rounds: int, round_s: float) -> str:
    """Return a row of the table."""
    checkpoint = checkpoint_of("text", Shape("lstm", 2, None, H), symbols=SYMBOLS)
    model = LanguageModel(checkpoint.config, checkpoint.vocabulary, checkpoint.model())
    html = folder / "model.html"
    html.write_text(page(checkpoint, 16, name="model", version="0"), encoding="utf-8")
    first = statistics.median(first_character_ms(tab, html.as_uri()) for _ in range(rounds))
    tab.run("await engine.ready; window.plain = new Engine({plain: true}); await plain.ready")
    turns: list[Callable[[], float]] = [
        lambda: charrnn_rate(model, round_s),
        lambda: page_rate(tab, "engine", round_s),
        lambda: page_rate(tab, "plain", round_s),
    ]
    rates = [[turn() for turn in turns] for _ in range(rounds + 1)][1:]  # the first warms up
    ours, simd, plain = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rates)
    return (
        f"| 2x{H} | {ours:,.0f} | {simd:,.0f} | {ratio:.2f} | {plain:,.0f} | {first:.0f} ms "
        f"| {html.stat().st_size / 1e6:.2f} MB |"
    )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-s", type=float, default=1.0, help="seconds of a round")
    parser.add_argument("--core", type=int, default=0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})  # Chromium inherits it
    print("| LSTM | charrnn, chars/s | page | ratio | without SIMD | first character | size |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder) / "profile") as browser:
        tab = browser.tab()
        for H in arguments.sizes:
            print(measure(tab, Path(folder), H, arguments.rounds, arguments.round_s), flush=True)


if __name__ == "__main__":
    main()
