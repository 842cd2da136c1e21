"""The two algorithms: saving and loading a graph.

A save works off a *work list*: it encodes the root, enlists every persistable object that the codec
meets, and commits all records at once.  A load *fetches* the records of the graph, wave by wave.  If all
of them are *simple*, which means that decoding them runs no code of the user's, it makes all objects first
and fills them afterwards.  Otherwise it *decodes* children before parents; only in a true cycle is an
object needed before its turn.  An *inner* save or load is one that a hook of an object calls while it is
encoded or decoded.  `reference_order` finds that order of records.
"""
