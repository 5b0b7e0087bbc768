"""Record linkage and pseudonymisation for NHS Integrated Care Systems.

The public names, and nothing else; see each one's own documentation.
"""

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError, RefusedError, SourceError
from linkcore.governance.agreements import Agreement
from linkcore.governance.release import Release, release
from linkcore.identifiers.nhs_number import nhs_number, nhs_number_status
from linkcore.linkage.exact import Exact
from linkcore.linkage.fallback import Fallback
from linkcore.linkage.link import Linkage, link
from linkcore.linkage.review.clerical_review import read_review, review_agreement
from linkcore.linkage.review.explanation import Explanation
from linkcore.linkage.sources import Source
from linkcore.pseudonyms.keyring import Keyring
from linkcore.pseudonyms.keys import Key
from linkcore.pseudonyms.persons import pseudonym_mapping, repseudonymise
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.pseudonyms.sql import register_duckdb
from linkcore.quality.measures import Quality
from linkcore.report import write_report

__version__ = "0.1.0"

__all__ = [
    "Agreement",
    "Exact",
    "Explanation",
    "Fallback",
    "Key",
    "KeyMaterialError",
    "Keyring",
    "Linkage",
    "LinkcoreError",
    "ProgrammeError",
    "Quality",
    "RefusedError",
    "Release",
    "Source",
    "SourceError",
    "__version__",
    "link",
    "nhs_number",
    "nhs_number_status",
    "pseudonym_mapping",
    "pseudonymise",
    "read_review",
    "register_duckdb",
    "release",
    "repseudonymise",
    "review_agreement",
    "write_report",
]
