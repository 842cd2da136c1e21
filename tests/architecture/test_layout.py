"""The house keeps its form: few files a folder, short files, short functions, no circles, no private
reach."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "src" / "brinery", ROOT / "codecs" / "brinery_codecs"]

MOST_FILES_AT_THE_TOP = 12
MOST_PACKAGES = 17
MOST_FILES = 18
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 5
MOST_PARAMETERS_OF_A_PUBLIC_CONSTRUCTOR = 8

# A file a command.
LARGE_FOLDERS = {"brinery.cli"}
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: dict[str, str] = {}
KEYWORDS = "users call it with keywords, which `help` is to show"
CLICK = "click calls it with keywords, one for each option of the command"
FIELDS = "the fields of a record, by their names"
ONCE_A_RECORD = "called for each record: a value object would take longer than the call"
MANY_PARAMETERS: dict[str, str] = {
    "brinery.backends.directory.backend.DirectoryBackend.__init__": KEYWORDS,
    "brinery.backends.sql.backend.SqlBackend.__init__": KEYWORDS,
    "brinery.bench.run.compare.compare": KEYWORDS,
    "brinery.operations.copy.copy": KEYWORDS,
    "brinery.stores.filesystem.FilesystemStore.__init__": KEYWORDS,
    "brinery.stores.loading.Loading.load": KEYWORDS,
    "brinery.stores.loading.Loading.load_many": KEYWORDS,
    "brinery.stores.memory.MemoryStore.__init__": KEYWORDS,
    "brinery.stores.sql.SqlStore.__init__": KEYWORDS,
    "brinery.stores.store.Store.__init__": KEYWORDS,
    "brinery.stores.store.Store.save": KEYWORDS,
    "brinery.stores.store.Store.save_many": KEYWORDS,
    "brinery.url.Url.__init__": KEYWORDS,
    "brinery.cli.bench.bench_command": CLICK,
    "brinery.cli.copy.copy_command": CLICK,
    "brinery.cli.fsck.fsck_command": CLICK,
    "brinery.cli.recode.recode_command": CLICK,
    "brinery.session.identity.IdentityMap.set": ONCE_A_RECORD,
    "brinery.record.reader.parse": ONCE_A_RECORD,
    "brinery.record.record.new_metadata": FIELDS,
    "brinery.record.writer.build_record": ONCE_A_RECORD,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """Return the name of the module that a file holds."""
    root = next(source for source in SOURCES if path.is_relative_to(source))
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for source in SOURCES for path in sorted(source.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Yield the functions below a node, each with its full name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}.{child.name}", child
        name = f"{prefix}.{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix
        yield from functions(child, name)


ALL_FUNCTIONS = dict(pair for module in MODULES for pair in functions(tree_of(module), module))


def length_of(function: Function) -> int:
    """Return the lines of a function, without its docstring."""
    first = function.body[0]
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def parameters_of(function: Function) -> int:
    """Count the parameters of a function, `self` and `cls` aside."""
    arguments = function.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = len([name for name in named if name not in ("self", "cls")])
    return count + (arguments.vararg is not None) + (arguments.kwarg is not None)


def test_the_top_of_brinery_is_a_table_of_contents() -> None:
    """At most 12 files, which are contracts, and 17 packages, none of them empty."""
    top = [path for path in SOURCES[0].iterdir() if path.name != "__pycache__"]
    packages = [path for path in top if path.is_dir()]
    assert len(top) - len(packages) <= MOST_FILES_AT_THE_TOP
    assert len(packages) <= MOST_PACKAGES
    for package in packages:
        assert len(list(package.rglob("*.py"))) > 1, f"{package.name} is empty"


def test_no_folder_is_crowded() -> None:
    """At most 18 files beside `__init__`."""
    for folder in {path.parent for path in MODULES.values()}:
        name = name_of(folder / "__init__.py")
        count = len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        assert count <= MOST_FILES or name in LARGE_FOLDERS, f"{name} has {count} files"


@pytest.mark.parametrize("module", MODULES)
def test_a_package_says_what_its_words_mean(module: str) -> None:
    """Each module opens with a docstring; that of a package is the definition of its words."""
    assert ast.get_docstring(tree_of(module)), f"{module} has no docstring"


def test_no_file_is_long() -> None:
    """At most 400 lines."""
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert set(long) == LONG_FILES, long


def test_no_function_is_long() -> None:
    """At most 60 lines, unless its reason is given here; and no reason outlives its function."""
    lengths = {name: length_of(function) for name, function in ALL_FUNCTIONS.items()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}
    assert set(long) == set(LONG_FUNCTIONS), long


def test_no_function_has_many_parameters() -> None:
    """At most 5, and 8 for public constructors, unless the reason is given here."""
    found = {}
    for name, function in ALL_FUNCTIONS.items():
        *_, owner, last = name.split(".")
        is_public = last == "__init__" and not owner.startswith("_")
        most = MOST_PARAMETERS_OF_A_PUBLIC_CONSTRUCTOR if is_public else MOST_PARAMETERS
        if (count := parameters_of(function)) > most:
            found[name] = count
    assert set(found) == set(MANY_PARAMETERS), found


# -- imports


def imports_of(module: str) -> set[str]:
    """Return the modules of this project that a module imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in names]
        found.update(name for name in names if name in MODULES and name != module)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the circles of a graph: those of its nodes that reach themselves, each group once."""
    reach = {node: reached(graph, node) for node in graph}
    groups = {
        frozenset(n for n in reach[node] if node in reach[n])
        for node in graph
        if node in reach[node]
    }
    return sorted(sorted(group) for group in groups)


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return what can be reached from a node."""
    found: set[str] = set()
    pending = list(graph[start])
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += graph[node]
    return found


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions count, those for type checkers too."""
    assert circles({module: imports_of(module) for module in MODULES}) == []


def test_circles_are_found() -> None:
    """The test above does not pass for want of eyes."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c"]]


# -- privacy


def defined_in(node: ast.AST) -> set[str]:
    """Return the private names that are defined below a node: functions, and what is assigned to."""
    found = set()
    for child in ast.walk(node):
        if isinstance(child, Function):
            found.add(child.name)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            found.add(child.id)
        elif isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Store):
            found.add(child.attr)
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


DEFINED = {module: defined_in(tree_of(module)) for module in MODULES}
EVERYWHERE = set().union(*DEFINED.values())
# Private by their spelling alone.
OF_NAMED_TUPLES = {"_replace", "_fields", "_asdict"}
# No public name does what these do.
OF_LIBRARIES = {"_reconstructor"}  # copyreg's: pickles of protocols 0 and 1 name it


def private_reaches(module: str) -> Iterator[str]:
    """Yield the private names of other modules that a module uses of anything but `self`."""
    for node in ast.walk(tree_of(module)):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in EVERYWHERE - DEFINED[module] - OF_NAMED_TUPLES - OF_LIBRARIES
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        ):
            yield f"{module}: {ast.unparse(node)}"


def test_nobody_uses_private_parts_of_others() -> None:
    """A name with an underscore is used in the module that defines it, and by subclasses."""
    assert [reach for module in MODULES for reach in private_reaches(module)] == []
