"""Checks of what a configuration needs: packages, places, services and credentials. Nothing is changed."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from steps.contract.config import JudgeConfig, PipelineConfig
from steps.contract.errors import AccessError, ConfigError, TransientError
from steps.contract.spec import StepContext
from steps.ingest.langfuse_api.source import SCHEME, parse_source, read_keys
from steps.operate.doctor.finding import Skip
from steps.operate.preflight import check_judge
from steps.release.change import current_pin
from steps.store.lake_catalog import open_catalog, storage_errors
from steps.store.raw_objects import list_source
from steps.store.registry import open_registry

# Import name -> what it is for. `ctp run` needs all of them, a pod only those of its step.
LOOP_PACKAGES = {
    "aiohttp": "servers and judges",
    "envoy": "the gateway",
    "mlflow": "the registry",
    "pyiceberg": "the lake",
    "ragas": "labelling",
    "torch": "training and serving",
    "trl": "training",
}
MIN_FREE_BYTES = 5 << 30


def python() -> str:
    """Interpreter and platform, for a report of a problem."""
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def packages() -> str:
    """Packages of the embedded loop."""
    missing = [f"{name} ({purpose})" for name, purpose in LOOP_PACKAGES.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"not installed: {', '.join(missing)}: run `make install`, or use the image that holds them")
    return f"all {len(LOOP_PACKAGES)} of the embedded loop"


def work_folder(workdir: Path) -> str:
    """The work folder can be written and has room."""
    place = next(folder for folder in (workdir, *workdir.parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise AccessError(f"{place}: not writable: name another folder with --workdir")
    free = shutil.disk_usage(place).free
    if free < MIN_FREE_BYTES:
        raise TransientError(f"{place}: {free / 2**30:.1f} GiB free: a run needs about {MIN_FREE_BYTES >> 30} GiB")
    return f"{workdir}: {free / 2**30:.0f} GiB free"


def _count(source: str) -> int:
    """How many objects a source lists; of a Langfuse API, whether its keys are there."""
    if source.startswith(SCHEME):
        read_keys(os.environ, parse_source(source))
        return 0
    return len(list_source(source).objects)


def sources(config: PipelineConfig) -> str:
    """Every configured source of traces can be listed."""
    if not config.ingest.sources:
        raise Skip("ingest.sources is empty: `ctp run` makes its own traces")
    counts = {source: _count(source) for source in config.ingest.sources}
    return ", ".join(f"{source}: {count} files" for source, count in counts.items())


def judge(name: str, settings: JudgeConfig) -> str:
    """One judge answers, and serves the model that is configured."""
    if not settings.base_url:
        raise Skip(f"{name}.base_url is empty: the offline judge is started with the loop")
    check_judge(name, settings)
    return f"{settings.base_url} answers"


def lake(config: PipelineConfig, workdir: Path) -> str:
    """The catalog opens, and the tables that are there can be listed. An embedded catalog is not made."""
    if config.lake.catalog == "sql" and not config.lake.uri and not (workdir / "lake" / "catalog.db").exists():
        raise Skip("no lake in the work folder yet: the first run makes it")

    if config.lake.catalog == "glue":
        region()
    with storage_errors("lake"):
        catalog = open_catalog(config, workdir)
        tables = [".".join(name) for name in catalog.list_tables(config.lake.namespace)] if _has_namespace(catalog, config) else []
    return f"{config.lake.catalog} catalog: {', '.join(sorted(tables)) or 'no tables yet'}"


def _has_namespace(catalog: object, config: PipelineConfig) -> bool:
    names = catalog.list_namespaces()  # type: ignore[attr-defined]
    return (config.lake.namespace,) in [tuple(name) for name in names]


def registry(config: PipelineConfig, workdir: Path) -> str:
    """The registry answers; which version is champion."""
    if not config.registry.tracking_uri and not (workdir / "mlflow" / "mlflow.db").exists():
        raise Skip("no registry in the work folder yet: the first run makes it")
    # A person waits: what does not answer at once counts as failed.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "10"
    aliases = open_registry(config, workdir).aliases(config.model_name)
    return f"{config.model_name}: " + (
        ", ".join(f"{alias} is version {version}" for alias, version in sorted(aliases.items())) or "no alias"
    )


def git(config: PipelineConfig, workdir: Path) -> str:
    """The repository with the pin can be read and the pin parses."""
    if not config.release.repository and not (workdir / "gitops.git").exists():
        raise Skip("no repository in the work folder yet: the first run makes it")
    pin = current_pin(StepContext(config=config, run_id="doctor", workdir=workdir))
    return f"{config.release.branch}: {pin.label} is pinned for {config.release.environment}"


def aws(config: PipelineConfig) -> str:
    """The credential chain gives an identity, where AWS is used at all."""
    places = (config.lake.warehouse, *config.ingest.sources)
    if config.lake.catalog != "glue" and not any(place.startswith("s3://") for place in places):
        raise Skip("nothing is configured on AWS")
    import boto3
    from botocore.config import Config

    with storage_errors("AWS identity"):
        quick = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        return str(boto3.client("sts", config=quick, region_name=region()).get_caller_identity()["Arn"])


def region() -> str:
    """The AWS region of lake and buckets.

    Raises:
        ConfigError: none is set.
    """
    name = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not name:
        raise ConfigError("AWS_REGION is not set: name the region of lake and buckets")
    return name


def secret_files(config: PipelineConfig) -> str:
    """Every configured secret file is mounted and readable."""
    named = {
        "govern.user_key_file": config.govern.user_key_file,
        "reward_judge.api_key_file": config.reward_judge.api_key_file,
        "gate_judge.api_key_file": config.gate_judge.api_key_file,
        "notify.webhook_url_file": config.notify.webhook_url_file,
        "release.token_file": config.release.token_file,
        "release.ssh_key_file": config.release.ssh_key_file,
        "release.known_hosts_file": config.release.known_hosts_file,
    }
    wanted = {key: Path(value) for key, value in named.items() if value}
    if not wanted:
        raise Skip("no secret file is configured")
    for key, path in wanted.items():
        if not path.is_file():
            raise ConfigError(f"{key}: {path} is not there: mount the secret, or correct the path")
        if not os.access(path, os.R_OK):
            raise AccessError(f"{key}: {path} is not readable for this user")
    return f"{len(wanted)} readable"
