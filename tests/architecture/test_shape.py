"""Files stay short, functions shorter, and names say what they hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "billing", "agents", "metering", "runtime")
SOURCES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
)
BANNED_NAMES = {"utils", "util", "helpers", "helper", "services.py", "common", "misc", "signals"}


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_file_has_at_most_300_lines_and_a_function_at_most_40(path):
    text = (ROOT / path).read_text()
    assert len(text.splitlines()) <= 300
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(ast.parse(text)) if f.end_lineno - f.lineno + 1 > 40}
    assert not long


def test_half_of_the_functions_have_at_most_13_lines():
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in functions(ast.parse((ROOT / path).read_text()))
    )
    assert lengths[len(lengths) // 2] <= 13


def test_no_module_is_named_after_what_it_is_not():
    modules = [path for path in SOURCES if "commands" not in path.parts]  # a command's file is named as it is typed
    assert not [path for path in modules if path.stem in BANNED_NAMES or path.name in BANNED_NAMES]


def test_every_module_opens_with_one_sentence():
    assert not [path for path in SOURCES if not ast.get_docstring(ast.parse((ROOT / path).read_text()))]


def test_no_float_touches_usage_or_money():
    offenders = []
    for path in SOURCES:
        if path.parts[0] not in {"metering", "billing"} or "sandbox" in path.parts:  # the sandbox is not ours: it waits
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            if called or literal:
                offenders.append(f"{path}: {ast.unparse(node)}")
    assert not offenders


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_owns(package):
    readme = (ROOT / package / "README.md").read_text()
    assert len(readme.splitlines()) <= 100
    for heading in ("own", "not own", "invariants"):
        assert heading in readme.lower()
