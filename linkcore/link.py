"""The face of linkcore: `link` takes sources and returns a `Linkage`."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Final

from linkcore.errors import ProgrammeError
from linkcore.files import begins_like, new_file, new_folder
from linkcore.linkage.engine.splink import SplinkLinker
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
from linkcore.review.analyst_linker import Recorder, splink_linker
from linkcore.review.clerical_review import clerical_review
from linkcore.review.explanation import Explanation, explain
from linkcore.sources.checks import check_sources
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

__all__ = ["LINKS_FILE", "Linkage", "link"]

LINKS_FILE: Final = "links.parquet"
"""File name of the links in a folder that :meth:`Linkage.save` writes."""

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
        """Write the links, their quality and the learned models to a folder for the trusted team only.

        ``linkcore link`` writes this folder and ``linkcore report`` reads it: ``links.parquet``, ``quality.json`` with
        true counts, ``model.json`` and ``model.SOURCE.json``. All files appear at once and replace those of an earlier
        run. A run that is killed leaves the earlier files, or none. The same linkage gives the same bytes, except for
        the times of the steps in ``quality.json``.

        Parameters
        ----------
        folder : path
            The folder to write. Only one process may write it at a time.

        Raises
        ------
        ProgrammeError
            If the folder holds other files, or cannot be written.

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
        """Save the learned model as Splink's own JSON. It holds weights and no identifiers.

        Splink can open it and draw its charts. ``Fallback(model=path)`` links with it without learning again. Beside
        ``model.json``, the model of all sources, ``model.SOURCE.json`` is the model of one source.

        Parameters
        ----------
        path : path
            The file to write.

        Raises
        ------
        ProgrammeError
            If no model was learned.
        """
        if self.probabilistic is None or self.probabilistic.model is None:
            raise ProgrammeError("there is no model to save: no record was left for the probabilistic linkage")
        path = Path(path)
        models = {path: self.probabilistic.model}
        for source, model in self.probabilistic.source_models.items():
            models[path.with_name(f"{path.stem}.{source}.json")] = model
        for place, model in models.items():
            text = model_json(model)
            with new_file(place, ours=begins_like(text.encode())) as file:
                file.write_text(text, "utf-8")

    def explain(self, source: str, record_id: str, *, identifiable: bool = False) -> Explanation:
        """Explain why a record was linked to its person, or to nobody: its candidates and the weight of each field.

        A record that was compared with persons is shown with all its candidates, and with the probabilities and weights
        of the run. A record that was linked on its NHS Number is read again and shown beside its person.

        Parameters
        ----------
        source : str
            Name of the record's source.
        record_id : str
            Id of the record, as in ``links``.
        identifiable : bool
            Whether identifiers may be shown. Without them the explanation is refused.

        Returns
        -------
        Explanation
            The reason in words, the candidates, the weight of each field, and Splink's waterfall chart of them.

        Raises
        ------
        RefusedError
            If ``identifiable`` is False.
        ProgrammeError
            If there is no such source or record.
        SourceError
            If the record cannot be read again, or has changed since it was linked.
        LinkcoreError
            If there is not enough memory.

        Examples
        --------
        >>> import polars as pl
        >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"], "family_name": ["Smith"]}), spine=True)
        >>> linkage = link([gp])
        >>> linkage.explain("gp", "0")
        Traceback (most recent call last):
        linkcore.errors.RefusedError: an explanation shows names, birth dates and addresses ...
        >>> linkage.explain("gp", "0", identifiable=True).reason
        'It is on the spine and defines its person.'
        """
        return explain(self, source, record_id, identifiable=identifiable)

    def splink_linker(
        self,
        *,
        source: str | None = None,
        tested: bool = False,
        identifiable: bool = False,
        occasion: Recorder | None = None,
    ) -> SplinkLinker:
        """Make a Splink linker of this linkage's persons, open records and model, for all of Splink's tools.

        It has a private database of its own, in memory, that can reach no file. Its tables are ``persons``, whose
        ``unique_id`` is the ``person_id``, and ``records``, whose ``unique_id`` is the source and the record id. It
        knows the model and how common each value is. Each source has a model of its own: with ``source``,
        ``linker.inference.predict()`` gives the weights of the run. Splink's blocks have no largest size: on a whole
        ICS, that takes minutes and gigabytes.

        Parameters
        ----------
        source : str, optional
            Compare the records of this source only, by its own model.
        tested : bool
            Compare the records of the self-test, whose persons are known, in place of the open ones. The column
            ``label`` then names the person of each, for Splink's charts of accuracy and of thresholds.
        identifiable : bool
            Whether identifiers may be shown. Without them the linker is refused.
        occasion : Occasion, optional
            Records in an audit log that the linker was made, and why.

        Returns
        -------
        splink.Linker
            The linker. Its database ends with it.

        Raises
        ------
        RefusedError
            If ``identifiable`` is False.
        ProgrammeError
            If there was no probabilistic linkage, or no such record.

        Examples
        --------
        >>> import polars as pl
        >>> linkage = link([Source("gp", pl.DataFrame({"family_name": ["Smith"]}))])
        >>> linkage.splink_linker()
        Traceback (most recent call last):
        linkcore.errors.RefusedError: a Splink linker holds names, birth dates and addresses, ...
        """
        return splink_linker(self, source=source, tested=tested, identifiable=identifiable, occasion=occasion)

    def clerical_review(self, path: str | Path, *, identifiable: bool = False, records: int = 200) -> int:
        """Write the least certain records to a CSV file for review.

        The least certain records have the largest Shannon entropy over their candidates and nobody. Each source is
        represented in proportion to the square root of its number of uncertain records: small sources are reviewed too,
        and large ones more. Each candidate is one row, best first, with the identifiers of the record and the person
        side by side, and an empty ``answer`` to fill in: ``match``, ``no`` or ``unsure``. Probabilities are left out,
        because they would sway the answers. :func:`linkcore.read_review` reads the answers.

        Parameters
        ----------
        path : path
            The file to write. Only its owner can read it. A ``'`` is written before each value that a spreadsheet would
            take for a formula or a number.
        identifiable : bool
            Whether identifiers may be written. Without them the file is refused.
        records : int
            Largest number of records to write.

        Returns
        -------
        int
            Number of records written. The same linkage gives the same bytes.

        Raises
        ------
        RefusedError
            If ``identifiable`` is False.
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

    Records are linked exactly on the NHS Number. A record without a usable number is linked on a local patient
    identifier, if that occurs on numbered records of one person only; otherwise it is linked probabilistically on all
    its other identifiers, by Splink's model. A record that matches nobody becomes a person of its own, alone or with
    other such records.

    Parameters
    ----------
    sources : sequence of Source
        The extracts. At most one is the spine, which defines who exists.
    exact : Exact, optional
        Settings of the exact linkage.
    fallback : Fallback, optional
        Settings of the probabilistic linkage. None leaves it out.
    reference_date : datetime.date, optional
        The date at which ages are calculated and by which two-digit years are read. Today's date is never used.
    seed : int
        Seed of every random sample.
    work : path, optional
        A folder on a disk for records that do not fit in memory. The files have no name, nobody else can open them, and
        they are deleted with the linkage or the process. Without a folder, all records are in memory.
    synthetic : bool
        Whether the data are synthetic. Data of real people are released only signed and audited.
    progress : Progress
        Called at each step.

    Returns
    -------
    Linkage
        The same for the same data and any number of threads and, where records have ids, any order of rows.

    Raises
    ------
    ProgrammeError
        If a setting is not valid, or the sources cannot be linked together.
    SourceError
        If a source cannot be read.

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
