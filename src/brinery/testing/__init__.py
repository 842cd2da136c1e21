"""Tests for writers of codecs, transforms and backends; production code never imports them.

A *contract* is a class of pytest tests: subclass it and give a fixture.  There is one for codecs (`codec`),
one for transforms (`transform`) and one for backends (`backend`, with its parts `commits`, `concurrency` and
`references`).  *Samples* are classes and objects to save; *records* are IDs and bytes for backends.
*Generations*, *tasks* and *processes* let several threads and processes work in one place.  A *proof* is
what one codec keeps, found by trying; the *table* shows all proofs.  In the *league* one process writes and
another reads, and any serializer can take part.
"""
