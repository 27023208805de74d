"""`charts/environments/<env>/iam/`: what a team gives to AWS, written by `make render`.

| file | for |
| --- | --- |
| `policies/<role>.json` | `aws iam put-role-policy` |
| `trust/<role>.json` | `aws iam create-role` |
| `buckets/<bucket>.json` | `aws s3api put-bucket-policy` |
| `encryption.json` | `aws s3api put-bucket-encryption`, the same for every bucket |
| `associations.json` | `aws eks create-pod-identity-association`, one each |
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steps.contract.errors import ConfigError
from workflows.environment import RENDERINGS
from workflows.generate.iam.account import Account, load_account
from workflows.generate.iam.roles import Identity, buckets, identities
from workflows.generate.iam.statements import policy
from workflows.generate.iam.trust import bucket_policy, encryption, role_arn, role_name, trust

ANNOTATION = "eks.amazonaws.com/role-arn"
# Role -> where the values hold the annotations of its ServiceAccount; steps have theirs in platform.serviceAccounts.
ANNOTATED = {
    "serving": ("serving", "serviceAccountAnnotations"),
    "judges": ("judge", "serviceAccountAnnotations"),
    "collector": ("telemetry", "serviceAccountAnnotations"),
    "mlflow": ("registry", "serviceAccountAnnotations"),
}


def folder_of(environment: str) -> str:
    """Path of the generated files inside the repository."""
    return f"charts/environments/{environment}/iam"


def files(account: Account) -> dict[str, str]:
    """File name below the folder -> text.

    Raises:
        ConfigError: a place is not on S3, or roles are bound by annotations and one is missing.
    """
    found = identities(account)
    _annotated(account, found)
    documents: dict[str, Any] = {"encryption.json": encryption(account)}
    for item in found:
        documents[f"policies/{item.role}.json"] = policy(item.statements)
        documents[f"trust/{item.role}.json"] = trust(account, item)
    for bucket in buckets(account):
        documents[f"buckets/{bucket}.json"] = bucket_policy(account, bucket)
    if not account.aws.oidc_provider:
        documents["associations.json"] = [
            {"namespace": item.namespace, "serviceAccount": item.service_account, "role": role_name(account, item.role)} for item in found
        ]
    return {name: json.dumps(documents[name], indent=2) + "\n" for name in sorted(documents)}


def _annotated(account: Account, found: list[Identity]) -> None:
    """With an OIDC provider a pod gets its role by an annotation of its ServiceAccount, which the values must hold."""
    if not account.aws.oidc_provider:
        return
    for item in found:
        steps = ("platform", "serviceAccounts", item.role, "annotations")
        path = ANNOTATED.get(item.role, steps if item.service_account == f"ctp-{item.role}" else ())
        wanted = role_arn(account, item.role)
        if path and account.value(*path, ANNOTATION) != wanted:
            raise ConfigError(f"{account.environment}: aws.oidc_provider is given: set {'.'.join(path)} to {{{ANNOTATION}: {wanted}}}")


def generated(environment: str, root: Path) -> dict[str, str]:
    """Path inside the repository -> text; nothing for an environment without AWS.

    Raises:
        ConfigError: the values do not say what the policies need.
    """
    if environment not in RENDERINGS["eks"]:
        return {}
    return {f"{folder_of(environment)}/{name}": text for name, text in files(load_account(environment, root)).items()}
