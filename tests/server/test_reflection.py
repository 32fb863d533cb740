import pytest

from tfcolor.server.reflection import MODEL_SERVICE, PREDICTION_SERVICE, build_service_pool


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        (
            PREDICTION_SERVICE,
            {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"},
        ),
        (MODEL_SERVICE, {"GetModelStatus", "HandleReloadConfigRequest"}),
        ("grpc.health.v1.Health", {"Check", "Watch"}),
    ],
)
def test_every_service_is_described_with_its_methods(name, methods):
    assert set(build_service_pool().FindServiceByName(name).methods_by_name) == methods


def test_messages_are_found_through_the_service():
    service = build_service_pool().FindServiceByName(PREDICTION_SERVICE)
    assert service.file.name == "tensorflow_serving/apis/prediction_service.proto"
    request = service.methods_by_name["Predict"].input_type
    assert request.full_name == "tensorflow.serving.PredictRequest"
    tensor = request.fields_by_name["inputs"].message_type.fields_by_name["value"].message_type
    assert tensor.full_name == "tensorflow.TensorProto"
