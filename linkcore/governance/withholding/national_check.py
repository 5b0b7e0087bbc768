"""The national check: the file of NHS Numbers for the National Data Opt-out service, and the answer of the service.

Both files have one number a line, followed by a comma, and each line ends with LF. The answer lacks the numbers of the
people who opted out.
"""

import datetime as dt
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import check_place, new_file
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.withholding.doubts import Expected
from linkcore.governance.withholding.linked_rows import stage_of
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.possible_people import PossiblePeople
from linkcore.identifiers.nhs_number import digits, standardise
from linkcore.link import Linkage

__all__ = ["export_national_check", "national_opt_outs", "read_national_check"]

# The answer may have passed through a system that ends lines with CR LF, or that drops the last line end.
_LINE: Final = r"^[0-9]{10},?\r?$"


def export_national_check(linkage: Linkage, path: str | Path, *, occasion: Occasion) -> int:
    """Write the file for the national service: every NHS Number that any record carries.

    The file holds identifiers. It is recorded in the audit log before it is written, only its owner can read it (mode
    0600), and it must be sent to the national service only.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the sources that are to be released.
    path : path
        The file to write, named ``.dat``.
    occasion : Occasion
        Who does it, when and why, and the audit log.

    Returns
    -------
    int
        The number of NHS Numbers in the file. They are in ascending order, which shows nothing of the order of a
        source. A superseded number is there beside the number that replaced it.

    Raises
    ------
    RefusedError
        If people are known by stage-1 codes.
    ProgrammeError
        If the file is not named ``.dat``, if no record carries an NHS Number, or if the file exists or
        cannot be written.
    SourceError
        If a source is not what was linked.
    """
    path = Path(path)
    if path.suffix != ".dat":
        raise ProgrammeError(f"{path}: the national service takes a file named .dat; choose such a name")
    check_place(path)
    if stage_of(linkage.sources) is not None:
        raise RefusedError(
            "the sources know people by stage-1 codes, which the national service does not know: let the holder of the "
            "stage-1 key ask the service, and give the answer as stage-1 codes"
        )
    numbers = PossiblePeople(linkage).written_numbers
    if numbers.is_empty():
        raise ProgrammeError("no record carries an NHS Number, so there is nothing to ask the national service")
    occasion.record("opt_outs_export", numbers=numbers.len(), file=path.name)
    with new_file(path) as file:
        numbers.to_frame().select(digits(pl.first()), pl.lit("")).write_csv(
            file, include_header=False, line_terminator="\n", quote_style="never"
        )
    return numbers.len()


def read_national_check(path: str | Path) -> pl.Series:
    r"""Read a file of the national check, sent or answered: NHS Numbers (Int64).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "answer.dat"
    ...     _ = file.write_text("4010232137,\n4000000012,\n")
    ...     read_national_check(file).to_list()
    [4010232137, 4000000012]
    """
    path = Path(path)
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeError):
        text = None
    if text is None:
        raise SourceError(f"{path} cannot be read; give a file of the national check, with one NHS Number a line")
    lines = pl.Series("line", text.removesuffix("\n").split("\n") if text else [], pl.String)
    is_whole = lines.str.contains(_LINE)
    numbers = pl.DataFrame({"nhs_number": lines.str.slice(0, 10)}).select(
        standardise(pl.col("nhs_number")).struct.field("value").alias("nhs_number")
    )["nhs_number"]
    wrong = (~is_whole | numbers.is_null()).arg_true()
    if wrong.len():
        raise SourceError(
            f"{path}: {wrong.len()} lines are not an NHS Number and a comma, the first is line {wrong[0] + 1}; give a "
            "whole file of the national check"
        )
    return numbers


def national_opt_outs(
    asked: str | Path | pl.Series,
    answer: str | Path | pl.Series,
    *,
    as_of: dt.date,
    expected: Expected | None = None,
) -> OptOuts:
    """Read the answer of the national service: a number that was asked about and is missing from it has opted out.

    Nothing is known about a number that was not asked about, so a release withholds records that may belong to it.

    Parameters
    ----------
    asked : path or polars.Series
        What was sent: a file, or NHS Numbers (Int64).
    answer : path or polars.Series
        What came back, likewise.
    as_of : datetime.date
        The day of the answer.
    expected : int or tuple of int, optional
        How many people must have opted out by the answer: a number, or the fewest and the most. Both files can have a
        checksum beside them too, ``FILE.sha256``.

    Returns
    -------
    OptOuts

    Raises
    ------
    SourceError
        If a file cannot be read, the answer holds numbers that were not asked about, or not as many people have opted
        out as expected.

    Examples
    --------
    >>> asked, answer = pl.Series([4010232137, 4000000012]), pl.Series([4000000012])
    >>> national_opt_outs(asked, answer, as_of=dt.date(2026, 3, 1)).in_force(dt.date(2026, 3, 2)).to_list()
    [4010232137]
    """
    files = asked, answer
    asked, answer = (given if isinstance(given, pl.Series) else read_national_check(given) for given in (asked, answer))
    asked = asked.cast(pl.Int64).unique().sort()
    foreign = (~answer.is_in(asked.implode())).sum()
    if foreign:
        raise SourceError(
            f"national check: the answer holds {foreign} numbers that were not asked about; give the file that it "
            "answers"
        )
    opted_out = asked.filter(~asked.is_in(answer.cast(pl.Int64).implode()))
    statements = (
        opted_out.alias("nhs_number")
        .to_frame()
        .with_columns(pl.lit(None, pl.Date).alias("date"), pl.lit(True).alias("objects"))
    )
    made = OptOuts(statements, as_of, "the answer of the national check", asked=asked)
    return made.vouched_for("national check", files, expected)
