# %% [markdown]
# # A conversation you can go back into
#
# An assistant plans a trip. The traveller named the wrong month, so the question is changed on a branch of its own and
# answered again; both answers stay, and next week the program goes on where it ended.

# %%
import tempfile
from pathlib import Path

from tract import HttpLLM, Tract
from tract.testing import ScriptedLLM

# %% [markdown]
# The first provider whose key is in the environment answers; without a key, a script does.

# %%
llm = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM(
    [
        "Porto: mild, green, and not yet full.",
        "Three nights: one for the river, one for the coast, one for the wine.",
        "Bergen: in June the nights are light and the fjords are open.",
        "Yes. It rains in Bergen two days out of three.",
    ]
)
print("asking", llm)

# %% [markdown]
# ## Two questions
#
# `chat` commits the question, sends the whole context, and commits the reply with what it cost.

# %%
path = Path(tempfile.mkdtemp()) / "trip.db"  # yours would have a place to stay
t = Tract.open(path, llm=llm)
t.system("You plan trips. Answer in one sentence.")

where = t.chat("Where should I go in May?")
how_long = t.chat("For how many nights?")

for reply in (where, how_long):
    print(f"{reply.commit_info.short_hash}  {reply.text}")
    print(f"          {dict(reply.generation_config)}, usage: {reply.usage}")

# %% [markdown]
# ## What the model was sent
#
# A reply stands on the commit that was sent, so that compiling its parent gives what the model saw, now and in a year.

# %%
before = t.compile(at=where.commit_info.parents[0])
now = t.compile()
print(before.token_count, "tokens then,", now.token_count, "tokens now")
for message in before.to_openai():
    print(f"  {message['role']:>9}: {message['content']}")

assert [message.role for message in before.messages] == ["system", "user"]
assert now.token_count > before.token_count

# %% [markdown]
# ## It should have been June
#
# A branch from the first question, an edit, and a new answer. Nothing of `main` is lost.

# %%
question = where.commit_info.reply_to
assert question is not None  # it answers a user
t.branch("june", at=question)
t.edit(question, "Where should I go in June?")
in_june = t.generate()

print("main:", where.text)
print("june:", in_june.text)
print()
for row in t.log(graph=True, all_branches=True):
    print(row)

assert "June" in t.compile().messages[1].text
assert "May" in t.compile(at="main").messages[1].text

# %% [markdown]
# ## Next week
#
# Everything was on disk when each call returned. A new process opens the file and is where the last one was.

# %%
t.close()

t = Tract.open(path, llm=llm)
print("on", t.current_branch, "with", t.compile().token_count, "tokens")
print(t.chat("Should I pack an umbrella?").text)

# One step back: the question and the reply are two operations.
t.undo(2)
assert t.compile().messages[-1].text == in_june.text
t.close()

# %% [markdown]
# In a terminal, `tract --db trip.db log --graph --all` draws the same history.
