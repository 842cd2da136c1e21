"""The benchmark: which codec for which objects."""
