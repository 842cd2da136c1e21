"""Engines that keep bytes under names, and a wrapper with the same contract.

The contract is `brinery.backend.Backend`: a *name* holds bytes in one *version*, and a *commit* writes and
removes several names at once.  An *engine* keeps the bytes: `memory` in a dictionary (the reference: read it
first), `directory` in one file for each record, `sql` in one row.  An *overlay* holds writes back over
another backend until they are published.  `opening` finds the backend that a caller names, and `permissions`
says who else can write to a place.
"""
