"""Files, functions and signatures stay small (HOUSE 3.1)."""

import ast

import pytest
from source_tree import (
    ROOT,
    Source,
    code_lines,
    functions,
    make_source,
    parameters,
    read_sources,
    report,
)

FILE_LINES, MAIN_LINES, FUNCTION_LINES, PARAMETERS, NESTING = 400, 60, 60, 7, 3
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
# `tfcolor/__main__.py` lists the commands; it is no command itself.
DISPATCHER = "tfcolor/__main__.py"


def nesting(body: list[ast.stmt]) -> int:
    """Returns how deep blocks stand in each other; an elif is not deeper."""
    return max((_depth(node) for node in body), default=0)


def _depth(node: ast.AST) -> int:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return 0
    if not isinstance(node, BLOCKS):
        return max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)
    orelse = getattr(node, "orelse", [])
    is_elif = isinstance(node, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If)
    inner = [child for child in ast.iter_child_nodes(node) if not (is_elif and child is orelse[0])]
    deepest = 1 + max((_depth(child) for child in inner), default=0)
    return max(deepest, _depth(orelse[0])) if is_elif else deepest


def size_complaints(source: Source) -> list[str]:
    """Returns what is too large in a file."""
    complaints = []
    lines = source.text.count("\n")
    limit = MAIN_LINES if source.is_main and source.path != DISPATCHER else FILE_LINES
    if lines > limit:
        complaints.append(f"{source.path}: {lines} lines, at most {limit}; split by subject")
    for function in functions(source.tree):
        name = function.name
        if code_lines(function) > FUNCTION_LINES:
            complaint = f"{name} has {code_lines(function)} lines of code, at most {FUNCTION_LINES}"
            complaints.append(source.at(function, f"{complaint}; cut it where a comment would go"))
        if len(parameters(function)) > PARAMETERS:
            complaint = f"{name} takes {len(parameters(function))} parameters, at most {PARAMETERS}"
            complaints.append(source.at(function, f"{complaint}; make them a dataclass"))
        if nesting(function.body) > NESTING:
            complaint = f"{name} nests {nesting(function.body)} deep, at most {NESTING}"
            complaints.append(source.at(function, f"{complaint}; return early or name the inside"))
    return complaints


def init_complaints(source: Source) -> list[str]:
    """Returns what stands in an `__init__.py` besides a table and its imports."""
    if not source.is_init or source.path == "tfcolor/__init__.py":
        return []
    complaint = "an __init__.py is empty or holds one table in capitals; move this to a module"
    return [source.at(node, complaint) for node in source.tree.body if not _belongs_to_table(node)]


def _belongs_to_table(node: ast.stmt) -> bool:
    """Whether a statement is an import, a docstring or a table in capitals."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    target = node.target if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign):
        target = node.targets[0]
    return isinstance(target, ast.Name) and target.id.isupper()


def test_files_and_functions_are_small():
    sources = [*read_sources(), *read_sources(ROOT / "tests")]
    complaints = [text for source in sources for text in size_complaints(source)]
    assert not complaints, report(complaints)


def test_init_files_hold_nothing_but_a_table():
    complaints = [text for source in read_sources() for text in init_complaints(source)]
    assert not complaints, report(complaints)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 401,
        "def f():\n" + "    x = 1\n" * 60,
        "def f(a, b, c, d, e, g, h, *, i): ...",
        "def f():\n if a:\n  for b in c:\n   while d:\n    with e: pass",
        "def f():\n try: pass\n except E:\n  if a:\n   for b in c:\n    if d: pass",
    ],
)
def test_rule_catches_what_is_too_large(text):
    assert len(size_complaints(make_source(text))) == 1


def test_rule_counts_neither_docstrings_nor_elifs():
    docstring = '  """' + "long\n" * 70 + '"""\n'
    chain = "  if a: pass\n" + "  elif b: pass\n" * 5
    assert size_complaints(make_source("def f(self, a, b):\n" + docstring + chain)) == []


def test_rule_catches_a_long_main():
    assert len(size_complaints(make_source("x = 1\n" * 61, "tfcolor/train.py"))) == 1


def test_rule_catches_code_in_an_init_file():
    path = "tfcolor/color/__init__.py"
    table = "from tfcolor.color.spaces import lab\n\nSPACES = {'lab': lab}\n"
    assert init_complaints(make_source(table, path)) == []
    assert len(init_complaints(make_source(table + "def f(): ...", path))) == 1
