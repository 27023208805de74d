"""`make kind-up`: kind, the controllers that charts/root-app names, and the environment that the cluster test drives.

Controllers are installed by docker, kind, kubectl and helm, as argv lists; everything of ours goes through the
Kubernetes API, by the code of the cluster test. There is no Argo CD: `make kind-sync` applies what Git says.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.e2e.rendered import ROOT, environment_values, kind_environment, namespace_of
from tests.manifests.rendered import root_app
from tests.manifests.versions import pins

NAME = "ctp"
# Below the repository, ignored by Git.
FOLDER = Path("work/kind")
KUBECONFIG = FOLDER / "kubeconfig"
# Tool -> key of versions.env with the version that this was written for, and where to get it.
TOOLS = {
    "docker": ("", "https://docs.docker.com/get-docker/"),
    "git": ("", "https://git-scm.com/downloads"),
    "helm": ("HELM_VERSION", "https://helm.sh/docs/intro/install/"),
    "kind": ("KIND_VERSION", "https://kind.sigs.k8s.io/docs/user/quick-start/"),
    "kubectl": ("KUBERNETES_HIGHEST", "https://kubernetes.io/docs/tasks/tools/"),
}
# Applications that are no chart: what kubectl applies in their place. {version} is the one that root-app pins.
FOLDERS = {
    "gateway-api-crds": ["-f", "https://github.com/kubernetes-sigs/gateway-api/releases/download/{version}/standard-install.yaml"],
    "argo-workflows-crds": ["-k", "https://github.com/argoproj/argo-workflows//manifests/base/crds/full?ref={version}"],
}
# This script stands in for it.
LEFT_OUT = {"argo-cd"}
EXIT_CONFIG = 78


class Command(NamedTuple):
    """One command, and when it is not needed: another that succeeds and, if words are given, prints one of them."""

    argv: list[str]
    unless: list[str] = []
    prints: str = ""


def image() -> str:
    """The one image of ours."""
    return str(environment_values("kind")["workflows"]["image"])


def third_party() -> list[dict[str, Any]]:
    """Applications of others in the order of their waves."""
    found = [
        item.manifest for item in root_app("kind") if item.kind == "Application" and item.manifest["spec"]["project"] == "ctp-platform"
    ]
    wanted = [application for application in found if application["metadata"]["name"] not in LEFT_OUT]
    return sorted(wanted, key=lambda application: int(application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]))


def given_values(application: dict[str, Any]) -> dict[str, Any]:
    """Values that root-app gives beside the chart's file, as the pinned tags."""
    found: dict[str, Any] = application["spec"]["sources"][-1].get("helm", {}).get("valuesObject", {})
    return found


def install(application: dict[str, Any]) -> Command:
    """Install one Application of others.

    Raises:
        KeyError: it is a folder of another repository that FOLDERS does not know.
    """
    name, source = application["metadata"]["name"], application["spec"]["sources"][-1]
    if "chart" not in source:
        words = [word.format(version=source["targetRevision"]) for word in FOLDERS[name]]
        return Command(["kubectl", f"--kubeconfig={KUBECONFIG}", "apply", "--server-side", "--force-conflicts", *words])
    values = [f"--values={file.removeprefix('$values/')}" for file in source["helm"]["valueFiles"]]
    if given_values(application):
        values.append(f"--values={FOLDER / name}.yaml")
    chart = (
        [source["chart"], f"--repo={source['repoURL']}"] if "://" in source["repoURL"] else [f"oci://{source['repoURL']}/{source['chart']}"]
    )
    argv = ["helm", "upgrade", "--install", source["helm"]["releaseName"], *chart, f"--version={source['targetRevision']}"]
    argv += [f"--namespace={application['spec']['destination']['namespace']}", "--create-namespace", f"--kubeconfig={KUBECONFIG}"]
    return Command([*argv, *values, "--wait", "--timeout=10m"])


def plan() -> list[Command]:
    """Every command of `make kind-up`, in order."""
    kubeconfig = f"--kubeconfig={KUBECONFIG}"
    return [
        Command(["make", "image-kind"], ["docker", "image", "inspect", image()]),
        Command(["kind", "create", "cluster", f"--name={NAME}", kubeconfig, "--wait=180s"], ["kind", "get", "clusters"], NAME),
        Command(["kind", "export", "kubeconfig", f"--name={NAME}", kubeconfig]),
        Command(["kind", "load", "docker-image", image(), f"--name={NAME}"]),
        *(install(application) for application in third_party()),
    ]


def missing_tools() -> Iterator[str]:
    """One line for each tool that is not there."""
    for tool, (key, place) in TOOLS.items():
        if shutil.which(tool) is None:
            yield f"{tool}: not found: install it ({pins()[key] if key else 'any version'}; {place})"


def write_values() -> None:
    """The values that commands name and that are no file of the repository."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for application in third_party():
        if values := given_values(application):
            path = ROOT / FOLDER / f"{application['metadata']['name']}.yaml"
            path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def needed(command: Command) -> bool:
    """Whether the command still has something to do."""
    if not command.unless:
        return True
    done = subprocess.run(command.unless, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode != 0 or bool(command.prints and command.prints not in done.stdout.split())


def up() -> None:
    """Everything, until a loop waits for its first approval."""
    write_values()
    for command in plan():
        if needed(command):
            say(shlex.join(command.argv))
            subprocess.run(command.argv, cwd=ROOT, check=True)
    from steps.operate.doctor.cluster import version

    cluster, delivery = connect()
    say(version(cluster.api))
    values = environment_values("kind")
    say("applying charts/pipeline and workflows/rendered/kind")
    for document in kind_environment(image()):
        cluster.apply(document)
    cluster.wait_deployment("ctp-judge")
    say("the first model (about a minute)")
    cluster.ctp_json("kind-bootstrap", "bootstrap")
    cluster.ctp_json("kind-traffic", "traffic", f"--to={values['pipeline']['ingest']['sources'][0]}", "--name=first")
    say("applying kgateway/ and rollouts/; waiting until the model serves")
    delivery.sync()
    delivery.until(lambda seen: seen.over, 900, "the first version serves")
    delivery.start_visitors()
    name = cluster.submit("continuous-training")
    say(f"submitted {name}; waiting for approve-train")
    cluster.wait_for(name, "approve-train")
    print(closing(name))  # noqa: T201


def closing(workflow: str) -> str:
    """What a person can do now."""
    space = namespace_of(environment_values("kind"))
    kubectl = f"kubectl --kubeconfig={KUBECONFIG} -n {space}"
    return f"""
The loop {workflow} waits at approve-train. What it found:
  {kubectl} get workflow {workflow} -o yaml
Go on:
  make kind-approve     once for the training, once for the deployment
  make kind-sync        apply what the pipeline wrote to Git: the canary starts; again when it is over
Look:
  {kubectl} port-forward service/inference-gateway 8080      http://localhost:8080/v1/models
  kubectl --kubeconfig={KUBECONFIG} -n monitoring port-forward service/prometheus 9090      http://localhost:9090
  kubectl --kubeconfig={KUBECONFIG} -n argo port-forward service/argo-workflows-server 2746      https://localhost:2746
End:
  make kind-down"""


def connect() -> tuple[Any, Any]:
    """The cluster and its serving side."""
    from kubernetes.client.exceptions import ApiException

    from tests.e2e.cluster import Cluster
    from tests.e2e.delivery import Delivery

    class Kept(Delivery):
        """Users that are there already stay."""

        def start_visitors(self) -> None:
            try:
                super().start_visitors()
            except ApiException as error:
                if error.status != 409:
                    raise

    values = environment_values("kind")
    cluster = Cluster(str(ROOT / KUBECONFIG), namespace_of(values), image(), values["workflows"].get("claim", "ctp-data"))
    return cluster, Kept(cluster, str(values["serving"]["analysis"]["prometheus"]))


def approve() -> None:
    """Say yes to every approval that waits."""
    from tests.e2e.cluster import ARGO
    from tests.e2e.nodes import waiting

    cluster, _ = connect()
    found = cluster.kind(ARGO, "Workflow").get(namespace=cluster.namespace).to_dict()["items"]
    asked = [(workflow["metadata"]["name"], approval) for workflow in found for approval in waiting(workflow)]
    for name, approval in asked:
        cluster.decide(name, approval, approve="yes", approver=os.environ.get("USER", "kind"), reason="make kind-approve")
        say(f"{name}: {approval}: yes")
    if not asked:
        say("nothing waits for an approval")


def sync() -> None:
    """Apply what Git says; when a Rollout is over, let `release-reconcile` draw its conclusion first."""
    _, delivery = connect()
    if delivery.look().over:
        delivery.reconcile()
    for line in delivery.sync() or ["in sync"]:
        say(line)
    say(str(delivery.look()))


def down() -> None:
    """Delete the cluster, and with it everything."""
    subprocess.run(["kind", "delete", "cluster", f"--name={NAME}", f"--kubeconfig={KUBECONFIG}"], cwd=ROOT, check=True)


def say(line: str) -> None:
    """Progress."""
    print(f"==> {line}", flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """One of up, approve, sync, down; `up --dry-run` prints the commands."""
    parser = argparse.ArgumentParser(prog="python -m tools.kind_up")
    parser.add_argument("what", choices=("up", "approve", "sync", "down"))
    parser.add_argument("--dry-run", action="store_true", help="print the commands of `up` and do nothing")
    given = parser.parse_args(arguments)
    if given.dry_run:
        for command in plan():
            condition = f"    # unless: {shlex.join(command.unless)}" if command.unless else ""
            print(shlex.join(command.argv) + condition)  # noqa: T201
        return 0
    if lines := list(missing_tools()) if given.what in ("up", "down") else []:
        print("\n".join(lines), file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    try:
        {"up": up, "approve": approve, "sync": sync, "down": down}[given.what]()
    except (subprocess.CalledProcessError, TimeoutError, RuntimeError) as error:
        print(f"{error}\nRun the same command again: what is done is not done twice.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
