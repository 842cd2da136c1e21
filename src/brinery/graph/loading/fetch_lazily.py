"""Reading the records of a load whose references become ghosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from brinery.backend import Backend, Ranges, Version
from brinery.evolution.missing_codec import MissingCodec
from brinery.graph.loading.fetch import (
    Fetched,
    FetchedRecord,
    Fetcher,
    GetMany,
    add_refs,
    not_found,
)
from brinery.graph.loading.simple import Maker, as_simple, maker_of
from brinery.ids import name_of
from brinery.record.annotation import annotation_in
from brinery.record.format import REFS, SIMPLE
from brinery.record.reader import metadata_as_written


class LazyFetcher(Fetcher):
    """Reads the targets of a record only if decoding that may run code of the user's.

    Such a record gets its targets whole: all that they reach is read with it.
    """

    __slots__ = ()

    def fetch_lazily(
        self, ids: Sequence[str], first: tuple[bytes | Ranges, Version] | None = None
    ) -> Fetched:
        """Return the records `ids`, and those that have to be read with them.

        `first` is the answer of `read_one` for a single ID.  Raise what `fetch` raises.
        """
        session = self._session
        session.gate.begin_load()
        if first is None:
            read = session.backend.read_one_state
            return read(lambda view: self._read_lazily(ids, view, view.get_records))
        name, backend = name_of(ids[0]), session.backend

        def get_records(names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
            return iter([(name, *first)]) if [*names] == [name] else backend.get_records(names)

        return self._read_lazily(ids, backend, get_records)

    def _read_lazily(self, ids: Sequence[str], backend: Backend, get_many: GetMany) -> Fetched:
        found = Fetched({}, {}, {}, set(), {}, self._ghosts)
        alive, simple, others, referred, waiting, _ = found
        makers: dict[bytes, Maker | None] = {}
        whole: set[str] = set()
        is_quick = self.is_lean and self._session.gate.accepts_plain
        wave = list(dict.fromkeys(ids))
        if self.reading is not None:
            get_many = self.reading(get_many)
        size = 0
        while wave:
            following: set[str] = set()
            wanted = {name_of(id_): id_ for id_ in self._missing(wave, alive)}
            for place, data, version in get_many(list(wanted)):
                id_ = wanted.pop(place)
                size += data.size if isinstance(data, Ranges) else len(data)
                if is_quick and type(data) is bytes and id_ not in whole:
                    metadata = metadata_as_written(data, id_)
                    if metadata is not None and metadata[8] == SIMPLE:
                        maker = makers.get(metadata[1].blob)
                        if maker is not None:
                            simple[id_] = data, metadata[4], version, metadata[5], maker, None
                            if metadata[12]:
                                self.annotations[id_] = annotation_in(metadata[12])
                            referred.update(metadata[3])
                            waiting[id_] = metadata[2]
                            continue
                each = self._with_codec(self._parsed(data, version, id_, backend), backend)
                metadata = each.record.metadata
                if metadata.flags >= REFS:
                    add_refs(self._session, metadata, alive)
                lean = None
                if self.is_lean:
                    blob = metadata.kind.blob
                    if blob not in makers:
                        makers[blob] = maker_of(metadata, each.codec)
                    lean = as_simple(each.record, makers[blob])
                if lean is None:
                    others[id_] = each
                else:
                    simple[id_] = lean
                    referred.update(metadata.followed)
                if id_ in whole or (metadata.references and self._may_run_code(each)):
                    following.update(metadata.followed)
                else:
                    waiting[id_] = metadata.groups_to_follow
            for id_ in wanted.values():
                raise not_found(id_, ids, backend, {**others, **self.whole(simple)})
            wave = []
            while following := following - whole:
                whole |= following
                wave += following.difference(simple, others, alive)
                # Some were read before it was known that they have to be whole.
                early = [waiting.pop(id_) for id_ in following if id_ in waiting]
                following = {*chain(*(chain(*groups[1::2]) for groups in early))}
        self._session.ghosts.bytes_read += size
        return found

    def _may_run_code(self, read: FetchedRecord) -> bool:
        metadata = read.record.metadata
        if metadata.kind.versions or type(read.codec) is MissingCodec:
            return True
        record = read.record
        return not metadata.is_simple and read.codec.may_run_code(record.payload, record.buffers)
