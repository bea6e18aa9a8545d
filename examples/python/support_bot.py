"""A support bot: one call, one stream, and what came of it, each on its customer's account.

pip install 'farebox[standard]' openai
python support_bot.py && farebox by customer
"""

from openai import OpenAI

import farebox

farebox.instrument()
client = OpenAI()


def answer(customer: str, question: str) -> str:
    """Return the model's answer, in one piece."""
    with farebox.attribute(customer=customer, task="t-1", tags={"feature": "support"}):
        response = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": question}]
        )
    return response.choices[0].message.content or ""


def tell(customer: str, question: str) -> None:
    """Print the model's answer as it comes."""
    with farebox.attribute(customer=customer, task="t-2", tags={"feature": "support"}):
        stream = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        for event in stream:
            print(event.choices[0].delta.content or "" if event.choices else "", end="")
    print()


print(answer("acme", "How do I reset my password?"))
tell("globex", "Where is my order?")
farebox.outcome("ticket.solved", customer="globex", task="t-2")
