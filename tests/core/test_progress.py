import logging
import re
import sys

import pytest

from tfcolor.core.progress import ProgressReport, say, track


@pytest.fixture(autouse=True)
def shown(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def test_say_logs_one_line_as_it_is(caplog):
    say("50% of %s done")
    assert caplog.messages == ["50% of %s done"]


def test_names_of_files_do_nothing_to_the_terminal(caplog):
    say("skipped a\x1b]0;x\x07\u202eb\udcff\x9b.png, 日本 ü\u3000☂\tand\nmore")
    assert caplog.messages == [
        "skipped a\\x1b]0;x\\x07\\u202eb\\udcff\\x9b.png, 日本 ü\u3000☂\tand\nmore"
    ]


def test_without_a_terminal_only_notes_are_shown(caplog):
    with ProgressReport("training", total=8, unit="steps", done=2) as report:
        report.advance()
        assert caplog.messages == []
        report.advance(3, note="loss 3.1")
    assert report.done == 6
    (line,) = caplog.messages
    assert re.fullmatch(r"training 6/8 steps, [\d.]+/s, \d+ s left: loss 3.1", line)


def test_speed_leaves_out_what_was_done_before(caplog, monkeypatch):
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with ProgressReport("training", total=200, unit="steps", done=100) as report:
        report.advance(20, note="x")
    assert caplog.messages == ["training 120/200 steps, 5.0/s, 16 s left: x"]


def test_on_a_terminal_there_is_a_bar_and_no_line(caplog, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressReport("training", total=4, unit="steps") as report:
        report.advance(3, note="loss 3.1")
        report.advance()
    drawn = capsys.readouterr().err
    assert "training" in drawn
    assert "4/4" in drawn
    assert "loss 3.1" in drawn
    assert "steps/s" in drawn
    assert caplog.messages == []


def test_a_message_takes_the_line_of_the_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with ProgressReport("training", total=4, unit="steps"):
            say("skipped a.png")
        say("done")
    finally:
        logging.getLogger().removeHandler(handler)
    drawn = capsys.readouterr().err
    assert "\r\x1b[2Kskipped a.png\n" in drawn
    assert drawn.endswith(("\ndone\n", "\x1b[?25hdone\n"))


def test_track_yields_every_item_and_reports_each_tenth(caplog):
    assert list(track(iter("abcdefghijklmnopqrstuvwxy"), "reading", 25, "letters")) == list(
        "abcdefghijklmnopqrstuvwxy"
    )
    counts = [int(re.search(r"reading (\d+)/25", line)[1]) for line in caplog.messages]
    assert counts == list(range(2, 25, 2))
