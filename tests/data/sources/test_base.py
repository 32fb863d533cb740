import inspect

from tfcolor.data.options import SubsetSource
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.tfrecord import TfrecordSource


def test_sources_offer_what_the_protocol_asks():
    asked = {name for name in vars(Source) if not name.startswith("_")}
    properties = {"num_examples", "class_names"}
    assert asked == properties | {"name_of", "read_bytes", "label_of"}
    for source in (FileSource, TfrecordSource, SubsetSource):
        for name in asked - properties:
            expected = inspect.signature(getattr(Source, name))
            assert inspect.signature(getattr(source, name)) == expected
        assert all(isinstance(getattr(source, name), property) for name in properties)
