"""Comparing object graphs, for tests; see `brinery.verify.isomorphism`."""

from brinery.verify.isomorphism import assert_isomorphic

__all__ = ["assert_isomorphic"]
