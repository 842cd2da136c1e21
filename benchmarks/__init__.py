"""Benchmarks of brinery against the bare codecs and the bare file system: `python -m benchmarks.run`."""
