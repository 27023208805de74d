"""Checks of what a configuration needs."""

from __future__ import annotations

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import AccessError
from steps.operate.doctor import checks
from steps.operate.doctor.finding import Skip


@pytest.mark.parametrize(
    ("override", "area", "says"),
    [
        ("reward_judge.base_url=http://127.0.0.1:9/v1", "reward judge", "reward_judge.base_url"),
        ("ingest.sources=[/nowhere/at/all]", "sources", "/nowhere/at/all"),
        ("govern.user_key_file=/nowhere/key", "secret files", "govern.user_key_file"),
        ("notify.webhook_url_file=/nowhere/url", "secret files", "notify.webhook_url_file"),
        ("lake.catalog=glue", "AWS", "AWS_REGION"),
        ("release.repository=/nowhere/repository.git", "git", "/nowhere/repository.git"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(by_area, override, area, says):
    found = by_area(override)
    assert found[area].status == "failed" and says in found[area].detail
    assert found[area].exit_code in (65, 75, 77, 78)


def test_git_credentials_are_secret_files_too(by_area):
    found = by_area("release.repository=https://127.0.0.1:9/r.git", "release.token_file=/nowhere/token")
    assert found["secret files"].status == "failed" and "release.token_file" in found["secret files"].detail


def test_a_work_folder_that_may_not_be_made_is_denied(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AccessError, match="not writable: name another folder with --workdir"):
        checks.work_folder(tmp_path / "file" / "work")
    assert "GiB free" in checks.work_folder(tmp_path / "work") and not (tmp_path / "work").exists()


def test_secret_files_are_counted(tmp_path):
    (tmp_path / "key").write_text("k")
    config = PipelineConfig.model_validate({"govern": {"user_key_file": str(tmp_path / "key")}})
    assert checks.secret_files(config) == "1 readable"
    with pytest.raises(Skip):
        checks.secret_files(PipelineConfig())
