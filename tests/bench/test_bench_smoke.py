"""The benchmark's own machinery: it measures what it says, on the kernel and on tract."""

from pathlib import Path

import pytest

from benchmarks import workload
from benchmarks.bench import Bench, growth_exponent
from benchmarks.figures import FIGURES
from benchmarks.report import figure_table
from benchmarks.statements import recorded_statements
from benchmarks.systems import SYSTEMS, System
from benchmarks.writers import run_writers

# The peers live in the benchmark's own environment; what tests install can run these.
_NAMES = ("kernel", "kernel-verified", "tract", "tract-no-tokens")
_BUILT: dict[str, System] = {n: SYSTEMS[n] for n in _NAMES if SYSTEMS[n].missing() is None}


@pytest.mark.parametrize("name", _BUILT)
def test_a_system_gives_back_what_was_stored_after_reopening(name: str, tmp_path: Path) -> None:
    """A system that lost or changed messages would have figures worth nothing."""
    expected = list(workload.messages(0, 52))

    handle = _BUILT[name].open(tmp_path)
    for item in expected:
        handle.append(item)
    handle.close()

    reopened = _BUILT[name].open(tmp_path)
    assert reopened.read_all() == expected
    reopened.close()


def test_the_workload_is_the_same_from_any_start() -> None:
    """A store continued from a copy holds what one built in one go holds."""
    whole = list(workload.messages(0, 40))

    assert whole == [*workload.messages(0, 13), *workload.messages(13, 40)]
    assert {item["role"] for item in whole} == {"user", "assistant", "tool"}


def test_tool_results_have_two_to_eight_thousand_characters() -> None:
    """The size that was promised is the size that is stored."""
    sizes = [len(workload.message(i)["content"]) for i in range(2, 402, workload.CYCLE)]

    assert min(sizes) >= 2_000
    assert max(sizes) <= 8_000


def test_a_kernel_append_runs_six_statements(tmp_path: Path) -> None:
    """The statement log sees what the kernel is documented to run, and no transaction frames."""
    with recorded_statements() as log:
        handle = SYSTEMS["kernel"].open(tmp_path)
        handle.append(workload.message(0))
        log.clear()
        handle.append(workload.message(1))
        handle.close()

    verbs = [statement.split()[0] for statement in log.statements]
    assert verbs == ["SELECT", "INSERT", "INSERT", "UPDATE", "INSERT", "INSERT"]


def test_the_growth_exponent_is_the_power_of_n() -> None:
    """Flat is 0, linear 1, square 2; one length has no growth."""
    lengths = (100, 1_000, 10_000)

    for power in (0, 1, 2):
        points = [(n, 3.0 * n**power) for n in lengths]
        assert growth_exponent(points) == pytest.approx(power)
    assert growth_exponent([(100, 1.0)]) is None


def test_writers_in_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Every append of every process is in the file."""
    result = run_writers("kernel", tmp_path, processes=2, count=10)

    assert (result.errors, result.lost) == (0, 0)
    assert result.appends_per_second > 0


def test_a_spawn_adds_the_same_rows_at_any_length() -> None:
    """One commit with its content, one tract with its refs, two operations with their changes."""
    with Bench(ns=[20, 60], systems={"tract": SYSTEMS["tract"]}, rounds=1, appends=4) as bench:
        rows = list(FIGURES["spawn rows"](bench))

    assert [(row.value, row.is_met) for row in rows] == [(10, True), (10, True)]
    assert "commits 60 -> 61" in rows[1].note


@pytest.mark.parametrize("name", ["commit", "statements", "compile-warm", "disk"])
def test_a_figure_has_a_row_for_every_system_it_names(name: str) -> None:
    """The runner's functions measure both systems at a small length and print them."""
    wanted = {n: s for n, s in _BUILT.items() if n in {"kernel", "tract"}}

    with Bench(ns=[50], systems=wanted, rounds=1, appends=4) as bench:
        rows = list(FIGURES[name](bench))

    assert {row.system for row in rows} == set(wanted)
    assert all(row.value > 0 for row in rows)
    assert "kernel" in figure_table(name, rows)


def test_the_cost_of_policies_is_measured_against_none() -> None:
    """One row for each policy, and for none of them."""
    with Bench(ns=[50], systems={"tract": _BUILT["tract"]}, rounds=1, appends=4) as bench:
        rows = list(FIGURES["commit-with-policies"](bench))

    assert [row.system for row in rows] == ["none", "secret_guard", "budget_guard", "function"]
    assert {row.against for row in rows} == {"none"}
