"""Repositories and registries, as release and registry make them."""

from ..registry.conftest import client, config, make_version, registry_uri  # noqa: F401
from ..release.conftest import bare, git, make_ctx, worktree  # noqa: F401
