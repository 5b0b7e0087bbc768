"""What a release tells about a link: coarse classes, unless the agreement says why it needs more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.link_columns import LINK_COLUMNS
from linkcore.programme.plan import plan
from linkcore.programme.programme import Programme

KEYS = {name: lc.Key.from_bytes(name, bytes(range(at, at + 32))) for at, name in enumerate(("one", "other"))}


def agreement(linkage: lc.Linkage, key: str = "one", **stated: Any) -> lc.Agreement:
    """An agreement on all sources, with no payload at all."""
    return lc.Agreement(key, key, {source.name: [] for source in linkage.sources}, **stated)


def rows(linkage: lc.Linkage, folder: Path, key: str = "one", **stated: Any) -> pl.DataFrame:
    """Release, and read all tables as one."""
    released = lc.release(linkage, agreement(linkage, key, **stated), KEYS[key], folder / key)
    return pl.concat(
        pl.read_parquet(released.folder / f"{source}.parquet").with_columns(pl.lit(source).alias("source"))
        for source in released.rows
    )


def alone(released: pl.DataFrame) -> pl.DataFrame:
    """The rows whose values nobody else has; whoever holds them in two releases joins the two persons."""
    told = [name for name in released.columns if name != "pseudonym"]
    return released.filter(pl.struct(told).is_unique())


def joined(linkage: lc.Linkage, folder: Path, **stated: Any) -> int:
    """How many persons two recipients without payload can join row by row."""
    one, other = (alone(rows(linkage, folder, key, **stated)) for key in KEYS)
    told = [name for name in one.columns if name != "pseudonym"]
    return one.join(other, on=told, nulls_equal=True)["pseudonym"].n_unique()


def test_two_recipients_hardly_join_their_releases_by_how_records_were_linked(
    linkage: lc.Linkage, tmp_path: Path
) -> None:
    exact = joined(linkage, tmp_path / "exact", match_probability="to weigh links in a model")
    assert exact > 40
    # A few rare classes are left: the only record of a source that was linked in some way.
    assert joined(linkage, tmp_path / "usual") < exact / 5


def test_a_probability_leaves_in_bands_whose_edges_the_manifest_states(linkage: lc.Linkage, tmp_path: Path) -> None:
    anything = lc.Fallback(accept=0.5)
    links = lc.link(linkage.sources, exact=linkage.exact, fallback=anything, reference_date=linkage.reference_date)
    both = rows(links, tmp_path, match_probability="to weigh links in a model")
    edges = [("certain", 0.999, 1.0), ("high", 0.95, 0.999), ("medium", 0.5, 0.95)]
    seen = dict(both.group_by("link_band").agg(pl.col("match_probability").unique()).iter_rows())
    assert seen.keys() == {"certain", "high", "medium", None}
    for band, low, high in edges:
        assert all(low <= probability < high or probability == high == 1 for probability in seen[band])
    assert seen[None] == [None]
    stated = lc.verify_release(tmp_path / "one")["link_columns"]
    assert stated["link_band"].startswith(
        "certain: a probability of at least 0.999, or an exact link; high: at least 0.95"
    )
    assert stated["match_probability"].endswith("released because: to weigh links in a model")


@pytest.mark.parametrize("reason", [" ", "\t"])
def test_exact_probabilities_need_a_reason(reason: str) -> None:
    with pytest.raises(lc.ProgrammeError, match="match_probability says why"):
        lc.Agreement("partner", "key", {"gp": []}, match_probability=reason)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["link_weight"], "link_weight"),
        (["match_probability"], "state in match_probability why"),
        (["link_band", "link_band"], "twice"),
        ("link_band", "a list"),
    ],
)
def test_only_columns_that_exist_can_be_asked_for(names: Any, says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        lc.Agreement("partner", "key", {"gp": []}, link_columns=names)


@pytest.mark.parametrize("names", [(), ("link_band",), ("link_agreement", "link_candidates")])
def test_a_release_has_the_columns_that_the_agreement_names(
    linkage: lc.Linkage, tmp_path: Path, names: tuple[str, ...]
) -> None:
    released = rows(linkage, tmp_path, link_columns=names)
    assert released.columns == ["pseudonym", *(name for name in LINK_COLUMNS if name in names), "source"]
    assert list(lc.verify_release(tmp_path / "one")["link_columns"]) == released.columns[1:-1]


def in_words(record: dict[str, Any], people: list[dict[str, Any]]) -> str:
    """The class of agreement of one record and one person, worked out one by one."""

    def agree(*names: str) -> bool:
        return all(record[name] is not None and any(record[name] == each[name] for each in people) for name in names)

    found = [
        text
        for text, agreed in (
            ("name", agree("given_name", "family_name")),
            ("birth date", agree("birth_date")),
            ("postcode", agree("postcode")),
        )
        if agreed
    ]
    return {3: "name, birth date and postcode", 2: " and ".join(found)}.get(len(found), "fewer")


def expected(linkage: lc.Linkage) -> Iterator[tuple[str, str | None, str | None]]:
    """Source, band of candidates and class of agreement of each record, worked out one by one."""
    fallback = linkage.probabilistic
    assert fallback is not None
    compared = fallback.records.rows_by_key(["source", "record_id"], named=True, unique=True)
    candidates = fallback.candidates.group_by("source", "record_id").len()
    number = {(source, record): count for source, record, count in candidates.iter_rows()}
    persons = linkage.persons.rows(named=True)
    others = fallback.alternatives.rows_by_key("person_id", named=True, unique=True)
    for link in linkage.links.rows(named=True):
        key = link["source"], link["record_id"]
        bands = {0: "none", 1: "1", 2: "2 to 4", 3: "2 to 4", 4: "2 to 4"}
        band = bands.get(number.get(key, 0), "5 or more") if key in compared else None
        agreed = None
        if link["method"] == "probabilistic":
            person = persons[link["person_id"]]
            also = others.get(link["person_id"], {})
            names = ("given_name", "family_name", "birth_date", "postcode")
            values = [person] + [
                {each: value if each == name else None for each in names}
                for name in names
                for value in also.get(f"other_{name}") or []
            ]
            agreed = in_words(compared[key], values)
        yield link["source"], band, agreed


def test_candidates_and_agreement_are_those_of_the_links(linkage: lc.Linkage, tmp_path: Path) -> None:
    released = rows(linkage, tmp_path, link_columns=["link_candidates", "link_agreement"])
    found = released.select("source", "link_candidates", "link_agreement").rows()
    assert sorted(map(repr, found)) == sorted(map(repr, expected(linkage)))
    assert released["link_candidates"].n_unique() > 3
    assert released["link_agreement"].n_unique() > 4


def test_without_a_fallback_nothing_was_compared(tmp_path: Path) -> None:
    people = pl.DataFrame({"nhs_number": ["9990000018", "9990000026"]})
    linkage = lc.link([lc.Source("gp", people)], exact=lc.Exact(usable=["test"]), fallback=None)
    released = rows(linkage, tmp_path, link_columns=["link_band", "link_candidates", "link_agreement"])
    assert released.drop("pseudonym", "source").unique().rows() == [("certain", None, None)]


def test_a_programme_file_states_them_and_the_plan_lists_them(ics: Path) -> None:
    stated = (ics / "programme.toml").read_text()
    asked = 'link_columns = ["link_candidates"]\nmatch_probability = "to weigh links"\n'
    file = ics / "asked.toml"
    file.write_text(stated.replace("[[recipient]]\n", f"[[recipient]]\n{asked}"))
    programme = Programme.load(file)
    (recipient,) = programme.agreements()
    assert recipient.added_columns == ("pseudonym", "link_candidates", "match_probability")
    assert "exact match probabilities, because: to weigh links" in plan(programme)
