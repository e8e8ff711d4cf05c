"""Packages meet at doors: what may be imported across a wall is a short list, checked on the real import graph."""

import grimp
import pytest


@pytest.fixture(scope="module")
def crossings():
    graph = grimp.build_graph("config", "billing", "agents", "metering", "runtime")

    def crossings(importer, imported, below=frozenset(), to=None):
        """What `importer` imports of `imported`; without its parts named in `below`, and only `to` where given."""
        return {
            target
            for module in graph.modules
            if module.split(".")[0] == importer and not below & set(module.split(".")[1:2])
            for target in graph.find_modules_directly_imported_by(module)
            if target.split(".")[0] == imported and to in {None, target}
        }

    return crossings


def test_the_service_takes_from_the_runtime_only_the_wire(crossings):
    for importer in ("agents", "billing"):
        assert {name for name in crossings(importer, "runtime") if not name.startswith("runtime.wire")} == set()


# Events go in through ingest; usage, receipts of devices and single records come out; faces may share faces.
DOORS = {"metering.ingest", "metering.event", "metering.usage", "metering.receipts", "metering.records"}
DOORS |= {"metering.errors"}
FACES = {"metering.api.queries", "metering.admin.evidence"}


def test_agents_meets_metering_at_its_doors(crossings):
    assert crossings("agents", "metering") <= DOORS | FACES
    assert {
        face for face in FACES if crossings("agents", "metering", below={"admin", "api", "compat"}, to=face)
    } == set()


def test_billing_reads_usage_through_one_door_and_its_proof_through_another(crossings):
    assert crossings("billing", "metering") <= {"metering.usage", "metering.evidence", "metering.errors"}


@pytest.mark.parametrize("package", ["billing", "agents", "metering", "runtime"])
def test_nobody_imports_the_wiring(crossings, package):
    assert crossings(package, "config") == set()
