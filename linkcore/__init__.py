"""Record linkage and pseudonymisation for NHS Integrated Care Systems.

Import names from here. The modules below this package are internal, and may move between versions.
"""

import importlib
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from linkcore.programme.programme import Programme
    from linkcore.programme.run import ProgrammeRun, run_programme, synthetic_keys

__version__ = "0.2.0"

# These load Pydantic, which is slow to import and which only programme files need.
_LOADED_WHEN_USED = {
    "Programme": "linkcore.programme.programme",
    "ProgrammeRun": "linkcore.programme.run",
    "run_programme": "linkcore.programme.run",
    "synthetic_keys": "linkcore.programme.run",
}


def __getattr__(name: str) -> object:
    if name not in _LOADED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LOADED_WHEN_USED[name]), name)


def __dir__() -> list[str]:
    return __all__


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
