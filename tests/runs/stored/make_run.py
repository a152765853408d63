"""Make a run to store, in the current checkpoint format.

    python tests/runs/stored/make_run.py FOLDER

FOLDER is an absolute path that must not exist; the paths of the run begin with it. The training is
interrupted in the middle of an epoch, so that the run can be resumed. The run format_1 was made as
/stored/format_1 by the first version that wrote format 1, and so on. A new format gets a new run;
the stored runs are never made again.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path

from charrnn.config.reader import load_config
from charrnn.training.reporter import Reporter
from charrnn.training.train import train

INTERRUPTED_AT = 70  # steps; an epoch has 48

TEXT = "the bees hum in the blue box, and all of them listen: é, ü, 蜂!\n"

CONFIG = """\
seed: 3
data: {path: text.txt, valid_fraction: 0.2}
model:
  cell: lstm
  num_layers: 1
  hidden_size: 5
  embedding_size: 4
  dropout: 0.1
  dropout_per: step
  weight_dropout: 0
train:
  batch_size: 2
  seq_length: 8
  streams: fixed
  max_steps: 150
  optimizer: adam
  learning_rate: 0.02
  schedule: constant
  warmup_steps: 0
  checkpoint_every: 1000
  log_every: 7
  validate_every: 30
  workers: 1
  backend: numpy
"""


class _Interrupting(Reporter):
    """Raises SIGINT after `INTERRUPTED_AT` steps."""

    _steps = 0

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._steps += 1
        if self._steps == INTERRUPTED_AT:
            signal.raise_signal(signal.SIGINT)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    (folder / "text.txt").write_text(TEXT * 15, encoding="utf-8")
    (folder / "made.yaml").write_text(CONFIG, encoding="utf-8")
    with suppress(KeyboardInterrupt):
        train(load_config(folder / "made.yaml"), folder, reporter=_Interrupting())
    (folder / "made.yaml").unlink()


if __name__ == "__main__":
    main()
