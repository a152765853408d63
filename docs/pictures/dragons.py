"""Draw dragons.svg: a model learns to name dragons.

    python docs/pictures/dragons.py RUN

trains configs/things.yaml to the folder RUN, in stages that resume one another, and writes the name
of a dragon after each of them, always from the same random numbers. The colours are the losses of
the characters in the finished model, as `charrnn inspect surprise` shows them.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("dragons.svg")
STEPS = (20, 60, 150, 400, 1200, 10_000)  # the configuration ends the last one
SAMPLE = 4  # which of the names of a stage is drawn, from 1
BOUNDS_NATS = (1, 2, 4, 6)  # above each of them, a colour
CHAR, ROW, TOP = 9.6, 32, 96  # width of a character and height of a row, in pixels
SECONDS, LOSS, NAME, WIDTH = 24, 88, 174, 460  # left edges, and the whole

STYLE = """
.paper { fill: #fffdf8; stroke: #d9d2c4 } text { fill: #2b2622; white-space: pre }
text { font: 16px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
.quiet { fill: #6b6259; font-size: 12px } .legend { font-size: 12px }
.title { font: 600 17px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif }
.heat1 { fill: #fdebc8 } .heat2 { fill: #fbd38f } .heat3 { fill: #f6ad64 } .heat4 { fill: #ee8a52 }
@media (prefers-color-scheme: dark) {
  .paper { fill: #1d1b19; stroke: #3d3833 } text { fill: #ece5da } .quiet { fill: #b0a699 }
  .heat1 { fill: #3e3220 } .heat2 { fill: #624620 }
  .heat3 { fill: #8a561f } .heat4 { fill: #b3571d }
}
"""


class Stage(NamedTuple):
    """What a model could do after some seconds of training."""

    seconds: float
    loss_nats: float
    name: str


def charrnn(*arguments: object) -> str:
    """Run a command, and return what it prints."""
    command = [sys.executable, "-m", "charrnn", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def stage(run: Path, max_steps: int) -> Stage:
    """Train until a number of steps, and write a name."""
    keys = (f"train.max_steps={max_steps}", "train.validate_every=10000", "train.workers=1")
    changes = [word for key in keys for word in ("--set", key)]
    charrnn("train", ROOT / "configs" / "things.yaml", "--run-dir", run, "--resume", *changes)
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    valid = [one for one in map(json.loads, lines) if one["split"] == "valid"][-1]
    sampled = ("--prompt", "dragon", "-n", SAMPLE, "--temperature", 0.6, "--seed", 2)
    names = charrnn("sample", run / "last.npz", *sampled).splitlines()
    return Stage(valid["elapsed_s"], valid["loss_nats"], names[-1])


def surprise(run: Path, name: str) -> list[float]:
    """Return the loss of each character of a name, in nats."""
    table = run / "dragon.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("kind", "name"), ("dragon", name)])
    printed = json.loads(charrnn("inspect", "surprise", run / "last.npz", table, "--json"))
    found: list[float] = printed["nats"]
    return found[len("dragon") + 1 : -1]  # without prompt, separator and end


def heat(x: float, y: float, width: float, nats: float) -> str:
    """Return a rectangle whose colour says how much a loss is, or nothing for a small one."""
    level = sum(nats > bound for bound in BOUNDS_NATS)
    box = f'x="{x:.1f}" y="{y - 16}" width="{width:.1f}" height="22"'
    return f'<rect class="heat{level}" {box}/>' if level else ""


def written(x: float, y: float, text: str, kind: str = "") -> str:
    """Return a text, with characters of one width whatever the font."""
    width = f'textLength="{len(text) * CHAR:.1f}"' if not kind else f'class="{kind}"'
    return f'<text x="{x:.1f}" y="{y}" {width} xml:space="preserve">{escape(text)}</text>'


def legend(y: float) -> list[str]:
    """Return what the colours mean."""
    drawn = [written(SECONDS, y, "surprise, in nats:", "quiet")]
    for number, bound in enumerate(BOUNDS_NATS):
        x = NAME + 66 * number
        drawn += [heat(x, y, 56, bound + 1e-9), written(x + 7, y, f"over {bound}", "legend")]
    return drawn


def picture(stages: list[Stage], losses: list[list[float]]) -> str:
    """Return the SVG file."""
    drawn = [written(SECONDS, 38, "A model learns to name dragons", "title")]
    heads = {SECONDS: "seconds", LOSS: "nats/char", NAME: "a name, from the same seed"}
    drawn += [written(x, 66, head, "quiet") for x, head in heads.items()]
    for number, (one, nats) in enumerate(zip(stages, losses, strict=True)):
        y = TOP + ROW * number
        drawn.append(written(SECONDS, y, f"{one.seconds:.0f}", "quiet"))
        drawn.append(written(LOSS, y, f"{one.loss_nats:.2f}", "quiet"))
        drawn += [heat(NAME + CHAR * i, y, CHAR, loss) for i, loss in enumerate(nats)]
        drawn.append(written(NAME, y, one.name))
    bottom = TOP + ROW * len(stages) + 14
    drawn += legend(bottom)
    size = f'viewBox="0 0 {WIDTH} {bottom + 24}" width="{WIDTH}" height="{bottom + 24}"'
    paper = f'<rect class="paper" x="1" y="1" width="{WIDTH - 2}" height="{bottom + 22}" rx="10"/>'
    body = "\n".join(filter(None, drawn))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return f"{head}\n<style>{STYLE}</style>\n{paper}\n{body}\n</svg>\n"


def main() -> None:
    """Train, and draw."""
    run = Path(sys.argv[1])
    stages = [stage(run, steps) for steps in STEPS]
    losses = [surprise(run, one.name) for one in stages]
    PICTURE.write_text(picture(stages, losses), encoding="utf-8")


if __name__ == "__main__":
    main()
