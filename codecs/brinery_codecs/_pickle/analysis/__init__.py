"""The analysis of a pickle without running it.

A *scan* carries out the opcodes on a *machine* that has *values* in place of objects: a *handler* for each
opcode, *rules* for the globals that it calls, a *budget* for memory and time.  A *trace* makes *nodes* in
place of objects, with the path from the root to each.  A *failure* is the step at which decoding failed, as
a path inside the object.
"""
