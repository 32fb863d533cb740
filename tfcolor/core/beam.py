"""Pipelines of Apache Beam: large jobs on this machine or on a cluster's engine.

Beam is an extra, imported when a pipeline is built and not before. Its workers
read and write the paths that they are given, so all of them must see the same
files under the same names: a shared file system, as NFS or a mounted bucket.
"""

import argparse
import contextlib
import dataclasses
import logging
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option

# Beam's DirectRunner first tries to download an executable and run that. This is
# the engine that it falls back to: in Python, and what Beam's own tests run on.
_DIRECT_RUNNER = "FnApiRunner"
_COUNTERS = "tfcolor"


@dataclasses.dataclass(frozen=True)
class BeamOptions:
    """Which engine does the work."""

    runner: str = option(
        "",
        "engine of Apache Beam that does the work: direct for this machine, or flink, spark,"
        " dataflow, portable, ...; empty leaves the choice to the command",
    )
    beam_options: str = option(
        "",
        "options of that engine as Beam spells them, in one text:"
        ' "--flink_master=host:8081 --parallelism=8"',
    )

    def __post_init__(self) -> None:
        """Raises UsageError if there are options but no engine."""
        if self.beam_options and not self.runner:
            raise UsageError("--beam_options is for an engine: give --runner too")


def check_engine(options: BeamOptions) -> None:
    """Makes sure that a pipeline can be started, before anything is changed for it.

    Args:
      options: where it is to run.

    Raises:
      UsageError: if Beam does not know the engine or one of its options.
      UserError: if Beam is not installed.
    """
    with _muted():
        _open_pipeline(options)


def run_pipeline(options: BeamOptions, build: Callable[[Any], object]) -> dict[str, int]:
    """Runs a pipeline to its end.

    Args:
      options: where it runs; an empty `runner` is the direct one.
      build: puts the steps into the `apache_beam.Pipeline` that it is given.

    Returns:
      What `count` added up, by name, as the engine reports it. An engine may
      count work twice that it had to repeat.

    Raises:
      UsageError: if Beam does not know the engine or one of its options.
      UserError: if Beam is not installed, or the pipeline failed.
    """
    with _muted():
        pipeline = _open_pipeline(options)
        build(pipeline)
        try:
            result = pipeline.run()
            state = result.wait_until_finish()
        # An engine raises what a step raised, what its client library raises, or
        # RuntimeError with the text of a traceback from another process.
        except Exception as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # inside of a step
                raise error.__context__ from None
            raise UserError(f"the pipeline failed: {_reason(error)}") from error
        if state not in (None, "DONE"):
            raise UserError(f"the pipeline ended as {state}: see the messages of the engine")
        counters = result.metrics().query()["counters"]
    return {
        counter.key.metric.name: counter.result
        for counter in counters
        if counter.key.metric.namespace == _COUNTERS
    }


def parse_beam_options(text: str) -> Any:
    """Returns the options of an engine.

    Args:
      text: as on a command line, quoted as in a shell.

    Returns:
      An `apache_beam.options.pipeline_options.PipelineOptions`.

    Raises:
      UsageError: if a quotation mark is missing, or if Beam does not know an
        option or does not accept its value.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    parsers[0].exit_on_error = False
    try:
        words = shlex.split(text)
        _, unknown = parsers[0].parse_known_args(words)
    except (ValueError, argparse.ArgumentError) as error:
        raise UsageError(f"--beam_options={text}: {error}") from error
    if unknown:
        raise UsageError(f"--beam_options={text}: Beam does not know {' '.join(unknown)}")
    return PipelineOptions(words)


def count(name: str, amount: int = 1) -> None:
    """Adds to a counter of the pipeline that runs this step.

    Args:
      name: of the counter; engines show it while they work.
      amount: how much to add.
    """
    from apache_beam.metrics import Metrics

    Metrics.counter(_COUNTERS, name).inc(amount)


def _open_pipeline(options: BeamOptions) -> Any:
    """Returns an empty pipeline for an engine; see `check_engine`."""
    try:
        import apache_beam
    except ImportError as error:
        text = "Apache Beam is not installed: pip install 'tfcolor[beam]'"
        raise UserError(text) from error
    is_direct = options.runner.lower() in ("", "direct")
    runner = _DIRECT_RUNNER if is_direct else options.runner
    pipeline_options = parse_beam_options(options.beam_options)
    try:
        return apache_beam.Pipeline(runner, pipeline_options)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--runner={options.runner}: {error}") from error


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Keeps Beam from logging the tracebacks of what it raises as well."""
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(level or logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """Returns what went wrong, without the traceback of another process."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[-1] if "Traceback" in text else text
