"""Check of the Prometheus that a canary's analyses ask: it has the series that their queries read."""

from __future__ import annotations

from pathlib import Path

import yaml

from steps.canary.promql import metric_names
from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, TransientError
from steps.operate.doctor.finding import Skip

# The default of serving.analysis.prometheus in rollouts/values.yaml: no image holds the charts.
IN_CLUSTER = "http://prometheus-operated.monitoring:9090"
_TIMEOUT_S = 10


def analysis_address(values: Path | None) -> str:
    """The address that the AnalysisTemplates of an environment ask; empty: the file is not an environment's.

    Args:
        values: an environment's values file, already read as a configuration.
    """
    document = yaml.safe_load(values.read_text(encoding="utf-8")) if values else None
    if not isinstance(document, dict) or "serving" not in document:
        return ""
    return str(((document["serving"] or {}).get("analysis") or {}).get("prometheus") or IN_CLUSTER)


def prometheus(config: PipelineConfig, address: str) -> str:
    """Prometheus holds every series that the analyses read.

    Raises:
        Skip: no address is known, or nobody answers from here.
        ConfigError: the client is not installed.
        TransientError: a series is absent; every analysis on it would end Inconclusive.
    """
    if not address:
        raise Skip("no Prometheus is named: give --prometheus, or an environment's values as --config")
    try:
        from prometheus_api_client import PrometheusConnect
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import RequestException
        from urllib3 import Retry
    except ImportError:
        raise ConfigError("prometheus-api-client is not installed: install the extra `cluster`") from None

    client = PrometheusConnect(address, retry=Retry(total=0), timeout=_TIMEOUT_S)
    try:
        names = set(client.all_metrics())
    except (PrometheusApiClientException, RequestException) as error:
        reason = f"{address} does not answer from here ({type(error).__name__})"
        raise Skip(f"{reason}: forward its port and give --prometheus http://127.0.0.1:PORT") from error
    wanted = metric_names(config.canary)
    if absent := sorted(wanted - names):
        raise TransientError(f"{address} has no {', '.join(absent)}: let traffic pass, then check the exporters' PodMonitors")
    return f"{address}: all {len(wanted)} metrics of the analyses"
