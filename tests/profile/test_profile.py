"""A profile says what every column holds, and no value of it."""

import json

import linkcore as lc
from linkcore.profile.profile import profile_sources
from linkcore.profile.words import profile_as_page, profile_in_words
from tests.profile.test_faults import RIGHT, USABLE, people, sources


def test_shares_shapes_overlap_and_agreement() -> None:
    profile = profile_sources(sources({"birth_date": "seen"}), usable=USABLE)
    gp, seen = profile.sources
    assert (profile.reference, gp.on_reference, seen.on_reference, seen.numbers) == ("gp", None, 300, 300)
    born = next(column for column in gp.columns if column.identifier == "birth_date")
    assert (born.records, born.present, born.valid, born.shapes) == (300, 300, 300, (("99/99/9999", 300),))
    agree = {name: (n, same) for _, name, n, same, _ in profile.agreement.iter_rows()}
    assert agree["given_name"] == (300, 300)
    assert agree["birth_date"][1] < 10
    assert not profile.linkable
    words = profile_in_words(profile)
    assert "99/99/9999 100 %" in words
    assert words.splitlines()[-1].startswith("ERROR: seen, birth_date: ")


def test_no_value_is_in_a_profile() -> None:
    made = [*sources({"birth_date": "seen"}), lc.Source("odd", people(), RIGHT | {"postcode": "rounded"})]
    profile = profile_sources(made, usable=USABLE)
    said = profile_in_words(profile) + profile_as_page(profile) + json.dumps(profile.as_dict())
    frame = people()
    for column in ("nhs", "given", "family", "born", "postcode", "rounded"):
        assert not [value for value in frame[column] if value in said]


def test_the_name_of_a_column_has_no_power_over_the_page() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    profile = profile_sources([lc.Source("gp", people().rename({"given": hostile}), {"given_name": hostile})])
    page = profile_as_page(profile)
    assert "<script>" not in page
    assert "\x1b" not in page


def test_small_counts_are_folded_into_other_shapes() -> None:
    odd = people()
    odd[3, "postcode"] = "Flat 3 (the blue one)"
    (source,) = profile_sources([lc.Source("gp", odd, RIGHT, spine=True)], usable=USABLE).sources
    postcode = next(column for column in source.columns if column.identifier == "postcode")
    assert postcode.shapes == (("AA9 9AA", 299), ("other shapes", 1))
    assert dict(postcode.set_aside) == {"malformed": 1}
