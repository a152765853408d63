"""The work of a step, shared among processes.

A `worker` computes the gradient of its streams and scores its share of a text; a `group` gives
tasks to all workers and adds up what they return: in this process, in `processes` of this machine,
or over `mpi`. `count` resolves how many there are, `scoring` scores a long text on all cores. The
training loop belongs to `charrnn.training`.
"""
