"""One file for each record.

The *layout* says where the file of a name is.  A commit first writes its files under *staging* names, then
records in a *journal* which files get which names, and then renames them.  *Recovery* finishes or undoes a
commit whose process died.  A *lock* lets one writer in at a time; the time that a writer holds it is a
*turn*.  Readers take no lock: they compare the *lock state* before and after.
"""
