"""Classes by value of many kinds: each is made by its own statement, decorator or library."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.codecs.test_classes import Programs

DEFINITIONS = """
import abc, collections, dataclasses, enum, functools, sys, typing
from brinery import FilesystemStore
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""
CLASSES = """
import attrs, pydantic
T = typing.TypeVar("T")
@attrs.define
class At:
    x: int = 1
@attrs.define(slots=False)
class At2:
    x: int = 1
class Py(pydantic.BaseModel):
    x: int = 3
    names: list[str] = []
class GNT(typing.NamedTuple):
    a: int = 1
class Err(Exception): pass
@dataclasses.dataclass(slots=True)
class DS:
    x: int = 0
@dataclasses.dataclass(frozen=True, order=True)
class DF:
    x: int = 0
    y: list = dataclasses.field(default_factory=list, compare=False)
@typing.runtime_checkable
class Pr(typing.Protocol):
    def run(self): ...
class Impl:
    def run(self): return 1
class Meta(type):
    def __new__(m, name, bases, ns, **kw):
        ns["made"] = kw.get("k", "none"); return super().__new__(m, name, bases, ns)
    def __init__(c, name, bases, ns, **kw): super().__init__(name, bases, ns)
class WithMeta(metaclass=Meta, k="v"): pass
class Desc:
    def __set_name__(self, owner, name): self.name = name
    def __get__(self, o, t): return self.name
class UsesDesc:
    d = Desc()
class Prop:
    @property
    def p(self): return 1
    @p.setter
    def p(self, v): pass
    @classmethod
    def c(cls): return cls
    @staticmethod
    def s(): return 2
    class Inner:
        def f(self): return Prop
class SD:
    @functools.singledispatchmethod
    def g(self, x): return "other"
    @g.register
    def _(self, x: int): return "int"
    h = functools.partialmethod(lambda self, a, b: (a, b), 1)
class Slots:
    __slots__ = ("a", "__b", "__weakref__")
    def __init__(self): self.a = self.__b = 1
    def b(self): return self.__b
class Tup(tuple):
    def f(self): return len(self)
class Dct(dict): pass
class GI:
    def __class_getitem__(cls, k): return (cls, k)
class Sub(Prop):
    def s2(self): return super().c()
Auto = enum.Enum("Auto", "A B")
class Perm(enum.IntFlag):
    R = 4; W = 2
class SE(enum.StrEnum):
    X = enum.auto()
Old = collections.namedtuple("Old", "a b", defaults=[1, 2])
class Gen(typing.Generic[T], abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class Con(Gen[int]):
    def f(self): return 1
class Un:
    x: "Undefined"
    def f(self) -> "Undefined2": pass
"""
KINDS = [
    # The name of a class, an expression that makes an object, and one that is true for the object `o`.
    ("At", "At()", "o == type(o)()"),
    ("At2", "At2()", "o.x == 1"),
    (
        "Py",
        "Py()",
        "o.x == 3 and o.model_dump() == {'x': 3, 'names': []} and type(o)(x='5').x == 5",
    ),
    ("GNT", "GNT()", "o.a == 1 and o._replace(a=2).a == 2"),
    ("Err", "Err('a')", "o.args == ('a',)"),
    ("DS", "DS()", "o.x == 0"),
    ("DF", "DF()", "o == type(o)() and hash(o) == hash(type(o)())"),
    ("Impl", "[Impl(), Pr]", "isinstance(o[0], o[1]) and not isinstance(3, o[1])"),
    ("WithMeta", "WithMeta()", "o.made == 'v'"),
    ("UsesDesc", "UsesDesc()", "o.d == 'd'"),
    (
        "Prop",
        "[Prop(), Prop.Inner()]",
        "o[0].p == 1 and o[0].c() is type(o[0]) and o[0].s() == 2 and o[1].f() is type(o[0])",
    ),
    ("SD", "SD()", "(o.g(1), o.g(''), o.h(2)) == ('int', 'other', (1, 2))"),
    ("Slots", "Slots()", "o.a == o.b() == 1"),
    ("Tup", "Tup([1])", "o.f() == 1"),
    ("Dct", "Dct(a=1)", "o == {'a': 1}"),
    ("GI", "GI()", "type(o)[3] == (type(o), 3)"),
    ("Sub", "Sub()", "o.s2() is type(o)"),
    ("Auto", "[Auto.A, Auto]", "o[0] is o[1].A and len(o[1]) == 2"),
    ("Perm", "[Perm.R|Perm.W]", "o[0] == 6 and o[0] & 4 == 4"),
    ("SE", "SE.X", "o == 'x'"),
    ("Old", "Old()", "o.a == 1 and type(o)(3).b == 2"),
    ("Con", "Con()", "o.f() == 1 and type(o).__mro__[1].__abstractmethods__ == {'f'}"),
    ("Un", "Un()", "type(o).__annotations__ == {'x': 'Undefined'}"),
]


@pytest.mark.parametrize("codec", ["cloudpickle", "dill"])
def test_each_kind_comes_back_and_is_the_own_class_of_a_program(tmp_path: Path, codec: str) -> None:
    """In a process without the classes, and when the program runs again; nothing is printed."""
    # cloudpickle refuses the weak references of a method with single dispatch.
    kinds = [kind for kind in KINDS if (codec, kind[0]) != ("cloudpickle", "SD")]
    save, load, own = "", "", ""
    for name, make, check in kinds:
        save += f"store.save([{make}], {name!r})\n"
        found = f"o = store.load({name!r})[0]\n"
        load += f"{found}if not ({check}): print({name!r})\n"
        own += (
            f"{found}if type(o[0] if isinstance(o, list) else o) is not {name}: print({name!r})\n"
        )
    programs = Programs(tmp_path, codec)
    programs.run(DEFINITIONS + CLASSES + save, seed="1")
    assert programs.run(DEFINITIONS + load, seed="2") == ""
    assert programs.run(DEFINITIONS + CLASSES + own, seed="3") == ""
