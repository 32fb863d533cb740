import os

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.server.batching import (
    BatchingParameters,
    batch_key,
    count_rows,
    join_inputs,
    read_batching_parameters,
    split_outputs,
)
from tfcolor.server.servable import ServedSignature, TensorDescription
from tfcolor.server.status import RequestError

ROWS = TensorDescription(tf.float32, (None, None))
SIGNATURE = ServedSignature("s", "", {"x": ROWS}, {"y": ROWS}, dict)


def test_defaults_are_those_of_the_model_server():
    parameters = read_batching_parameters("")
    assert parameters == BatchingParameters(1000, 0, 10, os.cpu_count(), (), False)


def test_a_file_gives_the_parameters(tmp_path):
    path = tmp_path / "batching"
    path.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 }\n"
        "max_enqueued_batches { value: 3 } num_batch_threads { value: 2 }\n"
        'thread_pool_name { value: "p" } allowed_batch_sizes: 4 allowed_batch_sizes: 8\n'
        "pad_variable_length_inputs: true\n"
    )
    assert read_batching_parameters(str(path)) == BatchingParameters(8, 500, 3, 2, (4, 8), True)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size=0"),
        ("num_batch_threads { value: 0 }", "num_batch_threads=0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros=-1"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", r"\[4\].*max_batch_size=8"),
        ("max_batch_size { value: 4 } allowed_batch_sizes: [8, 4]", r"increasing"),
    ],
)
def test_parameters_that_cannot_work_are_named(tmp_path, text, word):
    (tmp_path / "batching").write_text(text)
    with pytest.raises(UserError, match=f"batching: .*{word}"):
        read_batching_parameters(str(tmp_path / "batching"))


@pytest.mark.parametrize(("rows", "size"), [(1, 2), (2, 2), (3, 8), (8, 8)])
def test_batches_are_filled_up_to_an_allowed_size(rows, size):
    assert BatchingParameters(8, allowed_batch_sizes=(2, 8)).padded_size(rows) == size
    assert BatchingParameters(8).padded_size(rows) == rows


def test_joining_and_splitting_give_back_every_row():
    generator = np.random.default_rng(0)
    requests = [
        {"x": generator.random((rows, 3)), "s": np.full((rows,), rows, object)}
        for rows in (2, 1, 3)
    ]
    joined = join_inputs(requests, padded_rows=8)
    assert joined["x"].shape == (8, 3)
    np.testing.assert_array_equal(joined["x"][6:], requests[0]["x"][[0, 0]])
    parts = split_outputs(joined, [2, 1, 3])
    for part, request in zip(parts, requests, strict=True):
        for name, array in request.items():
            np.testing.assert_array_equal(part[name], array)


def test_variable_inputs_are_padded_with_their_first_element():
    requests = [{"x": np.float32([[[1, 2]]])}, {"x": np.float32([[[3], [4]], [[5], [6]]])}]
    joined = join_inputs(requests, padded_rows=3)["x"]
    assert joined.tolist() == [[[1, 2], [1, 1]], [[3, 3], [4, 3]], [[5, 3], [6, 3]]]
    with pytest.raises(RequestError, match="cannot be padded"):
        join_inputs([{"x": np.zeros((1, 0))}, {"x": np.zeros((1, 2))}], 2)


def test_keys_tell_what_fits_together():
    wide, narrow = {"x": np.zeros((1, 3))}, {"x": np.zeros((2, 2))}
    plain, padding = BatchingParameters(), BatchingParameters(pad_variable_length_inputs=True)
    assert batch_key(SIGNATURE, wide, plain) == batch_key(SIGNATURE, {"x": np.ones((9, 3))}, plain)
    assert batch_key(SIGNATURE, wide, plain) != batch_key(SIGNATURE, narrow, plain)
    assert batch_key(SIGNATURE, wide, padding) == batch_key(SIGNATURE, narrow, padding)


def test_inputs_must_have_equal_numbers_of_rows():
    assert count_rows({"a": np.zeros((3, 1)), "b": np.zeros(3)}) == 3
    with pytest.raises(RequestError, match="equal 0th-dimension size"):
        count_rows({"a": np.zeros((3, 1)), "b": np.zeros(2)})


def test_outputs_without_a_row_for_each_request_are_an_error():
    with pytest.raises(ValueError, match="'y' has shape"):
        split_outputs({"y": np.zeros(2)}, [2, 1])
