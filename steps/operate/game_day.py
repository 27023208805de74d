"""Game day: release a bad version to a real cluster, watch the cluster put the champion back, and time it.

`ctp game-day --config charts/environments/staging/values.yaml --fault-version 7 --approved-by Ada`.
It needs what an operator has: a kubeconfig, the Git repository, the registry. Whatever goes wrong, it ends
with the champion pinned again. See docs/runbooks/game-day.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steps.cluster.argo import analysis_runs, rollout
from steps.contract.errors import DataError, PipelineError, TransientError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.spec import StepContext
from steps.release import reconcile, rollback
from steps.release.change import current_pin, release
from steps.release.incident import Timeline, find_breach, open_timeline
from steps.release.release import check_releasable
from steps.release.rollout_state import RolloutState, read_rollout
from steps.serve.model.sabotage import sabotaged_copy
from steps.store.aliases import SHA256, URI, champion, model_uri, taken_back
from steps.store.models import store_model
from steps.store.registry import open_registry

GAME_DAY = "ctp.game-day"


@dataclass
class Game:
    """One game day.

    Attributes:
        ctx: configuration and work folder of the environment.
        report: called with every line for people.
        timeout_s: no abort by then ends it.
        reconcile: reconcile here, where no schedule does.
        poll_s: pause between two looks; the measured moments are late by at most this.
    """

    ctx: StepContext
    report: Callable[[str], None]
    timeout_s: float
    reconcile: bool
    poll_s: float = 1.0

    def play(self, bad: ModelRef, artifact: ArtifactRef, approved_by: str) -> Timeline:
        """Release the bad version and wait until everything is as before.

        Raises:
            DataError: the environment is not at rest, or the bad version was not found out.
            TransientError: it took longer than the timeout.
        """
        champion = self._check_rest()
        check_releasable(bad, self.ctx)
        change = release(self.ctx, bad, artifact, approved_by=approved_by, expected=champion)
        self.report(f"{bad} is pinned ({change.commit[:12]}); it replaced {champion}")
        try:
            line = self._await_withdrawal(bad, champion)
        except BaseException:
            self._put_back(bad, champion, approved_by)
            raise
        return self._await_agreement(line, champion)

    def _look(self) -> RolloutState:
        """The Rollout now."""
        config = self.ctx.config.release
        return read_rollout(rollout(config.rollout_namespace, config.rollout))

    def _check_rest(self) -> ModelRef:
        """The champion, if it is what is pinned and what serves.

        Raises:
            DataError: it is not, or releases wait for a merge.
        """
        if self.ctx.config.release.mode != "commit":
            raise DataError("release.mode pull-request: a game day cannot wait for a merge: --set release.mode=commit")
        serving = champion(open_registry(self.ctx.config, self.ctx.workdir), self.ctx.config.model_name)
        pin, state = current_pin(self.ctx), self._look()
        if serving is None or pin.ref != serving or not state.serves(serving.version):
            versions = f"champion {serving}, pinned {pin.label}, Rollout {state.phase} with version {state.version}"
            raise DataError(f"a game day begins at rest, with one version everywhere, found {versions}: reconcile first")
        return serving

    def _await_withdrawal(self, bad: ModelRef, champion: ModelRef) -> Timeline:
        """Wait until the Rollout is aborted, at 0 %, and the pin is back."""
        line: Timeline | None = None
        last = ""
        end = time.monotonic() + self.timeout_s
        while True:
            state, now = self._look(), datetime.now(UTC)
            text = f"{state.phase}, version {state.version}, weight {state.weight} %: {state.reason}"
            if text != last:
                self.report(text)
                last = text
            if state.serves(bad.version):
                raise DataError(f"{bad} was not found out: it is at 100 %: look at the analyses and their samples")
            if line is None and state.version == bad.version and state.failed():
                line = self._open_timeline(bad, champion, state, now)
            if line is not None:
                if self.reconcile:
                    self._reconcile()
                line = line.add_traffic(state, now)
                if current_pin(self.ctx).ref == champion:
                    line = line.add("pin_reverted", datetime.now(UTC))
                if line.find("weight_zero") and line.find("pin_reverted"):
                    return line
            self._pause(end, f"not back after {self.timeout_s:.0f} s: {text}")

    def _open_timeline(self, bad: ModelRef, champion: ModelRef, state: RolloutState, now: datetime) -> Timeline:
        config = self.ctx.config.release
        empty = Timeline(
            environment=config.environment,
            withdrawn=bad,
            restored=champion,
            cause="person",
            reason=state.reason,
            limit_s=config.rollback_limit_s,
        )
        breach = find_breach(analysis_runs(config.rollout_namespace, config.rollout, state.pod_hash))
        return open_timeline(empty, state, breach, now)

    def _await_agreement(self, line: Timeline, champion: ModelRef) -> Timeline:
        """Wait until the Rollout is healthy with the champion: Argo CD has seen the revert."""
        end = time.monotonic() + self.timeout_s
        while True:
            state = self._look()
            if state.serves(champion.version):
                if self.reconcile:
                    self._reconcile()
                return line.add("agreed", datetime.now(UTC))
            self._pause(end, f"the pin is back, but the Rollout is {state.phase} with version {state.version}: look at Argo CD")

    def _pause(self, end: float, otherwise: str) -> None:
        if time.monotonic() > end:
            raise TransientError(otherwise)
        time.sleep(self.poll_s)

    def _reconcile(self) -> None:
        reconcile.run(reconcile.Params(), self.ctx)

    def _put_back(self, bad: ModelRef, champion: ModelRef, approved_by: str) -> None:
        """The champion, whatever went wrong."""
        self.report(f"putting {champion} back")
        params = {"to": champion.version, "approved_by": approved_by, "reason": f"game day: {bad} did not come back by itself"}
        try:
            rollback.run(rollback.Params.model_validate(params | {"abort": True}), self.ctx)
        except PipelineError as error:
            self.report(f"without the abort, since: {error}")
            rollback.run(rollback.Params.model_validate(params), self.ctx)


def register_bad(ctx: StepContext, artifact: ArtifactRef) -> ModelRef:
    """A version that can be released but never become champion: it carries no gate's verdict.

    Every game day gets a number of its own: pods of an earlier one could come back without analysis.
    """
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    known = [version for version in client.find_versions(name, GAME_DAY, artifact.sha256) if not taken_back(client.tags(name, version))]
    tags = {URI: artifact.uri, SHA256: artifact.sha256, GAME_DAY: artifact.sha256}
    version = known[0] if known else client.create_version(name, artifact.uri, tags, "Bad on purpose, for a game day.")
    return ModelRef(name=name, version=version)


def sabotage(ctx: StepContext) -> ArtifactRef:
    """A broken copy of the champion, kept where the champion is.

    Raises:
        DataError: nothing serves, or the champion's files are not on this machine.
    """
    client = open_registry(ctx.config, ctx.workdir)
    serving = champion(client, ctx.config.model_name)
    if serving is None:
        raise DataError(f"{ctx.config.model_name}: nothing serves yet: ctp bootstrap first")
    artifact = model_uri(client, serving)
    folder = sabotaged_copy(Path(artifact.local_path()), ctx.workdir / "artifacts" / "sabotaged" / artifact.sha256[:16], seed=0)
    broken = ArtifactRef(uri=folder.absolute().as_uri(), sha256=sha256_tree(folder))
    if ctx.config.registry.model_store:
        return store_model(ctx.config.registry.model_store, folder, broken.sha256)
    return broken
