# %% [markdown]
# # Change the provider in the middle of a conversation
#
# A travel agent has begun with one provider, tool calls and all. Its prices change, or it is down, and the same history
# goes to another one. What cannot be carried over is known before the call.

# %%
import json

from tract import HttpLLM, ToolCall, Tract
from tract.testing import ScriptedLLM

first = HttpLLM.from_environment(openai="gpt-4.1-mini", gemini="gemini-2.5-flash") or ScriptedLLM(
    [
        [ToolCall("call_1", "weather", '{"city": "Lisbon"}'), ToolCall("call_2", "weather", '{"city": "Oslo"}')],
        "Lisbon: 24 degrees and sun. Oslo has 9 and rain.",
        "A hat; and shoes for steep streets.",
    ],
    model="first",
)
second = HttpLLM.from_environment(anthropic="claude-haiku-4-5") or ScriptedLLM(
    ["The tram 28, early in the morning."], model="second", format="anthropic"
)
print(f"from {first} ({first.format}) to {second} ({second.format})")

# %% [markdown]
# ## It begins with one
#
# Set one of `OPENAI_API_KEY` and `GEMINI_API_KEY`, and `ANTHROPIC_API_KEY`, to do it for real; a script stands in for
# whoever is missing.

# %%
t = Tract.open(llm=first)
t.system("You advise travellers. Be brief.")


@t.tool
def weather(city: str) -> str:
    """Say the weather in a city."""
    return {"Lisbon": "24 degrees, sun", "Oslo": "9 degrees, rain"}.get(city, "unknown")


print(t.run("Lisbon or Oslo? Look at the weather in both.", max_turns=5).text)

# %% [markdown]
# ## What the other one would get
#
# The same commits in another shape. `losses` lists what its format cannot carry, `repairs` what has to change; the
# cache of a new provider is empty.

# %%
context = t.compile()
print("one sees:  ", json.dumps(context.to_openai(), ensure_ascii=False)[:110], "...")
print("other sees:", json.dumps(context.to_anthropic(), ensure_ascii=False)[:110], "...")

ahead = t.preview(second.format, second.model, tools=t.tools.definitions())
print(f"\n{ahead.message_count} messages, {ahead.token_count} tokens, {ahead.kept_tokens} of them cached there")
print("lost:    ", [str(loss) for loss in ahead.losses] or "nothing")
print("repaired:", [str(repair) for repair in ahead.repairs] or "nothing")
assert ahead.kept_messages == 0

# %% [markdown]
# ## And goes on with the other, and back
#
# A client given with the call is asked for this call alone; `Tract.open(..., llm=second)` or `t.configure_operations`
# would change it for good.

# %%
there = t.chat("What should I see there first?", llm=second)
back = t.chat("And what should I pack?")

formats = [dict(reply.commit_info.sent or {})["format"] for reply in (there, back)]
for reply, wire in zip((there, back), formats, strict=True):
    print(f"{wire:>10} {reply.generation_config['model']}: {reply.text}")
print()
for row in t.log(graph=True):
    print(row)

assert formats == [second.format, first.format]
t.close()
