import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tfcolor_client.signatures import colorizer_signatures

SIGNATURES = colorizer_signatures(("hue", "chroma"))
ROOT = Path(__file__).resolve().parents[2]


def test_public_names():
    names = {
        name: (set(signature.inputs), set(signature.outputs))
        for name, signature in SIGNATURES.items()
    }
    assert names == {
        "serving_default": ({"image_bytes"}, {"image_bytes"}),
        "colorize": ({"gray"}, {"rgb", "uncertainty"}),
        "histograms": ({"gray"}, {"hue", "chroma"}),
    }


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_tensor_has_a_batch_axis_and_a_type_of_tensorflow(name):
    signature = SIGNATURES[name]
    for declared in (*signature.inputs.values(), *signature.outputs.values()):
        assert declared.shape[0] is None
        assert tf.as_dtype(declared.dtype).name == declared.dtype


def test_clients_need_neither_tensorflow_nor_numpy():
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['numpy'] = None\n"
        "from tfcolor_client.signatures import colorizer_signatures\n"
        "print(colorizer_signatures(['ab'])['colorize'].inputs['gray'].shape)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(None, None, None, 1)", "")
