"""House rules that import-linter cannot state, and what the locks promise to the images."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("api", "worker", "contract", "diagnosis", "migrations", "scripts")
IMAGES = {
    "api": ("api", "contract", "diagnosis", "migrations"),
    "worker": ("worker", "contract", "diagnosis"),
}
LOCKS = ("api", "worker", "worker-gpu", "uv")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(package: str) -> set[str]:
    """Top-level names of everything that the modules of a package, or one module, import."""
    names: set[str] = set()
    for path in modules(package) if (ROOT / package).is_dir() else [ROOT / package]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0] if node.level == 0 else package)
    return names


def named(requirements: str) -> set[str]:
    """Distributions that requirements/NAME.in names, with those of the files it refers to."""
    found: set[str] = set()
    for line in (ROOT / "requirements" / f"{requirements}.in").read_text().splitlines():
        if line.startswith("-r "):
            found |= named(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            found.add(re.split(r"[\[<>= ;]", line)[0])
    return found


def locked(requirements: str) -> dict[str, set[str]]:
    """Versions in requirements/NAME.txt; a package has several where Pythons need different."""
    versions: dict[str, set[str]] = {}
    lines = (ROOT / "requirements" / f"{requirements}.txt").read_text().splitlines()
    for line in lines:
        if match := re.match(r"([a-z0-9.-]+)(?:\[[a-z,-]+\])?==([^ ]+)", line):
            versions.setdefault(match[1], set()).add(match[2])
    return versions


def functions(package: str) -> Iterator[tuple[str, int]]:
    """Each function's place, and its lines from `def` to the end, without its docstring."""
    for path in modules(package):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                docstring = ast.get_docstring(node) is not None
                words = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
                lines = (node.end_lineno or 0) - node.lineno + 1 - words
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_diagnosis_needs_the_standard_library_alone() -> None:
    """And two modules of the contract, which import-linter names."""
    assert imported("diagnosis") - sys.stdlib_module_names <= {"diagnosis", "contract"}
    for module in ("graph", "pointers"):
        assert imported(f"contract/experiment/{module}.py") <= sys.stdlib_module_names


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_names_all_that_its_code_imports(image: str) -> None:
    """What is imported but only arrives with another package can leave with it as well."""
    distributions = packages_distributions()
    names = set().union(*(imported(package) for package in IMAGES[image]))
    foreign = names - sys.stdlib_module_names - set(PRODUCT)
    needed = {
        name: {d.lower().replace("_", "-") for d in distributions.get(name, [])} for name in foreign
    }
    missing = {name for name, provided_by in needed.items() if not provided_by & named(image)}
    assert not missing, f"add to requirements/{image}.in, then make lock"


def test_the_api_starts_without_tensorflow_and_without_what_is_loaded_late() -> None:
    """Watched at run time too: an import within a function escapes no one here."""
    code = "import sys, api.app; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    late = {"numpy", "matplotlib"}  # with the first upload, and the first picture
    assert (late | {"tensorflow", "keras", "sklearn", "worker"}).isdisjoint(told.stdout.split())


@pytest.mark.parametrize("requirements", [*LOCKS, "dev", "rivals-loops", "rivals-mlflow"])
def test_a_lock_covers_what_is_asked_for(requirements: str) -> None:
    assert named(requirements) <= set(locked(requirements)), "make lock"


@pytest.mark.parametrize("requirements", LOCKS)
def test_the_images_run_what_the_tests_ran(requirements: str) -> None:
    tested = locked("dev")
    shared = {name: v for name, v in locked(requirements).items() if name in tested}
    assert shared == {name: tested[name] for name in shared}


@pytest.mark.parametrize("requirements", [*LOCKS, "dev", "rivals-loops", "rivals-mlflow"])
def test_a_lock_names_no_address(requirements: str) -> None:
    text = (ROOT / "requirements" / f"{requirements}.txt").read_text()
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)|^/", text, re.MULTILINE)


@pytest.mark.parametrize("package", PRODUCT)
def test_modules_stay_small(package: str) -> None:
    """A subject is cut where it ends; what is this large holds several."""
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in modules(package)}
    assert {path: lines for path, lines in lengths.items() if lines > 500} == {}
    assert median(lengths.values()) < 150


def test_functions_stay_small() -> None:
    lengths = dict(function for package in PRODUCT for function in functions(package))
    assert {place: lines for place, lines in lengths.items() if lines > 40} == {}
    assert median(lengths.values()) < 12
