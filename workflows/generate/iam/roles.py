"""Every identity with rights on AWS: one role a ServiceAccount, and what each may do.

Accounts that are missing here have no rights on AWS: the quality exporter, the notifier, kind's judge.
Karpenter's role is its own project's (docs/runbooks/bootstrap.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from steps.contract.errors import ConfigError
from steps.store.models import PRODUCTION
from steps.store.schemas import TABLES
from workflows.generate.iam.account import Account, Place, place
from workflows.generate.iam.statements import DELETE, READ, WRITE, Statement, allow, encryption, lake, listing, on_objects

# Role -> tables of the lake by what it does with them. Erasing takes back what a user's erasure overtook.
LAKE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ingest": {
        "read": ("datasets", "erasures"),
        "write": ("gate_ledger", "objects", "quarantine", "runs"),
        "erase": ("claims", "feedback", "generations", "trace_parts", "traces"),
    },
    "label": {"read": ("claims", "generations", "traces"), "write": ("labels", "runs"), "erase": ("datasets",)},
    "registry": {"read": ("traces",)},
    "release": {"write": ("runs",)},
    "workflow": {"write": ("runs",)},
    "maintenance": {"erase": tuple(TABLES)},
    "erase": {
        "write": ("erasures",),
        "erase": ("claims", "datasets", "feedback", "gate_ledger", "generations", "labels", "quarantine", "trace_parts", "traces"),
    },
}
# Role -> what it does with the released models.
MODELS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "train": (READ,),
    "gate": (READ,),
    "registry": (READ, WRITE),
    "maintenance": (READ, DELETE),
}
# Of these the artifacts that Argo keeps are deleted by one, read by none.
STEPS = ("workflow", "ingest", "label", "train", "launch", "gate", "registry", "release", "maintenance", "erase")


class Identity(NamedTuple):
    """A ServiceAccount and the statements of its role."""

    role: str
    namespace: str
    service_account: str
    statements: tuple[Statement, ...]


def identities(account: Account) -> list[Identity]:
    """Every identity of an environment, by role.

    Raises:
        ConfigError: a place that must be on S3 is not.
    """
    flows, serving = account.namespace("workflows", "training-pipeline"), account.namespace("serving", "model-serving")
    found = [Identity(role, flows, f"ctp-{role}", tuple(_step(account, role))) for role in STEPS]
    others: list[tuple[str, str, str, Callable[[Account], Iterator[Statement]]]] = [
        ("serving", serving, account.value("serving", "name") or "agent-model", _serving),
        ("judges", serving, "judge-models", _judges),
        ("collector", "telemetry", "otel-collector", _collector),
        ("mlflow", "monitoring", "mlflow", _mlflow),
        ("langfuse", "langfuse", "langfuse", _langfuse),
        ("secrets", "external-secrets", "external-secrets", _secrets),
        ("metrics", "monitoring", "kube-prometheus-stack-prometheus", _metrics),
    ]
    found += [Identity(role, namespace, name, tuple(make(account))) for role, namespace, name, make in others]
    return sorted((item for item in found if item.statements), key=lambda item: item.role)


def on_s3(account: Account, uri: str, key: str) -> Place:
    """A place that must be on S3.

    Raises:
        ConfigError: it is not.
    """
    found = place(uri)
    if found is None:
        raise ConfigError(f"{account.environment}: {key} is {uri or 'empty'}: name it as s3://BUCKET/PREFIX, IAM policies need it")
    return found


def sources(account: Account) -> list[Place]:
    """Where raw traces are read."""
    return [found for uri in account.pipeline.ingest.sources if (found := place(uri))]


def models(account: Account) -> Place:
    """Where released models are."""
    return on_s3(account, account.pipeline.registry.model_store, "pipeline.registry.model_store").below(PRODUCTION)


def buckets(account: Account) -> list[str]:
    """Every bucket of ours."""
    uris = [
        account.pipeline.lake.warehouse,
        account.pipeline.registry.model_store,
        account.value("judge", "modelStore"),
        account.value("registry", "artifacts"),
        account.value("platform", "artifacts"),
        f"s3://{_langfuse_bucket(account)}",
    ]
    found = [where for uri in uris if (where := place(uri))] + sources(account)
    return sorted({where.bucket for where in found if where.bucket})


def _step(account: Account, role: str) -> Iterator[Statement]:
    used, writes = [], False
    if role == "ingest" and (raw := sources(account)):
        yield on_objects(account, "RawRead", READ, raw)
        yield listing(account, "RawList", raw)
        used += raw
    if role in LAKE:
        warehouse = on_s3(account, account.pipeline.lake.warehouse, "pipeline.lake.warehouse")
        yield from lake(account, warehouse, **LAKE[role])
        used, writes = [*used, warehouse], writes or bool(LAKE[role].get("write") or LAKE[role].get("erase"))
    if role in MODELS:
        store = models(account)
        yield on_objects(account, "Models", [action for actions in MODELS[role] for action in actions], [store])
        yield listing(account, "ModelsList", [store])
        used, writes = [*used, store], writes or WRITE in MODELS[role]
    if kept := place(account.value("platform", "artifacts")):
        yield on_objects(account, "Artifacts", [*WRITE, *(DELETE if role == "maintenance" else ())], [kept])
        used, writes = [*used, kept], True
    if used:
        yield encryption(account, [where.bucket for where in used], writes=writes)


def _serving(account: Account) -> Iterator[Statement]:
    """Model servers face users: no listing, one folder."""
    store = models(account)
    yield on_objects(account, "Models", READ, [store])
    yield encryption(account, [store.bucket], writes=False)


def _judges(account: Account) -> Iterator[Statement]:
    if store := place(account.value("judge", "modelStore")):
        yield on_objects(account, "Models", READ, [store])
        yield listing(account, "ModelsList", [store])
        yield encryption(account, [store.bucket], writes=False)


def _collector(account: Account) -> Iterator[Statement]:
    """Writes raw spans and cannot read them again."""
    if written := [where for where in sources(account) if where.prefix.endswith("otlp")]:
        yield on_objects(account, "RawWrite", WRITE, written)
        yield encryption(account, [where.bucket for where in written], writes=True)


def _mlflow(account: Account) -> Iterator[Statement]:
    if home := place(account.value("registry", "artifacts")):
        yield on_objects(account, "Artifacts", [*READ, *WRITE], [home])
        yield listing(account, "ArtifactsList", [home])
        yield encryption(account, [home.bucket], writes=True)


def _langfuse_bucket(account: Account) -> str:
    return account.value("rootApp", "thirdParty", "langfuse", "values", "s3", "bucket")


def _langfuse(account: Account) -> Iterator[Statement]:
    if bucket := _langfuse_bucket(account):
        home = Place(bucket, "")
        yield on_objects(account, "Events", [*READ, *WRITE, *DELETE], [home])
        yield listing(account, "EventsList", [home])
        yield encryption(account, [bucket], writes=True)


def entries(account: Account) -> list[str]:
    """Every entry of the secret store that an ExternalSecret reads."""
    by_role: dict[str, Any] = (account.values.get("platform") or {}).get("secrets") or {}
    named = [entry for files in by_role.values() for entry in files.values()]
    named += [
        account.value("registry", "database", "remoteKey"),
        account.value("telemetry", "langfuse", "remoteKey"),
        account.value("telemetry", "langfuse", "serverRemoteKey"),
        account.value("rootApp", "grafanaAdmin", "remoteKey"),
    ]
    return sorted({entry for entry in named if entry})


def _secrets(account: Account) -> Iterator[Statement]:
    """Secrets Manager ends every ARN with six random characters."""
    if named := entries(account):
        arns = [account.arn("secretsmanager", f"secret:{entry}-??????") for entry in named]
        yield allow("Entries", ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], arns)


def _metrics(account: Account) -> Iterator[Statement]:
    if url := account.value("rootApp", "amp", "remoteWriteUrl"):
        workspace = urlsplit(url).path.split("/")[2]
        yield allow("RemoteWrite", ["aps:RemoteWrite"], [account.arn("aps", f"workspace/{workspace}")])
