from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from steps.chat.reading import read_object
from steps.chat.span import Score, Span
from steps.contract.config import PipelineConfig
from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.operate.doctor.source_sample import try_source
from steps.store.raw_objects import list_source

from .server import KEYS, observation, score

DAY = datetime(2026, 11, 28, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return DAY + timedelta(minutes=minutes)


def ids(pages):
    return sorted(row["id"] for rows in pages.values() for row in rows)


def fill(langfuse, *moments, arrival=DAY):
    langfuse.rows += [(arrival, "observations", observation(at(moment), f"o{moment:g}")) for moment in moments]


def test_closed_windows_alone_are_read(pull, pages, langfuse):
    fill(langfuse, 0, 14.9, 15, 29.9, 30)
    assert pull(at(29)).windows == 0
    result = pull(at(30))
    assert ids(pages()) == ["o0", "o14.9"], "the window that ended 15 minutes ago, with its first instant and without the next one's"
    assert (result.rows, result.objects, result.late_rows, result.windows_due) == (2, 1, 0, 0)
    assert pull(at(44)).requests == 0, "nothing is due"
    assert pull(at(60)).rows == 3
    assert ids(pages()) == ["o0", "o14.9", "o15", "o29.9", "o30"]


def test_bounds_are_frozen_and_every_page_is_followed(pull, pages, langfuse):
    langfuse.largest_page = 3
    fill(langfuse, *range(15))
    result = pull(at(30))
    requests = [entry for entry in langfuse.log if entry["kind"] == "observations"]
    assert len(requests) == 5, "fewer rows than the limit are no last page"
    assert {(entry["fromStartTime"], entry["toStartTime"]) for entry in requests} == {
        ("2026-11-28T00:00:00.000Z", "2026-11-28T00:15:00.000Z")
    }
    assert len(ids(pages())) == 15
    assert result.objects == 5
    names = list(pages())
    assert names[0] == "observations-20261128T000000Z-poll0-00000.jsonl.gz"


def test_late_rows_are_found_by_names_alone(pull, pages, langfuse):
    fill(langfuse, 1, 2, 3, 4)
    pull(at(30))
    fill(langfuse, 2.5, arrival=at(40))
    fill(langfuse, 9, arrival=at(80))
    langfuse.log.clear()
    first = pull(at(75))
    assert (first.late_rows, first.rows) == (1, 1)
    reads = [entry for entry in langfuse.log if entry["kind"] == "observations" and entry["fromStartTime"].endswith("00:00:00.000Z")]
    assert [entry["fields"] for entry in reads] == ["core"]
    whole = [(entry["fromStartTime"], entry["toStartTime"]) for entry in langfuse.log if entry.get("fields", "").startswith("core,basic")]
    assert ("2026-11-28T00:02:30.000Z", "2026-11-28T00:02:30.001Z") in whole, "whole rows are read for the time of the late ones"
    assert pull(at(24 * 60 + 14)).late_rows == 0
    assert pull(at(24 * 60 + 15)).late_rows == 1
    assert ids(pages()) == ["o1", "o2", "o2.5", "o3", "o4", "o9"]


def test_a_window_read_late_is_not_read_again(pull, langfuse, raw):
    fill(langfuse, 1, 24 * 60 - 1)
    pull(at(25 * 60))
    by_window = [entry["fromStartTime"] for entry in langfuse.log if entry["kind"] == "observations"]
    assert by_window.count("2026-11-28T00:00:00.000Z") == 1
    assert [path.name for path in raw.rglob(".state/observations/*")] == ["20261128T234500Z.json"], (
        "a window that is closed leaves no state"
    )


def test_rows_hold_claims_whole_and_all_content(pull, pages, langfuse):
    long_claims = json.dumps({"padding": "x" * 300, "consent": "train"})
    langfuse.rows.append((DAY, "observations", observation(at(1), "o1", metadata={"metadata": long_claims, "note": "y" * 300})))
    pull(at(30))
    ((row,),) = pages().values()
    assert row["metadata"]["metadata"] == long_claims
    assert len(row["metadata"]["note"]) == 200
    assert {"input", "output", "model", "startTime", "name"} <= row.keys()


def test_ingest_reads_the_pages(pull, pages, langfuse):
    fill(langfuse, 1, 2)
    langfuse.rows.append((DAY, "scores", score(at(3), "s1")))
    result = pull(at(30))
    objects = list_source(result.folder).objects
    assert len(objects) == 2
    records = [record for item in objects for record in read_object(item)]
    assert [type(record) for record in records] == [Span, Span, Score]
    assert {record.trace_id for record in records} == {"t"}


def test_corrections_and_reviews_come_with_their_author(pull, pages, langfuse):
    langfuse.rows += [
        (DAY, "scores", score(at(1), "s1", dataType="CORRECTION", name="output", value="Better.", source="ANNOTATION", authorUserId="u1")),
        (DAY, "scores", score(at(2), "s2", source="ANNOTATION", authorUserId="u2", queueId="q1")),
    ]
    pull(at(30))
    rows = {row["id"]: row for page in pages().values() for row in page}
    assert rows["s1"]["value"] == "Better."
    assert (rows["s2"]["authorUserId"], rows["s2"]["queueId"]) == ("u2", "q1")
    assert rows["s1"]["subject"] == {"kind": "trace", "id": "t"}


def test_a_changed_score_comes_again(pull, pages, langfuse):
    langfuse.rows.append((DAY, "scores", score(at(1), "s1")))
    pull(at(30))
    langfuse.rows[0] = (DAY, "scores", score(at(1), "s1", value=0, updatedAt="2026-11-28T00:50:00.000Z"))
    assert pull(at(75)).late_rows == 1
    assert [row["value"] for rows in pages().values() for row in rows] == [1, 0]


def test_scores_alone(pull, pages, langfuse, source):
    fill(langfuse, 1)
    langfuse.rows.append((DAY, "scores", score(at(3), "s1")))
    pull(at(30), source=f"{source}?only=scores")
    assert ids(pages()) == ["s1"]


def test_an_earlier_first_day_is_read_from_there_on(pull, pages, langfuse):
    fill(langfuse, -60, 1)
    pull(at(30))
    assert ids(pages()) == ["o1"]
    pull(at(31), langfuse_since=date(2026, 11, 27))
    assert ids(pages()) == ["o-60", "o1"]


def test_without_a_first_day_yesterday_is_read(pull, pages, langfuse):
    fill(langfuse, -25 * 60, -23 * 60, 1)
    pull(at(30), langfuse_since=None)
    assert ids(pages()) == ["o-1380", "o1"]


def test_large_pages_are_read_in_smaller_ones(pull, pages, langfuse, monkeypatch):
    monkeypatch.setattr("steps.ingest.langfuse_api.client.MAX_PAGE_BYTES", 4000)
    fill(langfuse, *(minute / 4 for minute in range(40)))
    pull(at(30))
    assert len(ids(pages())) == 40
    monkeypatch.setattr("steps.ingest.langfuse_api.client.MAX_PAGE_BYTES", 200)
    fill(langfuse, 16)
    with pytest.raises(DataError, match="a row of observations"):
        pull(at(45))


def test_time_over_leaves_the_rest_to_the_next_pull(pull, pages, langfuse, monkeypatch):
    fill(langfuse, *range(60))
    langfuse.largest_page = 4
    clock = iter(range(10_000))
    monkeypatch.setattr("steps.ingest.langfuse_api.pull.time.monotonic", lambda: next(clock))
    result = pull(at(75), langfuse_pull_s=6)
    assert 0 < result.rows < 60
    assert result.windows_due > 0
    total, turns = result.rows, 0
    while result.windows_due:
        result = pull(at(75), langfuse_pull_s=6)
        total, turns = total + result.rows, turns + 1
    assert (total, len(ids(pages()))) == (60, 60)
    assert turns > 1


def test_keys_are_needed_and_never_written(pull, langfuse, raw):
    fill(langfuse, 1)
    with pytest.raises(AccessError, match="LANGFUSE_SECRET_KEY not set"):
        pull(at(30), environ={"LANGFUSE_PUBLIC_KEY": "pk"})
    with pytest.raises(AccessError, match="HTTP 401") as refusal:
        pull(at(30), environ={**KEYS, "LANGFUSE_SECRET_KEY": "sk-lf-wrong"})
    assert "sk-lf-wrong" not in str(refusal.value)
    pull(at(30))
    assert not any(b"sk-lf-test" in path.read_bytes() for path in raw.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"absent": frozenset({"observations"})}, ConfigError, "update this Langfuse server"),
        ({"absent": frozenset({"scores"})}, ConfigError, "no /api/public/v3/scores"),
        ({"status": 403}, AccessError, "HTTP 403"),
        ({"status": 302}, ConfigError, "redirects"),
        ({"status": 422}, ConfigError, "HTTP 422"),
        ({"status": 503}, TransientError, "5 tries"),
        ({"same_cursor": True, "largest_page": 1}, DataError, "is the page itself"),
        ({"refuse_cursors": 9, "largest_page": 1}, DataError, "its own cursors"),
    ],
)
def test_refusals(pull, langfuse, settings, error, words):
    fill(langfuse, 1, 2)
    for name, value in settings.items():
        setattr(langfuse, name, value)
    with pytest.raises(error, match=words):
        pull(at(30))


def test_a_cursor_that_is_refused_once_costs_no_row_and_brings_none_twice(pull, pages, langfuse):
    fill(langfuse, 1, 2, 3)
    langfuse.largest_page = 1
    langfuse.refuse_cursors = 1
    pull(at(30))
    assert ids(pages()) == ["o1", "o2", "o3"]


def test_an_unreachable_server_is_a_temporary_failure(pull):
    with pytest.raises(TransientError, match="not reachable"):
        pull(at(30), source="langfuse://127.0.0.1:1/shop")


def test_keys_of_another_project_are_refused(pull, langfuse):
    fill(langfuse, 1)
    pull(at(30))
    langfuse.rows.append((DAY, "observations", observation(at(16), "other", projectId="p2")))
    with pytest.raises(ConfigError, match="keys open project p2"):
        pull(at(45))


def test_a_damaged_state_names_its_remedy(pull, langfuse, raw):
    fill(langfuse, 1)
    pull(at(30))
    (state,) = raw.rglob(".state/observations.json")
    state.write_text("{}")
    with pytest.raises(DataError, match="delete it"):
        pull(at(31))


def test_odd_rows_are_kept_for_the_reader(pull, pages, langfuse):
    langfuse.rows.append((DAY, "observations", observation(at(1), "half", output="\ud800")))
    fill(langfuse, 2)
    pull(at(30))
    assert ids(pages()) == ["half", "o2"]


def test_limits_of_the_api_are_kept(pull, langfuse):
    fill(langfuse, 1)
    pull(at(30))
    pull(at(75))
    assert {(entry["kind"], entry["limit"]) for entry in langfuse.log} == {
        ("observations", "250"),
        ("observations", "1000"),
        ("scores", "100"),
    }


def test_the_doctor_tries_a_sample_and_leaves_nothing(source, langfuse, monkeypatch, tmp_path):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    now = datetime.now(UTC)
    langfuse.now = now
    claims = {"consent": "train", "region": "eu-west-1", "confidentiality": "public"}
    for number, metadata in enumerate((claims, {**claims, "region": "mars"})):
        row = observation(now - timedelta(hours=1), f"o{number}", f"t{number}", metadata=metadata, input="Q?", output="A.")
        langfuse.rows.append((now - timedelta(hours=1), "observations", row))
    sample = try_source(PipelineConfig.model_validate({"ingest": {"langfuse_since": now.date() - timedelta(days=1)}}), source)
    assert (sample["traces"], sample["share"], sample["refused"]) == (2, 0.5, {"region-not-allowed": 1})
    assert list(tmp_path.iterdir()) == []
