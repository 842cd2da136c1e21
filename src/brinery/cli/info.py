"""``brinery info``: the metadata of a record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from brinery.cli.opening import open_store, store_argument
from brinery.cli.output import print_table


@click.command("info")
@store_argument
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info_command(place: str, id: str, as_json: bool) -> None:
    """Show the metadata of the record ID of STORE.  Nothing is decoded or imported."""
    with open_store(place) as store:
        found = store.info(id)._asdict()
    if as_json:
        click.echo(json.dumps(_with_text_keys(found), indent=2, default=_plain))
    else:
        print_table(("field", "value"), [(name, _shown(value)) for name, value in found.items()])


def _with_text_keys(value: Any) -> Any:
    # The options of a codec may have any keys.
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [*map(_with_text_keys, value)] if isinstance(value, (list, tuple)) else value


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _shown(value: Any) -> str:
    if value is None or value in ((), {}):
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)
