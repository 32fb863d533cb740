import io

import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tfcolor.inference.painting import SizeOptions
from tfcolor.savedmodel.warm_up import warm_up_sizes


@pytest.fixture(scope="module")
def requests(colorizer_export):
    path = colorizer_export / "1/assets.extra/tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    return [log.predict_log.request for log in logs]


def test_sizes_are_those_that_the_network_will_see():
    assert warm_up_sizes(SizeOptions(min_side=100, max_side=200)) == (
        (100, 100),
        (150, 200),
        (200, 150),
    )
    assert warm_up_sizes(SizeOptions(min_side=300, max_side=200))[0] == (200, 200)


def test_one_encoded_photograph_per_size(requests):
    encoded = [
        request.inputs["image_bytes"].string_val[0]
        for request in requests
        if request.model_spec.signature_name == "serving_default"
    ]
    sizes = [Image.open(io.BytesIO(content)).size[::-1] for content in encoded]
    assert tuple(sizes) == warm_up_sizes(SizeOptions(24, 48))


def test_every_request_is_answered(requests, loaded):
    names = [request.model_spec.signature_name for request in requests]
    assert set(names) == {"serving_default", "sample", "colorize"}
    for request in requests:
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        signature = loaded.signatures[request.model_spec.signature_name]
        outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        assert all(output.shape[0] == 1 for output in outputs.values())
        assert outputs.get("image_bytes", [b"x"])[0] != b""
