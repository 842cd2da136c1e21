"""Checks that an object loads in another process, and that the loaded object is the same.

Two graphs are *isomorphic* if they have the same types, values and identities.  A *fresh process* is a new
interpreter that loads a saved object and looks for *undefined names* in its functions.
"""
