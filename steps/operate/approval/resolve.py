"""Step `resolve`: what a workflow starts from, fixed once, so that every later step means the same content."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError

from steps.contract.errors import AccessError, DataError, TransientError, UsageError
from steps.contract.files import sha256_file, sha256_tree, whole_folder
from steps.contract.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.contract.spec import StepContext
from steps.store.aliases import PREVIOUS, by_alias, champion, model_uri
from steps.store.golden import read_golden
from steps.store.lake import open_lake
from steps.store.models import local_model
from steps.store.registry import open_registry


class Params(Frozen):
    """What is asked for by name."""

    golden: str = Field(
        default="", description="the golden set: a path, a file:// URI, or a reference with its digest; empty: none is wanted"
    )
    base_model: str = Field(default="", description="folder, file:// URI or Hugging Face id to train from; empty: the champion")


class Result(Frozen):
    """The content behind the names."""

    champion: ModelRef = Field(description="the version that serves")
    champion_artifact: ArtifactRef = Field(description="its files")
    previous: ModelRef | None = Field(description="the version that it replaced; None before the second release")
    previous_artifact: ArtifactRef | None = Field(description="its files")
    base: ArtifactRef = Field(description="the model that training starts from")
    golden: ArtifactRef | None = Field(description="the golden set with its digest; None when none is wanted")
    traces: TableRef = Field(description="the trace table as it is now")


def run(params: Params, ctx: StepContext) -> Result:
    """Look the names up. Reads digests of whole folders, so it takes as long as reading the base model.

    Models in an S3 model store are downloaded to the artifacts once, so that training and gate read a folder.

    Raises:
        DataError: there is no champion, no golden set, no base model, or one is not what its reference says.
        UsageError: the base model lies where nothing can read it from.
        TransientError, AccessError: the registry, the lake or the model hub does not answer or refuses.
    """
    name = ctx.config.model_name
    golden = _golden(params.golden) if params.golden else None
    if golden is not None:
        read_golden(golden)
    client = open_registry(ctx.config, ctx.workdir)
    serving = champion(client, name)
    if serving is None:
        raise DataError(f"{name} has no champion: register the first model with `ctp step register --model=REF --bootstrap=true`")
    artifact, before = model_uri(client, serving), by_alias(client, name, PREVIOUS)
    artifact = local_model(artifact, ctx.artifacts)
    with open_lake(ctx.config, ctx.workdir) as lake:
        traces = lake.current("traces")
    return Result(
        champion=serving,
        champion_artifact=artifact,
        previous=before,
        previous_artifact=local_model(model_uri(client, before), ctx.artifacts) if before else None,
        base=_base(params.base_model, ctx) if params.base_model else artifact,
        golden=golden,
        traces=traces,
    )


def _golden(text: str) -> ArtifactRef:
    """The reference that `text` is, or that the file it names has now."""
    if "#sha256:" in text:
        try:
            return ArtifactRef.model_validate(text)
        except ValidationError:
            raise UsageError(f"--golden {text[:200]!r}: write URI#sha256:DIGEST with 64 hex digits, or a path") from None
    path = Path(unquote(urlsplit(text).path) if text.startswith("file://") else text).absolute()
    if not path.is_file():
        raise DataError(f"{path}: no such golden set: give --golden a file on the volume")
    return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))


def _base(text: str, ctx: StepContext) -> ArtifactRef:
    """The folder of a base model; a Hugging Face id is downloaded to the artifacts once."""
    if text.startswith("s3://"):
        raise UsageError(f"--base-model {text}: training reads a folder: copy the model to the volume first and give that folder")
    folder = Path(unquote(urlsplit(text).path) if text.startswith("file://") else text)
    if not text.startswith(("/", ".", "file://")):
        folder = _downloaded(text, ctx)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such base model: give --base-model an existing folder or a Hugging Face id")
    return ArtifactRef(uri=folder.absolute().as_uri(), sha256=sha256_tree(folder))


def _downloaded(model_id: str, ctx: StepContext) -> Path:
    """The model's folder below the artifacts, downloaded if it is not there."""
    target = ctx.artifacts / "models" / f"hub-{model_id.replace('/', '--')}"
    if not target.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        try:
            with whole_folder(target) as scratch, ctx.progress.task(f"downloading {model_id}"):
                cache = scratch.parent / "cache"
                snapshot_download(
                    model_id, local_dir=scratch, cache_dir=cache, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
                )
                # Where the hub's client notes when it fetched what: no part of the model.
                shutil.rmtree(scratch / ".cache", ignore_errors=True)
        except GatedRepoError as error:
            raise AccessError(f"--base-model {model_id}: the model hub wants an accepted licence and a token") from error
        except RepositoryNotFoundError as error:
            raise DataError(f"--base-model {model_id}: the model hub knows no such model") from error
        except OSError as error:
            raise TransientError(f"--base-model {model_id}: the model hub does not answer: run the same command again") from error
    return target
