"""The twelve providers: the columns of each, how it writes values, and who uses it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from linkcore.synthetic.payload import Amount, Codes, Count, Day, Flag, OfDwelling, OfPerson
from linkcore.synthetic.provider import Provider

__all__ = ["PROVIDERS"]

_LETTERS: Final = {1: "M", 2: "F", 9: "U", 0: ""}
_WORDS: Final = {1: "Male", 2: "Female", 9: "Indeterminate", 0: "Not known"}
_DIAGNOSES: Final = ("I10X", "E119", "J449", "N390", "R074", "K219", "I489", "J189", "F329", "M199", "S720", "C349")
_SPECIALTIES: Final = ("100", "300", "110", "320", "130", "120", "330", "340", "400", "101", "410")
_ADULTS: Final = (0, 16, 16.01, 110)


_GP: Final = Provider(
    name="gp",
    data="gp/*.parquet",
    files=4,
    records_per_person=0.985,
    spine=True,
    record_id="REG_ID",
    columns={
        "nhs_number": "NHS_NO",
        "given_name": "FORENAME",
        "family_name": "SURNAME",
        "birth_date": "DOB",
        "gender": "SEX",
        "address": "ADDRESS",
        "postcode": "POSTCODE",
    },
    payload={
        "PRACTICE_CODE": OfPerson("practice"),
        "ETHNIC": OfPerson("ethnic_group", missing=0.06, instead="Z"),
        "LSOA": OfDwelling("lsoa"),
        "IMD_DECILE": OfDwelling("deprivation"),
        "LAST_SEEN": Day(),
        "SMOKING_CODE": Codes(("266919005", "8517006", "77176002"), missing=0.1, from_age=16),
        "LONG_TERM_CONDITIONS": Count(1.3),
        "REPEAT_MEDICINES": Count(2.6),
        "CONSULTATIONS_12M": Count(5.8),
        "SEVERE_FRAILTY": Flag(0.03),
    },
    accents=True,
    ethnic_group="ETHNIC",
    deprivation="IMD_DECILE",
    practice="PRACTICE_CODE",
    withheld=("PRACTICE_CODE", "LSOA"),
)

_INPATIENT: Final = Provider(
    name="inpatient",
    data="inpatient.csv",
    records_per_person=0.30,
    by_age=((0, 1, 5, 18, 30, 50, 65, 80, 95), (4, 0.9, 0.5, 0.5, 0.9, 0.8, 1.3, 2.4, 3.2)),
    record_id="SPELL_ID",
    number="spaced",
    dates="%d/%m/%Y",
    trust="acute",
    columns={
        "local_patient_id": "HOSPITAL_NO",
        "nhs_number": "NHS_NUMBER",
        "family_name": "PATIENT_SURNAME",
        "given_name": "PATIENT_FORENAME",
        "birth_date": "DATE_OF_BIRTH",
        "gender": "SEX",
        "address": "HOME_ADDRESS",
        "postcode": "HOME_POSTCODE",
    },
    payload={
        "ADMITTED": Day(),
        "LENGTH_OF_STAY": Count(3.1),
        "ADMISSION_METHOD": Codes(("21", "11", "12", "13", "31", "82")),
        "SPECIALTY": Codes(_SPECIALTIES),
        "PRIMARY_DIAGNOSIS": Codes(_DIAGNOSES, missing=0.01, maternity=("O800", "O821")),
        "PROCEDURE": Codes(("W371", "C712", "H221", "G459", "J183", "M459", "R249", "X929"), missing=0.4),
        "COST": Amount(1650, 0.8),
        "ETHNIC_CATEGORY": OfPerson("ethnic_group", missing=0.09, instead="Z"),
    },
    ethnic_group="ETHNIC_CATEGORY",
    events={"start": "ADMITTED", "days": "LENGTH_OF_STAY", "diagnosis": "PRIMARY_DIAGNOSIS"},
)

_OUTPATIENT: Final = Provider(
    name="outpatient",
    data="outpatient/*.parquet",
    files=2,
    records_per_person=1.0,
    by_age=((0, 5, 18, 30, 50, 65, 80, 95), (0.6, 0.5, 0.5, 0.9, 1.0, 1.5, 2.1, 1.6)),
    record_id="APPOINTMENT_ID",
    trust="acute",
    columns={
        "local_patient_id": "PATIENT_ID",
        "nhs_number": "NHS_NUMBER",
        "given_name": "GIVEN_NAME",
        "family_name": "FAMILY_NAME",
        "birth_date": "BIRTH_DATE",
        "gender": "GENDER_CODE",
        "postcode": "POSTCODE",
    },
    payload={
        "APPOINTMENT_DATE": Day(),
        "SPECIALTY": Codes(_SPECIALTIES),
        "CLINIC": Codes(("MAIN", "EAST", "NORTH", "VIRTUAL")),
        "ATTENDED": Codes(("5", "5", "5", "7", "2", "3")),
        "FIRST_ATTENDANCE": Codes(("2", "2", "1")),
        "TARIFF": Amount(138, 0.35),
        "ETHNIC_CATEGORY": OfPerson("ethnic_group", missing=0.10, instead="Z"),
    },
    ethnic_group="ETHNIC_CATEGORY",
    events={"start": "APPOINTMENT_DATE"},
)

_EMERGENCY: Final = Provider(
    name="emergency",
    data="emergency.csv",
    records_per_person=0.38,
    by_age=((0, 1, 5, 18, 25, 40, 65, 80, 95), (2.2, 2.2, 1.0, 1.1, 1.3, 0.9, 0.8, 1.6, 2.6)),
    record_id="AttendanceNumber",
    number="spaced",
    dates="%d-%b-%Y",
    gender=_LETTERS,
    title_case=True,
    trust="acute",
    unlisted=1.6,
    columns={
        "local_patient_id": "LocalPatientId",
        "nhs_number": "NHSNumber",
        "given_name": "Forename",
        "family_name": "Surname",
        "birth_date": "DateOfBirth",
        "gender": "Sex",
        "postcode": "Postcode",
    },
    payload={
        "ArrivalDate": Day(),
        "ArrivalMode": Codes(("1048071000000103", "1048031000000100", "1048061000000105")),
        "Acuity": Codes(("1064911000000105", "1077241000000103", "1064901000000108", "1064891000000107")),
        "ChiefComplaint": Codes(("29857009", "21522001", "267036007", "125605004", "82991003", "386661006")),
        "MinutesInDepartment": Count(215),
        "Discharge": Codes(("182992009", "306689006", "1066331000000109", "305398007")),
        "Tariff": Amount(205, 0.4),
        "EthnicCategory": OfPerson("ethnic_group", missing=0.14, instead="Z"),
    },
    ethnic_group="EthnicCategory",
    events={"start": "ArrivalDate"},
)

_COMMUNITY: Final = Provider(
    name="community",
    data="community.parquet",
    records_per_person=0.35,
    by_age=((0, 2, 5, 18, 50, 65, 80, 95), (3.0, 0.8, 0.5, 0.2, 0.4, 0.9, 3.0, 6.0)),
    record_id="CONTACT_ID",
    dates="%Y-%m-%d",
    gender=_WORDS,
    title_case=True,
    accents=True,
    trust="community",
    columns={
        "local_patient_id": "CLIENT_NO",
        "nhs_number": "NHS_NUM",
        "given_name": "FIRST_NAME",
        "family_name": "LAST_NAME",
        "birth_date": "BIRTH_DATE",
        "gender": "GENDER",
        "address": "ADDRESS_LINE",
        "postcode": "POST_CODE",
    },
    payload={
        "CONTACT_DATE": Day(),
        "TEAM": Codes(("District nursing", "Therapy", "Podiatry", "Continence", "Wheelchairs")),
        "ACTIVITY_CODE": Codes(("225358003", "311791003", "410155007", "386053000")),
        "MINUTES": Count(32),
        "HOME_VISIT": Flag(0.6),
    },
    events={"start": "CONTACT_DATE"},
)

_MENTAL_HEALTH: Final = Provider(
    name="mental_health",
    data="mental_health.arrow",
    records_per_person=0.12,
    by_age=((0, 5, 10, 16, 25, 45, 65, 80, 95), (0, 0.1, 0.8, 1.8, 1.5, 1.1, 0.7, 1.3, 1.6)),
    record_id="ServiceRequestId",
    accents=True,
    trust="partnership",
    unlisted=0.8,
    columns={
        "local_patient_id": "LocalPatientId",
        "nhs_number": "NHSNumber",
        "given_name": "GivenName",
        "family_name": "FamilyName",
        "birth_date": "PersonBirthDate",
        "gender": "Gender",
        "postcode": "Postcode",
    },
    payload={
        "ReferralDate": Day(),
        "TeamType": Codes(("A06", "A02", "C02", "A01", "A18", "D01")),
        "PrimaryReason": Codes(("10", "11", "16", "05", "01", "24"), missing=0.08),
        "Contacts": Count(6.5),
        "DetainedUnderAct": Flag(0.02),
        "EthnicCategory": OfPerson("ethnic_group", missing=0.07, instead="Z"),
    },
    ethnic_group="EthnicCategory",
    withheld=("DetainedUnderAct",),
    events={"start": "ReferralDate"},
)

_TALKING_THERAPIES: Final = Provider(
    name="talking_therapies",
    data="talking_therapies.csv",
    records_per_person=0.05,
    by_age=((*_ADULTS[:3], 25, 40, 65, 85), (0, 0, 1.6, 1.9, 1.3, 0.7, 0.2)),
    record_id="Episode",
    dates="%d/%m/%y",
    trust="partnership",
    columns={
        "local_patient_id": "Patient Ref",
        "nhs_number": "NHS Number",
        "family_name": "Surname",
        "given_name": "First Name",
        "birth_date": "D.O.B.",
        "gender": "Gender Code",
        "postcode": "Home Postcode",
    },
    payload={
        "Referred": Day(),
        "First Appointment": Day(after=18),
        "PHQ-9": Count(14),
        "GAD-7": Count(12),
        "Sessions": Count(5.2),
        "Outcome": Codes(("Completed", "Dropped out", "Declined", "Referred on"), missing=0.15),
    },
    events={"start": "Referred"},
)

_ADULT_SOCIAL_CARE: Final = Provider(
    name="adult_social_care",
    data="adult_social_care.csv",
    records_per_person=0.10,
    by_age=((0, 18, 18.01, 50, 65, 75, 85, 95), (0, 0, 0.4, 0.5, 0.8, 2.0, 6.0, 10.0)),
    record_id="service_id",
    dates="%Y%m%d",
    gender=_WORDS,
    title_case=True,
    accents=True,
    trust="council",
    columns={
        "local_patient_id": "person_id",
        "given_name": "forenames",
        "family_name": "surname",
        "birth_date": "date_of_birth",
        "gender": "gender",
        "address": "address",
        "postcode": "postcode",
        "nhs_number": "nhs_number",
    },
    payload={
        "service_start": Day(),
        "service_type": Codes(("Home care", "Equipment", "Reablement", "Residential", "Nursing", "Direct payment")),
        "primary_support_reason": Codes(("Physical", "Memory", "Learning disability", "Mental health", "Sensory")),
        "hours_a_week": Count(11),
        "weekly_cost": Amount(340, 0.7),
        "lives_alone": Flag(0.45),
    },
    events={"start": "service_start"},
)

_AMBULANCE: Final = Provider(
    name="ambulance",
    data="ambulance.csv",
    records_per_person=0.15,
    by_age=((0, 5, 18, 30, 50, 65, 80, 95), (0.5, 0.3, 0.7, 0.8, 0.8, 1.1, 3.0, 6.0)),
    record_id="incident",
    dates="%d/%m/%Y",
    gender=_WORDS,
    unlisted=1.6,
    columns={
        "nhs_number": "nhs_no",
        "family_name": "pt_surname",
        "given_name": "pt_forename",
        "birth_date": "pt_dob",
        "gender": "pt_sex",
        "postcode": "incident_postcode",
    },
    payload={
        "incident_date": Day(),
        "category": Codes(("2", "3", "1", "4", "HCP")),
        "response_minutes": Count(38),
        "complaint_code": Codes(("17", "06", "10", "26", "31", "12", "28"), missing=0.02),
        "conveyed": Flag(0.56),
        "cost": Amount(365, 0.25),
    },
    note="The postcode is of the place of the incident, which is home for about half of the records.",
    events={"start": "incident_date"},
)

_NHS_111: Final = Provider(
    name="nhs_111",
    data="nhs_111.parquet",
    records_per_person=0.22,
    by_age=((0, 1, 5, 18, 30, 65, 80, 95), (3.0, 2.6, 1.2, 0.9, 1.1, 0.7, 1.2, 1.8)),
    record_id="CASE_REF",
    dates="%Y-%m-%d",
    gender=_WORDS,
    unlisted=1.4,
    columns={
        "nhs_number": "NHS_NUMBER",
        "given_name": "FORENAME",
        "family_name": "SURNAME",
        "birth_date": "DOB",
        "gender": "GENDER",
        "postcode": "POSTCODE",
    },
    payload={
        "CALL_DATE": Day(),
        "SYMPTOM_GROUP": Codes(("1203", "1034", "1011", "1184", "1068", "1193")),
        "DISPOSITION": Codes(("DX05", "DX02", "DX012", "DX11", "DX08", "DX38")),
        "CALL_SECONDS": Count(640),
        "CALLER_IS_PATIENT": Flag(0.62),
    },
    note="One caller in five gives no name.",
    events={"start": "CALL_DATE"},
)

_OUT_OF_HOURS: Final = Provider(
    name="out_of_hours",
    data="out_of_hours.csv",
    records_per_person=0.10,
    by_age=((0, 1, 5, 18, 30, 65, 80, 95), (2.6, 2.4, 1.2, 0.7, 0.8, 0.8, 2.0, 3.5)),
    dates="%d-%m-%Y",
    gender=_LETTERS,
    title_case=True,
    unlisted=1.2,
    columns={
        "nhs_number": "NHS No",
        "given_name": "Forename",
        "family_name": "Surname",
        "birth_date": "DOB",
        "gender": "Sex",
        "address": "Address",
        "postcode": "Postcode",
    },
    payload={
        "Case Date": Day(),
        "Case Type": Codes(("Advice", "Treatment centre", "Home visit")),
        "Outcome": Codes(("Prescribed", "Self care", "Refer to GP", "Refer to hospital", "No action")),
        "Minutes": Count(22),
    },
    note="Has no record id: a record is named by its row number.",
    events={"start": "Case Date"},
)

_NATIONAL_EXTRACT: Final = Provider(
    name="national_extract",
    data="national_extract.parquet",
    records_per_person=0.25,
    by_age=((0, 5, 18, 50, 65, 80, 95), (0.8, 0.4, 0.6, 0.9, 1.5, 2.2, 2.4)),
    number="integer",
    dates="%Y%m%d",
    unlisted=0.7,
    columns={"nhs_number": "NEWNHSNO", "birth_date": "DOB", "gender": "SEX", "postcode": "HOMEPOST"},
    payload={
        "ACTIVITY_DATE": Day(),
        "PROVIDER_CODE": Codes(("ZA1", "ZB2", "ZC3", "ZD4")),
        "DIAG_01": Codes(_DIAGNOSES, maternity=("O800", "O821")),
        "HRG": Codes(("WF01A", "DZ19N", "EB07E", "LA04S", "FD10M", "PD14F")),
        "NATIONAL_COST": Amount(410, 0.9),
        "ETHNOS": OfPerson("ethnic_group", missing=0.08, instead="Z"),
    },
    ethnic_group="ETHNOS",
    note="Sent without names and without a record id: a record is named by its row number.",
    events={"start": "ACTIVITY_DATE", "diagnosis": "DIAG_01"},
)

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            *(_GP, _INPATIENT, _OUTPATIENT, _EMERGENCY, _COMMUNITY, _MENTAL_HEALTH, _TALKING_THERAPIES),
            *(_ADULT_SOCIAL_CARE, _AMBULANCE, _NHS_111, _OUT_OF_HOURS, _NATIONAL_EXTRACT),
        )
    }
)
"""The providers by name of the source; the spine comes first."""
