"""What the server takes from the command line, under TensorFlow Serving's names."""

import dataclasses

from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class AddressOptions:
    """Where the server listens, and who may connect."""

    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 for every network")
    port: int = option(8500, "port of gRPC; 0 takes a free one", minimum=0, maximum=65535)
    rest_api_port: int = option(
        8501, "port of REST and of the metrics; 0 for none", minimum=0, maximum=65535
    )
    rest_api_timeout_in_ms: int = option(30000, "time a REST request may take", minimum=1)
    rest_api_num_threads: int = option(
        0, "threads for REST; 0 for one for each request at a time", minimum=0
    )
    grpc_max_threads: int = option(
        0, "threads for gRPC; 0 for one for each request at a time", minimum=0
    )
    ssl_config_file: str = option(
        "", "SSLConfig in text format: certificate and key, for gRPC and REST; empty for no TLS"
    )
    token_file: str = option(
        "", "file with a token that requests carry as 'authorization: Bearer TOKEN'; empty for none"
    )


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which models are served."""

    model_name: str = option("default", "name of the model, if there is no --model_config_file")
    model_base_path: str = option("", "the folder with one SavedModel for each version")
    model_config_file: str = option(
        "", "ModelServerConfig in text format: several models, version policies, labels"
    )
    model_config_file_poll_wait_seconds: int = option(
        0, "how often that file is read again; 0 for never", minimum=0
    )
    file_system_poll_wait_seconds: float = option(
        1.0, "how often new and removed versions are looked for; 0 for once", minimum=0
    )
    allow_version_labels_for_unavailable_models: bool = option(
        False, "whether a new label may stand for a version that is not loaded yet"
    )
    enable_model_warmup: bool = option(
        True, "whether a version answers the requests of its assets.extra first"
    )


@dataclasses.dataclass(frozen=True)
class BatchingOptions:
    """Whether requests are computed together."""

    enable_batching: bool = option(False, "joins requests of one signature into batches")
    batching_parameters_file: str = option("", "BatchingParameters in text format")


@dataclasses.dataclass(frozen=True)
class LimitOptions:
    """What one request, and all of them together, may take."""

    max_message_bytes: int = option(
        64 * 2**20, "bytes of a request, and of each tensor in it", minimum=1
    )
    max_pixels: int = option(
        64 * 2**20, "pixels of an encoded image, read from its header", minimum=1
    )
    max_concurrent_requests: int = option(64, "requests waiting or computed at a time", minimum=1)
    request_timeout_secs: float = option(
        120.0, "time a gRPC request may take whatever its own deadline; 0 for any", minimum=0
    )
    drain_secs: float = option(
        30.0, "time that running requests get to finish when the server stops", minimum=0
    )


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What the server tells about its work."""

    monitoring_config_file: str = option(
        "", "MonitoringConfig in text format: whether and at which path metrics are shown"
    )
    access_log: str = option(
        "", "file to which each request adds a line of JSON; - for standard output"
    )
