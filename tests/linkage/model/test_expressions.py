"""SQL in a model: what may stand there, what is refused, and that rules are taken apart without a change of meaning."""

import duckdb
import pytest
import splink.comparison_library as cl
from hypothesis import example, given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.linkage.blocking import blocking_rules
from linkcore.linkage.comparisons.comparable import COMPARABLE
from linkcore.linkage.comparisons.comparisons import known_conditions
from linkcore.linkage.model.expressions import Equality, check_conditions, parse_rules
from linkcore.linkage.model.model import OTHERWISE

# What an attacker would write, and others would not.
ATTACKS = [
    "x_l = x_r; COPY people TO 'x.csv'",
    "x_l = x_r); COPY people TO 'x.csv'; SELECT (1",
    "1) FROM people; --",
    "x_l = x_r -- and no more",
    "x_l /* = */ = x_r",
    "x_l = (SELECT given_name FROM people LIMIT 1)",
    "EXISTS (SELECT * FROM people)",
    "x_l IN (SELECT x FROM people)",
    "x_l = ANY (SELECT x FROM people)",
    "x_l = ALL (FROM people)",
    "x_l = (FROM read_csv('/etc/passwd'))",
    "read_text('/etc/passwd') = x_l",
    "getenv('HOME') = x_l",
    "current_setting('temp_directory') = x_l",
    "getvariable('x') = x_l",
    "error(x_l)",
    "random() < 0.5",
    "nextval('x') > 0",
    "write_log(x_l)",
    "query_table('people') = 1",
    "main.lower(x_l) = x_r",
    "system.main.lower(x_l) = x_r",
    "x_l = x_r) FROM people WHERE (1 = 1",
    "x_l = x_r) AS y FROM read_csv('/etc/passwd') WHERE (1 = 1",
    "x_l = x_r) LIMIT (1",
    "x_l = x_r) GROUP BY (1",
    "x_l = x_r) HAVING (1 = 1",
    "x_l = x_r) QUALIFY (1 = 1",
    "x_l = x_r) ORDER BY (1",
    "x_l = x_r) UNION SELECT (1",
    "x_l = x_r) AS (y",
    "x_l -> x_r",
    "((X_L || '') -> '$') IS NOT NULL",
    "list_transform([1], lambda l: l.unique_id)[1] < 50",
    "list_transform([1], lambda x_r: x_r.unique_id)[1] < 50",
    "age(x_l::TIMESTAMP) > INTERVAL 1 DAY",
    "x_l IN (" + "1, " * 20_000 + "1)",
    " AND ".join(["x_l = x_r"] * 20_000),
    "x_l" + " -> 'a'" * 900,
    "a_l = a_r THEN 1 WHEN true",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET threads = 1",
    "x_l = $1",
    "x_l = ?",
    "COLUMNS('.*') = 1",
    "*",
    "x_l, x_r",
    "x_l = x_r ORDER BY 1",
    "x_l = x_r UNION SELECT 1",
    "count(*) OVER () > 1",
    "sum(x_l) > 1",
    "string_agg(x_l, ',') = x_r",
    "list(x_l) = list(x_r)",
    "lower(DISTINCT x_l) = x_r",
    "lower(x_l ORDER BY x_l) = x_r",
    "lower(x_l) FILTER (x_l > 1) = x_r",
    "x_l = DEFAULT",
    "people.x_l = x_r",
    "l.x = r.x",
    "x = x_r",
    "x_l = x_m",
    "rowid = 1",
    "ｌｏｗｅｒ(x_l) = x_r",
    "x_l = х_ｒ",
    "lower\u200b(x_l) = x_r",
    "x_l = x_r\0",
    "x_l COLLATE nocase = x_r",
    "ATTACH 'x.db'",
    "x_l::main.t = x_r",
    "list_transform(x_l, lambda y: (SELECT y)) = x_r",
    "list_transform(x_l, lambda y: z) = x_r",
    "CASE WHEN x_l = (SELECT 1) THEN true END",
    "repeat(x_l, 1000000000) = x_r",
    "(" * 5000 + "x_l" + ")" * 5000,
    "",
    "   ",
    "'",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_what_is_not_one_expression_over_two_records_is_refused(sql: str) -> None:
    with pytest.raises(ProgrammeError, match="model: level 1 of comparison 'x' ") as caught:
        check_conditions([("level 1 of comparison 'x'", sql)])
    assert caught.value.__context__ is None


@pytest.mark.parametrize("sql", [attack for attack in ATTACKS if attack != "l.x = r.x"])
def test_such_a_blocking_rule_is_refused_too(sql: str) -> None:
    with pytest.raises(ProgrammeError, match="model: blocking rule 1 "):
        parse_rules([sql])


@pytest.mark.parametrize(
    "sql",
    [
        "l.x = r.x OR l.y = r.y",
        "l.x = l.y",
        "l.x = 'a' AND r.x = 'a'",
        "NOT l.x = r.x",
        "l.x || r.x = l.y || r.y",
    ],
)
def test_a_rule_that_asks_for_no_equality_of_the_two_records_is_refused(sql: str) -> None:
    with pytest.raises(ProgrammeError, match="asks for no equality"):
        parse_rules([sql])


def test_everything_that_linkcore_writes_itself_may_stand_in_a_model() -> None:
    kinds = {"a": "exact", "b": "text", "c": "number", "d": "date"}
    conditions = known_conditions(kinds) - {OTHERWISE}  # type: ignore[arg-type]
    assert len(conditions) > 80
    check_conditions([("ours", condition) for condition in conditions])
    rules = [rule.sql for rule in blocking_rules([*COMPARABLE, "further_a"])]
    assert [parsed.sql for parsed in parse_rules(rules)] == rules


def test_everything_in_splinks_library_of_comparisons_may_stand_in_a_model() -> None:
    library = [
        cl.NameComparison("a", dmeta_col_name="b"),
        cl.ForenameSurnameComparison("a", "b", forename_surname_concat_col_name="c"),
        cl.DateOfBirthComparison("a", input_is_string=True),
        cl.PostcodeComparison("postcode", lat_col="lat", long_col="long", km_thresholds=[1, 10]),
        cl.EmailComparison("a"),
        cl.ArrayIntersectAtSizes("a"),
        cl.PairwiseStringDistanceFunctionAtThresholds("a", "levenshtein", [1]),
        cl.DistanceInKMAtThresholds("a", "b", [1]),
        cl.AbsoluteTimeDifferenceAtThresholds("a", input_is_string=True, metrics=["day"], thresholds=[1]),
        cl.CosineSimilarityAtThresholds("a", [0.9]),
        cl.JaccardAtThresholds("a"),
        cl.DamerauLevenshteinAtThresholds("a"),
        cl.JaroAtThresholds("a"),
    ]
    conditions = [
        level["sql_condition"]
        for comparison in library
        for level in comparison.create_comparison_dict("duckdb")["comparison_levels"]
    ]
    check_conditions([("Splink's", condition) for condition in conditions if condition != OTHERWISE])


def test_a_rule_is_taken_apart_into_what_is_equal_and_what_is_tested() -> None:
    (rule,) = parse_rules(
        [
            'l."a" = r."b" AND (upper(r.c) = l.d AND levenshtein(l.a, r.a) < 3) AND r.e IS NULL '
            "AND l.f > 1 AND (l.g = r.g OR l.h = r.h) AND 1 = 1"
        ]
    )
    assert rule.equal == (Equality("a", "b"), Equality("d", "upper(c)"))
    assert rule.of_right == ("(e IS NULL)",)
    assert rule.of_left == ("(f > 1)",)
    assert rule.of_both == ("(levenshtein(l.a, r.a) < 3)", "((l.g = r.g) OR (l.h = r.h))", "(1 = 1)")
    assert rule.columns == {"a", "b", "c", "d", "e", "f", "g", "h"}


VALUES = st.sampled_from(
    ["l.a", "r.a", "l.b", "r.b", "'1'", "'x'", "lower(l.a)", "right(r.b, 1)", "coalesce(l.b, r.a)"]
)
TESTS = st.builds("{} {} {}".format, VALUES, st.sampled_from(["=", "<>", "<", "IS NOT DISTINCT FROM"]), VALUES)
RULES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)


@given(RULES)
@example("(l.a <> r.a AND r.b = '1')")
def test_a_rule_that_was_taken_apart_proposes_the_same_pairs(sql: str) -> None:
    """Compared with DuckDB on the rule as it was written."""
    sql = f"l.a = r.b AND {sql}"
    people = "(VALUES (1, 'x', 'x'), (2, 'X', '1'), (3, NULL, 'x'), (4, '1', NULL), (5, 'y', 'X')) AS {0}(id, a, b)"
    (rule,) = parse_rules([sql])
    left, right = ", ".join(each.left for each in rule.equal), ", ".join(each.right for each in rule.equal)
    apart = (
        f"SELECT l.id, r.id FROM (SELECT *, row({left}) AS key FROM {people.format('p')} "
        f"WHERE {' AND '.join(['TRUE', *rule.of_left, *(f'({e.left}) IS NOT NULL' for e in rule.equal)])}) AS l "
        f"JOIN (SELECT *, row({right}) AS key FROM {people.format('p')} "
        f"WHERE {' AND '.join(['TRUE', *rule.of_right, *(f'({e.right}) IS NOT NULL' for e in rule.equal)])}) AS r "
        f"ON l.key = r.key WHERE {' AND '.join(['TRUE', *rule.of_both])} ORDER BY ALL"
    )
    whole = f"SELECT l.id, r.id FROM {people.format('l')} JOIN {people.format('r')} ON {sql} ORDER BY ALL"
    assert duckdb.sql(apart).fetchall() == duckdb.sql(whole).fetchall()


def test_a_field_of_a_value_in_a_lambda_is_no_column_of_a_record() -> None:
    sql = "l.a = r.a AND list_transform([{'family_name': l.postcode}], lambda s: s.family_name)[1] = r.postcode"
    (rule,) = parse_rules([sql])
    assert "s.family_name" in rule.equal[1].left
    assert rule.columns == {"a", "postcode"}
