import inspect

from tfcolor.data.sources.base import Source
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.tfrecord import TfrecordSource


def test_sources_offer_what_the_protocol_asks():
    asked = {name for name in vars(Source) if not name.startswith("_")}
    assert asked == {"num_examples", "name_of", "read_bytes"}
    for source in (FileSource, TfrecordSource):
        for name in asked - {"num_examples"}:
            expected = inspect.signature(getattr(Source, name))
            assert inspect.signature(getattr(source, name)) == expected
        assert isinstance(source.num_examples, property)
