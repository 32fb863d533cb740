import dataclasses

from tfcolor.server import options

OFFICIAL = {
    "port rest_api_port rest_api_timeout_in_ms rest_api_num_threads grpc_max_threads",
    "ssl_config_file model_name model_base_path model_config_file",
    "model_config_file_poll_wait_seconds file_system_poll_wait_seconds",
    "allow_version_labels_for_unavailable_models enable_model_warmup",
    "enable_batching batching_parameters_file monitoring_config_file",
}
OURS = {
    "host token_file max_message_bytes max_pixels max_concurrent_requests",
    "request_timeout_secs drain_secs access_log",
}


def test_names_are_those_of_the_model_server_and_a_few_of_ours():
    classes = [
        value
        for value in vars(options).values()
        if dataclasses.is_dataclass(value) and value.__module__ == options.__name__
    ]
    names = [field.name for one in classes for field in dataclasses.fields(one)]
    assert sorted(names) == sorted(" ".join(OFFICIAL | OURS).split())


def test_only_this_machine_is_served_by_default():
    assert options.AddressOptions().host == "127.0.0.1"
