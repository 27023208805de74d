from __future__ import annotations

import json
from datetime import UTC, datetime

from steps.chat.span import Unreadable
from steps.govern.gates import Decision
from steps.govern.rows import MAX_MODELS, ledger_row, limit_models, quarantine_row, to_table, trace_rows

KEY = b"k" * 32
NOW = datetime(2026, 8, 1, tzinfo=UTC)


def test_metadata_that_holds_people_is_not_kept(make_trace):
    trace = make_trace(
        trace_id="bob@example.com",
        session_id="call 010-1234-5678",
        environment="Bob's laptop bob@example.com",
        model="bob@example.com",
        model_version="203.0.113.7",
    )
    row, _ = trace_rows(trace, [], KEY, NOW)
    assert (row["environment"], row["model"], row["model_version"]) == ("", "unknown", "")
    assert len(row["trace_id"]) == len(row["session_id"]) == 64
    assert ledger_row("bob@example.com", Decision("pii", "pii-email", "masked"), KEY, NOW)["trace_id"] == row["trace_id"]


def test_keys_tell_prompts_and_contents_apart(make_trace):
    one, two = (trace_rows(make_trace(answer=answer), [], KEY, NOW)[0] for answer in ("a", "b"))
    assert one["prompt_key"] == two["prompt_key"]
    assert one["content_hash"] != two["content_hash"]
    assert one["revision"] != two["revision"]


def test_a_call_is_a_row_in_openai_form(make_trace):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row, (generation,) = trace_rows(make_trace(output={"tool_calls": [call]}), [], KEY, NOW)
    assert json.loads(generation["output_json"]) == {"role": "assistant", "content": "8443.", "tool_calls": [call]}
    assert (generation["trace_id"], generation["is_answer"], generation["revision"]) == (row["trace_id"], True, row["revision"])


def test_credentials_of_a_source_are_not_stored():
    assert quarantine_row(Unreadable("s3://key:secret@bucket/a.json", 3, "not-json"), NOW)["source_uri"] == "s3://bucket/a.json"


def test_no_rows_are_a_table_too():
    assert to_table("quarantine", []).num_rows == 0


def test_rare_models_share_a_partition():
    rows = [{"model": f"m{i:03}"} for i in range(MAX_MODELS + 8)] + [{"model": "m999"}] * 2
    limit_models(rows, [])
    names = [row["model"] for row in rows]
    assert names[-1] == "m999"
    assert names.count("other") == 9
    assert len(set(names)) == MAX_MODELS + 1
