"""Record linkage and pseudonymisation for NHS Integrated Care Systems.

Import names from here. The modules below this package are internal, and may move between versions.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError, RefusedError, SourceError
    from linkcore.governance.audit.audit import Audit
    from linkcore.governance.audit.check import verify_audit
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.destruction.certificates import verify_certificate
    from linkcore.governance.destruction.destroy import attest, destroy
    from linkcore.governance.destruction.inventory import Inventory
    from linkcore.governance.destruction.mark import refuse_if_destroyed
    from linkcore.governance.exits.feedback import feedback
    from linkcore.governance.exits.own_patients import PatientList
    from linkcore.governance.exits.reidentification import held_versions, reidentify
    from linkcore.governance.exits.requesters import Requester
    from linkcore.governance.exits.returns import return_scores
    from linkcore.governance.exits.subject_access import subject_access
    from linkcore.governance.exits.withdrawals import withdrawals
    from linkcore.governance.manifest import verify_release
    from linkcore.governance.releases.agreements import Agreement
    from linkcore.governance.releases.checks import refuse_shared_keys
    from linkcore.governance.releases.cohorts import Cohort
    from linkcore.governance.releases.derived import Derived
    from linkcore.governance.releases.encryption import Encryption
    from linkcore.governance.releases.release import Release, release
    from linkcore.governance.releases.terms import Terms
    from linkcore.governance.withholding.national_check import export_national_check, national_opt_outs
    from linkcore.governance.withholding.opt_out_lists import OptOutLists
    from linkcore.governance.withholding.opt_out_policy import Exemption, OptOutPolicy
    from linkcore.governance.withholding.opt_outs import OptOuts
    from linkcore.governance.withholding.sensitive import CodeList, SensitiveRule
    from linkcore.governance.withholding.type_one import type_one_opt_outs, without_type_one
    from linkcore.governance.withholding.withholding import Withholding, withhold
    from linkcore.identifiers.nhs_number import nhs_number, nhs_number_status
    from linkcore.keys.age import AgeIdentity
    from linkcore.keys.key import Key
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.signing import SigningKey, VerifyKey
    from linkcore.link import Linkage, link
    from linkcore.linkage.settings import Exact, Fallback
    from linkcore.linkage.stable_persons.known_persons import KnownPersons
    from linkcore.programme.programme import Programme
    from linkcore.programme.run import ProgrammeRun, run_programme, synthetic_keys
    from linkcore.pseudonyms.persons import pseudonym_mapping, repseudonymise
    from linkcore.pseudonyms.pseudonymise import pseudonymise
    from linkcore.pseudonyms.sql import register_duckdb
    from linkcore.pseudonyms.stage_one import StageOne
    from linkcore.quality.measures import Quality
    from linkcore.report.write import write_report
    from linkcore.review.answers import read_review, review_agreement
    from linkcore.review.decisions import add_decisions, read_decisions
    from linkcore.review.explanation import Explanation
    from linkcore.sources.source import Source

__version__ = "0.2.0"

# Each name is loaded when it is first used: `linkcore --help` waits for none of them, and `Key` not for Pydantic.
_MODULES = {
    "linkcore.errors": ["KeyMaterialError", "LinkcoreError", "ProgrammeError", "RefusedError", "SourceError"],
    "linkcore.governance.audit.audit": ["Audit"],
    "linkcore.governance.audit.check": ["verify_audit"],
    "linkcore.governance.audit.occasion": ["Occasion"],
    "linkcore.governance.destruction.certificates": ["verify_certificate"],
    "linkcore.governance.destruction.destroy": ["attest", "destroy"],
    "linkcore.governance.destruction.inventory": ["Inventory"],
    "linkcore.governance.destruction.mark": ["refuse_if_destroyed"],
    "linkcore.governance.exits.feedback": ["feedback"],
    "linkcore.governance.exits.own_patients": ["PatientList"],
    "linkcore.governance.exits.reidentification": ["held_versions", "reidentify"],
    "linkcore.governance.exits.requesters": ["Requester"],
    "linkcore.governance.exits.returns": ["return_scores"],
    "linkcore.governance.exits.subject_access": ["subject_access"],
    "linkcore.governance.exits.withdrawals": ["withdrawals"],
    "linkcore.governance.manifest": ["verify_release"],
    "linkcore.governance.releases.agreements": ["Agreement"],
    "linkcore.governance.releases.checks": ["refuse_shared_keys"],
    "linkcore.governance.releases.cohorts": ["Cohort"],
    "linkcore.governance.releases.derived": ["Derived"],
    "linkcore.governance.releases.encryption": ["Encryption"],
    "linkcore.governance.releases.release": ["Release", "release"],
    "linkcore.governance.releases.terms": ["Terms"],
    "linkcore.governance.withholding.national_check": ["export_national_check", "national_opt_outs"],
    "linkcore.governance.withholding.opt_out_lists": ["OptOutLists"],
    "linkcore.governance.withholding.opt_out_policy": ["Exemption", "OptOutPolicy"],
    "linkcore.governance.withholding.opt_outs": ["OptOuts"],
    "linkcore.governance.withholding.sensitive": ["CodeList", "SensitiveRule"],
    "linkcore.governance.withholding.type_one": ["type_one_opt_outs", "without_type_one"],
    "linkcore.governance.withholding.withholding": ["Withholding", "withhold"],
    "linkcore.identifiers.nhs_number": ["nhs_number", "nhs_number_status"],
    "linkcore.keys.age": ["AgeIdentity"],
    "linkcore.keys.key": ["Key"],
    "linkcore.keys.keyring": ["Keyring"],
    "linkcore.keys.signing": ["SigningKey", "VerifyKey"],
    "linkcore.link": ["Linkage", "link"],
    "linkcore.linkage.settings": ["Exact", "Fallback"],
    "linkcore.linkage.stable_persons.known_persons": ["KnownPersons"],
    "linkcore.programme.programme": ["Programme"],
    "linkcore.programme.run": ["ProgrammeRun", "run_programme", "synthetic_keys"],
    "linkcore.pseudonyms.persons": ["pseudonym_mapping", "repseudonymise"],
    "linkcore.pseudonyms.pseudonymise": ["pseudonymise"],
    "linkcore.pseudonyms.sql": ["register_duckdb"],
    "linkcore.pseudonyms.stage_one": ["StageOne"],
    "linkcore.quality.measures": ["Quality"],
    "linkcore.report.write": ["write_report"],
    "linkcore.review.answers": ["read_review", "review_agreement"],
    "linkcore.review.decisions": ["add_decisions", "read_decisions"],
    "linkcore.review.explanation": ["Explanation"],
    "linkcore.sources.source": ["Source"],
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


class _Face(ModuleType):
    """The package, whose function ``link`` must not be hidden by the module that holds it."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set what Python sets when it has imported a module below this package."""
        super().__setattr__(name, value.link if name == "link" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Face

__all__ = [
    "AgeIdentity",
    "Agreement",
    "Audit",
    "CodeList",
    "Cohort",
    "Derived",
    "Encryption",
    "Exact",
    "Exemption",
    "Explanation",
    "Fallback",
    "Inventory",
    "Key",
    "KeyMaterialError",
    "Keyring",
    "KnownPersons",
    "Linkage",
    "LinkcoreError",
    "Occasion",
    "OptOutLists",
    "OptOutPolicy",
    "OptOuts",
    "PatientList",
    "Programme",
    "ProgrammeError",
    "ProgrammeRun",
    "Quality",
    "RefusedError",
    "Release",
    "Requester",
    "SensitiveRule",
    "SigningKey",
    "Source",
    "SourceError",
    "StageOne",
    "Terms",
    "VerifyKey",
    "Withholding",
    "__version__",
    "add_decisions",
    "attest",
    "destroy",
    "export_national_check",
    "feedback",
    "held_versions",
    "link",
    "national_opt_outs",
    "nhs_number",
    "nhs_number_status",
    "pseudonym_mapping",
    "pseudonymise",
    "read_decisions",
    "read_review",
    "refuse_if_destroyed",
    "refuse_shared_keys",
    "register_duckdb",
    "reidentify",
    "release",
    "repseudonymise",
    "return_scores",
    "review_agreement",
    "run_programme",
    "subject_access",
    "synthetic_keys",
    "type_one_opt_outs",
    "verify_audit",
    "verify_certificate",
    "verify_release",
    "withdrawals",
    "withhold",
    "without_type_one",
    "write_report",
]
