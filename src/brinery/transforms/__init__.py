"""The transforms that come with brinery, a module for each; found by name, imported on use.

A *transform* turns the bytes of a payload into fewer bytes and back.  A *compressor* is a transform with one
option, a *level*, which trades time for size.  Its *expansion* is the most bytes that one stored byte can
become; a record that announces more is refused before it takes memory.
"""
