"""Labelled texts with personal data, generated: values with valid check digits in carriers of several languages, and look-alikes.

A seed gives other values, other carriers and other pairs of them. No list of texts is fitted to the rules: what is
generated here is what the formats' own definitions say.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Planted:
    """A text and the value in it; `value` is "" for a look-alike."""

    family: str
    text: str
    value: str


Maker = Callable[[random.Random], str]
_LOWER, _ALNUM, _HEX = string.ascii_lowercase, string.ascii_letters + string.digits, "0123456789abcdef"
_GIVEN = ("anna", "jonas", "marta", "piotr", "aylin", "tomas", "ines", "dmitri", "yuki", "siobhan", "lars", "chiara", "noor", "kwame")
_FAMILY = ("weber", "moretti", "okafor", "lindqvist", "tanaka", "novak", "silva", "papadakis", "kowalska", "demir", "haugen", "obrien")


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _signs(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _valid(rng: random.Random, module: str, draw: Maker) -> str:
    """A value that python-stdnum takes for valid."""
    from importlib import import_module

    check = import_module(f"stdnum.{module}")
    for _ in range(200_000):
        value = draw(rng)
        if check.is_valid(value):
            return value
    raise LookupError(f"stdnum.{module}: none of 200,000 values is valid")


def _dated(rng: random.Random, shape: str, rest: int) -> str:
    year, month, day = rng.randint(50, 99), rng.randint(1, 12), rng.randint(1, 28)
    return shape.format(y=f"{year:02d}", m=f"{month:02d}", d=f"{day:02d}", r=_digits(rng, rest))


def _spaced(value: str, sizes: tuple[int, ...], blank: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(value[at : at + size])
        at += size
    return blank.join(part for part in [*parts, value[at:]] if part)


def email(rng: random.Random) -> str:
    """An address in one of the usual forms."""
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    local = rng.choice((f"{given}.{family}", f"{given[0]}{family}{rng.randint(1, 99)}", f"{given}_{family}", f"{given}+{family}"))
    host = rng.choice(("example.com", "mail.example.org", "firma.example.de", "uni.example.ac.uk", "example.co.kr", "sub.mail-host.example.io"))
    return f"{local}@{host}"


def hidden_email(rng: random.Random) -> str:
    """An address that hides from programs."""
    given, family, host = rng.choice(_GIVEN), rng.choice(_FAMILY), rng.choice(("example", "mailhost", "firma"))
    forms = ("{}.{} at {} dot com", "{}.{} [at] {} [dot] org", "{}.{}(at){}.com", "{}.{} @ {} . net", "{}_{}@{}[.]de", "{}.{}＠{}．com", "{}.{}&#64;{}.com")
    return rng.choice(forms).format(given, family, host)


def phone_plus(rng: random.Random) -> str:
    """An assigned number with its country code, as phonenumbers and people write it."""
    import phonenumbers

    region = rng.choice(("US", "GB", "DE", "FR", "ES", "IT", "KR", "JP", "CN", "IN", "BR", "MX", "AU", "CA", "NL", "PL", "SE", "TR", "UA", "ZA", "AR", "AE", "SG", "VN"))
    sample = phonenumbers.example_number_for_type(region, rng.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)))
    tail = _digits(rng, 2)
    text = phonenumbers.format_number(sample, rng.choice((phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164)))
    text = text[:-2] + tail if text[-2:].isdigit() else text
    return rng.choice((text, text.replace(" ", "-"), text.replace(" ", "."), text.replace("+", "00", 1) if rng.random() < 0.5 else text))


def phone_national(rng: random.Random) -> str:
    """A number as it is written within its country, with its groups."""
    forms = ("010-####-####", "02-####-####", "(415) 555-####", "212-555-####", "020 7946 0###", "07700 900###", "06 12 34 ## ##", "0151 234#####", "030 2345####", "090-1234-####", "03-3456-####", "0412 345 ###", "010########")
    return "".join(rng.choice("123456789") if sign == "#" else sign for sign in rng.choice(forms))


def card(rng: random.Random) -> str:
    """A payment card of a network, in groups or not."""
    prefix, size = rng.choice((("4", 16), ("51", 16), ("55", 16), ("2301", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14), ("62", 16)))
    value = _valid(rng, "luhn", lambda rng: prefix + _digits(rng, size - len(prefix)))
    blank = rng.choice(("", " ", "-", "\u00a0", "."))
    sizes = (4, 6, 5) if size in (14, 15) else (4, 4, 4, 4)
    return _spaced(value, sizes, blank) if blank else value


def iban(rng: random.Random) -> str:
    """An international account number."""
    country, bank, size = rng.choice(
        (("DE", "", 22), ("FR", "", 27), ("GB", "NWBK", 22), ("NL", "ABNA", 18), ("ES", "", 24), ("IT", "X", 27), ("PL", "", 28), ("CH", "", 21), ("BE", "", 16))
        + (("AT", "", 20), ("SE", "", 24), ("NO", "", 15), ("PT", "", 25), ("IE", "AIBK", 22), ("FI", "", 18), ("TR", "", 26), ("SA", "", 24), ("DK", "", 18))
    )
    body = f"{country}00{bank}{_digits(rng, size - 4 - len(bank))}"
    rest = body[4:] + body[:2]
    check = 98 - int("".join(str(int(sign, 36)) for sign in rest) + "00") % 97
    value = f"{body[:2]}{check:02d}{body[4:]}"
    return rng.choice((value, _spaced(value, (4,) * 8, " "), value.lower(), _spaced(value, (4,) * 8, "-")))


_BARE: dict[str, Maker] = {
    "kr": lambda rng: _dated(rng, "{y}{m}{d}-", 0) + rng.choice("1256") + _digits(rng, 6),
    "us": lambda rng: f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
    "cn": lambda rng: _valid(rng, "cn.ric", lambda rng: f"11010{rng.randint(1, 9)}19{_dated(rng, '{y}{m}{d}{r}', 3)}{rng.choice('0123456789X')}"),
    "in": lambda rng: _spaced(_valid(rng, "in_.aadhaar", lambda rng: rng.choice("23456789") + _digits(rng, 11)), (4, 4, 4), " "),
    "br": lambda rng: (lambda v: f"{v[:3]}.{v[3:6]}.{v[6:9]}-{v[9:]}")(_valid(rng, "br.cpf", lambda rng: _digits(rng, 11))),
    "it": lambda rng: _valid(rng, "it.codicefiscale", lambda rng: f"RSSMR{rng.choice('AO')}{rng.randint(50, 99)}{rng.choice('ABCDEHLMPRST')}{rng.randint(1, 28):02d}H501{rng.choice(string.ascii_uppercase)}"),
    "es": lambda rng: _valid(rng, "es.dni", lambda rng: _digits(rng, 8) + rng.choice(string.ascii_uppercase)),
    "es_nie": lambda rng: _valid(rng, "es.nie", lambda rng: rng.choice("XYZ") + _digits(rng, 7) + rng.choice(string.ascii_uppercase)),
    "fr": lambda rng: _valid(rng, "fr.nir", lambda rng: rng.choice("12") + _dated(rng, "{y}{m}", 0) + f"{rng.randint(1, 19):02d}" + _digits(rng, 8)),
    "gb": lambda rng: f"{rng.choice('ABCEHJL')}{rng.choice('ABCEHJ')} {rng.randint(10, 99)} {rng.randint(10, 99)} {rng.randint(10, 99)} {rng.choice('ABCD')}",
    "pl": lambda rng: _valid(rng, "pl.pesel", lambda rng: _dated(rng, "{y}{m}{d}{r}", 5)),
    "se": lambda rng: _valid(rng, "se.personnummer", lambda rng: _dated(rng, "{y}{m}{d}-{r}", 4)),
    "no": lambda rng: _valid(rng, "no.fodselsnummer", lambda rng: _dated(rng, "{d}{m}{y}{r}", 5)),
    "fi": lambda rng: _valid(rng, "fi.hetu", lambda rng: _dated(rng, "{d}{m}{y}-{r}", 3) + rng.choice("0123456789ABCDEFHJKLMNPRSTUVWXY")),
    "be": lambda rng: (lambda v: f"{v[:2]}.{v[2:4]}.{v[4:6]}-{v[6:9]}.{v[9:]}")(_valid(rng, "be.nn", lambda rng: _dated(rng, "{y}{m}{d}{r}", 5))),
    "ch": lambda rng: (lambda v: f"{v[:3]}.{v[3:7]}.{v[7:11]}.{v[11:]}")(_valid(rng, "ch.ssn", lambda rng: "756" + _digits(rng, 10))),
    "cz": lambda rng: _valid(rng, "cz.rc", lambda rng: _dated(rng, "{y}{m}{d}/{r}", 4)),
    "ro": lambda rng: _valid(rng, "ro.cnp", lambda rng: rng.choice("12") + _dated(rng, "{y}{m}{d}", 0) + f"{rng.randint(1, 46):02d}" + _digits(rng, 4)),
    "tr": lambda rng: _valid(rng, "tr.tckimlik", lambda rng: rng.choice("123456789") + _digits(rng, 10)),
    "za": lambda rng: _valid(rng, "za.idnr", lambda rng: _dated(rng, "{y}{m}{d}{r}", 4) + "08" + _digits(rng, 1)),
    "cl": lambda rng: (lambda v: f"{v[:2]}.{v[2:5]}.{v[5:8]}-{v[8:]}")(_valid(rng, "cl.rut", lambda rng: _digits(rng, 8) + rng.choice("0123456789K"))),
    "ar": lambda rng: (lambda v: f"{v[:2]}-{v[2:10]}-{v[10:]}")(_valid(rng, "ar.cuit", lambda rng: rng.choice(("20", "27")) + _digits(rng, 9))),
    "mx": lambda rng: _valid(rng, "mx.curp", lambda rng: f"GOME{_dated(rng, '{y}{m}{d}', 0)}H{rng.choice(('DF', 'JC'))}{_signs(rng, 'BCDFGHJKLMNP', 3)}0{_digits(rng, 1)}"),
    "my": lambda rng: _valid(rng, "my.nric", lambda rng: _dated(rng, "{y}{m}{d}-", 0) + f"{rng.randint(1, 16):02d}-{_digits(rng, 4)}"),
    "pk": lambda rng: _valid(rng, "pk.cnic", lambda rng: f"{rng.choice('12345')}{_digits(rng, 4)}-{_digits(rng, 7)}-{rng.randint(1, 9)}"),
}
_LABELLED_IDS: tuple[tuple[str, Maker], ...] = (
    ("SSN", lambda rng: _digits(rng, 9)),
    ("Steuer-ID", lambda rng: _valid(rng, "de.idnr", lambda rng: rng.choice("123456789") + _digits(rng, 10))),
    ("マイナンバー", lambda rng: _digits(rng, 12)),
    ("BSN", lambda rng: _valid(rng, "nl.bsn", lambda rng: _digits(rng, 9))),
    ("NHS number", lambda rng: _spaced(_digits(rng, 10), (3, 3, 4), " ")),
    ("TFN", lambda rng: _spaced(_digits(rng, 9), (3, 3, 3), " ")),
    ("SIN", lambda rng: _spaced(_digits(rng, 9), (3, 3, 3), " ")),
    ("주민등록번호", lambda rng: _dated(rng, "{y}{m}{d}", 0) + rng.choice("12") + _digits(rng, 6)),
    ("CPF", lambda rng: _digits(rng, 11)),
    ("DNI", lambda rng: _digits(rng, 8)),
    ("codice fiscale", lambda rng: f"VRDGPP{rng.randint(50, 99)}A{rng.randint(10, 28)}F205{rng.choice(string.ascii_uppercase)}"),
    ("ИНН", lambda rng: _digits(rng, 12)),
    ("OIB", lambda rng: _digits(rng, 11)),
    ("身份证号码", lambda rng: f"110101199{_digits(rng, 9)}"),
    ("national ID", lambda rng: _digits(rng, 10)),
)
_LABELLED: dict[str, tuple[tuple[str, Maker], ...]] = {
    "national id, labelled": _LABELLED_IDS,
    "document": (
        ("Passport number", lambda rng: rng.choice("ABCEGM") + _digits(rng, 8)),
        ("Reisepassnummer", lambda rng: "C" + _signs(rng, "0123456789FGHJKLMNP", 3) + _digits(rng, 5)),
        ("여권번호", lambda rng: "M" + _digits(rng, 8)),
        ("パスポート番号", lambda rng: "T" + rng.choice("RKZ") + _digits(rng, 7)),
        ("Driver's license", lambda rng: rng.choice("DFS") + _digits(rng, 7)),
        ("护照号码", lambda rng: "E" + _digits(rng, 8)),
        ("permis de conduire", lambda rng: _digits(rng, 12)),
        ("운전면허번호", lambda rng: f"{rng.randint(11, 28)}-{_digits(rng, 2)}-{_digits(rng, 6)}-{_digits(rng, 2)}"),
    ),
    "account": (
        ("account number", lambda rng: _digits(rng, 10)),
        ("Kontonummer", lambda rng: _digits(rng, 10)),
        ("계좌번호", lambda rng: f"110-{_digits(rng, 3)}-{_digits(rng, 6)}"),
        ("국민은행 계좌", lambda rng: f"{_digits(rng, 6)}-{_digits(rng, 2)}-{_digits(rng, 6)}"),
        ("口座番号", lambda rng: _digits(rng, 7)),
        ("routing number", lambda rng: _digits(rng, 9)),
        ("sort code", lambda rng: f"{_digits(rng, 2)}-{_digits(rng, 2)}-{_digits(rng, 2)}"),
        ("CLABE", lambda rng: _digits(rng, 18)),
    ),
    "phone, labelled": (
        ("phone", lambda rng: f"{rng.randint(201, 989)} {rng.randint(200, 999)} {_digits(rng, 4)}"),
        ("Tel.", lambda rng: f"0{rng.randint(20, 99)}/{_digits(rng, 7)}"),
        ("전화번호", lambda rng: f"010{_digits(rng, 8)}"),
        ("携帯", lambda rng: f"080{_digits(rng, 8)}"),
        ("手机号", lambda rng: f"13{_digits(rng, 9)}"),
        ("móvil", lambda rng: f"6{_digits(rng, 8)}"),
        ("WhatsApp", lambda rng: _digits(rng, 10)),
        ("numer telefonu", lambda rng: _spaced(f"5{_digits(rng, 8)}", (3, 3, 3), " ")),
    ),
    "date of birth": (
        ("date of birth", lambda rng: f"{rng.randint(1940, 2005)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"),
        ("DOB", lambda rng: f"{rng.randint(1, 12):02d}/{rng.randint(1, 28):02d}/{rng.randint(1940, 2005)}"),
        ("Geburtsdatum", lambda rng: f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{rng.randint(1940, 2005)}"),
        ("date de naissance", lambda rng: f"{rng.randint(1, 28)} {rng.choice(('mars', 'avril', 'juillet'))} {rng.randint(1940, 2005)}"),
        ("생년월일", lambda rng: f"{rng.randint(1940, 2005)}년 {rng.randint(1, 12)}월 {rng.randint(1, 28)}일"),
        ("生年月日", lambda rng: f"{rng.randint(1940, 2005)}年{rng.randint(1, 12)}月{rng.randint(1, 28)}日"),
        ("fecha de nacimiento", lambda rng: f"{rng.randint(1, 28)} de mayo de {rng.randint(1940, 2005)}"),
        ("I was born on", lambda rng: f"March {rng.randint(1, 28)}, {rng.randint(1940, 2005)}"),
    ),
}
_KEYS: tuple[Maker, ...] = (
    lambda rng: "sk-proj-" + _signs(rng, _ALNUM, 48),
    lambda rng: "sk-ant-api03-" + _signs(rng, _ALNUM, 60),
    lambda rng: "AKIA" + _signs(rng, string.ascii_uppercase + "234567", 16),
    lambda rng: "ghp_" + _signs(rng, _ALNUM, 36),
    lambda rng: "glpat-" + _signs(rng, _ALNUM, 20),
    lambda rng: "xoxb-" + _digits(rng, 12) + "-" + _digits(rng, 12) + "-" + _signs(rng, _ALNUM, 24),
    lambda rng: "AIza" + _signs(rng, _ALNUM, 35),
    lambda rng: "sk_live_" + _signs(rng, _ALNUM, 24),
    lambda rng: "SG." + _signs(rng, _ALNUM, 22) + "." + _signs(rng, _ALNUM, 43),
    lambda rng: "hf_" + _signs(rng, string.ascii_letters, 34),
    lambda rng: "npm_" + _signs(rng, _ALNUM, 36),
    lambda rng: "pypi-AgEIcHlwaS5vcmc" + _signs(rng, _ALNUM, 60),
    lambda rng: "dckr_pat_" + _signs(rng, _ALNUM, 27),
    lambda rng: "shpat_" + _signs(rng, _HEX, 32),
    lambda rng: "hvs." + _signs(rng, _ALNUM, 90),
    lambda rng: "dapi" + _signs(rng, _HEX, 32),
    lambda rng: "dop_v1_" + _signs(rng, _HEX, 64),
    lambda rng: "lin_api_" + _signs(rng, _ALNUM, 40),
    lambda rng: "GOCSPX-" + _signs(rng, _ALNUM, 28),
    lambda rng: "ya29." + _signs(rng, _ALNUM, 60),
    lambda rng: "glsa_" + _signs(rng, _ALNUM, 32) + "_" + _signs(rng, _HEX, 8),
    lambda rng: "PMAK-" + _signs(rng, _HEX, 24) + "-" + _signs(rng, _HEX, 34),
    lambda rng: "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(_signs(rng, _ALNUM, 40).encode()).decode().rstrip("=") + "." + _signs(rng, _ALNUM, 43),
    lambda rng: f"{_digits(rng, 10)}:AA" + _signs(rng, _ALNUM, 33),
    lambda rng: "https://hooks.slack.com/services/T" + _signs(rng, "ABC123", 8) + "/B" + _signs(rng, "ABC123", 8) + "/" + _signs(rng, _ALNUM, 24),
    lambda rng: "SK" + _signs(rng, _HEX, 32),
    lambda rng: "r8_" + _signs(rng, _ALNUM, 37),
    lambda rng: "tskey-auth-" + _signs(rng, _ALNUM, 17) + "-" + _signs(rng, _ALNUM, 32),
)
_ASSIGNED = ("api_key = '{}'", "export SECRET_TOKEN={}", "DB_PASSWORD: {}", '"client_secret": "{}"', "password={}&x=1", "access-token: {}", "X-Api-Key: {}", "Passwort: {}", "비밀번호: {}", "contraseña: {}")
_PROSE = ("my password is {}", "das Passwort lautet {}", "le mot de passe est {}", "la contraseña es {}", "비밀번호는 {} 입니다", "パスワードは{}です", "log in with password {} please", "the password for the router is {}")
_CARRIERS = (
    "{}", "It is {} if you need it.", "Please note: {}", "({})", "Bitte an {} denken.", "Voici : {}.", "Aquí está: {}, gracias.", "제 것은 {}입니다.", "これは{}です。", "这是{}。", "* {}\n* next", "| {} | x |",
    '"{}"', "<td>{}</td>", "2024-05-01 10:00:00 INFO got {}", "a;{};b", "first line\n{}\nlast line", "value={}", "**{}**", "`{}`", "Вот: {}.", "[{}]", "said \\n{}\\n there",
)
_LABEL_CARRIERS = ("{label}: {value}", "{label} {value}", "My {label} is {value}.", "{label}={value}", "- {label}: {value}\n- other: x", '{{"{label}": "{value}"}}', "<b>{label}</b> {value}", "{label} - {value}", "{label} : {value}, thanks", "| {label} | {value} |")


def _structured(rng: random.Random) -> Iterator[Planted]:
    """One value of every structured family in a carrier each."""
    families: dict[str, Maker] = {
        "e-mail": email,
        "e-mail, hidden": hidden_email,
        "phone, international": phone_plus,
        "phone, national": phone_national,
        "card": card,
        "iban": iban,
        "ip": lambda rng: rng.choice((f"{rng.randint(128, 223)}." + ".".join(str(rng.randint(1, 254)) for _ in range(3)), "2001:db8:" + ":".join(_signs(rng, _HEX[1:], 4) for _ in range(6)), "fe80::" + ":".join(_signs(rng, _HEX[1:], 4) for _ in range(3)))),
        "mac": lambda rng: rng.choice(":-").join(f"{rng.randint(0, 255):02x}" for _ in range(6)),
        "key": lambda rng: rng.choice(_KEYS)(rng),
        "credentials": lambda rng: f"{rng.choice(_GIVEN)}:{_signs(rng, _ALNUM, 10)}",
        "wrapped": lambda rng: rng.choice((lambda v: base64.b64encode(v.encode()).decode(), lambda v: v.encode().hex(), lambda v: "".join(f"%{byte:02X}" for byte in v.encode())))(f"contact {email(rng)} today"),
    }
    for family, make in families.items():
        value = make(rng)
        carrier = rng.choice(_CARRIERS)
        if family == "credentials":
            carrier = carrier.replace("{}", rng.choice(("https", "postgres", "redis", "amqp")) + "://{}@db.example.com/x")
        yield Planted(family, carrier.replace("{}", value), value)
    country = rng.choice(sorted(_BARE))
    value = _BARE[country](rng)
    yield Planted("national id", rng.choice(_CARRIERS).replace("{}", value), value)
    for family, rows in _LABELLED.items():
        label, make = rng.choice(rows)
        value = make(rng)
        yield Planted(family, rng.choice(_LABEL_CARRIERS).format(label=label, value=value), value)
    secret = _signs(rng, _ALNUM, 10) + rng.choice("!#%") + _digits(rng, 2)
    yield Planted("secret, assigned", rng.choice(_ASSIGNED).format(secret), secret)
    yield Planted("password in prose", rng.choice(_PROSE).format(secret), secret)
    key, value = rng.choice((("phone", _digits(rng, 10)), ("ssn", _digits(rng, 9)), ("first_name", rng.choice(_GIVEN).title()), ("password", secret), ("dob", "1980-02-03"), ("card_number", card(rng))))
    yield Planted("json field", f'{{"id": 7, "{key}": "{value}"}}', value)


def planted(seed: int, rounds: int = 40) -> list[Planted]:
    """Texts that hold one value each."""
    rng = random.Random(f"planted/{seed}")
    return [item for _ in range(rounds) for item in _structured(rng)]


def look_alikes(seed: int, rounds: int = 40) -> list[Planted]:
    """Texts that hold none: order numbers, versions, ids of every kind, dates, product codes, hashes, amounts."""
    rng = random.Random(f"look-alikes/{seed}")
    makers: dict[str, Maker] = {
        "order": lambda rng: rng.choice(("order {}", "Order number: {}", "주문번호 {}", "Bestellnummer {}", "注文番号：{}", "ticket #{}")).format(_digits(rng, rng.choice((7, 8, 10, 12, 16)))),
        "isbn": lambda rng: "ISBN " + rng.choice(("978-3-16-148410-0", "978-0-306-40615-7", "0-306-40615-2", "9783161484100")),
        "version": lambda rng: f"version {rng.randint(0, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 99)}.{rng.randint(0, 200)}",
        "uuid": lambda rng: f"id {uuid.UUID(int=rng.getrandbits(128), version=4)}",
        "llm id": lambda rng: rng.choice(("chatcmpl-{}", "call_{}", "toolu_01{}", "msg_01{}", "req_011{}", "resp_{}", "run_{}", "thread_{}")).format(_signs(rng, _ALNUM, 24)),
        "date": lambda rng: f"on {rng.randint(1990, 2030)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} at {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{_digits(rng, 6)}Z",
        "ean": lambda rng: rng.choice(("EAN {}", "barcode {}", "GTIN: {}")).format("880" + _digits(rng, 10)),
        "hash": lambda rng: rng.choice(("sha256:{}", "commit {}", "md5 {}", "ETag {}")).format(_signs(rng, _HEX, rng.choice((32, 40, 64)))),
        "amount": lambda rng: f"a total of {rng.randint(1, 999)},{_digits(rng, 3)},{_digits(rng, 3)}.{_digits(rng, 2)} EUR",
        "timestamp": lambda rng: f"ts={rng.randint(1_600_000_000, 1_800_000_000)}{rng.choice(('', _digits(rng, 3)))}",
        "path": lambda rng: f"/opt/app-{rng.randint(1, 9)}/lib/python3.{rng.randint(8, 13)}/site-packages/{rng.choice(_FAMILY)}_{rng.choice(_GIVEN)}.py:{rng.randint(1, 999)}",
        "tokens": lambda rng: f'{{"prompt_tokens": {rng.randint(100, 99999)}, "max_tokens": {rng.randint(100, 9999)}, "total_tokens": {rng.randint(1000, 999999)}}}',
        "code": lambda rng: rng.choice(("password = os.environ['DB_PASSWORD']", "token: str = None", "api_key=<YOUR_API_KEY>", "secret: ${SECRET}", "std::vector<int> a; b::c()", "the password is required", "your token has expired", "for i in range(1000000):")),
        "number": lambda rng: f"pi is 3.{_digits(rng, 14)}, e is 2.{_digits(rng, 12)}",
        "port": lambda rng: f"listens on 127.0.0.1:{rng.randint(1024, 65535)} and 0.0.0.0:{rng.randint(1024, 65535)}",
        "measure": lambda rng: f"{rng.randint(10, 99)} km in {rng.randint(1, 9)} h {rng.randint(10, 59)} min, {rng.randint(1000, 9999)}-{rng.randint(1000, 9999)} rpm",
        "history": lambda rng: f"from {rng.randint(1000, 1500)} to {rng.randint(1500, 1900)}, about {rng.randint(100, 999)} {rng.randint(100, 999)} people",
        "mask": lambda rng: f"my phone is <PHONE_{rng.randint(1, 99)}> and password is <SECRET_{rng.randint(1, 9)}>",
        "random": lambda rng: f"nonce {_signs(rng, _ALNUM, 22)} and {base64.b64encode(rng.randbytes(30)).decode()}",
        "url": lambda rng: f"https://example.com/{quote(rng.choice(_FAMILY))}/{_digits(rng, 9)}?page={rng.randint(1, 99)}&v={_signs(rng, _HEX, 8)}",
        "tracking": lambda rng: f"tracking number 1Z{_signs(rng, string.ascii_uppercase + string.digits, 16)}",
    }
    return [Planted(family, make(rng), "") for _ in range(rounds) for family, make in makers.items()]


def covered(item: Planted, spans: list[tuple[int, int]]) -> bool:
    """Whether at least 80 % of the value's letters and digits lie in the spans."""
    start = item.text.index(item.value)
    places = [start + index for index, sign in enumerate(item.value) if sign.isalnum()]
    hits = sum(any(left <= place < right for left, right in spans) for place in places)
    return hits >= 0.8 * len(places)
