"""Whole jobs on the files of one synthetic ICS: linkcore's, and simpler ones to compare it with."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
from datasets import judge_pairs_and_records, pairs_within
from fresh import Job, Stages

import linkcore as lc
from linkcore.link import Linkage
from linkcore.quality.truth import compare_with_truth

KEY: Final = lc.Key.from_bytes("analytics-partner-2026", hashlib.sha256(b"a key of the tests").digest())

_STEPS: Final = {
    "read ": "read and standardise",
    "link on the NHS Number": "exact, and preparing the fallback",
    "learn how records of one person differ": "fallback train",
    "compare open records with persons": "candidates, score, assign",
    "compare open records with each other": "candidates, score, group",
    "estimate false and missed links": "evaluate",
    "count": "count",
    "linked": "count",
}
# linkcore reports the fallback's first step when its inputs are ready; preparing them counts as part of the exact step.
PARTS: Final = {
    "linking on the number": "linkcore.linkage.link_records:link_exactly",
    "preparing the self-test": "linkcore.linkage.fallback.probabilistic:hide_numbers",
    "conflicts": "linkcore.linkage.exact.link_exactly:contradict",
    "score": "linkcore.linkage.engine.native:NativeEngine._score",
    "assign": "linkcore.linkage.fallback.find_persons:decide",
}
_AGAIN: Final = " again"


# ---------------------------------------------------------------------------------------------------------- linkcore


def whole_run(ics: Path, out: Path) -> Job:
    """Link with the fallback and its self-test, release and report. Judging the links is not timed."""
    stages = Stages(_STEPS)
    stages("open")
    with stages.parts(PARTS):
        programme = lc.Programme.load(ics / "programme.toml")
        linkage = programme.link(progress=stages)
    _release(programme, linkage, stages, out)
    stages("report")
    lc.write_report(linkage, out / "report.html")
    return Job(stages.done(), linkage.links.height, accuracy(linkage, ics))


def exact_path(ics: Path, out: Path) -> Job:
    """Link on the number alone, and release rows in the order of their pseudonyms."""
    job, linkage = _exact_path(ics, out)
    return replace(job, figures=accuracy(linkage, ics))


def list_path(folder: Path, out: Path) -> Job:
    """Do the same with a list of numbers, and count the records that link."""
    job, linkage = _exact_path(folder, out)
    return replace(job, figures={"linked": linkage.links.filter(method="nhs_number").height})


def _exact_path(ics: Path, out: Path) -> tuple[Job, Linkage]:
    stages = Stages(_STEPS | {"link on the NHS Number": "exact"})
    stages("open")
    with stages.parts(PARTS):
        programme = lc.Programme.load(ics / "programme.toml")
        linkage = lc.link(
            programme.sources(),
            exact=programme.exact(),
            fallback=None,
            reference_date=programme.programme.reference_date,
            work=programme.work(),
            progress=stages,
        )
    _release(programme, linkage, stages, out)
    return Job(stages.done(), linkage.links.height), linkage


def _release(programme: lc.Programme, linkage: Linkage, stages: Stages, out: Path) -> None:
    stages("release")
    (agreement,) = programme.agreements()
    available = {source.name: source.column_names for source in linkage.sources}
    columns = {
        source: [*names, *(name + _AGAIN for name in names if name + _AGAIN in available[source])]
        for source, names in agreement.columns.items()
    }
    lc.release(linkage, replace(agreement, columns=columns), KEY, out / "release")


def accuracy(linkage: Linkage, ics: Path) -> dict[str, Any]:
    truth = pl.read_parquet(ics / "truth.parquet")
    judged = compare_with_truth(linkage, truth)
    left_open = judged.filter(pl.col("method").is_in(["probabilistic", "new_person", "unlinked"]))
    return {
        **pairs_right(linkage.links.select("source", "record_id", "person_id"), truth),
        "links": _shares(judged.sum()),
        "links of what the number left open": _shares(left_open.sum()),
    }


def _shares(judged: pl.DataFrame) -> dict[str, float]:
    right, linked, found, findable = judged.select("right", "linked", "found", "findable").row(0)
    return {"precision": round(right / max(linked, 1), 5), "recall": round(found / max(findable, 1), 5)}


def pairs_right(links: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """Judge links (``source``, ``record_id``, ``person_id``) over pairs of records, and over records (B³)."""
    both = links.join(truth, on=["source", "record_id"])
    return judge_pairs_and_records(both, pairs_within(truth, "entity")).figures("pairs_")


def read_identifiers(ics: Path, _out: Path) -> Job:
    """Read the identifiers and nothing more, to show how much of standardising is reading."""
    sources = lc.Programme.load(ics / "programme.toml").sources()
    stages, records = Stages(), 0
    stages("read")
    for source in sources:
        records += source.scan(list(source.identifier_columns.values())).collect(engine="streaming").height
    return Job(stages.done(), records)


# ---------------------------------------------------------------------------------------------------------- floors


def files(ics: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield the name of each source, its column of NHS Numbers, and its file."""
    for table in lc.Programme.load(ics / "programme.toml").source:
        assert table.columns is not None
        yield table.name, table.columns["nhs_number"], ics / table.data


def scan(file: Path) -> pl.LazyFrame:
    """Scan a source in any of its formats."""
    match file.suffix:
        case ".parquet":
            return pl.scan_parquet(file)
        case ".arrow":
            return pl.scan_ipc(file)
        case _:
            return pl.scan_csv(file, infer_schema=False)


def copy_unchanged(ics: Path, out: Path) -> Job:
    return _copy(ics, out, in_order=False)


def copy_sorted(ics: Path, out: Path) -> Job:
    """Write each source in the order of its NHS Numbers: the least work of any release in another order."""
    return _copy(ics, out, in_order=True)


def _copy(ics: Path, out: Path, *, in_order: bool) -> Job:
    stages = Stages()
    stages("copy")
    for name, number, file in files(ics):
        frame = scan(file)
        (frame.sort(number) if in_order else frame).sink_parquet(out / f"{name}.parquet")
    done = stages.done()
    records = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in out.glob("*.parquet"))
    return Job(done, records)


def exact_in_sql(ics: Path, out: Path) -> Job:
    """Join each source to the GP list on the digits of its number, hash them after a key, and write, all in DuckDB.

    This checks no number, finds no conflict and refuses nothing, and its hash is no HMAC.
    """
    stages, records = Stages(), 0
    stages("join and write")
    with duckdb.connect() as connection:
        for name, number, file in files(ics):
            read = {".parquet": f"read_parquet('{file}')", ".arrow": "arrow"}.get(
                file.suffix, f"read_csv('{file}', all_varchar = true)"
            )
            if file.suffix == ".arrow":  # DuckDB cannot read these files
                connection.register("arrow", scan(file).collect())
            digits = f"nullif(regexp_replace(CAST(\"{number}\" AS VARCHAR), '[^0-9]', '', 'g'), '')"
            connection.execute(f'CREATE TABLE {name} AS SELECT {digits} AS digits, * EXCLUDE ("{number}") FROM {read}')
            if name == "gp":
                connection.execute(
                    "CREATE TABLE persons AS SELECT min(rowid) AS person_id, digits FROM gp "
                    "WHERE digits IS NOT NULL GROUP BY digits"
                )
            (count,) = connection.execute(
                f"COPY (SELECT sha256('key' || digits)[:32] AS pseudonym, persons.person_id AS person, "
                f"{name}.* EXCLUDE (digits) FROM {name} LEFT JOIN persons USING (digits) ORDER BY pseudonym) "
                f"TO '{out / f'{name}.parquet'}' (FORMAT parquet)"
            ).fetchall()[0]
            records += count
    return Job(stages.done(), records)


# ---------------------------------------------------------------------------------------------------------- payload


def double_payload(ics: Path, out: Path) -> None:
    """Copy an ICS with every payload column twice; linkage reads the same identifiers."""
    programme = lc.Programme.load(ics / "programme.toml")
    for name in ("programme.toml", "truth.parquet"):
        shutil.copy(ics / name, out / name)
    for table in programme.source:
        assert table.columns is not None
        known = {*table.columns.values(), table.record_id}
        for file in sorted(ics.glob(table.data)):
            copy = out / file.relative_to(ics)
            copy.parent.mkdir(exist_ok=True)
            again = [pl.exclude(*(name for name in known if name)).name.suffix(_AGAIN)]
            frame = scan(file).with_columns(again)
            match file.suffix:
                case ".parquet":
                    frame.sink_parquet(copy)
                case ".arrow":
                    frame.sink_ipc(copy, compression="zstd")
                case _:
                    frame.sink_csv(copy)
