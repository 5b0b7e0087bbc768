"""Two programmes: a small one, and one that states all of the governance."""

import datetime as dt
import hashlib
from pathlib import Path

import linkcore as lc
from linkcore.programme.programme import Programme
from tests.governance.extracts import numbers

WHOLE = """
[programme]
name = "Example"
synthetic = true
reference_date = 2026-03-31
seed = 3

[numbers]
usable = ["valid", "test"]
superseded = "superseded.csv"

[linkage]
conflicts = "keep"

[[source]]
name = "gp"
data = "gp.csv"
spine = true
record_id = "ID"
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
[source.attributes]
ethnic_group = "ETHNIC"
[source.events]
start = "SEEN"

[[recipient]]
name = "partner"
key = "partner-2026"
purpose = "a test"
[recipient.columns]
gp = ["ETHNIC"]
"""

AGREED = 'purpose = "a test"'

SECOND_SOURCE = """
[[source]]
name = "seen"
data = "gp.csv"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
"""

OTHER_RECIPIENT = """
[[recipient]]
name = "other"
key = "other-2026"
[recipient.columns]
gp = ["ETHNIC"]
"""

GOVERNED = """
[programme]
name = "Example"
ends = 2026-09-30

[numbers]
superseded = "superseded.csv"

[linkage]
probabilistic = false

[opt_outs]
unlinked = "release"
[[opt_outs.exemption]]
purpose = "finding cases"
basis = "individual_care"
statement = "the practice's own patients, DAB-7"
[opt_outs.national]
list = "national.csv"
as_of = 2026-04-13
[opt_outs.type_one]
codes = "codes.csv"
as_of = 2026-04-13
[opt_outs.objections]
statements = "objections.csv"
as_of = 2026-04-13
[opt_outs.excluded]
list = "excluded.csv"
as_of = 2026-04-13

[[source]]
name = "gp"
data = "gp.csv"
spine = true
record_id = "ID"
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
birth_date = "BORN"
postcode = "HOME"

[[source]]
name = "hospital"
data = "hospital.csv"
[source.columns]
nhs_number = "NHS"

[[sensitive]]
source = "hospital"
columns = ["DIAGNOSIS"]
system = "icd10"
codes = "sensitive.csv"
parent = "SPELL"

[[recipient]]
name = "partner"
key = "partner-2026"
purpose = "planning"
format = "csv"
minimum_k = 1
cohort = {where = 'age >= 18 and PRACTICE in ("L83001", "L83002")', derived = {age = {kind = "age", at = 2026-04-15}}}
[recipient.columns]
gp = ["SMOKER"]
hospital = ["COST"]
[recipient.pseudonymised]
hospital = ["SPELL"]
[recipient.derived.gp]
born = "birth_year"
area = {kind = "small_area", look_up = "areas.csv", postcode = "pcds", area = "lsoa21", least_people = 10}
[recipient.quasi_identifiers]
gp = ["SMOKER"]
[recipient.terms]
legal_basis = "UK GDPR Article 6(1)(e)"
approval = "DAB-7"
start = 2026-04-01
end = 2026-09-30
ico_registration = "ZA000000"
ico_expires = 2026-12-31
toolkit = "8XX00"
toolkit_expires = 2026-12-31
fair_processing = "https://example.org/privacy"
next_audit = 2026-12-31

[audit]
file = "audit.jsonl"

[destruction]
providers = {gp = "Practices-of-Exeter"}
work = ["release/**"]
known_copies = ["the hospital's own archive"]
"""

DAY = dt.date(2026, 4, 15)

KEY = lc.Key.from_bytes("partner-2026", hashlib.sha256(b"a key of the tests").digest())

PEOPLE = numbers(400_000_100, 28)


def load(folder: Path, text: str) -> Programme:
    (folder / "programme.toml").write_text(text)
    return Programme.load(folder / "programme.toml")
