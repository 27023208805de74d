"""What is committed is what the code writes, and nothing else lies beside it."""

from __future__ import annotations

from workflows.environment import ROOT
from workflows.generate.files import find_stale, write
from workflows.generate.render import generate, main


def test_everything_committed_is_current():
    assert find_stale(*generate(), ROOT) == [], "run `make render` and commit the result"
    assert main(["--check"]) == 0 and main(["--what"]) == 64


def test_what_is_stale_is_named_and_put_right(tmp_path):
    texts, folders = {"own/a.yaml": "a: 1\n", "own/below/b.json": "{}\n", "beside/derived.yaml": "c: 1\n"}, ["own"]
    assert write(texts, folders, tmp_path) == sorted(texts) and find_stale(texts, folders, tmp_path) == []
    (tmp_path / "own" / "old.yaml").write_text("x")
    (tmp_path / "own" / "a.yaml").write_text("edited by hand")
    (tmp_path / "own" / "below" / "b.json").unlink()
    (tmp_path / "beside" / "values.yaml").write_text("a person's")
    wrong = ["own/a.yaml", "own/below/b.json", "own/old.yaml"]
    assert find_stale(texts, folders, tmp_path) == wrong == write(texts, folders, tmp_path)
    assert find_stale(texts, folders, tmp_path) == [] and (tmp_path / "beside" / "values.yaml").is_file()
