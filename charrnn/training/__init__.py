"""A training: from a configuration to a finished run.

`train` is the way through: `resume` decides where to start, `recipe` fills in defaults, `transfer`
takes weights from another run, `trainer` is the loop. The loop uses `limits`, `optimizer` and
`divergence`, and leaves its traces through `log` and `reporter`; `summary` puts a training into
words. What a worker computes belongs to `charrnn.workers`.
"""
