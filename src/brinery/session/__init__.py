"""One opened store.

A *session* is everything that an opened store consists of: backend, identity map, codecs, payload
expander, trust gate, renames and caches.  The *identity map* knows which living object is which
record.  A *transaction* holds writes back; its *savepoint* is the state that the identity map had when the
transaction began.  What is *active* in a thread is encoding or decoding objects at this moment.
"""
