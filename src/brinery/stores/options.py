"""The options of stores: one checked value object for each kind of store, and the options of URLs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from brinery.backend import Backend
from brinery.catalog.settings import Settings
from brinery.codec import DEFAULT_PROTOCOL, Codec
from brinery.errors import (
    CodecNotInstalledError,
    InvalidArgumentError,
    ProtocolError,
    TransformNotInstalledError,
    UnknownCodecError,
    UnknownTransformError,
)
from brinery.evolution.renames import Renames
from brinery.graph.loading.load import load_again
from brinery.ids import IdFactory
from brinery.record.payload import MAX_EXPANDED, PayloadExpander
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import CodecArgument, codec_options, make_codec
from brinery.registry.transforms import make_transform, transform_from
from brinery.session.options import Check, SaveOptions
from brinery.session.session import Session
from brinery.stores.arguments import size_limit, truth_of, typed
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from brinery.verify.fresh_process import FreshProcess

DEFAULT_CODEC = "pickle"


class StoreOptions(NamedTuple):
    """The options of every kind of store; `Store` documents each."""

    idfactory: IdFactory | None = None
    protocol: int | str | None = DEFAULT_PROTOCOL
    codec: CodecArgument | None = None
    compress: str | Transform | None = None
    max_expanded: int | str = MAX_EXPANDED
    renames: Mapping[str, str] | None = None
    trust: Trust | str | None = None
    lazy: bool | str | None = None
    """None for what the store remembers."""
    provenance: bool | str | None = None
    """None for what the store remembers."""
    extra: Mapping[str, Any] | None = None
    """Options of the codec, and unknown arguments, which are refused."""


class DirectoryOptions(NamedTuple):
    """The options of a `FilesystemStore` beside `StoreOptions`."""

    directory: str
    """The absolute path."""
    durability: Literal["full", "process"]
    layout: Literal["flat", "sharded"]
    shared: Literal["private", "group"]
    trusts_group: bool
    """Whether the opener has said that the group is trusted; neither the store nor its URL may."""
    lock_timeout: float
    """Seconds."""
    mode: Literal["rw", "r"]

    @property
    def remembered(self) -> Mapping[str, Any]:
        """Return the settings to write to `Settings.options`."""
        return {"layout": self.layout, "shared": self.shared}


class SqlOptions(NamedTuple):
    """The options of a `SqlStore` beside `StoreOptions`."""

    url: str
    """With its password, without the name of the table."""
    table_name: str
    extra_fields: Mapping[Any, Callable[[Any], Any]]
    create: bool
    migrate: bool
    durability: str
    timeout: float
    """Seconds."""
    mode: Literal["rw", "r"]
    shared: Literal["private", "group"]


# Options in the query of a database URL, beside those of the codec and of the driver.
SQL_URL_OPTIONS: Final = frozenset(
    [
        *("protocol", "codec", "compress", "max_expanded", "lazy", "provenance"),
        *("durability", "create", "migrate", "timeout", "mode"),
    ]
)


def choose_codec(
    codec: CodecArgument | None,
    protocol: int | str | None,
    extra: dict[str, Any],
    remembered: Settings | None,
) -> Codec:
    """Return the codec that arguments and remembered settings ask for.

    The codec's own options are taken out of `extra`.
    """
    number = _protocol(protocol, codec)
    if isinstance(codec, Codec):
        return make_codec(codec, number)
    if codec is None or codec == "":
        name: CodecArgument = remembered.codec if remembered else DEFAULT_CODEC
    else:
        name = codec
    kinds = codec_options(name) if extra else {}
    options = {key: typed(key, extra.pop(key), kinds[key]) for key in list(extra) if key in kinds}
    if codec is None and remembered is not None:
        options = {**remembered.config, **options}
        if number is not None:
            if name == CodecChain.name:
                raise InvalidArgumentError(
                    "expected the codecs together with protocol, got protocol alone: this store remembers "
                    "a chain of codecs; name them again"
                )
            options.pop("protocol", None)
        with _remembered("codec", "pickle"):
            return make_codec(name, number, options)
    return make_codec(name, number, options)


def choose_transform(
    compress: str | Transform | None, remembered: Settings | None
) -> Transform | None:
    """Return the transform that the argument names, or else the remembered settings."""
    if compress is None:
        chosen = remembered.transform if remembered else None
        with _remembered("compress", "none"):
            return transform_from(*chosen) if chosen else None
    return None if compress == "none" else make_transform(compress)


@contextmanager
def _remembered(name: str, other: str) -> Iterator[None]:
    # The caller did not name the missing codec or transform, and may be able to work without it.
    try:
        yield
    except (
        CodecNotInstalledError,
        TransformNotInstalledError,
        UnknownCodecError,
        UnknownTransformError,
    ) as error:
        advice = f"The store was made with it; {name}={other!r} opens it for its other records"
        error.args = (f"{error.args[0]}. {advice}", *error.args[1:])
        raise


def _protocol(protocol: int | str | None, codec: CodecArgument | None) -> int | None:
    if not isinstance(protocol, str):
        return protocol
    try:
        return int(protocol)
    except ValueError as error:
        raise ProtocolError(protocol, str(codec or DEFAULT_CODEC), range(6)) from error


def refuse_unknown(store: type, codec: Codec, unknown: Mapping[str, Any]) -> None:
    """Raise `InvalidArgumentError` for the first of the arguments that a kind of store does not have."""
    if not unknown:
        return
    import difflib
    import inspect

    # A subclass of the user's may hand on what it does not know itself.
    kinds = (cls for cls in store.__mro__ if cls.__module__.startswith("brinery."))
    known = {"renames"}
    for kind in kinds:
        parameters = inspect.signature(kind).parameters.values()
        if any(each.kind is each.VAR_KEYWORD for each in parameters):
            known |= {each.name for each in parameters if each.kind is not each.VAR_KEYWORD}
            break
    members = codec.codecs if isinstance(codec, CodecChain) else (codec,)
    known |= {option for member in members for option in codec_options(member.name)}
    name = next(iter(unknown))
    close = difflib.get_close_matches(name, known, 1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise InvalidArgumentError(
        f"{store.__name__} with the codec {codec.name!r} has no argument {name!r}{hint}: expected one of "
        f"{', '.join(sorted(known))}"
    )


def session_from(store: type, backend: Backend, options: StoreOptions) -> Session:
    """Return the session of a store of the class `store` that is opened with `options`."""
    # The limit comes from the reader alone; a store never remembers one.
    expander = PayloadExpander(size_limit("max_expanded", options.max_expanded))
    session = Session(backend, Trust.of(options.trust), Renames(options.renames), expander)
    extra = dict(options.extra or {})
    codec = choose_codec(options.codec, options.protocol, extra, session.settings)
    session.write_with(codec, choose_transform(options.compress, session.settings))
    refuse_unknown(store, codec, extra)
    session.load = load_again
    session.is_lazy = _truth_of("lazy", options.lazy, session.settings)
    if _truth_of("provenance", options.provenance, session.settings):
        from brinery.session.provenance import provenance

        session.writer = provenance()
    factory = IdFactory() if options.idfactory is None else options.idfactory
    if not isinstance(factory, IdFactory):
        raise InvalidArgumentError(f"idfactory: expected an IdFactory, got {factory!r:.60}")
    session.idfactory = factory.bound(session.sequence)
    return session


def _truth_of(name: str, given: Any, remembered: Settings | None) -> bool:
    if given is None:
        given = remembered is not None and remembered.options.get(name, False)
    return truth_of(name, given)


def save_options(
    session: Session,
    codec: CodecArgument | None,
    compress: str | Transform | None,
    verify: str | FreshProcess | None,
    deep: bool = True,
) -> SaveOptions:
    """Return the options of one save, from the keywords of `Store.save`."""
    if codec is None and compress is None and verify is None:
        return session.save_options if deep else session.save_options._replace(deep=False)
    transform = session.transform
    if compress is not None:
        transform = session.expander.known(choose_transform(compress, None))
    return SaveOptions(
        session.codec if codec is None else session.codecs.known(make_codec(codec)),
        transform,
        forces_codec=codec is not None,
        forces_transform=compress is not None,
        check=None if verify is None else _check_of(session, verify),
        deep=deep,
    )


def _check_of(session: Session, verify: str | FreshProcess) -> Check:
    # Imported on use: only this needs the modules that start processes.
    from brinery.verify.fresh_process import verifier_of

    return functools.partial(verifier_of(verify).check, session)
