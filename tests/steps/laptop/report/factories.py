"""Sample records with invented but realistic numbers, for tests and for looking at the page."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from steps.laptop.report.record import RunReport

START = datetime(2026, 7, 14, 9, 31, 7, tzinfo=UTC)
STAGE_SECONDS = {
    "world": 9.8, "traffic": 21.4, "ingest": 0.8, "govern": 2.6, "label": 14.2, "curate": 1.1, "train": 41.9,
    "gate": 18.3, "register": 2.2, "release": 0.6, "canary": 38.7, "settle": 0.9, "harvest": 2.4,
}  # fmt: skip
CONTEXTS = (
    "Refunds: an order can be returned within 30 days of delivery. Items must be unused. Gift cards are final sale.",
    "Shipping: standard delivery takes 3 to 5 working days; express orders placed before 14:00 arrive the next day.",
)


def bell(center: float, width: float, total: int, bins: int = 20) -> tuple[int, ...]:
    """A bell of about `total` counts over 0-1."""
    heights = [math.exp(-((((index + 0.5) / bins - center) / width) ** 2)) for index in range(bins)]
    return tuple(round(height / sum(heights) * total) for height in heights)


def add(*histograms: tuple[int, ...]) -> tuple[int, ...]:
    """Histograms bin by bin."""
    return tuple(sum(column) for column in zip(*histograms, strict=True))


def make_pair(**overrides: Any) -> dict[str, Any]:
    """One preference pair."""
    pair = {
        "question": "How long do I have to send an order back?",
        "contexts": CONTEXTS,
        "chosen": "You can return an order within 30 days of delivery, as long as the items are unused.",
        "rejected": "Returns are accepted for 90 days, and gift cards can be refunded in cash.",
        "chosen_score": 0.93,
        "rejected_score": 0.21,
    }
    return pair | overrides


def make_metric(champion: float, candidate: float, half_width: float = 0.05, **overrides: Any) -> dict[str, Any]:
    """One gate metric with a symmetric interval."""
    delta = candidate - champion
    interval = (delta - half_width, delta + half_width)
    return {"champion": champion, "candidate": candidate, "delta": delta, "ci95": interval, "n": 64} | overrides


def make_finding(
    name: str, value: float | None, limit: float, interval: Any = None, *, ok: bool | None = True, reason: str = ""
) -> dict[str, Any]:
    """One rule of the gate."""
    return {"name": name, "value": value, "limit": limit, "interval": interval, "ok": ok, "reason": reason}


def make_gate(**overrides: Any) -> dict[str, Any]:
    """A gate that passes."""
    gate = {
        "phase": "Successful",
        "metrics": {
            "faithfulness": make_metric(0.54, 0.92, 0.065),
            "answer_relevancy": make_metric(0.83, 0.88, 0.03),
            "judge": make_metric(0.49, 0.86, 0.07),
            "gold_restated": make_metric(0.51, 0.89, 0.08, independent=True),
            "fluency": make_metric(0.91, 0.90, 0.022),
            "refusal": make_metric(0.03, 0.02, 0.018, unit="ratio", better="lower"),
            "length_words": make_metric(21.4, 19.8, 1.3, unit="tokens", better="lower"),
            "p99_latency_ms": make_metric(412.0, 421.0, 24.0, unit="ms", better="lower"),
        },
        "findings": (
            make_finding("golden_prompts", 64, 30, reason="64 of 64 golden questions compared, 30 needed"),
            make_finding("min_faithfulness", 0.92, 0.85, reason="candidate faithfulness 0.920, at least 0.850"),
            make_finding("min_answer_relevancy", 0.88, 0.80, reason="candidate answer_relevancy 0.880, at least 0.800"),
            make_finding("faithfulness_drop", 0.38, -0.03, (0.315, 0.445), reason="faithfulness_drop: difference +0.380, tolerated -0.030"),
            make_finding("p99_latency_growth", 0.022, 0.10, (-0.04, 0.08), reason="p99 latency 412 ms to 421 ms, growth +2.2%"),
            make_finding("fluency_drop", 0.01, 0.10, (-0.012, 0.032), reason="fluency drop +0.010, limit 0.100"),
            make_finding("gold_restated_drop", 0.38, -0.03, (0.30, 0.46), reason="gold facts restated 0.510 to 0.890"),
        ),
        "examples": (
            {
                "question": "Does express delivery arrive on the same day?",
                "contexts": CONTEXTS[1:],
                "champion": "Yes, express orders arrive on the same day if you pay by card.",
                "candidate": "No. Express orders placed before 14:00 arrive the next day.",
            },
            {
                "question": "Can I return a gift card?",
                "contexts": CONTEXTS[:1],
                "champion": "Gift cards can be returned within 30 days.",
                "candidate": "No, gift cards are final sale.",
            },
        ),
    }  # fmt: skip
    return gate | overrides


def make_timeline(weights: tuple[int, ...] = (5, 25, 100), *, sabotage_at: int | None = None) -> tuple[dict[str, Any], ...]:
    """Looks at live traffic every second, 12 seconds a weight; with sabotage the canary's score falls after that weight begins."""
    points: list[dict[str, Any]] = []
    stable_total = canary_total = 0
    for index, weight in enumerate(weights):
        bad = weight == sabotage_at
        for second in range(7 if bad else 13):
            t_s = index * 13 + second + 0.4
            wave = math.sin(t_s * 1.7) * 0.02
            canary_total += max(1, round(weight * 0.6))
            stable_total += round((100 - weight) * 0.6)
            fall = 0.09 * second if bad else 0.0
            event = f"weight {weight} %" if second == 0 else ""
            if second == 12:
                event = "Successful"
            if bad and second == 6:
                event = "aborted"
            points.append({
                "t_s": t_s, "weight": 0 if bad and second == 6 else weight,
                "requests_stable": stable_total, "requests_canary": canary_total,
                "share": weight / 100 + wave / 3, "faithfulness_stable": 0.55 + wave if weight < 100 or second < 2 else None,
                "faithfulness_canary": None if t_s < 2 else 0.91 - wave - fall, "error_ratio_canary": 0.0,
                "p99_stable_ms": 410 + 300 * wave if weight < 100 else None, "p99_canary_ms": 421 - 400 * wave, "event": event,
            })  # fmt: skip
    return tuple(points)


def make_canary(**overrides: Any) -> dict[str, Any]:
    """A canary that passes all steps."""
    steps = [
        (5, 0.052, 402, {"stable": 0.55, "canary": 0.91, "delta": 0.36, "ci95": (0.21, 0.48)}),
        (25, 0.247, 611, {"stable": 0.55, "canary": 0.92, "delta": 0.37, "ci95": (0.31, 0.43)}),
        (100, 1.0, 780, {"stable": None, "canary": 0.92}),
    ]
    canary = {
        "steps": tuple(
            {
                "weight": weight,
                "observed_share": share,
                "requests": requests,
                "verdict": "Successful",
                "faithfulness": live,
                "seconds": 12.9,
            }
            for weight, share, requests, live in steps
        ),
        "user_errors": 0,
        "timeline": make_timeline(),
    }
    return canary | overrides


def make_fields(**overrides: Any) -> dict[str, Any]:
    """The fields of a promoted run."""
    curves = tuple(
        {
            "step": step,
            "loss": 0.25 + 1.9 * math.exp(-step / 12) + 0.04 * math.sin(step * 2.1),
            "rewards/accuracies": min(1.0, 0.5 + 0.5 * (1 - math.exp(-step / 9))),
            "rewards/margins": 2.6 * (1 - math.exp(-step / 14)),
            "grad_norm": 3.0 * math.exp(-step / 20) + 0.4 + 0.2 * math.sin(step * 1.3),
            "learning_rate": 5e-4 * (1 - step / 61),
        }
        for step in range(1, 61)
    )
    fields: dict[str, Any] = {
        "run_id": "20260714-093107-7f3a",
        "seed": 0,
        "method": "dpo",
        "outcome": "promoted",
        "started_at": START,
        "finished_at": START + timedelta(seconds=152.6),
        "config_hash": "a41f09c2be77",
        "ingest": {
            "read": 1248, "written": 1013, "quarantined": 7, "by_gate": {"pii": 12, "consent": 148, "region": 41, "confidentiality": 34},
            "snapshot_id": 5183920471163904771, "duplicates": 0, "spans": 3744, "masked": 86,
        },
        "label": {
            "labelled": 1009, "llm_calls": 2410, "cache_hits": 617, "unscored": 4, "mean_score": 0.58,
            "histogram": add(bell(0.24, 0.12, 430), bell(0.86, 0.1, 579)),
            "components": {
                "faithfulness": add(bell(0.1, 0.1, 400), bell(0.97, 0.1, 609)),
                "judge": bell(0.55, 0.3, 1009),
                "answer_relevancy": bell(0.84, 0.1, 1009),
            },
        },
        "dataset": {
            "pairs": 204, "digest": "4be1c7a9d20f66b0" * 4, "snapshot_id": 7714029384756120034, "prompts": 231,
            "examples": (make_pair(), make_pair(
                question="When does an express order arrive?", contexts=CONTEXTS[1:], chosen="The next day, if you order before 14:00.",
                rejected="Express orders arrive within two hours.", chosen_score=0.97, rejected_score=0.12,
            )),
        },
        "train": {"steps": 60, "seconds": 41.9, "reused": False, "curves": curves},
        "gate": make_gate(),
        "approvals": (
            {
                "name": "approve-train", "by": "ana.moreno", "at": START + timedelta(seconds=43), "automatic": False,
                "decision": "approved",
                "shown": {
                    "curate.digest": "4be1c7a9d20f66b0" * 4, "curate.pairs": "204", "label.mean_score": "0.5812345678",
                    "estimated cost": "0.012 CPU core hours, 0.00 GPU hours, $0.0005",
                },
            },
            {
                "name": "approve-deploy", "by": "ana.moreno", "at": START + timedelta(seconds=110), "automatic": False,
                "decision": "approved",
                "shown": {"register.model": "agent-model@3", "gate.phase": "Successful", "gate.reason": "all rules held"},
            },
        ),
        "canary": make_canary(),
        "registry": {"champion": "agent-model@3", "candidate": "agent-model@3", "previous": "agent-model@2"},
        "release": {"commit": "9c1e64f2a7d08b35c4f1e2d90a6b7c8d9e0f1a2b", "previous_commit": "2f60b1d4c9e8a7b6d5c4f3e2a1b0c9d8e7f6a5b4"},
        "seconds": STAGE_SECONDS,
        "cpu_seconds": {name: seconds * 1.4 for name, seconds in STAGE_SECONDS.items()},
        "cost_usd": {name: seconds * 1.4 / 3600 * 0.0425 for name, seconds in STAGE_SECONDS.items()},
        "peak_memory_mb": 1184.0,
        "versions": {"python": "3.11.9", "continuous-training-pipeline": "0.1.0", "torch": "2.13.0", "trl": "1.16.0", "ragas": "0.4.3"},
    }  # fmt: skip
    return fields | overrides


def make_report(**overrides: Any) -> RunReport:
    """A promoted run."""
    return RunReport.model_validate(make_fields(**overrides))


def make_rejected(**overrides: Any) -> RunReport:
    """A run whose candidate failed the gate: a hacked reward that the independent judge sees."""
    gate = make_gate(phase="Failed")
    gate["metrics"] |= {"gold_restated": make_metric(0.51, 0.38, 0.07, independent=True), "fluency": make_metric(0.91, 0.62, 0.05)}
    gate["findings"] = (
        *gate["findings"][:4],
        make_finding("p99_latency_growth", None, 0.10, ok=None, reason="p99_latency_growth: not measured"),
        make_finding("fluency_drop", 0.29, 0.10, (0.24, 0.34), ok=False, reason="fluency drop +0.290 (0.910 to 0.620), limit 0.100"),
        make_finding("gold_restated_drop", -0.13, -0.03, (-0.20, -0.06), ok=False, reason="gold facts restated 0.510 to 0.380"),
    )
    seconds = {name: value for name, value in STAGE_SECONDS.items() if name not in ("register", "release", "canary", "settle", "harvest")}
    fields = make_fields(
        outcome="rejected", reason="fluency drop +0.290, limit 0.100; gold facts restated 0.510 to 0.380", gate=gate,
        canary=None, release=None, registry={"champion": "agent-model@2", "candidate": None}, seconds=seconds,
        cpu_seconds=seconds, cost_usd={}, finished_at=START + timedelta(seconds=104),
    )  # fmt: skip
    fields["approvals"] = fields["approvals"][:1]
    return RunReport.model_validate(fields | overrides)


def make_aborted(**overrides: Any) -> RunReport:
    """A run whose canary got worse at 25 % of traffic."""
    canary = make_canary(
        abort_seconds=6.2,
        timeline=make_timeline((5, 25), sabotage_at=25),
        reason="at 25 %: faithfulness: canary 0.110, stable 0.550, difference -0.440 (95 % CI -0.550 to -0.320)",
    )
    failed = {"weight": 25, "verdict": "Failed", "observed_share": 0.243, "requests": 214, "seconds": 6.2}
    failed["faithfulness"] = {"stable": 0.55, "canary": 0.11, "delta": -0.44, "ci95": (-0.55, -0.32)}
    canary["steps"] = (canary["steps"][0], failed)
    fields = make_fields(
        outcome="aborted", canary=canary, registry={"champion": "agent-model@2", "candidate": "agent-model@3", "previous": "agent-model@2"},
        finished_at=START + timedelta(seconds=133),
    )  # fmt: skip
    fields["release"] |= {"reverted": True, "revert_commit": "77d0c3f5e1a29b84"}
    return RunReport.model_validate(fields | overrides)
