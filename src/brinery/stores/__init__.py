"""The stores that users open: one backend, one codec, and the methods to save and load objects.

`Store` is thin: each method takes the lock, and calls the algorithm or the operation that does the work.
Each kind of store adds its constructor, whose arguments are its *options*.
"""
