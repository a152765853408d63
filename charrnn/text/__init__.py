"""Turn text files into integer codes, and cut these into the windows that a model reads.

In the order of use: `files` finds and reads the files, `decoding` turns bytes into code points,
`vocabulary` numbers the symbols, `encoding` and `cache` write the codes, `mapped` verifies and maps
files of them. `corpus` divides a text into splits; `rows` reads tables and `tables` their columns,
`features` the numbers in them; `record_reader` puts ends between records, `record_index` finds them
in the codes, and `records` makes a corpus of them; `load` puts these together. `streams` and
`records` hand out the windows that `windows` defines; `shuffle` orders records without a list of
them.

`part` encodes a text for a trained model, `prompts` reads prompts for one, `reading` lays a part of
it out for views, `record_reading` one of records, `known` looks records up, and `one_record` checks
a text that is given as a record. `size_check` refuses a text that is too small, `remarks`
recognises what is probably no text, `shape` a list and blocks, `table_format` tables; `lines`
describes the lines or the records of a text. `random_text` makes one to measure the speed on.

Nothing here depends on a model or a run. Reading text from arguments, and messages about options,
belong to `charrnn.commands`; default sizes for a text belong to `charrnn.training.recipe`.
"""
