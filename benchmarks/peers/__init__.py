"""The peers: other ways to keep Python objects, each behind one adapter, `peers/<name>.py`."""
