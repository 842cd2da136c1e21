"""The options of one save, and of one load."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brinery.backend import Put
from brinery.codec import Codec
from brinery.record.annotation import Annotation
from brinery.transform import Transform
from brinery.typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from brinery.session.progress import Progress, Show

Check = Callable[[Sequence[Put], Sequence[str]], None]
"""Called with all records of a save and the IDs of its roots; an exception from it ends the save."""


class SaveOptions(NamedTuple):
    """How the records of one save are written."""

    codec: Codec
    transform: Transform | None
    forces_codec: bool = False
    """Also write unchanged records again if they have another codec."""
    forces_transform: bool = False
    """Also write unchanged records again if they have another transform."""
    check: Check | None = None
    """Called before anything is committed."""
    deep: bool = True
    """Also look for changes of objects that the roots reach; without, only write those that have no ID."""
    annotation: Annotation | None = None
    """What the roots are to have beside them; None for what their records have."""

    @property
    def may_skip(self) -> bool:
        """Return whether objects that have certainly not changed need not be looked at."""
        asked = self.forces_codec or self.forces_transform or self.annotation is not None
        return self.deep and not asked

    progress: Show | None = None
    """Called with the number of objects that are encoded, and of those that are found."""


class Mapped(NamedTuple):
    """How a load maps large arrays."""

    is_private: bool
    """Whether they can be changed, in memory."""
    checks_all: bool = False
    """Whether their bytes are checked."""


class LoadOptions(NamedTuple):
    """How one load reads records."""

    lazy: bool = False
    """Whether references become ghosts, which are read when they are used."""
    placeholders: bool = False
    """Whether a `Placeholder` replaces an object whose class or codec is missing."""
    mapped: Mapped | None = None
    """How large arrays are mapped; None for not at all."""
    progress: Progress | None = None
    """What is told how far the load is."""


EAGER: Final = LoadOptions()
LAZY: Final = LoadOptions(lazy=True)
