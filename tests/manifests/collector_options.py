"""What the collector's components accept, as far as this project may use it; there is no collector here to ask."""

from __future__ import annotations

import re

QUEUE = {
    "enabled": bool,
    "storage": str,
    "sizer": str,
    "queue_size": int,
    "num_consumers": int,
    "block_on_overflow": bool,
    "batch": {"flush_timeout": "duration", "min_size": int, "max_size": int, "sizer": str},
}
RETRY = {
    "enabled": bool,
    "initial_interval": "duration",
    "max_interval": "duration",
    "max_elapsed_time": "duration",
    "multiplier": float,
    "randomization_factor": float,
}
STATEMENTS = [{"context": str, "conditions": [str], "statements": [str], "error_mode": str}]
LABEL = [{"tag_name": str, "key": str, "from": str}]
# What each component type accepts, as far as this project may use it.
# Source: config.schema.yaml and README of the components in opentelemetry-collector and -contrib v0.158.0.
OPTIONS = {
    ("extensions", "health_check"): {"endpoint": str, "path": str},
    ("extensions", "file_storage"): {
        "directory": str,
        "create_directory": bool,
        "fsync": bool,
        "timeout": "duration",
        "compaction": {"directory": str, "on_start": bool, "on_rebound": bool, "cleanup_on_start": bool},
    },
    ("receivers", "otlp"): {
        "protocols": {"grpc": {"endpoint": str, "max_recv_msg_size_mib": int}, "http": {"endpoint": str, "max_request_body_size": int}}
    },
    ("processors", "memory_limiter"): {"check_interval": "duration", "limit_percentage": int, "spike_limit_percentage": int},
    ("processors", "k8s_attributes"): {
        "auth_type": str,
        "wait_for_metadata": bool,
        "wait_for_metadata_timeout": "duration",
        "filter": {"namespace": str},
        "extract": {"metadata": [str], "labels": LABEL},
        "pod_association": [{"sources": [{"from": str, "name": str}]}],
    },
    ("processors", "transform"): {"error_mode": str, "trace_statements": STATEMENTS},
    ("processors", "probabilistic_sampler"): {"mode": str, "hash_seed": int, "sampling_percentage": float},
    ("connectors", "forward"): {},
    ("exporters", "otlp_http"): {
        "endpoint": str,
        "compression": str,
        "timeout": "duration",
        "headers": {"authorization": str},
        "sending_queue": QUEUE,
        "retry_on_failure": RETRY,
    },
    ("exporters", "awss3"): {
        "marshaler": str,
        "timeout": "duration",
        "s3uploader": {
            "region": str,
            "s3_bucket": str,
            "s3_prefix": str,
            "s3_partition_format": str,
            "s3_partition_timezone": str,
            "unique_key_func_name": str,
            "compression": str,
            "file_prefix": str,
        },
        "sending_queue": QUEUE,
        "retry_on_failure": RETRY,
    },
}
# Editors and converters of OTTL that the statements may use. Source: pkg/ottl/ottlfuncs of the same version.
OTTL = {"set", "delete_matching_keys", "keep_matching_keys", "merge_maps", "IsMatch", "IsRootSpan"}


def wrong(value, options, path=""):
    """Unknown options and values of another type."""
    if isinstance(options, dict):
        if not isinstance(value, dict):
            yield f"{path}: no mapping"
            return
        for key, found in value.items():
            if key in options:
                yield from wrong(found, options[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: unknown"
    elif isinstance(options, list):
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for number, found in enumerate(value):
            yield from wrong(found, options[0], f"{path}[{number}]")
    elif options == "duration":
        if not (isinstance(value, str) and re.fullmatch(r"([0-9]+(ms|s|m|h))+", value)):
            yield f"{path}: {value!r} is no duration"
    elif options is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{path}: {value!r} is no number"
    elif type(value) is not options:
        yield f"{path}: {value!r} is no {options.__name__}"
