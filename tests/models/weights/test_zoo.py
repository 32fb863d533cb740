import hashlib
import re

import pytest

from tfcolor.models.weights.published import PUBLISHED
from tfcolor.models.weights.zoo import ZOO, format_zoo


@pytest.mark.parametrize("name", ZOO)
def test_every_file_says_where_it_is_and_what_becomes_of_it(name):
    file = ZOO[name]
    assert re.fullmatch(r"https?://\S+/[\w.]+", file.address)
    assert file.address.endswith(f"/{file.file_name}")
    assert file.license_name
    assert file.network in PUBLISHED
    if file.digest:
        algorithm, digest = file.digest.split(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
    elif file.size is None:
        assert "not stated" in file.note


def test_every_published_network_has_a_file():
    assert {file.network for file in ZOO.values()} == set(PUBLISHED)


def test_list_shows_all_that_is_known():
    text = format_zoo()
    assert "588,203,256 bytes" in text and "--network=autocolorize_vgg16" in text
    assert text.count("address") == len(ZOO)
    assert "not stated" in text and "--network=proxy_resnet152" in text
