# %% [markdown]
# # A fast model for talking, a careful one for what matters
#
# A release assistant answers small questions with a cheap model, and asks a better one for the final word and for
# merging what two people wrote. Who answered what is in the history, and can be asked for.

# %%
import json
import tempfile
from pathlib import Path

from tract import HttpLLM, LLMConfig, Request, Tract
from tract.testing import ScriptedLLM


def decide(request: Request) -> str:
    """Merge as a model would: an answer for the script below."""
    asked = json.loads(request.messages[-1].text)
    text = "Release note: we are glad to bring you seven fixes and one new command."
    return json.dumps(
        {"issue": asked["issue"], "action": "use", "content": text, "reason": "One the tone, one the facts."}
    )


fast = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM(["Seven fixes and one new command.", "Not before the migration is tested."], model="fast")
careful = HttpLLM.from_environment(
    anthropic="claude-sonnet-4-5", openai="gpt-4.1", gemini="gemini-2.5-pro"
) or ScriptedLLM(["Yes: the migration has no way back. Ship the fixes without it.", decide], model="careful")

# %% [markdown]
# ## Who is asked for what
#
# `Tract.open` says who is asked by default, `configure_operations` who is asked for single operations: `chat` (also
# `generate`, `stream` and `run`), `merge`, `compress` and `orchestrate`. Settings are kept in the store; clients and
# keys never are. The nearest to the call wins, value by value, and `t.models` says where each value comes from.

# %%
path = Path(tempfile.mkdtemp()) / "release.db"  # yours would have a place to stay
t = Tract.open(path, llm=fast)
t.configure_operations(
    chat={"temperature": 0.2, "max_tokens": 2000},
    merge=LLMConfig(llm=careful, temperature=0),
    compress={"max_tokens": 4000},
)


def show_models(tract: Tract) -> None:
    """Print what each operation will ask."""
    for name, choice in tract.models.items():
        settings = ", ".join(f"{key}={value}" for key, value in choice.settings.items())
        print(f"{name:>11}: {choice.model}  {settings}")


show_models(t)
assert t.models["chat"].settings["temperature"].source == "operation"
assert str(t.models["merge"].model) == f"{careful.model} (client)"

# %% [markdown]
# ## One question for the careful one
#
# A client, a model or a setting given with the call holds for this call alone.

# %%
t.system("You help to release software. Answer in one sentence.")
changes = t.chat("We have 7 fixes, 1 new command and 1 untested migration without a way back. What changed?")
soon = t.chat("Can we ship today?")
verdict = t.chat("Think again: is there any risk in the migration?", llm=careful, temperature=0)

for reply in (changes, soon, verdict):
    print(f"{reply.generation_config['model']:>20}: {reply.text}")

assert soon.generation_config["temperature"] == 0.2
assert verdict.generation_config["temperature"] == 0

# %% [markdown]
# ## Who said that?
#
# The settings that were really sent are part of each reply, and can be searched.

# %%
cautious = t.query_by_config("temperature", "=", 0)
print("answered at temperature 0:", [commit.message for commit in cautious])
assert [commit.hash for commit in cautious] == [verdict.commit_info.hash]

# %% [markdown]
# ## A merge for the careful one
#
# Two people changed the release note, each on a branch. A semantic merge asks the model of `merge`. Its decision comes
# back with a reason, and is applied once you have read it.

# %%
note = t.user("Release note: seven fixes.")
t.branch("tone")
t.edit(note, "Release note: we are glad to bring you seven fixes.")
t.switch("main")
t.edit(note, "Release note: seven fixes and one new command.")

result = t.merge("tone", strategy="semantic")
for decision in result.resolutions.values():
    print(f"{decision.action}, because: {decision.reason}")
assert "one new command" in t.compile().messages[-1].text  # nothing is merged yet

t.apply(result)
print(t.compile().messages[-1].text)
for row in t.log(6, graph=True):
    print(row)

# %% [markdown]
# ## The settings stay
#
# Another process opens the store, and asks as was configured. Its clients are its own.

# %%
t.close()
t = Tract.open(path, llm=fast)
show_models(t)
assert t.models["chat"].settings["max_tokens"].value == 2000
assert str(t.models["merge"].model) == f"{fast.model} (client)"  # a client is in force on its own handle only
t.close()
