"""A run on disk: its folder and lock, checkpoints, metrics.

`folder` names the files of a run and finds the newest one, `lock` keeps a second training out,
`metrics` is metrics.jsonl, `checkpoint` reads and writes .npz files (`archive` their arrays, `meta`
the JSON beside them), `load` makes a model of one. What is done with a run belongs to
`charrnn.training`, or to the commands.
"""
