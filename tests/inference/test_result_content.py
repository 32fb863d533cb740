from fractions import Fraction

import numpy as np
from PIL import Image

from tests.photograph_files import CAMERA, PERSON, exif_of, noise
from tfcolor.data.exif import Resolution
from tfcolor.data.metadata import Metadata
from tfcolor.data.png_chunks import Text
from tfcolor.inference.result_content import ResultContent

INCHES = Resolution(Fraction(300), Fraction(300), "inch")


def _content(metadata, alpha=None):
    return ResultContent(noise((4, 6, 3)), alpha, None, b"", metadata, 95)


def test_pixels_have_alpha_last():
    alpha = noise((4, 6), seed=1)
    found = _content(Metadata(), alpha).pixels
    np.testing.assert_array_equal(found[..., :3], noise((4, 6, 3)))
    np.testing.assert_array_equal(found[..., 3], alpha)
    assert _content(Metadata()).pixels.shape == (4, 6, 3)


def test_remarks_and_resolution_go_into_exif():
    block = exif_of(1, (6, 4)).tobytes().removeprefix(b"Exif\0\0")
    texts = (Text("Description", "Beach"), Text("Author", "other"), Text("Warning", "none"))
    exif = Image.Exif()
    exif.load(_content(Metadata(exif=block, texts=texts, resolution=INCHES)).full_exif)
    assert (exif[271], exif[270], exif[282], exif[296]) == (CAMERA, "Beach", 300.0, 2)
    assert exif[315] == PERSON.encode("ascii", "replace").decode()  # the block's own comes first


def test_without_remarks_exif_is_as_stored():
    assert _content(Metadata()).full_exif is None
    assert _content(Metadata(exif=b"block")).full_exif == b"block"
