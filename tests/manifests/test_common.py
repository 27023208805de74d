"""charts/common: every chart of ours finds it in a fresh clone, and no other one writes what it says."""

from __future__ import annotations

import re

import pytest
import yaml

from .rendered import CHARTS, LIBRARY, ROOT

# Kubernetes's names for what charts/common gives, and the label that only its block of labels has.
SHARED = re.compile(
    r"runAsNonRoot|runAsUser|runAsGroup|fsGroup:|seccompProfile|allowPrivilegeEscalation|readOnlyRootFilesystem|capabilities:"
    r"|app\.kubernetes\.io/(managed-by|version)|helm\.sh/chart"
)


@pytest.mark.parametrize("chart", CHARTS)
def test_no_chart_writes_labels_or_security_contexts_of_its_own(chart):
    written = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / chart / "templates").rglob("*"))
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if SHARED.search(line)
    ]
    assert not written, f"include the templates of {LIBRARY} instead"


def test_the_library_writes_all_of_them():
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / LIBRARY / "templates").glob("_*.tpl"))
    alternatives = {match.group() for match in SHARED.finditer(text)}
    assert {"runAsNonRoot", "seccompProfile", "allowPrivilegeEscalation", "app.kubernetes.io/managed-by"} <= alternatives


@pytest.mark.parametrize("chart", CHARTS)
def test_a_fresh_clone_holds_the_dependency(chart):
    """Argo CD refuses links that are absolute or leave the repository; Helm follows all others."""
    folder = ROOT / chart
    library = yaml.safe_load((ROOT / LIBRARY / "Chart.yaml").read_text(encoding="utf-8"))
    assert library["type"] == "library"
    (dependency,) = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))["dependencies"]
    assert dependency["name"] == library["name"] and dependency["version"] == library["version"]
    assert (folder / dependency["repository"].removeprefix("file://")).resolve() == ROOT / LIBRARY
    link = folder / "charts" / library["name"]
    assert link.is_symlink() and not link.readlink().is_absolute(), "a copy would be out of date one day"
    assert link.resolve() == ROOT / LIBRARY
    assert [path.name for path in link.parent.iterdir()] == [library["name"]], "an archive beside the link would be rendered, too"


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_uses_the_labels(chart):
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / chart / "templates").glob("_*.tpl"))
    assert 'include "common.labels"' in text
