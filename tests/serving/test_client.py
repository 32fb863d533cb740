import itertools
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.model_servicer import (
    DESCRIPTION,
    Model,
    RefusalError,
    load_model,
    sepia_bytes,
    serve_grpc,
    serve_rest,
)
from tfcolor_client.client import Client
from tfcolor_client.errors import ServingError
from tfcolor_client.signatures import colorizer_signatures
from tfcolor_client.tensors import to_array


@pytest.fixture(scope="module")
def images(photos) -> list[bytes]:
    """Photographs of three sizes."""
    return [path.read_bytes() for path in sorted(photos.iterdir())[:3]]


@pytest.fixture
def client(address):
    with Client(address) as client:
        yield client


def test_answers_are_those_of_the_export_over_grpc_and_rest(colorizer_export, images):
    # One test, as a graph's first run after a reseeding takes seconds.
    model = load_model(colorizer_export)
    gray = np.random.default_rng(0).uniform(0, 1, (2, 9, 13, 1)).astype(np.float32)
    rgb = np.repeat(gray, 3, axis=-1)
    asked = {
        "serving_default": {"image_bytes": to_array([*images[:2], b"no image"])},
        "sample": {
            "image_bytes": to_array(images[:2]),
            "seed": np.array([5, 6], np.int32),
            "temperature": np.array([1, 0], np.float32),
        },
        "colorize": {"gray": gray},
        "histograms": {"gray": gray},
        "features": {"rgb": rgb},
        "describe": {"name": to_array(["a", "b"])},
    }
    with serve_grpc(model) as grpc_port, serve_rest(model) as rest_port:
        addresses = (f"grpc://127.0.0.1:{grpc_port}", f"http://127.0.0.1:{rest_port}/v1/models")
        clients = [Client(f"{address}/tfcolor") for address in addresses]
        assert set(asked) == set(clients[0].metadata().signatures)
        for (signature, inputs), client in itertools.product(asked.items(), clients):
            expected, actual = model.run(signature, inputs), client.predict(signature, inputs)
            assert set(actual) == set(expected)
            for name, value in expected.items():
                assert actual[name].dtype == value.dtype
                np.testing.assert_array_equal(actual[name], value)
        described = json.loads((colorizer_export / "1/assets/metadata.json").read_text())
        assert [client.describe() for client in clients] == [described] * 2
        assert clients[0].colorize_bytes([b"no image"]) == [b""]
        for client in clients:
            client.close()


def test_images_are_colored_and_a_broken_one_takes_no_neighbor_with_it(client, images):
    answers = client.colorize_bytes([*images, b"no image"])
    assert answers == [*map(sepia_bytes, images), b""]
    assert client.colorize_bytes([]) == []


def test_colors_are_drawn_by_seed(client, images):
    first, again, other = client.sample(images[:1] * 3, [5, 5, 6], [1.0] * 3)
    assert first == again == sepia_bytes(images[0], 5)
    assert other == sepia_bytes(images[0], 6)


def test_the_export_describes_itself(client):
    assert client.describe() == DESCRIPTION


def test_metadata_gives_the_declared_signatures(client):
    metadata = client.metadata()
    assert metadata.version == 3
    assert metadata.signatures == colorizer_signatures(("hue", "chroma"), ("conv1",))


def test_status_gives_every_version(client):
    good, failed = client.status()
    assert (good.version, good.state, good.code) == (3, "AVAILABLE", "OK")
    assert (failed.version, failed.state, failed.code) == (2, "END", "NOT_FOUND")
    assert failed.message == "its files are gone"


@pytest.mark.parametrize(
    ("suffix", "is_found"),
    [
        ("/versions/3", True),
        ("/labels/stable", True),
        ("/versions/2", False),
        ("/labels/canary", False),
    ],
)
def test_version_and_label_are_asked_for(address, images, suffix, is_found):
    with Client(address + suffix) as client:
        if is_found:
            assert client.colorize_bytes(images[:1])[0].startswith(b"\x89PNG")
            return
        with pytest.raises(ServingError, match="expected the name, version or label") as caught:
            client.colorize_bytes(images[:1])
        assert caught.value.code == "NOT_FOUND"


def test_unknown_signature_is_refused(client):
    with pytest.raises(ServingError, match="paint") as caught:
        client.predict("paint", {"gray": [[1.0]]})
    assert caught.value.code == "INVALID_ARGUMENT"


def test_threads_share_a_client(client, images):
    expected = client.colorize_bytes(images)
    answers = {}

    def ask(index: int) -> None:
        answers[index] = client.colorize_bytes(images[index : index + 1])

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[index][0] for index in range(3)] == expected


@pytest.mark.parametrize(("serve", "scheme"), [(serve_grpc, "grpc"), (serve_rest, "http")])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"metadata": np.array([b"{"], object)}, "no JSON"),
        ({"metadata": np.array([b"[]"], object)}, "no object"),
        ({"image_bytes": np.array([b"a", b"b"], object)}, "gave 2 images for 1"),
    ],
)
def test_other_models_are_told_apart(serve, scheme, answer, words):
    (name,) = answer
    signature = "describe" if name == "metadata" else "serving_default"
    model = Model({signature: lambda inputs: answer})
    declared = model.signature_def.signature_def[signature]
    given = "name" if name == "metadata" else "image_bytes"
    declared.inputs[given].dtype = declared.outputs[name].dtype = tf.string.as_datatype_enum
    with serve(model) as port:
        client = Client(f"{scheme}://127.0.0.1:{port}/tfcolor")
        with pytest.raises(ServingError, match=words):
            client.describe() if name == "metadata" else client.colorize_bytes([b"a"])
        client.close()


@pytest.mark.parametrize(("serve", "scheme"), [(serve_grpc, "grpc"), (serve_rest, "http")])
def test_only_an_unavailable_server_is_asked_again(serve, scheme):
    model = Model({})
    with serve(model) as port, Client(f"{scheme}://127.0.0.1:{port}/tfcolor") as client:
        model.refusals[:] = [RefusalError("UNAVAILABLE", "starting")] * 2
        assert client.status()[0].version == 3
        for code in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"):
            model.refusals[:] = [RefusalError(code, "not now")] * 2
            with pytest.raises(ServingError, match="not now") as caught:
                client.status()
            assert caught.value.code == code
            assert len(model.refusals) == 1


def test_samples_need_one_seed_each():
    client = Client("grpc://localhost/tfcolor")
    with pytest.raises(ServingError, match="2 images, 1 seeds, 2 temperatures"):
        client.sample([b"a", b"b"], [1], [1.0, 1.0])
    client.close()


def test_client_needs_neither_tensorflow_nor_tfcolor():
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['tfcolor'] = None\n"
        "import tfcolor_client.__main__, tfcolor_client.client\n"
        "print(sorted(name for name in sys.modules if name.startswith('tensorflow_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
