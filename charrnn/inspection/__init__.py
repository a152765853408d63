"""What a trained model has learned, as numbers and as coloured text.

`predictions`, `surprise`, `lines`, `units` and `gradient_flow` compute; `features` describes each
position of a text; `copies` compares a sample with the text; `glyphs` and `colours` prepare a text
for a terminal. Charts and pages belong to `charrnn.report`.
"""
