"""Pictures and pages of trainings: what their metrics and models show, drawn.

Matplotlib draws and Jinja makes the pages; both come with `charrnn[report]`.
"""
