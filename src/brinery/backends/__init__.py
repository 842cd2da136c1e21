"""Engines that keep bytes under names, and wrappers with the same contract.

The contract is `brinery.backend.Backend`.  `memory` is the reference: read it first.  `directory` keeps
one file for each record, `sql` one row.  `overlay` holds writes back over another backend.
"""
