import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tfcolor_client.signatures import colorizer_signatures

SIGNATURES = colorizer_signatures(("hue", "chroma"), ("conv1_1", "fc7"))
ROOT = Path(__file__).resolve().parents[2]


def test_public_names():
    names = {
        name: (list(signature.inputs), list(signature.outputs))
        for name, signature in SIGNATURES.items()
    }
    assert names == {
        "serving_default": (["image_bytes"], ["image_bytes"]),
        "sample": (["image_bytes", "seed", "temperature"], ["image_bytes"]),
        "colorize": (["gray"], ["rgb", "uncertainty"]),
        "histograms": (["gray"], ["hue", "chroma"]),
        "features": (["rgb"], ["conv1_1", "fc7"]),
        "describe": (["name"], ["metadata"]),
    }


def test_names_do_not_depend_on_the_network():
    assert list(colorizer_signatures(["ab"], ["x"])) == list(SIGNATURES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_tensor_has_a_batch_axis_and_a_type_of_tensorflow(name):
    signature = SIGNATURES[name]
    for declared in (*signature.inputs.values(), *signature.outputs.values()):
        # A scalar could not be batched by the server.
        assert declared.shape[0] is None
        assert tf.as_dtype(declared.dtype).name == declared.dtype


@pytest.mark.parametrize("name", SIGNATURES)
def test_encoded_images_are_named_so_that_rest_makes_them_base64(name):
    outputs = SIGNATURES[name].outputs
    images = {key for key, tensor in outputs.items() if tensor.dtype == "string"} - {"metadata"}
    assert all(key.endswith("_bytes") for key in images)


def test_clients_need_neither_tensorflow_nor_numpy():
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['numpy'] = None\n"
        "from tfcolor_client.signatures import colorizer_signatures\n"
        "print(colorizer_signatures(['ab'], ['x'])['colorize'].inputs['gray'].shape)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(None, None, None, 1)", "")
