"""The rules for the calls of a pickle.

Values replace objects: see `brinery_codecs._pickle.analysis.scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brinery.typing import Final
from brinery_codecs._pickle.analysis.budget import Budget
from brinery_codecs._pickle.analysis.payload import FUNCTIONS, GETATTR, REFERENCE
from brinery_codecs._pickle.analysis.value_rules import (
    FRACTION_CLASS,
    FREED_DEEPLY,
    OF_TEXT,
    VALUE_RULES,
)
from brinery_codecs._pickle.analysis.values import (
    BUILT,
    DATA,
    EXTERNAL,
    FIRST,
    NUMBER,
    SHARED,
    Admits,
    IsEnumeration,
    Made,
    Tuple,
    Value,
    is_unknown,
    refused,
)
from brinery_codecs._pickle.members import COMBINE

_OF_MEMBERS: Final = frozenset({GETATTR, COMBINE})
"""Functions that make members of enumerations, which may have a record of their own."""


class Rules(Budget):
    """A payload whose calls go by rules."""

    def __init__(self, data: bytes, admits: Admits | None, is_enumeration: IsEnumeration) -> None:
        super().__init__(data, admits, is_enumeration)
        self._makes: dict[tuple[str, str], Value] = {}
        self.has_hooks = False
        """Whether a mapping may hang a value that can be called on an object, as one of its methods."""

    def run(self) -> None:
        """Go through the payload; raise `TrustError`."""
        raise NotImplementedError

    def call(self, callee: Value, arguments: Value) -> Value:
        """Return the result of a call; raise `TrustError` if the rules refuse it."""
        if self.admits is None:
            return self._followed(callee, arguments)
        name = self.name_of(callee)
        rule = _RULES.get(name)
        return self._made(name) if rule is None else rule(self, name, self._items(arguments))

    def _made(self, name: tuple[str, str]) -> Value:
        # What a class or function without a rule makes.  A member of an enumeration belongs to the whole
        # process: no state is set on it.
        value = self._makes.get(name)
        if value is None:
            is_enumeration = self.is_enumeration(*name)
            if is_enumeration is None:
                self.unsure.add(name)
            value = self._makes[name] = EXTERNAL if is_enumeration else DATA
        return value

    def _followed(self, callee: Value, arguments: Value) -> Value:
        # For a scan that refuses nothing: the result matters only if it is a global again.
        known = type(callee) is int and callee <= FIRST
        name = self._names[FIRST - callee] if known else None
        items = self._items(arguments)
        if name == GETATTR and items and len(items) == 2:
            known = type(items[0]) is int and items[0] <= FIRST
            return self._attribute(name, items) if known else DATA
        if name == (REFERENCE, "named"):
            return self._by_name(name, items)
        return DATA

    def _items(self, arguments: Value) -> Sequence[Value] | None:
        # Going through them counts as a copy, so that all of this takes linear time.
        if type(arguments) is not Tuple:
            return None
        self.count(len(arguments.items))
        return arguments.items

    def new(self, cls: Value, arguments: Value, *, has_keywords: bool = False) -> Value:
        """Return the result of the ``__new__`` of a class; raise `TrustError` as `call` does."""
        if self.admits is None:
            return DATA
        name = self.name_of(cls)
        rule = _RULES.get(name)
        if rule is None:
            return self._made(name)
        if name in FUNCTIONS:
            raise refused(f"it makes an object of {':'.join(name)}, which is not a class")
        if has_keywords:
            raise refused(
                f"it makes an object of {':'.join(name)} with keywords, as no pickle does"
            )
        return rule(self, name, self._items(arguments))

    def _external(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        return EXTERNAL

    def _root(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        place = 1 if name[1] == "hashable_root" else 0
        if items is None or len(items) <= place:
            raise refused("it has a root without a constructor")
        constructor = self.name_of(items[place])
        if constructor in _OF_MEMBERS and name[1] == "root":
            # Not the result of the call: another call may have made the root before.
            self.call(items[place], Tuple(items[1:]))
            return EXTERNAL
        if constructor in FUNCTIONS and constructor[0] != "copyreg":
            raise refused(f"it has a root that {':'.join(constructor)} makes")
        make = self.new if name[1] == "new_root" else self.call
        made = make(items[place], Tuple(items[place + 1 :]))
        if place and made is EXTERNAL:
            raise refused("it sets attributes on a member of an enumeration")
        # Early attributes are a state.
        return BUILT if place and made is DATA and self.has_hooks else made

    def _newobj(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        if not items:
            raise refused("it makes an object without a class")
        return self.new(items[0], Tuple(items[1:]))

    def _newobj_ex(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        if items is None or len(items) != 3:
            raise refused("it makes an object without a class")
        return self.new(items[0], items[1], has_keywords=True)

    def _reconstructor(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        if items is None or len(items) != 3:
            raise refused("it reconstructs an object without a class")
        cls, base, state = items
        if self.name_of(cls) in FUNCTIONS or self.name_of(base) in FUNCTIONS:
            raise refused("it reconstructs an object of something that is not a class")
        kind = self.name_of(base)
        if kind != ("builtins", "object"):
            self.charge([state])
            if is_unknown(state) or type(state) is Made:
                raise refused("it copies an object that it has made before")
            if kind == self.name_of(cls):
                raise refused(f"it reconstructs an object of {':'.join(kind)} itself")
            if kind in OF_TEXT and not (type(state) is int and state > 0):
                raise refused(
                    f"it reconstructs {':'.join(kind)} of something that is not a string or bytes"
                )
            if kind == FRACTION_CLASS:
                raise refused("it reconstructs a Fraction, which has attributes of its own")
        return Made((state,)) if _RULES.get(self.name_of(cls)) in FREED_DEEPLY else DATA

    def _attribute(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        # How nested classes are named below protocol 4, and members of enumerations: see `members`.
        if items is None or len(items) != 2:
            raise refused("it asks for an attribute with getattr")
        module, qualname = self.name_of(items[0])
        return self.named(module, f"{qualname}.{self.text_of(items[1])}")

    def _combine(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        # Flags, as far as a scan can know; the rest is checked when they are combined.
        assert self.admits is not None
        if self.admits(*name):
            return DATA
        if items is None or len(items) != 2 or not all(map(_may_be_flag, items)):
            raise refused("it combines objects that are not flags of one class")
        return EXTERNAL

    def _by_name(self, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
        if items is None or len(items) != 2:
            raise refused("it looks up a global, expected a module and a name as strings")
        return self.named(self.text_of(items[0]), self.text_of(items[1]))


def _may_be_flag(value: Value) -> bool:
    # A member that is named, the result of a call, one in a record of its own, or bits without a name.
    if type(value) is not int:
        return type(value) is bytes
    return value <= FIRST or value in (DATA, SHARED, EXTERNAL, NUMBER)


Rule = Callable[[Rules, tuple[str, str], Sequence[Value] | None], Value]

_RULES: Final[dict[tuple[str, str], Rule]] = {
    (REFERENCE, "external"): Rules._external,
    (REFERENCE, "root"): Rules._root,
    (REFERENCE, "new_root"): Rules._root,
    (REFERENCE, "hashable_root"): Rules._root,
    (REFERENCE, "named"): Rules._by_name,
    GETATTR: Rules._attribute,
    COMBINE: Rules._combine,
    ("copyreg", "_reconstructor"): Rules._reconstructor,
    ("copyreg", "__newobj__"): Rules._newobj,
    ("copyreg", "__newobj_ex__"): Rules._newobj_ex,
    **VALUE_RULES,
}
