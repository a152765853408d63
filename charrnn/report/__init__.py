"""Charts and HTML pages of trainings, drawn with Matplotlib and Jinja.

`history` reads the metrics of a run, `charts` draws them, `views` collects what
`charrnn.inspection` computes about the model, and `page` fills in `page.html`. The rooms below
compute the numbers.
"""
