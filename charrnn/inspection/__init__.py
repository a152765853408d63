"""What a trained model has learned, as numbers and as coloured text.

`predictions`, `surprise`, `units` and `gradient_flow` compute; `features` names what is at each
place of a text; `glyphs` and `colours` show a text on a terminal. Charts and pages belong to
`charrnn.report`.
"""
