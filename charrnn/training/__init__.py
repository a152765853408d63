"""Training: from a configuration to a finished run.

`train` is the entry point. It asks `resume` for the checkpoint to continue from, lets `recipe` fill
in defaults and `transfer` copy weights from another run, and starts the loop in `trainer`. The loop
uses `limits`, `optimizer` and `divergence`, writes metrics.jsonl through `log` and prints through
`reporter`. `summary` describes a training in words, `accuracy` at its end measures how well a model
tells labels. Gradients and scores are computed in `charrnn.workers`.

Three modules decide the learning rate of a step, and `Trainer._learning_rate` puts them together:
`recipe` chooses the default of `train.learning_rate`, `optimizer` follows `train.schedule` (a
cosine up to the end in `limits`), and `divergence` halves the rate after each skipped update. The
formulas of the schedules, and the default of each optimizer, are in `charrnn.kernels.optimizers`.
"""
