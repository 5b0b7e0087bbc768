"""Which engine weighs pairs, for which models; and models of somebody else's."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import SettingsCreator, block_on

from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.linkage.blocking import GivenRule
from linkcore.linkage.engine.choose_engine import make_engine
from linkcore.linkage.engine.learn import learn_from_labels, learn_without_labels, use_given_models
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.pair_engine import PairEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.model.splink_json import to_splink
from linkcore.linkage.settings import Fallback
from tests.linkage.engine.people import PERSONS, UNKNOWN, learned

WARDS = [f"W{i % 40}" for i in range(400)]


def with_wards(frame: pl.DataFrame) -> pl.DataFrame:
    ward = frame["record_id"].cast(pl.Int64) % 40
    return frame.with_columns(further_ward=pl.lit("W") + ward.cast(pl.String))


def made(settings: Fallback) -> PairEngine:
    """The engine for these settings; the persons have a further identifier."""

    def make(people: PeopleTable) -> PairEngine:
        return make_engine(people, settings, {"ward": "exact"})

    return with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), make)


def by_hand(**stated: Any) -> SettingsCreator:
    compared = [cl.NameComparison("family_name"), cl.ExactMatch("ward")]
    rules = [block_on("birth_date"), "l.ward = r.ward AND substr(l.postcode, 1, 2) = substr(r.postcode, 1, 2)"]
    return SettingsCreator(
        **{
            "link_type": "link_only",
            "comparisons": compared,
            "blocking_rules_to_generate_predictions": rules,
            **stated,
        }
    )


def test_linkcores_own_engine_is_used_unless_splink_is_asked_for() -> None:
    assert isinstance(made(Fallback()), NativeEngine)
    assert isinstance(made(Fallback(engine="native")), NativeEngine)
    assert isinstance(made(Fallback(engine="splink")), SplinkEngine)


def test_a_model_that_linkcore_learned_stays_with_its_engine_and_its_rules() -> None:
    def learn(people: PeopleTable) -> dict[str, Any]:
        return to_splink(learned(NativeEngine.of(people, {"ward": "exact"})).model)

    model = with_people_table(Fallback(), with_wards(PERSONS), with_wards(UNKNOWN), learn)
    engine = made(Fallback(model=model))
    assert isinstance(engine, NativeEngine)
    assert [rule.sql for rule in engine.rules] == [rule["blocking_rule"] for rule in model[_RULES]]
    assert not any(isinstance(rule, GivenRule) for rule in engine.rules)
    assert isinstance(made(Fallback(model=model, engine="splink")), SplinkEngine)


_RULES = "blocking_rules_to_generate_predictions"


def test_a_model_with_comparisons_or_rules_of_its_own_goes_to_splink() -> None:
    engine = made(Fallback(model=by_hand()))
    assert isinstance(engine, SplinkEngine)
    assert [type(rule) for rule in engine.rules] == [GivenRule, GivenRule]
    with pytest.raises(ProgrammeError, match="comparison 'family_name' is not one of linkcore's own"):
        made(Fallback(model=by_hand(), engine="native"))
    native = {"sql_condition": "gender_l = gender_r"}, {"sql_condition": "ELSE"}
    known = {"comparisons": [{"output_column_name": "gender", "comparison_levels": native}]}
    assert isinstance(made(Fallback(model=known)), NativeEngine)
    with pytest.raises(ProgrammeError, match="blocking rule 1 is not one of linkcore's own"):
        made(Fallback(model=known | {_RULES: ["l.gender = r.gender"]}, engine="native"))


def test_a_column_that_no_source_has_is_named_with_what_asks_for_it() -> None:
    with pytest.raises(
        ProgrammeError, match="comparison 'parish' looks at column 'parish', which no source has; there"
    ):
        made(Fallback(model=by_hand(comparisons=[cl.ExactMatch("parish")])))
    with pytest.raises(ProgrammeError, match="blocking rule 2 looks at column 'parish'"):
        made(Fallback(model=by_hand(**{_RULES: [block_on("birth_date"), block_on("parish")]})))


def test_a_model_by_hand_learns_what_it_does_not_state_and_splink_weighs_by_it() -> None:
    """m of its own levels is counted here; what it states stays; a further identifier goes by its plain name."""
    ward = cl.CustomComparison(
        [
            cll.NullLevel("ward"),
            cll.ExactMatchLevel("ward").configure(m_probability=0.75, tf_adjustment_column="ward"),
            cll.ElseLevel(),
        ],
        output_column_name="ward",
    )
    settings = Fallback(model=by_hand(comparisons=[cl.NameComparison("family_name"), ward]))
    labelled = with_wards(PERSONS[1::4]).with_columns(
        pl.int_range(1, 400, 4, dtype=pl.UInt32, eager=True).alias("label"),
        pl.lit(0, pl.Int32).alias("source_index"),
    )

    def score(people: PeopleTable) -> Any:
        engine = make_engine(people, settings, {"ward": "exact"})
        known = learn_from_labels(engine, labelled, seed=0)
        assert isinstance(engine, SplinkEngine)
        return known.model, engine.score_with_persons(known)

    model, splink = with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), score)
    agrees = model.comparisons[1].levels[1]
    assert agrees.m == 0.75
    assert agrees.u == pytest.approx(1 / 40, rel=0.3)
    assert model.comparisons[0].levels[1].m == 1.0
    assert splink.compared > 100
    # The rules of the model proposed them: the same birth date, or the same ward and area.
    pairs = splink.pairs.select(
        born=PERSONS["birth_date"][splink.pairs["person"]] == UNKNOWN["birth_date"][splink.pairs["record"]],
        ward=with_wards(PERSONS)["further_ward"][splink.pairs["person"]]
        == with_wards(UNKNOWN)["further_ward"][splink.pairs["record"]],
    )
    assert pairs.select((pl.col("born") | pl.col("ward")).all()).item()


def test_a_rule_that_proposes_too_many_pairs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linkcore.linkage.blocking.MOST_PAIRS_OF_A_RULE", 100)
    settings = Fallback(model=by_hand(**{_RULES: [block_on("gender")]}))

    def score(people: PeopleTable) -> None:
        engine = make_engine(people, settings, {})
        engine.score_with_persons(learned(engine))

    with pytest.raises(ProgrammeError, match="blocking rule 1 proposes 20,000 pairs; narrow it"):
        with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), score)


def test_a_model_keeps_its_own_rules_even_where_linkcore_has_the_same() -> None:
    settings = Fallback(model=by_hand(**{_RULES: [block_on("birth_date")]}))
    assert [rule.sql for rule in made(settings).rules] == ['l."birth_date" = r."birth_date"']
    assert len(made(Fallback(model=by_hand(**{_RULES: []}))).rules) > 10


def test_a_column_without_a_value_is_one_that_no_source_has() -> None:
    with pytest.raises(ProgrammeError, match="comparison 'address' looks at column 'address', which no source has"):
        made(Fallback(model=by_hand(comparisons=[cl.ExactMatch("address")])))
    with pytest.raises(ProgrammeError, match="blocking rule 1 looks at column 'address'"):
        made(Fallback(model=by_hand(**{_RULES: [block_on("address")]})))


def test_a_comparison_that_cannot_be_computed_is_named() -> None:
    wrong = cl.CustomComparison(
        [cll.CustomLevel("levenshtein(birth_days_l, birth_days_r) < 2"), cll.ElseLevel()], "days"
    )
    with pytest.raises(ProgrammeError, match="DuckDB cannot compute comparison 'days'") as caught:
        made(Fallback(model=by_hand(comparisons=[wrong])))
    assert caught.value.__context__ is None


def test_two_comparisons_whose_names_differ_in_case_only_are_refused() -> None:
    with pytest.raises(ProgrammeError, match="share a name"):
        Fallback(model=by_hand(comparisons=[cl.ExactMatch("ward"), cl.ExactMatch("WARD")]))


def test_values_of_two_types_meet_in_a_rule_as_they_do_in_sql() -> None:
    settings = Fallback(model=by_hand(**{_RULES: ["l.birth_days = r.birth_days * 1.0"]}))

    def score(people: PeopleTable) -> int:
        engine = make_engine(people, settings, {"ward": "exact"})
        return engine.score_with_persons(learned(engine)).compared

    assert with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), score) == UNKNOWN.height


def test_without_labels_what_a_model_states_is_given_and_its_names_mean_nothing() -> None:
    """A comparison called birth_date that is not linkcore's is learned like any other."""

    def learn(**names: str) -> dict[str, list[float | None]]:
        born = cl.CustomComparison(
            [cll.NullLevel("birth_date"), cll.ExactMatchLevel("birth_date"), cll.ElseLevel()],
            output_column_name=names["born"],
        )
        stated = cl.ExactMatch("postcode").configure(m_probabilities=[0.6, 0.4])
        settings = Fallback(model=by_hand(comparisons=[cl.NameComparison("family_name"), born, stated]))

        def run(people: PeopleTable) -> dict[str, list[float | None]]:
            engine = make_engine(people, settings, {})
            known, _ = learn_without_labels(engine, [], 0, lambda pairs: pairs)
            return {each.name: [level.m for _, level in each.judging] for each in known.model.comparisons}

        return with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), run)

    one, other = learn(born="birth_date"), learn(born="born")
    assert one["birth_date"] == other["born"]
    assert one["birth_date"][0] == pytest.approx(1.0, abs=0.02)
    assert one["postcode"] == [0.6, 0.4]


@pytest.mark.parametrize("change", ["names", "u", "conditions"])
def test_a_model_of_a_source_that_differs_in_more_than_m_is_refused(change: str) -> None:
    def run(people: PeopleTable) -> None:
        engine = NativeEngine.of(people, {})
        model = learned(engine).model
        first, second, *others = model.comparisons
        changed = {
            "names": (replace(first, name=second.name), replace(second, name=first.name)),
            "u": (replace(first, levels=(*first.levels[:-1], replace(first.levels[-1], u=0.123))), second),
            "conditions": (replace(first, levels=first.levels[::-1][:0] + first.levels[1:]), second),
        }[change]
        of_source = replace(model, comparisons=(*changed, *others))
        use_given_models(engine, model, {0: of_source}, seed=0)

    with pytest.raises(ProgrammeError, match="differs from that of all in more than m"):
        with_people_table(Fallback(), PERSONS, UNKNOWN, run)


def test_a_further_identifier_with_a_name_of_ours_goes_by_its_long_name() -> None:
    persons, records = (frame.with_columns(further_key=pl.lit("K")) for frame in (PERSONS, UNKNOWN))
    settings = Fallback(model=by_hand(comparisons=[cl.ExactMatch("key")], **{_RULES: []}))
    with pytest.raises(ProgrammeError, match="looks at column 'key', which no source has"):
        with_people_table(settings, persons, records, lambda people: make_engine(people, settings, {"key": "exact"}))


def test_sql_that_only_duckdb_reads_is_an_error_in_words() -> None:
    levels = {"sql_condition": "family_name_l = X'41'::VARCHAR"}, {"sql_condition": "ELSE"}
    settings = Fallback(model={"comparisons": [{"output_column_name": "odd", "comparison_levels": levels}]})

    def run(people: PeopleTable) -> None:
        engine = make_engine(people, settings, {})
        engine.score_with_persons(learned(engine))

    with pytest.raises(LinkcoreError, match=r"model|Splink"):
        with_people_table(settings, with_wards(PERSONS), with_wards(UNKNOWN), run)
