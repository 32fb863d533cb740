import re

import pytest

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UserError
from tfcolor.inference.variations import SampleOptions, vary_decoding
from tfcolor.web.look import Look, PlacedHint, parse_look


def test_an_empty_look_is_what_the_model_predicts():
    base = DecodingOptions(chroma="mode", seed=3)
    assert parse_look({}) == Look()
    assert Look().decoding(base) is base


@pytest.mark.parametrize("sampling", ["none", "pixelwise"])
def test_versions_are_those_that_colorize_writes(sampling):
    base = DecodingOptions(sampling=sampling, seed=5)
    drawn = vary_decoding(base, SampleOptions(num_samples=3))
    assert [Look(version=number).decoding(base) for number in (1, 2, 3)] == list(drawn)


def test_every_choice_arrives():
    hint = {"row": 3, "column": 5, "rgb": "#C81e28"}
    look = parse_look(
        {
            "hints": [hint],
            "saturation": "vivid",
            "lean_strength": 1.5,
            "lean_angle": 0.25,
            "reference": "energy",
        }
    )
    assert look.hints == (PlacedHint(3, 5, "#c81e28"),)
    assert look.reference == "energy"
    decoding = look.decoding(DecodingOptions())
    assert (decoding.chroma, decoding.bias_strength, decoding.bias_angle) == ("q75", 1.5, 0.25)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "a look is an object, not []"),
        ({"colour": 1}, "unknown choices ['colour']"),
        ({"version": -1}, "version -1: expected a number from 0 to 10000"),
        ({"version": 1.5}, "version 1.5: expected"),
        ({"version": True}, "version True: expected"),
        ({"lean_strength": float("nan")}, "lean_strength nan: expected a number from 0 to 10"),
        ({"lean_angle": "red"}, "lean_angle 'red': expected"),
        ({"saturation": "neon"}, "saturation 'neon': expected one of predicted, vivid"),
        ({"reference": ["energy"]}, "expected one of none, energy, quantile"),
        ({"hints": {}}, "expected a list of at most 200 color hints"),
        ({"hints": [None] * 201}, "expected a list of at most 200 color hints"),
        ({"hints": [{"row": 1, "column": 2}]}, 'expected {"row": 9, "column": 7'),
        ({"hints": [{"row": 1, "column": 2, "rgb": "red"}]}, 'expected {"row": 9, "column": 7'),
        ({"hints": [{"row": 1.0, "column": 2, "rgb": "#000000"}]}, "expected {"),
    ],
)
def test_other_values_are_refused_by_name(value, message):
    with pytest.raises(UserError, match=re.escape(message)):
        parse_look(value)
