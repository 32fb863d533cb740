"""Docstrings say what a caller needs, tensors with their shape (HOUSE 3.3)."""

import ast
import re

import pytest
from source_tree import (
    Function,
    Source,
    code_lines,
    functions,
    make_source,
    parameters,
    public_definitions,
    read_sources,
    report,
)

TENSOR = re.compile(r"\b(tf\.(Tensor|RaggedTensor)|np\.ndarray|Tensors)\b")
# A bracket of dimensions, which unlike a range has letters, follows a dtype or is empty.
SHAPE = re.compile(r"\[([^\]]*[A-Z][^\]]*|\.\.\.|)\]|\b(b?float|u?int|bool|string)\d* \[")
ENTRY = re.compile(r"^ {2,4}(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \([^)]*\))?:", re.MULTILINE)
# A layer's call states shapes only; its arguments are those of every layer.
CALLS = ("call", "__call__")
# The same in every main; what they raise, `run_command` reports.
MAIN_FUNCTIONS = ("main", "run")
# Raised to say "not here", not "you gave something wrong".
SIGNALS = ("NotImplementedError", "StopIteration", "AttributeError", "SystemExit")


def section(docstring: str, title: str) -> str | None:
    """Returns the indented text under `Args:`, `Returns:` and so on, or None."""
    match = re.search(rf"^{title}:\n((?:[ ]{{2,}}.*\n?|\n)*)", docstring + "\n", re.MULTILINE)
    return match and match.group(1)


def documented(docstring: str) -> set[str] | None:
    """Returns the names in the Args section, or None if there is none."""
    text = section(docstring, "Args")
    if text is None:
        return None
    indent = min((len(line) - len(line.lstrip()) for line in text.splitlines() if line), default=2)
    entries = [match for match in ENTRY.finditer(text) if match.group(0).startswith(" " * indent)]
    top = [entry for entry in entries if not entry.group(0).startswith(" " * (indent + 1))]
    return {name.lstrip("*") for entry in top for name in re.split(r", ", entry.group(1))}


def has_decorator(node: Function | ast.ClassDef, name: str) -> bool:
    """Whether a definition carries a decorator whose last name is `name`."""
    calls = [getattr(item, "func", item) for item in node.decorator_list]
    return any(ast.unparse(item).split(".")[-1] == name for item in calls)


def constructor_arguments(node: ast.ClassDef) -> set[str]:
    """Returns what a class is built from, options left out: their help says it."""
    if has_decorator(node, "dataclass"):
        return {
            child.target.id
            for child in node.body
            if isinstance(child, ast.AnnAssign)
            and "option(" not in ast.unparse(child.value or ast.Constant(None))
            and "ClassVar" not in ast.unparse(child.annotation)
        }
    for child in node.body:
        if isinstance(child, Function) and child.name == "__init__":
            return {parameter.arg for parameter in parameters(child)}
    return set()


def raised(function: Function) -> set[str]:
    """Returns the names of the errors that a function itself raises."""
    inner = [node for node in ast.walk(function) if isinstance(node, Function) and node != function]
    inside = {id(node) for other in inner for node in ast.walk(other)}
    errors = [
        getattr(node.exc, "func", node.exc)
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) and node.exc is not None and id(node) not in inside
    ]
    names = {ast.unparse(error).split(".")[-1] for error in errors}
    return {name for name in names if name[0].isupper() and name not in SIGNALS}


def first_line_complaints(docstring: str | None, name: str) -> list[str]:
    """Returns what is wrong with the summary of a docstring."""
    if not docstring:
        return [f"{name} has no docstring; say its result in one sentence"]
    if not docstring.splitlines()[0].endswith("."):
        return [f"the first line of {name} is no sentence; make it short, with a full stop"]
    return []


def args_complaints(docstring: str, name: str, expected: set[str], is_due: bool) -> list[str]:
    """Returns what the Args section lacks or has too much."""
    found = documented(docstring)
    if found is None:
        return [f"{name} has no Args section; document {', '.join(sorted(expected))}"] * is_due
    return [
        *(f"{name} does not document {missing!r} in Args" for missing in sorted(expected - found)),
        *(
            f"{name} documents {extra!r}, which it does not take"
            for extra in sorted(found - expected)
        ),
    ]


def function_complaints(function: Function, *, is_method: bool) -> list[str]:
    """Returns what the docstring of a public function lacks.

    A method that takes one or two tensors may say their shapes in a sentence.
    """
    docstring, name = ast.get_docstring(function), function.name
    complaints = first_line_complaints(docstring, name)
    if docstring is None:
        return complaints
    taken = " ".join(
        ast.unparse(item.annotation or ast.Constant(0)) for item in parameters(function)
    )
    returned = ast.unparse(function.returns or ast.Constant(None))
    if TENSOR.search(f"{taken} {returned}") and not SHAPE.search(docstring):
        complaints.append(f"{name} has tensors without a shape; write them as float32 [B, H, W, C]")
    if name not in CALLS and not has_decorator(function, "property"):
        starred = {item.arg for item in (function.args.vararg, function.args.kwarg) if item}
        expected = {item.arg for item in parameters(function)}
        is_due = bool(TENSOR.search(taken) and not is_method) or len(expected) > 2
        found = documented(docstring)
        extra = starred & (found or set())
        complaints += args_complaints(docstring, name, expected | extra, is_due)
        has_result = returned not in ("None", "NoReturn")
        if found is not None and has_result and not re.search(r"(?m)^(Returns|Yields):", docstring):
            complaints.append(f"{name} has no Returns section")
    for error in sorted(raised(function)):
        if error not in (section(docstring, "Raises") or docstring.splitlines()[0]):
            complaints.append(f"{name} raises {error}; say when in a Raises section")
    return complaints


def class_complaints(node: ast.ClassDef) -> list[str]:
    """Returns what the docstring of a public class lacks."""
    docstring = ast.get_docstring(node)
    complaints = first_line_complaints(docstring, node.name)
    if docstring is None:
        return complaints
    expected = constructor_arguments(node)
    found = documented(docstring)
    if found is None:
        return complaints + args_complaints(docstring, node.name, expected, bool(expected))
    missing = sorted(expected - found)
    return complaints + [f"{node.name} does not document {name!r} in Args" for name in missing]


def docstring_complaints(source: Source) -> list[str]:
    """Returns what the docstrings of a file lack."""
    complaints = []
    if source.text.strip():
        found = first_line_complaints(ast.get_docstring(source.tree), "the module")
        complaints += [source.at(source.tree, text) for text in found if not source.is_init]
    public = list(public_definitions(source.tree))
    for node in public:
        is_method = node not in source.tree.body
        if isinstance(node, ast.ClassDef):
            found = class_complaints(node)
        elif source.is_main and node.name in MAIN_FUNCTIONS:
            found = first_line_complaints(ast.get_docstring(node), node.name)
        else:
            found = function_complaints(node, is_method=is_method)
        complaints += [source.at(node, text) for text in found]
    for function in functions(source.tree):
        if function in public or ast.get_docstring(function) or function.name == "__init__":
            continue
        if code_lines(function) > 10:
            complaint = (
                f"{function.name} has more than ten lines and no docstring; give it one line"
            )
            complaints.append(source.at(function, complaint))
    return complaints


def test_docstrings_are_complete():
    complaints = [text for source in read_sources() for text in docstring_complaints(source)]
    assert not complaints, report(complaints)


GOOD = '''"""A module."""


def pad(rgb: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the image with a border.

    Args:
      rgb: float32 [B, H, W, 3]: in [0, 1].
        size: this line only continues the one above.
      size: pixels.

    Returns:
      float32 [B, H + 2 size, W + 2 size, 3].

    Raises:
      ValueError: if `size` is negative.
    """
    if size < 0:
        raise ValueError(size)
    return rgb


@dataclasses.dataclass(frozen=True)
class Border:
    """A border.

    Args:
      size: pixels.
    """

    size: int
    color: str = option("black", "Its color.")
'''


def test_rule_lets_a_complete_docstring_pass():
    assert docstring_complaints(make_source(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', ""),
        ('"""A module."""', '"""A module"""'),
        ("with a border.", "with a border"),
        ("      size: pixels.\n\n    Returns", "\n    Returns"),
        ("      size: pixels.\n\n    Returns", "      width: a.\n      size: b.\n\n    Returns"),
        ("Args:\n      rgb", "Arguments:\n      rgb"),
        ("Returns:", "Gives:"),
        ("Raises:", "Except:"),
        ("ValueError: if", "TypeError: if"),
        ('    """A border.\n\n    Args:\n      size: pixels.\n    """', "    x = 1"),
        ("Args:\n      size: pixels.\n    ", ""),
    ],
)
def test_rule_catches_what_a_docstring_lacks(old, new):
    assert old in GOOD
    assert len(docstring_complaints(make_source(GOOD.replace(old, new, 1)))) == 1


def test_rule_catches_a_tensor_without_a_shape():
    text = GOOD.replace("float32 [B, H, W, 3]", "float32").replace(
        "float32 [B, H + 2", "float32 (B"
    )
    text = text.replace("size, W + 2 size, 3]", "size)")
    (complaint,) = docstring_complaints(make_source(text))
    assert "shape" in complaint


def test_rule_catches_a_long_private_function_without_docstring():
    text = '"""A module."""\ndef _work():\n' + "  x = 1\n" * 10
    assert len(docstring_complaints(make_source(text))) == 1
