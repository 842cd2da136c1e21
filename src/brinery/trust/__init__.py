"""What a reader accepts.

A *policy* (`Trust`) names codecs, classes and keys.  It comes from the reader, never from stored data.  A
*restriction* is the part of it that decides which globals a payload may name.  The *gate* applies the
policy to every record before a byte of its payload is decoded.
"""
