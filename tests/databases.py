"""Databases beside brinery, for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text


def execute(url: str, statement: str, **values: Any) -> list[Any]:
    """Run SQL beside brinery."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []
    finally:
        engine.dispose()
