import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UserError
from tfcolor.data.images import read_photograph
from tfcolor.inference.hints import Hints
from tfcolor.inference.histogram_transfer import target_histograms
from tfcolor.inference.result_files import write_result
from tfcolor.inference.variations import Wishes, color_photograph, color_variations
from tfcolor.web.easel import PREVIEW_SIDE, encode_png, resize_photograph, shrink_photograph
from tfcolor.web.look import Look, PlacedHint

RED = (PlacedHint(30, 24, "#d02020"),)


def test_the_full_picture_has_the_bytes_of_colorize(make_easel, tiny_colorizer, photos, tmp_path):
    content = (photos / "photo1.jpg").read_bytes()
    path = tmp_path / "a.png"
    write_result(color_photograph(tiny_colorizer, read_photograph(content)), path)
    assert make_easel(content, tiny_colorizer).colored(Look(), "full") == path.read_bytes()


def test_alpha_is_kept_as_colorize_keeps_it(make_easel, served, encode, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4)).astype(np.uint8)
    path = tmp_path / "a.png"
    photograph = read_photograph(encode(pixels))
    write_result(color_photograph(served, photograph), path)
    assert make_easel(encode(pixels)).colored(Look(), "full") == path.read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(path))[..., 3], pixels[..., 3])


def test_hints_versions_and_references_equal_those_of_colorize(
    make_easel, tiny_colorizer, scene, photos
):
    easel = make_easel(scene, tiny_colorizer)
    reference = read_photograph(photos / "photo2.png")
    easel.take_reference(reference)
    photograph = easel.photograph
    hints = Hints("hints", np.array([[30, 24]]), np.array([[208, 32, 32]], np.float32) / 255)
    targets = target_histograms(tiny_colorizer.painter, reference.rgb[None])
    base = DecodingOptions()
    cases = {
        Look(hints=RED): Wishes((base,), hints=hints),
        Look(version=2): Wishes((DecodingOptions(sampling="once", seed=1),)),
        Look(reference="energy"): Wishes((base,), targets=targets),
        Look(reference="quantile"): Wishes((base,), reference_rgb=reference.rgb),
    }
    plain = easel.paint(Look(), "full").rgb
    for look, wishes in cases.items():
        (expected,) = color_variations(tiny_colorizer, photograph, wishes)
        painted = easel.paint(look, "full").rgb
        np.testing.assert_array_equal(painted, expected.rgb, err_msg=str(look))
        assert (painted != plain).any(), look


@pytest.mark.parametrize("is_served", [False, True])
def test_a_hint_colors_its_object_and_less_the_rest(
    make_easel, tiny_colorizer, served, scene, object_area, is_served
):
    easel = make_easel(scene, served if is_served else tiny_colorizer)
    before = easel.paint(Look(), "preview").rgb.astype(int)
    after = easel.paint(Look(hints=RED), "preview").rgb.astype(int)
    row, column = RED[0].row, RED[0].column
    hue, saturation, _ = colorsys.rgb_to_hsv(*(after[row, column] / 255))
    assert saturation > 0.3
    assert min(hue, 1 - hue) < 0.12
    change = np.abs(after - before).sum(-1)
    assert change[object_area].mean() > 3 * change[:, 60:].mean()


def test_the_network_looks_once(make_easel, served, scene):
    easel = make_easel(scene)
    for look in (Look(), Look(version=1), Look(hints=RED), Look(saturation="vivid")):
        for size in ("preview", "thumbnail", "full"):
            easel.paint(look, size)
    easel.likely_colors(5, 7)
    easel.uncertainty(Look())
    assert served.num_calls == 1


def test_versions_are_the_same_each_time_and_differ(make_easel, scene):
    first, again = make_easel(scene), make_easel(scene)
    one = first.colored(Look(version=1), "preview")
    assert first.colored(Look(version=2), "preview") != one
    assert again.colored(Look(version=1), "preview") == one


def test_every_size_keeps_the_lightness(make_easel, photos):
    easel = make_easel((photos / "photo3.jpg").read_bytes())
    for size in ("preview", "full", "thumbnail"):
        painted = easel.paint(Look(version=1), size)
        np.testing.assert_allclose(
            painted.rgb.mean(-1), painted.photograph.pixels.mean(-1), atol=1 / 6 + 1e-4
        )


def test_a_thumbnail_looks_like_the_preview(make_easel, photos):
    easel = make_easel((photos / "photo3.jpg").read_bytes())
    thumbnail = easel.paint(Look(), "thumbnail").rgb
    preview = Image.fromarray(easel.paint(Look(), "preview").rgb)
    expected = preview.resize(thumbnail.shape[1::-1], Image.Resampling.BOX)
    assert np.abs(thumbnail - np.asarray(expected, float)).mean() < 8


def test_uncertainty_and_before_have_the_size_of_the_preview(make_easel, scene, pixels_of):
    import io

    easel = make_easel(scene)
    shapes = [
        np.asarray(Image.open(io.BytesIO(content))).shape
        for content in (easel.uncertainty(Look()), easel.before(), easel.colored(Look(), "preview"))
    ]
    assert shapes == [(60, 84, 3), (60, 84), (60, 84, 3)]


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (Look(hints=(PlacedHint(60, 0, "#ffffff"),)), "row 60, column 0 lies outside"),
        (Look(reference="energy"), "no reference photograph yet"),
    ],
)
def test_what_is_not_there_is_named(make_easel, scene, look, message):
    with pytest.raises(UserError, match=message):
        make_easel(scene).paint(look, "preview")


def test_likely_colors_are_those_of_the_pixel(make_easel, scene):
    easel = make_easel(scene)
    for row, column, lightness in ((30, 24, 150), (5, 80, 70)):
        colors = easel.likely_colors(row, column)
        means = [np.mean(list(bytes.fromhex(color.rgb[1:]))) for color in colors]
        assert means == pytest.approx([lightness] * len(colors), abs=1)
    with pytest.raises(UserError, match="row 0, column 84 lies outside of 84x60 pixels"):
        easel.likely_colors(0, 84)


def test_a_model_that_has_changed_is_noticed(make_easel, served, scene):
    served.histograms = lambda gray: {"a": tf.zeros([1, 4, 4, 8])}
    with pytest.raises(UserError, match="changed its model"):
        make_easel(scene)


def test_photographs_are_shrunk_but_not_enlarged(encode):
    wide = read_photograph(encode(np.zeros((10, PREVIEW_SIDE * 2, 4), np.uint8)))
    small = shrink_photograph(wide, PREVIEW_SIDE)
    assert small.pixels.shape == (5, PREVIEW_SIDE, 3)
    assert small.alpha_pixels.shape == (5, PREVIEW_SIDE)
    assert shrink_photograph(small, PREVIEW_SIDE) is small
    assert resize_photograph(wide, (0, 3)).pixels.shape == (1, 3, 3)


def test_wide_alpha_is_cut_to_the_bits_of_the_file():
    import io

    alpha = np.array([[0, 65535, 257 * 7]], np.uint16)
    content = encode_png(np.zeros((1, 3, 3), np.uint8), alpha)
    assert np.asarray(Image.open(io.BytesIO(content)))[0, :, 3].tolist() == [0, 255, 7]
