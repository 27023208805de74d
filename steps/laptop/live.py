"""The canary of one run with real parts: two model servers, Envoy, the quality exporter, live users."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.canary.evaluation import VersionWindow
from steps.contract.errors import TransientError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.laptop.canary import Canary, Sample
from steps.laptop.people import make_people, plan_requests
from steps.laptop.rollout import ended_rollout, restored_rollout
from steps.laptop.users import Users
from steps.laptop.world.domain import the_world
from steps.serve.gateway.local_gateway import Gateway
from steps.serve.model.sabotage import sabotaged_copy

if TYPE_CHECKING:
    from steps.cluster.process import ServerProcess
    from steps.laptop.loop import Loop
    from steps.laptop.people import Ask
    from steps.laptop.users import Users
    from steps.laptop.world.domain import World
    from steps.serve.gateway.envoy_stats import ClusterStats, GatewayStats
    from steps.serve.gateway.local_gateway import Gateway

# Name in the exposition, without `ctp_quality_` -> field of VersionWindow.
COUNTED = {
    "faithfulness_count": "scored",
    "faithfulness_sum": "score_sum",
    "faithfulness_square_sum": "score_square_sum",
    "answer_relevancy_count": "relevancy_scored",
    "answer_relevancy_sum": "relevancy_sum",
    "answer_relevancy_square_sum": "relevancy_square_sum",
    "feedback_up_total": "feedback_up",
    "feedback_down_total": "feedback_down",
}
WHOLE = ("scored", "relevancy_scored", "feedback_up", "feedback_down")
LIVE_CONCURRENCY = 12


@dataclasses.dataclass(frozen=True)
class Moment:
    """Counters at one moment: the gateway's and, by version, the exporter's."""

    gateway: GatewayStats
    quality: dict[str, dict[str, float]]


def read_quality(url: str) -> dict[str, dict[str, float]]:
    """Scrape the exporter: version -> field of VersionWindow -> counter.

    Raises:
        TransientError: the exporter does not answer.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:  # noqa: S310 - our own server
            text = response.read().decode()
    except OSError as error:
        raise TransientError(f"quality exporter at {url} does not answer: {error}") from error
    quality: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            field = COUNTED.get(sample.name.removeprefix("ctp_quality_"))
            if field:
                of_version = quality.setdefault(sample.labels["model_version"], {})
                of_version[field] = of_version.get(field, 0.0) + sample.value
    return quality


class LiveObserver:
    """Measures both versions at the gateway and at the quality exporter."""

    def __init__(self, gateway: Gateway, quality_url: str, stable: str, canary: str) -> None:
        self.gateway, self.quality_url = gateway, quality_url
        self.versions = {"stable": stable, "canary": canary}

    def mark(self) -> Moment:
        """Counters of this moment."""
        return Moment(self.gateway.snapshot(), read_quality(self.quality_url))

    def since(self, moment: Moment) -> Sample:
        """What both versions did since `moment`."""
        now = self.mark()
        traffic = now.gateway.since(moment.gateway)

        def window(name: str, stats: ClusterStats) -> VersionWindow:
            version = self.versions[name]
            after, before = now.quality.get(version, {}), moment.quality.get(version, {})
            added = {field: max(0.0, after.get(field, 0.0) - before.get(field, 0.0)) for field in COUNTED.values()}
            counts = {field: int(value) if field in WHOLE else value for field, value in added.items()}
            measured = {"requests": stats.ok + stats.errors, "errors": stats.errors, "p99_latency_ms": stats.p99_ms}
            return VersionWindow.model_validate(measured | counts)

        return Sample(window("stable", traffic.stable), window("canary", traffic.canary))


class LiveUsers:
    """The users as a background thread: they ask until told to stop."""

    def __init__(self, users: Users, asks: Iterator[Ask]) -> None:
        self.users, self._asks = users, asks
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="live-users", daemon=True)
        self.failure: BaseException | None = None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        work = self.users.run(self._asks, concurrency=LIVE_CONCURRENCY, on_answer=lambda: None, stop=self._stop)
        try:
            self._loop.run_until_complete(work)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            self.failure = error
        finally:
            self._loop.close()

    def __enter__(self) -> LiveUsers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=90)
        if self.failure is not None:
            raise TransientError(f"the live users stopped: {type(self.failure).__name__}") from self.failure


def endless_asks(world: World, people: list[Any], run_id: str) -> Iterator[Ask]:
    """People's questions without end; only questions that training may see."""
    batch = index = 0
    while True:
        # A follow-up points to an index of its own plan, so both move by the same offset.
        offset = index
        for ask in plan_requests(world, people, run_id=f"{run_id}/live/{batch}", per_prompt=2):
            follows = None if ask.follows is None else ask.follows + offset
            yield dataclasses.replace(ask, index=ask.index + offset, follows=follows)
            index += 1
        batch += 1


def run_live_canary(loop: Loop, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Serve champion and candidate, let people ask, walk the weights, leave the winner as stable.

    Args:
        loop: the run.
        inputs: `candidate` and `champion` are versions, `artifact` and `serving` their files.

    Returns:
        The canary's result with `user_errors`: well-formed requests that failed; `rollout` and `restored`: the Rollout
        object at its end and after the revert.
    """
    services, world = loop.services, the_world(loop.workdir)
    candidate, champion = (ModelRef.model_validate(inputs[name]) for name in ("candidate", "champion"))
    served, serving = (Path(ArtifactRef.model_validate(inputs[name]).local_path()) for name in ("artifact", "serving"))
    if loop.state.sabotage:
        served = sabotaged_copy(served, loop.workdir / "artifacts" / "sabotaged" / loop.state.run_id, loop.state.seed)
    newcomer = services.model("canary", served, str(candidate.version))
    front = services.open_gateway(serving, champion)
    newcomer.wait_healthy(120)
    quality = services.open_quality()
    gateway = Gateway(services.gateway_dir, front.ports["admin_port"])
    gateway.set_endpoint("canary", newcomer.host_port)
    people = make_people(world.seed, loop.config.govern.allowed_regions)
    users = Users(
        front.url, model=loop.config.model_name, spans_dir=services.spool, world_seed=world.seed, run_id=loop.state.run_id, phase="canary"
    )
    observer = LiveObserver(gateway, quality.url, str(champion.version), str(candidate.version))
    with LiveUsers(users, endless_asks(world, people, loop.state.run_id)), loop.progress.task("canary", unit="analyses") as task:

        def tick(text: str) -> None:
            services.check()
            task.advance(1)
            task.note(text)

        result = Canary(gateway, observer, loop.config.canary, tick).run()
        if result.outcome == "promoted":
            _make_stable(gateway, newcomer)
    services.stop("gateway", "quality", "canary", "stable")
    ended = dataclasses.asdict(result)
    rollouts = {"rollout": ended_rollout(ended, candidate, champion), "restored": restored_rollout(ended, candidate, champion)}
    tally = users.tally
    return ended | rollouts | {"user_errors": tally.errors, "requests": tally.sent, "answered": tally.answered}


def _make_stable(gateway: Gateway, newcomer: ServerProcess) -> None:
    """The new model becomes what `stable` means, under traffic: first the endpoint, then the weight."""
    gateway.set_endpoint("stable", newcomer.host_port)
    gateway.set_weight(0)
