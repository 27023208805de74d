"""Network policies: every flow that is needed comes through, and what must not does not."""

from __future__ import annotations

from functools import cache

import pytest

from .flows import End, allowed, policies
from .inventory import Inventory, inventory
from .rendered import ENVIRONMENTS, objects

CLOUD = ("staging", "production")
# Addresses outside: the object store, EKS Pod Identity on the node, NodeLocal DNSCache, the API server, a database, anybody.
STORE, IDENTITY, DNS_CACHE = End(address="52.216.1.1"), End(address="169.254.170.23"), End(address="169.254.20.10")
API_SERVER, DATABASE, METADATA = End(address="10.100.0.1"), End(address="10.0.3.7"), End(address="169.254.169.254")
# Pods of third-party charts.
PROMETHEUS = End("monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS = End("kube-system", {"k8s-app": "kube-dns"})
GATEWAY = End("kgateway-system", {"gateway.networking.k8s.io/gateway-name": "inference-gateway"})
LANGFUSE = End("langfuse", {"app": "web"})
KUBERAY = End("kuberay-system", {"app.kubernetes.io/name": "kuberay-operator"})
ARGO = End("argo", {"app.kubernetes.io/name": "argo-workflows-workflow-controller"})
STRANGER = End("default", {"app": "stranger"})


@cache
def stock(environment: str) -> Inventory:
    return inventory(objects(environment))


def pod(environment: str, namespace: str, **labels: str) -> End:
    """A rendered pod with these labels (`name` and `component` are the usual ones)."""
    wanted = {f"app.kubernetes.io/{key}": value for key, value in labels.items()}
    found = [item for item in stock(environment).pods if item.namespace == namespace and wanted.items() <= item.labels.items()]
    assert found, f"{environment}: no pod {labels} in {namespace}"
    return End(namespace, found[0].labels)


def step(environment: str, duty: str) -> End:
    return pod(environment, "training-pipeline", name="ctp", component=duty)


def model(environment: str) -> End:
    return pod(environment, "model-serving" if environment in CLOUD else "training-pipeline", name="agent-model")


def quality(environment: str) -> End:
    return pod(environment, "model-serving" if environment in CLOUD else "training-pipeline", name="ctp-quality")


def judge(environment: str, name: str = "gate-judge") -> End:
    (found,) = {tuple(sorted(p.labels.items())) for p in stock(environment).pods if p.labels.get("app") == f"isvc.{name}-predictor"}
    return End("model-serving", dict(found))


def collector(environment: str) -> End:
    (found,) = [item for item in stock(environment).pods if item.namespace == "telemetry"]
    return End("telemetry", found.labels)


def ray(environment: str) -> End:
    found = [item for item in stock(environment).pods if item.labels.get("ray.io/is-ray-node") == "yes"]
    return End("training-pipeline", found[0].labels)


def needed(environment: str) -> dict[str, tuple[End, End, int]]:
    """What the system needs: words -> (from, to, port)."""
    duties = ("ingest", "label", "train", "gate", "registry", "release", "maintenance", "erase", "workflow")
    flows = {f"{duty} asks a name": (step(environment, duty), DNS, 53) for duty in duties}
    flows |= {f"{duty} reports its result": (step(environment, duty), API_SERVER, 443) for duty in duties}
    flows |= {
        "a model server asks a name": (model(environment), DNS, 53),
        "Prometheus scrapes the model servers": (PROMETHEUS, model(environment), 8000),
        "Prometheus scrapes the exporter": (PROMETHEUS, quality(environment), 9400),
    }
    if environment not in CLOUD:
        local, gateway = (
            pod(environment, "training-pipeline", name="ctp-judge"),
            pod(environment, "training-pipeline", name="inference-gateway"),
        )
        return flows | {
            "label asks the judge": (step(environment, "label"), local, 8001),
            "gate asks the judge": (step(environment, "gate"), local, 8001),
            "the exporter asks the judge": (quality(environment), local, 8001),
            "the gateway asks the model": (gateway, model(environment), 8000),
            "the gateway asks where pods are": (gateway, API_SERVER, 443),
            "users ask the gateway": (End(address="172.18.0.1"), gateway, 8080),
            "Prometheus scrapes the gateway": (PROMETHEUS, gateway, 9091),
        }
    mlflow = pod(environment, "monitoring", name="mlflow")
    flows |= {f"{duty} has credentials": (step(environment, duty), IDENTITY, 80) for duty in duties}
    flows |= {f"{duty} reaches the object store": (step(environment, duty), STORE, 443) for duty in duties}
    flows |= {f"{duty} asks the registry": (step(environment, duty), mlflow, 5000) for duty in ("registry", "release", "workflow", "gate")}
    return flows | {
        "label asks the reward judge": (step(environment, "label"), judge(environment, "reward-judge"), 8080),
        "label asks the embedder": (step(environment, "label"), judge(environment, "embedder"), 8080),
        "train asks the reward judge": (step(environment, "train"), judge(environment, "reward-judge"), 8080),
        "gate asks the gate judge": (step(environment, "gate"), judge(environment), 8080),
        "a training on many nodes asks the reward judge": (ray(environment), judge(environment, "reward-judge"), 8080),
        "pods of a training talk": (ray(environment), ray(environment), 29500),
        "KubeRay submits": (KUBERAY, ray(environment), 8265),
        "the exporter asks the gate judge": (quality(environment), judge(environment), 8080),
        "the exporter asks the embedder": (quality(environment), judge(environment, "embedder"), 8080),
        "the collector hands on a sample": (collector(environment), quality(environment), 4318),
        "the gateway asks the model": (GATEWAY, model(environment), 8000),
        "the model is fetched": (model(environment), STORE, 443),
        "the model's pod has credentials": (model(environment), IDENTITY, 80),
        "spans leave the model servers": (model(environment), collector(environment), 4317),
        "spans reach Langfuse": (collector(environment), LANGFUSE, 3000),
        "spans reach the bucket": (collector(environment), STORE, 443),
        "the collector has credentials": (collector(environment), IDENTITY, 80),
        "Prometheus scrapes the collector": (PROMETHEUS, collector(environment), 8888),
        "Prometheus scrapes the judges": (PROMETHEUS, judge(environment), 8080),
        "a judge fetches its model": (judge(environment), STORE, 443),
        "a judge has credentials": (judge(environment), IDENTITY, 80),
        "MLflow asks its database": (mlflow, DATABASE, 5432),
        "MLflow keeps artifacts": (mlflow, STORE, 443),
        "MLflow has credentials": (mlflow, IDENTITY, 80),
    }


def forbidden(environment: str) -> dict[str, tuple[End, End, int]]:
    """What must not come through."""
    flows = {
        "a stranger asks the model past the gateway": (STRANGER, model(environment), 8000),
        "a stranger asks a step": (STRANGER, step(environment, "label"), 8080),
        "the model asks a step": (model(environment), step(environment, "label"), 8080),
        "the exporter asks the model": (quality(environment), model(environment), 8000),
        "a step speaks plain HTTP to anybody": (step(environment, "ingest"), STORE, 80),
        "a step asks the node's metadata": (step(environment, "ingest"), METADATA, 80),
        "the model asks the node's metadata": (model(environment), METADATA, 80),
        "ingest asks a judge": (step(environment, "ingest"), End("x"), 8001),
        "another pod of our namespace goes out": (End("training-pipeline", {"app": "x"}), STORE, 443),
        "another pod of our namespace is asked": (STRANGER, End("training-pipeline", {"app": "x"}), 80),
    }
    if environment not in CLOUD:
        local = pod(environment, "training-pipeline", name="ctp-judge")
        return flows | {
            "release asks the judge": (step(environment, "release"), local, 8001),
            "the judge goes out": (local, STORE, 443),
            "the model goes out": (model(environment), STORE, 443),
        }
    mlflow = pod(environment, "monitoring", name="mlflow")
    return flows | {
        "ingest asks a judge": (step(environment, "ingest"), judge(environment), 8080),
        "release asks a judge": (step(environment, "release"), judge(environment), 8080),
        "the model registers a model": (model(environment), mlflow, 5000),
        "the exporter registers a model": (quality(environment), mlflow, 5000),
        "a training on many nodes registers a model": (ray(environment), mlflow, 5000),
        "a stranger registers a model": (STRANGER, mlflow, 5000),
        "a pod beside MLflow registers a model": (End("monitoring", {"app.kubernetes.io/name": "grafana"}), mlflow, 5000),
        "a stranger sends spans": (STRANGER, collector(environment), 4318),
        "a stranger sends spans to the exporter": (STRANGER, quality(environment), 4318),
        "a stranger submits a training": (STRANGER, ray(environment), 8265),
        "a step submits a training past the operator": (step(environment, "label"), ray(environment), 8265),
        "the exporter goes out": (quality(environment), STORE, 443),
        "a judge asks the model": (judge(environment), model(environment), 8000),
        "another pod beside the models goes out": (End("model-serving", {"app": "x"}), STORE, 443),
        "another pod beside the models is asked": (STRANGER, End("model-serving", {"app": "x"}), 80),
        "another pod beside the collector goes out": (End("telemetry", {"app": "x"}), STORE, 443),
        "another cluster's gateway asks the model": (End("default", GATEWAY.labels), model(environment), 8000),
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_needed_comes_through(environment):
    stopped = [words for words, flow in needed(environment).items() if not allowed(stock(environment), *flow)]
    assert not stopped, "\n".join(stopped)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_must_not_does_not(environment):
    through = [words for words, flow in forbidden(environment).items() if allowed(stock(environment), *flow)]
    assert not through, "\n".join(through)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_namespace_that_holds_only_pods_of_ours_is_closed(environment):
    """Third-party charts share `monitoring` with MLflow, whose own policy closes it in both directions."""
    closed = {
        space
        for space, spec in policies(stock(environment))
        if not spec["podSelector"] and set(spec["policyTypes"]) == {"Ingress", "Egress"}
    }
    held = {item.namespace for item in stock(environment).pods}
    assert held - closed == ({"monitoring"} if environment in CLOUD else set())
    for owner in (item for item in stock(environment).pods if item.namespace == "monitoring"):
        assert not allowed(stock(environment), End("monitoring", owner.labels), End(address="52.216.1.1"), 22), owner.owner
        assert not allowed(stock(environment), STRANGER, End("monitoring", owner.labels), 5000), owner.owner


def test_udp_names_and_the_cache_on_the_node():
    for environment in CLOUD:
        for source in (step(environment, "ingest"), model(environment), collector(environment), judge(environment)):
            assert allowed(stock(environment), source, DNS, 53, "UDP") and allowed(stock(environment), source, DNS_CACHE, 53, "UDP")
            assert not allowed(stock(environment), source, STRANGER, 53, "UDP")


def test_a_closed_door_is_noticed():
    """Without the policy that opens it, the needed flow is missing; without any, the forbidden one is there."""
    items = objects("production")
    without = inventory(item for item in items if (item.kind, item.name) != ("NetworkPolicy", "agent-model"))
    assert not allowed(without, GATEWAY, model("production"), 8000)
    none = inventory(item for item in items if item.kind != "NetworkPolicy")
    assert allowed(none, STRANGER, model("production"), 8000)
