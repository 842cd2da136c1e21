"""The two algorithms: saving and loading a graph.

A save works off a *work list*: it encodes the root, enlists every persistable object that the codec
meets, and commits all records at once.  A load *fetches* the records of the graph, wave by wave, and
*decodes* children before parents; only in a true cycle is an object needed before its turn.  An *inner* save
or load is one that a hook of an object calls while it is encoded or decoded.
`reference_order` finds that order of records.
"""
