"""Data of more people than one ICS has: several ICSs as one programme, and a list of a whole nation's numbers."""

import re
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from jobs import scan

from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise
from linkcore.synthetic.nhs_numbers import draw_numbers, mistype

PEOPLE_OF_AN_ICS: Final = 1_200_000
_FIRST_NUMBER: Final = 900_000_000
_LAST_NUMBER: Final = 999_999_999
# Each ICS is made with postcodes of Devon, which are then replaced, so that no two ICSs share one.
_AREAS: Final = ("EX", "TQ", "PL")
_OTHERS: Final = (
    *("EX", "TQ", "PL", "BS", "BA", "GL", "CB", "PE", "NR", "LE", "NG", "DE", "YO", "HU", "DN"),
    *("SO", "PO", "RG", "CT", "ME", "TN", "OX", "MK", "NN", "CV", "WR", "HR", "PR", "LA", "BB"),
)


def synthesise_nation(out: Path, *, people: int) -> None:
    """Write the files of several ICSs as one programme, enough for this many people.

    Each ICS has its own numbers, postcodes, record ids and local patient ids. Names are equally common in all. If a
    source has no record ids, its rows are numbered through all its files, in the order of the files' names.
    """
    count = -(-people // PEOPLE_OF_AN_ICS)
    if count > len(_OTHERS) // len(_AREAS):
        raise ValueError(f"there are postcode areas for {len(_OTHERS) // len(_AREAS)} ICSs only")
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        made = [pool.submit(_part, out, number, count, people // count) for number in range(count)]
        for each in made:
            each.result()
    stated = (out / "part-00.toml").read_text("utf-8")
    # "gp/*.parquet" is a folder already, and "inpatient.csv" becomes one.
    stated = stated.replace("[linkage]", '[linkage]\nwork = "work"\nmemory = "8GB"')
    (out / "work").mkdir(exist_ok=True)
    stated = re.sub(r'^data = "(\w+)\.(\w+)"$', r'data = "\1/*.\2"', stated, flags=re.MULTILINE)
    (out / "programme.toml").write_text(stated, "utf-8")
    for file in out.glob("part-*.toml"):
        file.unlink()
    _number_rows(out)


_LIST: Final = """
[programme]
name = "A list of numbers"
synthetic = true

[numbers]
usable = ["test"]

[linkage]
probabilistic = false
work = "work"

[[source]]
name = "listed"
data = "listed/*.parquet"
max_rows = 100_000_000
spine = true
one_record_per_person = true
columns = { nhs_number = "NHS_NUMBER", birth_date = "BIRTH_DATE" }

[[source]]
name = "attended"
data = "attended/*.parquet"
max_rows = 100_000_000
columns = { nhs_number = "NHS_NUMBER", birth_date = "BIRTH_DATE" }

[[recipient]]
name = "analytics-partner"
key = "analytics-partner-2026"
columns = { listed = ["PRACTICE"], attended = ["ATTENDED", "CODE", "COST"] }
"""
_ROWS_OF_A_FILE: Final = 4_000_000
_UNNUMBERED, _MISTYPED = 0.02, 0.01


def synthesise_list(out: Path, *, persons: int) -> int:
    """Write a list of persons and as many attendances; return how many attendances have a number on the list."""
    rng = np.random.default_rng(1)
    numbers = draw_numbers(rng, persons, _FIRST_NUMBER, _LAST_NUMBER)
    born = rng.integers(-25_000, 20_000, persons, dtype=np.int32)
    for folder in ("listed", "attended", "work"):
        (out / folder).mkdir(parents=True)
    (out / "programme.toml").write_text(_LIST, "utf-8")
    in_order, known = np.sort(numbers), 0
    for part, begin in enumerate(range(0, persons, _ROWS_OF_A_FILE)):
        part_rows = slice(begin, begin + _ROWS_OF_A_FILE)
        rows = len(numbers[part_rows])
        listed = pl.DataFrame({"NHS_NUMBER": numbers[part_rows], "BIRTH_DATE": born[part_rows]})
        listed = listed.with_columns(PRACTICE=pl.Series(rng.integers(0, 6_500, rows)))
        _as_sent(listed).write_parquet(out / "listed" / f"{part:03}.parquet")
        person = rng.integers(0, persons, rows)
        number = numbers[person]
        wrong = rng.random(rows) < _MISTYPED
        number[wrong] = mistype(rng, number[wrong])
        missing = rng.random(rows) < _UNNUMBERED
        place = np.minimum(np.searchsorted(in_order, number), persons - 1)
        known += int(((in_order[place] == number) & ~missing).sum())
        attended = pl.DataFrame({"NHS_NUMBER": number, "BIRTH_DATE": born[person]}).with_columns(
            pl.when(pl.Series(~missing)).then("NHS_NUMBER").alias("NHS_NUMBER"),
            ATTENDED=pl.Series(rng.integers(20_000, 20_365, rows, dtype=np.int32)).cast(pl.Date),
            CODE=pl.Series(rng.integers(100, 999, rows)).cast(pl.String),
            COST=pl.Series(rng.random(rows) * 500).round(2),
        )
        _as_sent(attended).write_parquet(out / "attended" / f"{part:03}.parquet")
    return known


def _as_sent(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("NHS_NUMBER").cast(pl.String), pl.col("BIRTH_DATE").cast(pl.Date))


def _part(out: Path, number: int, count: int, people: int) -> None:
    numbers = (_LAST_NUMBER - _FIRST_NUMBER + 1) // count
    first = _FIRST_NUMBER + number * numbers
    with tempfile.TemporaryDirectory(dir=out) as folder:
        ics = synthesise(folder, people=people, seed=1 + number, number_range=(first, first + numbers - 1))
        programme = Programme.load(ics.folder / "programme.toml")
        own = f"{number:02}-"
        for table in programme.source:
            assert table.columns is not None
            (out / table.name).mkdir(exist_ok=True)
            named = [table.columns.get("local_patient_id"), table.record_id]
            postcode = pl.col(table.columns["postcode"])
            other = dict(zip(_AREAS, _OTHERS[len(_AREAS) * number :], strict=False))
            changed = [(own + pl.col(name)).alias(name) for name in named if name]
            changed.append(postcode.str.replace_many(list(other), list(other.values())))
            for file in sorted(ics.folder.glob(table.data)):
                frame = scan(file).with_columns(changed)
                place = out / table.name / (own + file.name)
                match file.suffix:
                    case ".parquet":
                        frame.sink_parquet(place)
                    case ".arrow":
                        frame.sink_ipc(place, compression="zstd")
                    case _:
                        frame.sink_csv(place)
        truth = pl.scan_parquet(ics.folder / "truth.parquet")
        unnamed = [table.name for table in programme.source if not table.record_id]
        names = pl.when(pl.col("source").is_in(unnamed)).then("record_id").otherwise(own + pl.col("record_id"))
        entity = pl.col("entity").cast(pl.Int64) * count + number
        truth.with_columns(names.alias("record_id"), entity.alias("entity")).sink_parquet(out / f"{own}truth.parquet")
        shutil.copy(ics.folder / "programme.toml", out / f"part-{number:02}.toml")


def _number_rows(out: Path) -> None:
    """Join the truths of all ICSs; rows without a record id are numbered on from one file to the next."""
    unnamed = [table.name for table in Programme.load(out / "programme.toml").source if not table.record_id]
    before = dict.fromkeys(unnamed, 0)
    parts = []
    files = sorted(out.glob("*-truth.parquet"))
    for file in files:
        truth = pl.read_parquet(file)
        shift = pl.col("source").replace_strict(before, default=None, return_dtype=pl.Int64)
        row = (pl.col("record_id").cast(pl.Int64, strict=False) + shift).cast(pl.String)
        parts.append(
            truth.with_columns(pl.when(shift.is_not_null()).then(row).otherwise("record_id").alias("record_id"))
        )
        for name in unnamed:
            before[name] += truth.filter(source=name).height
    pl.concat(parts).write_parquet(out / "truth.parquet")
    for file in files:
        file.unlink()
