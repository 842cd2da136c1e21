"""Contracts, as pytest tests, for those who write a codec or a backend: subclass and give a fixture."""
