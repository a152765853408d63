"""Workers: the gradient of a step and the score of a text, shared among processes.

A `worker` computes the gradient of its streams and scores its share of a text. A `group` gives each
task to all workers and combines their results. The workers of a group are this process alone,
`processes` of this machine, or the ranks of `mpi`. `count` resolves the number of workers.
`scoring` scores a long text on all cores, `sampling` writes many records. The training loop belongs
to `charrnn.training`.
"""
