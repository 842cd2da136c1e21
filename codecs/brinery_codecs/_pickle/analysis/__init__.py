"""What a pickle does, found without running it.

A *scan* passes over the opcodes and asks the *rules* what may be named and called.  A *trace* finds, in
symbols, what would be made.  A *failure* is the step at which decoding failed, told as a path inside the
object.
"""
