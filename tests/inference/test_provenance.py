from tests.photograph_files import PERSON, TITLE, xmp_packet, xmp_properties, xmp_title
from tfcolor import __version__
from tfcolor.data.metadata import Metadata
from tfcolor.data.png_chunks import Text
from tfcolor.data.xmp import merge_xmp
from tfcolor.inference.provenance import DIGITAL_SOURCE_TYPE, Provenance

FULL = Provenance("runs/a", "ab" * 32, 7, "--decoding_sampling=once", "cd" * 32)


def _told(provenance, metadata, *, has_texts=False):
    return xmp_properties(provenance.merge_into(metadata, has_texts=has_texts))


def test_all_that_repeats_a_colorization_is_told():
    told = _told(FULL, Metadata())
    assert told["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert told["Version"] == told["CreatorTool"] == f"tfcolor {__version__}"
    assert (told["Model"], told["Seed"], told["Flags"]) == (FULL.model, "7", FULL.flags)
    assert told["CheckpointSHA256"] == "ab" * 32 and told["SourceSHA256"] == "cd" * 32


def test_what_is_not_known_is_not_told():
    told = _told(Provenance(), Metadata())
    assert {"DigitalSourceType", "Version", "CreatorTool", "about"} == told.keys()
    assert _told(Provenance(seed=0), Metadata())["Seed"] == "0"


def test_what_the_photograph_tells_stays():
    packet = FULL.merge_into(Metadata(xmp=xmp_packet()), has_texts=False)
    assert xmp_title(packet) == TITLE
    told = xmp_properties(packet)
    assert (told["CreatorTool"], told["Rating"]) == ("Scanner 3", "4")


def test_the_earlier_source_is_kept_beside_the_new_one():
    print_type = DIGITAL_SOURCE_TYPE.rpartition("/")[0] + "/print"
    packet = merge_xmp(None, {"Iptc4xmpExt:DigitalSourceType": print_type})
    once = FULL.merge_into(Metadata(xmp=packet), has_texts=False)
    told = _told(FULL, Metadata(xmp=once))  # colored again
    assert told["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert told["EarlierDigitalSourceType"] == print_type


def test_coloring_again_replaces_what_is_told():
    once = FULL.merge_into(Metadata(), has_texts=False)
    twice = Provenance("other", seed=8).merge_into(Metadata(xmp=once), has_texts=False)
    assert twice.count(b"<tfcolor:Model>") == 1 and b"<tfcolor:Model>other<" in twice
    assert twice.count(b"<tfcolor:Seed>") == 1


def test_remarks_go_where_a_format_has_no_place_for_them():
    metadata = Metadata(texts=(Text("Author", PERSON),))
    assert f"Author: {PERSON}".encode() in FULL.merge_into(metadata, has_texts=True)
    assert PERSON.encode() not in FULL.merge_into(metadata, has_texts=False)
