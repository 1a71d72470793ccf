# %% [markdown]
# # A research team: one lead, three agents in processes of their own
#
# The lead hands each agent a question and everything said so far; a fork copies nothing. The agents work at the same
# time, each in its own process and its own tract of one file. What they found comes home as summaries that can be
# opened again, and afterwards anybody can ask who knew what, and when.

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tract import CollapseResult, HttpLLM, Session, extractive
from tract.testing import ScriptedLLM

# A file of its own; set TEAM_URL to the URL of an empty PostgreSQL database to run the same story there.
url = os.environ.get("TEAM_URL") or str(Path(tempfile.mkdtemp()) / "team.db")
llm = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM(["Coimbra: it is the cheapest, the hall is free, and the train takes an hour."])

session = Session.open(url, llm=llm)
lead = session.create_tract("lead", purpose="choose a town for the workshop")
lead.system("You plan a workshop for 30 people. Be brief.")
lead.user("Lisbon, Porto or Coimbra, on the 12th of May?")

# %% [markdown]
# ## Hand out the questions
#
# A child starts with the lead's whole context, and the lead's history notes the spawn without showing it to a model.

# %%
QUESTIONS = {
    "agent-1": "Which of the towns has a hall for 30 people?",
    "agent-2": "What do rooms cost in each of the towns?",
    "agent-3": "How long do trains from Lisbon take to each of the towns?",
}
for name, question in QUESTIONS.items():
    lead.spawn(question, name=name).user(question)
print(session.trees()[0])

# %% [markdown]
# ## Work at the same time
#
# What an agent needs is the address of the store and its name. Killed at any moment, the same process started again
# goes on from its last commit.

# %%
AGENT = '''
import sys

from tract import HttpLLM, ToolCall, Tract
from tract.testing import ScriptedLLM

url, name = sys.argv[1:]
FACTS = {
    "halls": "Lisbon: none free. Porto: hall Ribeira, 60 seats. Coimbra: hall Mondego, 40 seats.",
    "rooms": "Lisbon: 95 EUR. Porto: 70 EUR. Coimbra: 55 EUR.",
    "trains": "To Porto: 2 h 50 min. To Coimbra: 1 h 40 min.",
}
SCRIPTS = {"agent-1": "halls", "agent-2": "rooms", "agent-3": "trains"}


def look_up(topic: str) -> str:
    """Look up facts about the towns.

    Args:
        topic: halls, rooms or trains.
    """
    return FACTS[topic]


topic = SCRIPTS[name]
llm = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM([ToolCall("call_1", "look_up", '{"topic": "%s"}' % topic), f"I asked about {topic}. {FACTS[topic]}"])
with Tract.open(url, tract=name, create=False, llm=llm) as t:
    t.run(tools=[look_up], max_turns=5)
'''

agents = [subprocess.Popen([sys.executable, "-c", AGENT, url, name]) for name in QUESTIONS]
assert [agent.wait() for agent in agents] == [0, 0, 0]
for name in QUESTIONS:
    print(f"{name}: {session.get(name).compile().messages[-1].text}")

# %% [markdown]
# ## Bring it home, and decide

# %%
homes = []
for name in QUESTIONS:
    home = lead.collapse(name, summarizer=extractive)
    assert isinstance(home, CollapseResult)  # and no Proposal: here nobody has to agree first
    homes.append(home)
print(lead.chat("Which town do we take?").text, "\n")
for row in lead.log(graph=True):
    print(row)

# %% [markdown]
# ## Who knew what
#
# What agent-2 knew when agent-1 gave its answer, and what stands behind the summary the lead was given.

# %%
answered = session.get("agent-1").log(1)[0]
then = session.at("agent-2", answered)
print(f"when agent-1 answered, agent-2 knew {len(then.messages)} messages, the last one {then.messages[-1].text!r}")
opened = [lead.expand(home.commit) for home in homes]
print("the summaries stand for", ", ".join(f"{len(one.originals)} messages" for one in opened))

assert {info.parent for name, info in session.tracts.items() if name in QUESTIONS} == {"lead"}
assert len(then.messages) >= 3
assert all(one.originals[0].text == question for one, question in zip(opened, QUESTIONS.values(), strict=True))
session.close()
