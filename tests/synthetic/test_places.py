import polars as pl


def test_about_fifteen_homes_share_a_postcode(population):
    homes = population.places.dwellings.head(population.places.homes)
    sizes = homes.group_by("postcode").len()["len"]
    assert 13 < sizes.mean() < 17
    assert sizes.std() > 5


def test_postcodes_are_well_formed_and_of_the_area(population):
    places = population.places
    postcodes = places.dwellings["postcode"]
    # The pattern that the Royal Mail publishes for districts of this form.
    assert postcodes.head(places.no_fixed_abode).str.contains(r"^[A-Z]{1,2}\d{1,2} \d[ABD-HJLNP-UW-Z]{2}$").all()
    area = postcodes.head(places.homes + places.establishments)
    assert area.str.contains(r"^(EX|PL|TQ)\d").all()
    assert not postcodes.gather(list(places.outside)).str.contains(r"^(EX|PL|TQ)\d").any()
    assert postcodes[places.no_fixed_abode] == "ZZ99 3VZ"


def test_a_postcode_is_one_street_in_one_neighbourhood(population):
    homes = population.places.dwellings.head(population.places.homes)
    by = homes.group_by("postcode").agg(
        pl.col("lsoa", "deprivation").n_unique(), pl.col("address").str.extract(r"(, [^,]+)$").n_unique()
    )
    assert by.select(pl.col("lsoa", "deprivation", "address").max()).row(0) == (1, 1, 1)
    assert homes.group_by("lsoa").agg(pl.col("deprivation").n_unique())["deprivation"].max() == 1


def test_addresses_are_one_line_and_mostly_unique(population):
    homes = population.places.dwellings.head(population.places.homes)
    assert homes["address"].str.contains("\n", literal=True).sum() == 0
    assert homes.select(pl.struct("postcode", "address").is_duplicated().mean()).item() < 0.01
    assert 0.05 < homes["address"].str.starts_with("Flat ").mean() < 0.2


def test_deprivation_has_every_decile(population):
    counts = population.places.dwellings["deprivation"].drop_nulls().value_counts()
    assert sorted(counts["deprivation"]) == list(range(1, 11))
