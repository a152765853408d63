"""How fast a configuration runs here, and which one suits a text and a number of minutes.

`benchmark` measures, `proposal` chooses. The rules behind a choice are in
`charrnn.training.recipe`.
"""
