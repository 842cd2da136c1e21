"""The parts that the three pickle codecs share.

The *family* is the base class of the codecs, and *reading* its half that reads; its *write state* is shared
by the records of one save.  *Reducers* turn references and the root into ordinary reductions.  An *opening*
is the beginning of all payloads of one class, which makes the bare object.  *Names* are the globals of one
load: a *finder* imports them, a *restriction* of the reader may refuse them, and some functions are
*narrowed*.  *Unpicklers* go by names; those in Python can be suspended and can upgrade old states.  The
*deep* pickler writes objects that are nested too deeply for the others.  `analysis` examines a payload
without running it.
"""
