"""The game day: release a bad version to a real cluster, watch it come back by itself, and time it.

`make game-day ARGS='--config charts/environments/staging/values.yaml --fault-version 7 --approved-by Ada'`.
It needs what an operator has: a kubeconfig, the Git repository, the registry. Whatever goes wrong, it ends
with the champion pinned again. See docs/runbooks/game-day.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from steps.cli.options import DEFAULT_WORKDIR, ConfigOption, SetOption, WorkdirOption
from steps.contract.errors import DataError, PipelineError, TransientError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.spec import StepContext
from steps.release.incident import SAID, Timeline, breach
from steps.release.rollout_status import Seen, read_rollout

GAME_DAY = "ctp.game-day"


@dataclass
class Game:
    """One game day.

    Attributes:
        ctx: configuration and work folder of the environment.
        tell: called with every line for people.
        timeout_s: no abort by then ends it.
        reconcile: reconcile here, where no schedule does.
        poll_s: pause between two looks; the measured moments are late by at most this.
    """

    ctx: StepContext
    tell: Callable[[str], None]
    timeout_s: float
    reconcile: bool
    poll_s: float = 1.0

    def play(self, bad: ModelRef, artifact: ArtifactRef, approved_by: str) -> Timeline:
        """Release the bad version and wait until everything is as before.

        Raises:
            DataError: the environment is not at rest, or the bad version was not found out.
            TransientError: it took longer than the timeout.
        """
        from steps.release.change import release
        from steps.release.release import Params
        from steps.release.withdrawn import check_releasable

        champion = self._at_rest()
        check_releasable(bad, self.ctx)
        given = Params(model=bad, artifact=artifact, approved_by=approved_by, expected_current=str(champion))
        done = release(given, self.ctx)
        self.tell(f"{bad} is pinned ({done.commit[:12]}); it replaced {champion}")
        try:
            line = self._withdrawn(bad, champion)
        except BaseException:
            self._put_back(bad, champion, approved_by)
            raise
        return self._until_agreed(line, champion)

    def look(self) -> Seen:
        """The Rollout now."""
        from steps.cluster.argo import rollout

        config = self.ctx.config.release
        return read_rollout(rollout(config.rollout_namespace, config.rollout))

    def _at_rest(self) -> ModelRef:
        """The champion, if it is what is pinned and what serves.

        Raises:
            DataError: it is not, or releases wait for a merge.
        """
        from steps.release.change import current_pin
        from steps.store import registry as clients
        from steps.store.aliases import champion

        if self.ctx.config.release.mode != "commit":
            raise DataError("release.mode pull-request: a game day cannot wait for a merge: --set release.mode=commit")
        serving = champion(clients.registry(self.ctx.config, self.ctx.workdir), self.ctx.config.model_name)
        pin, seen = current_pin(self.ctx), self.look()
        if serving is None or pin.ref != serving or (seen.phase, seen.version) != ("Healthy", serving.version):
            found = f"champion {serving}, pinned {pin.label}, Rollout {seen.phase} with version {seen.version}"
            raise DataError(f"a game day begins at rest, with one version everywhere, found {found}: reconcile first")
        return serving

    def _withdrawn(self, bad: ModelRef, champion: ModelRef) -> Timeline:
        """Wait until the Rollout is aborted, at 0 %, and the pin is back."""
        from steps.cluster.argo import analysis_runs
        from steps.release.change import current_pin

        config = self.ctx.config.release
        line: Timeline | None = None
        said = ""
        end = time.monotonic() + self.timeout_s
        while True:
            seen, now = self.look(), datetime.now(UTC)
            told = f"{seen.phase}, version {seen.version}, weight {seen.weight} %: {seen.reason}"
            if told != said:
                self.tell(told)
                said = told
            if seen.version == bad.version and seen.phase == "Healthy":
                raise DataError(f"{bad} was not found out: it is at 100 %: look at the analyses and their samples")
            if line is None and seen.version == bad.version and seen.phase == "Degraded":
                runs = breach(analysis_runs(config.rollout_namespace, config.rollout, seen.pod_hash))
                line = Timeline(
                    environment=config.environment,
                    withdrawn=bad,
                    restored=champion,
                    cause="analysis" if runs else "person",
                    reason=seen.reason,
                    limit_s=config.rollback_limit_s,
                )
                start = min(at for at in (runs[0] if runs else None, seen.aborted_at, now) if at)
                line = line.add("breach_seen", start, runs[1] if runs else "").add("aborted", seen.aborted_at or now)
            if line is not None:
                if self.reconcile:
                    self._reconcile()
                if seen.weight == 0 or (seen.phase, seen.version) == ("Healthy", champion.version):
                    line = line.add("weight_zero", now).add("previous_serving", now)
                if current_pin(self.ctx).ref == champion:
                    line = line.add("pin_reverted", datetime.now(UTC))
                if line.seen("weight_zero") and line.seen("pin_reverted"):
                    return line
            self._pause(end, f"not back after {self.timeout_s:.0f} s: {told}")

    def _until_agreed(self, line: Timeline, champion: ModelRef) -> Timeline:
        """Wait until the Rollout is healthy with the champion: Argo CD has seen the revert."""
        end = time.monotonic() + self.timeout_s
        while True:
            seen = self.look()
            if (seen.phase, seen.version) == ("Healthy", champion.version):
                if self.reconcile:
                    self._reconcile()
                return line.add("agreed", datetime.now(UTC))
            self._pause(end, f"the pin is back, but the Rollout is {seen.phase} with version {seen.version}: look at Argo CD")

    def _pause(self, end: float, otherwise: str) -> None:
        if time.monotonic() > end:
            raise TransientError(otherwise)
        time.sleep(self.poll_s)

    def _reconcile(self) -> None:
        from steps.release.reconcile import Params, run

        run(Params(), self.ctx)

    def _put_back(self, bad: ModelRef, champion: ModelRef, approved_by: str) -> None:
        """The champion, whatever went wrong."""
        from steps.release.rollback import Params, run

        self.tell(f"putting {champion} back")
        given = {"to": champion.version, "approved_by": approved_by, "reason": f"game day: {bad} did not come back by itself"}
        try:
            run(Params.model_validate(given | {"abort": True}), self.ctx)
        except PipelineError as error:
            self.tell(f"without the abort, since: {error}")
            run(Params.model_validate(given), self.ctx)


def register_bad(ctx: StepContext, artifact: ArtifactRef) -> ModelRef:
    """A version that can be released but never become champion: it carries no gate's verdict.

    Every game day gets a number of its own: pods of an earlier one could come back without analysis.
    """
    from steps.store import registry as clients
    from steps.store.aliases import SHA256, URI, taken_back

    client, name = clients.registry(ctx.config, ctx.workdir), ctx.config.model_name
    known = [version for version in client.find_versions(name, GAME_DAY, artifact.sha256) if not taken_back(client.tags(name, version))]
    tags = {URI: artifact.uri, SHA256: artifact.sha256, GAME_DAY: artifact.sha256}
    version = known[0] if known else client.create_version(name, artifact.uri, tags, "Bad on purpose, for a game day.")
    return ModelRef(name=name, version=version)


def sabotage(ctx: StepContext) -> ArtifactRef:
    """A broken copy of the champion, kept where the champion is.

    Raises:
        DataError: nothing serves, or the champion's files are not on this machine.
    """
    from steps.contract.files import sha256_tree
    from steps.serve.model.sabotage import sabotaged_copy
    from steps.store import registry as clients
    from steps.store.aliases import champion, model_uri

    client = clients.registry(ctx.config, ctx.workdir)
    serving = champion(client, ctx.config.model_name)
    if serving is None:
        raise DataError(f"{ctx.config.model_name}: nothing serves yet: ctp bootstrap first")
    artifact = model_uri(client, serving)
    folder = sabotaged_copy(Path(artifact.local_path()), ctx.workdir / "artifacts" / "sabotaged" / artifact.sha256[:16], seed=0)
    made = ArtifactRef(uri=folder.absolute().as_uri(), sha256=sha256_tree(folder))
    if ctx.config.registry.model_store:
        from steps.store.models import store_model

        return store_model(ctx.config.registry.model_store, folder, made.sha256)
    return made


def main(
    approved_by: Annotated[str, typer.Option(help="Who plays; signs the release off.")],
    fault_version: Annotated[int, typer.Option(help="A registered version that is bad; 0: another option says.", min=0)] = 0,
    artifact: Annotated[str, typer.Option(help="A bad model as URI#sha256:DIGEST; it is registered.")] = "",
    break_champion: Annotated[bool, typer.Option("--break-champion", help="Break a copy of the champion on this machine.")] = False,
    reconcile: Annotated[bool, typer.Option("--reconcile", help="Reconcile here: the schedule is suspended, as in kind.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds until the abort at most.", min=1)] = 3600,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Release a bad version, wait for the abort, print the timeline; exit code 1 when it took too long."""
    from steps.cli.options import settings
    from steps.store import registry as clients
    from steps.store.aliases import model_uri, taken_back

    try:
        ctx = StepContext(settings(config, overrides), f"game-day-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", workdir.resolve())
        if fault_version:
            bad, client = ModelRef(name=ctx.config.model_name, version=fault_version), clients.registry(ctx.config, ctx.workdir)
            files = model_uri(client, bad)
            if taken_back(client.tags(bad.name, bad.version)):
                bad = register_bad(ctx, files)
        elif artifact or break_champion:
            files = ArtifactRef.model_validate(artifact) if artifact else sabotage(ctx)
            bad = register_bad(ctx, files)
        else:
            raise DataError("which model is bad? give --fault-version, --artifact or --break-champion")
        line = Game(ctx, typer.echo, timeout, reconcile).play(bad, files, approved_by)
    except PipelineError as error:
        typer.echo(f"{error.headline}: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    for text in line.lines():
        typer.echo(text)
    late = line.warning()
    typer.echo(late or f"held: {SAID['pin_reverted']} and all traffic back within {line.limit_s:.0f} s of the breach")
    raise typer.Exit(1 if late else 0)


if __name__ == "__main__":
    typer.run(main)
