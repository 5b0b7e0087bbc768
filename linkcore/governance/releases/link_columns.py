"""What a release can tell about each link: how it was made and how sure it is, in coarse classes.

An exact probability is nearly a name: two recipients who have it can join their releases by it. So it leaves only where
an agreement says why.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.result import LinkageResult
from linkcore.schema import LINKS, OTHER

__all__ = ["LINK_COLUMNS", "MATCH_PROBABILITY", "USUAL_LINK_COLUMNS", "with_link_columns"]

MATCH_PROBABILITY: Final = "match_probability"
"""The column with the exact probability of a link."""

USUAL_LINK_COLUMNS: Final = ("link_method", "link_band")
"""The columns about links that a release has if its agreement names no others."""

# Classes of a number, each with the lowest number in it, the highest class first.
_BANDS: Final = {"certain": 0.999, "high": 0.95, "medium": 0.0}
_CANDIDATES: Final = {"5 or more": 5, "2 to 4": 2, "1": 1, "none": 0}

_ALL_AGREE, _FEWER = "name, birth date and postcode", "fewer"
_TWO_AGREE: Final = {
    "name and birth date": ("name", "birth date"),
    "name and postcode": ("name", "postcode"),
    "birth date and postcode": ("birth date", "postcode"),
}
_AGREEMENT: Final = pl.Enum([_ALL_AGREE, *_TWO_AGREE, _FEWER])
_AGREED: Final = {
    "name": ("given_name", "family_name"),
    "birth date": ("birth_date",),
    "postcode": ("postcode",),
}


class _LinkColumn(NamedTuple):
    """A column about links: its dtype, and what a manifest says of it."""

    dtype: pl.DataType
    says: str


LINK_COLUMNS: Final[Mapping[str, _LinkColumn]] = {
    "link_method": _LinkColumn(LINKS["method"], "how the record was linked to its person"),
    "link_band": _LinkColumn(
        pl.Enum(list(_BANDS)),
        f"certain: a probability of at least {_BANDS['certain']}, or an exact link; high: at least {_BANDS['high']}; "
        "medium: lower; empty: linked to nobody who was known before",
    ),
    "link_candidates": _LinkColumn(
        pl.Enum(list(_CANDIDATES)),
        "how many persons the record could be of, with a probability of at least 0.001 each: none, 1, 2 to 4, 5 or "
        "more; empty: not compared",
    ),
    "link_agreement": _LinkColumn(
        _AGREEMENT,
        "for a probabilistic link, which of full name, birth date and postcode are the same as the person's, now or "
        "formerly: all three, two of them, or fewer; empty: linked in another way",
    ),
    MATCH_PROBABILITY: _LinkColumn(LINKS["match_probability"], "the probability that the record is of its person"),
}
"""The columns about links that a release can have, in their order."""


def with_link_columns(
    linkage: LinkageResult, source: str, links: pl.DataFrame, wanted: tuple[str, ...]
) -> pl.DataFrame:
    """Add the wanted columns about links to the links of a source."""
    links = links.with_columns(
        pl.col("method").alias("link_method"), _class_of(pl.col(MATCH_PROBABILITY), _BANDS).alias("link_band")
    )
    for name, read in (("link_candidates", _candidates), ("link_agreement", _agreement)):
        if name not in wanted:
            continue
        if linkage.probabilistic is None:
            links = links.with_columns(pl.lit(None, LINK_COLUMNS[name].dtype).alias(name))
        else:
            found = read(linkage, linkage.probabilistic, source, links)
            links = links.join(found, on="record_id", how="left", maintain_order="left")
    return links


def _class_of(number: pl.Expr, classes: Mapping[str, float]) -> pl.Expr:
    """Return the highest class whose lowest number is not above a number.

    Examples
    --------
    >>> pl.select(_class_of(pl.lit(pl.Series([0, 1, 2, 4, 5, None])), _CANDIDATES)).to_series().to_list()
    ['none', '1', '2 to 4', '2 to 4', '5 or more', None]
    """
    reached = [pl.when(number >= lowest).then(pl.lit(name)) for name, lowest in classes.items()]
    return pl.coalesce(reached).cast(pl.Enum(list(classes)))


def _candidates(_: LinkageResult, fallback: Probabilistic, source: str, _links: pl.DataFrame) -> pl.DataFrame:
    """Return ``record_id`` and ``link_candidates`` of the records that were compared."""
    of_source = pl.col("source") == source
    number = fallback.candidates.filter(of_source).group_by("record_id").agg(pl.len().alias("number"))
    compared = fallback.records.filter(of_source).select("record_id").join(number, on="record_id", how="left")
    band = _class_of(pl.col("number").fill_null(0), _CANDIDATES)
    return compared.select("record_id", band.alias("link_candidates"))


def _agreement(linkage: LinkageResult, fallback: Probabilistic, source: str, links: pl.DataFrame) -> pl.DataFrame:
    """Return ``record_id`` and ``link_agreement`` of the records that were linked probabilistically."""
    linked = links.filter(pl.col("method") == "probabilistic").select("record_id", "person_id")
    records = fallback.records.filter(pl.col("source") == source).join(linked, on="record_id")
    identifiers = [name for names in _AGREED.values() for name in names]
    persons = linkage.persons[records["person_id"]].select(pl.col(identifiers).name.prefix("of_person_"))
    both = pl.concat([records, persons], how="horizontal").join(
        fallback.alternatives, on="person_id", how="left", maintain_order="left"
    )
    agree = {what: pl.all_horizontal(_agrees(name, both.columns) for name in names) for what, names in _AGREED.items()}
    classes = pl.when(pl.all_horizontal(agree.values())).then(pl.lit(_ALL_AGREE))
    for text, parts in _TWO_AGREE.items():
        classes = classes.when(pl.all_horizontal(agree[part] for part in parts)).then(pl.lit(text))  # type: ignore[assignment]
    return both.select("record_id", classes.otherwise(pl.lit(_FEWER)).cast(_AGREEMENT).alias("link_agreement"))


def _agrees(identifier: str, columns: list[str]) -> pl.Expr:
    """Whether a record has its person's value of an identifier, or another one that is known of the person."""
    same = pl.col(identifier) == pl.col(f"of_person_{identifier}")
    if OTHER + identifier in columns:
        same |= pl.col(OTHER + identifier).list.contains(pl.col(identifier))
    return same.fill_null(False)
