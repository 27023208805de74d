"""Step `erase`: take one user's data out of the lake, down to the bytes, and keep it out."""

from __future__ import annotations

from pydantic import Field, model_validator

from steps.contract.refs import Frozen
from steps.contract.spec import StepContext


class Params(Frozen):
    """Whose data. Give one of the two.

    Attributes:
        user: user id as the sources give it; it is hashed at once and written nowhere.
        user_hash: its keyed hash, for callers that must not carry the id (workflow parameters are kept for weeks).
        requested_by: who asked for it, for the record.
    """

    user: str = Field(default="", max_length=1000)
    user_hash: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    requested_by: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _one_user(self) -> Params:
        if bool(self.user) == bool(self.user_hash):
            raise ValueError("give either --user or --user-hash")
        return self


class Result(Frozen):
    """What was taken out.

    Attributes:
        user_hash: the user as the lake knows it.
        traces: rows deleted from `traces`.
        labels: rows deleted from `labels`.
        dataset_rows: rows deleted from `datasets`.
        datasets: digests of datasets that held the user's text; their files are deleted.
        models: registered versions that were trained on these datasets; what they learned is not undone.
        expired_snapshots: snapshots that cannot be read any more.
        deleted_files: files deleted.
        pending_files: unreferenced files that are too young to delete (a write may be in progress).
        complete: no file of the lake or the artifacts holds the user's data; false while files are pending.
        next_step: what to do next; empty when nothing is left.
        open_erasures: erasures of all users that were asked for and are not complete.
        oldest_open_erasure_s: when the oldest of them was asked for, in seconds since 1970; 0: there is none.
    """

    user_hash: str
    traces: int
    labels: int
    dataset_rows: int
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    expired_snapshots: int
    deleted_files: int
    pending_files: int
    complete: bool
    next_step: str
    open_erasures: int = 0
    oldest_open_erasure_s: float = 0.0


def run(params: Params, ctx: StepContext) -> Result:
    """Bury the user first, then delete rows, snapshots and files; may be repeated at any point.

    Raises:
        ConfigError, AccessError: the key that hashes users is missing or may not be read.
        TransientError: the lake or the registry does not answer, or other writers won every race.
    """
    from steps.operate.erasure import erase_user

    return erase_user(params, ctx)
