"""What users hold: a store over one backend and one codec.

`Store` is thin: each method takes the lock, and asks the algorithm or the operation that does the work.  Each
kind of store adds its constructor, whose arguments are its *options*.
"""
