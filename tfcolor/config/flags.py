"""Command-line flags derived from frozen options dataclasses, and flagfiles.

Every flag of tfcolor comes from a field declared with `core.options.option`.
"""

import copy
import csv
import dataclasses
import os
import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from absl import flags

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import write_text
from tfcolor.core.options import check_options

Options = TypeVar("Options")

# absl files each flag under the module that defines it. We file ours under this
# mark and the title of their options, which tells them from everybody else's.
SECTION_MARK = "tfcolor: "
WORDS = {bool: "true or false", int: "integer", float: "number", str: "text"}
NEEDS_QUOTES = re.compile(r'[",]|^\s|\s$|^$')


@dataclasses.dataclass(frozen=True)
class FieldType:
    """What the annotation of an options field says about its flag.

    Args:
      item: type of the value, or of each item of a list.
      is_list: whether the value is a tuple, written with commas.
      is_optional: whether an empty text means None.
      length: the number of items of a list, None if any number will do.
    """

    item: type
    is_list: bool = False
    is_optional: bool = False
    length: int | None = None

    def describe(self) -> str:
        """Returns the accepted values in words, for `--help`."""
        word = WORDS[self.item]
        if self.is_list:
            number = "" if self.length is None else f"{self.length} "
            word = f"{number}values with commas, each {word}"
        return f"{word}; empty for none" if self.is_optional else word


class FieldParser(flags.ArgumentParser[Any]):
    """Turns the text of a flag into the value of an options field.

    Args:
      field_type: what the field accepts.
    """

    def __init__(self, field_type: FieldType) -> None:
        super().__init__()
        self.field_type = field_type
        self.syntactic_help = field_type.describe()

    def parse(self, argument: Any) -> Any:
        """Returns the value of a text; a default passes as it is.

        Args:
          argument: text from the command line, or a default of the field.

        Returns:
          A bool, int, float, str, a tuple of these, or None.

        Raises:
          ValueError: if the text is not of the field's type.

        Example:
          >>> FieldParser(FieldType(int, is_list=True)).parse("4, 5")
          (4, 5)
        """
        if not isinstance(argument, str):
            return self._parse_default(argument)
        if self.field_type.is_optional and not argument:
            return None
        if not self.field_type.is_list:
            return self._parse_item(argument)
        texts = next(csv.reader([argument], skipinitialspace=True, strict=True), [])
        length = self.field_type.length
        if length is not None and len(texts) != length:
            raise ValueError(f"expected {self.field_type.describe()}")
        return tuple(self._parse_item(text) for text in texts)

    def _parse_default(self, default: Any) -> Any:
        """Returns a default with the field's type: 1 becomes 1.0 where due."""
        if isinstance(default, tuple):
            return tuple(self._parse_default(item) for item in default)
        return float(default) if self.field_type.item is float else default

    def _parse_item(self, text: str) -> Any:
        """Returns one value, or raises ValueError with what would be accepted."""
        item = self.field_type.item
        if item is str:
            return text
        try:
            return flags.BooleanParser().parse(text) if item is bool else item(text)
        except ValueError:
            raise ValueError(f"expected {self.field_type.describe()}") from None


def define_options(
    options_class: type, prefix: str = "", flag_values: flags.FlagValues = flags.FLAGS
) -> None:
    """Defines one flag for every field of an options dataclass.

    Args:
      options_class: a frozen dataclass whose fields come from `option`. Fields
        are bool, int, float or str, one of these or None, or a tuple of them.
        The first line of its docstring becomes the heading in `--help`.
      prefix: put before each field's name ("colorization_").
      flag_values: where the flags are defined.

    Raises:
      TypeError: if a field has a type that a flag cannot have.
    """
    hints = typing.get_type_hints(options_class)
    for field in dataclasses.fields(options_class):
        field_type = _field_type(f"{options_class.__name__}.{field.name}", hints[field.name])
        definition: dict[str, Any] = {
            "name": prefix + field.name,
            "default": field.default,
            "help": _help_text(field, field_type),
            "flag_values": flag_values,
            "module_name": SECTION_MARK + _title(options_class),
        }
        if field_type == FieldType(bool):
            flags.DEFINE_boolean(**definition)
        else:
            flags.DEFINE(FieldParser(field_type), **definition)


def read_options(
    options_class: type[Options], prefix: str = "", flag_values: flags.FlagValues = flags.FLAGS
) -> Options:
    """Returns the options that the parsed flags stand for.

    Args:
      options_class: a dataclass given to `define_options` before.
      prefix: the same as there.
      flag_values: the parsed flags.

    Returns:
      A checked instance of `options_class`.

    Raises:
      UsageError: if a value is not among the choices or out of range.
    """
    names = [field.name for field in dataclasses.fields(typing.cast(Any, options_class))]
    options = options_class(**{name: flag_values[prefix + name].value for name in names})
    check_options(options, prefix)
    return options


def read_flagfile(
    path: str | os.PathLike[str], options: Sequence[tuple[type, str]]
) -> flags.FlagValues:
    """Returns the flags of a file, those that it leaves out with their defaults.

    Args:
      path: a flagfile.
      options: (options dataclass, prefix) pairs that define the flags.

    Returns:
      Parsed flags, for `read_options`.

    Raises:
      UserError: if the file cannot be read, or has other flags.
    """
    flag_values = flags.FlagValues()
    for options_class, prefix in options:
        define_options(options_class, prefix, flag_values)
    try:
        flag_values(["", f"--flagfile={path}"])
    except (flags.Error, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return flag_values


def flag_sections(flag_values: flags.FlagValues) -> Iterator[tuple[str, list[flags.Flag]]]:
    """Yields the title and the flags of each options dataclass, as defined.

    Args:
      flag_values: flags of ours and of others.

    Yields:
      (title, flags), only for flags made by `define_options`.
    """
    for module, section in flag_values.flags_by_module_dict().items():
        if module.startswith(SECTION_MARK):
            yield module.removeprefix(SECTION_MARK), section


def format_value(value: Any) -> str:
    """Returns the text that gives `value` on the command line.

    Args:
      value: a bool, number or string, a tuple of these, or None.

    Returns:
      The text after the `=`; empty for None and for an empty tuple.

    Example:
      >>> format_value((0.5, 1e-09)), format_value(True)
      ('0.5,1e-09', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(_quoted(format_value(item)) for item in value)
    return repr(value) if isinstance(value, float) else str(value)


def resolved_flags(flag_values: flags.FlagValues, exclude: Sequence[str] = ()) -> dict[str, str]:
    """Returns the text of each of our flags, in the order of definition.

    Args:
      flag_values: parsed flags of ours and of others.
      exclude: names to leave out ("run_dir").

    Returns:
      Name to text; parsing the text gives the value again.
    """
    return {
        flag.name: format_value(flag.value)
        for _, section in flag_sections(flag_values)
        for flag in section
        if flag.name not in exclude
    }


def write_flagfile(
    path: str | os.PathLike[str], flag_values: flags.FlagValues, exclude: Sequence[str] = ()
) -> None:
    """Writes our flags so that `--flagfile=path` gives the same values again.

    Args:
      path: the file to create or replace.
      flag_values: parsed flags of ours and of others.
      exclude: names to leave out.

    Raises:
      UsageError: if a value cannot stand in a flagfile.
      UserError: if the file cannot be written.
    """
    lines = []
    for name, text in resolved_flags(flag_values, exclude).items():
        if "\n" in text or "\r" in text or text != text.rstrip():
            raise UsageError(f"--{name}={text!r}: expected no line break and no space at the end")
        lines.append(f"--{name}={text}\n")
    write_text(path, "".join(lines))


def differing_flags(
    recorded_path: str | os.PathLike[str],
    flag_values: flags.FlagValues,
    exclude: Sequence[str] = (),
) -> list[tuple[str, str, str]]:
    """Compares the parsed flags with those of a flagfile.

    Args:
      recorded_path: a file from `write_flagfile`; a flag that it does not
        mention has its default there.
      flag_values: parsed flags of ours and of others.
      exclude: names that may differ.

    Returns:
      (name, recorded text, current text) of each flag that differs, in the
      order of definition.

    Raises:
      UserError: if the file cannot be read or has a flag we do not know.
    """
    recorded_values = copy.deepcopy(flag_values)
    recorded_values.unparse_flags()
    try:
        recorded_values(["", f"--flagfile={os.fspath(recorded_path)}"])
    except (flags.Error, ValueError) as error:
        raise UserError(f"cannot compare with {recorded_path}: {error}") from error
    recorded = resolved_flags(recorded_values, exclude)
    current = resolved_flags(flag_values, exclude)
    return [
        (name, recorded[name], current[name]) for name in current if recorded[name] != current[name]
    ]


def _field_type(name: str, hint: Any) -> FieldType:
    """Reads an annotation, or raises TypeError with the annotations that work."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (item,) = [argument for argument in arguments if argument is not type(None)][:1]
        return dataclasses.replace(_field_type(name, item), is_optional=True)
    if origin is typing.Literal:
        return _field_type(name, type(arguments[0]))
    if origin is tuple:
        length = None if arguments[-1] is Ellipsis else len(arguments)
        return dataclasses.replace(_field_type(name, arguments[0]), is_list=True, length=length)
    if hint not in WORDS:
        accepted = "bool, int, float, str, one of these or None, or a tuple of them"
        raise TypeError(f"{name} is {hint}, which a flag cannot be; expected {accepted}")
    return FieldType(hint)


def _help_text(field: dataclasses.Field[Any], field_type: FieldType) -> str:
    """Returns the help of a field followed by what it accepts."""
    choices = field.metadata.get("choices")
    accepted = field_type.describe()
    if choices is not None:
        accepted = "one of " if not field_type.is_list else "values with commas, each one of "
        accepted += ", ".join(str(choice) for choice in choices)
    for bound, word in (("minimum", "at least"), ("maximum", "at most")):
        if field.metadata.get(bound) is not None:
            accepted += f", {word} {field.metadata[bound]}"
    return f"{field.metadata.get('help', '').strip()} ({accepted})"


def _title(options_class: type) -> str:
    """Returns the heading of a dataclass: its docstring's first line."""
    return (options_class.__doc__ or options_class.__name__).strip().splitlines()[0].rstrip(".")


def _quoted(text: str) -> str:
    """Quotes a list item that would not survive between two commas."""
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text
