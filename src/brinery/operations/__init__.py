"""Operations on whole stores: check, collect, back up, restore, copy, reseal, recode.

An operation takes a session, or a backend if it needs nothing else.  A *scan* reads the ends of records
and decodes nothing.  A *report* lists what an operation has done and the problems that it has found.
"""
