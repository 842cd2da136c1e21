"""Torture of stores: killed at every call, refused by the system at every call, cut off from power.

A `Scenario` is an operation on a store.  `kill`, `fault` and `power` try it in as many cases as there
are; `run` counts them and what went wrong.  A new operation of a store is one entry in `scenarios`.
"""
