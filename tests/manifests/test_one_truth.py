"""A threshold, the steps, the model, a namespace, an image: changed in the one values file of an environment, old nowhere."""

from __future__ import annotations

import re

import pytest
from helm_python import HelmError

from . import copies
from .rendered import read_values, strings, walk

ENVIRONMENT = "production"
NO_DEFAULT = re.compile(r"(?<![\w.])0\.03(?![\w.])")


@pytest.fixture
def root(tmp_path):
    return copies.copy(tmp_path)


def values_file(root):
    return root / "charts" / "environments" / ENVIRONMENT / "values.yaml"


def holding(items, word):
    """Objects with a text that holds a word."""
    return sorted({f"{item}{path}" for item in items for path, text in strings(item.manifest) if word in text})


def of_kind(items, kind):
    return [item for item in items if item.kind == kind]


def test_the_copy_renders_like_the_repository(root):
    """Else everything below would prove nothing."""
    from .rendered import objects

    committed = {str(item): item.manifest for item in objects(ENVIRONMENT)}
    made = {str(item): item.manifest for item in copies.rendered(root, ENVIRONMENT)}
    assert made == committed, "run `make render` and commit the result"


def test_a_threshold_stands_once(root):
    copies.changed(root, ENVIRONMENT, {"pipeline": {"canary": {"max_faithfulness_drop": 0.01731}}})
    items = copies.rendered(root, ENVIRONMENT)
    asking = [item for item in of_kind(items, "AnalysisTemplate") if "-faithfulness-" in item.name]
    assert asking and all("0.01731" in str(item.manifest) for item in asking)
    old = [item for item in items if item.kind in ("AnalysisTemplate", "Rollout") and "-faithfulness-" in item.name]
    assert not [str(item) for item in old if NO_DEFAULT.search(str(item.manifest))], "the old threshold is still there"


def test_the_steps_stand_once(root):
    copies.changed(root, ENVIRONMENT, {"pipeline": {"canary": {"weights": [3, 33, 63, 100], "holds_s": [1260, 1320, 1380]}}})
    items = copies.rendered(root, ENVIRONMENT)
    steps = walk(of_kind(items, "Rollout")[0].manifest, "spec.strategy.canary.steps")
    assert [step["setWeight"] for step in steps if "setWeight" in step] == [3, 33, 63, 100]
    assert [step["pause"]["duration"] for step in steps if "pause" in step] == ["1260s", "1320s", "1380s"]
    lists = re.compile(r"\b5\s*[,/>\-→]\s*(%\s*)?25\b")
    assert not [f"{item}{path}" for item in items for path, text in strings(item.manifest) if lists.search(text)]


def test_the_model_and_its_service_stand_once(root):
    given = {"pipeline": {"model_name": "zebra", "release": {"rollout": "zebra"}}, "serving": {"name": "zebra"}}
    copies.changed(root, ENVIRONMENT, given)
    # State, which the release step writes by the configured name.
    for file in ("model.yaml", "agent.yaml"):
        path = root / "charts" / "environments" / ENVIRONMENT / file
        path.write_text(path.read_text(encoding="utf-8").replace("agent-model", "zebra"), encoding="utf-8")
    items = copies.rendered(root, ENVIRONMENT)
    assert holding(items, "agent-model") == []
    assert holding(items, "zebra-canary")


@pytest.mark.parametrize(
    ("old", "given"),
    [
        ("model-serving", {"serving": {"namespace": "zebra"}, "pipeline": {"release": {"rollout_namespace": "zebra"}}}),
        ("training-pipeline", {"workflows": {"namespace": "zebra"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_namespace_stands_once(root, old, given):
    path = values_file(root)
    # Other names of this project end like its namespace.
    text = path.read_text(encoding="utf-8").replace("continuous-training-pipeline", "project")
    path.write_text(text.replace(old, "zebra"), encoding="utf-8")
    copies.changed(root, ENVIRONMENT, given)
    items = copies.rendered(root, ENVIRONMENT)
    assert holding(items, old) == []
    assert {item.namespace for item in items} >= {"zebra"}


def test_an_image_stands_once(root):
    old = read_values([values_file(root)])["workflows"]["image"]
    new = "registry.example.org/zebra@sha256:" + "1" * 64
    copies.changed(root, ENVIRONMENT, {"workflows": {"image": new}})
    items = copies.rendered(root, ENVIRONMENT)
    assert holding(items, old) == []
    assert holding(items, new)


def test_argo_cd_follows_the_repository_that_the_release_step_writes(root):
    given = {"pipeline": {"release": {"repository": "https://git.example.org/zebra.git", "branch": "live"}}}
    copies.changed(root, ENVIRONMENT, given)
    ours = [item.manifest["spec"] for item in copies.rendered(root, ENVIRONMENT) if item.kind == "Application"]
    sources = [source for spec in ours for source in spec.get("sources") or [spec["source"]]]
    followed = {(source["repoURL"], source["targetRevision"]) for source in sources if "ref" in source or "chart" not in source}
    assert ("https://git.example.org/zebra.git", "live") in followed
    assert not [source for source in followed if "continuous-training-pipeline" in source[0]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"serving": {"namespace": "zebra"}}, r"rollout_namespace is model-serving, but serving\.namespace is zebra"),
        ({"serving": {"name": "zebra"}}, r"release\.rollout is agent-model, but serving\.name is zebra"),
        ({"pipeline": {"model_name": "zebra"}}, r"model\.yaml pins agent-model, but pipeline\.model_name is zebra"),
        (
            {"rootApp": {"repo": {"url": "https://git.example.org/x.git"}}},
            r"rootApp\.repo\.url is https://git\.example\.org/x\.git, but the release step",
        ),
        ({"rootApp": {"repo": {"revision": "live"}}}, r"rootApp\.repo\.revision is live, but the release step"),
        ({"pipeline": {"release": {"environment": "staging"}}}, r"environment is staging, but rootApp\.environment is production"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_blocks_that_disagree_are_refused(root, given, said):
    copies.changed(root, ENVIRONMENT, given)
    with pytest.raises(HelmError, match=said):
        copies.rendered(root, ENVIRONMENT)
