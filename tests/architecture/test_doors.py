"""Packages meet at doors: what may be imported across a wall is a short list, checked on the real import graph."""

import grimp
import pytest


@pytest.fixture(scope="module")
def crossings():
    graph = grimp.build_graph("config", "billing", "agents", "metering", "runtime")

    def crossings(importer, imported):
        return {
            target
            for module in graph.modules
            if module.split(".")[0] == importer
            for target in graph.find_modules_directly_imported_by(module)
            if target.split(".")[0] == imported
        }

    return crossings


def test_the_service_takes_from_the_runtime_only_the_wire(crossings):
    for importer in ("agents", "billing"):
        assert {name for name in crossings(importer, "runtime") if not name.startswith("runtime.wire")} == set()


def test_agents_writes_usage_through_one_door(crossings):
    assert crossings("agents", "metering") <= {"metering.ingest", "metering.event", "metering.usage"}


def test_billing_reads_usage_through_one_door(crossings):
    assert crossings("billing", "metering") <= {"metering.usage", "metering.errors"}


@pytest.mark.parametrize("package", ["billing", "agents", "metering", "runtime"])
def test_nobody_imports_the_wiring(crossings, package):
    assert crossings(package, "config") == set()
