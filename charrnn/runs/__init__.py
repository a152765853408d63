"""A run on disk: its folder, lock, metrics and checkpoints.

`folder` names the files of a run and finds the newest run. `lock` keeps a second training out of a
run folder. `metrics` reads and writes metrics.jsonl. `checkpoint` reads and writes .npz files:
`archive` their arrays, `meta` their JSON text. `load` makes a model from a checkpoint.
`charrnn.training` and the commands use these modules.
"""
