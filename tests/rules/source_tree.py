"""What the rules read: our files, their syntax trees and their public names."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tfcolor", ROOT / "serving/tfcolor_client"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Source:
    """One Python file: its path below the root, text and syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def at(self, node: ast.AST, complaint: str) -> str:
        """Returns a complaint that an editor can jump to."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {complaint}"

    @property
    def is_main(self) -> bool:
        """Whether the file is a command: directly below tfcolor/."""
        parent, _, name = self.path.rpartition("/")
        return parent == "tfcolor" and name != "__init__.py"

    @property
    def is_init(self) -> bool:
        """Whether the file is a package's `__init__.py`."""
        return self.path.endswith("__init__.py")


def make_source(text: str, path: str = "tfcolor/color/planted.py") -> Source:
    """Returns a source that a test makes up."""
    return Source(path, text, ast.parse(text))


def read_sources(*folders: Path) -> list[Source]:
    """Returns every Python file below folders of the repository, our packages by default."""
    return [
        make_source(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        for folder in folders or PACKAGES
        for path in sorted(folder.rglob("*.py"))
    ]


def module_name(source: Source) -> str:
    """Returns the dotted name under which a source is imported."""
    path = source.path.removeprefix("serving/")
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yields every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def public_definitions(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Yields public functions and classes and the public methods of these."""
    for node in tree.body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    child
                    for child in node.body
                    if isinstance(child, Function)
                    and (not child.name.startswith("_") or child.name == "__call__")
                )


def parameters(function: Function) -> list[ast.arg]:
    """Returns every parameter but `self`, `cls` and the starred ones."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument for argument in named if argument.arg not in ("self", "cls")]


def code_lines(function: Function) -> int:
    """Returns the lines of a function from `def` to its end, docstring left out."""
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return length
    docstring = function.body[0]
    return length - (docstring.end_lineno - docstring.lineno + 1)


def imports(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Yields every imported dotted name, wherever the import stands.

    `from a import b` gives `a.b`, as b may be a module.
    """
    package = module_name(source).split(".")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            level = node.level - 1 if source.is_init else node.level
            base = package[: len(package) - level] if node.level else []
            parts = [*base, *(node.module or "").split(".")]
            yield from ((node, ".".join([*filter(None, parts), a.name])) for a in node.names)


def report(complaints: list[str]) -> str:
    """Returns the message of a failed rule."""
    return "\n" + "\n".join(complaints)
