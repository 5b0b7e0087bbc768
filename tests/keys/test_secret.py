"""Only `reveal` shows a secret; a private file is read only if no other user has access to it."""

import inspect
import os
import pickle
from pathlib import Path

import pytest

from linkcore.errors import KeyMaterialError
from linkcore.keys.secret import Secret, read_private
from tests.pseudonyms.traces import report


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = Secret("CANARY")
    shown = [repr(secret), str(secret), f"{secret}", repr([secret]), repr(inspect.getmembers_static(secret))]
    assert not any("CANARY" in text for text in shown)
    assert secret.reveal() == "CANARY"
    with pytest.raises(KeyMaterialError, match="does not leave its process"):
        pickle.dumps(secret)
    with pytest.raises(AttributeError, match="cannot be changed"):
        secret.reveal = str


def test_a_private_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.write_bytes(b"CANARY")
    for mode in (0o600, 0o400):
        file.chmod(mode)
        assert read_private(file, "key file").reveal() == b"CANARY"


@pytest.mark.parametrize("mode", [0o601, 0o604, 0o620, 0o640, 0o700, 0o777])
def test_a_file_that_others_may_open_is_refused_unread(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "open"
    file.write_bytes(b"CANARY")
    file.chmod(mode)
    with pytest.raises(KeyMaterialError, match=rf"the key file .*open is open to others \(mode 0{mode:o}\)") as caught:
        read_private(file, "key file")
    assert "CANARY" not in report(caught.value)


def test_a_file_that_cannot_be_read_raises_an_error_of_linkcore(tmp_path: Path) -> None:
    for place in (tmp_path / "missing", tmp_path):
        with pytest.raises(KeyMaterialError, match=r"the keyring .* cannot be read"):
            read_private(place, "keyring")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as two users")
def test_a_file_of_another_user_is_refused_unread(tmp_path: Path) -> None:
    """Its owner knows what is in it, and can change it."""
    file = tmp_path / "theirs"
    file.write_bytes(b"CANARY")
    file.chmod(0o600)
    os.chown(file, 12_345, 12_345)
    with pytest.raises(KeyMaterialError, match=r"the signing key .*theirs belongs to another user") as caught:
        read_private(file, "signing key")
    assert "CANARY" not in report(caught.value)
