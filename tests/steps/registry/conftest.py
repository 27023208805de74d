"""One MLflow database for the whole session (making its tables takes seconds); every test has its own model name."""

from __future__ import annotations

import itertools

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.files import sha256_text
from steps.store.registry import open_registry

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def registry_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def config(registry_uri):
    return PipelineConfig.model_validate({"model_name": f"model-{next(_NUMBERS)}", "registry": {"tracking_uri": registry_uri}})


@pytest.fixture
def client(config, tmp_path):
    return open_registry(config, tmp_path)


@pytest.fixture
def make_version(client, config):
    """Register a version that passed the gate; keyword arguments are tags."""

    def make(**tags):
        client.ensure_model(config.model_name)
        number = next(_NUMBERS)
        given = {"ctp.uri": f"file:///models/{number}", "ctp.sha256": sha256_text(str(number)), "ctp.gate-phase": "Successful"}
        given |= {key.replace("_", "-").replace("ctp-", "ctp."): value for key, value in tags.items()}
        return client.create_version(config.model_name, given["ctp.uri"], {k: v for k, v in given.items() if v}, "card")

    return make
