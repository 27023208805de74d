"""The fictional platform "Lantern": services, their facts, and the questions users ask.

Every fact is one sentence whose last word is its value, and the word before the
value names the attribute. Value pools are disjoint between attributes. Both make
copying from a context easy enough for a model of 0.4 M parameters, which is all
that a laptop can train from nothing in a minute.

Held out, so that the gate measures more than memory: some facts of known services
(`withheld`) and whole services (`unseen`). Neither their questions nor their
sentences occur in traffic, in the warm-up data or in the tokenizer's corpus.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

from steps.contract.files import read_json

ADJECTIVES = (
    *("Silver", "Amber", "Hidden", "Rapid", "Quiet", "Golden", "Frozen", "Lunar"),
    *("Solar", "Crimson", "Hollow", "Gentle", "Ancient", "Bright", "Distant", "Velvet"),
)
NOUNS = (
    *("Falcon", "Harbor", "Beacon", "Meadow", "Summit", "Lantern", "Anchor", "Canyon"),
    *("Glacier", "Orchard", "Compass", "Bridge", "Comet", "Forest", "Island", "Raven"),
)

Fact = tuple[str, str, str]
"""(service, attribute, value)."""


@dataclass(frozen=True)
class Attribute:
    """One property of a service: its sentence, two ways to ask for it, its values."""

    statement: str
    questions: tuple[str, str]
    values: tuple[str, ...]


ATTRIBUTES: dict[str, Attribute] = {
    "port": Attribute(
        "the {e} listens on port {v}.",
        ("Which port does the {e} use?", "What is the port of the {e}?"),
        ("8080", "8443", "9090", "9200", "5432", "6379", "7001", "3000", "4317", "2181"),
    ),
    "region": Attribute(
        "the {e} runs in region {v}.",
        ("In which region does the {e} run?", "Where is the {e} deployed?"),
        ("Frankfurt", "Dublin", "Oregon", "Ohio", "Mumbai", "Tokyo", "Lagos", "Paris", "Sydney", "Toronto"),
    ),
    "limit": Attribute(
        "the {e} has rate limit {v}.",
        ("How many requests does the {e} allow?", "What is the rate limit of the {e}?"),
        ("100", "200", "300", "400", "500", "600", "700", "800", "900", "1000"),
    ),
    "timeout": Attribute(
        "the {e} has timeout {v}.",
        ("When does the {e} time out?", "What is the timeout of the {e}?"),
        ("5", "10", "15", "20", "25", "30", "35", "40", "45", "50"),
    ),
    "team": Attribute(
        "the {e} is owned by team {v}.",
        ("Which team owns the {e}?", "Who is the owner of the {e}?"),
        ("Heron", "Otter", "Lynx", "Badger", "Osprey", "Marten", "Ibex", "Puffin", "Bison", "Gecko"),
    ),
    "database": Attribute(
        "the {e} stores data in database {v}.",
        ("Where does the {e} store data?", "What is the database of the {e}?"),
        ("Postgres", "Redis", "Cassandra", "Mysql", "Kafka", "Mongo", "Clickhouse", "Sqlite", "Etcd", "Minio"),
    ),
    "retention": Attribute(
        "the {e} keeps logs for {v}.",
        ("How long does the {e} keep logs?", "What is the log retention of the {e}?"),
        ("7", "14", "21", "28", "60", "90", "120", "180", "365", "730"),
    ),
    "replicas": Attribute(
        "the {e} has replica count {v}.",
        ("How many replicas does the {e} run?", "What is the replica count of the {e}?"),
        ("2", "3", "4", "6", "8", "9", "11", "12", "16", "24"),
    ),
}
KNOWN_ENTITIES = 20
UNSEEN_ENTITIES = 5
TRAIN_ITEMS = 160
WORLD_VERSION = 1


def statement(entity: str, attribute: str, value: str) -> str:
    """The sentence of a fact, as it stands in a context."""
    text = ATTRIBUTES[attribute].statement.format(e=entity, v=value)
    return text[0].upper() + text[1:]


def ask(entity: str, attribute: str, phrasing: int) -> str:
    """One of the two questions for a fact."""
    return ATTRIBUTES[attribute].questions[phrasing].format(e=entity)


def render_prompt(question: str, contexts: list[str]) -> str:
    """The user message that the agent sends to the model."""
    return "Context:\n" + "\n".join(f"- {context}" for context in contexts) + f"\nQuestion: {question}"


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its contexts and its true answer.

    Attributes:
        key: stable name, as in `Silver Falcon/port/0`.
        contexts: three sentences in random order; exactly one answers the question.
        messages: what the agent sends to the model.
    """

    key: str
    entity: str
    attribute: str
    value: str
    question: str
    contexts: list[str]
    messages: list[dict[str, str]]

    @property
    def statement(self) -> str:
        """The gold sentence."""
        return statement(self.entity, self.attribute, self.value)

    @property
    def wrong_statement(self) -> str:
        """The same sentence with the next value of its attribute."""
        values = ATTRIBUTES[self.attribute].values
        return statement(self.entity, self.attribute, values[(values.index(self.value) + 1) % len(values)])

    def worded(self, question: str) -> Item:
        """The same item asked in other words, for instance with a greeting."""
        prompt = {"role": "user", "content": render_prompt(question, self.contexts)}
        return replace(self, question=question, messages=[*self.messages[:-1], prompt])


def follow_up(item: Item, previous: Item, previous_answer: str) -> Item:
    """`item` as the second turn of a session that began with `previous`."""
    history = [previous.messages[-1], {"role": "assistant", "content": previous_answer}]
    return replace(item, key=f"{item.key}/after/{previous.key}", messages=[*history, item.messages[-1]])


def build_item(rng: random.Random, gold: Fact, others: list[Fact], phrasing: int) -> Item:
    """An item whose contexts are the gold fact and two others, shuffled."""
    contexts = [statement(*fact) for fact in (gold, *others)]
    rng.shuffle(contexts)
    entity, attribute, value = gold
    question = ask(entity, attribute, phrasing)
    messages = [{"role": "user", "content": render_prompt(question, contexts)}]
    return Item(f"{entity}/{attribute}/{phrasing}", entity, attribute, value, question, contexts, messages)


def distractors(rng: random.Random, gold: Fact, own: list[Fact], foreign: list[Fact]) -> list[Fact]:
    """Another fact of the same service and one of another; three different attributes in all."""
    entity, attribute, _ = gold
    near = rng.choice([fact for fact in own if fact[0] == entity and fact[1] != attribute])
    far = rng.choice([fact for fact in foreign if fact[0] != entity and fact[1] not in (attribute, near[1])])
    return [near, far]


@dataclass(frozen=True)
class World:
    """A platform drawn from a seed.

    Attributes:
        known: facts that users ask about before training.
        withheld: facts of the same services that only the golden set holds.
        unseen: facts of services that only the golden set names.
        train_items: questions of the traffic.
        golden_items: the held-out questions.
    """

    seed: int
    known: list[Fact]
    withheld: list[Fact]
    unseen: list[Fact]
    train_items: list[Item]
    golden_items: list[Item]

    @classmethod
    def create(cls, seed: int) -> World:
        """Draw services, facts and questions; the same seed gives the same world everywhere."""
        rng = random.Random(f"world:{WORLD_VERSION}:{seed}")
        names = [f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]
        names = rng.sample(names, KNOWN_ENTITIES + UNSEEN_ENTITIES)
        facts = [(name, attribute, rng.choice(spec.values)) for name in names for attribute, spec in ATTRIBUTES.items()]
        unseen = [fact for fact in facts if fact[0] in names[KNOWN_ENTITIES:]]
        # One fact of every known service, every attribute about equally often.
        hidden = dict(zip(names, rng.sample([*ATTRIBUTES] * 3, KNOWN_ENTITIES), strict=False))
        withheld = [fact for fact in facts if hidden.get(fact[0]) == fact[1]]
        known = [fact for fact in facts if fact not in unseen and fact not in withheld]
        phrasings = [(fact, phrasing) for fact in known for phrasing in (0, 1)]
        train = [build_item(rng, fact, distractors(rng, fact, known, known), n) for fact, n in rng.sample(phrasings, TRAIN_ITEMS)]
        golden = [build_item(rng, fact, distractors(rng, fact, known, known), n) for fact in withheld for n in (0, 1)]
        for number, fact in enumerate(unseen):
            golden.append(build_item(rng, fact, distractors(rng, fact, unseen, known), number % 2))
        return cls(seed, known, withheld, unseen, train, golden)

    @property
    def unseen_entities(self) -> frozenset[str]:
        """Full names that nothing before the gate may contain."""
        return frozenset(fact[0] for fact in self.unseen)

    @property
    def held_out(self) -> frozenset[Fact]:
        """Facts whose sentences nothing before the gate may contain."""
        return frozenset((*self.withheld, *self.unseen))


def the_world(workdir: Path) -> World:
    """The world of a work folder: its seed was fixed by the first run there."""
    return World.create(read_json(workdir / "world.json")["seed"])
