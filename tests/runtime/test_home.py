"""A device's home: made once, its key kept to itself."""

import json
import stat

import pytest

from runtime import home
from runtime.errors import HomeError, HomeExistsError, HomeMissingError


def test_a_home_is_made_once_and_found_again(tmp_path):
    made = home.create(path=tmp_path / "a" / "home", device="press-7")

    found = home.load(path=tmp_path / "a" / "home")
    assert (found.device, found.epoch, found.public_key) == ("press-7", 1, made.public_key)
    assert home.create(path=found.path, device="press-7").public_key == made.public_key


def test_only_the_owner_can_read_the_key(tmp_path):
    made = home.create(path=tmp_path / "home", device="press-7")

    assert stat.S_IMODE((made.path / home.KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700


def test_a_key_that_others_may_read_is_refused(tmp_path):
    made = home.create(path=tmp_path, device="press-7")
    (made.path / home.KEY_FILE).chmod(0o644)

    with pytest.raises(HomeError, match="chmod 600"):
        home.load(path=tmp_path)


def test_a_home_does_not_change_its_device(tmp_path):
    home.create(path=tmp_path, device="press-7")

    with pytest.raises(HomeExistsError, match="home of press-7"):
        home.create(path=tmp_path, device="press-8")


def test_an_interrupted_creation_is_completed_with_the_key_it_had_made(tmp_path):
    made = home.create(path=tmp_path, device="press-7")
    (tmp_path / home.DEVICE_FILE).unlink()

    assert home.create(path=tmp_path, device="press-7").public_key == made.public_key


def test_a_folder_without_a_device_says_how_to_begin(tmp_path):
    with pytest.raises(HomeMissingError, match="runtime init"):
        home.load(path=tmp_path)


@pytest.mark.parametrize("device", ["", "a b", "a:b", "../x", "-x", "x" * 101])
def test_a_malformed_device_key_is_refused_before_anything_is_made(tmp_path, device):
    with pytest.raises(HomeError, match="device"):
        home.create(path=tmp_path / "home", device=device)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("about", ["", "[]", "{}", '{"device": 1, "epoch": 1}', '{"device": "a", "epoch": 0}'])
def test_a_damaged_description_is_refused(tmp_path, about):
    home.create(path=tmp_path, device="press-7")
    (tmp_path / home.DEVICE_FILE).write_text(about)

    with pytest.raises(HomeError, match=r"device\.json"):
        home.load(path=tmp_path)


def test_a_truncated_key_is_refused(tmp_path):
    made = home.create(path=tmp_path, device="press-7")
    (made.path / home.KEY_FILE).write_bytes(b"short")

    with pytest.raises(HomeError, match="32 bytes"):
        home.load(path=tmp_path)


def test_devices_that_nobody_named_get_different_keys():
    assert len({home.draw_device_key() for _ in range(20)}) == 20


def test_the_default_home_can_be_chosen_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTMETER_HOME", str(tmp_path))
    assert home.default_path() == tmp_path
    monkeypatch.delenv("AGENTMETER_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.default_path() == tmp_path / ".agentmeter"


def test_the_description_is_plain_json(tmp_path):
    home.create(path=tmp_path, device="press-7")

    assert json.loads((tmp_path / home.DEVICE_FILE).read_text()) == {"device": "press-7", "epoch": 1}
