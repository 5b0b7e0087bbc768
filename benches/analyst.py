"""The whole job as an analyst would write it without linkcore: pandas, Splink 5, and a loop of HMACs.

It reads every file with pandas and brings names, dates, gender, postcode and number into one form. Splink links all
sources (``link_and_dedupe``, its own comparisons with their defaults, learned by expectation maximisation) and clusters
the records. A loop hashes the most common number of each cluster. The pseudonyms are joined to the payload, which is
written in their order. Blocking is on the number and on pairs of identifiers: on a single identifier it would take many
times as long.
"""

import hashlib
import hmac
from collections import Counter
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd
import polars as pl
import splink.comparison_library as cl
from fresh import Job, Stages
from jobs import pairs_right
from splink import DuckDBAPI, Linker, block_on

import linkcore as lc

_KEY: Final = hashlib.sha256(b"a key of the tests").digest()
_COMPARED: Final = ("nhs_number", "given_name", "family_name", "birth_date", "gender", "postcode")
_THRESHOLD: Final = 0.95
_DATES: Final = ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%d-%m-%Y", "%d-%b-%Y", "%d/%m/%y")
_FILLERS: Final = [digit * 10 for digit in "0123456789"]
_GENDERS: Final = {"1": "1", "2": "2", "m": "1", "f": "2", "male": "1", "female": "2"}


def analyst(ics: Path, out: Path) -> Job:
    programme = lc.Programme.load(ics / "programme.toml")  # for the names of the columns
    stages = Stages()
    stages("read and standardise")
    frames, tidy = {}, {}
    for table in programme.source:
        assert table.columns is not None
        frames[table.name] = _read(ics, table.data)
        tidy[table.name] = _tidy(frames[table.name], table.columns)
    clusters = _linked(tidy, stages)
    stages("pseudonymise in a loop")
    everyone = pd.concat([each.assign(source=name) for name, each in tidy.items()], ignore_index=True)
    everyone = everyone.merge(clusters, on=["source", "unique_id"], how="left")
    numbers = everyone.dropna(subset=["nhs_number"]).groupby("cluster_id")["nhs_number"]
    named = {cluster: Counter(each).most_common(1)[0][0] for cluster, each in numbers}
    pseudonyms = {
        cluster: hmac.new(_KEY, named.get(cluster, cluster).encode(), "sha256").hexdigest()[:32]
        for cluster in everyone["cluster_id"].unique()
    }
    stages("join and write")
    for source, allowed in programme.agreements()[0].columns.items():
        own = everyone[everyone["source"] == source].set_index("unique_id")["cluster_id"]
        payload = frames[source][list(allowed)].join(own.map(pseudonyms).rename("pseudonym"))
        payload.sort_values("pseudonym").to_parquet(out / f"{source}.parquet", index=False)
    done = stages.done()
    truth = pl.read_parquet(ics / "truth.parquet")
    ids = {
        table.name: frames[table.name][table.record_id].astype(str) if table.record_id else None
        for table in programme.source
    }
    return Job(done, len(everyone), pairs_right(_as_links(everyone, ids), truth))


def _read(ics: Path, data: str) -> pd.DataFrame:
    reader: Any = {".parquet": pd.read_parquet, ".arrow": pd.read_feather}.get(Path(data).suffix)
    read = [reader(file) if reader else pd.read_csv(file, dtype=str) for file in sorted(ics.glob(data))]
    return pd.concat(read, ignore_index=True)


def _tidy(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    tidy = pd.DataFrame(index=frame.index)
    for standard in _COMPARED:
        text = frame[columns[standard]].astype("string").str.strip() if standard in columns else pd.NA
        tidy[standard] = pd.Series(text, index=frame.index, dtype="string")
    digits = tidy["nhs_number"].str.replace(r"\D", "", regex=True)
    tidy["nhs_number"] = digits.where((digits.str.len() == 10) & ~digits.isin(_FILLERS))
    for name in ("given_name", "family_name"):
        letters = tidy[name].str.upper().str.replace(r"[^A-Z]", "", regex=True)
        tidy[name] = letters.where(letters != "")
    # Each provider writes dates in one format, and the analyst knows which.
    head = tidy["birth_date"].head(1000)
    form = max(_DATES, key=lambda form: pd.to_datetime(head, format=form, errors="coerce").notna().sum())
    dates = pd.to_datetime(tidy["birth_date"], format=form, errors="coerce")
    tidy["birth_date"] = dates.dt.strftime("%Y-%m-%d").astype("string")
    tidy["gender"] = tidy["gender"].str.lower().map(_GENDERS).astype("string")
    postcode = tidy["postcode"].str.upper().str.replace(" ", "")
    tidy["postcode"] = (postcode.str[:-3] + " " + postcode.str[-3:]).where(postcode.str.len() >= 5)
    return tidy.reset_index(names="unique_id")


def _linked(tidy: dict[str, pd.DataFrame], stages: Stages) -> pd.DataFrame:
    """Cluster the records of all sources: ``source``, ``unique_id``, ``cluster_id``."""
    stages("train")
    settings = {
        "link_type": "link_and_dedupe",
        "comparisons": [
            cl.ExactMatch("nhs_number"),
            cl.NameComparison("given_name"),
            cl.NameComparison("family_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("gender"),
            cl.PostcodeComparison("postcode"),
        ],
        "blocking_rules_to_generate_predictions": [
            block_on("nhs_number"),
            block_on("birth_date", "family_name"),
            block_on("birth_date", "given_name"),
            block_on("birth_date", "postcode"),
            block_on("postcode", "family_name", "given_name"),
        ],
    }
    with duckdb.connect() as connection:
        api = DuckDBAPI(connection)
        registered = []
        for name, frame in tidy.items():
            connection.register("tidied", frame.assign(source_dataset=name))
            connection.execute(f"CREATE TABLE {name} AS FROM tidied")
            registered.append(api.register(name, table_name=name))
        linker = Linker(registered, settings, log_level=None)
        linker.training.estimate_probability_two_random_records_match([block_on("nhs_number")], recall=0.9)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=0)
        for rule in (block_on("nhs_number"), block_on("birth_date", "family_name")):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        stages("candidates, score")
        scored = linker.inference.predict(threshold_match_probability=_THRESHOLD, warning_mode="never")
        stages("cluster")
        found = linker.clustering.cluster_pairwise_predictions_at_threshold(scored, _THRESHOLD)
        columns = "source_dataset AS source, unique_id, cluster_id"
        clusters: pd.DataFrame = found.as_duckdbpyrelation().select(columns).df()
    return clusters


def _as_links(everyone: pd.DataFrame, ids: dict[str, pd.Series | None]) -> pl.DataFrame:
    clusters = everyone["cluster_id"].astype("category").cat.codes
    rows = everyone.assign(person_id=clusters)[["source", "unique_id", "person_id"]]
    named = []
    for source, each in rows.groupby("source"):
        own = ids[str(source)]
        record_id = each["unique_id"] if own is None else each["unique_id"].map(own)
        named.append(each.assign(record_id=record_id.astype(str)))
    return pl.from_pandas(pd.concat(named)[["source", "record_id", "person_id"]])
