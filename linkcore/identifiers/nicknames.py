"""Nicknames: given names that the same person may use, so that Bill and William, or Muhammad and Mohammed, can agree.

The table beside this module was written for linkcore from general knowledge of British given names: short forms,
spellings, and the forms of a name in the languages spoken in Britain. A name may belong to several groups: Bert may be
an Albert, a Herbert or a Robert. Two names agree if they share a group. That does not make them equal: how much such an
agreement is worth is learned from the data.
"""

import csv
from functools import cache
from importlib import resources

import polars as pl

__all__ = ["nickname_groups"]


def nickname_groups(given_name: pl.Expr) -> pl.Expr:
    """Return the groups that a given name belongs to (list of UInt16); only its first word counts.

    Examples
    --------
    >>> frame = pl.DataFrame({"name": ["BILL", "WILLIAM JOHN", "ANNA", "XYZZY"]})
    >>> bill, william, anna, xyzzy = frame.select(nickname_groups(pl.col("name"))).to_series().to_list()
    >>> bool(set(bill) & set(william)), bool(set(bill) & set(anna)), xyzzy
    (True, False, None)
    """
    names, groups = _table()
    positions = pl.int_range(len(names), dtype=pl.UInt32, eager=True)
    position = given_name.str.extract(r"^([A-Z]+)").replace_strict(names, positions, default=None)
    return pl.lit(groups).gather(position)


@cache
def _table() -> tuple[pl.Series, pl.Series]:
    """Return all names in order, and the groups of each."""
    text = resources.files(__package__).joinpath("nicknames.csv").read_text("utf-8")
    groups_by_name: dict[str, list[int]] = {}
    for group, row in enumerate(csv.DictReader(text.splitlines())):
        for name in dict.fromkeys([row["given_name"], *row["also_written"].split()]):
            groups_by_name.setdefault(name, []).append(group)
    names = sorted(groups_by_name)
    return pl.Series(names), pl.Series([groups_by_name[name] for name in names], dtype=pl.List(pl.UInt16))
