"""The contract of codecs, as tests.

A codec is tested by a subclass that gives one fixture:

    class TestMyCodec(CodecContract):
        @pytest.fixture
        def codec(self) -> Codec:
            return MyCodec(level=3)

The tests ask what the codec's `capabilities` declare.  What is declared must be kept; what is not must be
refused with an `EncodeError`: an object that comes back different is the one thing that no codec may do.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.codec import ALIGNMENT, Codec, Sink
from brinery.errors import BrineryError, DecodeError, EncodeError, RecordError
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.stores.memory import MemoryStore
from brinery.testing import samples
from brinery.testing.kinds import KINDS
from brinery.testing.links import LoneLinks
from brinery.testing.proofs import PROOFS, prove_row
from brinery.testing.proofs.kinds import reference_loss, value_loss
from brinery.testing.proofs.promises import forge
from brinery.testing.proofs.proof import CHANGED, UNREADABLE
from brinery.testing.samples import BASIC, DATA, INSTANCES, Node, Plain, Trap, Unencodable
from brinery.verify.isomorphism import assert_isomorphic


class CodecContract:
    """What every codec keeps to."""

    unsupported: ClassVar[Collection[str]] = ()
    """Keys of `samples.INSTANCES` that the codec refuses although it keeps instances."""
    inexact: ClassVar[Collection[str]] = ()
    """Keys of `samples.DATA` that the library below the codec is known to change."""

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec to test."""
        raise NotImplementedError("give a fixture `codec`")

    @pytest.fixture
    def store(self, codec: Codec) -> Iterator[MemoryStore]:
        """Give an empty store that uses the codec."""
        with MemoryStore(codec=codec) as store:
            yield store

    # -- data

    @pytest.mark.parametrize("name", BASIC)
    def test_basic_data_come_back(self, store: MemoryStore, name: str) -> None:
        """What JSON has, of exactly the same types."""
        kept(store, BASIC[name]())

    @pytest.mark.parametrize("name", DATA)
    def test_other_data_come_back_or_are_refused(self, store: MemoryStore, name: str) -> None:
        """Other data of the standard library: never a tuple that became a list."""
        if name in self.inexact:
            pytest.skip("the library below this codec is known to change these")
        obj = DATA[name]()
        try:
            store.save(obj)
        except EncodeError:
            assert store.list() == []
        else:
            kept(store, obj)

    def test_data_nested_too_deeply_are_refused(self, store: MemoryStore) -> None:
        """100,000 lists inside each other come back or are refused; nothing overflows."""
        nested: list[Any] = []
        for _ in range(100_000):
            nested = [nested]
        try:
            store.save(nested)
        except EncodeError:
            assert store.list() == []
        else:
            kept(store, nested)

    # -- what capabilities declare

    def test_references_stand_for_persistable_objects(self, store: MemoryStore) -> None:
        """In containers of any depth; the record lists each once, in the order met."""
        one, two = Node("one"), Node("two")
        # Any codec can refer to an object, also one that cannot hold it: that has a record of its own.
        ids = store.save_many([one, two], codec="pickle")
        obj = {"first": [two, {"deeper": [[one]]}], "again": two}
        if not store.codec.capabilities.references:
            refused(store, obj, already=ids)
            return
        id_ = store.save(obj)
        assert store.info(id_).references == (ids[1], ids[0])
        store.invalidate_cache()
        found = store.load(id_)
        assert found["again"] is found["first"][0] is store.load(ids[1])
        assert_isomorphic(obj, found)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_reference_stands_for_an_object_of_any_kind(self, codec: Codec, kind: str) -> None:
        """Also for a dataclass, a subclass of str, and what else the serializer may know by itself."""
        if codec.capabilities.references:
            loss = reference_loss(codec, kind)
            assert not loss, loss

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_object_of_any_kind_comes_back_or_is_refused(self, codec: Codec, kind: str) -> None:
        """Never a dataclass that became a dict, or a subclass of str that became a str."""
        loss = value_loss(codec, kind)
        assert not loss, loss

    def test_an_object_may_contain_itself(self, store: MemoryStore) -> None:
        """A cycle through containers closes again."""
        a_list: list[Any] = [1]
        a_list.append({"list": a_list})
        a_dict: dict[str, Any] = {}
        a_dict["list"] = [a_dict, a_dict]
        for obj in (a_list, a_dict):
            self._kept_if(store.codec.capabilities.cycles, store, obj)

    def test_an_instance_may_contain_itself(self, store: MemoryStore) -> None:
        """By an attribute, directly or through a container."""
        obj = Plain(label="a")
        obj.me, obj.us = obj, [obj]  # type: ignore[attr-defined]
        declared = store.codec.capabilities
        self._kept_if(declared.cycles and declared.instances, store, obj)

    @pytest.mark.parametrize("make", [list, dict, lambda: [1, {}]], ids=["list", "dict", "nested"])
    def test_what_is_shared_stays_shared(self, store: MemoryStore, make: Any) -> None:
        """One mutable object in two places is one object again."""
        shared = make()
        obj = {"one": shared, "two": [shared]}
        self._kept_if(store.codec.capabilities.shared_identity, store, obj)

    @pytest.mark.parametrize("name", INSTANCES)
    def test_instances_come_back(self, store: MemoryStore, name: str) -> None:
        """Of importable classes, however they describe themselves."""
        declared = store.codec.capabilities.instances and name not in self.unsupported
        self._kept_if(declared, store, INSTANCES[name]())

    def test_functions_come_back_with_what_they_captured(self, store: MemoryStore) -> None:
        """Nested functions and lambdas, each with its own copy of the values."""
        obj = [samples.counter(3)[1], samples.getter([1, 2])]
        found = self._kept_if(store.codec.capabilities.closures, store, obj)
        if found is not None:
            assert (found[0](), found[0](), found[1]()) == (4, 5, [1, 2])
            assert obj[0]() == 4

    def test_a_variable_that_closures_share_stays_shared(self, store: MemoryStore) -> None:
        """What the one assigns, the other sees; or the two are refused."""
        obj = samples.counter(3)
        try:
            id_ = store.save(obj)
        except EncodeError:
            return
        store.invalidate_cache()
        get, increase = store.load(id_)
        assert (increase(), get(), obj[0]()) == (4, 4, 3)

    def test_a_captured_persistable_object_stays_shared(self, store: MemoryStore) -> None:
        """A closure refers to it as a container does."""
        node = Node("captured")
        id_ = store.save(node, codec="pickle")
        declared = store.codec.capabilities
        if not (declared.closures and declared.references):
            refused(store, [samples.getter(node)], already=[id_])
            return
        holder = store.save([samples.getter(node), node])
        assert list(store.references(holder)) == [id_]
        store.invalidate_cache()
        get, found = store.load(holder)
        assert get() is found is store.load(id_)

    def test_classes_come_back_by_value(self, store: MemoryStore) -> None:
        """Objects of a class that cannot be imported, and the class itself, as one class."""
        cls = samples.local_class()
        obj = [cls(2), cls(5), cls]
        found = self._kept_if(store.codec.capabilities.classes_by_value, store, obj)
        if found is not None:
            assert [found[0].capped(), found[1].capped()] == [2, 3]

    @pytest.mark.parametrize("row", [row for row in PROOFS if row != "speed class"])
    def test_each_row_of_the_table_is_proven(self, codec: Codec, row: str) -> None:
        """Nothing comes back changed, and each flag says what is so: no more, and no less."""
        proof = prove_row(codec, row)
        assert proof.result != CHANGED, proof.evidence
        assert proof.result != UNREADABLE, proof.evidence
        if proof.flag is not None:
            declared = getattr(codec.capabilities, proof.flag)
            assert proof.holds == declared, (
                f"{proof.flag}={declared} is declared, and the row {row!r} of the table of codecs is "
                f"{proof.result!r}: {proof.evidence}"
            )

    def test_reading_runs_no_code(self, store: MemoryStore) -> None:
        """Neither by an object that was saved here, nor by a hostile payload; or it does run code."""
        samples.sprung.clear()
        if store.codec.capabilities.safe_to_read:
            refused(store, Trap())
            refused(store, [Trap()])
        with MemoryStore(codec="pickle") as other:
            hostile = _payload(other, other.save(Trap()))
        id_ = store.save([1])
        forge(store, id_, hostile)
        if store.codec.capabilities.safe_to_read:
            with pytest.raises(DecodeError):
                store.load(id_)
            assert samples.sprung == []

    def test_large_buffers_stay_where_they_are(self, codec: Codec) -> None:
        """Where that is declared: as aligned views among the pieces, which `load` takes from outside."""
        array = _array()
        sink = Sink()
        try:
            codec.dump(array, sink, LoneLinks(array))
        except Exception:  # noqa: BLE001 - a codec may raise anything: this one keeps no arrays
            assert not codec.capabilities.out_of_band
            return
        pieces = sink.pieces
        whole = codec.load(b"".join(pieces), LoneLinks(array))
        views = [piece for piece in pieces if type(piece) is memoryview]
        if not codec.capabilities.out_of_band:
            assert not views
            found = whole
        else:
            assert sum(map(len, views)) >= array.nbytes
            places = [sum(map(len, pieces[: pieces.index(view)])) for view in views]
            assert not any(place % ALIGNMENT for place in places)
            parts = [b""]
            for piece in pieces:
                if type(piece) is memoryview:
                    parts.append(b"")
                else:
                    parts[-1] += piece
            payload, _ = codec.detached(parts, [len(view) for view in views])
            assert len(payload) < array.nbytes // 2
            found = codec.load(payload, LoneLinks(array), [bytearray(view) for view in views])
        for each in (whole, found):
            assert (each.dtype, each.shape) == (array.dtype, array.shape)
            assert each.tobytes() == array.tobytes()

    # -- what a record says

    def test_the_configuration_makes_an_equal_codec(self, codec: Codec) -> None:
        """From JSON, as a store's settings keep it."""
        config = json.loads(json.dumps(codec.config()))
        assert config == codec.config()
        again = type(codec)(**config)
        assert again == codec
        assert hash(again) == hash(codec)
        assert again.protocol == codec.protocol
        assert repr(again) == repr(codec)

    def test_the_record_says_how_it_was_written(self, store: MemoryStore, codec: Codec) -> None:
        """Name, configuration, protocol and version; reading needs these."""
        info = store.info(store.save([1], "data"))
        assert info.codec == codec.name
        assert info.codec_config == codec.config()
        assert info.codec_version == codec.version != ""
        assert info.protocol == codec.protocol
        assert info.class_name == "builtins:list"
        assert info.references == ()

    # -- errors

    def test_an_error_names_the_place_in_the_object(self, store: MemoryStore) -> None:
        """The id, the codec, the path inside the object; and the store stays empty."""
        obj = {"tasks": [0, {"callback": Unencodable()}]}
        error = refused(store, obj)
        assert error.id == "refused"
        assert error.object_path == "['tasks'][1]['callback']"

    def test_an_error_in_the_middle_of_a_graph_leaves_nothing(self, store: MemoryStore) -> None:
        """Neither the objects before the one that cannot be encoded, nor those after."""
        ids = store.save_many([[0], {"kept": 1}])
        with pytest.raises(EncodeError) as caught:
            store.save_many([[1], [2, Unencodable()], [3]], ["a", "b", "c"])
        assert caught.value.id == "b"
        assert caught.value.codec == store.codec.name
        assert caught.value.object_path == "[1]"
        assert store.list() == sorted(ids)

    def test_a_truncated_payload_is_an_error(self, store: MemoryStore) -> None:
        """At whatever byte it ends, and though its digest is right."""
        id_ = store.save({"a": [1, 2.5, "text"], "b": {"c": None}, "d": ["x"] * 20})
        payload = _payload(store, id_)
        for length in range(len(payload)):
            forge(store, id_, payload[:length])
            with pytest.raises((DecodeError, RecordError)) as caught:
                store.load(id_)
            assert caught.value.id == id_
            if isinstance(caught.value, DecodeError):
                assert caught.value.codec == store.codec.name

    def test_a_damaged_record_is_an_error(self, store: MemoryStore) -> None:
        """Whichever byte of it is changed."""
        id_ = store.save({"a": [1, 2.5, "text"], "b": {"c": None}})
        record = _record(store, id_)
        for position in range(len(record)):
            damaged = bytearray(record)
            damaged[position] ^= 1 << position % 8
            store.backend.put(name_of(id_), bytes(damaged))
            store.invalidate_cache()
            with pytest.raises(RecordError) as caught:
                store.load(id_)
            assert caught.value.id == id_

    def test_a_forged_payload_is_an_error_or_an_object(self, store: MemoryStore) -> None:
        """A codec that is safe to read never fails in any other way, whatever it is given."""
        if not store.codec.capabilities.safe_to_read:
            pytest.skip("this codec does not declare safe_to_read")
        id_ = store.save({"a": [1, -2.5, "text", None, True], "b": {"c": []}, "n": 2**40})
        payload = _payload(store, id_)
        chance = random.Random(0)
        for _ in range(2_000):
            forged = bytearray(payload)
            for _ in range(chance.randint(1, 3)):
                forged[chance.randrange(len(forged))] = chance.randrange(256)
            forge(store, id_, bytes(forged))
            # Anything else than an error of brinery's own passes, and fails the test.
            with contextlib.suppress(BrineryError):
                store.load(id_)

    # -- use

    def test_one_codec_serves_several_threads(self, codec: Codec) -> None:
        """An instance keeps nothing from one call to the next."""

        def work(number: int) -> None:
            with MemoryStore(codec=codec) as store:
                for turn in range(20):
                    kept(store, {"number": number, "turn": [turn] * 100, "text": str(number) * 50})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

    def _kept_if(self, declared: bool, store: MemoryStore, obj: Any) -> Any:
        if declared:
            return kept(store, obj)
        refused(store, obj)
        return None


def kept(store: MemoryStore, obj: Any) -> Any:
    """Save an object, load it again, check that it did not change, and return it."""
    id_ = store.save(obj)
    store.invalidate_cache()
    found = store.load(id_)
    assert_isomorphic(obj, found)
    return found


def refused(store: MemoryStore, obj: Any, already: Collection[str] = ()) -> EncodeError:
    """Check that an object cannot be saved and that the store stays as it was; return the error."""
    with pytest.raises(EncodeError) as caught:
        store.save(obj, "refused")
    assert caught.value.id is not None
    assert caught.value.codec == store.codec.name
    assert store.codec.name in str(caught.value)
    assert sorted(store.list()) == sorted(already)
    return caught.value


def _array() -> Any:
    import numpy

    return numpy.arange(100_000, dtype="<f8").reshape(250, 400)


def _record(store: MemoryStore, id_: str) -> bytes:
    data, _ = store.backend.get(name_of(id_))
    return data


def _payload(store: MemoryStore, id_: str) -> bytes:
    return bytes(parse(_record(store, id_)).payload)
