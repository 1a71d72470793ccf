# %% [markdown]
# # A reply that shows while it comes, and a stop button
#
# A chat window prints the reply as it arrives. The user presses stop: what they have read stays in the history, marked
# as interrupted, and the conversation goes on from there.

# %%
from tract import DialogueContent, HttpLLM, TextDelta, Tract
from tract.testing import ScriptedLLM

llm = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM(
    [
        "A branch is a name for a commit, so making one copies nothing.",
        "First, list what both sides changed. Second, take each change that only one side made. Third, ask.",
        "You ask about the rest: whatever both sides changed, and changed differently.",
    ],
    piece_characters=8,
)
t = Tract.open(llm=llm)
t.system("You explain version control. Be brief.")

# %% [markdown]
# ## While it comes
#
# The stream is iterated like any other; the committed reply is in `response` at its end.

# %%
stream = t.stream("What is a branch?")
for piece in stream:
    print(piece, end="", flush=True)
print()

response = stream.response
print(f"\ncommitted as {response.commit_info.short_hash}, {response.finish_reason}, {t.compile().token_count} tokens")
assert response.commit_info.hash == t.head

# %% [markdown]
# ## Stop
#
# Leaving the loop closes the connection. Without `keep_partial` the question alone would stay, and asking it again
# would not repeat it.

# %%
heard = ""
for piece in t.stream("How does a merge work, step by step?", keep_partial=True):
    print(piece, end="", flush=True)
    heard += piece
    break  # the user pressed stop
print(" [stopped]")

kept = t.show("HEAD")
assert isinstance(kept, DialogueContent)
assert kept.interrupted
assert kept.text == heard

# %% [markdown]
# ## Go on
#
# The model sees what it had said. `events()` gives more than the text: readable reasoning and the pieces of tool calls.

# %%
stream = t.stream("Go on.")
for event in stream.events():
    if isinstance(event, TextDelta):
        print(event.text, end="", flush=True)
print("\n")

for row in t.log(graph=True):
    print(row)

assert [message.role for message in t.compile().messages[1:]] == ["user", "assistant"] * 3
t.close()

# %% [markdown]
# In async code, `async for piece in t.astream("...")` does the same without blocking the event loop.
