"""Every module can be imported; private and outdated interfaces are not used."""

import ast
import importlib
import re

import pytest
from source_tree import Source, imports, make_source, module_name, read_sources, report

PRIVATE = {
    "tensorflow.python": "use what `tf.` exports",
    "tensorflow.compat.v1": "use the TensorFlow 2 interface",
    "keras.src": "use what `tf.keras` exports",
    "tf_keras": "use `tf.keras`",
}
VERSION = re.compile(r"(tf|keras|tf\.keras|tensorflow)\.(__version__|version\.VERSION)")
# Split, so that this file does not catch itself.
LEFTOVER = re.compile(r"#.*\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def import_complaints(source: Source) -> list[str]:
    """Returns the private interfaces a file uses."""
    complaints = []
    for node, name in imports(source):
        for private, instead in PRIVATE.items():
            if f"{name}.".startswith(f"{private}."):
                complaints.append(source.at(node, f"imports {private}; {instead}"))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.compat.v1":
            complaints.append(source.at(node, "uses tf.compat.v1; use the TensorFlow 2 interface"))
    complaint = "depends on a version; setup.py pins it, keep one branch"
    return complaints + [source.at(node, complaint) for node in compared_versions(source.tree)]


def compared_versions(tree: ast.Module) -> list[ast.Attribute]:
    """Returns where a version of TensorFlow or Keras decides something."""
    deciding = [
        getattr(node, "test", node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Compare))
    ]
    inside = {id(node): node for test in deciding for node in ast.walk(test)}
    attributes = [node for node in inside.values() if isinstance(node, ast.Attribute)]
    return [node for node in attributes if VERSION.fullmatch(ast.unparse(node))]


def statement_complaints(source: Source) -> list[str]:
    """Returns the statements that have no place in the library."""
    complaints = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            complaints.append(source.at(node, "assert outside tests; raise ValueError"))
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            complaints.append(source.at(node, "bare except; name the exception"))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "breakpoint"):
            complaint = f"{ast.unparse(node.func)}(); return it, or log it through `logging`"
            complaints.append(source.at(node, complaint))
    for number, line in enumerate(source.text.splitlines(), 1):
        if LEFTOVER.search(line):
            complaints.append(f"{source.path}:{number}: unfinished; do it, or open an issue")
    return complaints


@pytest.mark.parametrize("name", [module_name(source) for source in read_sources()])
def test_module_can_be_imported(name):
    assert importlib.import_module(name).__name__ == name


def test_only_public_interfaces_are_used():
    complaints = [text for source in read_sources() for text in import_complaints(source)]
    assert not complaints, report(complaints)


def test_library_neither_prints_nor_asserts_nor_swallows():
    complaints = [text for source in read_sources() for text in statement_complaints(source)]
    assert not complaints, report(complaints)


@pytest.mark.parametrize(
    "text",
    [
        "from tensorflow.python.ops import math_ops",
        "from tensorflow import python",
        "import keras.src.layers",
        "import tf_keras",
        "x = tf.compat.v1.Session()",
        "if tf.__version__ > '2.15': pass",
        "x = 1 if Version(tf.__version__) > y else 2",
    ],
)
def test_rule_catches_private_interfaces(text):
    assert len(import_complaints(make_source(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "assert x",
        "try: pass\nexcept: pass",
        "breakpoint()",
        "x = 1  # TO" + "DO: finish",
    ],
)
def test_rule_catches_statements(text):
    assert len(statement_complaints(make_source(text))) == 1


def test_rules_let_ordinary_code_pass():
    source = make_source("import tensorflow as tf\nversions = {'tensorflow': tf.__version__}\n")
    assert import_complaints(source) + statement_complaints(source) == []
