"""The face of linkcore: `link` takes sources and returns a `Linkage`."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.files import begins_like, new_file, new_folder
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.linkage.engine.splink import SplinkLinker
from linkcore.linkage.link_records import STEPS, link_records
from linkcore.linkage.model.splink_json import model_json
from linkcore.linkage.probable_names import keep_probable_names
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Exact, Fallback
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.parallel import side_by_side
from linkcore.profile.faults import refuse_faults
from linkcore.progress import Progress, Stopwatch, silent
from linkcore.quality.measure_linkage import measure_linkage
from linkcore.quality.measured import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.report.notebook import in_notebook, in_terminal
from linkcore.review.analyst_linker import Recorder, splink_linker
from linkcore.review.clerical_review import clerical_review
from linkcore.review.decisions import check_decisions
from linkcore.review.double_persons import write_double_persons
from linkcore.review.explanation import Explanation, explain
from linkcore.sources.checks import check_sources
from linkcore.sources.records import standardise
from linkcore.sources.source import Source
from linkcore.store.contents import is_of_a_store, read_contents, tables_of, texts_of
from linkcore.store.encryption import StoreLock
from linkcore.store.folder import Store, refuse_unencrypted, write_store

__all__ = ["Linkage", "link"]

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
    digests : mapping of str to str
        The digest of each source's files, as they were linked; none for data in memory. What is read of files later is
        used only if they are still the same.
    probabilistic : Probabilistic, optional
        What the fallback did: the model, the thresholds, and every candidate of each record. None without a fallback.
    decisions : polars.DataFrame
        The decisions of clerks that were given, each with its ``state``: ``stands``, ``lost`` (one of its records is
        not there), ``replaced``, ``taken back``, ``disagreement`` or ``contradiction``.
    exact, fallback, reference_date
        The settings of the linkage, as :func:`link` got them.
    run : Run
        Settings, versions and times, as plain values.
    history : PersonHistory
        What became of the persons of the linkages before, and what recognises the records of this one.
    store_digest : str
        SHA-256 of the header of the store from which the linkage was opened, which names this one linkage; else empty.
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

    def save(self, folder: str | Path, *, key: Key | None = None) -> None:
        """Write the linkage to a folder, encrypted, so that later commands need not link again.

        The folder holds all that they need, with identifiers, and stays with the trusted team. It is encrypted with
        AES-256-GCM. Without a key, which only synthetic data may be saved without, any tool opens its files:
        ``links.parquet``, ``persons.parquet``, ``quality.json`` with true counts, ``model.json`` and others. All files
        appear at once and replace those of an earlier run. A run that is killed leaves the earlier linkage, or none if
        there was none. Without a key, the same linkage gives the same bytes, except for the times of the steps in
        ``quality.json``; with one, each save differs.

        Parameters
        ----------
        folder : path
            The folder to write. Only one process may write it at a time.
        key : Key, optional
            A key of the trusted team's keyring that is used for nothing else. Who loses it must link again.

        Raises
        ------
        RefusedError
            If the data are of real people, and no key is given.
        ProgrammeError
            If the folder holds other files, or cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> import polars as pl
        >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"]}), spine=True)
        >>> linkage, key = link([gp]), Key.generate("linkage-2026")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     linkage.save(Path(folder) / "work", key=key)
        ...     Linkage.load(Path(folder) / "work", [gp], key=key).links.equals(linkage.links)
        True
        """
        refuse_unencrypted(synthetic=self.synthetic, key=key)
        lock = None if key is None else StoreLock(key)
        with new_folder(Path(folder), ours=lambda entry: is_of_a_store(entry.name)) as partial:
            write_store(partial, tables_of(self), texts_of(self), lock)

    @classmethod
    def load(
        cls, folder: str | Path, sources: Sequence[Source] | None, *, key: Key | Keyring | None = None
    ) -> "Linkage":
        """Open a linkage that :meth:`save` wrote; nothing is linked.

        Parameters
        ----------
        folder : path
            The folder.
        sources : sequence of Source, optional
            The sources that were linked, in any order. Their files must be the same byte for byte; of data in memory,
            the mapped columns. Settings of payload, such as ``practice`` and ``events``, may change. With None, the
            linkage has no sources, and is only good for ``link(..., previous=linkage)``: they may have changed since.
        key : Key or Keyring, optional
            The key under which the linkage is encrypted, or a keyring that holds it.

        Returns
        -------
        Linkage
            The same as was saved, but for a model and answers of reviewers that its fallback was given.

        Raises
        ------
        ProgrammeError
            If there is no linkage, it is of another version, or a source is missing or was linked in another way.
        SourceError
            If the data of a source are not those that were linked, or the folder is damaged.
        RefusedError
            If the key is missing or wrong, or the linkage was altered.

        Examples
        --------
        >>> Linkage.load("no/such/folder", [])
        Traceback (most recent call last):
        linkcore.errors.ProgrammeError: there is no linkage in no/such/folder; check the path, or make it with ...
        """
        loaded = read_contents(Store.open(Path(folder), key), sources, cls)
        refuse_unencrypted(synthetic=loaded.synthetic, key=key)
        return loaded

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

    def double_persons(self, path: str | Path, *, identifiable: bool = False, least: float = 0.9) -> int:
        """Write the persons who are probably one, though they have two NHS Numbers, to a CSV file for the trusted team.

        They were registered twice, had a temporary number, or a number was mistyped. Persons with an NHS Number and
        those on the spine are compared with each other by the learned model. Nothing is joined: have the numbers
        traced, and put those that were merged into the table of superseded numbers (``Exact(superseded=...)``), or let
        a clerk decide (``linkcore decide``).

        Each pair is one row, the most probable first: ``probability``; ``match_weight``, in bits; source, record id,
        number of records, NHS Number and identifiers of both, side by side; and for each comparison how well the two
        agree, with what that adds to the weight. Twins and other relatives who agree on as much as one person does are
        less probable for it, and so are two persons of a common name.

        Parameters
        ----------
        path : path
            The file to write. Only its owner can read it. A ``'`` is written before each value that a spreadsheet would
            take for a formula or a number.
        identifiable : bool
            Whether identifiers may be written. Without them the file is refused.
        least : float
            The least probability of a pair. Below 0.9, twins with similar names are among the pairs.

        Returns
        -------
        int
            Number of pairs written. The same linkage gives the same bytes.

        Raises
        ------
        RefusedError
            If ``identifiable`` is False.
        ProgrammeError
            If no model was learned, ``least`` is not a probability, or the file cannot be written.

        Examples
        --------
        >>> import polars as pl
        >>> link([Source("gp", pl.DataFrame({"family_name": ["Smith"]}))]).double_persons("doubles.csv")
        Traceback (most recent call last):
        linkcore.errors.RefusedError: the file of persons who are probably one shows NHS Numbers, names, ...
        """
        return write_double_persons(self, path, identifiable=identifiable, least=least)


def link(
    sources: Sequence[Source],
    *,
    exact: Exact | None = None,
    fallback: Fallback | None = _FALLBACK,
    decisions: pl.DataFrame | None = None,
    reference_date: dt.date | None = None,
    seed: int = 0,
    previous: Linkage | KnownPersons | None = None,
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
    decisions : polars.DataFrame, optional
        What clerks have decided about pairs of records, as :func:`linkcore.read_decisions` returns it. It outranks
        NHS Numbers and the probabilistic linkage, and teaches the model. ``linkage.decisions`` says what has become of
        each decision.
    reference_date : datetime.date, optional
        The date at which ages are calculated and by which two-digit years are read. Today's date is never used.
    seed : int
        Seed of every random sample.
    previous : Linkage or KnownPersons, optional
        The linkage before this one, or its ``known_persons()``. The same people keep their tokens, and so every
        recipient's pseudonyms; ``superseded`` of the linkage tells each change. It needs a reference date, which dates
        them. Give records ids that last: row numbers are recognised only by what the record says. Of a linkage, the
        model, the thresholds and the self-test are kept too, as ``Fallback(relearn=...)`` says; the persons do not
        depend on what was linked before in any other way.
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
        If a source cannot be read, or its mapping cannot be right: none of a hundred or more values of a column is what
        it should be, or records with the same NHS Number disagree on who it is.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137"], "family_name": ["Smith"]}), spine=True)
    >>> emergency = Source("emergency", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> link([gp, emergency]).links.select("source", "record_id", "person_id", "method").rows()
    [('gp', '0', 0, 'spine'), ('emergency', '0', 0, 'nhs_number'), ('emergency', '1', 1, 'unlinked')]
    """
    check_sources(sources)
    if decisions is not None:
        check_decisions(decisions, sources)
    if previous is not None and reference_date is None:
        raise ProgrammeError("previous needs a reference_date: it dates the rows of the supersession table; give one")
    known = previous.known_persons() if isinstance(previous, Linkage) else previous
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
    refuse_faults(records)
    result = link_records(
        records,
        exact,
        fallback,
        decisions=decisions,
        previous=known,
        earlier=previous.probabilistic if isinstance(previous, Linkage) else None,
        seed=seed,
        reference_date=reference_date,
        progress=progress,
    )
    if known is not None:
        result = keep_probable_names(result, known)
    result = replace(result, synthetic=synthetic)
    before = previous.quality.fallback if isinstance(previous, Linkage) else None
    quality = measure_linkage(result, records, earlier=before)
    progress("linked", steps, steps)
    return Linkage.of(result, replace(quality, run=replace(quality.run, seconds=watch.seconds)))
