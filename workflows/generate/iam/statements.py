"""Statements of IAM policies. None has a wildcard for an action or for a whole service's resources.

Sources: Service Authorization Reference of S3, Glue, KMS; S3 User Guide, "Protecting data with SSE-KMS"
(encryption context: the bucket's ARN with an S3 Bucket Key, else the object's).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workflows.generate.iam.account import Account, Place

Statement = dict[str, Any]
Policy = dict[str, Any]

READ = ("s3:GetObject",)
WRITE = ("s3:PutObject", "s3:AbortMultipartUpload")
DELETE = ("s3:DeleteObject",)


def policy(statements: Iterable[Statement]) -> Policy:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, actions: Iterable[str], resources: Iterable[str], **condition: Any) -> Statement:
    """One statement; keyword arguments are condition operators."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": sorted(resources),
        **({"Condition": condition} if condition else {}),
    }


def objects(account: Account, where: Place, pattern: str = "*") -> str:
    """ARN of the objects of a folder."""
    return account.arn("s3", f"{where.bucket}/{where.below(pattern).prefix}")


def on_objects(account: Account, sid: str, actions: Iterable[str], places: Iterable[Place], pattern: str = "*") -> Statement:
    """Actions on every object below some folders."""
    return allow(sid, actions, [objects(account, where, pattern) for where in places])


def listing(account: Account, sid: str, places: Iterable[Place]) -> Statement:
    """List these folders. Without it S3 answers 403 for an object that is not there, which looks like a lack of rights."""
    found = sorted(set(places))
    prefixes = sorted({text for where in found for text in ((where.prefix, f"{where.prefix}/*") if where.prefix else ("*",))})
    buckets = {account.arn("s3", where.bucket) for where in found}
    return allow(sid, ["s3:ListBucket"], buckets, StringLike={"s3:prefix": prefixes})


def encryption(account: Account, buckets: Iterable[str], *, writes: bool) -> Statement:
    """Use the key, through S3 alone and for these buckets alone."""
    contexts = sorted({text for bucket in buckets for text in (account.arn("s3", bucket), account.arn("s3", f"{bucket}/*"))})
    return allow(
        "Key",
        ["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
        [account.key],
        StringEquals={"kms:ViaService": f"s3.{account.region}.{account.domain}"},
        StringLike={"kms:EncryptionContext:aws:s3:arn": contexts},
    )


def glue(account: Account, sid: str, actions: Iterable[str], tables: Iterable[str]) -> Statement:
    """Calls about tables; Glue asks for the rights on catalog and database, too."""
    namespace = account.pipeline.lake.namespace
    named = [account.arn("glue", f"table/{namespace}/{table}") for table in tables]
    return allow(sid, actions, [account.arn("glue", "catalog"), account.arn("glue", f"database/{namespace}"), *named])


def lake(
    account: Account,
    warehouse: Place,
    *,
    read: Iterable[str] = (),
    write: Iterable[str] = (),
    erase: Iterable[str] = (),
) -> list[Statement]:
    """Rights on tables of the lake.

    Args:
        account: whose lake.
        warehouse: root of the tables; a table lies in `<namespace>/<table>`.
        read: tables that are only read.
        write: tables that are written. A commit deletes the metadata files that it supersedes, nothing else.
        erase: tables that are written, and whose data may be deleted for good.
    """
    home = warehouse.below(account.pipeline.lake.namespace)
    written = sorted({*write, *erase})
    every = sorted({*read, *written})
    statements = [
        glue(account, "GlueRead", ["glue:GetDatabase", "glue:GetTable"], every),
        listing(account, "LakeList", [home.below(table) for table in every]),
        on_objects(account, "LakeRead", READ, [home.below(table) for table in every]),
    ]
    if written:
        statements += [
            glue(account, "GlueWrite", ["glue:CreateTable", "glue:UpdateTable"], written),
            on_objects(account, "LakeWrite", WRITE, [home.below(table) for table in written]),
            on_objects(account, "LakeSuperseded", DELETE, [home.below(table).below("metadata") for table in written], "*.metadata.json"),
        ]
    if erase:
        statements.append(on_objects(account, "LakeErase", DELETE, [home.below(table) for table in sorted(erase)]))
    return statements
