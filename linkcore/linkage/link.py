"""The linkage, from sources to links."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.files import new_file, new_folder
from linkcore.linkage.events import check_events
from linkcore.linkage.exact import Exact, link_exactly
from linkcore.linkage.fallback import Fallback
from linkcore.linkage.measuring import measure_linkage
from linkcore.linkage.placement import Placement, stand_alone
from linkcore.linkage.probabilistic import Probabilistic, link_probabilistically
from linkcore.linkage.review.clerical_review import clerical_review
from linkcore.linkage.review.explanation import Explanation, explain
from linkcore.linkage.run import describe_run
from linkcore.linkage.sources import Source
from linkcore.linkage.standardise import Records, standardise
from linkcore.progress import Progress, Stopwatch, silent
from linkcore.quality.measures import Quality
from linkcore.quality.quality_file import QUALITY_FILE, to_json
from linkcore.schema import LINKS
from linkcore.side_by_side import side_by_side

__all__ = ["LINKS_FILE", "Linkage", "check_sources", "link"]

LINKS_FILE: Final = "links.parquet"
"""The name of the file with the links, in a folder that :meth:`Linkage.save` writes."""

_MODEL_FILE: Final = "model.json"
_FALLBACK: Final = Fallback()


@dataclass(frozen=True, eq=False, repr=False)
class Linkage:
    """Which records are of the same person, and how that is known.

    Parameters
    ----------
    links : polars.DataFrame
        LINKS of :mod:`linkcore.schema`: one row a record of every source.
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`. It holds identifiers, and stays with the trusted team.
    quality : Quality
        What became of every record and every identifier.
    sources : tuple of Source
        What was linked, in the order given.
    rows : mapping of str to polars.DataFrame
        For each source, in the order of its links: ``row`` (UInt32), the position of the record, and ``raw_row_hash``
        (UInt64), by which it is known again. So payload finds its person.
    probabilistic : Probabilistic, optional
        What the fallback did: the model it learned, how sure it was, and everyone that a record might be of.
    exact, fallback, reference_date
        The settings by which it was linked, as :func:`link` got them.
    """

    links: pl.DataFrame
    persons: pl.DataFrame
    quality: Quality
    sources: tuple[Source, ...]
    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    probabilistic: Probabilistic | None = None
    exact: Exact = field(default_factory=Exact)
    fallback: Fallback | None = None
    reference_date: dt.date | None = None

    def __repr__(self) -> str:
        """Tell no count, and nothing of anybody: a notebook keeps this beside what it shows."""
        return f"Linkage({', '.join(source.name for source in self.sources)})"

    def _repr_html_(self) -> str:
        return self.quality._repr_html_()

    def save(self, folder: str | Path) -> None:
        """Write the links, their quality, and the models that were learned, to a folder for the trusted team only.

        It is what ``linkcore link`` writes, and ``linkcore report`` reads: ``links.parquet``, ``quality.json`` with
        true counts, ``model.json`` and ``model.SOURCE.json``. All of it appears at once, instead of what an earlier run
        left there; a run that is killed leaves that, or nothing. The same linkage gives the same bytes, but for how
        long each step took, which ``quality.json`` tells.

        Parameters
        ----------
        folder : path
            The folder to write. One writer at a time.

        Raises
        ------
        ProgrammeError
            If the folder holds anything else, or cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> linkage = link([Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"]}), spine=True)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     linkage.save(Path(folder) / "work")
        ...     pl.read_parquet(Path(folder) / "work" / "links.parquet").equals(linkage.links)
        True
        """
        with new_folder(Path(folder), ours=_is_of_a_linkage) as partial:
            self.links.write_parquet(partial / LINKS_FILE)
            (partial / QUALITY_FILE).write_text(to_json(self.quality), "utf-8")
            if self.probabilistic is not None and self.probabilistic.model:
                self.save_model(partial / _MODEL_FILE)

    def save_model(self, path: str | Path) -> None:
        """Save the model that the fallback learned, as Splink's own JSON: it holds weights, and no identifiers.

        Splink opens it, and draws its charts; ``Fallback(model=path)`` links by it without learning again. Beside
        ``model.json``, that of all sources, ``model.SOURCE.json`` is that of one of them.

        Parameters
        ----------
        path : path
            The file to write.

        Raises
        ------
        ProgrammeError
            If nothing was learned.
        """
        if self.probabilistic is None or not self.probabilistic.model:
            raise ProgrammeError("there is no model to save: no record was left for the probabilistic linkage")
        path = Path(path)
        models = {path: self.probabilistic.model}
        for source, model in self.probabilistic.source_models.items():
            models[path.with_name(f"{path.stem}.{source}.json")] = model
        for place, model in models.items():
            with new_file(place) as file:
                file.write_text(json.dumps(model, indent=2) + "\n", "utf-8")

    def explain(self, source: str, record_id: str, *, identifiable: bool = False) -> Explanation:
        """Say why a record is of its person: everyone it might be of, and what each field said for and against.

        Where the record was compared with persons, these are its candidates, with the probabilities and weights of the
        run itself. One that was linked by its number is read again, and shown beside its person.

        Parameters
        ----------
        source : str
            The record's source.
        record_id : str
            Its id, as in ``links``.
        identifiable : bool
            Whether the caller asks for what identifies people; without it, the explanation is refused.

        Returns
        -------
        Explanation
            The reason in words, the candidates, the weight of each field, and Splink's waterfall chart of them.

        Raises
        ------
        RefusedError
            If the caller does not ask for identifiers.
        ProgrammeError
            If there is no such source or record.
        SourceError
            If a record that is read again cannot be read, or has changed since.
        LinkcoreError
            If memory does not suffice.

        Examples
        --------
        >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"], "family_name": ["Smith"]}), spine=True)
        >>> linkage = link([gp])
        >>> linkage.explain("gp", "0")
        Traceback (most recent call last):
        linkcore.errors.RefusedError: an explanation shows names, birth dates and addresses ...
        >>> linkage.explain("gp", "0", identifiable=True).reason
        'It is on the spine, and defines its person.'
        """
        return explain(self, source, record_id, identifiable=identifiable)

    def clerical_review(self, path: str | Path, *, identifiable: bool = False, records: int = 200) -> int:
        """Write the records that it is least certain whose they are to a CSV file, for a person to decide.

        They are those of the largest Shannon entropy over their candidates and nobody, of each source in proportion to
        the square root of how many of its records are uncertain: so that small sources are looked at too, and large
        ones more. Each candidate is a row, the best first, with the record's and the person's identifiers side by side
        and an empty ``answer``: ``match``, ``no`` or ``unsure``. It tells no probabilities, which would sway the
        answers. :func:`linkcore.read_review` reads them.

        Parameters
        ----------
        path : path
            The file to write; only its owner can read it. Where a spreadsheet would take a value for a formula or a
            number, it is written with a ``'`` before it.
        identifiable : bool
            Whether the caller asks for what identifies people; without it, the file is refused.
        records : int
            How many records at most.

        Returns
        -------
        int
            How many records there are in it. The same linkage gives the same bytes.

        Raises
        ------
        RefusedError
            If the caller does not ask for identifiers.
        ProgrammeError
            If there was no probabilistic linkage, or the file cannot be written.

        Examples
        --------
        >>> link([Source("gp", pl.DataFrame({"family_name": ["Smith"]}))]).clerical_review("review.csv")
        Traceback (most recent call last):
        linkcore.errors.RefusedError: the file for clerical review shows names, birth dates and addresses ...
        """
        return clerical_review(self, path, identifiable=identifiable, records=records)

    def links_of(self, source: str) -> pl.DataFrame:
        """Give the links of one source in the order of its rows.

        Parameters
        ----------
        source : str
            Its name.

        Returns
        -------
        polars.DataFrame
            ``row`` (UInt32) and ``raw_row_hash`` (UInt64), then the columns of LINKS.

        Raises
        ------
        ProgrammeError
            If no source has that name.
        """
        if source not in self.rows:
            raise ProgrammeError(f"no source {source!r} was linked; there are {', '.join(self.rows)}")
        names, rows = list(self.rows), self.rows[source]
        before = sum(self.rows[name].height for name in names[: names.index(source)])
        # Links are in the order of the sources: a part of them need not be copied, unless its rows lie otherwise.
        found = pl.concat([rows, self.links.slice(before, rows.height)], how="horizontal")
        return found if rows["row"].is_sorted() else found.sort("row")


def link(
    sources: Sequence[Source],
    *,
    exact: Exact | None = None,
    fallback: Fallback | None = _FALLBACK,
    reference_date: dt.date | None = None,
    seed: int = 0,
    work: str | Path | None = None,
    progress: Progress = silent,
) -> Linkage:
    """Find which records of all sources are of the same person.

    Records are linked exactly on the NHS Number, those without a usable one by a local patient identifier that stands
    on numbered records of one person, or else on all their other identifiers, by Splink. Whatever is nobody's stands as
    a person, alone or with other such records.

    Parameters
    ----------
    sources : sequence of Source
        The extracts; at most one is the spine, which defines who exists.
    exact : Exact, optional
        Settings of the exact linkage.
    fallback : Fallback, optional
        Settings of the probabilistic linkage of records without a usable number; None leaves it out.
    reference_date : datetime.date, optional
        The date by which ages are judged implausible and two-digit years read; today's date is never used.
    seed : int
        Of whatever is sampled.
    work : path, optional
        A folder on a disk, where records are kept that would not all fit in memory. Their files have no name, nobody
        else can open them, and they are gone when the linkage is, or the process. With none given, all is in memory.
    progress : Progress
        Told of each step.

    Returns
    -------
    Linkage
        The same for the same data, whatever the number of threads; where records have ids, also in any order of rows.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense, or the sources cannot be linked together (:func:`check_sources`).
    SourceError
        If data cannot be read.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"], "family_name": ["Smith"]}), spine=True)
    >>> emergency = Source("emergency", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> link([gp, emergency]).links.select("source", "record_id", "person_id", "method").rows()
    [('gp', '0', 0, 'spine'), ('emergency', '0', 0, 'nhs_number'), ('emergency', '1', 1, 'unlinked')]
    """
    check_sources(sources)
    exact = exact or Exact()
    progress = watch = Stopwatch(progress)
    steps = len(sources) + 6
    read = partial(
        standardise, usable=exact.usable, reference_date=reference_date, work=None if work is None else Path(work)
    )
    reading = side_by_side(read, sources)
    records = []
    for done, source in enumerate(sources):
        progress(f"read {source.name}", done, steps)
        records.append(next(reading))
    progress("link on the NHS Number", len(sources), steps)
    placement = link_exactly(records, exact)
    probabilistic = None
    if fallback is not None:
        probabilistic = link_probabilistically(
            records,
            placement,
            fallback,
            exact=exact,
            seed=seed,
            reference_date=reference_date,
            progress=lambda step, done, _: progress(step, len(sources) + 1 + done, steps),
        )
        placement = probabilistic.placement
    progress("count", steps - 1, steps)
    placement = stand_alone(records, placement)
    links = _links(records, placement)
    quality = measure_linkage(records, links, placement, probabilistic, exact=exact, reference_date=reference_date)
    progress("linked", steps, steps)
    run = describe_run(sources, exact, fallback, seed=seed, reference_date=reference_date, seconds=watch.seconds)
    return Linkage(
        links=links,
        persons=placement.persons,
        quality=replace(quality, run=run),
        sources=tuple(sources),
        rows={each.source.name: each.frame.select("row", each.row_hashes.alias("raw_row_hash")) for each in records},
        probabilistic=probabilistic,
        exact=exact,
        fallback=fallback,
        reference_date=reference_date,
    )


def _is_of_a_linkage(entry: Path) -> bool:
    """Say whether a file is one that a linkage is saved as: the links, their quality, and the models."""
    models = entry.name.startswith("model.") and entry.suffix == ".json"
    return models or entry.name in (LINKS_FILE, QUALITY_FILE)


def check_sources(sources: Sequence[Source]) -> None:
    """Check that sources can be linked together, before anything is read.

    Parameters
    ----------
    sources : sequence of Source
        All that are to be linked.

    Raises
    ------
    ProgrammeError
        If there are none, something among them is no Source, two have one name, more than one is the spine, or a
        further identifier is compared in one way in one and in another way in another.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> check_sources([gp, gp])
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: two sources are called gp; a source's name is its own
    """
    if not isinstance(sources, Sequence):
        raise ProgrammeError(f"sources is a {type(sources).__name__}; give a list of Source, though there be one only")
    others = sorted({type(source).__name__ for source in sources if not isinstance(source, Source)})
    if others:
        raise ProgrammeError(f"sources holds {', '.join(others)}; make a Source of each, as in Source('gp', 'gp.csv')")
    names = [source.name for source in sources]
    if not names:
        raise ProgrammeError("no sources; give at least one")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ProgrammeError(f"two sources are called {', '.join(repeated)}; a source's name is its own")
    spines = [source.name for source in sources if source.spine]
    if len(spines) > 1:
        raise ProgrammeError(f"{', '.join(spines)} are all the spine; at most one source defines who exists")
    kinds: dict[str, tuple[str, str]] = {}
    for source in sources:
        if source.events:
            check_events(source)
        for name, kind in (source.further or {}).items():
            first, known = kinds.setdefault(name, (source.name, kind))
            if kind != known:
                raise ProgrammeError(
                    f"further identifier {name!r} is {known!r} in source {first!r} and {kind!r} in source "
                    f"{source.name!r}; give it one kind"
                )


def _links(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    return pl.concat(
        [
            records.frame.select(pl.lit(records.source.name).alias("source"), "record_id", "nhs_number_status")
            .hstack(placement.links[records.source.name])
            .select(*LINKS)
            for records in sources
        ]
    )
