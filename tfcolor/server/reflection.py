"""The services' descriptors, for gRPC reflection."""

from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

PACKAGE = "tensorflow.serving"
PREDICTION_SERVICE = f"{PACKAGE}.PredictionService"
MODEL_SERVICE = f"{PACKAGE}.ModelService"

# The two official modules that declare these services cannot be imported beside
# protobuf 4.25 (they write `has_options` of a descriptor), only those of their messages.
METHODS = {
    "PredictionService": {
        "Classify": ("ClassificationRequest", "ClassificationResponse"),
        "Regress": ("RegressionRequest", "RegressionResponse"),
        "Predict": ("PredictRequest", "PredictResponse"),
        "MultiInference": ("MultiInferenceRequest", "MultiInferenceResponse"),
        "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse"),
    },
    "ModelService": {
        "GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse"),
        "HandleReloadConfigRequest": ("ReloadConfigRequest", "ReloadConfigResponse"),
    },
}
FILES = {
    "PredictionService": (
        "tensorflow_serving/apis/prediction_service.proto",
        (classification_pb2, get_model_metadata_pb2, inference_pb2, predict_pb2, regression_pb2),
    ),
    "ModelService": (
        "tensorflow_serving/apis/model_service.proto",
        (get_model_status_pb2, model_management_pb2),
    ),
}


def build_service_pool() -> DescriptorPool:
    """Returns a pool with every service of the server and all that it refers to."""
    pool, added = DescriptorPool(), set[str]()
    for module in (health_pb2, reflection_pb2):
        _add_with_dependencies(pool, module.DESCRIPTOR, added)
    for service, (path, modules) in FILES.items():
        for module in modules:
            _add_with_dependencies(pool, module.DESCRIPTOR, added)
        dependencies = [module.DESCRIPTOR.name for module in modules]
        file = descriptor_pb2.FileDescriptorProto(
            name=path, package=PACKAGE, syntax="proto3", dependency=dependencies
        )
        declared = file.service.add(name=service)
        for method, (request, response) in METHODS[service].items():
            declared.method.add(
                name=method,
                input_type=f".{PACKAGE}.{request}",
                output_type=f".{PACKAGE}.{response}",
            )
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_with_dependencies(pool: DescriptorPool, file: Any, added: set[str]) -> None:
    """Adds a loaded file to a pool, after all that it imports."""
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add_with_dependencies(pool, dependency, added)
    pool.AddSerializedFile(file.serialized_pb)
