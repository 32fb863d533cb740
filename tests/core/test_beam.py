import sys

import pytest

from tfcolor.core.beam import BeamOptions, count, parse_beam_options, run_pipeline
from tfcolor.core.errors import UsageError, UserError


@pytest.fixture(scope="module")
def apache_beam():
    return pytest.importorskip("apache_beam")


def _run(apache_beam, step, runner="direct"):
    def build(pipeline):
        return pipeline | apache_beam.Create([1, 2, 4]) | apache_beam.Map(step)

    return run_pipeline(BeamOptions(runner), build)


def _counted(number):
    count("numbers")
    count("total", number)


@pytest.mark.parametrize("runner", ["", "direct", "Direct"])
def test_counters_of_all_steps_are_added_up(apache_beam, runner):
    assert _run(apache_beam, _counted, runner) == {"numbers": 3, "total": 7}


def _fails(number):
    raise OSError(28, f"no space for {number}")


def test_what_a_step_raises_is_told_without_its_traceback(apache_beam, caplog):
    with pytest.raises(UserError, match=r"the pipeline failed: .*no space for 1") as caught:
        _run(apache_beam, _fails)
    assert "Traceback" not in str(caught.value)
    assert not [line for line in caplog.records if line.levelname == "ERROR"]


def _is_interrupted(number):
    raise KeyboardInterrupt


def test_an_interrupt_is_no_failure(apache_beam):
    with pytest.raises(KeyboardInterrupt):
        _run(apache_beam, _is_interrupted)


def test_an_unknown_engine_lists_the_known_ones(apache_beam):
    with pytest.raises(UsageError, match=r"--runner=steam: .*FlinkRunner"):
        _run(apache_beam, _counted, "steam")


def test_options_are_parsed_as_in_a_shell(apache_beam):
    options = parse_beam_options("--flink_master='host:8081' --parallelism=8")
    known = options.get_all_options()
    assert (known["flink_master"], known["parallelism"]) == ("host:8081", 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--bogus=1 --parallelism=8", "Beam does not know --bogus=1"),
        ("--parallelism=8 more words", "Beam does not know more words"),
        ("--parallelism=many", "invalid int value: 'many'"),
        ("--flink_master='host", "No closing quotation"),
    ],
)
def test_wrong_options_are_named(apache_beam, text, message, capsys):
    with pytest.raises(UsageError, match=f"--beam_options=.*: .*{message}"):
        parse_beam_options(text)
    assert capsys.readouterr() == ("", "")  # not argparse's usage, which fills the screen


def test_options_need_an_engine():
    with pytest.raises(UsageError, match="give --runner too"):
        BeamOptions(beam_options="--parallelism=8")


def test_without_beam_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"pip install 'tfcolor\[beam\]'"):
        run_pipeline(BeamOptions("direct"), lambda pipeline: None)
