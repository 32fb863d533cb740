import io

import pytest

from tfcolor.inference.report_spool import PictureSpool

KEYS = [digit * 32 for digit in "0af"]


def _copy(spool, keys):
    page = io.BytesIO()
    spool.copy(keys, page)
    return page.getvalue().decode()


def _line(key, text):
    return f'<script type="application/json" id="p{key}">{text}</script>\n'


@pytest.fixture
def report(tmp_path):
    return tmp_path / "out.html"


def test_pictures_come_back_in_the_order_asked_for(report):
    spool = PictureSpool(report)
    for key in KEYS:
        spool.append(key, f'{{"before":"{key[0]}"}}')
    spool.append(KEYS[1], '{"before":"again"}')
    order = [KEYS[2], KEYS[1], KEYS[0]]
    texts = ['{"before":"f"}', '{"before":"again"}', '{"before":"0"}']
    lines = [_line(*pair) for pair in zip(order, texts, strict=True)]
    assert _copy(spool, order) == "".join(lines)
    assert spool.size(KEYS[1]) == len(lines[1])
    assert "9" * 32 not in spool


def test_what_a_killed_job_left_is_known(report):
    PictureSpool(report).append(KEYS[0], "{}")
    with open(report.parent / ".out.html.pictures", "ab") as file:
        file.write(_line(KEYS[1], "{}")[:-4].encode())
    spool = PictureSpool(report)
    assert KEYS[0] in spool
    assert KEYS[1] not in spool
    spool.append(KEYS[2], "[]")
    assert _copy(spool, [KEYS[2], KEYS[0]]) == _line(KEYS[2], "[]") + _line(KEYS[0], "{}")


def test_pictures_of_an_earlier_report_are_known(report):
    report.write_text("<!doctype html>\n" + _line(KEYS[0], '{"before":"ü"}') + "</html>\n")
    spool = PictureSpool(report)
    spool.append(KEYS[1], "{}")
    assert _copy(spool, [KEYS[0], KEYS[1]]) == _line(KEYS[0], '{"before":"ü"}') + _line(
        KEYS[1], "{}"
    )


@pytest.mark.parametrize(
    "line",
    [
        _line(KEYS[0], "{}</script><script>alert(1)"),
        _line(KEYS[0], "&lt;"),
        _line("../" * 10 + "aa", "{}"),
        _line(KEYS[0], "{}").replace("json", "javascript"),
        "x" + _line(KEYS[0], "{}"),
    ],
)
def test_nothing_else_is_taken_from_an_earlier_report(report, line):
    report.write_text(line)
    assert KEYS[0] not in PictureSpool(report)


def test_the_hidden_file_is_removed(report):
    spool = PictureSpool(report)
    spool.append(KEYS[0], "{}")
    assert [path.name for path in report.parent.iterdir()] == [".out.html.pictures"]
    spool.remove()
    assert list(report.parent.iterdir()) == []
