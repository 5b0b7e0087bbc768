"""Sensitive records: coded entries that must not be shared, and the records that would reveal them."""

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
"""The code systems. For ICD-10 and OPCS-4, the comparison ignores dots, spaces, case, the dagger or asterisk mark, and
the X that fills a code of three characters. For Read codes, it ignores the dots that fill a short code and the two
digits of its term. A code does not include the codes below it: each sensitive code must be in the list."""

_COLUMNS: Final = ("reference_set", "code_system", "code")
# Hospital episodes are coded like this: A54.9D, and Z21X where Z21 has no fourth character.
_MARKED: Final = "^([A-Z][0-9]{2,}X?)[AD]$"
_UNDIVIDED: Final = "^([A-Z][0-9]{2})X$"
_FILL: Final = r"\.+(?:[0-9]{2})?$"


@dataclass(frozen=True, eq=False, repr=False)
class CodeList:
    """Sensitive codes, by reference set.

    Parameters
    ----------
    data : path or polars.DataFrame
        A CSV file or a frame, with the columns ``reference_set`` (its id), ``code_system`` and ``code``.

    Raises
    ------
    SourceError
        If the list cannot be read, lacks a column or a value, or names a code system that is not in ``CODE_SYSTEMS``.

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
            raise SourceError(
                f"{where}: there is no column {', '.join(missing)}; add it, the list needs {', '.join(_COLUMNS)}"
            )
        texts = frame.select(by_dtype(pl.col(name), as_text).str.strip_chars() for name in _COLUMNS)
        texts = texts.with_columns(pl.col("code_system").str.to_lowercase())
        empty = texts.select(pl.any_horizontal(pl.all().is_null() | (pl.all() == ""))).to_series().arg_true()
        if empty.len():
            raise SourceError(f"{where}: {empty.len()} rows lack a value, the first is row {empty[0] + 1}; fill it in")
        systems = sorted(set(texts["code_system"]) - set(CODE_SYSTEMS))
        if systems:
            raise SourceError(f"{where}: unknown code system {', '.join(systems)}; use {', '.join(CODE_SYSTEMS)}")
        written = [
            texts.filter(pl.col("code_system") == system).with_columns(_written(pl.col("code"), system))
            for system in CODE_SYSTEMS
        ]
        object.__setattr__(self, "_codes", pl.concat(written).unique(maintain_order=True))

    def __repr__(self) -> str:
        """Show counts only."""
        return f"CodeList({self._codes.height} codes of {self._codes['reference_set'].n_unique()} reference sets)"

    @property
    def reference_sets(self) -> tuple[str, ...]:
        """The ids of the reference sets in the list."""
        return tuple(sorted(set(self._codes["reference_set"])))

    def codes(self, system: str, reference_sets: Sequence[str] | None = None) -> pl.Series:
        """Return the codes of some reference sets.

        Parameters
        ----------
        system : str
            The code system.
        reference_sets : sequence of str, optional
            Ids of the reference sets. By default, all.

        Returns
        -------
        polars.Series
            The codes (String), in the form in which codes of this system are compared.

        Raises
        ------
        ProgrammeError
            If a reference set is not in the list, or if the reference sets have no code of this system: a rule would
            then withhold nothing.
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
                f"the code list has no code of {system!r} in these reference sets; correct the system or the sets"
            )
        return codes.unique(maintain_order=True)


@dataclass(frozen=True, eq=False)
class SensitiveRule:
    """Which records of a source are sensitive, and which records are withheld together with them.

    Parameters
    ----------
    source : str
        Name of the source with coded records.
    columns : sequence of str
        The source's columns with codes. A row holds one code or a list of codes.
    system : str
        The code system of these columns, one of ``CODE_SYSTEMS``.
    codes : CodeList
        The sensitive codes.
    reference_sets : sequence of str, optional
        Ids of the reference sets that the programme's policy applies. By default, all in the list.
    parent : str, optional
        A column of the source, such as the id of an appointment. All rows with the same value as a sensitive row are
        withheld too.
    carries : mapping of str to str, optional
        For each other source with the same values as ``parent``, its column of these values. Its rows with the value of
        a sensitive row are withheld too.

    Raises
    ------
    ProgrammeError
        If the settings contradict each other, or the code list has no code for them.

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
            raise ProgrammeError(f"{where}: unknown code system {self.system!r}; use one of {', '.join(CODE_SYSTEMS)}")
        if self.carries and self.parent is None:
            raise ProgrammeError(f"{where}: carries needs parent, the column whose values the other sources share")
        if self.source in self.carries:
            raise ProgrammeError(f"{where}: carries names the source itself; parent alone covers its own rows")
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "carries", MappingProxyType(dict(self.carries)))
        self.codes.codes(self.system, self.reference_sets)

    def check(self, sources: Sequence[Source]) -> None:
        """Check that the sources and columns that the rule names exist, before anything is read.

        Parameters
        ----------
        sources : sequence of Source
            The sources that were linked, or will be.

        Raises
        ------
        ProgrammeError
            If a source or column that the rule names does not exist.
        """
        by_name = {source.name: source for source in sources}
        for name, columns in self._columns_by_source().items():
            if name not in by_name:
                raise ProgrammeError(f"sensitive records: no source {name!r}; the sources are {', '.join(by_name)}")
            missing = [column for column in columns if column not in by_name[name].column_names]
            if missing:
                raise ProgrammeError(
                    f"sensitive records: source {name!r} has no columns {missing}; correct their names"
                )

    def _columns_by_source(self) -> dict[str, list[str]]:
        parent = [] if self.parent is None else [self.parent]
        return {self.source: [*self.columns, *parent]} | {name: [column] for name, column in self.carries.items()}

    def _expressions(self, source: str) -> list[pl.Expr]:
        """Return expressions for ``coded``, whether a row has a sensitive code, and ``key``, its value of the parent.

        For a source that the rule does not name, ``coded`` is false and ``key`` is null.
        """
        codes = self.codes.codes(self.system, self.reference_sets)
        coded = [_has_code(column, self.system, codes) for column in self.columns] if source == self.source else []
        key = self.parent if source == self.source else self.carries.get(source)
        text = pl.lit(None, pl.String) if key is None else by_dtype(pl.col(key), as_text).str.strip_chars()
        return [pl.any_horizontal(pl.lit(False), *coded).alias("coded"), text.alias("key")]


def sensitive_records(linkage: Linkage, rules: Sequence[SensitiveRule]) -> dict[str, pl.DataFrame]:
    """Find the sensitive records of a linkage's sources.

    For each source that a rule names, a row for each record in the order of ``linkage.links_of``: ``coded`` (Boolean),
    whether the record has a sensitive code, and ``carried`` (Boolean), whether it shares its parent with such a record.

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
            found[name] = both.select(before[column] | both[column] for column in both.columns)
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
