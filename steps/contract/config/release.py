"""The block `release` of the configuration: the Git repository that Argo CD follows. A default lives once, on its field."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen


class ReleaseConfig(Frozen):
    """The Git repository whose model pin Argo CD follows, how to write it, and the Rollout that follows it.

    Without credential files, git's own configuration counts (credential helpers, ssh agent).
    """

    repository: str = Field(default="", description="URL or path; empty: a repository in the work folder")
    branch: str = Field(default="main", description="branch that Argo CD follows")
    environment: str = Field(default="kind", description="environment whose pin moves")
    mode: Literal["commit", "pull-request"] = Field(
        default="commit",
        description="commit: to the branch; pull-request: to a branch release/<environment>/<model>-<version> for people to merge",
    )
    username: str = Field(default="ctp", pattern=r"^[\w.@+-]+$", description="user name beside token_file; many hosts take any")
    token_file: str = Field(default="", description="mounted file holding the token or password of an https repository")
    ssh_key_file: str = Field(default="", description="mounted file holding the private key of an ssh repository; needs known_hosts_file")
    known_hosts_file: str = Field(
        default="", description="mounted file holding the host keys of an ssh repository; no other host is trusted"
    )
    rollout_namespace: str = Field(
        default="model-serving", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", description="namespace of the Rollout"
    )
    rollout: str = Field(default="agent-model", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="name of the Rollout")
    rollback_limit_s: float = Field(default=300.0, gt=0, description="from breach to the previous generation back; more is warned about")

    @model_validator(mode="after")
    def _credentials_fit(self) -> ReleaseConfig:
        url = self.repository
        if url.startswith("-") or re.match(r"\w+://[^/@\s]*:[^/@\s]*@", url):
            raise ValueError("release.repository must be a URL or path without a password: put that into a file and name it as token_file")
        if bool(self.ssh_key_file) != bool(self.known_hosts_file):
            raise ValueError("release.ssh_key_file and release.known_hosts_file need each other: a host that is not known is not trusted")
        loopback = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", url)
        if self.token_file and not (url.startswith("https://") or loopback):
            raise ValueError("release.token_file is for https repositories: any other would send it in clear, or not at all")
        return self
