"""Nicknames: given names that one person goes by, so that Bill and William, or Muhammad and Mohammed, can agree.

The table beside this module was written for linkcore from general knowledge of British given names: short forms,
spellings of one name, and the forms that a name has in the languages spoken here. A name may belong to several groups
(Bert may be an Albert, a Herbert or a Robert), and two names agree if they share one. It is no claim that they are
equal: how much such an agreement is worth is learned from the data.
"""

import csv
from functools import cache
from importlib import resources

import polars as pl

__all__ = ["nickname_groups"]


def nickname_groups(given_name: pl.Expr) -> pl.Expr:
    """Give the groups of names that a given name belongs to; only its first word counts.

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
    """Every name once, in order, and the groups of each."""
    text = resources.files(__package__).joinpath("nicknames.csv").read_text("utf-8")
    of_name: dict[str, list[int]] = {}
    for group, row in enumerate(csv.DictReader(text.splitlines())):
        for name in dict.fromkeys([row["given_name"], *row["also_written"].split()]):
            of_name.setdefault(name, []).append(group)
    names = sorted(of_name)
    return pl.Series(names), pl.Series([of_name[name] for name in names], dtype=pl.List(pl.UInt16))
