"""One finding a check, whatever the check raises."""

from __future__ import annotations

import errno

from steps.contract.errors import AccessError, ConfigError
from steps.operate.doctor.finding import Skip, look, worst_exit_code


def test_the_first_failure_gives_the_exit_code():
    def broken():
        raise ConfigError("no")

    findings = (look("a", lambda: "fine"), look("b", broken), look("c", lambda: 1 / 0))
    assert worst_exit_code(findings) == 78
    assert findings[2].exit_code == 1
    assert worst_exit_code(findings[:1]) == 0


def test_a_check_that_does_not_apply_and_one_that_breaks_are_findings():
    def skip():
        raise Skip("not here")

    def locked():
        raise PermissionError(errno.EACCES, "no", "/data")

    assert (look("a", skip).status, look("a", skip).detail) == ("skipped", "not here")
    denied = look("b", locked)
    assert denied.exit_code == AccessError.exit_code and denied.detail.startswith(f"{AccessError.headline}: no permission for /data")
    assert look("c", lambda: 1 / 0).detail == "ZeroDivisionError: division by zero"
