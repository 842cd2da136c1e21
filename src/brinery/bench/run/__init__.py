"""The measuring: which cases there are, and how they are run.

A *source* makes the objects, in each process again; a *choice* is one codec with one protocol and
compression.  A *case* is one choice on one source.  The *runner* runs each case in a process of its own (a
*child*), within *limits* of time and memory, and the child sends its *findings* line by line.  *Fidelity* is
how much of the objects came back.
"""
