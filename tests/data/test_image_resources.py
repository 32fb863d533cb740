import pytest

from tests.photograph_files import iptc_record, resource_block
from tfcolor.data.image_resources import (
    iptc_captions,
    kept_resources,
    resource_pieces,
    with_iptc,
)

PATH, IPTC, THUMBNAIL = resource_block(2000, b"a path"), 0x0404, 0x0409


def test_thumbnails_are_left_out_and_all_else_stays():
    captions = resource_block(IPTC, iptc_record())
    old = resource_block(THUMBNAIL, b"jpeg") + PATH + resource_block(0x040C, b"odd") + captions
    assert kept_resources(old) == PATH + captions
    assert kept_resources(resource_block(THUMBNAIL, b"jpeg")) is None


def test_captions_are_found_and_added_once():
    assert iptc_captions(None) is iptc_captions(PATH) is None
    added = with_iptc(PATH, iptc_record())
    assert added == PATH + resource_block(IPTC, iptc_record())
    assert iptc_captions(added) == iptc_record()
    assert with_iptc(added, b"others") == added


def test_names_of_resources_are_skipped():
    named = b"8BIM\x04\x04\x03abc\0\0\0\2hi"
    assert iptc_captions(named) == b"hi"
    assert kept_resources(named) == named


@pytest.mark.parametrize("size", range(40))
def test_cut_resources_give_what_is_whole(size):
    resources = PATH + resource_block(IPTC, b"captions")
    kept = kept_resources(resources[:size])
    assert kept in (None, PATH, resources)
    assert iptc_captions(resources[:size]) in (None, b"captions")


def test_pieces_hold_whole_resources_and_long_ones_come_last():
    long, captions = resource_block(2001, bytes(300)), resource_block(IPTC, iptc_record())
    pieces = resource_pieces(PATH + long + captions, 100)
    assert pieces[0] == PATH + captions
    assert b"".join(pieces[1:]) == long and max(map(len, pieces)) <= 100
    assert resource_pieces(PATH + captions, len(PATH)) == [
        PATH,
        *resource_pieces(captions, len(PATH)),
    ]
    assert resource_pieces(None, 100) == []
