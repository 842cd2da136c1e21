"""Every error tells what happened, carries it in attributes, and survives a trip between processes."""

from __future__ import annotations

import copy
import errno
import inspect
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from brinery import errors
from brinery.errors import BrineryError, StorageError, StorageFullError, storage_error

CLASSES: list[type[BrineryError]] = sorted(
    (
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type)
        and issubclass(cls, BrineryError)
        and cls.__module__.startswith(errors.__name__)
    ),
    key=lambda cls: cls.__name__,
)

# One value for each name of a parameter; an error with a new parameter fails until it stands here.
VALUES: dict[str, Any] = {
    "message": "something is wrong",
    "id": "Task.1",
    "ids": ["Task.1", "Task.2"],
    "codec": "dill",
    "transform": "zstd",
    "size": 1 << 40,
    "limit": 1 << 30,
    "path": "/srv/jobs",
    "url": "x://y",
    "reason": "it is so",
    "is_zero_filled": True,
    "is_newer": True,
    "scheme": "x",
    "known": ["alpha", "beta"],
    "referrer": "Plot.7",
    "wanted": "Task.9",
    "hint": "pip install it",
    "protocol": 99,
    "object_path": ".tasks[3].callback",
    "advice": "do this",
    "found": "Other.1",
    "action": "write",
    "seconds": 60.0,
    "pid": 4711,
    "host": "here",
    "since": 1e9,
    "problems": [errors.Problem(None, ".tasks[3].callback", "no such name")],
    "library": "psycopg",
    "table": "jobs",
    "columns": ["state", "priority"],
    "count": 3,
    "statements": ["ALTER TABLE jobs ADD COLUMN state TEXT"],
    "engine": "SQLite",
    "names": ["os:system"],
    "errno": errno.EACCES,
}
OWN_VALUES: dict[str, dict[str, Any]] = {
    "ProtocolError": {"known": [0, 5]},
    "RecordVersionError": {"found": 9, "known": 1},
}
# What else an error is, besides a BrineryError.
ALSO: dict[str, type[Exception]] = {
    "InvalidArgumentError": ValueError,
    "UrlError": ValueError,
    "NotMappableError": ValueError,
    "UnknownSchemeError": ValueError,
    "UnknownCodecError": ValueError,
    "ProtocolError": ValueError,
    "CallTooDeepError": RecursionError,
    "ClosedError": ValueError,
    "NotFoundError": KeyError,
    "CodecNotInstalledError": ImportError,
    "UnknownTransformError": ValueError,
    "TransformNotInstalledError": ImportError,
    "DriverNotInstalledError": ImportError,
}


def full(cls: type[BrineryError]) -> BrineryError:
    """Return an error of a class, with each argument given."""
    values = VALUES | OWN_VALUES.get(cls.__name__, {})
    return _made(cls, lambda parameter: True, values)


def bare(cls: type[BrineryError]) -> BrineryError:
    """Return an error of a class, with no more arguments than it needs."""
    values = VALUES | OWN_VALUES.get(cls.__name__, {})
    return _made(cls, lambda parameter: parameter.default is parameter.empty, values)


def _made(cls: type[BrineryError], is_given: Any, values: dict[str, Any]) -> BrineryError:
    arguments = inspect.signature(cls).parameters.values()
    return cls(**{each.name: values[each.name] for each in arguments if is_given(each)})


def attributes(error: BrineryError) -> dict[str, Any]:
    """Return all that an error carries, also what its builtin base keeps in slots."""
    public = {name for name in dir(error) if not name.startswith("_")} - {"with_traceback"}
    found = {name: getattr(error, name) for name in public if name != "add_note"}
    return found | {"args": error.args, "notes": getattr(error, "__notes__", None)}


every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
every_make = pytest.mark.parametrize("make", [full, bare])


def test_there_is_one_root() -> None:
    """`except BrineryError` catches every exception that the module defines."""
    defined = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, BaseException)
    }
    assert defined == set(CLASSES)
    assert len(CLASSES) > 20


@every_class
def test_an_error_is_also_the_builtin_error_of_its_kind(cls: type[BrineryError]) -> None:
    """Code that knows nothing of brinery catches it; no other builtin is claimed."""
    builtin = {base for base in cls.__mro__ if base.__module__ == "builtins"}
    expected = ALSO.get(cls.__name__, Exception)
    assert builtin == set(expected.__mro__)


def test_the_table_of_builtin_errors_is_up_to_date() -> None:
    """It names no class that is gone."""
    assert set(ALSO) | set(OWN_VALUES) <= {cls.__name__ for cls in CLASSES}


@every_class
def test_an_error_is_documented_in_one_line(cls: type[BrineryError]) -> None:
    """The first line of its docstring is its meaning in the reference."""
    first = (cls.__doc__ or "").partition("\n")[0]
    assert first.endswith(".")
    assert cls.__doc__ not in [base.__doc__ for base in cls.__mro__[1:]]


@every_class
@every_make
def test_the_text_is_the_message(cls: type[BrineryError], make: Any) -> None:
    """Whole, without quotes around it (as KeyError has) and without a None in it."""
    error = make(cls)
    text = str(error)
    assert text == error.args[0]
    assert text[0].isalpha() or text[0] == "'"
    if make is full:
        assert "None" not in text


@every_class
@every_make
def test_repr_names_the_class_and_the_message(cls: type[BrineryError], make: Any) -> None:
    """It is what a log shows."""
    error = make(cls)
    assert repr(error) == f"{cls.__name__}({error.args[0]!r})"


@every_class
def test_the_common_attributes_are_what_was_given(cls: type[BrineryError]) -> None:
    """`id`, `codec` and `path` are there on each, None where they do not apply."""
    given = inspect.signature(cls).parameters
    error = full(cls)
    for name in ("id", "codec", "path"):
        expected = VALUES[name] if name in given else None
        if name == "id" and "ids" in given:
            expected = "Task.1"
        assert getattr(error, name) == expected
        assert expected is None or expected in str(error) or "message" in given
    for name in set(given) - {"id", "codec", "path"}:
        value = (VALUES | OWN_VALUES.get(cls.__name__, {}))[name]
        assert getattr(error, name) == (tuple(value) if isinstance(value, list) else value)


@every_class
@every_make
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling(cls: type[BrineryError], make: Any, protocol: int) -> None:
    """A worker process hands it back whole: type, message, attributes and notes."""
    error = make(cls)
    error.add_note("while testing")
    error.path = "/elsewhere"
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert str(again) == str(error)
    assert attributes(again) == attributes(error)


@every_class
@every_make
@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_an_error_survives_copying(cls: type[BrineryError], make: Any, copier: Any) -> None:
    """And the copy has its own attributes."""
    error = make(cls)
    again = copier(error)
    assert type(again) is cls
    assert str(again) == str(error)
    assert attributes(again) == attributes(error)
    again.id = "changed"
    assert error.id != "changed"


def test_a_subclass_with_other_arguments_survives_too() -> None:
    """Third-party codecs raise their own errors."""
    error = _Own(1, 2)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is _Own
    assert attributes(again) == attributes(error)


class _Own(errors.EncodeError):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}", codec="own")
        self.second = second


def test_an_error_without_arguments_has_a_text() -> None:
    """Even one that was made past its constructor."""
    assert str(BrineryError.__new__(BrineryError)) == "BrineryError"


def test_long_lists_are_cut() -> None:
    """A conflict of a thousand objects fits on a screen; `ids` has them all."""
    error = errors.ConflictError([f"Task.{n}" for n in range(1000)])
    assert "and 995 more" in str(error)
    assert len(str(error)) < 500
    assert len(error.ids) == 1000


def test_ids_are_quoted_and_escaped() -> None:
    """A newline or a terminal's escape in an ID does not reach the log."""
    for cls in CLASSES:
        parameters = inspect.signature(cls).parameters
        if "id" in parameters and "message" not in parameters:
            values = VALUES | OWN_VALUES.get(cls.__name__, {}) | {"id": "a\n\x1b[2J\ud800"}
            error = _made(cls, lambda parameter: True, values)
            assert "\\x1b" in str(error)
            assert str(error).isprintable()


def test_an_operating_system_error_comes_with_advice() -> None:
    """The number stays available, and so do action and ID."""
    error = storage_error("write", OSError(errno.EROFS, "Read-only"), id="Task.1", path="/srv")
    assert type(error) is StorageError
    assert str(error).startswith("cannot write 'Task.1' in /srv: Read-only; ")
    assert "read-only" in str(error)
    assert (error.errno, error.action) == (errno.EROFS, "write")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_error(number: int) -> None:
    """It is the one after which a program can free room and go on."""
    error = storage_error("write", OSError(number, "full"))
    assert type(error) is StorageFullError
    assert "free some space" in str(error)


def test_a_storage_error_has_any_reason() -> None:
    """Databases and servers give texts, without a number of the operating system."""
    for error in (StorageError("read", "locked"), storage_error("read", OSError("locked"))):
        assert str(error) == "cannot read: locked"
        assert error.errno is None


@every_class
def test_wrong_arguments_are_refused(cls: type[BrineryError]) -> None:
    """As by a constructor that is written out: one too many, an unknown name, none of those it needs."""
    given = dict.fromkeys(inspect.signature(cls).parameters)
    with pytest.raises(TypeError, match=cls.__name__):
        cls(*given.values(), "one more")
    with pytest.raises(TypeError, match="unheard_of"):
        cls(**given, unheard_of=1)
    first = next(iter(given))
    with pytest.raises(TypeError, match=first):
        cls("by position", **{first: "by name"})
    if cls not in (errors.ClosedError, errors.CallTooDeepError):
        with pytest.raises(TypeError, match="got 0"):
            cls()


def test_a_template_leaves_out_what_is_not_known() -> None:
    """A part in brackets with all that it names, or the next after a bar, or nothing."""
    assert str(_Trip()) == "to nowhere"
    assert str(_Trip("Rome")) == "to Rome"
    assert str(_Trip("Rome", by="train", stops=["Bonn", "Ulm"])) == (
        "to Rome by train, past 'Bonn', 'Ulm'"
    )


class _Trip(BrineryError):
    """One template with each kind of part."""

    message: str = errors.derived("to [{to}|nowhere][ by {by}][, past {stops}]")
    to: str | None = None
    by: str | None = None
    stops: Sequence[str] = ()


def test_a_protocol_error_says_what_there_is() -> None:
    """A range, or that there is nothing to choose."""
    assert "has 0 to 5" in str(errors.ProtocolError(9, "pickle", range(6)))
    assert "leave the protocol out" in str(errors.ProtocolError(9, "msgpack", ()))
