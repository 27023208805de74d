"""The AWS account of an environment, and where things lie in it, read from the environment's one values file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, ValidationError

from steps.contract.config import PipelineConfig, load_config
from steps.contract.errors import ConfigError
from steps.contract.refs import Frozen

# What a region begins with -> partition; the others are in `aws`.
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Place(NamedTuple):
    """A folder of a bucket; an empty prefix is the whole bucket."""

    bucket: str
    prefix: str

    def below(self, name: str) -> Place:
        """A folder in this folder."""
        return Place(self.bucket, f"{self.prefix}/{name}".strip("/"))


class AwsConfig(Frozen):
    """Block `aws:` of the values.

    Attributes:
        account: twelve digits.
        kms_key: id of the key that encrypts all buckets of the environment.
        oidc_provider: of the cluster, without https://, for IAM roles for service accounts; empty: EKS Pod Identity.
    """

    account: str = Field(pattern=r"^\d{12}$")
    kms_key: str = Field(pattern=r"^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
    oidc_provider: str = Field(default="", pattern=r"^([a-z0-9.-]+/id/[A-F0-9]+)?$")


class Account(NamedTuple):
    """Everything that policies name."""

    environment: str
    aws: AwsConfig
    region: str
    cluster: str
    pipeline: PipelineConfig
    values: dict[str, Any]

    @property
    def partition(self) -> str:
        """`aws`, or that of China or GovCloud."""
        return next((name for start, name in PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def domain(self) -> str:
        """Domain of the services' endpoints."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def arn(self, service: str, resource: str) -> str:
        """ARN of something in this region and account; S3 and IAM leave out what they do not have."""
        region = "" if service in ("s3", "iam") else self.region
        account = "" if service == "s3" else self.aws.account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    @property
    def key(self) -> str:
        """ARN of the encryption key."""
        return self.arn("kms", f"key/{self.aws.kms_key}")

    def value(self, *path: str) -> str:
        """A text of the values; empty where there is none."""
        found: Any = self.values
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return str(found or "")

    def namespace(self, block: str, default: str) -> str:
        """Namespace of a block of the values."""
        return self.value(block, "namespace") or default


def place(uri: str) -> Place | None:
    """Bucket and folder of an s3:// URI; None for anything else."""
    if not uri.startswith("s3://"):
        return None
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return Place(bucket, prefix.strip("/"))


def load_account(environment: str, root: Path) -> Account:
    """Read `charts/environments/<environment>/values.yaml`.

    Raises:
        ConfigError: the block `aws` is missing or wrong, or two blocks name different regions.
    """
    path = root / "charts" / "environments" / environment / "values.yaml"
    pipeline = load_config(path)
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        aws = AwsConfig.model_validate(values.get("aws") or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("aws", *first["loc"]))
        raise ConfigError(f"{path}: {key}: {first['msg']}: IAM policies need it") from error
    regions = {
        "telemetry.region": (values.get("telemetry") or {}).get("region", ""),
        "rootApp.secretStore.region": ((values.get("rootApp") or {}).get("secretStore") or {}).get("region", ""),
    }
    if len(set(regions.values())) != 1 or not all(regions.values()):
        said = ", ".join(f"{key} {value or '(empty)'}" for key, value in regions.items())
        raise ConfigError(f"{path}: {said}: they must name one region")
    cluster = str((values.get("karpenter") or {}).get("clusterName") or "")
    if not cluster:
        raise ConfigError(f"{path}: karpenter.clusterName is empty: roles are named after the cluster and trust only it")
    return Account(environment, aws, regions["telemetry.region"], cluster, pipeline, values)
