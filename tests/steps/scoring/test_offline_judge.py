from __future__ import annotations

from steps.contract.config import PipelineConfig
from steps.scoring.offline_judge import reachable_judge


def test_a_judge_with_a_url_is_used_as_it_is(tmp_path):
    judge = PipelineConfig.model_validate({"gate_judge": {"model": "m", "base_url": "http://judge/v1"}}).gate_judge
    with reachable_judge(judge, tmp_path / "judge.log") as reachable:
        assert reachable == judge
    assert not (tmp_path / "judge.log").exists()


def test_without_a_url_the_offline_judge_is_started_and_stopped(tmp_path):
    with reachable_judge(PipelineConfig().gate_judge, tmp_path / "logs" / "judge.log") as judge:
        assert judge.base_url.startswith("http://127.0.0.1:")
    assert (tmp_path / "logs" / "judge.log").is_file()
    assert not list((tmp_path / "logs").glob("*.port"))
