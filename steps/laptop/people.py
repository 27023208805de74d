"""Who uses the embedded agent, and what they ask: a deterministic plan of requests.

The mix is what a platform team meets in production: consent given and not, several
regions, confidential matters, personal data typed into questions, sessions of two
turns, thumbs, requests sent twice, and broken clients.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.laptop.world.domain import Item, World

FIRST_NAMES = ("Amara", "Benedikt", "Chiara", "Dmitri", "Eleni", "Farid", "Greta", "Hiroshi", "Ines", "Jonas")
LAST_NAMES = ("Okafor", "Lindqvist", "Moretti", "Sokolov", "Papadakis", "Rahimi", "Vogel", "Tanaka", "Carvalho", "Weber")


@dataclass(frozen=True)
class Person:
    """One simulated user; consent, region and confidentiality as the edge would tag them."""

    user_id: str
    name: str
    consent: str
    region: str
    confidentiality: str


@dataclass(frozen=True)
class Ask:
    """One request. `index` is stable across restarts: the trace id is derived from it.

    Attributes:
        index: position in the plan.
        person: who asks.
        item: the question with its retrieved contexts.
        question: the question as typed, personal data included.
        session: conversation id; a follow-up shares it with the ask before.
        follows: index of the ask whose answer stands above this turn; None for a first turn.
        broken: empty, or how the request is malformed.
        delivered_twice: the collector receives this request's spans twice.
        thumb: the user gives feedback.
    """

    index: int
    person: Person
    item: Item
    question: str
    session: str
    follows: int | None = None
    broken: str = ""
    delivered_twice: bool = False
    thumb: bool = False


def _check_digit(digits: str) -> str:
    """A Korean resident number's last digit (weights 2…9, 2…5, modulo 11)."""
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return str((11 - sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11) % 10)


def _luhn_digit(digits: str) -> str:
    """The digit that makes a payment card number valid (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def personal_remark(person: Person, rng: random.Random) -> str:
    """A sentence with one kind of personal data, as people really type them."""
    first, _, last = person.name.partition(" ")
    birth = f"{rng.randint(60, 99):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{rng.randint(1, 2)}{rng.randint(0, 99999):05d}"
    card = f"4{rng.randint(0, 10**14 - 1):014d}"
    mobile = f"010-{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}"
    return rng.choice(
        (
            f"My name is {person.name}.",
            f"Reply to {first.lower()}.{last.lower()}@example.org please.",
            f"My phone is +44 20 7946 0{rng.randint(100, 999)}.",
            f"제 번호는 {mobile}입니다.",
            f"My card {card}{_luhn_digit(card)} was charged.",
            f"주민등록번호는 {birth[:6]}-{birth[6:]}{_check_digit(birth)}입니다.",
            f"계좌번호는 110-{rng.randint(100, 999)}-{rng.randint(100000, 999999)}입니다.",
        )
    )


def make_people(seed: int, allowed: tuple[str, ...], count: int = 60) -> list[Person]:
    """A population: four in five consent, one in fifteen each sits elsewhere or handles confidential matters."""
    rng = random.Random(f"people/{seed}")
    people = []
    for number in range(count):
        consent = rng.choices(("train", "none", "", "eval", "maybe"), (80, 8, 5, 5, 2))[0]
        region = rng.choice(allowed) if rng.random() > 1 / 15 else "cn-north-1"
        confidentiality = "confidential" if rng.random() < 1 / 15 else rng.choice(("public", "internal"))
        name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
        people.append(Person(f"user-{seed}-{number:03d}", name, consent, region, confidentiality))
    return people


def plan_requests(world: World, people: list[Person], *, run_id: str, per_prompt: int) -> list[Ask]:
    """Every training question asked `per_prompt` times by random people, plus follow-ups and broken calls.

    Same world, people and run: the same plan, in the same order.
    """
    rng = random.Random(f"plan/{world.seed}/{run_id}")
    items = [item for item in world.train_items for _ in range(per_prompt)]
    rng.shuffle(items)
    asks: list[Ask] = []
    for item in items:
        person = rng.choice(people)
        index = len(asks)
        draw = rng.random()
        typed = f"{personal_remark(person, rng)} {item.question}" if draw < 0.05 else item.question
        broken = rng.choice(("not-json", "no-messages", "wrong-model")) if 0.05 <= draw < 0.06 else ""
        twice = 0.06 <= draw < 0.10
        session = f"session-{run_id}-{index:05d}"
        asks.append(Ask(index, person, item, typed, session, broken=broken, delivered_twice=twice, thumb=rng.random() < 0.3))
        if 0.10 <= draw < 0.16:
            second = rng.choice(world.train_items)
            asks.append(Ask(index + 1, person, second, second.question, session, follows=index, thumb=rng.random() < 0.3))
    return asks
