"""Measuring: which cases there are, and how they are run.

A *case* is one codec, at one protocol and compression, on one *source* of objects.  Each case runs in a
process of its own, within limits of time and memory.
"""
