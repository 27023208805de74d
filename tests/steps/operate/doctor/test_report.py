"""What `ctp doctor` says, on a real work folder and a real little API server."""


def test_a_fresh_machine_has_nothing_to_complain_of(by_area):
    found = by_area()
    assert [area for area, finding in found.items() if finding.status == "failed"] == []
    assert found["packages"].status == found["work folder"].status == "ok"
    assert {"lake", "registry", "git", "AWS", "cluster", "sources"} <= {
        area for area, finding in found.items() if finding.status == "skipped"
    }


def test_looking_makes_nothing(by_area, tmp_path):
    by_area()
    assert not (tmp_path / "work").exists()
