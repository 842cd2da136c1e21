"""The option --trust of commands that decode records, and their refusal without it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from brinery.cli.opening import Use, open_store
from brinery.cli.output import printable, progress
from brinery.errors import InvalidArgumentError
from brinery.operations.required_globals import Imports, Need, imports_of
from brinery.session.session import required_session
from brinery.stores.store import Store
from brinery.trust.policy import Trust

_MOST_SHOWN: Final = 50


def trust_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --trust, as the parameter `trusted` of its function."""
    return click.option(
        "--trust",
        "trusted",
        multiple=True,
        metavar="WHAT",
        help="What records may import: 'app.*', app.tasks:Task, or anyone for everything; may be repeated.",
    )(function)


def open_trusted(place: str, trusted: Sequence[str], *, use: Use = "read", **options: Any) -> Store:
    """Open a store whose records will be decoded, by the policy of the environment and of --trust.

    Raise `UsageError` if that could run code and nobody has said what may be imported.
    """
    return open_store(place, use=use, trust=_trust(place, trusted, options), **options)


def admitted(place: str, trusted: Sequence[str]) -> tuple[str, ...] | None:
    """Return what `open_trusted` would admit; None for what the environment says.  Raise `UsageError`."""
    if not trusted and Trust.from_environment().is_about_imports:
        return None
    _trust(place, trusted, {})
    return tuple(trusted)


def _trust(place: str, trusted: Sequence[str], options: Mapping[str, Any]) -> Trust:
    trust = Trust.from_environment()
    if trusted:
        try:
            return trust.admitting(trusted)
        except InvalidArgumentError as error:
            raise click.BadParameter(str(error), param_hint="--trust") from error
    if trust.is_about_imports:
        return trust
    with (
        open_store(place, trust=trust, **options) as store,
        progress("looking for imports") as show,
    ):
        found = imports_of(required_session("store", store), show)
    codecs = [name for name in found.codecs if trust.codecs is None or name in trust.codecs]
    always = frozenset(Trust.VALUES)
    needs = {need: count for need, count in found.needs.items() if str(need) not in always}
    if codecs and (needs or found.unknown):
        raise click.UsageError("\n".join(_refusal(found, codecs, needs)))
    # Nothing else is named, and nothing else is imported.
    return trust.admitting(()) if codecs else trust


def _refusal(found: Imports, codecs: Sequence[str], needs: Mapping[Need, int]) -> Iterator[str]:
    count = sum(found.codecs[name] for name in codecs)
    yield (
        f"{count} {'record is' if count == 1 else 'records are'} of the "
        f"{'codec' if len(codecs) == 1 else 'codecs'} {', '.join(sorted(codecs))}: to decode them imports "
        "what they name, and can run any code."
    )
    if needs:
        yield "They would import:"
    # What is dangerous comes first: it must not be cut off.
    ordered = sorted(needs, key=lambda need: (need.danger is None, need))
    for need in ordered[:_MOST_SHOWN]:
        danger = f"  DANGEROUS: with it a record can {need.danger}" if need.danger else ""
        yield printable(f"  {need}  ({needs[need]}){danger}")
    if len(ordered) > _MOST_SHOWN:
        yield f"  and {len(ordered) - _MOST_SHOWN} more"
    for id_ in found.unknown[:_MOST_SHOWN]:
        yield printable(f"  {id_}: what it would import cannot be found")
    yield from _advice(needs)


def _is_by_value(need: Need) -> bool:
    return need.module in ("brinery_codecs.functions", "brinery_codecs.classes")


def _advice(needs: Collection[Need]) -> Iterator[str]:
    dangerous = [need for need in needs if need.danger and not _is_by_value(need)]
    own = {"builtins", "brinery_codecs"}
    packages = sorted({need.module.partition(".")[0] for need in needs if not need.danger} - own)
    example = printable(" ".join(f"--trust '{package}.*'" for package in packages[:3]))
    if dangerous:
        yield "Find out who wrote the records that name what is dangerous, before you decode any of them."
        if example:
            yield f"The others can be decoded with {example}."
    elif any(map(_is_by_value, needs)):
        yield (
            "Some hold functions or classes by value, which are code: only --trust anyone decodes them. "
            "Say it if you trust everyone who could write to the store."
        )
    else:
        default = "--trust 'package.*'"
        yield (
            f"Say what may be imported: {example or default} for the classes of a package, or, "
            "if you trust everyone who could write to the store, --trust anyone for everything."
        )
