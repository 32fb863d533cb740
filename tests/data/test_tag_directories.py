import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.photograph_files import (
    DATE_TAKEN,
    EXIF,
    GPS,
    LATITUDE,
    MAKE,
    encode_tiff,
    exif_of,
    noise,
)
from tfcolor.data.tag_directories import (
    LONG,
    SHORT,
    TEXT,
    Tag,
    TagBlock,
    encode_tags,
    extend_directory,
    integers,
    is_tag_block,
    read_entries,
    read_layout,
    read_tags,
    without_damaged_tags,
)


def _block(byte_order="<"):
    return exif_of(6, (14, 9), byte_order).tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_an_exif_block_is_read(byte_order):
    tags = read_tags(_block(byte_order))
    assert tags.byte_order == byte_order
    assert tags.numbers(274) == (6,)
    assert tags.main[MAKE] == Tag(TEXT, b"Brownie\0")
    assert tags.exif[DATE_TAKEN].content == b"1931:05:17 11:12:13\0"
    latitude = struct.unpack(f"{byte_order}6I", tags.gps[LATITUDE].content)
    assert latitude == (47, 1, 22, 1, 12, 1)
    assert EXIF not in tags.main and GPS not in tags.main


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_encoding_gives_a_block_that_others_read(byte_order):
    block = encode_tags(read_tags(_block(byte_order)))
    assert read_tags(block) == read_tags(_block(byte_order))
    read = Image.Exif()
    read.load(block)
    assert read[MAKE] == "Brownie"
    assert read.get_ifd(EXIF)[DATE_TAKEN] == "1931:05:17 11:12:13"
    assert read.get_ifd(GPS)[LATITUDE] == (47.0, 22.0, 12.0)


def test_interoperability_tags_stay():
    tags = TagBlock("<", {}, {}, {}, {1: Tag(TEXT, b"R98\0")})
    assert read_tags(encode_tags(tags)) == tags


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_tiff_file_is_read(bigtiff):
    encoded = encode_tiff(noise((5, 7)), bigtiff=bigtiff, software="scan of 1931")
    tags = read_tags(encoded)
    assert (tags.numbers(256), tags.numbers(257)) == ((7,), (5,))
    assert tags.main[305].content == b"scan of 1931\0"


def test_extending_moves_nothing_and_replaces_tags():
    encoded = encode_tiff(noise((5, 7)), software="old", metadata=None)
    added = TagBlock(
        "<", {305: Tag(TEXT, b"new one\0"), 270: Tag(TEXT, b"abc\0")}, {1: Tag(3, b"ab")}
    )
    header, rest = extend_directory(encoded, added)
    path = header + encoded[len(header) :] + rest
    tags = read_tags(path)
    assert tags.main[305].content == b"new one\0" and tags.main[270].content == b"abc\0"
    assert tags.exif == {1: Tag(3, b"ab")}
    assert path[8 : len(encoded)] == encoded[8:]


def test_an_extended_file_still_shows_its_pixels(tmp_path):
    samples = noise((5, 7))
    encoded = encode_tiff(samples)
    header, rest = extend_directory(encoded, TagBlock("<", {270: Tag(TEXT, b"long enough\0")}))
    (tmp_path / "a.tif").write_bytes(header + encoded[len(header) :] + rest)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].description == "long enough"
        assert (file.asarray() == samples).all()


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"II*\0\0\0\0\0\0\0\0\0\0\0\0\0", b"GIF89a" * 9]
)
def test_what_is_no_block_is_refused(content):
    with pytest.raises(ValueError, match="director"):
        read_tags(content)
    assert is_tag_block(content) == content.startswith(b"II*\0")


@pytest.mark.parametrize("size", range(8, 200, 7))
def test_cut_blocks_are_refused_or_read_in_part(size):
    block = _block()
    try:
        tags = read_tags(block[:size])
    except ValueError:
        return
    whole = read_tags(block)
    assert tags.main.items() <= whole.main.items() and tags.exif.items() <= whole.exif.items()


def test_entries_outside_of_the_block_are_left_out():
    rows = struct.pack("<HHIIHHIIHHII", 1, 1, 9, 4000, 2, 99, 1, 0, 3, SHORT, 1, 7)
    block = b"II*\0" + struct.pack("<IH", 8, 3) + rows + bytes(4)
    layout = read_layout(block)
    entries, next_pointer = read_entries(block, layout, 8)
    assert [entry.tag for entry in entries] == [3]
    assert next_pointer == len(block) - 4


def test_only_whole_numbers_are_integers():
    assert integers(Tag(LONG, b"\1\0\0\0\2\0\0\0"), "<") == (1, 2)
    assert integers(Tag(TEXT, b"12\0"), "<") == integers(None, "<") == ()


def test_damaged_tags_are_left_out_of_a_file():
    samples = noise((5, 7))
    whole = encode_tiff(samples, description="long enough", metadata=None)
    assert without_damaged_tags(whole) is whole
    row = whole.index(struct.pack("<HHI", 270, 2, 12)) + 8
    damaged = whole[:row] + struct.pack("<I", 2**31) + whole[row + 4 :]
    repaired = without_damaged_tags(damaged)
    assert 270 not in read_tags(repaired).main
    assert read_tags(repaired).main == read_tags(damaged).main
    assert (np.asarray(Image.open(io.BytesIO(repaired))) == samples).all()
