"""The errors of brinery: one root, typed attributes, a text that says what to do next.

A class *declares* its attributes by annotations, as a dataclass does, and its text by a template.  The
constructor is written once, in the root: it takes the attributes by position or by name (those below
``_: KW_ONLY`` by name only) and fills in the template.  Type checkers see a constructor for each class.

A template names attributes as `str.format` does.  A part in square brackets is left out if an attribute in
it is None or empty; bars separate the parts to try one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from brinery.typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, dataclass_transform

if TYPE_CHECKING:
    import inspect

_REQUIRED: Final = object()


def derived(make: str | Callable[[Any], object], *, init: Literal[False] = False) -> Any:
    """Declare an attribute that is made from the others, by a template or a function."""
    return _Derived(make)


class _Derived:
    def __init__(self, make: str | Callable[[Any], object]) -> None:
        self._make = make

    def of(self, error: BrineryError) -> object:
        return _filled(self._make, error) if isinstance(self._make, str) else self._make(error)


class _Field(NamedTuple):
    default: object
    is_keyword: bool


class _Signature:
    # For help() and inspect.signature().
    def __get__(self, error: object, cls: type[BrineryError]) -> inspect.Signature:
        from inspect import Parameter, Signature

        listed = []
        for name, (default, is_keyword) in cls._fields.items():
            kind = Parameter.KEYWORD_ONLY if is_keyword else Parameter.POSITIONAL_OR_KEYWORD
            shown = Parameter.empty if default is _REQUIRED else default
            if not isinstance(default, _Derived):
                listed.append(Parameter(name, kind, default=shown))
        return Signature(sorted(listed, key=lambda parameter: parameter.kind))


@dataclass_transform(field_specifiers=(derived,))
class BrineryError(Exception):
    """Root of every error that brinery raises.

    `message` is the text.  `id` is the ID of the object that the error is about, `codec` the name of the
    codec, `path` the file or URL; each is None where it does not apply.
    """

    message: str
    id: str | None = None
    codec: str | None = None
    path: str | None = None

    _fields: Mapping[str, _Field] = {"message": _Field(_REQUIRED, False)}
    _places: Sequence[str] = ("message",)
    _defaults: Mapping[str, object] = {"message": _REQUIRED}
    _derived: Sequence[tuple[str, _Derived]] = ()
    __signature__: Any = _Signature()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__signature__ = None  # that of its own constructor
        # As in a dataclass, an attribute that is declared again keeps its place.
        fields, is_keyword = dict(cls._fields), False
        for name in cls.__annotations__:
            if name == "_":
                is_keyword = True
                continue
            fields[name] = field = _Field(cls.__dict__.get(name, _REQUIRED), is_keyword)
            if isinstance(field.default, _Derived):
                delattr(cls, name)
        cls._fields = fields
        given = {
            name: field for name, field in fields.items() if type(field.default) is not _Derived
        }
        cls._places = [name for name, field in given.items() if not field.is_keyword]
        cls._defaults = {name: field.default for name, field in given.items()}
        # A template comes before what it names: subclasses declare that as derived, too.
        cls._derived = [
            (name, field.default)
            for name, field in reversed(fields.items())
            if isinstance(field.default, _Derived)
        ]

    def __init__(self, *args: Any, **keywords: Any) -> None:
        places, defaults = self._places, self._defaults
        given = {**defaults, **dict(zip(places, args, strict=False)), **keywords}
        if (
            len(given) > len(defaults)
            or len(args) > len(places)
            or not keywords.keys().isdisjoint(places[: len(args)])
            or any(value is _REQUIRED for value in given.values())
        ):
            raise TypeError(
                f"expected {type(self).__name__}{type(self).__signature__}, got {len(args)} arguments by "
                f"position and {', '.join(keywords) or 'none'} by name"
            )
        for name, value in given.items():
            # The caller may change a list later; a text is a sequence, too.
            is_list = not isinstance(value, (str, tuple)) and isinstance(value, Sequence)
            setattr(self, name, tuple(value) if is_list else value)
        for name, made in self._derived:
            setattr(self, name, made.of(self))
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[BrineryError], args: tuple[Any, ...], state: dict[str, Any]) -> BrineryError:
    error = cls.__new__(cls)
    super(BrineryError, error).__init__(*args)  # ImportError sets `msg` there
    error.__dict__.update(state)
    return error


def _filled(template: str, error: BrineryError) -> str:
    always, where_known = _Facts(error, False), _Facts(error, True)
    text = ""
    for number, part in enumerate(template.replace("]", "[").split("[")):
        if number % 2 == 0:
            text += part.format_map(always)
            continue
        for choice in part.split("|"):
            try:
                text += choice.format_map(where_known)
                break
            except KeyError:
                continue
    return text


class _Facts:
    # The attributes of an error, as its text shows them; `KeyError` for one that is not known.
    def __init__(self, error: BrineryError, is_optional: bool) -> None:
        self._error = error
        self._is_optional = is_optional

    def __getitem__(self, name: str) -> object:
        value = getattr(self._error, name)
        if self._is_optional and (value is None or value in ("", ())):
            raise KeyError(name)
        if isinstance(value, tuple):
            return _Names(value)
        return str(value) if isinstance(value, str) else value  # the repr of an Id is not its text


class _Names(tuple[object, ...]):
    # The first five names, or as many as the format says: ``{known:20}``.
    __slots__ = ()

    def __format__(self, most: str) -> str:
        count = int(most or 5)
        shown = ", ".join(repr(str(name)) for name in self[:count])
        return shown + (f" and {len(self) - count} more" if len(self) > count else "")


def pass_memory_error(error: BaseException | None) -> None:
    """Raise the `MemoryError` that an error is or was raised from, if there is one.

    It says nothing about an object, a record or a codec, so no other error may replace it.
    """
    while error is not None:
        if isinstance(error, MemoryError):
            raise error
        error = error.__cause__


def is_too_deep(error: BaseException | None) -> bool:
    """Return whether Python's limit of recursion caused an error, directly or through other errors."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__cause__ or error.__context__
    return False
