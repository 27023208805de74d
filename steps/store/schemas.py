"""The lake's tables: columns, partitions and keys, as plain data.

A column may be added at any time (give it a place at the end and raise `version`);
an older table gains it when it is next written. Columns are never renamed or removed: a table whose meaning
changes is refused, as the traces of the first edition are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column. `kind` is string, text, long, double, boolean, date, timestamp or strings.

    `text` is a string too long for file statistics; `strings` is a list of strings.
    """

    name: str
    kind: str = "string"
    required: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One table of the lake.

    Attributes:
        name: short name, below the configured namespace.
        grain: what one row is.
        columns: in order.
        key: columns that identify a row; rows are sorted by them on writing and reading.
        batch: column that replace-by-batch replaces on; "" for tables that only grow.
        partition: identity partition columns.
        version: rises with every change of the columns.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    batch: str = ""
    partition: tuple[str, ...] = ()
    version: int = 1


def _columns(required: str, optional: str = "") -> tuple[Column, ...]:
    """Columns from `name` or `name:kind` words; the first group must be present in every row."""

    def parse(words: str, needed: bool) -> Iterable[Column]:
        for word in words.split():
            name, _, kind = word.partition(":")
            yield Column(name, kind or "string", needed)

    return (*parse(required, True), *parse(optional, False))


TABLES: dict[str, TableSchema] = {
    schema.name: schema
    for schema in (
        TableSchema(
            "traces",
            "one row per trace that passed the four gates: who, when, which claims, and what was asked and answered",
            _columns(
                "trace_id source ts:timestamp date:date model model_version consent",
                "region confidentiality user_hash session_id question:text contexts_json:text answer:text"
                " feedback:double input_tokens:long output_tokens:long latency_ms:double finish_reason status environment"
                " pii_masked:strings content_hash prompt_key ingest_batch ingested_at:timestamp"
                " model_name answer_span_id answer_source generations:long problems:strings revision",
            ),
            key=("trace_id",),
            batch="ingest_batch",
            partition=("date", "model", "consent"),
            version=2,
        ),
        TableSchema(
            "generations",
            "one row per model call of a stored trace, in OpenAI chat form",
            _columns(
                "trace_id span_id call_index:long date:date model consent revision",
                "parent_id agent step is_answer:boolean messages_json:text output_json:text tools_json:text params_json:text"
                " finish_reason model_requested model_answered input_tokens:long cached_tokens:long output_tokens:long"
                " reasoning_tokens:long latency_ms:double started_at:timestamp response_id media_json:text problems:strings"
                " ingest_batch",
            ),
            key=("trace_id", "call_index"),
            batch="ingest_batch",
            partition=("date", "model", "consent"),
        ),
        TableSchema(
            "objects",
            "one row per raw object, version and shard that were read; a listing finds by it what is new",
            _columns("uri etag shard:long shards:long", "bytes:long ingest_batch seen_at:timestamp"),
            key=("uri", "etag", "shard"),
            batch="ingest_batch",
        ),
        TableSchema(
            "trace_parts",
            "one row per trace and raw object that holds a part of it; holds no text",
            _columns("trace_id uri etag", "bytes:long ingest_batch seen_at:timestamp"),
            key=("trace_id", "uri", "etag"),
            batch="ingest_batch",
        ),
        TableSchema(
            "claims",
            "one row per trace and delivery: what its spans claimed then; the strictest of all counts",
            _columns("trace_id", "consent region confidentiality withdrawn:boolean places:strings ingest_batch at:timestamp"),
            key=("trace_id", "at"),
            batch="ingest_batch",
        ),
        TableSchema(
            "feedback",
            "one row per score about a trace; it may come before its trace, or long after",
            _columns(
                "score_id trace_id name",
                "observation_id value:double data_type number:double label source author ingest_batch at:timestamp",
            ),
            key=("trace_id", "score_id", "name"),
            batch="ingest_batch",
        ),
        TableSchema(
            "labels",
            "one row per trace and reward policy version",
            _columns(
                "trace_id policy_version content_hash",
                "faithfulness:double judge:double answer_relevancy:double context_precision:double score:double status error:text"
                " judge_model calls:long label_batch labelled_at:timestamp",
            ),
            key=("trace_id", "policy_version"),
            batch="label_batch",
        ),
        TableSchema(
            "datasets",
            "one row per preference pair or prompt of a curated dataset",
            _columns(
                "dataset_digest row:long kind",
                "prompt_key messages_json:text contexts_json:text question:text chosen:text rejected:text chosen_score:double"
                " rejected_score:double chosen_trace_id rejected_trace_id",
            ),
            key=("dataset_digest", "row"),
            batch="dataset_digest",
        ),
        TableSchema(
            "gate_ledger",
            "one row per trace and gate rule that stopped or changed it; holds no text",
            _columns("trace_id gate rule action", "ingest_batch at:timestamp detail"),
            key=("trace_id", "gate", "rule"),
            batch="ingest_batch",
            version=2,
        ),
        TableSchema(
            "quarantine",
            "one row per line, row or trace that could not be read; holds no text",
            _columns("source_uri offset:long reason", "ingest_batch at:timestamp trace_id"),
            key=("source_uri", "offset", "reason"),
            batch="ingest_batch",
            version=2,
        ),
        TableSchema(
            "erasures",
            "one row per erased user and run; ingest refuses these users' traces",
            _columns("user_hash", "run_id requested_at:timestamp payload_json:text"),
            key=("user_hash",),
            batch="user_hash",
        ),
        TableSchema(
            "runs",
            "one row per record that a stage of a run left",
            _columns("run_id stage", "payload_json:text at:timestamp record_key"),
            key=("at", "run_id", "stage", "record_key"),
            batch="record_key",
        ),
    )
}


def arrow_schema(schema: TableSchema) -> pa.Schema:
    """The table's columns as an Arrow schema, nullability included."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "text": pa.string(),
        "long": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "strings": pa.list_(pa.string()),
    }
    return pa.schema([pa.field(column.name, kinds[column.kind], nullable=not column.required) for column in schema.columns])


def table_properties(schema: TableSchema) -> dict[str, str]:
    """Iceberg properties: small row groups, statistics where files are pruned by them, short history.

    The default statistics are cut at 16 characters, and then a replaced batch whose id is longer
    has its files rewritten instead of dropped; text columns need none. Retries are off because the
    lake redoes the whole operation itself (uniqueness must be checked against the new snapshot).
    """
    properties = {
        "format-version": "2",
        "write.parquet.compression-codec": "zstd",
        "write.parquet.row-group-limit": "20000",
        "commit.manifest-merge.enabled": "true",
        "commit.manifest.min-count-to-merge": "10",
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "20",
        "commit.retry.num-retries": "0",
        "ctp.table-version": str(schema.version),
    }
    for name in {*schema.partition, *schema.key, schema.batch} - {""}:
        properties[f"write.metadata.metrics.column.{name}"] = "full"
    for column in schema.columns:
        if column.kind == "text":
            properties[f"write.metadata.metrics.column.{column.name}"] = "none"
    return properties
