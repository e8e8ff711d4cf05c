"""The embedded servers: started in an empty folder, found again, shared, stopped, and brought back after a mishap."""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from config.services import ServiceError, Services, place, postgres, process
from config.services import redis as embedded_redis
from config.services.errors import IncompatibleDataError


@pytest.fixture
def public():
    """A folder that the servers' user can pass through, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def home(public, monkeypatch):
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    yield public / "services"
    found = place.find(public / "services")  # whoever still holds a share: the test is over
    embedded_redis.stop(found)
    postgres.stop(found)


def answers(endpoints) -> bool:
    with psycopg.connect(endpoints.database_url) as connection, redis.Redis.from_url(endpoints.redis_url) as client:
        return connection.execute("SELECT 1").fetchone() == (1,) and client.ping()


def test_both_servers_start_in_an_empty_folder_and_stop(home):
    services = Services(home)
    endpoints = services.start()
    assert answers(endpoints)
    assert services.started
    assert services.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(endpoints.database_url, connect_timeout=2)


def test_a_second_user_finds_them_and_the_first_cannot_stop_them(home):
    first, second = Services(home), Services(home)
    endpoints = first.start()
    assert second.start() == endpoints
    assert not second.started
    assert not first.stop()
    assert answers(endpoints)
    assert second.stop()


def test_data_outlives_a_killed_server(home):
    services = Services(home)
    endpoints = services.start()
    with psycopg.connect(endpoints.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    identity = process.recall(place.find(home).root / "postgres")
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)  # its children find out by themselves, a moment later
    again = Services(home).start()
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    services.stop()


def test_a_taken_port_leads_to_another(home):
    services = Services(home)
    first = services.start()
    services.stop()
    port = urlsplit(first.database_url).port
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        again = services.start()
    assert f":{port}/" not in again.database_url
    assert answers(again)


def test_an_interrupted_first_start_is_begun_anew(home):
    root = place.find(home)
    torn = root.folder("postgres") / "data.new"
    torn.mkdir()
    (torn / "PG_VERSION").write_text("18")
    assert answers(Services(home).start())


def test_stale_identity_and_lock_files_are_no_obstacle(home):
    services = Services(home)
    services.start()
    services.stop()
    folder = place.find(home).root / "postgres"
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'data'}\n0\n0\n\n\n\n")
    (folder / "server.json").write_text('{"pid": 1, "born_at": 0.0}')
    assert answers(services.start())


def test_data_of_another_version_is_refused_with_a_way_on(home):
    services = Services(home)
    services.start()
    services.stop()
    (place.find(home).root / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(IncompatibleDataError, match="DATABASE_URL"):
        services.start()


def test_servers_of_ones_own_take_precedence(home, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://mine/db")
    monkeypatch.setenv("REDIS_URL", "redis://mine/0")
    assert Services(home).start().database_url == "postgresql://mine/db"
    assert not home.exists()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(home):
    services = Services(home)
    services.start()
    services.stop()
    configuration = place.find(home).root / "postgres" / "data" / "postgresql.conf"
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(ServiceError, match="no_such_setting"):
        services.start()


def test_a_database_is_not_left_for_an_empty_one_when_its_folder_becomes_private(public, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    services = public / "services"
    assert place.find(services).root == services
    public.chmod(0o700)
    elsewhere = place.find(services).root  # nothing is there yet, so it may be anywhere
    try:
        assert elsewhere.parent == Path("/var/tmp")
        (services / "postgres" / "data").mkdir(parents=True)
        (services / "postgres" / "data" / "PG_VERSION").write_text("18\n")
        with pytest.raises(ServiceError, match="holds a database"):
            place.find(services)
    finally:
        shutil.rmtree(elsewhere)


def test_a_database_elsewhere_stays_the_one_when_the_folder_becomes_public(public, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    public.chmod(0o700)
    elsewhere = place.find(public / "services").root
    try:
        (elsewhere / "postgres" / "data").mkdir(parents=True)
        (elsewhere / "postgres" / "data" / "PG_VERSION").write_text("18\n")
        public.chmod(0o755)
        assert place.find(public / "services").root == elsewhere
    finally:
        shutil.rmtree(elsewhere)
