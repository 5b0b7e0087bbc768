"""What a programme file states: errors name the file, the line and the key."""

from pathlib import Path

import pytest
from pyrage import x25519

from linkcore.errors import ProgrammeError
from linkcore.programme.programme import Programme
from tests.programme.programmes import AGREED, OTHER_RECIPIENT, WHOLE, load


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("spine = true", "spin = true", r"source\[1\]\.spin: no such key"),
        ("[linkage]", "[linking]", "linking: no such key"),
        ('name = "gp"\n', "", r"source\[1\]\.name: is required"),
        ('conflicts = "keep"', 'conflicts = "ignore"', 'linkage.conflicts: must be "fallback" or "keep"'),
        (WHOLE[WHOLE.index("[[source]]") : WHOLE.index("[[recipient]]")], "", "source: is required"),
        ('PHONE = "exact"', 'PHONE = "telephone"', r'source\[1\]\.further\.PHONE: must be "exact" or "text"'),
        ("seed = 3", 'seed = "three"', "line 6, programme.seed: must be a whole number"),
        ("seed = 3", "seed = ", "not a TOML file"),
        ("[programme]", 'folder = "/"\n[programme]', "folder: no such key"),
        ("seed = 3", "seed = " + "[" * 100_000, "not a TOML file: its tables or lists are nested too deeply"),
        ("seed = 3", "seed = " + "9" * 5_000, "not a TOML file"),
        ('data = "gp.csv"', 'data = "gp\\u0000.csv"', "a text with the character U\\+0000"),
        ("seed = 3", "seed = true", r"programme\.seed: give a number, not true"),
        ("[linkage]", "[linkage]\naccept = true", r"linkage\.accept: give a number, not true"),
        ("seed = 3", "seed = -1", r"programme\.seed: must be at least 0"),
        ("seed = 3", "seed = 9223372036854775808", r"programme\.seed: must be less than"),
        ('key = "partner-2026"', 'key = ""', r"recipient\[1\]: .*a key's id is 1 to 64 letters"),
        ('key = "partner-2026"', 'key = "../../x"', r"recipient\[1\]: .*a key's id is 1 to 64 letters"),
        (AGREED, f"{AGREED}\nencryption = true", r"recipient\[1\]\.encryption: say for whom"),
        (AGREED, f'{AGREED}\nencryption = ["age1abc"]', r"recipient\[1\]\.encryption: this is no age public key"),
        (AGREED, f"{AGREED}\nencryption = []", r"recipient\[1\]\.encryption: .*state one of these"),
        (AGREED, f'{AGREED}\nencryption = {{passphrase = "x"}}', r"\.encryption\.passphrase: no such key"),
        (AGREED, f'{AGREED}\nencryption = {{passphrase_variable = "a b"}}', r"\.encryption: .*not a passphrase"),
        (AGREED, f"{AGREED}\ninteger_id = true", r"recipient\[1\]\.integer_id: name the column"),
        (AGREED, f'{AGREED}\ninteger_id = "a b"', r"recipient\[1\]: .*integer_id names a column"),
        ('name = "Example"', 'name = " "', r"programme\.name: it is empty"),
        ('name = "partner"', 'name = " "', r"recipient\[1\]: .*who receives the data"),
    ],
)
def test_an_error_names_the_file_the_key_and_its_place(folder: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE
    with pytest.raises(ProgrammeError, match=says) as caught:
        load(folder, WHOLE.replace(old, new, 1))
    assert str(folder / "programme.toml") in str(caught.value)


def test_a_secret_key_of_age_in_the_programme_file_is_refused_and_not_quoted(folder: Path) -> None:
    secret = str(x25519.Identity.generate())
    with pytest.raises(ProgrammeError, match="this is a secret key of age, which only its owner may have") as caught:
        load(folder, WHOLE.replace(AGREED, f'{AGREED}\nencryption = ["{secret}"]'))
    assert secret[16:] not in str(caught.value)


def test_a_number_of_a_requester_is_not_true(folder: Path) -> None:
    stated = '[audit]\nfile = "audit.jsonl"\n[requesters.L83001]\npractice = "L83001"\nlimit = true\n'
    with pytest.raises(ProgrammeError, match=r"requesters\.L83001: limit: give a number, not true"):
        load(folder, WHOLE + stated)


def test_a_byte_order_mark_is_not_part_of_the_programme(folder: Path) -> None:
    assert load(folder, "\ufeff" + WHOLE).programme.name == "Example"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="no such programme file"):
        Programme.load(tmp_path / "programme.toml")


def test_a_programme_without_sources_is_refused(folder: Path) -> None:
    with pytest.raises(
        ProgrammeError, match=r"programme\.toml, line 1, source: there is none; state at least one \[\[source\]\]"
    ):
        load(folder, 'source = []\n[programme]\nname = "Example"\n')


class TestRecipients:
    def test_there_can_be_several(self, folder: Path) -> None:
        assert [each.recipient for each in load(folder, WHOLE + OTHER_RECIPIENT).agreements()] == ["partner", "other"]

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                "other-2026",
                "partner-2026",
                r"recipient: \[1\]\.key and \[2\]\.key are both 'partner-2026'; each needs its own",
            ),
            ('"other"', '"partner"', r"recipient: \[1\]\.name and \[2\]\.name are both 'partner'; each needs its own"),
        ],
    )
    def test_two_with_the_same_name_or_key_are_refused(self, folder: Path, old: str, new: str, says: str) -> None:
        with pytest.raises(ProgrammeError, match=says) as caught:
            load(folder, WHOLE + OTHER_RECIPIENT.replace(old, new))
        assert str(folder / "programme.toml") in str(caught.value)
