"""Charts and HTML pages of trainings, drawn with Matplotlib and Jinja.

`history` reads the metrics of a run, `charts` draws them, `figures` makes elements and files of the
charts, `animation` a GIF of the gradient norms, `readout` adds the values under the pointer.
`views` collects what `charrnn.inspection` computes about the model, `writing` what the model
writes, `verdict` says in words what it has come to, and `page` fills in `page.html` with the style
of `page.css`. The rooms below compute the numbers.
"""
