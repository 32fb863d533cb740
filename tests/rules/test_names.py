"""Names are full words that say what a thing is (HOUSE 3.2)."""

import ast
import re
from collections.abc import Iterator

import pytest
from source_tree import Function, Source, functions, make_source, parameters, read_sources, report

INSTEAD = {
    "img": "image",
    "hist": "histogram",
    "chr": "chroma",
    "cfg": "options",
    "params": "what they are",
    "info": "what it says",
    "opt": "optimizer or options",
    "ctx": "context",
    "colour": "color",
}
JUNK_ROOMS = {"utils", "util", "common", "misc", "helpers", "helper"}
# Names that Keras gives: a layer must have them to be saved.
KERAS = {"get_config", "get_build_config", "get_compile_config"}
VERSIONED = re.compile(r"(_v\d+|_new|_old|[a-z]2)$")
LITERATURE = re.compile(r"(resnet\d*_v2|\w*(log|atan)2)", re.IGNORECASE)


def words(name: str) -> list[str]:
    """Returns the words of a snake_case or CamelCase name, in lower case."""
    return [word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[^A-Z]*", part)]


def given_names(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Yields every name that a file itself gives, not those of libraries."""
    for node in ast.walk(source.tree):
        if isinstance(node, (*_definitions(), ast.ExceptHandler)) and node.name:
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node, node.asname


def _definitions() -> tuple[type, ...]:
    return (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def name_complaints(source: Source) -> list[str]:
    """Returns the names of a file that break the rules."""
    complaints = []
    for node, name in given_names(source):
        for word in words(name):
            if word in INSTEAD:
                complaints.append(source.at(node, f"{name}: not {word!r} but {INSTEAD[word]}"))
    for node in ast.walk(source.tree):
        if isinstance(node, _definitions()) and is_versioned(node.name):
            complaint = (
                f"{node.name}: no version in a name; say what differs, or make it an argument"
            )
            complaints.append(source.at(node, complaint))
    for function in functions(source.tree):
        complaints += function_complaints(source, function)
    return complaints + path_complaints(source)


def is_versioned(name: str) -> bool:
    """Whether a name ends in a version that the literature does not use."""
    return bool(VERSIONED.search(name)) and not LITERATURE.fullmatch(name)


def function_complaints(source: Source, function: Function) -> list[str]:
    """Returns what is wrong with the name of a function and of its booleans."""
    complaints = []
    if function.name.startswith("get_") and function.name not in KERAS:
        complaint = f"{function.name}: name the result, or the effect (load_, build_)"
        complaints.append(source.at(function, complaint))
    for parameter in parameters(function):
        if re.match(r"(no|not|disable|without)_", parameter.arg):
            complaint = f"{parameter.arg}: a boolean is never negated; use_... or is_..."
            complaints.append(source.at(function, complaint))
    return complaints


def path_complaints(source: Source) -> list[str]:
    """Returns what is wrong with the name of a module and of its folders."""
    parts = source.path.removesuffix(".py").split("/")
    junk = JUNK_ROOMS.intersection(parts)
    complaints = [
        f"{source.path}: {name} holds anything; name the subject" for name in sorted(junk)
    ]
    if is_versioned(parts[-1]):
        complaints.append(f"{source.path}: no version in a name; delete the other one")
    return complaints


def test_names_are_full_words():
    complaints = [text for source in read_sources() for text in name_complaints(source)]
    assert not complaints, report(complaints)


@pytest.mark.parametrize(
    "text",
    [
        "img = 1",
        "def hist_loss(): ...",
        "def f(ctx): ...",
        "def f(*, soft_hist): ...",
        "class ImgLoss: ...",
        "self.cfg = 1",
        "for opt in x: pass",
        "import cv2 as img",
        "def get_image(): ...",
        "def load_v2(): ...",
        "class Trainer2: ...",
        "def f(no_bias): ...",
        "colour = 1",
    ],
)
def test_rule_catches_a_name(text):
    assert len(name_complaints(make_source(text))) == 1


@pytest.mark.parametrize("name", ["utils.py", "helpers/box.py", "colorizer_v2.py", "vgg_old.py"])
def test_rule_catches_a_path(name):
    assert len(name_complaints(make_source("", f"tfcolor/color/{name}"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "histogram = image = options = None",
        "def get_config(self): ...",
        "def resnet101_v2(): ...",
        "conv1_2 = pool2d = 1",
        "logging.info(x)\nnode.ctx",
        "def notation(normal): ...",
    ],
)
def test_rule_lets_a_good_name_pass(text):
    assert name_complaints(make_source(text)) == []
