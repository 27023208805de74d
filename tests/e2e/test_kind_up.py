"""The plan of `make kind-up`: every file, chart, version and image that a command names is there and pinned."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml

from tools import kind_up

from ..manifests.rendered import root_app
from ..manifests.versions import pins
from .rendered import ROOT, environment_values

HELM = [command.argv for command in kind_up.plan() if command.argv[0] == "helm"]


def option(argv, name):
    return [word.partition("=")[2] for word in argv if word.startswith(f"--{name}=")]


def run(*arguments, path=None):
    env = {**os.environ, **({"PATH": path} if path is not None else {})}
    command = [sys.executable, "-m", "tools.kind_up", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_the_dry_run_prints_every_command_and_does_nothing():
    done = run("up", "--dry-run", path="")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(kind_up.plan())
    assert lines[0].startswith("make image-kind    # unless: docker image inspect ")
    assert lines[1].startswith("kind create cluster")


def test_missing_tools_are_said_first_one_line_each(tmp_path):
    done = run("up", path=str(tmp_path))
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines if "not found" in line] == sorted(kind_up.TOOLS)
    assert f"helm: not found: install it ({pins()['HELM_VERSION']}; " in done.stderr
    assert done.stdout == ""


def test_every_controller_of_kind_is_installed_but_argo_cd():
    named = {item.name for item in root_app("kind") if item.kind == "Application" and item.manifest["spec"]["project"] == "ctp-platform"}
    assert {application["metadata"]["name"] for application in kind_up.third_party()} == named - {"argo-cd"}
    assert named >= {"argo-cd", "argo-rollouts", "argo-workflows", "argo-workflows-crds", "gateway-api-crds", "prometheus"}


def test_definitions_come_before_their_controllers():
    order = [application["metadata"]["name"] for application in kind_up.third_party()]
    assert order.index("argo-workflows-crds") < order.index("argo-workflows")
    assert order.index("gateway-api-crds") < order.index("argo-rollouts")


@pytest.mark.parametrize("argv", HELM, ids=lambda argv: argv[3])
def test_a_chart_comes_in_its_pinned_version_with_our_values(argv):
    (application,) = [found for found in kind_up.third_party() if found["metadata"]["name"] == argv[3]]
    (version,) = option(argv, "version")
    assert version == application["spec"]["sources"][-1]["targetRevision"] and version in pins().values()
    assert option(argv, "repo")[0].startswith("https://")
    ours, *given = option(argv, "values")
    assert (ROOT / ours).is_file()
    assert given == ([f"work/kind/{argv[3]}.yaml"] if kind_up.given_values(application) else [])


def test_folders_of_others_come_in_their_pinned_version():
    urls = [command.argv[-1] for command in kind_up.plan() if command.argv[0] == "kubectl"]
    assert len(urls) == 2 and all(url.startswith("https://github.com/") for url in urls)
    for url in urls:
        assert re.search(r"v\d+\.\d+\.\d+", url)[0] in (pins()["GATEWAY_API_VERSION"], pins()["ARGO_WORKFLOWS_VERSION"])


def test_values_that_commands_name_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(kind_up, "ROOT", tmp_path)
    kind_up.write_values()
    written = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (tmp_path / kind_up.FOLDER).glob("*.yaml")}
    assert {f"work/kind/{name}.yaml" for name in written} == {
        value for argv in HELM for value in option(argv, "values") if value.startswith("work")
    }
    rollouts = written["argo-rollouts"]["controller"]
    assert rollouts["image"]["tag"] == pins()["ARGO_ROLLOUTS_VERSION"] and rollouts["initContainers"]
    # There is no operator, so its kinds are not there either.
    assert rollouts["metrics"]["serviceMonitor"]["enabled"] is False


def test_the_image_is_built_loaded_and_used():
    words = [word for command in kind_up.plan() for word in (*command.argv, *command.unless)]
    ours = {word for word in words if word.startswith(pins()["IMAGE_REPOSITORY"])}
    assert ours == {f"{pins()['IMAGE_REPOSITORY']}:{pins()['IMAGE_TAG']}"} == {environment_values("kind")["workflows"]["image"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^image-kind:", makefile, re.M)
    for target in re.findall(r"make (kind-[a-z]+)", kind_up.closing("x")):
        assert re.search(rf"^{target}:", makefile, re.M)


def test_no_command_goes_through_a_shell():
    for command in kind_up.plan():
        assert all(isinstance(word, str) for word in (*command.argv, *command.unless))
        assert command.argv[0] in {*kind_up.TOOLS, "make"}
        assert not set(command.argv) & {"sh", "bash", "-c"}


def test_a_condition_is_asked():
    yes, no = [sys.executable, "-c", "print('kind ctp')"], [sys.executable, "-c", "raise SystemExit(1)"]
    assert not kind_up.needed(kind_up.Command(["x"], yes))
    assert not kind_up.needed(kind_up.Command(["x"], yes, "ctp"))
    assert kind_up.needed(kind_up.Command(["x"], yes, "ct"))
    assert kind_up.needed(kind_up.Command(["x"], no))
    assert kind_up.needed(kind_up.Command(["x"]))
