"""Shows what `tract policy` does: list, add, remove, test, log."""

import json

from tests.cli.conftest import Run
from tract import Tract

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


def test_policies_on_the_command_line(run: Run) -> None:
    """They are in force for the next command, say what they would have done, and are gone once removed."""
    with Tract.open(".tract.db") as t:
        t.user(f"Use {KEY}.")

    added = run("policy", "add", "secret_guard", "on_found=reject", "priority=7")
    assert added.stdout == "secret_guard\tsecret_guard\tenforce\t7\tautonomous\t\n"
    assert run("policy", "add", "auto_pin", 'roles=["user"]', "mode=shadow").exit_code == 0
    listed = json.loads(run("policy", "list", "--json").stdout)
    assert [one["name"] for one in listed["policies"]] == ["auto_pin", "secret_guard"]
    assert (listed["ceiling"], listed["is_paused"]) == ("autonomous", False)
    denied = run("commit", f"Use {KEY} again.")
    assert (denied.exit_code, KEY in denied.stderr) == (1, False)
    assert "`secret_guard` denied this" in denied.stderr
    tried = json.loads(run("policy", "test", "--json").stdout)["evaluations"]
    assert [(one["policy"], one["verdict"]) for one in tried] == [("secret_guard", "deny"), ("auto_pin", "action")]
    logged = run("policy", "log", "--policy", "secret_guard", "--outcome", "denied").stdout.splitlines()
    assert [line.split("\t")[1:5] for line in logged] == [["before_commit", "secret_guard", "deny", "denied"]]
    assert run("policy", "remove", "secret_guard").exit_code == 0
    assert run("policy", "remove", "secret_guard").exit_code == 1
    assert run("policy", "add", "auto_pin", "roles").exit_code == 2
    assert run("policy", "add", "nonsense").exit_code in (1, 2)
    assert run("commit", f"Use {KEY} again.").exit_code == 0
