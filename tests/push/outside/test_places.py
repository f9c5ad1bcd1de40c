"""Users and ground stations from files: what they change, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push.outside import places
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.push.world.users import users_of

DATA = Path(__file__).parents[3] / "examples/data"
USERS, MAP, GROUND = (DATA / name for name in ("users.csv", "users.geojson", "ground.csv"))
TINY = PRESETS["push-tiny-v2"]


def test_csv_and_geojson_say_the_same() -> None:
    """The places of both examples are equal, as far as both have them."""
    table, features = places.users(str(USERS)), places.users(str(MAP))
    assert table.names == ("Wuhan", "Chengdu", "Harbin")
    assert features.names == table.names[:2]
    for name in ("lat_deg", "lon_deg", "box_deg"):
        assert np.array_equal(getattr(features, name), getattr(table, name)[:2], equal_nan=True)


def test_users_of_a_file() -> None:
    """They stand where it says; without a region theirs is the usual one around them."""
    scenario = from_parameters(TINY, {"user_places": str(USERS)})
    assert scenario.num_users == 3
    found = users_of(scenario)
    assert found.lat_deg.tolist() == [30.6, 30.7, 45.8]
    assert found.box_deg[0].tolist() == [18, 45, 90, 130]
    south, north, west, east = found.box_deg[1]
    assert (south + north, west + east) == pytest.approx((2 * 30.7, 2 * 104.1))
    side = np.sqrt(scenario.roi_fraction)
    assert (north - south, east - west) == pytest.approx((50 * side, 80 * side))
    drawn = users_of(replace(TINY, num_users=3))
    assert np.array_equal(found.payload, drawn.payload)


def test_sizes_that_contradict_a_file_are_refused() -> None:
    """The number of users is the file's, whatever way a scenario is made."""
    with pytest.raises(InputError, match=r"num_users: expected 3, as in .*users\.csv, found 2"):
        from_parameters(TINY, {"user_places": str(USERS), "num_users": "2"})
    with pytest.raises(InputError, match="num_users: expected the number of users"):
        generate(replace(TINY, user_places=str(USERS)), 1, "")


def test_the_way_to_a_ground_station_takes_time() -> None:
    """Ground delays are those without a file, plus the way along the Earth at the speed given."""
    near = from_parameters(TINY, {"user_places": str(MAP), "requests_per_user": "2"})
    slow = replace(near, ground_stations=str(GROUND), propagation_m_s=1e6)
    plain, ways = generate(near, 1, ""), generate(slow, 1, "")
    assert set(plain.requests[:, 5]) == {1_000_000}
    found = {u: set(ways.requests[ways.requests[:, 0] == u, 5]) for u in (0, 1)}
    # Wuhan - Sanya and Chengdu - Sanya, great circles by the spherical law of cosines
    for user, (lat, lon) in enumerate([(30.6, 114.3), (30.7, 104.1)]):
        a, b, turn = np.radians([lat, 18.25, lon - 109.51])
        angle = np.arccos(np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(turn))
        assert found[user] == {round(1_000_000 + 6_371_008.8 * angle)}


WRONG = [
    ("lat_deg,lon_deg\n91,0\n", r"line 2, lat_deg: expected a number -90\.\.90, found '91'"),
    ("lat_deg,lon_deg\n0,361\n", r"line 2, lon_deg: expected a number -180\.\.360"),
    ("lat_deg,lon_deg\nnan,0\n", "line 2, lat_deg: expected a number"),
    ("lat_deg,lon_deg,name\n0,0,A\n1,1,A\n", "line 3: expected each name once, found 'A'"),
    ("lat_deg,lon_deg,name\n0,0,\n", "line 2, name: expected a text"),
    ("lat_deg,lon_deg,south_deg\n0,0,1\n", "line 2: expected a region with all of"),
    (
        "lat_deg,lon_deg,south_deg,north_deg,west_deg,east_deg\n0,0,5,4,1,2\n",
        r"line 2, north_deg: expected a number 5\.\.90, found '4'",
    ),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_with_places(tmp_path: Path, text: str, told: str) -> None:
    """A line that is no place is named."""
    path = tmp_path / "u.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"u\.csv: {told}"):
        places.users(str(path))


POINT: dict[str, Any] = {"type": "Point", "coordinates": [100, 30]}
RING = [[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]


def _features(geometry: Any) -> str:
    feature = {"type": "Feature", "properties": None, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


WRONG_MAPS = [
    ("{", "expected a JSON object"),
    ('{"type": "Feature"}', "type: Invalid enum value"),
    (json.dumps({"type": "FeatureCollection", "features": []}), "features: expected at least one"),
    (_features(None), "geometry: Expected"),
    (_features({"type": "LineString"}), r"features\[0\]\.geometry\.type: expected a Point, a Pol"),
    (_features(POINT | {"coordinates": [100, 91]}), r"features\[0\]\.geometry\.coordinates: exp"),
    (_features(POINT | {"coordinates": [True, 1]}), "expected positions"),
    (_features({"type": "Polygon", "coordinates": [[*RING[:3], [1, 2], RING[0]]]}), "rectangle"),
    (_features({"type": "Polygon", "coordinates": [RING, RING]}), "rectangle"),
    (_features({"type": "Polygon", "coordinates": [RING[:4]]}), "rectangle"),
    (_features({"type": "GeometryCollection", "geometries": [POINT, POINT]}), "expected a Point"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_MAPS)
def test_what_is_wrong_with_features(tmp_path: Path, text: str, told: str) -> None:
    """A feature that is no place or rectangle is named."""
    path = tmp_path / "u.geojson"
    path.write_text(text)
    with pytest.raises(InputError, match=told) as caught:
        places.users(str(path))
    assert str(caught.value).startswith(str(path))


def test_stations_have_no_regions() -> None:
    """A region says nothing of a ground station, so it is refused."""
    with pytest.raises(InputError, match="line 2: expected columns of lat_deg, lon_deg, name"):
        places.stations(str(USERS))
    with pytest.raises(InputError, match=r"features\[0\]: expected a Point"):
        places.stations(str(MAP))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """What was read is forgotten when the file changes."""
    path = tmp_path / "u.csv"
    path.write_text("lat_deg,lon_deg\n10,100\n")
    assert len(places.users(str(path))) == 1
    path.write_text("lat_deg,lon_deg\n10,100\n11,101\n")
    assert len(places.users(str(path))) == 2
