"""Imports go down the floors only, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import requires
from pathlib import Path
from typing import NamedTuple

import pytest
from support import train

import charrnn

PACKAGE = Path(charrnn.__file__).parent

# From the bottom up; a room is a package of charrnn. A module imports from its own room and from
# the floors below, not from another room of its floor. `charrnn` is the package's __init__.
FLOORS = (
    {"kernels", "system", "errors", "version"},
    {"backends"},
    {"config"},
    {"text"},
    {"model"},
    {"inspection", "runs", "workers"},
    {"exporters", "training"},
    {"planning", "report", "charrnn"},
    {"commands"},
    {"__main__"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
THIRD_PARTY = {"click", "numpy", "tqdm", "yaml"}
# Optional packages, and the one room that may import each.
OPTIONAL = {
    "PIL": "report",
    "jinja2": "report",
    "llvmlite": "backends",
    "matplotlib": "report",
    "mpi4py": "workers",
    "numba": "backends",
}
NEEDS_NUMBA = {
    f"charrnn.backends.{name}" for name in ("elementwise", "gates", "jit", "loops", "matmul")
}
NOT_FOR_HELP = {"numpy", "tqdm", "yaml", *OPTIONAL}


class Import(NamedTuple):
    """One import of one module."""

    module: str  # dotted, as written
    line: int
    for_types: bool  # under `if TYPE_CHECKING:`
    later: bool  # in a function


def imports_of(path: Path) -> Iterator[Import]:
    """Yield every import of a file, including those inside functions."""

    def walk(node: ast.AST, for_types: bool, later: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, for_types, later)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: write the import out"
                assert child.module is not None
                names = [alias.name for alias in child.names]
                if child.module == "charrnn":  # a module of it, or one of its own names
                    for name in names:
                        module = f"charrnn.{name}" if name in FLOOR_OF else "charrnn"
                        yield Import(module, child.lineno, for_types, later)
                else:
                    yield Import(child.module, child.lineno, for_types, later)
            elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                yield from walk(ast.Module(child.body, []), True, later)
                yield from walk(ast.Module(child.orelse, []), for_types, later)
            else:
                function = isinstance(child, ast.FunctionDef)
                yield from walk(child, for_types, later or function)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False, False)


def dotted(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> str:
    """Return the name of a module in FLOORS."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
KERNELS = [module for module in MODULES if place(module) == "kernels"]
each_module = pytest.mark.parametrize("module", MODULES)
each_kernel = pytest.mark.parametrize("module", KERNELS)


def of_charrnn(module: str) -> list[Import]:
    """Return a module's imports from charrnn."""
    return [i for i in imports_of(MODULES[module]) if i.module.split(".")[0] == "charrnn"]


def test_the_floors_name_every_module() -> None:
    assert {place(module) for module in MODULES} == set(FLOOR_OF)


# The package itself has names of all floors, and imports each on first use.
@pytest.mark.parametrize("module", [module for module in MODULES if module != "charrnn"])
def test_a_module_imports_from_its_room_and_from_the_floors_below(module: str) -> None:
    for found in of_charrnn(module):
        here, there = place(module), place(found.module)
        below = FLOOR_OF[there] < FLOOR_OF[here]
        where = f"{MODULES[module]}:{found.line}: imports {found.module}"
        assert here == there or below, f"{where}, which is not on a floor below"


@pytest.mark.parametrize("module", ["charrnn", "charrnn.errors"])
def test_the_package_and_its_errors_import_no_module_of_it(module: str) -> None:
    assert not [found for found in of_charrnn(module) if not found.for_types]


@each_kernel
def test_a_kernel_imports_only_numpy_and_kernels(module: str) -> None:
    assert {place(found.module) for found in of_charrnn(module)} <= {"kernels"}
    allowed = {"numpy", "charrnn", *sys.stdlib_module_names}
    assert {found.module.split(".")[0] for found in imports_of(MODULES[module])} <= allowed


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        module: {found.module for found in of_charrnn(module) if not found.for_types}
        for module in MODULES
    }
    assert all(imported <= set(MODULES) for imported in graph.values())
    list(TopologicalSorter(graph).static_order())  # raises CycleError, naming the circle


@each_module
def test_third_parties_are_the_four_packages(module: str) -> None:
    outside = {found.module.split(".")[0] for found in imports_of(MODULES[module])}
    allowed = THIRD_PARTY | {name for name, where in OPTIONAL.items() if where == place(module)}
    assert outside - set(sys.stdlib_module_names) - {"charrnn"} <= allowed


@each_module
def test_modules_that_need_numba_are_imported_on_demand(module: str) -> None:
    """One module imports them, in a function: Numba takes a second, and need not be installed."""
    found = [f for f in of_charrnn(module) if f.module in NEEDS_NUMBA and not f.for_types]
    if module not in NEEDS_NUMBA:
        assert all(f.later for f in found)
        assert bool(found) is (module == "charrnn.backends.backend")


@each_module
def test_mpi4py_is_imported_on_demand(module: str) -> None:
    """Importing it starts MPI, and it need not be installed."""
    found = [f for f in imports_of(MODULES[module]) if f.module.split(".")[0] == "mpi4py"]
    assert all(f.later for f in found)


def test_the_dependencies_are_the_imported_packages() -> None:
    imported = {f.module.split(".")[0] for path in MODULES.values() for f in imports_of(path)}
    required = [r for r in requires("charrnn-numpy") or [] if "extra ==" not in r]
    names = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in required}
    third_party = imported - set(sys.stdlib_module_names) - {"charrnn"}
    assert third_party - set(OPTIONAL) == THIRD_PARTY
    assert third_party >= {name for name, where in OPTIONAL.items() if where in FLOOR_OF}
    assert {"yaml" if name == "pyyaml" else name for name in names} == THIRD_PARTY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["train", "--help"], ["sample", "-h"]], ids=" ".join
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    modules = imported_by(arguments)
    assert "charrnn.commands.cli" in modules
    assert not {module.split(".")[0] for module in modules} & NOT_FOR_HELP


@pytest.mark.parametrize("command", ["sample", "eval", "info"])
def test_reading_a_checkpoint_imports_no_optional_package(command: str, tmp_path: Path) -> None:
    """The package would take time to import, or could be missing."""
    run_dir = train(tmp_path)
    modules = imported_by([command, str(run_dir)])
    assert "charrnn.runs.checkpoint" in modules
    assert not {module.split(".")[0] for module in modules} & set(OPTIONAL)
    assert not modules & NEEDS_NUMBA


def imported_by(arguments: list[str]) -> set[str]:
    """Return the modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "charrnn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    rows = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert done.stdout
    return {row[-1].strip() for row in rows}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import charrnn, sys; print(charrnn.__version__, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    version, *modules = done.stdout.split()
    assert version == charrnn.__version__
    assert not {module.split(".")[0] for module in modules} & (NOT_FOR_HELP | {"click"})


def test_loading_a_model_imports_no_bar(tmp_path: Path) -> None:
    code = "import charrnn, sys; charrnn.load(sys.argv[1]); print(*sys.modules)"
    command = [sys.executable, "-c", code, str(train(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    modules = set(done.stdout.split())
    assert "charrnn.runs.checkpoint" in modules
    assert not modules & {"click", "tqdm"}


@pytest.mark.parametrize("name", charrnn.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(charrnn, name) is not None


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = charrnn.nothing
