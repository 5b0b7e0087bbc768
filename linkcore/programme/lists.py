"""The lists that a programme file names: opt-outs, and codes of sensitive records."""

from dataclasses import dataclass
from pathlib import Path

from linkcore.errors import ProgrammeError
from linkcore.governance.withholding.national_check import national_opt_outs
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.sensitive import CodeList, SensitiveRule
from linkcore.governance.withholding.type_one import TYPE_ONE_DISSENTS, TYPE_ONE_WITHDRAWALS, type_one_opt_outs
from linkcore.programme.tables import (
    ExcludedTable,
    NationalTable,
    ObjectionsTable,
    OptOutsTable,
    OptOutTable,
    SensitiveTable,
    TypeOneTable,
)
from linkcore.pseudonyms.stage_one import StageOne

__all__ = ["read_opt_outs", "read_rule"]


def read_opt_outs(stated: OptOutsTable, folder: Path, stage_one: StageOne | None = None) -> OptOutLists:
    """Read the opt-outs of a programme."""
    lists = _Lists(folder, stage_one)
    return OptOutLists(
        national=None if stated.national is None else lists.national(stated.national),
        type_one=None if stated.type_one is None else lists.type_one(stated.type_one),
        objections=None if stated.objections is None else lists.objections(stated.objections),
        excluded=None if stated.excluded is None else lists.excluded(stated.excluded),
    )


def read_rule(stated: SensitiveTable, number: int, folder: Path) -> SensitiveRule:
    """Build a rule on sensitive records, and read its code list."""
    return SensitiveRule(
        stated.source,
        stated.columns,
        stated.system,
        CodeList(_file(f"sensitive[{number}].codes", folder, stated.codes)),
        stated.reference_sets,
        stated.parent,
        stated.carries,
    )


@dataclass(frozen=True)
class _Lists:
    """The lists in one folder. All of them have NHS Numbers, or all have stage-1 codes."""

    folder: Path
    stage_one: StageOne | None

    def national(self, stated: NationalTable) -> OptOuts:
        if stated.list is not None:
            return self._listed("opt_outs.national.list", stated.list, stated)
        if self.stage_one is not None:
            raise ProgrammeError(
                "opt_outs.national: the national check needs NHS Numbers; in a two-stage programme, give a list"
            )
        return national_opt_outs(
            _file("opt_outs.national.asked", self.folder, stated.asked),
            _file("opt_outs.national.answer", self.folder, stated.answer),
            as_of=stated.as_of,
            expected=stated.expected,
        )

    def type_one(self, stated: TypeOneTable) -> OptOuts:
        if stated.list is not None:
            return self._listed("opt_outs.type_one.list", stated.list, stated)
        return type_one_opt_outs(
            _file("opt_outs.type_one.codes", self.folder, stated.codes),
            as_of=stated.as_of,
            dissents=TYPE_ONE_DISSENTS if stated.dissents is None else stated.dissents,
            withdrawals=TYPE_ONE_WITHDRAWALS if stated.withdrawals is None else stated.withdrawals,
            stage_one=self.stage_one,
            expected=stated.expected,
        )

    def objections(self, stated: ObjectionsTable) -> OptOuts:
        if stated.list is not None:
            return self._listed("opt_outs.objections.list", stated.list, stated)
        file = _file("opt_outs.objections.statements", self.folder, stated.statements)
        return OptOuts.from_statements(file, as_of=stated.as_of, stage_one=self.stage_one, expected=stated.expected)

    def excluded(self, stated: ExcludedTable) -> OptOuts:
        return self._listed("opt_outs.excluded.list", stated.list, stated)

    def _listed(self, key: str, path: str, stated: OptOutTable) -> OptOuts:
        file = _file(key, self.folder, path)
        return OptOuts.from_list(file, as_of=stated.as_of, stage_one=self.stage_one, expected=stated.expected)


def _file(key: str, folder: Path, path: str | None) -> Path:
    file = folder / str(path)
    if not file.is_file():
        raise ProgrammeError(f"{key}: there is no file {file}; correct the path")
    return file
