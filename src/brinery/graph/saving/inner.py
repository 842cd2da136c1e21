"""A save inside another one of the same store.

A hook of an object, such as ``__getstate__``, runs while the object is encoded, and may save other objects.
The save around it has met some of them already, and has given them IDs.
"""

from __future__ import annotations

from collections.abc import Sequence

from brinery.codec import Codec
from brinery.errors import (
    AlreadySavedError,
    BrineryError,
    EncodeError,
    NotFoundError,
    UnsupportedObjectError,
    pass_memory_error,
)
from brinery.graph.saving.encoder import Encoder
from brinery.graph.saving.saver import Saver
from brinery.graph.saving.work import Root, Work
from brinery.persistable import is_persistable_type
from brinery.record.writer import Encoded
from brinery.session.active import ACTIVE
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, Final

_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class InnerEncoder(Encoder):
    """Encodes for a save inside others, the encoders of which are `outer`."""

    outer: Sequence[Encoder] = ()

    def encode(self, work: Work, codec: Codec) -> Encoded:
        """Encode an object; refuse one that is being encoded already."""
        # An atom has no code that could save it again: a handler of a signal saves an equal one.
        if type(work.obj) not in _ATOMS and any(outer.root is work.obj for outer in self.outer):
            raise EncodeError(
                "it is being saved already: code that runs while it is encoded, such as __getstate__ or a "
                "handler of a signal, saves it again",
                id=work.id,
                codec=codec.name,
                advice="Save it when the first save has ended",
            )
        return super().encode(work, codec)

    def explained(self, work: Work, codec: Codec) -> Encoded:
        """Encode an object; raise an `EncodeError` without the place in it."""
        # The outermost save looks for the place and for advice.  If each level did, each would run the hooks
        # of the levels below several times.
        try:
            return self.encode(work, codec)
        except EncodeError as error:
            pass_memory_error(error)
            found: dict[str, Any] = {"object_path": error.object_path, "advice": error.advice}
            raise type(error)(error.reason, id=work.id, codec=codec.name, **found) from error
        except BrineryError as error:
            if not isinstance(error, NotFoundError):
                raise
            raise EncodeError(str(error), id=work.id, codec=codec.name) from error
        except Exception as error:
            pass_memory_error(error)
            reason = f"{type(error).__name__}: {error}"
            raise UnsupportedObjectError(reason, id=work.id, codec=codec.name) from error


class InnerSaver(Saver):
    """Saves under the IDs that the saves around it have given."""

    encoder: InnerEncoder
    encoder_class = InnerEncoder

    def __init__(self, session: Session, options: SaveOptions) -> None:
        super().__init__(session, options)
        self._may_skip = False  # the saves around it have woken some
        self._outer = [each for each in session.outer_encoders() if isinstance(each, Saver)]
        self.encoder.outer = [each.encoder for each in self._outer]
        self.works.give_ids(lambda obj: self._known_outside(obj) or session.idfactory.new(obj))

    def save(self, roots: Sequence[Root]) -> list[Any]:
        """Save as `Saver.save` does; raise `AlreadySavedError` for an object with another ID outside."""
        for root in roots:
            known = self._known_outside(root.obj)
            if root.id is None or known in (None, root.id):
                continue
            if is_persistable_type(type(root.obj)):
                raise AlreadySavedError(str(known), root.id, self.session.backend.location)
        ids = super().save(roots)
        for outer in self._outer:
            outer.has_inner = True
        return ids

    def _known_outside(self, obj: Any) -> str | None:
        known = filter(None, (outer.works.known(obj) for outer in self._outer))
        return next((work.id for work in known), None)


def saver_for(session: Session, options: SaveOptions) -> Saver:
    """Return what saves objects now: inside another save of this thread, an `InnerSaver`."""
    if ACTIVE.encoders and session.outer_encoders():
        return InnerSaver(session, options)
    return Saver.of(session, options)
