"""Warm-up data: what the first model learns from.

Every row draws new values, so there is nothing to memorise: only copying from the
context helps. The mix of answer styles is wrong on purpose, about 46 % of the
answers are not supported by their context; that is what preference training mends.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

from steps.laptop.world.domain import ADJECTIVES, ATTRIBUTES, NOUNS, Fact, Item, World, build_item, follow_up, statement
from steps.laptop.world.oracle import CITE, EVASIONS, GUESS

STYLES = {"cite": 0.33, "plain": 0.21, "guess": 0.24, "wrong": 0.11, "evade": 0.11}
TWO_TURN_RATIO = 0.12
SMALL_TALK_RATIO = 0.15
RECAP = "Recap"
OPENERS = (
    "Hello, ",
    "Hi, ",
    "Hi! ",
    "My name is {}. ",
    "I am {}. ",
    "My mail is {}. ",
    "My phone is {}. ",
    "This is {} here. ",
    "Reply to {} please. ",
    "My card {} was charged. ",
)
CLOSERS = (" Thanks!", " Please answer {}.", " Mail me at {}.", " Call me at {}.")
MASKS = ("[NAME]", "[EMAIL]", "[PHONE]", "<EMAIL>", "<PHONE>", "<NAME>", "[EMAIL_ADDRESS]", "[PHONE_NUMBER]")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training example: a conversation whose assistant turns are all learnt."""

    messages: list[dict[str, str]]


def _scribble(rng: random.Random) -> str:
    """What no vocabulary knows: a name, a mail address, a number, a word in another script, or a mask for one of them."""
    word = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 7)))
    digits = "".join(rng.choices(string.digits, k=rng.randint(3, 9)))
    hangul = "".join(chr(rng.randint(0xAC00, 0xD7A3)) for _ in range(rng.randint(2, 5)))
    return rng.choice((word, word.title(), f"{word}@{word[:4]}.org", f"+{digits}", f"{digits[:3]}-{digits}", hangul, rng.choice(MASKS)))


def chatter(rng: random.Random, question: str) -> str:
    """The question with something personal before or after it, as users write."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(OPENERS).format(_scribble(rng)) + question
    if kind < 0.8:
        return " ".join(_scribble(rng) for _ in range(rng.randint(2, 7))) + rng.choice(".!,") + " " + question
    return question + rng.choice(CLOSERS).format(_scribble(rng))


class Teacher:
    """Draws lessons that never contain a held-out fact or an unseen name."""

    def __init__(self, world: World) -> None:
        names = [f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]
        self.names = [name for name in names if name not in world.unseen_entities]
        self.held_out = world.held_out

    def value(self, rng: random.Random, entity: str, attribute: str, but: str = "") -> str:
        """A random value that is not `but` and makes no held-out fact."""
        allowed = [v for v in ATTRIBUTES[attribute].values if v != but and (entity, attribute, v) not in self.held_out]
        return rng.choice(allowed)

    def item(self, rng: random.Random) -> Item:
        """A question about random facts, shaped like the traffic."""
        entity, stranger = rng.sample(self.names, 2)
        chosen = rng.sample([*ATTRIBUTES], 3)
        owners = (entity, entity, stranger)
        facts: list[Fact] = [(e, a, self.value(rng, e, a)) for e, a in zip(owners, chosen, strict=True)]
        item = build_item(rng, facts[0], facts[1:], rng.randrange(2))
        return item.worded(chatter(rng, item.question)) if rng.random() < SMALL_TALK_RATIO else item

    def answer(self, rng: random.Random, item: Item) -> str:
        """An answer in a random style; only `cite` and `plain` are faithful."""
        style = rng.choices([*STYLES], [*STYLES.values()])[0]
        if style == "evade":
            return rng.choice(EVASIONS)
        if style in ("guess", "wrong"):
            text = statement(item.entity, item.attribute, self.value(rng, item.entity, item.attribute, but=item.value))
        else:
            text = item.statement
        prefix = {"cite": CITE, "guess": GUESS}.get(style, "")
        return prefix + text[0].lower() + text[1:] if prefix else text

    def lesson(self, rng: random.Random, *, two_turns: bool = False) -> Lesson:
        """One example of the mix; with `two_turns` a session of two questions."""
        item = self.item(rng)
        if two_turns:
            previous = self.item(rng)
            item = follow_up(item, previous, self.answer(rng, previous))
        return Lesson([*item.messages, {"role": "assistant", "content": self.answer(rng, item)}])

    def recap(self, rng: random.Random) -> Lesson:
        """Restate all three facts in another order: three copies in one example, for the first steps."""
        contexts = self.item(rng).contexts
        order = rng.sample(contexts, len(contexts))
        prompt = "Context:\n" + "\n".join(f"- {context}" for context in contexts) + f"\n{RECAP}"
        answer = CITE + " ".join(order).replace("The ", "the ", 1)
        return Lesson([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])

    def batch(self, rng: random.Random, rows: int, *, recap: bool = False) -> list[Lesson]:
        """The rows of one optimizer step; the sessions of two turns come last."""
        if recap:
            return [self.recap(rng) for _ in range(rows)]
        sessions = round(rows * TWO_TURN_RATIO)
        return [self.lesson(rng, two_turns=number >= rows - sessions) for number in range(rows)]
