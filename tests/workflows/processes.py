"""Argo's part, played on one machine: walk a rendered workflow, every pod as a local process.

Variables are substituted as Argo does, `/data`, `/etc/ctp` and each pod's `/tmp` lie below one
folder, outputs are read from the paths that the templates name, and a person answers approvals.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import dag
from .rendered import ROOT, Document, needed_by, parameters, tasks

Values = dict[str, str]


@dataclass
class Cluster:
    """A folder for the volumes, and what happened.

    Attributes:
        every: name -> template of the workflow.
        given: the workflow's parameters.
        answers: approval -> what the person gives.
        pods: template and argv of each pod, in order.
        results: template -> outputs of its last pod that succeeded.
        failed: the last words of each pod that failed.
        ended: what the exit handler reads about the workflow, as `status`.
    """

    home: Path
    every: dict[str, Document]
    given: Values
    answers: dict[str, Values] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    pods: list[tuple[str, list[str]]] = field(default_factory=list)
    results: dict[str, Values] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    ended: Values = field(default_factory=dict)

    def run(self, name: str, inputs: Mapping[str, str]) -> tuple[str, Values]:
        """Run a template: (state, outputs)."""
        template = self.every[name]
        scope = {f"inputs.parameters.{key}": value for key, value in self._inputs(template, inputs).items()}
        if "dag" in template:
            return self._dag(template, scope)
        if "suspend" in template:
            defaults = {key: item["valueFrom"]["default"] for key, item in parameters(template, "outputs").items()}
            return "Succeeded", defaults | self.answers[name]
        return self._pod(template, scope)

    def _inputs(self, template: Document, given: Mapping[str, str]) -> Values:
        return {name: given.get(name, item.get("default")) for name, item in parameters(template, "inputs").items()}

    def fill(self, text: str, scope: Mapping[str, str]) -> str:
        """Substitute every simple variable, once: what a value holds is not looked at again."""
        known = {"workflow.uid": self.uid, "workflow.name": "local"} | {f"workflow.parameters.{k}": v for k, v in self.given.items()}
        known |= {f"workflow.{name}": value for name, value in self.ended.items()}

        def value(match: re.Match[str]) -> str:
            return (known | dict(scope))[match[1].strip()]

        return re.sub(r"\{\{([^={}][^{}]*)\}\}", value, text)

    def _dag(self, template: Document, scope: Values) -> tuple[str, Values]:
        states: dict[str, str] = {}
        outputs: dict[str, Values] = {}
        for name, task in tasks(template).items():
            assert needed_by(task) <= states.keys(), "tasks stand in the order in which they may run"
            if {"Failed"} & set(states.values()) or not dag.holds(task.get("depends", ""), states):
                states[name] = "Omitted"
            elif not dag.is_true(self.fill(task.get("when", ""), scope | self._known(outputs)), outputs):
                states[name] = "Skipped"
            else:
                states[name], outputs[name] = self._task(task, scope | self._known(outputs))
        known = self._known(outputs)
        inputs = {name.removeprefix("inputs.parameters."): value for name, value in scope.items()}
        given = {
            key: dag.chosen(item["valueFrom"]["expression"], outputs, inputs)
            if "expression" in item["valueFrom"]
            else self.fill(item["valueFrom"]["parameter"], known)
            for key, item in parameters(template, "outputs").items()
        }
        return ("Failed" if "Failed" in states.values() else "Succeeded"), given

    @staticmethod
    def _known(outputs: Mapping[str, Values]) -> Values:
        return {f"tasks.{task}.outputs.parameters.{name}": value for task, values in outputs.items() for name, value in values.items()}

    def _task(self, task: Document, scope: Values) -> tuple[str, Values]:
        arguments = {name: item["value"] for name, item in parameters(task, "arguments").items()}
        if "withParam" not in task:
            return self.run(task["template"], {name: self.fill(value, scope) for name, value in arguments.items()})
        items = json.loads(self.fill(task["withParam"], scope))
        if not items:
            return "Skipped", {}
        results = []
        for item in items:
            local = scope | ({f"item.{key}": str(value) for key, value in item.items()} if isinstance(item, dict) else {"item": str(item)})
            results.append(self.run(task["template"], {name: self.fill(value, local) for name, value in arguments.items()}))
        state = "Succeeded" if all(state == "Succeeded" for state, _ in results) else "Failed"
        # Texts that are neither lists nor objects are gathered as a list of texts.
        return state, {name: json.dumps([values[name] for _, values in results]) for name in results[0][1]}

    def _place(self, text: str, pod: Path) -> str:
        """Paths of the cluster as paths here."""
        text = text.replace("/etc/ctp/", f"{self.home}/etc/")
        return re.sub(
            r"(^|=)/tmp/ctp", lambda match: f"{match[1]}{pod}", re.sub(r"(^|=)/data\b", lambda match: f"{match[1]}{self.home}/data", text)
        )

    def _pod(self, template: Document, scope: Values) -> tuple[str, Values]:
        pod = self.home / "pods" / f"{len(self.pods):02d}-{template['name']}"
        pod.mkdir(parents=True)
        words = [self._place(self.fill(word, scope), pod) for word in template["container"]["args"]]
        assert template["container"]["command"] == ["ctp"]
        self.pods.append((template["name"], words))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(pod), "OMP_NUM_THREADS": "1", "CTP_TRACEBACK": ""}
        done = subprocess.run(
            [sys.executable, "-m", "steps.cli.main", *words], capture_output=True, text=True, env=environment, cwd=pod, check=False
        )
        if done.returncode:
            self.failed[template["name"]] = f"exit {done.returncode}: {done.stderr.strip()[-2000:]}"
            return "Failed", {}
        items = parameters(template, "outputs").items()
        outputs = {name: Path(self._place(item["valueFrom"]["path"], pod)).read_text(encoding="utf-8") for name, item in items}
        self.results[template["name"]] = outputs
        return "Succeeded", outputs
