"""What is done to a whole store: check, collect, back up, restore, copy, reseal, recode.

An operation takes a session, or a backend where it needs no more.  A *scan* reads the ends of records
and decodes nothing.  A *report* says what was done and what is wrong.
"""
