"""Contracts for writers of codecs, transforms and backends, as pytest tests: subclass and give a fixture."""
