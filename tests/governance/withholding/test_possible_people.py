"""A person who opted out is found under another number, and a stranger with a number of his own is not."""

import datetime as dt

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_out_policy import OptOutPolicy
from linkcore.governance.withholding.opt_outs import STATEMENTS, OptOuts
from linkcore.governance.withholding.withholding import withhold
from linkcore.schema import DECISIONS
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
PEOPLE, OPTED_OUT, NEW = 240, 20, 20
ALL_NUMBERS = numbers(PEOPLE + OPTED_OUT + NEW)
OWN, FRESH = ALL_NUMBERS[:PEOPLE], ALL_NUMBERS[PEOPLE:]
GIVEN = ("ANNA", "BORIS", "CARLA", "DAVID", "ERIN", "FAISAL", "GRACE", "HUGO", "IRIS", "JOHN", "KATE", "LIAM")
FAMILY = ("ABBOTT", "BAKER", "CARTER", "DEAN", "ELLIS", "FROST", "GRANT", "HOLT", "IQBAL", "JONES")


def people(count: int, first: int = 0) -> pl.DataFrame:
    which = range(first, first + count)
    return pl.DataFrame(
        {
            "given_name": [GIVEN[i % 12] for i in which],
            "family_name": [FAMILY[i // 12 % 10] + ("" if i < 120 else "SON") for i in which],
            "birth_date": [dt.date(1930 + i % 83, 1 + i % 12, 1 + i % 28) for i in which],
            "postcode": [f"EX{1 + i % 9} {i % 10}A{chr(65 + i % 22)}" for i in which],
        }
    )


def extracts(*, without_numbers: int) -> list[lc.Source]:
    """A spine; and a hospital that knows most people by their numbers, some by fresh ones, and some by none."""
    spine = people(PEOPLE).with_columns(nhs_number=pl.Series(OWN))
    typed_badly = people(OPTED_OUT).with_columns(
        pl.col("given_name").str.head(3), pl.when(pl.int_range(pl.len()) % 2 == 0).then("postcode").alias("postcode")
    )
    strangers = people(NEW, first=PEOPLE).with_columns(pl.lit("ZIMMERMANN").alias("family_name"))
    known = people(PEOPLE - OPTED_OUT, first=OPTED_OUT).with_columns(nhs_number=pl.Series(OWN[OPTED_OUT:]))
    known = known.with_columns(
        pl.when(pl.int_range(pl.len()) >= without_numbers).then("nhs_number").alias("nhs_number")
    )
    seen = pl.concat([typed_badly, strangers]).with_columns(nhs_number=pl.Series(FRESH))
    return [lc.Source("gp", spine, spine=True), lc.Source("seen", pl.concat([seen, known], how="diagonal"))]


def opted_out() -> OptOuts:
    statements = [(int(number), None, True) for number in OWN[:OPTED_OUT]]
    return OptOuts(pl.DataFrame(statements, STATEMENTS, orient="row"), DAY)


@pytest.mark.parametrize("without_numbers", [0, 60], ids=["nothing was learned", "a model was learned"])
def test_who_opted_out_is_withheld_under_a_number_that_nobody_else_has(without_numbers: int) -> None:
    linkage = lc.link(extracts(without_numbers=without_numbers))
    assert (linkage.probabilistic is not None and linkage.probabilistic.model is not None) == (without_numbers > 0)
    policy = OptOutPolicy(gp_sources=[], unlinked="release")
    found = withhold(linkage, policy, OptOutLists(national=opted_out()), on=DAY, purpose="planning")
    kept = found.kept["seen"]
    assert not kept[:OPTED_OUT].any()
    assert kept[OPTED_OUT : OPTED_OUT + NEW].all()
    counts = {(source, reason): records for source, reason, records in found.counts.iter_rows()}
    assert counts["gp", "national"] == OPTED_OUT
    assert counts["seen", "other_number"] == OPTED_OUT
    assert counts["gp", "other_number"] == 0


def test_without_a_spine_every_number_is_doubted() -> None:
    first, second = (source.data for source in extracts(without_numbers=0))
    assert isinstance(first, pl.DataFrame)
    # A mistyped number on two records is as wrong as on one.
    linkage = lc.link([lc.Source("a", first), lc.Source("b", second), lc.Source("c", second)], fallback=None)
    policy = OptOutPolicy(unlinked="release")
    found = withhold(linkage, policy, OptOutLists(national=opted_out()), on=DAY, purpose="planning")
    assert not found.kept["b"][:OPTED_OUT].any()
    assert found.kept["b"][OPTED_OUT:].all()


def test_who_is_registered_twice_is_withheld_under_both_numbers() -> None:
    spine = people(PEOPLE).with_columns(nhs_number=pl.Series(OWN))
    again = people(OPTED_OUT).with_columns(nhs_number=pl.Series(FRESH[:OPTED_OUT]), postcode=pl.lit("PL4 8AA"))
    linkage = lc.link([lc.Source("gp", pl.concat([spine, again]), spine=True)])
    policy = OptOutPolicy(gp_sources=[], unlinked="release")
    kept = withhold(linkage, policy, OptOutLists(national=opted_out()), on=DAY, purpose="planning").kept["gp"]
    assert not kept[:OPTED_OUT].any()
    assert kept[OPTED_OUT:PEOPLE].all()
    assert not kept[PEOPLE:].any()


def test_type_1_opt_outs_under_another_number_withhold_gp_data_only() -> None:
    linkage = lc.link(extracts(without_numbers=0))
    policy = OptOutPolicy(gp_sources=["seen"], unlinked="release")
    nobody = OptOuts(pl.DataFrame(schema=STATEMENTS), DAY)
    lists = OptOutLists(national=nobody, type_one=opted_out())
    found = withhold(linkage, policy, lists, on=DAY, purpose="planning")
    counts = found.counts.filter(reason="other_number").select("source", "records").rows()
    assert counts == [("gp", 0), ("seen", OPTED_OUT)]
    assert not found.kept["seen"][:OPTED_OUT].any()


def decided(*pairs: tuple[tuple[str, str], tuple[str, str], str]) -> pl.DataFrame:
    when = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    rows = [(*record, *person, decision, "Ann", when, "notes") for record, person, decision in pairs]
    return pl.DataFrame(rows, schema=DECISIONS, orient="row")


def kept(linkage: lc.Linkage, number: str) -> dict[tuple[str, str], bool]:
    """Which records may leave if the person with this number has opted out."""
    statements = pl.DataFrame([(int(number), None, True)], STATEMENTS, orient="row")
    policy = OptOutPolicy(gp_sources=[], unlinked="release")
    found = withhold(linkage, policy, OptOutLists(national=OptOuts(statements, DAY)), on=DAY, purpose="planning")
    return {
        (source.name, record_id): may_leave
        for source in linkage.sources
        for record_id, may_leave in zip(
            linkage.links_of(source.name)["record_id"], found.kept[source.name], strict=True
        )
    }


def named_sources(spine: pl.DataFrame, seen: pl.DataFrame) -> list[lc.Source]:
    columns = {name: name for name in ("nhs_number", "given_name", "family_name", "birth_date", "postcode")}
    return [
        lc.Source(
            name,
            frame.with_row_index("id").with_columns(pl.col("id").cast(pl.String)),
            record_id="id",
            columns=columns,
            spine=name == "gp",
        )
        for name, frame in (("gp", spine), ("seen", seen))
    ]


def test_an_opt_out_under_either_number_withholds_all_records_of_two_persons_who_are_one() -> None:
    spine = people(4).with_columns(nhs_number=pl.Series(OWN[:4]))
    seen = spine[:3]
    same = decided((("gp", "1"), ("gp", "0"), "same"))
    linkage = lc.link(named_sources(spine, seen), fallback=None, decisions=same)
    for number in OWN[:2]:
        assert [name for name, may_leave in kept(linkage, number).items() if not may_leave] == [
            ("gp", "0"),
            ("gp", "1"),
            ("seen", "0"),
            ("seen", "1"),
        ]


def test_a_record_that_goes_with_an_open_one_is_withheld_with_it() -> None:
    """An open record may be of either of two twins; another one is decided to be of the same person."""
    listed = people(PEOPLE).with_columns(nhs_number=pl.Series(OWN))
    twin = people(1).with_columns(nhs_number=pl.Series(FRESH[:1]))
    nobody = people(2).with_columns(nhs_number=pl.lit(None, pl.String))
    poor = [pl.when(pl.int_range(2) == 0).then(name).alias(name) for name in people(1).columns]
    same = decided((("seen", "1"), ("seen", "0"), "same"))
    linkage = lc.link(named_sources(pl.concat([listed, twin]), nobody.with_columns(poor)), decisions=same)
    assert linkage.links.filter(source="seen")["method"].to_list() == ["new_person", "decided"]
    for number in (OWN[0], FRESH[0]):
        found = kept(linkage, number)
        assert (found["seen", "0"], found["seen", "1"]) == (False, False)
    assert all(kept(linkage, OWN[7])[("seen", each)] for each in "01")


def test_who_a_clerk_has_ruled_out_withholds_nothing() -> None:
    listed = people(PEOPLE).with_columns(nhs_number=pl.Series(OWN))
    # With the same name, the two would be taken for one who is registered twice.
    twin = people(1).with_columns(nhs_number=pl.Series(FRESH[:1]), given_name=pl.lit("ANN"))
    nobody = people(1).with_columns(nhs_number=pl.lit(None, pl.String))
    apart = decided((("seen", "0"), ("gp", "0"), "not the same"))
    linkage = lc.link(named_sources(pl.concat([listed, twin]), nobody), decisions=apart)
    assert kept(linkage, OWN[0])["seen", "0"]
    assert not kept(linkage, FRESH[0])["seen", "0"]
    # Its own number still counts, whatever a clerk says.
    numbered = people(1).with_columns(nhs_number=pl.Series(OWN[:1]))
    linkage = lc.link(named_sources(listed, numbered), decisions=apart)
    assert linkage.links.filter(source="seen")["conflict"].to_list() == [True]
    assert not kept(linkage, OWN[0])["seen", "0"]
