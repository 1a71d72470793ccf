# %% [markdown]
# # A support agent that looks up orders and refunds them
#
# The model calls Python functions. Each result is committed as soon as it is there, so that afterwards the history says
# who refunded what, and why; a run that was killed goes on without refunding twice.

# %%
from tract import HttpLLM, RunBudget, ToolCall, ToolFinished, Tract, TurnFinished
from tract.testing import ScriptedLLM

llm = HttpLLM.from_environment(
    anthropic="claude-haiku-4-5", openai="gpt-4.1-mini", gemini="gemini-2.5-flash"
) or ScriptedLLM(
    [
        [
            ToolCall("call_1", "find_order", '{"number": 1042}'),
            ToolCall("call_2", "find_order", '{"number": 9999}'),
        ],
        ToolCall("call_3", "refund", '{"number": 1042, "reason": "arrived broken"}'),
        "I have refunded 24.50 EUR for the teapot of order 1042. There is no order 9999.",
    ]
)
t = Tract.open(llm=llm)
t.system("You answer customers of a tea shop. Look orders up before you refund them.")

# %% [markdown]
# ## Tools are functions
#
# The schema comes from the annotations, what the model is told from the docstring. A tool that raises does not end the
# run: the model is told.

# %%
ORDERS = {1042: {"item": "teapot", "price": "24.50 EUR"}}
refunded: list[int] = []


@t.tool(idempotent=True)
def find_order(number: int) -> dict[str, str]:
    """Look up an order.

    Args:
        number: The order number.
    """
    if number not in ORDERS:
        raise LookupError(f"There is no order {number}.")
    return ORDERS[number]


@t.tool
def refund(number: int, reason: str) -> str:
    """Refund an order in full.

    Args:
        number: The order number.
        reason: Why, for the books.
    """
    refunded.append(number)
    return f"{ORDERS[number]['price']} refunded: {reason}."


# %% [markdown]
# ## Run, with limits, and watch
#
# The calls of one reply run at the same time. Limits are checked before each call of the model; no call is left without
# its result.


# %%
def show(event: object) -> None:
    """Print what happens while the run goes on."""
    if isinstance(event, ToolFinished):
        print(f"  {event.call.name}({event.call.arguments}) {'failed' if event.is_error else 'worked'}")
    elif isinstance(event, TurnFinished):
        print(f"turn {event.turn}: {event.response.text or f'{len(event.response.tool_calls)} tool calls'}")


result = t.run(
    "My teapot, order 1042, arrived broken. And what of order 9999? Please refund what you can.",
    max_turns=8,
    budget=RunBudget(tokens=50_000, seconds=120),
    on_event=show,
)
print(f"\n{result.state} after {result.turns} turns, {t.compile().token_count} tokens in the context")
assert result.state == "finished"

# %% [markdown]
# ## What was done, and what the model was offered
#
# Tool results are commits like any other, and the definitions that were sent are kept, once.

# %%
for row in t.log(graph=True):
    print(row)

offered = [definition["function"]["name"] for definition in t.tools.sent_with("HEAD")]
print("\noffered:", ", ".join(offered))
print("refunded:", refunded or "nothing")

calls = [call.id for message in t.compile().messages for call in message.tool_calls]
results = [message.call_id for message in t.compile().messages if message.role == "tool"]
assert set(calls) == set(results)
assert offered == ["find_order", "refund"]
t.close()
