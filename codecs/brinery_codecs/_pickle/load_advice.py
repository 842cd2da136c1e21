"""What to do about a class that refuses what a record has of its objects."""

from __future__ import annotations

import re

from brinery.typing import Final
from brinery_codecs._pickle.mending import is_of_members

_PLACEHOLDER: Final = (
    'load(…, missing="placeholder") gives the rest, with a placeholder in its place'
)
_ARGUMENTS: Final = re.compile(
    r"([\w.<>]+)\.__(?:new|init)__\(\) (?:missing|takes|got)|([\w.<>]+)\(\) takes no arguments"
)
_MEMBER: Final = re.compile(r".* is not a valid ([\w.<>]+)$")


def advice_on(error: Exception) -> str | None:
    """Return what helps against an exception of `load`; None if that is not known."""
    text = str(error)
    if isinstance(error, TypeError) and (found := _ARGUMENTS.match(text)):
        cls = found[1] or found[2]
        return (
            f"The class takes other arguments now than the record has: @upgrades({cls}, to=…) gets these "
            f"as a tuple, and returns the present ones. {_PLACEHOLDER}"
        )
    if isinstance(error, ValueError) and (found := _MEMBER.match(text)):
        return (
            f"The enumeration has lost this member: @upgrades({found[1]}, to=…) gets its value in a tuple, "
            f"and returns that of another member. {_PLACEHOLDER}"
        )
    if isinstance(error, RecursionError) and _is_of_getattr(error):
        return (
            "A __getattr__ calls itself for ever on an object that has no attributes yet: let it raise "
            f"AttributeError for names that begin with two underscores. {_PLACEHOLDER}"
        )
    if is_of_members(error):
        return (
            "It is a key or an element of something that leads back to it, and its hash needs attributes "
            f"that are set later: make its class persistable, or keep it in a list. {_PLACEHOLDER}"
        )
    return None


def _is_of_getattr(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "__getattr__":
            return True
        traceback = traceback.tb_next
    return False
