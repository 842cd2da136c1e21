"""One file for each record.

A commit first writes its files under *staging* names, then records in a *journal* which files get which
names, and then renames them.  *Recovery* finishes or undoes a commit whose process died.  A *lock* lets
one writer in at a time; readers need none.  The *layout* says where the file of a name is.
"""
