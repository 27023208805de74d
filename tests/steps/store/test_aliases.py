from __future__ import annotations

import contextlib
import threading

import pytest

from steps.contract.errors import DataError
from steps.contract.refs import ModelRef
from steps.store import aliases as alias


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs, not even `except Exception`."""


def killed_after(client, writes):
    """The same client, whose process dies when it starts the write after the first `writes`."""

    class Dying(type(client)):
        left = writes

        def _spend(self):
            if self.left == 0:
                raise Killed
            self.left -= 1

        def set_alias(self, *args):
            self._spend()
            super().set_alias(*args)

        def delete_alias(self, *args):
            self._spend()
            super().delete_alias(*args)

        def set_tag(self, *args):
            self._spend()
            super().set_tag(*args)

    return Dying(client._client, client.uri)


def test_no_champion_before_the_first(client, config):
    assert alias.champion(client, config.model_name) is None


def test_promote_moves_all_three_aliases(client, config, make_version):
    name, first, second = config.model_name, make_version(), make_version()
    alias.promote(client, name, first, None)
    alias.set_candidate(client, name, second)
    assert alias.promote(client, name, second, first) == ModelRef(name=name, version=second)
    assert client.aliases(name) == {"champion": second, "previous": first}


def test_promote_is_compare_and_set(client, config, make_version):
    name, first, second, third = config.model_name, make_version(), make_version(), make_version()
    alias.promote(client, name, first, None)
    alias.promote(client, name, second, first)
    with pytest.raises(DataError, match=f"champion expected version {first}, found version {second}"):
        alias.promote(client, name, third, first)
    with pytest.raises(DataError, match=f"champion expected none, found version {second}"):
        alias.promote(client, name, third, None)
    assert client.aliases(name)["champion"] == second


def test_promote_twice_changes_nothing(client, config, make_version):
    name, first, second = config.model_name, make_version(), make_version()
    alias.promote(client, name, first, None)
    for _ in range(2):
        alias.promote(client, name, second, first)
    assert client.aliases(name) == {"champion": second, "previous": first}


def test_of_several_promotions_at_once_one_wins(client, config, make_version):
    name, first = config.model_name, make_version()
    alias.promote(client, name, first, None)
    rivals, won = [make_version() for _ in range(4)], []

    def work(version):
        with contextlib.suppress(DataError):
            won.append(alias.promote(client, name, version, first).version)

    threads = [threading.Thread(target=work, args=(version,)) for version in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert client.aliases(name) == {"champion": won[0], "previous": first}


def test_going_back_to_the_previous_champion(client, config, make_version):
    name, first, second = config.model_name, make_version(), make_version()
    alias.promote(client, name, first, None)
    alias.promote(client, name, second, first)
    alias.promote(client, name, first, second)
    assert client.aliases(name) == {"champion": first, "previous": second}


@pytest.mark.parametrize("writes", range(5))
def test_promote_repeated_after_a_kill_at_any_write(client, config, make_version, writes):
    name, first, second = config.model_name, make_version(), make_version()
    alias.promote(client, name, first, None)
    alias.set_candidate(client, name, second)
    try:
        alias.promote(killed_after(client, writes), name, second, first)
    except Killed:
        assert client.aliases(name)["champion"] in (first, second)
    alias.promote(client, name, second, first)
    assert client.aliases(name) == {"champion": second, "previous": first}


@pytest.mark.parametrize("writes", range(3))
def test_abort_repeated_after_a_kill_at_any_write(client, config, make_version, writes):
    name, first, second = config.model_name, make_version(), make_version()
    alias.promote(client, name, first, None)
    alias.set_candidate(client, name, second)
    with contextlib.suppress(Killed):
        alias.abort(killed_after(client, writes), name, second, "worse at 5 %")
    alias.abort(client, name, second, "worse at 5 %")
    assert client.aliases(name) == {"champion": first}
    assert client.tags(name, second)["ctp.aborted"] == "worse at 5 %"


@pytest.mark.parametrize("phase", ["Failed", "Inconclusive", ""])
def test_only_a_passed_gate_is_promoted(client, config, make_version, phase):
    version = make_version(ctp_gate_phase=phase)
    with pytest.raises(DataError, match="only a Successful one"):
        alias.promote(client, config.model_name, version, None)


def test_an_aborted_version_is_not_promoted_until_it_is_a_candidate_again(client, config, make_version):
    name, version = config.model_name, make_version()
    alias.abort(client, name, version, "canary lost")
    with pytest.raises(DataError, match="canary lost"):
        alias.promote(client, name, version, None)
    alias.set_candidate(client, name, version)
    alias.promote(client, name, version, None)
    assert client.aliases(name) == {"champion": version}


def test_the_champion_cannot_be_aborted(client, config, make_version):
    version = make_version()
    alias.promote(client, config.model_name, version, None)
    with pytest.raises(DataError, match="is the champion"):
        alias.abort(client, config.model_name, version, "no")


def test_the_champion_never_becomes_candidate(client, config, make_version):
    version = make_version()
    alias.promote(client, config.model_name, version, None)
    alias.set_candidate(client, config.model_name, version)
    assert "candidate" not in client.aliases(config.model_name)


def test_model_uri_names_files_and_digest(client, config, make_version):
    version = make_version(ctp_uri="s3://models/a", ctp_sha256="a" * 64)
    ref = alias.model_uri(client, ModelRef(name=config.model_name, version=version))
    assert str(ref) == f"s3://models/a#sha256:{'a' * 64}"


def test_model_uri_of_a_foreign_version(client, config, make_version):
    version = make_version(ctp_uri="x", ctp_sha256="")
    with pytest.raises(DataError, match="not registered by this pipeline"):
        alias.model_uri(client, ModelRef(name=config.model_name, version=version))


def test_unknown_version_is_bad_data(client, config, make_version):
    make_version()
    with pytest.raises(DataError, match="99"):
        alias.promote(client, config.model_name, 99, None)
