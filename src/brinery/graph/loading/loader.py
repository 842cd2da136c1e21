"""Loading a graph: its records are read, their objects are made, and the store knows them from then on.

The objects of simple records are all made first and filled then (see `simple`).  Whatever runs code of the
user's, and whatever refers to that, is decoded in order (see `decoder`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext

from brinery.backend import Ranges, Version
from brinery.codec import Codec
from brinery.errors import DecodeError, pass_memory_error
from brinery.graph.loading.fetch import Fetched, FetchedRecord, Fetcher, read_one
from brinery.graph.loading.links import Links
from brinery.graph.loading.outcome import RENAMED, UPGRADED, partial_ids, reaching
from brinery.graph.loading.simple import Made, SimpleRecord, as_simple, fill, maker_of, makers_in
from brinery.ids import as_id
from brinery.record.kind import Kind
from brinery.session.active import ACTIVE
from brinery.session.gc_pause import GcPause
from brinery.session.identity import NOTHING
from brinery.session.options import EAGER, LoadOptions
from brinery.session.recent import RecentRecords
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.graph.loading.decoder import Decoder
    from brinery.graph.loading.fetch_lazily import LazyFetcher
    from brinery.graph.loading.mapper import Mapper

First = tuple[bytes | Ranges, Version]
_SMALL = 1 << 14
"""A record below this size in bytes has so few objects that the collector need not be paused."""


class Loader:
    """One load."""

    def __init__(
        self,
        session: Session,
        options: LoadOptions = EAGER,
        mapper: Mapper | None = None,
    ) -> None:
        """Prepare a load; `mapper` maps the large arrays, if they are mapped."""
        placeholders = options.placeholders
        self.session = session
        self.links = Links(session, placeholders=placeholders)
        """What codecs get: a `Decoder`, once something has to be decoded in order."""
        self._lazily: LazyFetcher | None = None
        self._mapper = mapper
        self._fetcher = Fetcher(session, placeholders=placeholders, is_lean=True, mapper=mapper)
        if options.lazy:
            from brinery.graph.loading.fetch_lazily import LazyFetcher

            self._fetcher = self._lazily = LazyFetcher(
                session, placeholders=placeholders, is_lean=True, mapper=mapper
            )
        self._placeholders = placeholders
        self._identity = session.identity
        self._caches = session.caches
        self._searching: Fetched | None = None  # while classes are looked for
        self._made: list[Made] = []
        self._unread: Mapping[
            str, SimpleRecord
        ] = {}  # whose objects are made; not among `links.read`

    @property
    def evolved(self) -> Mapping[str, Collection[str]]:
        """Return what was renamed, upgraded or missing, by the ID of the record."""
        return self.links.evolved

    @property
    def fetched(self) -> Mapping[str, FetchedRecord]:
        """Return the records that were read, by ID; after a successful load only with `keeps_fetched`."""
        return self.links.read

    def load(
        self, ids: Sequence[str], *, keeps_fetched: bool = False, first: First | None = None
    ) -> list[Any]:
        """Return the objects `ids`, with all that they refer to.

        With `keeps_fetched`, `fetched` has the records afterwards.  `first` is the answer of
        `read_one` for a single ID.

        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`.  After an error nothing of this load is remembered, except complete objects that a
        load inside it has returned.
        """
        decoders = ACTIVE.decoders
        decoders.append(self)
        try:
            if len(decoders) > 1:
                self._check_ring(ids)
                borrowed = [self.session.borrowed(id_) for id_ in ids]
                ghosts = self.session.ghosts
                if ghosts is not None and any(map(ghosts.has_to_fill, ids)):
                    borrowed = [NOTHING]
                if NOTHING not in borrowed and not keeps_fetched:
                    return borrowed
            if self._lazily is not None:
                is_small = first is not None and type(first[0]) is bytes and len(first[0]) < _SMALL
                with nullcontext() if is_small else GcPause():
                    fetched = self._with_ghosts(self._lazily, ids, first)
                    return self._finished(ids, fetched, keeps_fetched=keeps_fetched)
            references: Sequence[str] = ()
            if len(ids) == 1:
                alive: dict[str, Any] = {}
                data, version = first or read_one(self.session, ids[0])
                found = self._fetcher.alone(ids[0], data, version, alive)
                if isinstance(found, FetchedRecord):
                    fetched = self._alone(ids[0], found, alive)
                    with nullcontext() if len(found.record.data) < _SMALL else GcPause():
                        return self._finished(ids, fetched, keeps_fetched=keeps_fetched)
                references = found
            with GcPause():
                fetched = self._fetcher.fetch(ids, references)
                return self._finished(ids, fetched, keeps_fetched=keeps_fetched)
        except BaseException:
            for outer in decoders:
                outer.links.failed_inside = True
            raise
        finally:
            decoders.pop()
            self.links.end()

    def _alone(self, id_: str, read: FetchedRecord, alive: dict[str, Any]) -> Fetched:
        simple = None
        if self._fetcher.is_lean:
            simple = as_simple(read.record, maker_of(read.record.metadata, read.codec))
        lean, others = ({id_: simple}, {}) if simple else ({}, {id_: read})
        ghosts = {}
        if self.session.ghosts is not None and self.session.ghosts.has_to_fill(id_):
            ghosts[id_] = self._identity.ghost(id_)
        return Fetched(alive, lean, others, set(), {}, ghosts)

    def _with_ghosts(
        self, fetcher: LazyFetcher, ids: Sequence[str], first: First | None
    ) -> Fetched:
        ghosts, mapper = self.session.ghosts, self._mapper
        how = ghosts.how(self._placeholders, None if mapper is None else mapper.how)
        fetched = fetcher.fetch_lazily(ids, first)
        waiting = fetched.waiting
        while waiting:
            whole: list[str] = []
            known = fetched.simple, fetched.others
            for id_, groups in waiting.items():
                if groups:
                    simple = fetched.simple.get(id_)
                    codec = simple[4].codec if simple else fetched.others[id_].codec
                    whole += ghosts.attach((id_, groups, codec), fetched.alive, known, how)
            if not whole:
                break
            more = fetcher.fetch_lazily(whole)
            waiting = more.waiting
            fetched.referred.update(more.referred)
            fetched.alive.update(more.alive)
            fetched.simple.update(more.simple)
            fetched.others.update(more.others)
            fetched.ghosts.update(more.ghosts)
            for id_ in more.ghosts:  # some were only referred to until now
                fetched.alive.pop(id_, None)
        return fetched

    def _finished(self, ids: Sequence[str], fetched: Fetched, *, keeps_fetched: bool) -> list[Any]:
        links = self.links
        if fetched.ghosts:
            from brinery.graph.loading.filling import Filling

            with Filling(self.session.ghosts, fetched.ghosts) as links.filling:
                links.ghosts = fetched.ghosts
                self._decode(ids, fetched)
                self._publish(fetched)
                links.filling.end()
        else:
            self._decode(ids, fetched)
            self._publish(fetched)
        links = self.links
        if self._mapper is not None:
            self._mapper.end(links.objects)
        if len(ACTIVE.decoders) > 1:
            # Give the objects of this load to the loads around it, which would decode them a second time.
            for outer in self.session.outer_loaders():
                for name in (*fetched.simple, *fetched.others):
                    outer.adopt(name, links.objects[name])
        found = [links.objects[id_] for id_ in ids]
        # At the end of the pause the collector walks every object made since.  If it had to walk the records
        # as well, a load would take an eighth longer.
        links.objects = {}
        if keeps_fetched:
            self._read_all()
        else:
            links.read = {}
        return found

    def _read_all(self) -> None:
        self.links.read |= self._fetcher.whole(self._unread)
        self._unread = {}

    # -- decoding

    def _decode(self, ids: Sequence[str], fetched: Fetched) -> None:
        complete = fetched.alive
        read, simple = fetched.others, fetched.simple
        if simple:
            if not self._find_classes(fetched) or not fetched.referred.isdisjoint(read):
                read, simple = self._parted(read, simple)
            else:
                self._unread = simple
            complete = dict(fetched.alive)
            made = self._filled(simple, complete)
            if made is None:
                read, complete = read | self._fetcher.whole(simple), fetched.alive
                self._unread = {}
            else:
                self._made = made
        if read:
            self._decode_in_order(ids, read, complete)
        else:
            self.links.objects = complete

    def _decode_in_order(
        self, ids: Sequence[str], read: dict[str, FetchedRecord], complete: dict[str, Any]
    ) -> None:
        former = self.links
        self.links = decoder = self._new_decoder()
        decoder.evolved, decoder.ghosts = former.evolved, former.ghosts
        decoder.filling = former.filling
        former.end()
        decoder.decode(ids, read, complete)

    def _new_decoder(self) -> Decoder:
        # Many loads need no decoder.
        from brinery.graph.loading.decoder import Decoder

        return Decoder(self.session, placeholders=self._placeholders)

    def _find_classes(self, fetched: Fetched) -> bool:
        # Return whether the objects of all simple records are still simple to make.  Modules that are
        # imported for this may load objects themselves: see `adopt`.
        simple = fetched.simple
        found: dict[Kind, tuple[type, bytes, Codec]] = {}
        makers, links = makers_in(simple), self.links
        payloads = [simple[id_][0] for id_ in makers.values()]
        links.read = self._fetcher.whole({id_: simple[id_] for id_ in makers.values()})
        links.pending = {*links.read}
        self._searching = fetched
        for payload, (maker, links.current) in zip(payloads, makers.items(), strict=True):
            maker.find_class(payload, links)
            if maker.cls is not None:
                found[maker.kind] = maker.cls, maker.opening, maker.codec
        self._searching = None
        links.read, links.pending, links.current = {}, set(), ""
        if not links.evolved:
            self._caches.add_makers(found)
        return len(found) == len(makers)

    def _parted(
        self, others: Mapping[str, FetchedRecord], simple: Mapping[str, SimpleRecord]
    ) -> tuple[dict[str, FetchedRecord], dict[str, SimpleRecord]]:
        # Return all records, and the simple ones that refer to no others, directly or not.
        read = {**self._fetcher.whole(simple), **others}
        late = {*others, *(id_ for id_, each in simple.items() if each[4].cls is None)}
        late |= reaching(late, read)
        return read, {id_: each for id_, each in simple.items() if id_ not in late}

    def _filled(
        self, simple: Mapping[str, SimpleRecord], objects: dict[str, Any]
    ) -> list[Made] | None:
        links = self.links
        try:
            for id_ in links.ghosts:
                if id_ in simple:
                    links.filling.bare(id_, simple[id_][4].cls)
            return fill(simple, objects, links.ghosts)
        except Exception as error:  # noqa: BLE001 - the careful way finds out where, or decodes it
            pass_memory_error(error)
            return None

    # -- publishing

    def _publish(self, fetched: Fetched) -> None:
        links, identity, simple = self.links, self._identity, fetched.simple
        is_evolved = bool(links.evolved or identity.incomplete)
        if is_evolved:
            self._read_all()
        elif len(simple) + len(fetched.others) <= RecentRecords.MOST_OF_ONE_LOAD:
            recent = self._caches.recent
            for name, (payload, _, version, _, _, whole) in simple.items():
                recent.add(name, payload if whole is None else whole.data, version)
            for name, (record, _) in fetched.others.items():
                recent.add(name, record.data, record.version)
        made = self._made if self._unread else ()
        annotations = self._fetcher.annotations
        try:
            if is_evolved:
                self._publish_evolved()
                return
            identity.enter(made, is_loaded=True, annotations=annotations)
            # Those that were lent meanwhile are known already.
            identity.enter(
                (
                    (name, links.objects[name], record.version, record.metadata.raw_digest, codec)
                    for name, (record, codec) in links.read.items()
                ),
                is_loaded=True,
                annotations=annotations,
            )
        except BaseException:  # an interrupt: a load that failed leaves no trace
            for name in (*(each[0] for each in made), *links.read):
                identity.discard(name, links.objects[name])
            raise

    def _publish_evolved(self) -> None:
        # Some objects differ from their records, or are placeholders.
        links, identity = self.links, self._identity
        known = identity.incomplete if self._placeholders else ()
        partial = partial_ids(links.evolved, links.read, known)
        for name, (record, codec) in links.read.items():
            obj, id_ = links.objects[name], as_id(name)
            digest = record.metadata.raw_digest
            is_current = not links.evolved.get(name, set()) & {RENAMED, UPGRADED}
            if not is_current:
                digest = b""  # no payload has this digest, so that the object counts as changed
            if name in identity.incomplete:
                identity.incomplete.discard(name)
                identity.forget(name)
            beside = self._fetcher.annotations.get(name)
            identity.set(id_, obj, record.version, digest, codec, is_current, beside)
        identity.incomplete |= partial

    # -- loads inside this one

    def _check_ring(self, ids: Sequence[str]) -> None:
        for outer in self.session.outer_loaders():
            again = next(filter(outer.is_incomplete, ids), None)
            if again is not None:
                raise DecodeError(
                    "it is being loaded already: code that runs while it is decoded, such as __setstate__, "
                    "loads it again",
                    id=again,
                    advice="Refer to the object itself in place of its ID, or load it when it is first "
                    "used",
                )

    def lend(self, id: str) -> Any:
        """Return the object `id` for a load inside this one, `NOTHING` if it is not complete.

        The store knows it from now on, with all that it reaches.
        """
        self._read_all()
        links = self.links
        read, objects = links.read, links.objects
        lent: dict[str, Any] = {}
        pending = [id] if id in read else []
        while pending:
            name = pending.pop()
            obj = objects.get(name, NOTHING)
            if obj is NOTHING or links.is_open(name) or name in links.evolved:
                return NOTHING
            lent[name] = obj
            references = read[name].record.metadata.followed
            pending += [each for each in references if each in read and each not in lent]
        for name, obj in lent.items():
            # It is no longer one of the objects of this load, but one that was alive before.
            record, codec = read.pop(name)
            links.complete[name] = obj
            digest = record.metadata.raw_digest
            beside = self._fetcher.annotations.get(name)
            self._identity.set(as_id(name), obj, record.version, digest, codec, True, beside)
        return lent.get(id, NOTHING)

    def is_incomplete(self, id: str) -> bool:
        """Return whether decoding the object `id` has begun, or waits for the one that is being decoded."""
        links = self.links
        if id not in links.read or id in links.pending:
            return False
        return id not in links.objects or links.is_open(id)

    def adopt(self, id: str, obj: Any) -> None:
        """Take the object `id` from a load inside this one, unless decoding it has begun here."""
        links, searching = self.links, self._searching
        if searching is not None:
            if searching.simple.pop(id, None) or searching.others.pop(id, None):
                searching.alive[id] = obj
            return
        if id in links.pending:
            links.pending.remove(id)
            del links.read[id]
            links.complete[id] = links.objects[id] = obj
