"""S3 lifecycle rules of the model bucket; `make render` writes them.

S3 has no exclusions: a rule on a prefix reaches everything below it. So what expires and what
stays lie under prefixes of which none begins another: checkpoints/ and candidates/ expire,
production/ never does by a rule; its files are deleted by `maintain`, which knows the champions.
Apply with `aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://…`.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steps.contract.config import load_config
from steps.store.models import PRODUCTION

# Below the prefix of `registry.model_store`.
CHECKPOINTS, CANDIDATES = "checkpoints", "candidates"
CHECKPOINT_DAYS = 14
CANDIDATE_DAYS = 60
UNFINISHED_DAYS = 7
OVERWRITTEN_DAYS = 30


def rules(prefix: str = "") -> dict[str, Any]:
    """The bucket's lifecycle configuration.

    Args:
        prefix: key prefix of the model store; empty: the whole bucket is ours.
    """
    home = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def rule(name: str, **actions: Any) -> dict[str, Any]:
        unfinished = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS}}
        return {"ID": f"ctp-{name}", "Status": "Enabled", "Filter": {"Prefix": f"{home}{name}/"}, **actions, **unfinished}

    def expire(days: int) -> dict[str, Any]:
        return {"Expiration": {"Days": days}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}

    # A deleted or overwritten object of production stays restorable for a while; the current one has no date.
    overwritten = {"NoncurrentVersionExpiration": {"NoncurrentDays": OVERWRITTEN_DAYS}}
    return {
        "Rules": [
            rule(CHECKPOINTS, **expire(CHECKPOINT_DAYS)),
            rule(CANDIDATES, **expire(CANDIDATE_DAYS)),
            rule(PRODUCTION, **overwritten),
        ]
    }


def path_of(environment: str, root: Path) -> Path:
    """Where an environment's rules are committed."""
    return root / "charts" / "environments" / environment / "s3-lifecycle.json"


def text_of(environment: str, root: Path) -> str:
    """The committed file's content; the prefix is that of the environment's model store."""
    store = load_config(root / "charts" / "environments" / environment / "values.yaml").registry.model_store
    return json.dumps(rules(urlsplit(store).path), indent=2) + "\n"
