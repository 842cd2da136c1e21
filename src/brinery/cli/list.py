"""``brinery list``: the IDs of a store."""

from __future__ import annotations

import click

from brinery.cli.opening import open_store, store_argument
from brinery.cli.output import print_table, printable
from brinery.errors import RecordError, TrustError
from brinery.stores.store import Store


@click.command("list")
@store_argument
@click.option("--class", "cls", help="Only objects of this class: NAME or MODULE:NAME.")
@click.option("--prefix", default="", help="Only IDs that start with this.")
@click.option(
    "--long",
    "-l",
    "is_long",
    is_flag=True,
    help="Also show class, codec, size, time, tags and note.",
)
def list_command(place: str, cls: str | None, prefix: str, is_long: bool) -> None:
    """List the IDs of STORE, one a line.

    With --class or --long the end of each record is read.  --long shows a record that cannot be read as
    unreadable; --class lists it if its ID is made of the name of the class.
    """
    with open_store(place) as store:
        ids = store.list(cls, prefix=prefix)
        if is_long:
            heads = ("id", "class", "codec", "bytes", "references", "written (UTC)", "tags", "note")
            print_table(heads, [_row(store, id_) for id_ in ids], {"bytes", "references"})
        else:
            for id_ in ids:
                click.echo(printable(id_))


def _row(store: Store, id_: str) -> tuple[str, ...]:
    try:
        info = store.info(id_)
    except (RecordError, TrustError) as error:
        return (id_, f"unreadable: {type(error).__name__}", *[""] * 6)
    codec = info.codec if info.protocol is None else f"{info.codec}:{info.protocol}"
    if info.transform:
        codec += f" + {info.transform}"
    written = f"{info.created:%Y-%m-%d %H:%M:%S}"
    tags = ", ".join(f"{key}={value}" for key, value in info.tags.items())
    numbers = str(info.size), str(len(info.references))
    return (id_, info.class_name, codec, *numbers, written, tags, info.note or "")
