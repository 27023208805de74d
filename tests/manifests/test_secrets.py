"""No secret material in what Git holds or would hold."""

from __future__ import annotations

import subprocess

import pytest

from .rendered import ROOT

# No detector of plain high entropy or of words like "secret": digests and names of Secrets are all over.
DETECTORS = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)
# Planted: what the PII gate and the Git client must find or hide. (file, kind)
PLANTED = {
    ("bench/pii.py", "Private Key"),
    ("tests/steps/govern/pii/test_scan.py", "AWS Access Key"),
    ("tests/steps/govern/pii/test_scan.py", "Basic Auth Credentials"),
    ("tests/steps/govern/pii/test_scan.py", "GitHub Token"),
    ("tests/steps/govern/pii/test_scan.py", "JSON Web Token"),
    ("tests/steps/govern/pii/test_scan.py", "Private Key"),
    ("tests/steps/govern/test_rows.py", "Basic Auth Credentials"),
    ("tests/steps/ingest/langfuse_api/test_source.py", "Basic Auth Credentials"),
    ("tests/steps/release/test_change.py", "Basic Auth Credentials"),
    ("tests/steps/store/test_git_credentials.py", "Basic Auth Credentials"),
}


def found_in(paths, root, scratch):
    """(file, kind, line). A line that many files share is scanned once, and a secret that stands twice is told once."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import transient_settings

    places: dict[str, list[tuple[str, int]]] = {}
    for name in paths:
        for number, line in enumerate((root / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            places.setdefault(line, []).append((name, number))
    lines = list(places)
    listed = scratch / "every-line.txt"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    secrets = SecretsCollection()
    with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS], "filters_used": []}):
        secrets.scan_file(str(listed))
    return [(name, secret.type, number) for _, secret in secrets for name, number in places[lines[secret.line_number - 1]]]


def test_git_holds_no_secret_material(tmp_path):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    paths = [name for name in listed if name and (ROOT / name).is_file() and not name.endswith((".png", ".parquet"))]
    assert len(paths) > 100
    found = found_in(paths, ROOT, tmp_path)
    assert {entry[:2] for entry in found} & PLANTED, "the scanner finds nothing that is planted"
    unknown = [entry for entry in found if entry[:2] not in PLANTED]
    assert not unknown, "\n".join(f"{name}:{line}: {kind}" for name, kind, line in unknown)


@pytest.mark.parametrize(
    "text",
    [
        "key: AKIA" + "QWERTYUIOP234567",
        "token: ghp_" + "a1B2" * 9,
        "-----BEGIN " + "PRIVATE KEY-----",
        "url: https://user:" + "hunter2" + "@git.example.org/x.git",
    ],
    ids=["AWS", "GitHub", "private key", "URL"],
)
def test_the_scanner_finds(text, tmp_path):
    (tmp_path / "values.yaml").write_text(text + "\n", encoding="utf-8")
    assert found_in(["values.yaml"], tmp_path, tmp_path)
