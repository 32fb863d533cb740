from fractions import Fraction

import pytest
from PIL import Image

from tests.photograph_files import (
    EXIF,
    HEIGHT_TAG,
    MAKE,
    MAKER_NOTE,
    WIDTH_TAG,
    encode_tiff,
    exif_of,
    noise,
)
from tfcolor.data.exif import (
    ARTIST,
    DESCRIPTION,
    ORIENTATION,
    Resolution,
    add_missing_tags,
    describing_tags,
    exif_of_tiff,
    exif_orientation,
    exif_resolution,
    fit_exif,
    measured,
    resolution_tags,
    upright_exif,
)
from tfcolor.data.tag_directories import RATIONAL, Tag, TagBlock, encode_tags, read_tags

INCHES = Resolution(Fraction(300), Fraction(150), "inch")


def _block(orientation=6, size=(14, 9), byte_order="<"):
    return exif_of(orientation, size, byte_order).tobytes().removeprefix(b"Exif\0\0")


def _read(block):
    exif = Image.Exif()
    exif.load(block)
    return exif


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("size", [(14, 9), (70000, 9)])  # one of them a long number
def test_only_orientation_and_size_change(byte_order, is_turned, size):
    block = _block(6, size, byte_order)
    upright = upright_exif(block, is_turned)
    assert len(upright) == len(block)
    before, after = _read(block), _read(upright)
    assert (exif_orientation(block), exif_orientation(upright)) == (6, 1)
    found = after.get_ifd(EXIF)[WIDTH_TAG], after.get_ifd(EXIF)[HEIGHT_TAG]
    assert found == (size[::-1] if is_turned else size)
    assert after[MAKE] == before[MAKE]
    assert after.get_ifd(EXIF)[MAKER_NOTE] == before.get_ifd(EXIF)[MAKER_NOTE]
    assert upright.index(b"secret of the camera") == block.index(b"secret of the camera")


@pytest.mark.parametrize("is_last", [False, True])
def test_the_thumbnail_is_unlinked_and_cut_off(is_last):
    block = _block()
    layout_end = len(block)
    thumbnail = b"\xff\xd8gray picture\xff\xd9"
    second = encode_tags(
        TagBlock("<", {513: Tag(4, (0).to_bytes(4, "little")), 514: Tag(4, bytes(4))})
    )[16:]
    start = layout_end + len(second)
    second = second.replace(
        (513).to_bytes(2, "little") + b"\4\0\1\0\0\0" + bytes(4),
        (513).to_bytes(2, "little") + b"\4\0\1\0\0\0" + start.to_bytes(4, "little"),
    ).replace(
        (514).to_bytes(2, "little") + b"\4\0\1\0\0\0" + bytes(4),
        (514).to_bytes(2, "little") + b"\4\0\1\0\0\0" + len(thumbnail).to_bytes(4, "little"),
    )
    count = int.from_bytes(block[8:10], "little")
    pointer = 10 + 12 * count
    linked = block[:pointer] + layout_end.to_bytes(4, "little") + block[pointer + 4 :]
    linked += second + thumbnail + (b"" if is_last else b"something that follows")
    upright = upright_exif(linked, False)
    assert upright[pointer : pointer + 4] == bytes(4)
    assert (thumbnail in upright) != is_last
    assert _read(upright).get_ifd(EXIF)[MAKER_NOTE] == b"secret of the camera"


@pytest.mark.parametrize("block", [b"", b"garbage", b"II*\0" + b"\xff" * 40])
def test_damaged_blocks_are_left_out(block):
    assert upright_exif(block, True) is None
    assert exif_orientation(block) is None


def test_a_thumbnail_that_lies_about_its_place_cuts_nothing_else():
    block = _block(1)
    pointer = 10 + 12 * int.from_bytes(block[8:10], "little")
    second = encode_tags(
        TagBlock(
            "<",
            {513: Tag(4, (20).to_bytes(4, "little")), 514: Tag(4, (10**6).to_bytes(4, "little"))},
        )
    )[16:]
    whole = block[:pointer] + len(block).to_bytes(4, "little") + block[pointer + 4 :] + second
    size = (len(whole) - 20).to_bytes(4, "little")
    whole = whole.replace((10**6).to_bytes(4, "little"), size)
    assert len(upright_exif(whole, False)) == len(whole)


def test_a_block_whose_tags_overlap_without_end_is_left_out():
    rows = b"".join(
        tag.to_bytes(2, "little") + b"\1\0" + (600).to_bytes(4, "little") + bytes([8, 0, 0, 0])
        for tag in range(1, 50)
    )
    assert upright_exif(b"II*\0\x08\0\0\0" + b"\x31\0" + rows + bytes(40), False) is None


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_orientations_that_do_not_exist_are_upright(orientation):
    block = _block(1)
    row = block.index((ORIENTATION).to_bytes(2, "little") + b"\3\0\1\0\0\0") + 8
    block = block[:row] + orientation.to_bytes(2, "little") + block[row + 2 :]
    assert exif_orientation(block) == 1


def test_a_tiff_file_gives_its_describing_tags():
    tags = [(MAKE, "s", 0, "Scanner", True), (ORIENTATION, "H", 1, 6, True)]
    encoded = encode_tiff(noise((5, 7)), extratags=tags, description="Beach")
    found = read_tags(exif_of_tiff(read_tags(encoded))).main
    assert found[MAKE].content == b"Scanner\0" and found[DESCRIPTION].content == b"Beach\0"
    assert not {256, 257, 258, 259, 262, 273, 277, 278, 279, ORIENTATION} & found.keys()
    assert exif_of_tiff(TagBlock("<", {256: Tag(3, b"\1\0")})) is None


def test_kinds_that_classic_blocks_lack_are_left_out():
    assert describing_tags({270: Tag(16, bytes(8)), 271: Tag(2, b"a\0")}) == {271: Tag(2, b"a\0")}


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_resolution_survives(byte_order):
    tags = TagBlock(byte_order, resolution_tags(INCHES, byte_order))
    assert exif_resolution(tags) == INCHES
    assert exif_resolution(read_tags(encode_tags(tags))) == INCHES


def test_a_resolution_that_tells_nothing_is_none():
    assert measured(Resolution(Fraction(1), Fraction(1), "none")) is None
    assert measured(Resolution(Fraction(2), Fraction(1), "none")) is not None
    assert exif_resolution(TagBlock("<", {})) is None
    zero = Tag(RATIONAL, bytes(8))
    assert exif_resolution(TagBlock("<", {282: zero, 283: zero})) is None


def test_missing_tags_are_added_behind_the_block():
    block = _block(1) + b"x"  # of odd length
    found = add_missing_tags(block, {ARTIST: "not me", DESCRIPTION: "Strand, Düne"}, INCHES)
    assert found[8 : len(block)] == block[8:]
    tags, read = read_tags(found), _read(found)
    assert tags.main[DESCRIPTION].content == "Strand, Düne\0".encode()
    assert tags.main[ARTIST] == read_tags(block).main[ARTIST]
    assert exif_resolution(tags) == INCHES
    assert read.get_ifd(EXIF)[MAKER_NOTE] == b"secret of the camera"
    assert add_missing_tags(block, {ARTIST: "not me"}, None) == block


def test_a_block_is_made_where_there_is_none():
    tags = read_tags(add_missing_tags(None, {ARTIST: "me"}, INCHES))
    assert tags.main[ARTIST].content == b"me\0" and exif_resolution(tags) == INCHES


def test_the_largest_tags_give_way():
    block = encode_tags(
        TagBlock("<", {271: Tag(2, b"small\0")}, {37500: Tag(7, bytes(70_000)), 1: Tag(3, b"ab")})
    )
    fitted = fit_exif(block, 65_000)
    assert len(fitted) <= 65_000
    assert read_tags(fitted).main == {271: Tag(2, b"small\0")}
    assert read_tags(fitted).exif == {1: Tag(3, b"ab")}
    assert fit_exif(block, 80_000) is block and fit_exif(None, 5) is None
