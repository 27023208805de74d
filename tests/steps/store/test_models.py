"""One behaviour suite over both stores: a folder, and S3 by a real HTTP server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steps.cli.main import app
from steps.contract.errors import AccessError, ConfigError, DataError, TransientError, UsageError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.store import models as store
from steps.store.models import delete_model, fetch_model, local_model, open_objects, store_model


@pytest.fixture(scope="session")
def s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield client
    for entry in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=entry["Key"])
    client.delete_bucket(Bucket="models")


@pytest.fixture(params=["file", "s3"])
def where(request, tmp_path):
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    request.getfixturevalue("s3")
    return "s3://models/ctp"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "trained"
    (folder / "nested").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 400)
    (folder / "nested" / "empty.txt").write_text("")
    return folder, sha256_tree(folder)


def test_what_is_stored_is_fetched_with_the_same_digest(where, model, tmp_path):
    folder, digest = model
    ref = store_model(where, folder, digest)
    assert ref == ArtifactRef(uri=f"{where}/production/{digest}", sha256=digest)
    assert fetch_model(ref.uri, digest, tmp_path / "serve" / "model")
    assert sha256_tree(tmp_path / "serve" / "model") == digest
    assert not fetch_model(ref.uri, digest, tmp_path / "serve" / "model")
    assert [path.name for path in (tmp_path / "serve").iterdir()] == ["model"]


def test_storing_twice_sends_nothing_again(where, model, monkeypatch):
    folder, digest = model
    ref = store_model(where, folder, digest)
    objects, _ = open_objects(where)
    monkeypatch.setattr(type(objects), "upload", lambda *_: pytest.fail("sent again"))
    shutil.rmtree(folder)
    assert store_model(where, folder, digest) == ref


def test_a_killed_upload_is_completed_and_was_never_taken_for_whole(where, model, tmp_path, monkeypatch):
    folder, digest = model
    objects, _ = open_objects(where)
    send, sent = type(objects).upload, []

    class Killed(BaseException):
        pass

    def die(self, path, key, sha256):
        if len(sent) == 1:
            raise Killed
        sent.append(key)
        send(self, path, key, sha256)

    with monkeypatch.context() as patch:
        patch.setattr(type(objects), "upload", die)
        with pytest.raises(Killed):
            store_model(where, folder, digest)
    if where.startswith("s3"):
        with pytest.raises(DataError, match="never stored whole"):
            fetch_model(f"{where}/production/{digest}", digest, tmp_path / "m")
    monkeypatch.setattr(type(objects), "upload", lambda self, path, key, sha256: (sent.append(key), send(self, path, key, sha256)))
    store_model(where, folder, digest)
    assert len(sent) == len(set(sent)) == 3
    assert fetch_model(f"{where}/production/{digest}", digest, tmp_path / "m")


def test_a_half_of_an_object_is_sent_again(where, model, tmp_path):
    folder, digest = model
    objects, prefix = open_objects(where)
    objects.write(f"{prefix}production/{digest}/weights.bin", b"half")
    store_model(where, folder, digest)
    assert fetch_model(f"{where}/production/{digest}", digest, tmp_path / "m")


def test_a_changed_model_is_not_stored(where, model):
    folder, digest = model
    (folder / "config.json").write_text('{"changed": true}')
    with pytest.raises(DataError, match="its files are not those of"):
        store_model(where, folder, digest)


def test_a_changed_object_is_not_served(where, model, tmp_path):
    folder, digest = model
    ref = store_model(where, folder, digest)
    objects, prefix = open_objects(where)
    objects.write(f"{prefix}production/{digest}/config.json", b"[]")
    with pytest.raises(DataError, match="it is not the released model"):
        fetch_model(ref.uri, digest, tmp_path / "m")
    assert not (tmp_path / "m").exists() and not list(tmp_path.glob(".m.*"))


@pytest.mark.parametrize("bad", ["../outside", "/etc/passwd"])
def test_a_manifest_that_leads_out_of_the_folder_is_refused(where, model, tmp_path, bad):
    folder, digest = model
    ref = store_model(where, folder, digest)
    objects, prefix = open_objects(where)
    manifest = json.loads(objects.read(f"{prefix}production/{digest}.json"))
    manifest["files"][0]["path"] = bad
    objects.write(f"{prefix}production/{digest}.json", json.dumps(manifest).encode())
    with pytest.raises(DataError, match="leads out of the model's folder"):
        fetch_model(ref.uri, digest, tmp_path / "m")


def test_other_files_in_the_way_are_never_overwritten(where, model, tmp_path):
    folder, digest = model
    ref = store_model(where, folder, digest)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine").write_text("x")
    with pytest.raises(DataError, match="holds other files"):
        fetch_model(ref.uri, digest, tmp_path / "m")
    assert (tmp_path / "m" / "mine").read_text() == "x"


def test_an_empty_folder_is_filled(where, model, tmp_path):
    folder, digest = model
    (tmp_path / "m").mkdir()
    assert fetch_model(store_model(where, folder, digest).uri, digest, tmp_path / "m")


def test_a_deleted_model_is_gone_whole(where, model, tmp_path):
    folder, digest = model
    ref = store_model(where, folder, digest)
    assert delete_model(ref.uri) == 3
    with pytest.raises(DataError):
        fetch_model(ref.uri, digest, tmp_path / "m")


def test_a_plain_folder_is_fetched_by_its_digest(model, tmp_path):
    folder, digest = model
    assert fetch_model(folder.as_uri(), digest, tmp_path / "m")
    with pytest.raises(DataError, match="it is not the released model"):
        fetch_model(folder.as_uri(), "0" * 64, tmp_path / "n")
    with pytest.raises(DataError, match="no such model folder"):
        fetch_model((tmp_path / "none").as_uri(), digest, tmp_path / "n")


def test_a_stored_model_becomes_a_folder_for_training_and_gate(s3, model, tmp_path):
    folder, digest = model
    ref = store_model("s3://models", folder, digest)
    local = local_model(ref, tmp_path / "artifacts")
    assert sha256_tree(Path(local.local_path())) == digest == local.sha256
    assert local_model(local, tmp_path / "artifacts") == local


def test_errors_of_the_store_are_typed(s3, model, tmp_path, monkeypatch):
    folder, digest = model
    with pytest.raises(ConfigError, match="no such bucket"):
        store_model("s3://absent-bucket/x", folder, digest)
    with pytest.raises(ConfigError, match="write file:///FOLDER or s3://BUCKET/PREFIX"):
        store_model("gs://models", folder, digest)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransientError, match="run the same command again"):
        fetch_model(f"s3://models/production/{digest}", digest, tmp_path / "m")


def test_without_credentials_access_is_denied(s3, model, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(AccessError, match="no AWS credentials"):
        fetch_model(f"s3://models/production/{model[1]}", model[1], tmp_path / "m")


def test_the_command_of_the_init_container(s3, model, tmp_path):
    """The real command in a process of its own, with the exit codes that a pod shows."""
    folder, digest = model
    ref = store_model("s3://models", folder, digest)

    def fetch(uri, sha256):
        words = ["fetch-model", "--uri", uri, "--sha256", sha256, "--to", str(tmp_path / "m" / "model")]
        return subprocess.run([sys.executable, "-m", "steps.cli.main", *words], capture_output=True, text=True)

    first = fetch(ref.uri, digest)
    assert (first.returncode, first.stderr) == (0, "") and "fetched" in first.stdout
    assert "there already" in fetch(ref.uri, digest).stdout
    assert sha256_tree(tmp_path / "m" / "model") == digest
    assert fetch(ref.uri, "0" * 64).returncode == 65
    assert fetch(ref.uri, "short").returncode == 64
    both = ["fetch-model", f"--model={ref}", f"--to={tmp_path / 'other' / 'model'}"]
    assert CliRunner().invoke(app, both).exit_code == 0
    for words in ([*both, "--uri=x"], ["fetch-model", both[2]], [*both, "--model=nothing"]):
        assert isinstance(CliRunner().invoke(app, words).exception, UsageError), words


def test_only_the_production_prefix_is_written(where, model):
    folder, digest = model
    store_model(where, folder, digest)
    objects, prefix = open_objects(where)
    assert all(key.startswith(f"{prefix}{store.PRODUCTION}/{digest}") for key in objects.keys(prefix))
