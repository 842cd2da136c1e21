"""Whether an object loads elsewhere, and whether what loads is the same.

Two graphs are *isomorphic* if they have the same types, values and identities.  A *fresh process* is a new
interpreter that loads what was saved and looks for *undefined names* in its functions.
"""
