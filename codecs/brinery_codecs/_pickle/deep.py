"""A pickler that never recurses, for objects that are nested or linked too deeply for the others.

The picklers of the standard library call themselves for each level of nesting, so a linked list of some
hundred instances is too much for them.  This one keeps a list of the objects that are still to be written,
and writes the same opcodes in the same order; unpickling is a loop anyway.  It is in Python and takes about
ten times as long as the pickler in C, so a codec turns to it only where that has failed.

The opcodes are those of PEP 307, PEP 3154 and PEP 574, as `pickletools` documents them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import FunctionType

from brinery.codec import Sink
from brinery.typing import Any, Final

_BATCH: Final = 1000  # items between MARK and APPENDS, as everywhere in pickles
# How often an object may be met again among its own arguments.  Each time something is memoized that was
# not before, or it never ends; with pickle that is a RecursionError.
_MOST_RETURNS: Final = 1000
# Of a reduction, after the function and its arguments: state, items, pairs, setter of the state.
_NO_PARTS: Final[tuple[Any, ...]] = (None, None, None, None)

Reduce = Callable[[Any], Any]


class _Step(tuple[Any, ...]):
    """Something to do, on a list whose other items are objects to save.

    The first item is a method of the pickler, or None to write the second.
    """

    __slots__ = ()


def _writing(opcodes: bytes) -> _Step:
    return _Step((None, opcodes))


_APPEND: Final = _writing(pickle.APPEND)
_APPENDS: Final = _writing(pickle.APPENDS)
_SETITEM: Final = _writing(pickle.SETITEM)
_SETITEMS: Final = _writing(pickle.SETITEMS)
_ADDITEMS: Final = _writing(pickle.ADDITEMS)
_NEWOBJ: Final = _writing(pickle.NEWOBJ)
_NEWOBJ_EX: Final = _writing(pickle.NEWOBJ_EX)
_REDUCE: Final = _writing(pickle.REDUCE)
_BUILD: Final = _writing(pickle.BUILD)
_CALL_SETTER: Final = _writing(pickle.TUPLE2 + pickle.REDUCE + pickle.POP)
_TUPLES: Final = {1: pickle.TUPLE1, 2: pickle.TUPLE2, 3: pickle.TUPLE3}


class DeepPickler(pickle._Pickler):
    """Pickles at any depth.

    `table` maps types to reducers, and may find out about a type when it is asked (`__missing__`);
    `override`, where it is given, is asked before, as the `reducer_override` of other picklers is.
    """

    bin: bool
    framer: Any
    memo: dict[int, tuple[int, Any]]
    proto: int
    write: Callable[[bytes], Any]
    get: Callable[[int], bytes]
    memoize: Callable[[Any], None]
    save_global: Callable[..., None]

    def __init__(
        self,
        sink: Sink,
        protocol: int,
        table: Mapping[type, Reduce],
        override: Reduce | None = None,
    ) -> None:
        super().__init__(sink, protocol)
        self._table = table
        self._override = override
        self._under_way: dict[int, int] = {}
        own: Any = self
        self._atoms: dict[type, Reduce] = {
            type(None): own.save_none,
            bool: own.save_bool,
            int: own.save_long,
            float: own.save_float,
        }
        self._leaves: dict[type, Reduce] = {
            str: own.save_str,
            bytes: own.save_bytes,
            bytearray: own.save_bytearray,
            pickle.PickleBuffer: own.save_picklebuffer,
        }
        self._containers: dict[type, Callable[[Any, list[Any]], None]] = {
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            set: self._set,
            frozenset: self._frozenset,
        }

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        """Write one object and all that it holds."""
        # The base class calls this, too, for the parts of a global: these are not nested.
        todo = [obj]
        atoms, leaves, containers, memo = self._atoms, self._leaves, self._containers, self.memo
        write = self.write
        while todo:
            obj = todo.pop()
            cls = type(obj)
            if cls is _Step:
                if obj[0] is None:
                    write(obj[1])
                else:
                    obj[0](*obj[1:], todo)
            elif cls in atoms:
                atoms[cls](obj)
            elif id(obj) in memo:
                write(self.get(memo[id(obj)][0]))
            elif cls in leaves:
                leaves[cls](obj)
            else:
                self.framer.commit_frame()
                if cls in containers:
                    containers[cls](obj, todo)
                else:
                    self._other(obj, cls, todo)

    # -- containers: each method writes how its object begins, and leaves the rest to do, last things first

    def _list(self, obj: list[Any], todo: list[Any]) -> None:
        self.write(pickle.EMPTY_LIST if self.bin else pickle.MARK + pickle.LIST)
        self.memoize(obj)
        self._append(iter(obj), todo)

    def _append(self, items: Iterator[Any], todo: list[Any]) -> None:
        batch = [*islice(items, _BATCH if self.bin else 1)]
        if not batch:
            return
        if len(batch) > 1 or not self.bin:
            todo.append(_Step((self._append, items)))
        if len(batch) > 1:
            self.write(pickle.MARK)
            todo.append(_APPENDS)
        else:
            todo.append(_APPEND)
        batch.reverse()
        todo += batch

    def _dict(self, obj: dict[Any, Any], todo: list[Any]) -> None:
        self.write(pickle.EMPTY_DICT if self.bin else pickle.MARK + pickle.DICT)
        self.memoize(obj)
        self._set_items(iter(obj.items()), todo)

    def _set_items(self, items: Iterator[tuple[Any, Any]], todo: list[Any]) -> None:
        batch = [*islice(items, _BATCH if self.bin else 1)]
        if not batch:
            return
        if len(batch) > 1 or not self.bin:
            todo.append(_Step((self._set_items, items)))
        if len(batch) > 1:
            self.write(pickle.MARK)
            todo.append(_SETITEMS)
        else:
            todo.append(_SETITEM)
        for key, value in reversed(batch):
            todo += (value, key)

    def _tuple(self, obj: tuple[Any, ...], todo: list[Any]) -> None:
        if not obj:
            self.write(pickle.EMPTY_TUPLE if self.bin else pickle.MARK + pickle.TUPLE)
            return
        is_short = len(obj) <= 3 and self.proto >= 2
        if not is_short:
            self.write(pickle.MARK)
        todo.append(_Step((self._end_tuple, obj, is_short)))
        todo += reversed(obj)

    def _end_tuple(self, obj: tuple[Any, ...], is_short: bool, todo: list[Any]) -> None:
        if id(obj) in self.memo:
            # One of its items led back to it, and has written it: the items here are superfluous.
            if is_short:
                self.write(pickle.POP * len(obj))
            else:
                self._pop_mark(len(obj))
            self.write(self.get(self.memo[id(obj)][0]))
        else:
            self.write(_TUPLES[len(obj)] if is_short else pickle.TUPLE)
            self.memoize(obj)

    def _pop_mark(self, count: int) -> None:
        self.write(pickle.POP_MARK if self.bin else pickle.POP * (count + 1))

    def _set(self, obj: set[Any], todo: list[Any]) -> None:
        if self.proto < 4:
            self._reduction(obj, (set, ([*obj],)), todo)
            return
        self.write(pickle.EMPTY_SET)
        self.memoize(obj)
        self._add(iter(obj), todo)

    def _add(self, items: Iterator[Any], todo: list[Any]) -> None:
        batch = [*islice(items, _BATCH)]
        if batch:
            self.write(pickle.MARK)
            todo += (_Step((self._add, items)), _ADDITEMS, *reversed(batch))

    def _frozenset(self, obj: frozenset[Any], todo: list[Any]) -> None:
        if self.proto < 4:
            self._reduction(obj, (frozenset, ([*obj],)), todo)
            return
        self.write(pickle.MARK)
        items = [*obj]
        todo += (_Step((self._end_frozenset, obj)), *reversed(items))

    def _end_frozenset(self, obj: frozenset[Any], todo: list[Any]) -> None:
        if id(obj) in self.memo:
            self.write(pickle.POP_MARK + self.get(self.memo[id(obj)][0]))
        else:
            self.write(pickle.FROZENSET)
            self.memoize(obj)

    # -- everything else

    def _other(self, obj: Any, cls: type, todo: list[Any]) -> None:
        reduction = NotImplemented if self._override is None else self._override(obj)
        if reduction is NotImplemented:
            if cls is type:
                self._type(obj, todo)
                return
            if cls is FunctionType or (issubclass(cls, type) and cls not in self._table):
                self.save_global(obj)
                return
            reduction = self._table[cls](obj)
        if isinstance(reduction, str):
            self.save_global(obj, reduction)
            return
        if not isinstance(reduction, tuple) or not 2 <= len(reduction) <= 6:
            raise pickle.PicklingError(
                f"expected a string or a tuple of two to six items as the reduction of a "
                f"{cls.__qualname__}, got {reduction!r:.100}"
            )
        self._reduction(obj, reduction, todo)

    def _type(self, obj: type, todo: list[Any]) -> None:
        for value in (None, NotImplemented, ...):
            if obj is type(value):
                self._reduction(obj, (type, (value,)), todo)
                return
        self.save_global(obj)

    def _reduction(self, obj: Any, reduction: tuple[Any, ...], todo: list[Any]) -> None:
        function, args, *rest = reduction
        if not isinstance(args, tuple) or not callable(function):
            raise pickle.PicklingError(
                f"expected a function and a tuple of arguments in the reduction of a "
                f"{type(obj).__qualname__}, got {function!r:.100} and {args!r:.100}"
            )
        if (times := self._under_way.get(id(obj), 0)) == _MOST_RETURNS:
            raise pickle.PicklingError(
                f"the arguments that make a {type(obj).__qualname__} lead back to it without end: set "
                "them after construction, as state"
            )
        self._under_way[id(obj)] = times + 1
        todo.append(_Step((self._made, obj, rest)))
        self._call(obj, function, args, todo)

    def _call(self, obj: Any, function: Any, args: tuple[Any, ...], todo: list[Any]) -> None:
        name = getattr(function, "__name__", "")
        if self.proto < 2 or name not in ("__newobj__", "__newobj_ex__"):
            todo += (_REDUCE, args, function)
            return
        cls = args[0]
        if not hasattr(cls, "__new__") or cls is not obj.__class__:
            raise pickle.PicklingError(
                f"expected {name} to make a {type(obj).__qualname__}, got {cls!r:.100}"
            )
        if name == "__newobj__":
            todo += (_NEWOBJ, args[1:], cls)
        elif self.proto >= 4:
            todo += (_NEWOBJ_EX, args[2], args[1], cls)
        else:
            todo += (_REDUCE, (), partial(cls.__new__, cls, *args[1], **args[2]))

    def _made(self, obj: Any, rest: list[Any], todo: list[Any]) -> None:
        self._under_way[id(obj)] -= 1
        if id(obj) in self.memo:
            # The arguments led back to it, and have written it with all that it holds.
            self.write(pickle.POP + self.get(self.memo[id(obj)][0]))
            return
        self.memoize(obj)
        state, items, pairs, setter = (*rest, *_NO_PARTS)[:4]
        if state is not None:
            if setter is None:
                todo += (_BUILD, state)
            else:
                todo += (_CALL_SETTER, state, obj, setter)
        if pairs is not None:
            todo.append(_Step((self._set_items, iter(pairs))))
        if items is not None:
            todo.append(_Step((self._append, iter(items))))
