"""What brinery promises, each measured against a bare way or another store, with a goal.

A row has one contender of `benchmarks.peers` or a few lines of bare code on each side; the sides run by turns
in fresh processes.  CPU time, user and system, decides.  Where a flush to a disk is part of the work, wall
time has a line of its own without a goal.
"""
