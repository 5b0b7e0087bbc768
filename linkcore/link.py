"""The linkage, from sources to links."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Final

from linkcore.errors import ProgrammeError
from linkcore.files import new_file, new_folder
from linkcore.linkage.link_records import STEPS, link_records
from linkcore.linkage.model.splink_json import model_json
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Exact, Fallback
from linkcore.parallel import side_by_side
from linkcore.progress import Progress, Stopwatch, silent
from linkcore.quality.measure_linkage import measure_linkage
from linkcore.quality.measured import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.report.notebook import in_notebook, in_terminal
from linkcore.report.quality_file import QUALITY_FILE, to_json
from linkcore.review.clerical_review import clerical_review
from linkcore.review.explanation import Explanation, explain
from linkcore.sources.checks import check_sources
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

__all__ = ["LINKS_FILE", "Linkage", "link"]

LINKS_FILE: Final = "links.parquet"
"""The name of the file with the links, in a folder that :meth:`Linkage.save` writes."""

_MODEL_FILE: Final = "model.json"
_FALLBACK: Final = Fallback()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Linkage(MeasuredLinkage):
    """Which records are of the same person, how that is known, and how good it is.

    Parameters
    ----------
    links : polars.DataFrame
        LINKS of :mod:`linkcore.schema`: one row for each record of every source.
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`. They hold identifiers and stay with the trusted team.
    quality : Quality
        What became of every record and every identifier.
    sources : tuple of Source
        What was linked, in the order given.
    rows : mapping of str to polars.DataFrame
        For each source, in the order of its links: ``row`` (UInt32), the position of the record, and ``raw_row_hash``
        (UInt64), a hash of the whole row. With them payload finds its person.
    probabilistic : Probabilistic, optional
        What the fallback did: the model, the thresholds, and every candidate of each record. None without a fallback.
    exact, fallback, reference_date
        The settings of the linkage, as :func:`link` got them.
    run : Run
        Settings, versions and times, as plain values.
    synthetic : bool
        Whether the caller declared that the data are synthetic. Data of real people leave by stricter rules.
    """

    @classmethod
    def of(cls, result: LinkageResult, quality: Quality) -> "Linkage":
        """Combine a result with its quality, and drop the inputs that only the quality needed."""
        kept = {each.name: getattr(result, each.name) for each in fields(result)}
        if result.probabilistic is not None:
            kept["probabilistic"] = replace(result.probabilistic, quality_inputs=None)
        return cls(**kept | {"run": quality.run}, quality=quality)

    def __str__(self) -> str:
        """Show in plain text what was linked, how well, and what to check."""
        return in_terminal(self.quality)

    def _repr_html_(self) -> str:
        return in_notebook(self.quality)

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
        >>> import polars as pl
        >>> linkage = link([Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"]}), spine=True)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     linkage.save(Path(folder) / "work")
        ...     pl.read_parquet(Path(folder) / "work" / "links.parquet").equals(linkage.links)
        True
        """
        with new_folder(Path(folder), ours=_is_of_a_linkage) as partial:
            self.links.write_parquet(partial / LINKS_FILE)
            (partial / QUALITY_FILE).write_text(to_json(self.quality), "utf-8")
            if self.probabilistic is not None and self.probabilistic.model is not None:
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
        if self.probabilistic is None or self.probabilistic.model is None:
            raise ProgrammeError("there is no model to save: no record was left for the probabilistic linkage")
        path = Path(path)
        models = {path: self.probabilistic.model}
        for source, model in self.probabilistic.source_models.items():
            models[path.with_name(f"{path.stem}.{source}.json")] = model
        for place, model in models.items():
            with new_file(place) as file:
                file.write_text(model_json(model), "utf-8")

    def explain(self, source: str, record_id: str, *, identifiable: bool = False) -> Explanation:
        """Explain why a record was linked to its person, or to nobody: its candidates and the weight of each field.

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
        >>> import polars as pl
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
        """Write the least certain records to a CSV file for review.

        They are those of the largest Shannon entropy over their candidates and nobody, of each source in proportion to
        the square root of how many of its records are uncertain: so that small sources are looked at too, and large
        ones more. Each candidate is a row, the best first, with the record's and the person's identifiers side by side
        and an empty ``answer``: ``match``, ``no`` or ``unsure``. Probabilities are left out: they would sway
        the answers. :func:`linkcore.read_review` reads them.

        Parameters
        ----------
        path : path
            The file to write; only its owner can read it. Where a spreadsheet would take a value for a formula or a
            number, it is written with a ``'`` before it.
        identifiable : bool
            Whether the caller asks for what identifies people; without it, the file is refused.
        records : int
            Most records to write.

        Returns
        -------
        int
            Number of records written. The same linkage gives the same bytes.

        Raises
        ------
        RefusedError
            If the caller does not ask for identifiers.
        ProgrammeError
            If there was no probabilistic linkage, or the file cannot be written.

        Examples
        --------
        >>> import polars as pl
        >>> link([Source("gp", pl.DataFrame({"family_name": ["Smith"]}))]).clerical_review("review.csv")
        Traceback (most recent call last):
        linkcore.errors.RefusedError: the file for clerical review shows names, birth dates and addresses ...
        """
        return clerical_review(self, path, identifiable=identifiable, records=records)


def link(
    sources: Sequence[Source],
    *,
    exact: Exact | None = None,
    fallback: Fallback | None = _FALLBACK,
    reference_date: dt.date | None = None,
    seed: int = 0,
    work: str | Path | None = None,
    synthetic: bool = False,
    progress: Progress = silent,
) -> Linkage:
    """Link the records of all sources that belong to the same person.

    Records are linked exactly on the NHS Number, those without a usable one by a local patient identifier that stands
    on numbered records of one person, or else on all their other identifiers, by Splink. A record that matches nobody
    becomes a person of its own, alone or with other such records.

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
        Seed of every random sample.
    work : path, optional
        A folder on a disk, where records are kept that would not all fit in memory. Their files have no name, nobody
        else can open them, and they are gone when the linkage is, or the process. With none given, all is in memory.
    synthetic : bool
        Whether the data are synthetic: of nobody. Data of real people are released only signed and audited.
    progress : Progress
        Called at each step.

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
    steps = len(sources) + STEPS
    read = partial(
        standardise, usable=exact.usable, reference_date=reference_date, work=None if work is None else Path(work)
    )
    reading = side_by_side(read, sources)
    records = []
    for done, source in enumerate(sources):
        progress(f"read {source.name}", done, steps)
        records.append(next(reading))
    result = link_records(records, exact, fallback, seed=seed, reference_date=reference_date, progress=progress)
    result = replace(result, synthetic=synthetic)
    quality = measure_linkage(result, records)
    progress("linked", steps, steps)
    return Linkage.of(result, replace(quality, run=replace(quality.run, seconds=watch.seconds)))


def _is_of_a_linkage(entry: Path) -> bool:
    """Whether :meth:`Linkage.save` writes a file of this name."""
    models = entry.name.startswith("model.") and entry.suffix == ".json"
    return models or entry.name in (LINKS_FILE, QUALITY_FILE)
