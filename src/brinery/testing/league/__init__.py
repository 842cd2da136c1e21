"""What codecs keep, shown side by side: each probe is written by one process and read by another.

A *probe* is a small program that builds an object.  A *contender* writes an object to a path and reads it
again: a codec of brinery in a store, or any other serializer.  An *outcome* is what a process found that read
what another process had written: the object was kept, it was changed in silence, it was refused, it could not
be read, or a process crashed or hung.

    python -m brinery.testing.league pickle mypackage:MyCodec
"""
