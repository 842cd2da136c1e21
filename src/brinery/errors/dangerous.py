"""Names by which a hostile payload starts programs, runs code, or reaches what is not in its record.

No list of such names is complete: nothing is admitted because it is not on this one.  It is for messages,
which must never advise anybody to admit `os:system`.
"""

from __future__ import annotations

from brinery.typing import Final

_PROGRAMS: Final = "start any program"
_CODE: Final = "run any code"
_INTERPRETER: Final = "reach everything in this process"
_OUTSIDE: Final = "reach files and other machines"

_MODULES: Final = {
    **dict.fromkeys(
        (
            *("os", "posix", "nt", "ntpath", "posixpath", "subprocess", "_posixsubprocess", "pty"),
            *("_winapi", "popen2", "commands", "multiprocessing", "_multiprocessing", "webbrowser"),
            *("antigravity", "pip", "ensurepip", "venv", "distutils", "setuptools", "signal"),
        ),
        _PROGRAMS,
    ),
    **dict.fromkeys(
        (
            *("importlib", "_frozen_importlib", "imp", "_imp", "pkgutil", "zipimport", "runpy"),
            *("code", "codeop", "pdb", "bdb", "timeit", "trace", "profile", "cProfile", "doctest"),
            *("pickle", "_pickle", "cPickle", "marshal", "shelve", "dbm", "pydoc", "site"),
        ),
        _CODE,
    ),
    **dict.fromkeys(("sys", "ctypes", "_ctypes", "gc", "inspect", "atexit", "mmap"), _INTERPRETER),
    **dict.fromkeys(
        (
            *("shutil", "tempfile", "fileinput", "linecache", "sqlite3", "tarfile", "zipfile"),
            *("socket", "_socket", "socketserver", "ssl", "urllib", "http", "ftplib", "smtplib"),
            *("poplib", "imaplib", "telnetlib", "nntplib", "xmlrpc", "asyncio"),
        ),
        _OUTSIDE,
    ),
}
"""Modules, with those below them, of which each name counts."""

_NAMES: Final = {
    **dict.fromkeys(
        (
            *("builtins:eval", "builtins:exec", "builtins:compile", "builtins:__import__"),
            *("builtins:breakpoint", "builtins:help", "builtins:input", "builtins:execfile"),
            *("types:CodeType", "types:FunctionType", "numpy:load", "pandas:read_pickle"),
            *("torch:load", "torch.hub:load", "torch.serialization:load", "joblib:load"),
            *("dill:load", "dill:loads", "dill._dill:load", "dill._dill:loads"),
            *("dill._dill:_create_code", "dill._dill:_create_function", "dill._dill:_eval_repr"),
            *("dill._dill:_import_module", "dill._dill:_get_attr", "cloudpickle:load"),
            *("cloudpickle:loads", "cloudpickle.cloudpickle:subimport"),
            *("cloudpickle.cloudpickle:_make_function", "cloudpickle.cloudpickle:_builtin_type"),
            *(
                "brinery_codecs.functions:make_code",
                "brinery_codecs.functions:make_function",
                "brinery_codecs.classes:make_class",
                "brinery_codecs.classes:fill_class",
            ),
            "numpy.testing._private.utils:runstring",
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            *("builtins:getattr", "builtins:setattr", "builtins:delattr", "builtins:globals"),
            *("builtins:locals", "builtins:vars", "builtins:apply", "builtins:exit"),
            *("builtins:quit", "types:MethodType", "types:ModuleType", "copyreg:pickle"),
            *("copyreg:add_extension", "functools:partial", "functools:reduce"),
            *("_functools:partial", "_functools:reduce"),
            *(
                f"{module}:{name}"
                for module in ("operator", "_operator")
                for name in ("attrgetter", "itemgetter", "methodcaller", "call")
            ),
        ),
        _INTERPRETER,
    ),
    **dict.fromkeys(("builtins:open", "builtins:file", "io:open", "_io:open"), _OUTSIDE),
    **dict.fromkeys(("io:FileIO", "_io:FileIO"), _OUTSIDE),
}


def danger_of(module: str, qualname: str) -> str | None:
    """Return what a payload that may call a global can do; None if it is not known to be dangerous."""
    if module == "__builtin__":  # of Python 2
        module = "builtins"
    found = _NAMES.get(f"{module}:{qualname.partition('.')[0]}")
    while found is None and module:
        found = _MODULES.get(module)
        module = module.rpartition(".")[0]
    return found
