"""One opened store.

A *session* is everything that an opened store consists of: backend, identity map, codecs, payload
expander, trust gate, renames and caches.  The *identity map* knows which living object is which
record.  A *transaction* holds writes back; a *savepoint* is the state of the identity map when it began.
"""
