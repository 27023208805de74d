from __future__ import annotations

import time
from email.utils import formatdate

from steps.contract.retry_after import retry_after_s


def test_retry_after():
    assert retry_after_s("2") == 2.0
    assert retry_after_s("9999") == 60.0
    assert retry_after_s("-1") == 0.0
    assert 25 < retry_after_s(formatdate(time.time() + 30, usegmt=True)) <= 30
    assert [retry_after_s(value) for value in (None, "", "soon", "nan")] == [None] * 4
