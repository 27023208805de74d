"""IAM policies: each duty can do its work, and nothing that is another's."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import pytest
import yaml

from steps.contract.errors import ConfigError
from workflows.environment import RENDERINGS
from workflows.generate.files import find_stale
from workflows.generate.iam import files as iam
from workflows.generate.iam import roles as duties
from workflows.generate.iam.account import load_account

from .evaluate import allowed, like

ROOT = Path(__file__).parents[4]
ENV = "production"
GET, PUT, DELETE, LIST = "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"
TABLE = "ctp-production-lake/warehouse/ctp"
DUTIES = sorted(path.stem for path in (ROOT / iam.folder_of(ENV) / "policies").glob("*.json"))


def document(kind: str, name: str, environment: str = ENV) -> dict[str, typing.Any]:
    found: dict[str, typing.Any] = json.loads((ROOT / iam.folder_of(environment) / kind / f"{name}.json").read_text(encoding="utf-8"))
    return found


def may(duty: str, action: str, path: str, **context: str) -> bool:
    """As the duty's role, through the bucket's policy, over TLS, from our account."""
    bucket = path.partition("/")[0]
    account = load_account(ENV, ROOT)
    ours = {"aws:SecureTransport": "true", "aws:PrincipalAccount": account.aws.account, "aws:PrincipalIsAWSService": "false"}
    return allowed([document("policies", duty), document("buckets", bucket)], action, f"arn:aws:s3:::{path}", {**ours, **context})


def who(action: str, path: str) -> set[str]:
    return {duty for duty in DUTIES if may(duty, action, path)}


@pytest.mark.parametrize("environment", RENDERINGS["eks"])
def test_the_committed_files_are_current(environment):
    texts = iam.generated(environment, ROOT)
    assert find_stale(texts, [iam.folder_of(environment)], ROOT) == [], "run make render"
    assert iam.generated("kind", ROOT) == {}


# ---- who may what -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "path", "duties_"),
    [
        (GET, "ctp-production-raw/otlp/year=2026/x.json.gz", {"ingest"}),
        (PUT, "ctp-production-raw/otlp/year=2026/x.json.gz", {"collector"}),
        (PUT, "ctp-production-raw/langfuse/x.json", set()),
        (DELETE, "ctp-production-raw/otlp/year=2026/x.json.gz", set()),
        (GET, "ctp-production-models/production/abc/model.safetensors", {"gate", "maintenance", "registry", "serving", "train"}),
        (PUT, "ctp-production-models/production/abc/model.safetensors", {"registry"}),
        (DELETE, "ctp-production-models/production/abc/model.safetensors", {"maintenance"}),
        (GET, "ctp-production-models/judges/bge-m3/config.json", {"judges"}),
        (PUT, "ctp-production-models/judges/bge-m3/config.json", set()),
        (GET, f"{TABLE}/traces/data/x.parquet", {"erase", "ingest", "label", "maintenance", "registry"}),
        (PUT, f"{TABLE}/traces/data/x.parquet", {"erase", "ingest", "maintenance"}),
        # Ingest takes back what an erasure overtook.
        (DELETE, f"{TABLE}/traces/data/x.parquet", {"erase", "ingest", "maintenance"}),
        (PUT, f"{TABLE}/labels/data/x.parquet", {"erase", "label", "maintenance"}),
        (DELETE, f"{TABLE}/labels/data/x.parquet", {"erase", "maintenance"}),
        (DELETE, f"{TABLE}/labels/metadata/00001-x.metadata.json", {"erase", "label", "maintenance"}),
        (DELETE, f"{TABLE}/labels/metadata/snap-1.avro", {"erase", "maintenance"}),
        (PUT, f"{TABLE}/datasets/data/x.parquet", {"erase", "label", "maintenance"}),
        (PUT, f"{TABLE}/gate_ledger/data/x.parquet", {"erase", "ingest", "maintenance"}),
        (PUT, f"{TABLE}/erasures/data/x.parquet", {"erase", "maintenance"}),
        (PUT, f"{TABLE}/runs/data/x.parquet", {"ingest", "label", "maintenance", "release", "workflow"}),
        (DELETE, f"{TABLE}/runs/data/x.parquet", {"maintenance"}),
        (GET, "ctp-production-artifacts/mlflow/1/x", {"mlflow"}),
        (GET, "ctp-production-artifacts/argo/x/main.log", set()),
        (DELETE, "ctp-production-artifacts/argo/x/main.log", {"maintenance"}),
        (GET, "ctp-production-langfuse/events/x.json", {"langfuse"}),
    ],
)
def test_who_may_touch_an_object(action, path, duties_):
    assert who(action, path) == duties_


def test_a_model_that_is_not_there_is_404_for_who_writes_models():
    """S3 asks for the right to list before it says that an object is not there."""
    for duty in ("registry", "maintenance", "gate", "train"):
        assert may(duty, LIST, "ctp-production-models", **{"s3:prefix": "production/abc.json"})
        assert not may(duty, LIST, "ctp-production-models", **{"s3:prefix": "judges/"})
    assert not may("serving", LIST, "ctp-production-models", **{"s3:prefix": "production/abc.json"})


def test_every_step_may_keep_its_log():
    assert who(PUT, "ctp-production-artifacts/argo/run/pod/main.log") == set(duties.STEPS)


@pytest.mark.parametrize(("table", "writers"), [("traces", {"ingest", "erase"}), ("labels", {"label", "erase"}), ("erasures", {"erase"})])
def test_who_may_commit_a_table(table, writers):
    arn = f"arn:aws:glue:us-east-1:444455556666:table/ctp/{table}"
    assert {d for d in DUTIES if allowed([document("policies", d)], "glue:UpdateTable", arn)} == writers | {"maintenance"}
    assert not {d for d in DUTIES if allowed([document("policies", d)], "glue:DeleteTable", arn)}
    other = arn.replace("table/ctp/", "table/finance/")
    assert not {d for d in DUTIES if allowed([document("policies", d)], "glue:GetTable", other)}


def test_the_key_works_through_s3_and_for_the_duty_s_buckets_only():
    account = load_account(ENV, ROOT)

    def decrypts(duty: str, bucket: str, via: str = "s3.us-east-1.amazonaws.com") -> bool:
        context = {"kms:ViaService": via, "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}"}
        return allowed([document("policies", duty)], "kms:Decrypt", account.key, context)

    assert decrypts("ingest", "ctp-production-raw") and not decrypts("label", "ctp-production-raw")
    assert decrypts("serving", "ctp-production-models") and not decrypts("serving", "ctp-production-lake")
    assert not decrypts("ingest", "ctp-production-raw", via="secretsmanager.us-east-1.amazonaws.com")
    writes = {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::ctp-production-models"}
    assert not allowed([document("policies", "serving")], "kms:GenerateDataKey", account.key, writes)
    assert allowed([document("policies", "registry")], "kms:GenerateDataKey", account.key, writes)


def test_external_secrets_reads_its_entries_and_nothing_else():
    policy = document("policies", "secrets")
    arn = "arn:aws:secretsmanager:us-east-1:444455556666:secret:"
    assert allowed([policy], "secretsmanager:GetSecretValue", f"{arn}ctp-production/user-key-AbC123")
    assert not allowed([policy], "secretsmanager:GetSecretValue", f"{arn}ctp-production/other-AbC123")
    assert not allowed([policy], "secretsmanager:PutSecretValue", f"{arn}ctp-production/user-key-AbC123")


# ---- what the code does -----------------------------------------------------------------------


def test_a_commit_needs_what_its_duty_has(tmp_path):
    """PyIceberg writes and deletes real files; each of these calls is allowed for the duty that makes it."""
    from steps.contract.config import PipelineConfig
    from steps.store.lake import open_lake

    root = tmp_path / "lake" / "warehouse"
    seen: dict[str, set[Path]] = {}
    with open_lake(PipelineConfig(), tmp_path) as lake:
        before: set[Path] = set()
        for number in range(24):
            lake.append_run_record("run", "stage", {"number": number}, key="one")
            now = {path for path in root.rglob("*") if path.is_file()}
            seen.setdefault(PUT, set()).update(now - before)
            seen.setdefault(DELETE, set()).update(before - now)
            before = now
    assert len(seen[PUT]) > 24 and seen[DELETE]
    for action, paths in seen.items():
        for path in paths:
            assert may("release", action, f"ctp-production-lake/warehouse/{path.relative_to(root).as_posix()}"), f"{action} {path.name}"


def test_every_table_has_its_writers():
    from steps.store.schemas import TABLES

    named = {table for rights in duties.LAKE.values() for tables in rights.values() for table in tables}
    assert named == set(TABLES)


def test_every_account_of_a_step_has_a_role():
    from steps.contract.catalog import ALL_STEPS
    from workflows.rayjob_wait import ACCOUNT

    assert set(duties.STEPS) == {ACCOUNT} | {spec.account for spec in ALL_STEPS if spec.account}
    associations = json.loads((ROOT / iam.folder_of(ENV) / "associations.json").read_text(encoding="utf-8"))
    assert {entry["serviceAccount"] for entry in associations} >= {f"ctp-{duty}" for duty in duties.STEPS}


# ---- no wildcards, no strangers ---------------------------------------------------------------


@pytest.mark.parametrize("environment", RENDERINGS["eks"])
def test_no_action_and_no_resource_is_a_wildcard(environment):
    for duty in DUTIES:
        for statement in document("policies", duty, environment)["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action], duty
            for resource in statement["Resource"]:
                assert ":" in resource and resource.split(":", 5)[5] not in ("*", ""), f"{duty}: {resource}"
                bucket = resource.split(":", 5)[5].partition("/")[0]
                assert "*" not in bucket, f"{duty}: {resource}"


@pytest.mark.parametrize("duty", DUTIES)
def test_a_role_trusts_one_service_account_of_one_cluster(duty):
    (entry,) = [e for e in json.loads((ROOT / iam.folder_of(ENV) / "associations.json").read_text()) if e["role"].endswith(f"-{duty}")]
    tags = {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-east-1:444455556666:cluster/ctp-production",
        "aws:RequestTag/kubernetes-namespace": entry["namespace"],
        "aws:RequestTag/kubernetes-service-account": entry["serviceAccount"],
    }
    trust = [document("trust", duty)]
    assert trust[0]["Statement"][0]["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert allowed(trust, "sts:AssumeRole", "", tags)
    for key in tags:
        assert not allowed(trust, "sts:AssumeRole", "", {**tags, key: "other"})
        assert not allowed(trust, "sts:AssumeRole", "", {name: value for name, value in tags.items() if name != key})


def test_a_bucket_refuses_plain_http_other_keys_and_other_accounts():
    registry, path = "registry", "ctp-production-models/production/abc/model.safetensors"
    assert may(registry, PUT, path)
    assert not may(registry, PUT, path, **{"aws:SecureTransport": "false"})
    assert not may(registry, PUT, path, **{"aws:PrincipalAccount": "999999999999"})
    assert may(registry, PUT, path, **{"s3:x-amz-server-side-encryption": "aws:kms"})
    assert not may(registry, PUT, path, **{"s3:x-amz-server-side-encryption": "AES256"})
    key = "arn:aws:kms:us-east-1:999999999999:key/0987dcba-09fe-87dc-65ba-ab0987654321"
    assert not may(registry, PUT, path, **{"s3:x-amz-server-side-encryption-aws-kms-key-id": key})


# ---- from the one values file -----------------------------------------------------------------


@pytest.fixture
def changed(tmp_path):
    """A copy of an environment's values with some keys changed; dotted path -> value."""

    def make(**given):
        target = tmp_path / "charts" / "environments" / ENV / "values.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        values = yaml.safe_load((ROOT / "charts" / "environments" / ENV / "values.yaml").read_text(encoding="utf-8"))
        for dotted, value in given.items():
            *parents, leaf = dotted.split("__")
            block = values
            for part in parents:
                block = block.setdefault(part, {})
            block[leaf] = value
        target.write_text(yaml.safe_dump(values), encoding="utf-8")
        return tmp_path

    return make


def test_names_come_from_the_values(changed):
    root = changed(pipeline__lake__warehouse="s3://zebra-lake/w", karpenter__clusterName="zebra", aws__account="123456789012")
    texts = iam.generated(ENV, root)
    assert "arn:aws:s3:::zebra-lake/w/ctp/traces/*" in texts[f"{iam.folder_of(ENV)}/policies/ingest.json"]
    assert not [name for name, text in texts.items() if "ctp-production-lake" in text or "444455556666" in text]
    assert '"role": "zebra-ingest"' in texts[f"{iam.folder_of(ENV)}/associations.json"]


def test_roles_for_service_accounts_need_their_annotation(changed):
    provider = "oidc.eks.us-east-1.amazonaws.com/id/ABCDEF0123456789"
    with pytest.raises(ConfigError, match=r"set serving\.serviceAccountAnnotations|set telemetry\.serviceAccountAnnotations"):
        root = changed(aws__oidc_provider=provider)
        values = yaml.safe_load((root / "charts/environments" / ENV / "values.yaml").read_text(encoding="utf-8"))
        accounts = {
            duty: {"annotations": {iam.ANNOTATION: f"arn:aws:iam::444455556666:role/ctp-production-{duty}"}} for duty in duties.STEPS
        }
        changed(aws__oidc_provider=provider, platform=values["platform"] | {"serviceAccounts": accounts})
        iam.generated(ENV, root)
    blocks = {path: f"arn:aws:iam::444455556666:role/ctp-production-{duty}" for duty, path in iam.ANNOTATED.items()}
    given = {"__".join(path): {iam.ANNOTATION: arn} for path, arn in blocks.items()}
    texts = iam.generated(ENV, changed(aws__oidc_provider=provider, platform=values["platform"] | {"serviceAccounts": accounts}, **given))
    (statement,) = json.loads(texts[f"{iam.folder_of(ENV)}/trust/serving.json"])["Statement"]
    assert statement["Condition"]["StringEquals"][f"{provider}:sub"] == "system:serviceaccount:model-serving:agent-model"
    assert f"{iam.folder_of(ENV)}/associations.json" not in texts


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"aws": {}}, r"aws\.account"),
        ({"aws__account": "1234"}, r"aws\.account"),
        ({"telemetry__region": "eu-west-1"}, "they must name one region"),
        ({"karpenter__clusterName": ""}, r"karpenter\.clusterName is empty"),
        ({"pipeline__registry__model_store": "file:///data/models"}, r"model_store is file:///data/models"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_missing_is_said(changed, given, said):
    with pytest.raises(ConfigError, match=said):
        iam.generated(ENV, changed(**given))


def test_the_evaluator_reads_patterns_as_iam_does():
    assert like("arn:aws:s3:::a/*", "arn:aws:s3:::a/b/c") and not like("a/*", "ab/c")
    assert like("x-??????", "x-AbC123") and not like("x-??????", "x-AbC12")
    deny = {"Statement": [{"Effect": "Deny", "Action": "s3:*", "Condition": {"StringNotEquals": {"k": "v"}}}]}
    allow = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    assert not allowed([allow, deny], "s3:GetObject", "x") and allowed([allow, deny], "s3:GetObject", "x", {"k": "v"})
