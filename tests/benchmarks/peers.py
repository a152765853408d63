"""charrnn beside char-rnn's recipe and nanoGPT's, on texts that it is given, for the same minutes.

    python tests/benchmarks/peers.py TEXT... --minutes 1 5 --seeds 3 --peer PYTHON
    python tests/benchmarks/peers.py TEXT... --minutes 20 --seeds 1 --peer PYTHON
    python tests/benchmarks/peers.py --table

PYTHON is an interpreter that has PyTorch and NumPy. One system runs at a time, on all cores of this
process (`taskset -c 0,1` chooses two). Each result is a line of the file --results; what is there
already is not run again, so that an interrupted benchmark continues. A file is of one machine.

The first 80% of a text are the training part, then 10% for validation and 10% for the test; the
vocabulary is that of the whole text. charrnn runs as `charrnn train TEXT --minutes M`, with the
settings that it proposes; only the parts, the seed and data.records, which is null, are set. The
others are the published recipes, written in PyTorch (`pytorch_recipe.py`), with as many threads as
cores: char-rnn's LSTM of 2x128, and nanoGPT's transformer for a CPU, whose cosine ends with the
minutes. All systems keep the model with the lowest validation loss in the minutes and spend about a
twentieth of them on validations.

The minutes are those of steps and validations. Start-up comes before: imports, reading the text,
compiled code, a first validation of the peers, and the seconds in which charrnn measures the
machine (`besides_s` in the results; charrnn's includes the scoring of the whole validation part
after the minutes). charrnn fits the number of its steps to the minutes, and the table says how long
they took. The others stop by the clock.

The test is scored once, after the minutes: every character of the last part in order, the first one
predicted from the text before it. The recurrent models carry their state along: char-rnn's over the
whole part, charrnn's over streams that are warmed up on the text before them. nanoGPT's model sees
33 to 64 characters before each, as half of each window is only read; its training has 1 to 64.

A peer reaches charrnn's loss when its loss on 25 stretches of 1,000 characters of the validation
part is no higher than the loss of charrnn's chosen model on the same stretches, the median of the
seeds. The time is the earliest of all the peer's runs on the text, also of longer ones.

The texts of docs/measurements.md, in a folder of their own (Debian 12, with LC_ALL=C; `xargs` says
that `head` stopped it):

    apt-get download linux-doc-6.1 fortunes-de
    for deb in *.deb; do dpkg-deb -x $deb .; done
    pip download --no-deps --only-binary :all: django==5.2.19 networkx==3.6.1 nltk==3.10.4 \\
        sqlalchemy==2.1.9
    for wheel in *.whl; do unzip -qo $wheel '*.py'; done
    whole() { head -c $1 | iconv -c -f utf-8 -t utf-8; }
    python_files() { find $* -name '*.py' ! -path '*/test*' ! -path '*/locale/*' | sort |
        xargs cat; }
    find usr/share/doc/linux-doc-6.1/Documentation -name '*.rst.gz' ! -path '*/translations/*' |
        sort | xargs zcat | whole 10000000 > technical.txt
    python_files django | whole 3000000 > code.txt
    python_files networkx nltk sqlalchemy | whole 10000000 > code10.txt
    sed 's/^%$//' usr/share/games/fortunes/de/zitate > foreign.txt
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from long_runs import Line, append_line, charrnn, processor, read_lines
from peers_table import CHARRNN, PEERS, print_table
from text_parts import WARM_UP, cut_points, read_text, stretches

RECIPE = Path(__file__).with_name("pytorch_recipe.py")
SETTINGS = ("data.valid_fraction=0.1", "data.test_fraction=0.1", "data.records=null")
ONE_RUN = ("char-rnn",)  # systems of which one run gives the figures of several lengths


def charrnn_run(path: Path, minutes: float, seed: int) -> Line:
    """Train and score charrnn; return its figures."""
    with TemporaryDirectory() as folder:
        run = Path(folder, "run")
        train = ["train", str(path), "--run-dir", str(run), "--minutes", str(minutes)]
        for setting in (*SETTINGS, f"seed={seed}"):
            train += ["--set", setting]
        began = time.monotonic()
        charrnn(*train)
        command_s = time.monotonic() - began
        metrics = read_lines(run / "metrics.jsonl")
        test = json.loads(charrnn("eval", str(run), "--split", "test", "--json").stdout)
        trace = [
            {"s": one["elapsed_s"], "step": one["step"], "valid_nats": one["loss_nats"]}
            for one in metrics
            if one["split"] == "valid"
        ]
        train_s = metrics[-1]["elapsed_s"]
        return {
            "test_nats": test["loss_nats"],
            "test_chars": test["chars"],
            "s": train_s,
            "besides_s": round(command_s - train_s, 1),
            **charrnn_model(run, path),
            "trace": trace,
        }


def charrnn_model(run: Path, path: Path) -> Line:
    """Return the loss of a run's best model on the stretches, and its shape."""
    from charrnn import load
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.version import __version__

    checkpoint, model, text = (
        load_checkpoint(find_checkpoint(run)),
        load(run),
        text_of(path),
    )
    start, end = cut_points(len(text))[:2]
    firsts, length = stretches(start, end)
    nats = 0.0
    for first in firsts:  # the first character of a text has no prediction
        before = text[first - WARM_UP - 1 : first]
        both = model.score(before + text[first : first + length]).nats
        nats += both - model.score(before).nats
    shape, train = checkpoint.config.model, checkpoint.config.train
    return {
        "valid_nats": nats / (length * len(firsts)),
        "parameters": len(checkpoint.parameters),
        "settings": f"{shape.cell} {shape.num_layers}x{shape.hidden_size}, "
        f"dropout {shape.dropout:g}, rate {train.learning_rate:.2g}, "
        f"epochs {train.max_epochs}, steps {train.max_steps}",
        "version": f"charrnn {__version__}",
    }


def peer_runs(
    peer: str, system: str, path: Path, minutes: list[float], seed: int
) -> Iterator[Line]:
    """Train and score a recipe; yield its figures for each number of minutes, by their size."""
    command = [peer, str(RECIPE), system, str(path), "--seed", str(seed)]
    command += ["--minutes", *map(str, minutes)]
    began, besides_s, trace = time.monotonic(), None, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = json.loads(line)
            if besides_s is None:
                besides_s = round(time.monotonic() - began - found["s"], 1)
            if "minutes" not in found:
                trace.append(found)
                continue
            version = f"PyTorch {found.pop('torch')}"
            yield {**found, "besides_s": besides_s, "version": version, "trace": [*trace]}
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")


def text_of(path: Path) -> str:
    """Return a text that is large enough for its parts."""
    text = read_text(path)
    if len(text) < 10_000:
        raise SystemExit(f"{path}: has {len(text):,} characters; give a text of at least 10,000")
    return text


def run_text(path: Path, minutes: list[float], seed: int, peer: str | None, results: Path) -> None:
    """Run what is missing of a text and a seed, and append the results."""
    text = text_of(path)
    common = {
        "text": path.stem,
        "chars": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "seed": seed,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
    }
    for system in (CHARRNN, *(PEERS if peer else ())):
        done = [
            one["minutes"]
            for one in read_lines(results)
            if (one["system"], *map(one.get, common)) == (system, *common.values())
        ]
        missing = [one for one in minutes if one not in done]
        for at_once in [missing] if system in ONE_RUN else [[one] for one in missing]:
            if not at_once:
                continue
            names = ", ".join(f"{one:g}" for one in at_once)
            print(f"{path.stem}, {system}, seed {seed}, minutes {names}", file=sys.stderr)
            found = (
                iter([{"minutes": at_once[0], **charrnn_run(path, at_once[0], seed)}])
                if system == CHARRNN
                else peer_runs(peer or "", system, path, at_once, seed)
            )
            for one in found:
                line = {"system": system, **common, **one}
                append_line(results, line)


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, nargs="*", metavar="TEXT", help="a text file")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5], help="of training")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--peer", help="an interpreter with PyTorch; without it, charrnn alone")
    parser.add_argument("--results", type=Path, default=Path("peers.jsonl"), help="JSON lines")
    parser.add_argument("--table", action="store_true", help="print the table of the results")
    arguments = parser.parse_args()
    machine = (processor(), len(os.sched_getaffinity(0)))
    lines = read_lines(arguments.results)
    if arguments.texts and any((one["processor"], one["cores"]) != machine for one in lines):
        parser.error(f"{arguments.results}: is of another machine, or of other cores; name another")
    for seed in range(1, arguments.seeds + 1):
        for path in arguments.texts:
            run_text(path, sorted(arguments.minutes), seed, arguments.peer, arguments.results)
    if arguments.table:
        print_table(read_lines(arguments.results))


if __name__ == "__main__":
    main()
