"""Build the places where people live: fictitious postcodes, streets and dwellings of an area similar to Devon."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.names import BEGINNINGS, ENDINGS

__all__ = ["Places", "build_places"]

Index = npt.NDArray[np.int64]

_HOMES_PER_POSTCODE: Final = 15
_POSTCODES_PER_LSOA: Final = 44  # an LSOA holds about 650 homes
_HOMES_PER_PRACTICE: Final = 4_200  # about 9,500 patients
_POSTCODES_IN_DISTRICT: Final = 3_000  # at most; a district has 3,600 well-formed units
_OUTSIDE_SHARE: Final = 0.02  # share of dwellings elsewhere, where visitors live and newcomers lived
_INWARD_LETTERS: Final = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))  # C, I, K, M, O and V are never used

# Postcode district, invented town, weight (number of homes), whether it is a city.
_DISTRICTS: Final = (
    *((f"EX{district}", "Iscaford", 3.0, True) for district in (1, 2, 3, 4)),
    ("EX5", "Clystbury", 1.4, False),
    ("EX6", "Haldonleigh", 1.0, False),
    ("EX7", "Dawcombe", 1.1, False),
    ("EX8", "Exe Regis", 2.6, False),
    ("EX9", "Budbourne", 0.5, False),
    ("EX10", "Sidwell Bay", 1.2, False),
    ("EX11", "Ottery Cross", 0.7, False),
    ("EX12", "Seaholm", 0.9, False),
    ("EX13", "Axebridge", 1.0, False),
    ("EX14", "Honeyford", 1.2, False),
    ("EX15", "Cullhampton", 1.2, False),
    ("EX16", "Tivercombe", 2.0, False),
    ("EX17", "Crediford", 1.3, False),
    ("EX18", "Chulmbury", 0.3, False),
    ("EX19", "Winkbourne", 0.3, False),
    ("EX20", "Okeminster", 1.3, False),
    ("EX21", "Beaworth", 0.4, False),
    ("EX22", "Holsbury", 0.8, False),
    ("EX24", "Colyham", 0.3, False),
    ("EX31", "Barnminster", 1.8, False),
    ("EX32", "Barnminster", 1.6, False),
    ("EX33", "Braunstow", 0.7, False),
    ("EX34", "Ilfracliff", 1.2, False),
    ("EX35", "Lynhaven", 0.2, False),
    ("EX36", "South Moltley", 0.6, False),
    ("EX37", "Umberford", 0.4, False),
    ("EX38", "Torrbury", 0.7, False),
    ("EX39", "Bidehampton", 2.0, False),
    *((f"PL{district}", "Tamarmouth", 3.0, True) for district in (1, 2, 3, 4, 5, 6, 7)),
    ("PL8", "Yealmcombe", 0.5, False),
    ("PL9", "Plymstow", 1.9, False),
    ("PL16", "Liftonbury", 0.2, False),
    ("PL19", "Tavybridge", 1.0, False),
    ("PL20", "Yelverleigh", 0.7, False),
    ("PL21", "Ivyford", 1.2, False),
    *((f"TQ{district}", "Torhaven", 2.6, True) for district in (1, 2, 3)),
    ("TQ4", "Paignbury", 1.5, False),
    ("TQ5", "Brixcombe", 1.3, False),
    ("TQ6", "Dartwick", 0.6, False),
    ("TQ7", "Kingsburn", 0.8, False),
    ("TQ8", "Salthaven", 0.3, False),
    ("TQ9", "Totford", 1.0, False),
    ("TQ10", "Brentmoor", 0.3, False),
    ("TQ11", "Buckfold", 0.3, False),
    ("TQ12", "Newton Parva", 3.2, False),
    ("TQ13", "Bovey Cross", 1.2, False),
    ("TQ14", "Teigncliff", 1.3, False),
)
_OUTSIDE: Final = ("BS3", "BS16", "TA1", "TA6", "TR1", "TR15", "BA2", "CF10", "CF24", "B15", "B29", "M14", "LS6")
_OUTSIDE_TOWN: Final = "Northminster"
_COMMON_STREETS: Final = (
    *("Church", "Station", "High", "Victoria", "Mill", "Park", "School", "Chapel", "Queen", "King", "Albert", "George"),
    *("Manor", "Orchard", "Meadow", "Elm", "Oak", "Beech", "Poplar", "Kingsway", "Fore", "Market", "Bridge", "Castle"),
)
_STREET_KINDS: Final = {
    **{"Road": 30, "Street": 17, "Close": 18, "Avenue": 10, "Lane": 10, "Drive": 8, "Way": 6, "Gardens": 4},
    **{"Terrace": 5, "Crescent": 4, "Hill": 4, "Place": 3, "Grove": 3},
}
_HOUSE_NAMES: Final = ("Cottage", "House", "Farm", "Barn", "Lodge", "View", "Villa")
_CARE_HOMES: Final = ("Residential Home", "Nursing Home", "Court Care Home", "Rest Home")


@dataclass(frozen=True)
class Places:
    """All dwellings.

    Parameters
    ----------
    dwellings : polars.DataFrame
        ``postcode``, ``address`` (one line, without the postcode), ``lsoa``, ``deprivation`` (decile of the index of
        multiple deprivation, 1 most deprived), ``practice`` (the local GP practice), ``city`` (Boolean). Homes come
        first, in order of place, so that homes with near numbers are near each other. Then come the communal
        establishments, the dwellings outside the area, and "no fixed abode".
    homes : int
        Number of homes.
    establishments : int
        Number of communal establishments.
    """

    dwellings: pl.DataFrame
    homes: int
    establishments: int

    @property
    def outside(self) -> range:
        """The numbers of the dwellings outside the area."""
        return range(self.homes + self.establishments, len(self.dwellings) - 1)

    @property
    def no_fixed_abode(self) -> int:
        """The number of the dwelling "no fixed abode"."""
        return len(self.dwellings) - 1


def build_places(rng: np.random.Generator, homes: int, establishments: tuple[int, int, int]) -> Places:
    """Build postcodes, streets and dwellings."""
    postcodes = _postcodes(rng, homes)
    sizes = rng.gamma(3.0, size=len(postcodes))
    counts = rng.multinomial(homes, sizes / sizes.sum())
    private = postcodes[np.repeat(np.arange(len(postcodes)), counts)].with_columns(
        # Position of a home within its postcode.
        pl.Series("position", np.arange(homes) - np.repeat(np.cumsum(counts) - counts, counts))
    )
    private = private.with_columns(
        practice=_practice_codes(np.arange(homes) // _HOMES_PER_PRACTICE), address=_addresses(rng, private)
    )
    communal = private[rng.integers(0, homes, size=sum(establishments))].with_columns(
        # A postcode of its own, as large establishments have: no home is in sector 0.
        postcode=_units(rng, sum(establishments), sector=0),
        address=_establishment_names(rng, establishments),
    )
    communal = communal.with_columns(
        postcode=pl.col("district") + " " + pl.col("postcode"),
        address=pl.concat_str(pl.col("address"), pl.col("street"), pl.col("town"), separator=", "),
    )
    columns = ["postcode", "address", "lsoa", "deprivation", "practice", "city"]
    dwellings = pl.concat(
        [frame.select(columns) for frame in (private, communal, _outside(rng, homes), _nowhere())],
        how="vertical_relaxed",
    )
    return Places(dwellings, homes, sum(establishments))


def _postcodes(rng: np.random.Generator, homes: int) -> pl.DataFrame:
    """Return one row for each postcode, in order of place, with its street, LSOA and deprivation."""
    weights = np.array([weight for _, _, weight, _ in _DISTRICTS])
    wanted = weights / weights.sum() * homes / _HOMES_PER_POSTCODE
    # Rounded up or down at random, so that a small run does not fill every district; at least one postcode.
    counts = np.minimum(np.floor(wanted + rng.random(len(wanted))).astype(np.int64), _POSTCODES_IN_DISTRICT)
    counts[0] = max(counts[0], 1)
    units = []
    for count in counts:
        sectors = min(int(count) // 150 + 1, 9)
        chosen = np.sort(rng.choice(sectors * 400, size=count, replace=False, shuffle=False))
        units.append(_unit_text(chosen // 400 + 1, chosen % 400))
    district = np.repeat(np.arange(len(_DISTRICTS)), counts)
    table = pl.DataFrame(_DISTRICTS, schema=["district", "town", "weight", "city"], orient="row")[district]
    area = np.arange(len(district)) // _POSTCODES_PER_LSOA
    deprived = rng.normal(size=area[-1] + 1)[area] + 0.7 * table["city"].to_numpy()
    # Deciles of whole LSOAs, by the rank of the first postcode of each.
    first = np.searchsorted(area, np.arange(area[-1] + 1))
    decile = 10 - np.argsort(np.argsort(deprived[first])) * 10 // len(first)
    street = rng.integers(0, 4, size=len(district)) == 0
    named = _pick(rng, np.array(_COMMON_STREETS), len(district))
    made = np.char.add(_pick(rng, np.array(BEGINNINGS), len(district)), _pick(rng, np.array(ENDINGS), len(district)))
    kinds = np.array(list(_STREET_KINDS))
    shares = np.array(list(_STREET_KINDS.values()), dtype=np.float64)
    return table.with_columns(
        postcode=pl.col("district") + " " + pl.concat(units),
        street=pl.Series(np.where(street, named, made)) + " " + pl.Series(_pick(rng, kinds, len(district), shares)),
        lsoa=pl.lit("E019") + pl.Series(area).cast(pl.String).str.zfill(5),  # no real area has such a code
        deprivation=pl.Series(decile[area], dtype=pl.UInt8),
        house=pl.Series(rng.integers(1, 90, size=len(district))),
        flats=pl.Series(rng.random(len(district)) < 0.12),
    )


def _addresses(rng: np.random.Generator, homes: pl.DataFrame) -> pl.Expr:
    """Return one line for each home: a house number, a flat in a block, or, in the country, the name of a house."""
    block = pl.Series(_pick(rng, np.array(BEGINNINGS), len(homes)))
    names = block + pl.Series(_pick(rng, np.array(ENDINGS), len(homes)))
    kind = pl.Series(_pick(rng, np.array(_HOUSE_NAMES), len(homes)))
    named = pl.Series(rng.random(len(homes)) < 0.15) & ~homes["city"]
    number = pl.col("house") + 2 * pl.col("position")
    place = pl.col("street") + ", " + pl.col("town")
    return (
        pl.when(pl.col("flats"))
        .then(pl.format("Flat {}, {} {}", pl.col("position") + 1, "house", place))
        .when(named)
        .then(pl.format("{} {}, {}", names, kind, place))
        .otherwise(pl.format("{} {}", number, place))
    )


def _establishment_names(rng: np.random.Generator, establishments: tuple[int, int, int]) -> pl.Series:
    care_homes, halls, prisons = establishments
    count = sum(establishments)
    names = np.char.add(_pick(rng, np.array(BEGINNINGS), count), _pick(rng, np.array(ENDINGS), count))
    homes = np.char.add(np.char.add(names[:care_homes], " "), _pick(rng, np.array(_CARE_HOMES), care_homes))
    students = np.char.add(names[care_homes : care_homes + halls], " Hall")
    prison = np.char.add("HMP ", names[count - prisons :])
    return pl.Series("address", [*homes.tolist(), *students.tolist(), *prison.tolist()], dtype=pl.String)


def _outside(rng: np.random.Generator, homes: int) -> pl.DataFrame:
    """Return dwellings elsewhere in the country."""
    count = round(homes * _OUTSIDE_SHARE) + 20
    street = pl.Series(_pick(rng, np.array(_COMMON_STREETS), count))
    return pl.DataFrame(
        {
            "postcode": pl.Series(_pick(rng, np.array(_OUTSIDE), count)) + " " + _units(rng, count),
            "address": pl.select(
                pl.format("{} {} Road, {}", pl.Series(rng.integers(1, 200, size=count)), street, pl.lit(_OUTSIDE_TOWN))
            ).to_series(),
        }
    ).with_columns(
        lsoa=pl.lit(None, pl.String),
        deprivation=pl.lit(None, pl.UInt8),
        practice=pl.lit(None, pl.String),
        city=pl.lit(value=True),
    )


def _nowhere() -> pl.DataFrame:
    """Return the one row for people of no fixed abode (NHS Data Dictionary: ZZ99 3VZ)."""
    row = {"postcode": "ZZ99 3VZ", "address": "No fixed abode", "lsoa": None, "deprivation": None, "practice": None}
    return pl.DataFrame({**row, "city": True})


def _practice_codes(number: Index) -> pl.Series:
    """Return ODS codes of practices; no real practice has a code that begins with Z9."""
    return pl.select(pl.lit("Z9") + pl.Series(number).cast(pl.String).str.zfill(4)).to_series()


def _units(rng: np.random.Generator, count: int, sector: int | None = None) -> pl.Series:
    sectors = rng.integers(1, 10, size=count) if sector is None else np.full(count, sector)
    return _unit_text(sectors, rng.integers(0, 400, size=count))


def _unit_text(sector: Index, unit: Index) -> pl.Series:
    """Return the inward part of postcodes: a sector and two letters."""
    letters = np.char.add(_INWARD_LETTERS[unit // 20], _INWARD_LETTERS[unit % 20])
    return pl.Series("postcode", sector, dtype=pl.Int64).cast(pl.String) + pl.Series(letters, dtype=pl.String)


def _pick(
    rng: np.random.Generator,
    values: npt.NDArray[np.str_],
    count: int,
    weights: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.str_]:
    """Draw values with replacement."""
    shares = None if weights is None else weights / weights.sum()
    return values[rng.choice(len(values), size=count, p=shares)]
