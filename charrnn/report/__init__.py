"""Charts and HTML pages of trainings, drawn with Matplotlib and Jinja.

`history` reads the metrics of a run, `charts` draws, `views` collects what `charrnn.inspection`
computes, `page` puts the parts into `page.html`. Numbers belong to the rooms below.
"""
