"""charts/telemetry: a collector configuration that holds together, loses nothing, and agrees with what ingest reads.

There is no collector here to load it. What its components accept stands in `collector_options`.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from helm_python import HelmError

from steps.contract.config import load_config
from steps.ingest.path_dates import day_of

from .collector_options import OPTIONS, OTTL, wrong
from .one_chart import OneChart, refusals
from .rendered import ROOT, environment_files, read_values
from .versions import pins

CHART = ROOT / "charts" / "telemetry"
CLOUD = ("staging", "production")
NAMESPACE = "telemetry"
OURS = OneChart(CHART, "telemetry", NAMESPACE)
objects = OURS.objects


def collector(found):
    return yaml.safe_load(found["ConfigMap", "otel-collector"]["data"]["collector.yaml"])


def statements(config):
    return [
        statement
        for name, processor in config["processors"].items()
        if name.startswith("transform/")
        for group in processor["trace_statements"]
        for statement in [*group.get("conditions", []), *group["statements"]]
    ]


@pytest.fixture(params=CLOUD)
def environment(request):
    return request.param


@pytest.fixture
def found(environment):
    return objects(environment)


@pytest.fixture
def config(found):
    return collector(found)


# ---- form ---------------------------------------------------------------------------------


def test_every_object_is_one_that_the_api_server_takes(found):
    assert refusals(found) == []


def test_helm_lint_finds_nothing(environment):
    assert OURS.complaints(environment) == []


def test_kind_has_no_collector():
    assert objects("kind") == {}


# ---- the configuration ------------------------------------------------------------------------


def test_every_option_is_one_that_its_component_has(config):
    assert set(config) == {"extensions", "receivers", "processors", "connectors", "exporters", "service"}
    for section in ("extensions", "receivers", "processors", "connectors", "exporters"):
        for name, options in config[section].items():
            kind = name.partition("/")[0]
            assert (section, kind) in OPTIONS, f"{section}.{name}"
            assert list(wrong(options, OPTIONS[section, kind], f"{section}.{name}")) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("exporters", "awss3/raw", "s3uploader", "bucket"), "x"),
        (("exporters", "awss3/raw", "sending_queue", "queue_size"), "12GB"),
        (("exporters", "otlp_http/langfuse", "retry_on_failure", "max_elapsed_time"), 0),
        (("processors", "k8s_attributes", "extract", "labels", 0, "tag"), "x"),
    ],
    ids=["unknown", "text for a number", "number for a duration", "inside a list"],
)
def test_a_wrong_option_would_be_found(path, value):
    config = collector(objects("production"))
    *inner, last = path
    place = config
    for part in inner:
        place = place[part]
    place[last] = value
    section, name = path[:2]
    assert list(wrong(config[section][name], OPTIONS[section, name.partition("/")[0]]))


def test_pipelines_name_what_exists_and_all_that_exists(config):
    used = {"extensions": set(config["service"]["extensions"])}
    sources, sinks = set(), set()
    for pipeline in config["service"]["pipelines"].values():
        used["processors"] = used.get("processors", set()) | set(pipeline["processors"])
        sources |= set(pipeline["receivers"])
        sinks |= set(pipeline["exporters"])
    assert used["extensions"] == set(config["extensions"]) and used["processors"] == set(config["processors"])
    assert sources == set(config["receivers"]) | set(config["connectors"])
    assert sinks == set(config["exporters"]) | set(config["connectors"])


def test_every_exporter_has_a_queue_of_its_own_on_disk_and_tries_again(config):
    for name, exporter in config["exporters"].items():
        queue, retry = exporter["sending_queue"], exporter["retry_on_failure"]
        assert queue["enabled"] and queue["storage"] in config["service"]["extensions"], name
        assert queue["sizer"] == queue["batch"]["sizer"] == "bytes" and queue["batch"]["max_size"] <= queue["queue_size"]
        assert queue["batch"]["min_size"] <= queue["batch"]["max_size"]
        assert retry["enabled"], name
    for name in ("otlp_http/langfuse", "awss3/raw"):
        assert config["exporters"][name]["retry_on_failure"]["max_elapsed_time"] == "0s", "for ever"


def test_both_stores_get_every_span_and_only_quality_a_sample(config):
    pipelines = config["service"]["pipelines"]
    sampled = [name for name, pipeline in pipelines.items() if any(p.startswith("probabilistic_sampler") for p in pipeline["processors"])]
    assert sampled == ["traces/quality"] and pipelines["traces/quality"]["exporters"] == ["otlp_http/quality"]
    assert {"otlp_http/langfuse", "awss3/raw"} <= set(pipelines["traces/edge"]["exporters"])
    assert not any("batch" in name or "tail" in name for name in config["processors"]), "what is held in memory is lost with the process"


def test_the_limiter_comes_first_and_pods_are_known_before_the_edge_speaks(config):
    assert config["service"]["pipelines"]["traces/edge"]["processors"] == [
        "memory_limiter",
        "transform/distrust",
        "k8s_attributes",
        "transform/edge",
    ]


def test_nothing_prints_spans(config):
    assert not any(name.startswith(("debug", "logging", "file")) for name in config["exporters"])
    assert config["service"]["telemetry"]["logs"]["level"] in ("info", "warn", "error")
    assert all(processor["error_mode"] == "silent" for name, processor in config["processors"].items() if name.startswith("transform/"))


def test_the_queues_fit_the_volume(found, config):
    claim = found["StatefulSet", "otel-collector"]["spec"]["volumeClaimTemplates"][0]
    room = int(re.fullmatch(r"(\d+)Gi", claim["spec"]["resources"]["requests"]["storage"])[1]) * 2**30
    queues = [exporter["sending_queue"]["queue_size"] for exporter in config["exporters"].values()]
    assert sum(queues) + max(queues) <= room, "compaction writes the largest file a second time"
    mounts = {
        mount["name"]: mount["mountPath"]
        for mount in found["StatefulSet", "otel-collector"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    assert config["extensions"]["file_storage/queue"]["directory"].startswith(f"{mounts[claim['metadata']['name']]}/")


# ---- statements ---------------------------------------------------------------------------


def test_statements_use_functions_that_exist_and_no_dollar(config):
    said = statements(config)
    assert said
    for statement in said:
        assert set(re.findall(r"\b([A-Za-z_]+)\(", re.sub(r'"[^"]*"', "", statement))) <= OTTL, statement
        assert "$" not in statement, "the collector would read a variable"
        assert statement.count("(") == statement.count(")")


def test_every_name_under_which_the_pipeline_looks_for_consent_counts_as_a_claim(config):
    """A root that names consent anywhere is left as it is; the patterns must see every place."""
    from steps.chat import claims

    patterns = {
        match[1] for statement in statements(config) for match in re.finditer(r'keep_matching_keys\(span\.cache, "([^"]+)"\)', statement)
    }
    kept = patterns.pop()
    assert not patterns
    asked = [match[1] for statement in statements(config) for match in re.finditer(r'IsMatch\(span\.cache, "([^"]+)"\)', statement)]
    names = [name for name, claim in claims._NAMES.items() if claim == claims.CONSENT]
    for key in (prefix + name for name in names for prefix in ("", *claims.PREFIXES)):
        assert re.search(kept, key) and re.search(asked[0], json.dumps({key: "train"})), key
    for key in (*claims._BLOBS, *claims._TAGS):
        assert re.search(kept, key), key
    for name in ("gen_ai.input.messages", "gen_ai.output.messages", "input.value"):
        assert not re.search(kept, name), "a conversation about consent is no claim"


def test_what_the_edge_says_is_what_the_pipeline_understands(environment, config):
    from steps.chat import claims
    from steps.chat.assemble import _VERSION_KEYS
    from steps.chat.span import Span

    said = " ".join(statements(config))
    assert 'set(span.attributes["ctp.consent"], "none")' in said
    span = Span("a" * 32, "b" * 16, "", "x", 0, 0, {"ctp.consent": "none"}, [], {"ctp.region": "us-east-1"}, False, "", 0)
    assert claims.claims_of([span]).consent == "none"
    region = read_values(environment_files(environment))["telemetry"]["region"]
    assert claims.claims_of([span]).region == region == re.search(r'"ctp.region"\], "([^"]+)"', said)[1]
    assert region in load_config(ROOT / "charts" / "environments" / environment / "values.yaml").govern.allowed_regions
    assert 'set(span.attributes["ctp.model_version"]' in said and "ctp.model_version" in _VERSION_KEYS


def test_pod_labels_are_those_of_the_model_servers_and_attributes_those_of_the_exporter(config):
    from steps.serve.quality.live_traces import HASH_KEYS

    labels = {item["key"]: item["tag_name"] for item in config["processors"]["k8s_attributes"]["extract"]["labels"]}
    assert set(labels) == {"ctp.model-version", "rollouts-pod-template-hash"}
    said = " ".join(statements(config))
    assert 'set(resource.attributes["ctp.pod_template_hash"]' in said and "ctp.pod_template_hash" in HASH_KEYS
    assert all(tag in said and tag.startswith("ctp.edge.") for tag in labels.values())
    assert 'delete_matching_keys(resource.attributes, "^ctp[.]edge[.]")' in said


# ---- agreement with ingest -------------------------------------------------------------------


def test_objects_are_written_where_and_as_ingest_reads_them(environment, config):
    from datetime import UTC, date, datetime

    uploader = config["exporters"]["awss3/raw"]["s3uploader"]
    folder = f"s3://{uploader['s3_bucket']}/{uploader['s3_prefix']}"
    assert folder in load_config(ROOT / "charts" / "environments" / environment / "values.yaml").ingest.sources
    assert config["exporters"]["awss3/raw"]["marshaler"] == "otlp_json" and uploader["s3_partition_timezone"] == "UTC"
    place = datetime(2026, 3, 9, 23, 59, tzinfo=UTC).strftime(uploader["s3_partition_format"])
    name = f"{folder}/{place}/traces_0195c2f0-1111-7000-8000-000000000000.json.gz"
    assert day_of(name) == date(2026, 3, 9)
    assert uploader["compression"] == "gzip"


def test_another_bucket_is_one_edit(environment):
    found = objects(environment, {"derived": {"pipeline": {"ingest": {"sources": ["s3://elsewhere/deep/otlp"]}}}})
    uploader = collector(found)["exporters"]["awss3/raw"]["s3uploader"]
    assert (uploader["s3_bucket"], uploader["s3_prefix"]) == ("elsewhere", "deep/otlp")
    with pytest.raises(HelmError, match="nobody reads"):
        objects(environment, {"derived": {"pipeline": {"ingest": {"sources": ["s3://elsewhere/langfuse"]}}}})


# ---- objects ------------------------------------------------------------------------------


def test_ports_lead_from_service_to_receiver(found, config):
    container = found["StatefulSet", "otel-collector"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name in ("otel-collector", "otel-collector-replicas"):
        service = found["Service", name]["spec"]
        assert {port["targetPort"] for port in service["ports"]} <= set(ports)
    assert found["StatefulSet", "otel-collector"]["spec"]["serviceName"] == "otel-collector-replicas"
    protocols = config["receivers"]["otlp"]["protocols"]
    assert {protocols["grpc"]["endpoint"], protocols["http"]["endpoint"]} == {
        f"0.0.0.0:{ports['otlp-grpc']}",
        f"0.0.0.0:{ports['otlp-http']}",
    }
    assert config["extensions"]["health_check"]["endpoint"] == f"0.0.0.0:{ports['health']}"
    assert container["image"] == f"otel/opentelemetry-collector-contrib:{pins()['OTEL_COLLECTOR_VERSION']}"


def test_it_may_read_pods_of_the_model_servers_and_nothing_else(found, config):
    role = found["Role", "otel-collector"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert role["metadata"]["namespace"] == config["processors"]["k8s_attributes"]["filter"]["namespace"]
    assert not [kind for kind, _ in found if kind.startswith("Cluster")]


def test_a_replica_and_its_queue_are_not_parted(found):
    stateful = found["StatefulSet", "otel-collector"]["spec"]
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert "replicas" not in stateful, "the autoscaler's"
    scaler = found["HorizontalPodAutoscaler", "otel-collector"]["spec"]
    assert scaler["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    assert scaler["scaleTargetRef"]["kind"] == "StatefulSet"


def test_keys_come_from_the_secret_that_is_made_here(found):
    secret = found["ExternalSecret", "langfuse-otlp"]["spec"]
    container = found["StatefulSet", "otel-collector"]["spec"]["template"]["spec"]["containers"][0]
    reference = next(item["valueFrom"]["secretKeyRef"] for item in container["env"] if item["name"] == "LANGFUSE_AUTHORIZATION")
    assert reference["name"] == secret["target"]["name"] and reference["key"] in secret["target"]["template"]["data"]
    assert "${env:LANGFUSE_AUTHORIZATION}" in found["ConfigMap", "otel-collector"]["data"]["collector.yaml"]
    known = {item["secretKey"] for item in secret["data"]}
    assert set(re.findall(r"\.(\w+Key)", secret["target"]["template"]["data"]["authorization"])) == known


def test_the_pod_is_restricted(found):
    pod = found["StatefulSet", "otel-collector"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_sample_goes_to_the_port_where_the_exporter_listens(config):
    exporter = yaml.safe_load((ROOT / "rollouts" / "values.yaml").read_text(encoding="utf-8"))["serving"]
    assert (
        config["exporters"]["otlp_http/quality"]["endpoint"]
        == f"http://ctp-quality.{exporter['namespace']}:{exporter['quality']['otlpPort']}"
    )


def test_every_endpoint_of_the_configuration_is_behind_an_open_door(found, config):
    from urllib.parse import urlsplit

    opened = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in found["NetworkPolicy", "otel-collector"]["spec"]["egress"]
        for peer in rule["to"]
        if "namespaceSelector" in peer
        for port in rule["ports"]
    }
    for name, exporter in config["exporters"].items():
        if "endpoint" in exporter:
            parts = urlsplit(exporter["endpoint"])
            assert (parts.hostname.split(".")[1], parts.port) in opened, name


def test_another_configuration_restarts_the_replicas():
    notes = [
        objects("production", {"telemetry": {"quality": {"percent": percent}}})["StatefulSet", "otel-collector"]["spec"]["template"][
            "metadata"
        ]["annotations"]
        for percent in (10, 20)
    ]
    assert notes[0]["checksum/config"] != notes[1]["checksum/config"]


@pytest.mark.parametrize(
    "broken",
    [
        {"region": ""},
        {"region": "us-east-1a"},
        {"image": "otel/opentelemetry-collector-contrib:latest"},
        {"quality": {"percent": 0}},
        {"langfuse": {"remoteKey": ""}},
        {"queue": {"bytes": "12Gi"}},
        {"exporters": {}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        objects("production", {"telemetry": broken})
