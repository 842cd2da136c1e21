"""The two algorithms, `saving` and `loading` a graph, and what is done with both.

`update` loads, changes and saves again.  A `claim` sets or removes one ID that others may claim, too.
`comparison` finds out whether a living object has changed.  `isolation` decodes and encodes one record
alone.  An *inner* save or load is one that a hook of an object calls while it is encoded or decoded.
"""
