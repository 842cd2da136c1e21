"""Which step of decoding a pickle failed, and so where in the object.

The memo of the unpickler shows how far it came: the step that failed comes after as many entries as
there are and before the next.  If that is true of several steps, the function that the unpickler called, the
outermost one in the traceback, decides between them.  If it does not, no path is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import CodeType, FrameType, FunctionType, MethodType, TracebackType

from brinery.codec import Buffer
from brinery.typing import Any, Final
from brinery_codecs._pickle.analysis.nodes import UNKNOWN, Node, Step
from brinery_codecs._pickle.analysis.parts import Places, path_to
from brinery_codecs._pickle.analysis.trace import MOST, TooLongError, Trace

_IS_ABSTRACT: Final = 1 << 20  # Py_TPFLAGS_IS_ABSTRACT
_MOST_TARGETS: Final = 1_000
_HOOKS: Final = ("__setstate__", "__getattr__", "__getattribute__", "__setattr__")


def path_of_failure(source: Buffer, error: BaseException, codes: Iterable[CodeType]) -> str | None:
    """Return the path inside the object to where `error` was raised, "" for the root, or None.

    `codes` are those of the functions that hold the unpickler, as `unpickler` or `self`.  Of a payload
    that is too long to be gone through again, the answer says that.
    """
    found = _unpickler(error.__traceback__, frozenset(codes))
    if found is None:
        return None
    memo, frame = found
    try:
        trace = Trace(source)
    except TooLongError:
        return f"<somewhere in more than {MOST:,} opcodes>"
    here = [step for step in trace.steps if step.memoized == len(memo)]
    deciding = _Deciding(memo, frame)
    targets = {step.target for step in deciding.decided(here)}
    places = trace.places(deciding.real)
    return _only_path([target for target in targets if target in places], places)


def _only_path(targets: Collection[Node], places: Places) -> str | None:
    # One path after the other: a hostile payload may have thousands of targets, all of them deep.
    if len(targets) > _MOST_TARGETS:
        return None
    only: str | None = None
    for target in targets:
        path = path_to(target, places)
        if only is not None and path != only:
            return None
        only = path
    return only


def _unpickler(
    traceback: TracebackType | None, codes: frozenset[CodeType]
) -> tuple[dict[int, Any], FrameType | None] | None:
    # The memo of the unpickler, and the frame that it called when the error came.
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        if frame.f_code not in codes:
            continue
        unpickler = frame.f_locals.get("unpickler", frame.f_locals["self"])
        if not hasattr(unpickler, "memo"):
            continue
        while traceback is not None and _is_library(traceback.tb_frame):
            traceback = traceback.tb_next
        return dict(unpickler.memo.copy()), traceback.tb_frame if traceback is not None else None
    return None


def _is_library(frame: FrameType) -> bool:
    # Unpicklers in Python have frames of their own before that of the function that they call.
    name, module = frame.f_code.co_name, frame.f_globals.get("__name__")
    if module == "brinery_codecs._pickle.unpicklers":
        return name in ("begin", "finish")
    return module in ("pickle", "dill._dill") and (name == "load" or name.startswith("load_"))


class _Deciding:
    """Decides between steps by the objects that existed and the function that was called."""

    def __init__(self, memo: dict[int, Any], frame: FrameType | None) -> None:
        self._memo = memo
        self._frame = frame
        self._code = frame.f_code if frame is not None else None

    def decided(self, steps: list[Step]) -> list[Step]:
        """Return the steps that may be the one that failed."""
        able = [step for step in steps if self._can_fail(step)]
        if self._code is None:
            return [step for step in able if step.action != "find"]
        called = [step for step in able if self._is_called(step)]
        if called:
            return called
        return [step for step in able if step.action != "find" and self._is_opaque(step)]

    def real(self, node: Node | None) -> Any:
        """Return the object of a node, UNKNOWN if it is not known."""
        if node is None:
            return UNKNOWN
        if node.index is None:
            return node.value if node.kind == "atom" else UNKNOWN
        return self._memo.get(node.index, UNKNOWN)

    # steps that cannot have failed

    def _can_fail(self, step: Step) -> bool:
        if step.action == "call" and step.is_new and not step.args:
            cls = self.real(step.callee)
            if isinstance(cls, type) and _static(cls, "__new__") is _NEW:
                return bool(cls.__flags__ & _IS_ABSTRACT)
        if step.action == "state":
            return not self._is_plain_state(step)
        return True

    def _is_plain_state(self, step: Step) -> bool:
        obj, state = self.real(step.target), step.state
        if obj is UNKNOWN or state is None or state.kind != "dict":
            return False
        cls = type(obj)
        special = ("__setstate__", "__getattr__")
        return (
            type.__getattribute__(cls, "__dictoffset__") != 0
            and not any(name in base.__dict__ for base in cls.__mro__ for name in special)
            and _static(cls, "__getattribute__") is _GETATTRIBUTE
        )

    # steps that made the call

    def _is_called(self, step: Step) -> bool:
        assert self._code is not None
        if step.action == "find":
            return self._code.co_name == "find_class"
        if step.action == "call":
            return self._code in _codes_called(self.real(step.callee), step.is_new)[0]
        if step.action == "state":
            obj = self.real(step.target)
            if obj is UNKNOWN:
                return self._code.co_name == "__setstate__"
            return self._is_method_of(type(obj), _HOOKS) and self._has_argument(obj)
        members = [self.real(node) for node in (*_flat(step.args), step.target)]
        return any(
            member is not UNKNOWN
            and self._is_method_of(type(member), None)
            and self._has_argument(member)
            for member in members
        )

    def _is_method_of(self, cls: type, names: tuple[str, ...] | None) -> bool:
        for base in cls.__mro__:
            for name in base.__dict__ if names is None else names:
                if self._code in _codes_of(base.__dict__.get(name)):
                    return True
        return False

    def _has_argument(self, obj: Any) -> bool:
        # The object is the first argument of its method; another value under that name hides it.
        assert self._frame is not None
        assert self._code is not None
        if not self._code.co_argcount:
            return False
        return self._frame.f_locals.get(self._code.co_varnames[0], UNKNOWN) is obj

    def _is_opaque(self, step: Step) -> bool:
        # Whether it runs code that is not seen, which may have made the call.
        if step.action == "call":
            return _codes_called(self.real(step.callee), step.is_new)[1]
        return True


def _flat(nodes: Iterable[Node]) -> Iterable[Node]:
    # Members and keys, and the items of those that are tuples and sets.
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        if node.kind in ("tuple", "set"):
            pending += node.items


def _codes_of(found: Any) -> set[CodeType]:
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if type(found) is MethodType:
        found = found.__func__
    return {found.__code__} if type(found) is FunctionType else set()


_NEW: Final = object.__dict__["__new__"]
_GETATTRIBUTE: Final = object.__dict__["__getattribute__"]
_HARMLESS: Final = (_NEW, object.__dict__["__init__"], type.__dict__["__call__"])


def _codes_called(callee: Any, is_new: bool) -> tuple[set[CodeType], bool]:
    # The code that a call runs first, and whether there is any in C, which may run other code.
    if callee is UNKNOWN:
        return set(), True
    if not isinstance(callee, type):
        codes = _codes_of(callee) or _codes_of(type(callee).__dict__.get("__call__"))
        return codes, not codes
    slots = ["__new__"] if is_new else ["__new__", "__init__"]
    found = [_static(callee, name) for name in slots]
    if not is_new:
        found.append(_static(type(callee), "__call__"))
    codes = {code for each in found for code in _codes_of(each)}
    is_opaque = any(not _codes_of(each) and each not in _HARMLESS for each in found)
    return codes, is_opaque


def _static(cls: type, name: str) -> Any:
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
