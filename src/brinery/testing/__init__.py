"""Contracts, as pytest tests, for those who write a codec, transform or backend: subclass and give a fixture."""
