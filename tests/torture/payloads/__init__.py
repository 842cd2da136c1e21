"""Hostile payloads, put together piece by piece: their attempts, and the outcomes that are allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.torture.opcodes import FAMILY, Case, Expected
from tests.torture.payloads.broken import broken
from tests.torture.payloads.calls import calls
from tests.torture.payloads.claims import claims
from tests.torture.payloads.collisions import collisions
from tests.torture.payloads.costs import costs
from tests.torture.payloads.depths import depths
from tests.torture.payloads.doublings import doublings
from tests.torture.payloads.expansion import expansions
from tests.torture.payloads.honest import honest
from tests.torture.payloads.hooks import hooks
from tests.torture.payloads.kinds import kinds
from tests.torture.payloads.messages import messages
from tests.torture.payloads.states import escaping, states
from tests.torture.payloads.texts import texts

Cases = Callable[[], Iterator[Case]]


def expecting(expects: Expected, cases: Cases, codecs: tuple[str, ...] = FAMILY) -> Cases:
    """Return the same cases, of which this is expected, under these codecs."""
    return lambda: (case._replace(expects=expects, codecs=codecs) for case in cases())


GROUPS: dict[str, Cases] = {
    "calls": calls,
    "states": states,
    "escapes": expecting("distrusted", escaping),
    "hooks": expecting("distrusted", hooks),
    "claims": claims,
    "costs": expecting("distrusted", costs),
    "depths": depths,
    "doublings": doublings,
    "collisions": collisions,
    "broken pickles": expecting("bounded", broken, (*FAMILY, "json")),
    "honest pickles": expecting("loaded", honest),
    "messages": messages,
    "kinds of messages": expecting("bounded", kinds, ("msgpack", "json")),
    "texts": texts,
    "expansions": expansions,
}
"""The groups of payloads; each name is counted separately."""
