"""Names that no text advises to admit."""

from __future__ import annotations

import pytest
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, name, stack_name, whole

from brinery import MemoryStore, Trust, TrustError
from brinery.errors import danger_of

DANGEROUS = [
    *(
        "os:system",
        "posix:system",
        "nt:system",
        "subprocess:Popen",
        "os.path:join",
        "os:_wrap_close",
    ),
    *("builtins:eval", "builtins:exec", "builtins:__import__", "builtins:open", "builtins:getattr"),
    *("__builtin__:eval", "sys:modules", "importlib:import_module", "importlib.util:find_spec"),
    *("runpy:run_path", "pty:spawn", "ctypes:CDLL", "socket:socket", "webbrowser:open"),
    *("pickle:loads", "_pickle:loads", "marshal:loads", "shutil:rmtree", "code:InteractiveConsole"),
    *("functools:partial", "operator:attrgetter", "types:FunctionType", "timeit:timeit"),
    *("dill:loads", "cloudpickle:loads", "brinery_codecs.functions:make_function"),
]
ORDINARY = [
    *("app.tasks:Task", "__main__:Task", "builtins:set", "collections:OrderedDict", "osmium:Map"),
    *("datetime:date", "system.os:Disk", "threading:Lock", "numpy:ndarray", "codecs:encode"),
    *("collections.abc:Sized", "operators:Sum", "logging:Logger", "pathlib:Path"),
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_dangerous_name_is_called_so(text: str) -> None:
    """By its own name or by that of its module."""
    module, _, qualname = text.partition(":")
    assert danger_of(module, qualname)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_name_is_not(text: str) -> None:
    """Also where it begins like a dangerous one."""
    module, _, qualname = text.partition(":")
    assert danger_of(module, qualname) is None


@pytest.mark.parametrize("text", [text for text in DANGEROUS if text != "builtins:getattr"])
def test_its_refusal_advises_nobody_to_admit_it(text: str) -> None:
    """It says what a record could do, and not how to let it."""
    module, _, qualname = text.partition(":")
    store = MemoryStore(trust=Trust(classes=()))
    store.backend.put("victim", forged(Case("named", whole(name(module, qualname))), "pickle"))
    with pytest.raises(TrustError, match="is dangerous") as caught:
        store.load("victim")
    assert "add" not in str(caught.value)
    assert "Do not admit it" in str(caught.value)


def test_it_is_known_under_another_name() -> None:
    """As an attribute of a module of the package that is admitted."""
    store = MemoryStore(trust=Trust(classes=["tests.trust.things.*"]))
    for path in ("os.system", "Popen", "os"):
        payload = whole(stack_name("tests.trust.things", path))
        store.backend.put("victim", forged(Case("named", payload), "pickle"))
        with pytest.raises(TrustError, match="is dangerous") as caught:
            store.load("victim")
        assert "Do not admit it" in str(caught.value)


def test_an_ordinary_name_comes_with_the_way_to_admit_it() -> None:
    """The name itself, or its package."""
    store = MemoryStore(trust=Trust(classes=()))
    store.backend.put("victim", forged(Case("named", whole(name("app.tasks", "Task"))), "pickle"))
    with pytest.raises(TrustError, match=r"add 'app\.tasks:Task' to trust=") as caught:
        store.load("victim")
    assert "'app.*'" in str(caught.value)
