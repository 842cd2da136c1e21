"""The parts of the codec msgpack.

A *kind* is a type of value with its code and its fields; *arrays* are those of numpy.  A *survey* is the
walk over an object before it is written, which refuses values that would come back different.  *Paths*
locate references and failures in a payload.
"""
