# %% [markdown]
# # One context, looked after three times
#
# A conversation about a journey fills four fifths of its budget. The same model looks after three copies of it: once it
# may only say what it would do, once a person decides about each change, once it goes ahead. What becomes of it is
# compared side by side.

# %%
import json

from tract import CallDecision, CallRequest, HttpLLM, OrchestrateResult, RunBudget, ToolCall, Tract, Triggers
from tract.testing import ScriptedLLM

SUMMARY = "Ann (vegetarian) goes to Lisbon from 5 to 9 May by TP 571, seat 14A. Hotel Rio, two beds, RH-2041, paid."
WEATHER = "In Lisbon it is sunny in May, around 22 degrees, with little rain and a fresh wind from the sea. "


def keeper() -> HttpLLM | ScriptedLLM:
    """Return the model that looks after the context: a provider's with a key, else one that follows a script."""
    found = HttpLLM.from_environment(anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash")
    return found or ScriptedLLM([look, tidy, "The weather is left out, the bookings are summed up."])


def look(_: object) -> ToolCall:
    """Look before changing anything."""
    return ToolCall("call_1", "context", '{"newest": 20}')


def tidy(request: object) -> list[ToolCall]:
    """Leave the weather out and sum the bookings up, as a model would after looking."""
    told = json.loads(request.messages[1].text)  # type: ignore[attr-defined]  # what the orchestrator was told first
    weather = [one["commit"] for one in told["messages"] if "sunny" in one["text"]]
    settled = [one["commit"] for one in told["messages"] if "sunny" not in one["text"] and not one.get("pinned")]
    skip = {"commits": weather, "priority": "skip", "why": "Small talk about the weather."}
    cover = {"summary": SUMMARY, "commits": settled[:-1], "why": "The bookings are settled."}
    note = {"text": "I have tidied up.", "why": "So that it is known."}
    return [
        ToolCall("call_2", "annotate", json.dumps(skip)),
        ToolCall("call_3", "compress", json.dumps(cover)),
        ToolCall("call_4", "commit", json.dumps(note)),
    ]


# %% [markdown]
# ## The conversation
#
# Committed three times, so that each run has its own. Nothing here needs a model.


# %%
def journey() -> Tract:
    """Return the conversation, in a tract of its own with a budget of 500 tokens."""
    t = Tract.open(config={"budget": {"limit_tokens": 500}})
    t.system("You book journeys. Never book anything that cannot be cancelled.")
    for question, answer in (
        ("I am Ann, and vegetarian. I want to go to Lisbon from 5 to 9 May, by plane.", "TP 571 leaves at nine."),
        ("Is it warm there?", WEATHER * 4),
        ("Then book the flight, with a seat at the window.", "Booked: TP 571 on 5 May, seat 14A at the window."),
        ("And does it rain?", WEATHER * 5),
        ("A hotel near the river as well, with two beds.", "Hotel Rio, two beds, booking RH-2041, is reserved."),
        ("Is that one paid?", "Yes, RH-2041 is paid, and can be cancelled until 1 May."),
    ):
        t.user(question)
        t.assistant(answer)
    return t


# %% [markdown]
# ## Three runs
#
# `manual` reports. `collaborative` asks: this person lets things be left out, adds a date to each summary, and wants no
# notes of the model. `autonomous` goes ahead. All three have a few tools of the `self` profile, so whatever the model
# answers, nothing is lost and no instruction is touched.


# %%
def person(request: CallRequest) -> CallDecision:
    """Decide about one call, as somebody at a terminal would with `callback=cli_prompt`."""
    print(f"  asked: {str(request)[:60]}...  why: {request.reason or '-'}")
    if request.tool == "annotate":
        return CallDecision.approve()
    if request.tool == "compress":
        summary = request.arguments.get("summary") or SUMMARY
        return CallDecision.edit({"summary": f"{summary} It can be cancelled until 1 May."}, "Keep the date.")
    return CallDecision.reject("No notes, please.")


TOOLS = ["status", "context", "show", "annotate", "compress", "commit"]
limits = {"max_steps": 6, "budget": RunBudget(tokens=60_000)}
runs: dict[str, tuple[Tract, OrchestrateResult]] = {}
for level in ("manual", "collaborative", "autonomous"):
    t = journey()
    print(level)
    orchestrator = t.orchestrate(
        "Leave out small talk and sum up what is settled, in one summary.",
        profile=t.as_tools("self", only=TOOLS),
        llm=keeper(),
        autonomy=level,
        callback=person if level == "collaborative" else None,
        **limits,  # type: ignore[arg-type]  # one dictionary for both
    )
    runs[level] = (t, orchestrator.run())

# %% [markdown]
# ## Side by side
#
# What was called and what became of it, how large the context is now, and which operations that were. Each names the
# orchestrator, and can be undone like any other.

# %%
WIDTH = 34
print(f"{'':>12}  " + "".join(f"{level:<{WIDTH}}" for level in runs))


def row(name: str, cells: list[str]) -> None:
    """Print one line of the comparison."""
    print(f"{name:>12}  " + "".join(f"{cell[: WIDTH - 2]:<{WIDTH}}" for cell in cells))


results = [result for _, result in runs.values()]
row("state", [result.state for result in results])
for at in range(max(len(result.calls) for result in results)):
    calls = [result.calls[at] if at < len(result.calls) else None for result in results]
    row(f"call {at + 1}", ["" if call is None else f"{call.tool}: {call.outcome}" for call in calls])
row("tokens", [f"{result.tokens_before} -> {result.tokens_after} of 500" for result in results])
row("messages", [str(len(t.compile().messages)) for t, _ in runs.values()])
row("operations", [", ".join(t.operations[one].verb for one in did.operations) or "none" for t, did in runs.values()])

for level, (t, result) in runs.items():
    print(f"\n{level}: {result.text}")
    for message in t.compile().messages:
        print(f"  {message.role:<9} {message.text[:90]}")
    named = [t.operations[number].args["policies"] for number in result.operations]
    assert all(names == ["orchestrator"] for names in named)
assert runs["manual"][1].operations == ()
assert runs["manual"][0].operations[-1].verb == "commit"

# %% [markdown]
# ## Afterwards
#
# Nothing is lost: the log of policies has every step, also one that wrote nothing, and `undo` takes back what was done.

# %%
t, result = runs["autonomous"]
for record in reversed(t.policies.log.find(policy="orchestrator")):
    print(f"{record.reason:<28} {record.outcome}")
before = t.compile().token_count
if result.operations:
    t.undo(len(result.operations))
print(f"\nundone: {before} -> {t.compile().token_count} tokens")
assert t.compile().messages == runs["manual"][0].compile().messages

# %% [markdown]
# ## By itself
#
# With triggers it needs nobody to call it: here it runs once four fifths of the budget are used, after the commit that
# used them, and is heard of only in the log.

# %%
t.orchestrate(
    "Leave out small talk and sum up what is settled, in one summary.",
    profile=t.as_tools("self", only=TOOLS),
    llm=keeper(),
    autonomy="autonomous",
    triggers=Triggers(share=0.8),
    **limits,  # type: ignore[arg-type]  # as above
)
t.user("Thank you!")
t.assistant("Have a good journey, Ann.")
print(f"after one more turn: {t.compile().token_count} tokens of 500")
print(t.policies.log.find(policy="orchestrator", event="after_commit")[0].reason)

for t, _ in runs.values():
    t.close()
