"""Queries: which records fit, and what a table of them says.

A *column* is a fact that each record has: its ID, its class, its size, a tag.  An *expression* compares
columns with values; an *aggregate* makes one value of many rows.  A *question* is what one call of
`store.query` asks.  It has one meaning on every engine: a database answers it by SQL where it has the
columns; everything else is one pass over the ends of the records.
"""
