"""Fetches a published file: goes on where a transfer broke off, verifies, then renames."""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.core.progress import ProgressReport, say

CHUNK_BYTES = 2**20
TIMEOUT_SECS = 60.0
TRANSFER_ERRORS = (OSError, http.client.HTTPException)


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is known of a file beforehand.

    Args:
      size: bytes, or None.
      digest: "ALGORITHM:HEXADECIMAL" by `hashlib` name, or empty.
      magic: the file's first bytes; what does not begin so (a web page in the
        place of a moved file) is refused.
    """

    size: int | None = None
    digest: str = ""
    magic: bytes = b""


def download(
    address: str,
    path: str | os.PathLike[str],
    expected: Expected,
    *,
    attempts: int = 5,
    pause_secs: float = 2.0,
) -> Path:
    """Fetches a file over HTTP.

    What has arrived lies in `PATH.part`; the next attempt, or the next call,
    asks the server for the rest. A server that cannot give a part sends all
    again. The file appears under its name only once it is whole and verified.

    Args:
      address: URL.
      path: the file to create. If it is there and as expected, nothing is done.
      expected: what to verify.
      attempts: how often to try, the first time included.
      pause_secs: between two attempts.

    Returns:
      The path.

    Raises:
      UserError: if the file cannot be fetched, or is not what was expected.
    """
    target = Path(path)
    if target.exists():
        verify(target, expected)
        say(f"{target} is there already")
        return target
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    for attempt in range(attempts):
        if attempt:
            say(f"{reason}; trying again after {_size(part):,} bytes")
            time.sleep(pause_secs)
        try:
            total = _fetch_rest(address, part, expected.size)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise UserError(
                    f"{address}: the server answers {error.code} {error.msg}"
                ) from error
            reason = f"the server answers {error.code} {error.msg}"
            continue
        except TRANSFER_ERRORS as error:
            reason = f"the transfer failed: {error}"
            continue
        if total is None or _size(part) == total:
            break
        reason = f"the transfer broke off, {total:,} bytes were announced"
    else:
        raise UserError(
            f"{address}: {reason}; {_size(part):,} bytes are kept in {part},"
            " the same command goes on from there"
        )
    try:
        verify(part, expected)
    except UserError:
        part.unlink()
        raise
    os.replace(part, target)
    return target


def verify(path: Path, expected: Expected) -> None:
    """Compares a file with what is known of it.

    Args:
      path: the file.
      expected: its size, digest and first bytes.

    Raises:
      UserError: naming what differs.
    """
    size = _size(path)
    if expected.size is not None and size != expected.size:
        raise UserError(f"{path} has {size:,} bytes, the published file {expected.size:,}")
    with path.open("rb") as stream:
        if stream.read(len(expected.magic)) != expected.magic:
            raise UserError(f"{path} is no weight file; the server may have sent a web page")
        algorithm, _, digest = expected.digest.partition(":")
        stream.seek(0)
        if digest and hashlib.file_digest(stream, algorithm).hexdigest() != digest:
            raise UserError(f"{path} has another {algorithm} than the published file: {digest}")


def _fetch_rest(address: str, part: Path, size: int | None) -> int | None:
    """Appends what `part` lacks; returns the whole size if the server says it."""
    start = _size(part)
    request = urllib.request.Request(address)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECS)
    except urllib.error.HTTPError as error:
        # 416: nothing comes after `start`. Either the part is the whole, or it
        # is of another file and has to go.
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        total = _last_number(error.headers.get("Content-Range"))
        if total != start:
            part.unlink()
        return start if total is None else total
    with contextlib.closing(response):
        if response.status != http.client.PARTIAL_CONTENT:
            start = 0
        length = _last_number(response.headers.get("Content-Length"))
        total = None if length is None else start + length
        if None not in (total, size) and total != size:
            raise UserError(f"{address} offers {total:,} bytes, the published file has {size:,}")
        with (
            part.open("r+b" if start else "wb") as stream,
            ProgressReport(part.stem, total or 0, "bytes", done=start) as report,
        ):
            stream.seek(start)
            while chunk := response.read(CHUNK_BYTES):
                stream.write(chunk)
                report.advance(len(chunk))
    return total


def _last_number(header: str | None) -> int | None:
    """Returns the number at the end of a header, as in "bytes */17"."""
    match = re.search(r"(\d+)$", header or "")
    return int(match[1]) if match else None


def _size(path: Path) -> int:
    """Returns the size of a file in bytes, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0
