"""Labelled texts with personal data, generated: values with valid check digits in carriers of several languages, and look-alikes.

A seed gives other values, other carriers and other pairs of them. No list of texts is fitted to the rules: what is
generated here is what the formats' own definitions say.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from bench.personal_values import (
    ALNUM,
    BARE_IDS,
    FAMILY_NAMES,
    GIVEN_NAMES,
    HEX,
    KEYS,
    LABELLED,
    Maker,
    card,
    draw_digits,
    draw_signs,
    email,
    hidden_email,
    iban,
    phone_national,
    phone_plus,
)


@dataclass(frozen=True, slots=True)
class Planted:
    """A text and the value in it; `value` is "" for a look-alike."""

    family: str
    text: str
    value: str


_ASSIGNED = (
    "api_key = '{}'",
    "export SECRET_TOKEN={}",
    "DB_PASSWORD: {}",
    '"client_secret": "{}"',
    "password={}&x=1",
    "access-token: {}",
    "X-Api-Key: {}",
    "Passwort: {}",
    "비밀번호: {}",
    "contraseña: {}",
)
_PROSE = (
    "my password is {}",
    "das Passwort lautet {}",
    "le mot de passe est {}",
    "la contraseña es {}",
    "비밀번호는 {} 입니다",
    "パスワードは{}です",
    "log in with password {} please",
    "the password for the router is {}",
)
_CARRIERS = (
    "{}",
    "It is {} if you need it.",
    "Please note: {}",
    "({})",
    "Bitte an {} denken.",
    "Voici : {}.",
    "Aquí está: {}, gracias.",
    "제 것은 {}입니다.",
    "これは{}です。",
    "这是{}。",
    "* {}\n* next",
    "| {} | x |",
    '"{}"',
    "<td>{}</td>",
    "2024-05-01 10:00:00 INFO got {}",
    "a;{};b",
    "first line\n{}\nlast line",
    "value={}",
    "**{}**",
    "`{}`",
    "Вот: {}.",
    "[{}]",
    "said \\n{}\\n there",
)
_LABEL_CARRIERS = (
    "{label}: {value}",
    "{label} {value}",
    "My {label} is {value}.",
    "{label}={value}",
    "- {label}: {value}\n- other: x",
    '{{"{label}": "{value}"}}',
    "<b>{label}</b> {value}",
    "{label} - {value}",
    "{label} : {value}, thanks",
    "| {label} | {value} |",
)


def _structured(rng: random.Random) -> Iterator[Planted]:
    """One value of every structured family in a carrier each."""
    families: dict[str, Maker] = {
        "e-mail": email,
        "e-mail, hidden": hidden_email,
        "phone, international": phone_plus,
        "phone, national": phone_national,
        "card": card,
        "iban": iban,
        "ip": lambda rng: rng.choice(
            (
                f"{rng.randint(128, 223)}." + ".".join(str(rng.randint(1, 254)) for _ in range(3)),
                "2001:db8:" + ":".join(draw_signs(rng, HEX[1:], 4) for _ in range(6)),
                "fe80::" + ":".join(draw_signs(rng, HEX[1:], 4) for _ in range(3)),
            )
        ),
        "mac": lambda rng: rng.choice(":-").join(f"{rng.randint(0, 255):02x}" for _ in range(6)),
        "key": lambda rng: rng.choice(KEYS)(rng),
        "credentials": lambda rng: f"{rng.choice(GIVEN_NAMES)}:{draw_signs(rng, ALNUM, 10)}",
        "wrapped": lambda rng: rng.choice(
            (
                lambda v: base64.b64encode(v.encode()).decode(),
                lambda v: v.encode().hex(),
                lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
            )
        )(f"contact {email(rng)} today"),
    }
    for family, make in families.items():
        value = make(rng)
        carrier = rng.choice(_CARRIERS)
        if family == "credentials":
            carrier = carrier.replace("{}", rng.choice(("https", "postgres", "redis", "amqp")) + "://{}@db.example.com/x")
        yield Planted(family, carrier.replace("{}", value), value)
    country = rng.choice(sorted(BARE_IDS))
    value = BARE_IDS[country](rng)
    yield Planted("national id", rng.choice(_CARRIERS).replace("{}", value), value)
    for family, rows in LABELLED.items():
        label, make = rng.choice(rows)
        value = make(rng)
        yield Planted(family, rng.choice(_LABEL_CARRIERS).format(label=label, value=value), value)
    secret = draw_signs(rng, ALNUM, 10) + rng.choice("!#%") + draw_digits(rng, 2)
    yield Planted("secret, assigned", rng.choice(_ASSIGNED).format(secret), secret)
    yield Planted("password in prose", rng.choice(_PROSE).format(secret), secret)
    key, value = rng.choice(
        (
            ("phone", draw_digits(rng, 10)),
            ("ssn", draw_digits(rng, 9)),
            ("first_name", rng.choice(GIVEN_NAMES).title()),
            ("password", secret),
            ("dob", "1980-02-03"),
            ("card_number", card(rng)),
        )
    )
    yield Planted("json field", f'{{"id": 7, "{key}": "{value}"}}', value)


def planted(seed: int, rounds: int = 40) -> list[Planted]:
    """Texts that hold one value each."""
    rng = random.Random(f"planted/{seed}")
    return [item for _ in range(rounds) for item in _structured(rng)]


def look_alikes(seed: int, rounds: int = 40) -> list[Planted]:
    """Texts that hold none: order numbers, versions, ids of every kind, dates, product codes, hashes, amounts."""
    rng = random.Random(f"look-alikes/{seed}")
    makers: dict[str, Maker] = {
        "order": lambda rng: rng.choice(
            ("order {}", "Order number: {}", "주문번호 {}", "Bestellnummer {}", "注文番号：{}", "ticket #{}")
        ).format(draw_digits(rng, rng.choice((7, 8, 10, 12, 16)))),
        "isbn": lambda rng: "ISBN " + rng.choice(("978-3-16-148410-0", "978-0-306-40615-7", "0-306-40615-2", "9783161484100")),
        "version": lambda rng: f"version {rng.randint(0, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 99)}.{rng.randint(0, 200)}",
        "uuid": lambda rng: f"id {uuid.UUID(int=rng.getrandbits(128), version=4)}",
        "llm id": lambda rng: rng.choice(
            ("chatcmpl-{}", "call_{}", "toolu_01{}", "msg_01{}", "req_011{}", "resp_{}", "run_{}", "thread_{}")
        ).format(draw_signs(rng, ALNUM, 24)),
        "date": lambda rng: (
            f"on {rng.randint(1990, 2030)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
            f" at {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{draw_digits(rng, 6)}Z"
        ),
        "ean": lambda rng: rng.choice(("EAN {}", "barcode {}", "GTIN: {}")).format("880" + draw_digits(rng, 10)),
        "hash": lambda rng: rng.choice(("sha256:{}", "commit {}", "md5 {}", "ETag {}")).format(
            draw_signs(rng, HEX, rng.choice((32, 40, 64)))
        ),
        "amount": lambda rng: f"a total of {rng.randint(1, 999)},{draw_digits(rng, 3)},{draw_digits(rng, 3)}.{draw_digits(rng, 2)} EUR",
        "timestamp": lambda rng: f"ts={rng.randint(1_600_000_000, 1_800_000_000)}{rng.choice(('', draw_digits(rng, 3)))}",
        "path": lambda rng: (
            f"/opt/app-{rng.randint(1, 9)}/lib/python3.{rng.randint(8, 13)}/site-packages"
            f"/{rng.choice(FAMILY_NAMES)}_{rng.choice(GIVEN_NAMES)}.py:{rng.randint(1, 999)}"
        ),
        "tokens": lambda rng: (
            f'{{"prompt_tokens": {rng.randint(100, 99999)}, "max_tokens": {rng.randint(100, 9999)}, "total_tokens": {draw_digits(rng, 6)}}}'
        ),
        "code": lambda rng: rng.choice(
            (
                "password = os.environ['DB_PASSWORD']",
                "token: str = None",
                "api_key=<YOUR_API_KEY>",
                "secret: ${SECRET}",
                "std::vector<int> a; b::c()",
                "the password is required",
                "your token has expired",
                "for i in range(1000000):",
            )
        ),
        "number": lambda rng: f"pi is 3.{draw_digits(rng, 14)}, e is 2.{draw_digits(rng, 12)}",
        "port": lambda rng: f"listens on 127.0.0.1:{rng.randint(1024, 65535)} and 0.0.0.0:{rng.randint(1024, 65535)}",
        "measure": lambda rng: (
            f"{rng.randint(10, 99)} km in {rng.randint(1, 9)} h {rng.randint(10, 59)} min, {rng.randint(10, 49)}-{rng.randint(50, 99)}"
        ),
        "history": lambda rng: (
            f"from {rng.randint(1000, 1500)} to {rng.randint(1500, 1900)}, about {rng.randint(100, 999)} {rng.randint(100, 999)} people"
        ),
        "mask": lambda rng: f"my phone is <PHONE_{rng.randint(1, 99)}> and password is <SECRET_{rng.randint(1, 9)}>",
        "random": lambda rng: f"nonce {draw_signs(rng, ALNUM, 22)} and {base64.b64encode(rng.randbytes(30)).decode()}",
        "url": lambda rng: f"https://example.com/{quote(rng.choice(FAMILY_NAMES))}/{draw_digits(rng, 9)}?v={draw_signs(rng, HEX, 8)}",
        "tracking": lambda rng: f"tracking number 1Z{draw_signs(rng, string.ascii_uppercase + string.digits, 16)}",
    }
    return [Planted(family, make(rng), "") for _ in range(rounds) for family, make in makers.items()]


def covered(item: Planted, spans: list[tuple[int, int]]) -> bool:
    """Whether at least 80 % of the value's letters and digits lie in the spans."""
    start = item.text.index(item.value)
    places = [start + index for index, sign in enumerate(item.value) if sign.isalnum()]
    hits = sum(any(left <= place < right for left, right in spans) for place in places)
    return hits >= 0.8 * len(places)
