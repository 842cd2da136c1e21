"""Classes, codecs and libraries that changed since a record was written.

A *rename* maps an old name of a class to today's name.  An *upgrade* brings the state of an older *class
version* up to date.  A *placeholder* is the object that a load returns where the class is missing; it keeps
the *original record*, so that saving it writes the same bytes back.
"""
