"""What no object of ours may be: privileged, without bounds, allowed everything, of an image that can change."""

from __future__ import annotations

import re

import pytest

from .inventory import all_pods
from .rendered import CLUSTER_SCOPED, ENVIRONMENTS, environment_files, objects, of_kind, read_values, root_app
from .versions import pins

# What may break a rule: (words of who makes the pod, rule) -> why. Nothing else may.
EXCEPTIONS: dict[tuple[str, str], str] = {
    (
        "manifest of RayJob",
        "read-only root",
    ): "Ray keeps its sessions, and NeMo-RL the environments of its workers, in their image's folders",
}


def pods(environment):
    for item in objects(environment):
        yield from ((item, *pod) for pod in all_pods(item))


def containers(spec):
    found = [*spec.get("initContainers", []), *spec.get("containers", []), *spec.get("sidecars", [])]
    return found + ([spec["model"]] if isinstance(spec.get("model"), dict) else [])


def allowed(owner, rule):
    return any(words in owner and rule == broken for words, broken in EXCEPTIONS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_pods_keep_the_restricted_standard(environment):
    """Pod Security Standard `restricted`, and a read-only root beside it."""
    found = []
    for _, owner, spec, _ in pods(environment):
        outer = spec.get("securityContext") or {}
        if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
            found.append((owner, "host", f"{owner}: shares the host's network or processes"))
        found += [(owner, "hostPath", f"{owner}: mounts a host path") for volume in spec.get("volumes", []) if "hostPath" in volume]
        for container in containers(spec):
            inner = container.get("securityContext") or {}
            name = f"{owner}, container {container.get('name', '')}"
            either = {**outer, **inner}
            rules = {
                "root": either.get("runAsNonRoot") is True and either.get("runAsUser") != 0,
                "seccomp": (either.get("seccompProfile") or {}).get("type") == "RuntimeDefault",
                "escalation": inner.get("allowPrivilegeEscalation") is False and not inner.get("privileged"),
                "capabilities": (inner.get("capabilities") or {}).get("drop") == ["ALL"] and not (inner["capabilities"]).get("add"),
                "read-only root": inner.get("readOnlyRootFilesystem") is True,
                "host port": not any(port.get("hostPort") for port in container.get("ports", [])),
            }
            found += [(owner, rule, f"{name}: {rule}") for rule, kept in rules.items() if not kept]
    broken = [text for owner, rule, text in found if not allowed(owner, rule)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_container_has_requests_and_limits(environment):
    found = []
    for _, owner, spec, _ in pods(environment):
        for container in containers(spec):
            resources = container.get("resources") or {}
            for what in ("cpu", "memory"):
                if what not in resources.get("requests", {}) or what not in resources.get("limits", {}):
                    found.append(f"{owner}, container {container.get('name', '')}: no request or limit of {what}")
            for what, number in resources.get("requests", {}).items():
                if "/" in what and resources["limits"].get(what) != number:
                    found.append(f"{owner}: {what} is requested and limited differently")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pod_has_an_account_of_its_own(environment):
    found = []
    for item, owner, spec, _ in pods(environment):
        if item.kind in ("WorkflowTemplate", "CronWorkflow") and "serviceAccountName" not in spec:
            spec = {**spec, "serviceAccountName": item.manifest["spec"].get("serviceAccountName", "")}
        if spec.get("serviceAccountName", "default") in ("", "default"):
            found.append(owner)
    assert not found


def rules(environment):
    for item in of_kind(environment, "Role", "ClusterRole"):
        yield from ((item, rule) for rule in item.manifest["rules"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_permission_is_a_wildcard(environment):
    for item, rule in rules(environment):
        words = [word for key in ("apiGroups", "resources", "verbs", "nonResourceURLs") for word in rule.get(key, [])]
        assert "*" not in words and not any(word.endswith("/*") for word in words), f"{item}: {rule}"
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), f"{item}: {rule}"
        assert "secrets" not in rule["resources"] or rule.get("resourceNames"), f"{item}: every Secret of its namespace"
        assert not {"pods/exec", "pods/attach"} & set(rule["resources"]), f"{item}: {rule}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nobody_is_an_administrator(environment):
    for item in of_kind(environment, "RoleBinding", "ClusterRoleBinding"):
        assert item.manifest["roleRef"]["name"] not in ("cluster-admin", "admin", "edit"), str(item)
        for subject in item.manifest.get("subjects", []):
            assert subject["name"] not in ("default", "system:authenticated", "system:unauthenticated", "system:serviceaccounts"), str(item)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_secret_is_rendered(environment):
    assert not [str(item) for item in of_kind(environment, "Secret")], "a Secret comes from an ExternalSecret, never from Git"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_our_namespaces_enforce_the_restricted_standard(environment):
    for item in of_kind(environment, "Namespace"):
        assert item.manifest["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted", str(item)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nothing_of_ours_is_in_the_default_namespace(environment):
    for item in objects(environment):
        assert item.kind in CLUSTER_SCOPED or item.namespace not in ("default", ""), str(item)


# ---- images -----------------------------------------------------------------------------------


def images(environment):
    for _, owner, spec, _ in pods(environment):
        yield from ((owner, container["image"]) for container in containers(spec) if "image" in container)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_image_names_a_version(environment):
    for owner, image in images(environment):
        assert re.search(r"(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$", image.rpartition("/")[2] and image), f"{owner}: {image} has no tag"
        assert not image.endswith((":latest", ":main", ":master", ":nightly")), f"{owner}: {image}"


def test_production_refuses_an_image_of_ours_without_a_digest():
    from helm_python import HelmError

    given = read_values(environment_files("production"))
    assert given["rootApp"]["requireDigests"] is True
    digest = "registry.example.org/ctp@sha256:" + "1" * 64
    pinned = {"image": digest, "train_image": digest, "nemo": {"image": digest}}
    assert root_app("production", more={"rootApp": {"requireDigests": True}, "workflows": pinned})
    for key in ("image", "train_image"):
        with pytest.raises(HelmError, match=rf"workflows\.{key} is registry\.example\.org/ctp:1: this environment runs digests only"):
            root_app("production", more={"rootApp": {"requireDigests": True}, "workflows": {**pinned, key: "registry.example.org/ctp:1"}})


def test_production_runs_digests_or_what_versions_env_pins():
    """An image of ours gets its digest when it is pushed; until then it is the version that versions.env pins."""
    ours = pins()["IMAGE_REPOSITORY"]
    pinned = set(pins().values())
    for owner, image in images("production"):
        tag = image.rpartition(":")[2]
        exact = "@sha256:" in image or tag in pinned or tag.removeprefix("v") in pinned or tag.partition("-")[0] in pinned
        assert exact, f"{owner}: {image} is neither a digest nor a version of versions.env"
        assert not image.startswith(ours) or "@sha256:" in image or tag == pins()["IMAGE_TAG"], f"{owner}: {image}"
