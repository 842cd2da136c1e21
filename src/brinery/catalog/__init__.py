"""What a store keeps about itself, under names that begin with a dot.

The *settings* are the codec, transform, layout and identity that a store remembers.  A *sequence* gives
numbers that are never given twice.  The *trash* holds the records that a garbage collection removed,
until the removal is certain.  The *quarantine* holds damaged records byte for byte.  Both write down
their entries in a *CAS list*, which is changed by compare-and-swap and never locked.
"""
