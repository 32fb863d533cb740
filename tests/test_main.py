import importlib
import subprocess
import sys
import types

import pytest

from tfcolor import __main__, __version__


@pytest.mark.parametrize("name", __main__.COMMANDS)
def test_every_command_is_a_main(name):
    module = importlib.import_module(__main__.COMMANDS[name][0])
    assert module.__name__ == f"tfcolor.{name}"
    assert callable(module.run)
    assert module.__doc__


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_commands_are_listed_with_a_line_each(capsys, arguments):
    assert __main__.dispatch(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, (_, purpose) in __main__.COMMANDS.items():
        assert any(line.split() == [name, *purpose.split()] for line in lines)


def test_version_is_shown(capsys):
    assert __main__.dispatch(["--version"]) == 0
    assert capsys.readouterr().out == f"tfcolor {__version__}\n"


def test_an_unknown_command_lists_the_known_ones(capsys):
    assert __main__.dispatch(["paint", "--help"]) == 2
    known = ", ".join(sorted(__main__.COMMANDS))
    assert capsys.readouterr().err == f"tfcolor: unknown command 'paint'; known: {known}\n"


def test_a_command_gets_the_rest_of_the_command_line(monkeypatch):
    seen = []
    module = types.SimpleNamespace(run=lambda: seen.append(list(sys.argv)))
    monkeypatch.setitem(sys.modules, "painting", module)
    monkeypatch.setitem(__main__.COMMANDS, "paint", ("painting", "paint a wall"))
    monkeypatch.setattr(sys, "argv", ["tfcolor", "paint", "--coats=2", "wall"])
    assert __main__.dispatch(sys.argv[1:]) == 0
    assert seen == [["tfcolor paint", "--coats=2", "wall"]]


def test_python_m_tfcolor_exits_with_the_status():
    command = [sys.executable, "-m", "tfcolor", "paint"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith("tfcolor: unknown command 'paint'")
