"""Loading: records in, objects out.

Records are *fetched* in waves.  The objects of *simple* records, which run no code of the user's, are made
first and filled then.  The *decoder* takes the others in order, children before parents.
"""
