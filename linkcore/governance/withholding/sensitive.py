"""Sensitive records: coded entries that may not be shared, and what would give them away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.governance.withholding.linked_rows import read_linked
from linkcore.identifiers.text import as_text, by_dtype
from linkcore.link import Linkage
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.source import Source

__all__ = ["CODE_SYSTEMS", "CodeList", "SensitiveRule", "sensitive_records"]

CODE_SYSTEMS: Final = ("snomed", "icd10", "opcs4", "read2", "ctv3")
"""How codes are told apart. Of ICD-10 and OPCS-4, dots, spaces, case, the mark of dagger or asterisk and the X that
fills up a code of three characters are passed over; of Read codes, the dots that fill up a short one, and the two
digits of its term. A code stands for itself: those below it are in the list too, or are not sensitive."""

_COLUMNS: Final = ("reference_set", "code_system", "code")
# As hospital episodes are coded: A54.9D, and Z21X where Z21 has no fourth character.
_MARKED: Final = "^([A-Z][0-9]{2,}X?)[AD]$"
_UNDIVIDED: Final = "^([A-Z][0-9]{2})X$"
_FILL: Final = r"\.+(?:[0-9]{2})?$"


@dataclass(frozen=True, eq=False, repr=False)
class CodeList:
    """Codes of entries that are sensitive, by reference set.

    Parameters
    ----------
    data : path or polars.DataFrame
        A CSV file, or a frame, with the columns ``reference_set`` (its id), ``code_system`` and ``code``.

    Raises
    ------
    SourceError
        If it cannot be read, lacks a column or a value, or names another code system than those of ``CODE_SYSTEMS``.

    Examples
    --------
    >>> listed = {"reference_set": ["999004381000000103"], "code_system": ["icd10"], "code": ["A54.9"]}
    >>> CodeList(pl.DataFrame(listed)).codes("icd10").to_list()
    ['A549']
    """

    data: Any
    _codes: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.data, pl.DataFrame):
            where, frame = "code list", self.data
        else:
            where = f"code list {self.data}"
            file = CsvFile("code list", Path(self.data))
            names = file.header()
            frame = pl.concat(file.batches(names)) if set(_COLUMNS) <= set(names) else pl.DataFrame(schema=names)
        missing = [name for name in _COLUMNS if name not in frame.columns]
        if missing:
            raise SourceError(f"{where}: there is no column {', '.join(missing)}; it needs {', '.join(_COLUMNS)}")
        texts = frame.select(by_dtype(pl.col(name), as_text).str.strip_chars() for name in _COLUMNS)
        texts = texts.with_columns(pl.col("code_system").str.to_lowercase())
        empty = texts.select(pl.any_horizontal(pl.all().is_null() | (pl.all() == ""))).to_series().arg_true()
        if empty.len():
            raise SourceError(f"{where}: {empty.len()} rows lack a value, the first is row {empty[0] + 1}; fill it in")
        systems = sorted(set(texts["code_system"]) - set(CODE_SYSTEMS))
        if systems:
            raise SourceError(
                f"{where}: {', '.join(systems)} is no code system known here; use {', '.join(CODE_SYSTEMS)}"
            )
        written = [
            texts.filter(pl.col("code_system") == system).with_columns(_written(pl.col("code"), system))
            for system in CODE_SYSTEMS
        ]
        object.__setattr__(self, "_codes", pl.concat(written).unique(maintain_order=True))

    def __repr__(self) -> str:
        """Say how much there is."""
        return f"CodeList({self._codes.height} codes of {self._codes['reference_set'].n_unique()} reference sets)"

    @property
    def reference_sets(self) -> tuple[str, ...]:
        """The ids of the reference sets in it."""
        return tuple(sorted(set(self._codes["reference_set"])))

    def codes(self, system: str, reference_sets: Sequence[str] | None = None) -> pl.Series:
        """Give the codes of some reference sets.

        Parameters
        ----------
        system : str
            The code system.
        reference_sets : sequence of str, optional
            Their ids; all of them where none are given.

        Returns
        -------
        polars.Series
            String, as codes of that system are compared.

        Raises
        ------
        ProgrammeError
            If the list does not have one of the sets, or no code of that system in any of them: the rule would keep
            nothing back.
        """
        wanted = self.reference_sets if reference_sets is None else tuple(reference_sets)
        absent = sorted(set(wanted) - set(self.reference_sets))
        if absent:
            raise ProgrammeError(
                f"the code list has no reference set {', '.join(absent)}; it has {', '.join(self.reference_sets)}"
            )
        codes = self._codes.filter(pl.col("reference_set").is_in(wanted), pl.col("code_system") == system)["code"]
        if codes.is_empty():
            raise ProgrammeError(
                f"the code list has no code of {system!r} in those reference sets; correct one of them"
            )
        return codes.unique(maintain_order=True)


@dataclass(frozen=True, eq=False)
class SensitiveRule:
    """Which rows of a source are sensitive, and what goes with them.

    Parameters
    ----------
    source : str
        The source whose rows are coded.
    columns : sequence of str
        Its columns with codes: a code, or a list of codes, a row.
    system : str
        The system that they are of, one of ``CODE_SYSTEMS``.
    codes : CodeList
        The sensitive codes.
    reference_sets : sequence of str, optional
        Those that the programme's policy applies; all of the list where none are given.
    parent : str, optional
        A column of the source, such as the id of an appointment: all rows with the value that a sensitive row has there
        go with it.
    carries : mapping of str to str, optional
        Other sources, and the column of each that holds the same values as ``parent``: their rows go too.

    Raises
    ------
    ProgrammeError
        If it makes no sense, or the code list has no code for it.

    Examples
    --------
    >>> listed = pl.DataFrame({"reference_set": ["1"], "code_system": ["icd10"], "code": ["A54.9"]})
    >>> rule = SensitiveRule("inpatient", ["DIAGNOSIS"], "icd10", CodeList(listed), parent="SPELL")
    >>> rule.columns
    ('DIAGNOSIS',)
    """

    source: str
    columns: Sequence[str]
    system: str
    codes: CodeList = field(repr=False)
    reference_sets: Sequence[str] | None = None
    parent: str | None = None
    carries: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"sensitive records of {self.source!r}"
        if isinstance(self.columns, str) or not self.columns:
            raise ProgrammeError(f"{where}: columns must be a list of the columns that hold codes")
        if self.system not in CODE_SYSTEMS:
            raise ProgrammeError(f"{where}: {self.system!r} is no code system; use one of {', '.join(CODE_SYSTEMS)}")
        if self.carries and self.parent is None:
            raise ProgrammeError(f"{where}: carries needs parent, the column whose values the other sources have too")
        if self.source in self.carries:
            raise ProgrammeError(f"{where}: carries names the source itself, whose rows parent carries away already")
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "carries", MappingProxyType(dict(self.carries)))
        self.codes.codes(self.system, self.reference_sets)

    def check(self, sources: Sequence[Source]) -> None:
        """Hold the rule against the sources before anything is read.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Raises
        ------
        ProgrammeError
            If a source or column that it names is not there.
        """
        by_name = {source.name: source for source in sources}
        for name, columns in self._columns_by_source().items():
            if name not in by_name:
                raise ProgrammeError(f"sensitive records: no source {name!r}; there are {', '.join(by_name)}")
            missing = [column for column in columns if column not in by_name[name].column_names]
            if missing:
                raise ProgrammeError(f"sensitive records: source {name!r} has no columns {missing}; correct them")

    def _columns_by_source(self) -> dict[str, list[str]]:
        parent = [] if self.parent is None else [self.parent]
        return {self.source: [*self.columns, *parent]} | {name: [column] for name, column in self.carries.items()}

    def _expressions(self, source: str) -> list[pl.Expr]:
        """Read of a source whether each row is ``coded``, and its ``key``; empty where the rule is silent."""
        codes = self.codes.codes(self.system, self.reference_sets)
        coded = [_has_code(column, self.system, codes) for column in self.columns] if source == self.source else []
        key = self.parent if source == self.source else self.carries.get(source)
        text = pl.lit(None, pl.String) if key is None else by_dtype(pl.col(key), as_text).str.strip_chars()
        return [pl.any_horizontal(pl.lit(False), *coded).alias("coded"), text.alias("key")]


def sensitive_records(linkage: Linkage, rules: Sequence[SensitiveRule]) -> dict[str, pl.DataFrame]:
    """Find the sensitive records of a linkage's sources.

    Returns For each source that a rule touches, in the order of ``linkage.links_of``: ``coded``, and ``carried``
    (Boolean): whether the row has a sensitive code, and whether it has the same parent as one that has.

    Examples
    --------
    >>> from linkcore.link import link
    >>> rows = {"nhs_number": ["4010232137"] * 3, "code": ["A54.9", None, None], "visit": [1, 1, 2]}
    >>> listed = pl.DataFrame({"reference_set": ["1"], "code_system": ["icd10"], "code": ["A549"]})
    >>> rule = SensitiveRule("gp", ["code"], "icd10", CodeList(listed), parent="visit")
    >>> linkage = link([Source("gp", pl.DataFrame(rows))], fallback=None)
    >>> sensitive_records(linkage, [rule])["gp"].rows()
    [(True, True), (False, True), (False, False)]
    """
    found: dict[str, pl.DataFrame] = {}
    for rule in rules:
        rule.check(linkage.sources)
        named = rule._columns_by_source()
        read = {
            source.name: read_linked(linkage, source, named[source.name], rule._expressions(source.name))
            for source in linkage.sources
            if source.name in named
        }
        own = read[rule.source]
        keys = own.filter(pl.col("coded") & (pl.col("key") != ""))["key"].unique()
        for name, frame in read.items():
            both = frame.select("coded", pl.col("key").is_in(keys.implode()).fill_null(False).alias("carried"))
            before = found.get(name, both)
            found[name] = both.select(before[each] | both[each] for each in both.columns)
    return found


def _has_code(column: str, system: str, codes: pl.Series) -> pl.Expr:
    def has(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        if isinstance(dtype, pl.List | pl.Array):
            inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
            each = values if isinstance(dtype, pl.List) else values.arr.to_list()
            return each.list.eval(has(pl.element(), inner)).list.any().fill_null(False)
        return _written(as_text(values, dtype).str.strip_chars(), system).is_in(codes.implode()).fill_null(False)

    return by_dtype(pl.col(column), has)


def _written(code: pl.Expr, system: str) -> pl.Expr:
    if system in ("icd10", "opcs4"):
        plain = code.str.to_uppercase().str.replace_all(r"[^A-Z0-9]", "")
        return plain.str.replace(_MARKED, "${1}").str.replace(_UNDIVIDED, "${1}")
    return code.str.replace(_FILL, "") if system in ("read2", "ctv3") else code
