"""The model card: README.md rendered from what a model folder says of itself, and checked.

The words for it:

source       a file of the model folder, or a part of one: config.json, an exported engine, a report. Its type says how
             it is measured again.
statement    one value of a source, as a card prints it.
anchor       the two HTML comments between which a statement stands in a card; they hold its name.
missing      what a card would state if a source said it.
check        a card compared with its sources, and these measured again; the outcome of each statement.
published    a card that others wrote, without anchors; what it states is listed in check/published_cards/.
"""
