"""Personal values, generated with valid check digits by the definitions of their formats."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

Maker = Callable[[random.Random], str]
_LOWER, ALNUM, HEX = string.ascii_lowercase, string.ascii_letters + string.digits, "0123456789abcdef"
GIVEN_NAMES = ("anna", "jonas", "marta", "piotr", "aylin", "tomas", "ines", "dmitri", "yuki", "siobhan", "lars", "chiara", "noor", "kwame")
FAMILY_NAMES = ("weber", "moretti", "okafor", "lindqvist", "tanaka", "novak", "silva", "papadakis", "kowalska", "demir", "haugen", "obrien")


def draw_digits(rng: random.Random, count: int) -> str:
    """Random digits."""
    return "".join(rng.choices(string.digits, k=count))


def draw_signs(rng: random.Random, alphabet: str, count: int) -> str:
    """Random signs of an alphabet."""
    return "".join(rng.choices(alphabet, k=count))


def draw_valid(rng: random.Random, module: str, draw: Maker) -> str:
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
    return shape.format(y=f"{year:02d}", m=f"{month:02d}", d=f"{day:02d}", r=draw_digits(rng, rest))


def _spaced(value: str, sizes: tuple[int, ...], blank: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(value[at : at + size])
        at += size
    return blank.join(part for part in [*parts, value[at:]] if part)


def email(rng: random.Random) -> str:
    """An address in one of the usual forms."""
    given, family = rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES)
    local = rng.choice((f"{given}.{family}", f"{given[0]}{family}{rng.randint(1, 99)}", f"{given}_{family}", f"{given}+{family}"))
    host = rng.choice(
        ("example.com", "mail.example.org", "firma.example.de", "uni.example.ac.uk", "example.co.kr", "sub.mail-host.example.io")
    )
    return f"{local}@{host}"


def hidden_email(rng: random.Random) -> str:
    """An address that hides from programs."""
    given, family, host = rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES), rng.choice(("example", "mailhost", "firma"))
    forms = (
        "{}.{} at {} dot com",
        "{}.{} [at] {} [dot] org",
        "{}.{}(at){}.com",
        "{}.{} @ {} . net",
        "{}_{}@{}[.]de",
        "{}.{}＠{}．com",
        "{}.{}&#64;{}.com",
    )
    return rng.choice(forms).format(given, family, host)


def phone_plus(rng: random.Random) -> str:
    """An assigned number with its country code, as phonenumbers and people write it."""
    import phonenumbers

    region = rng.choice(
        (
            "US",
            "GB",
            "DE",
            "FR",
            "ES",
            "IT",
            "KR",
            "JP",
            "CN",
            "IN",
            "BR",
            "MX",
            "AU",
            "CA",
            "NL",
            "PL",
            "SE",
            "TR",
            "UA",
            "ZA",
            "AR",
            "AE",
            "SG",
            "VN",
        )
    )
    sample = phonenumbers.example_number_for_type(
        region, rng.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE))
    )
    assert sample is not None, region
    tail = draw_digits(rng, 2)
    text = phonenumbers.format_number(
        sample, rng.choice((phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164))
    )
    text = text[:-2] + tail if text[-2:].isdigit() else text
    return rng.choice((text, text.replace(" ", "-"), text.replace(" ", "."), text.replace("+", "00", 1) if rng.random() < 0.5 else text))


def phone_national(rng: random.Random) -> str:
    """A number as it is written within its country, with its groups."""
    forms = (
        "010-####-####",
        "02-####-####",
        "(415) 555-####",
        "212-555-####",
        "020 7946 0###",
        "07700 900###",
        "06 12 34 ## ##",
        "0151 234#####",
        "030 2345####",
        "090-1234-####",
        "03-3456-####",
        "0412 345 ###",
        "010########",
    )
    return "".join(rng.choice("123456789") if sign == "#" else sign for sign in rng.choice(forms))


def card(rng: random.Random) -> str:
    """A payment card of a network, in groups or not."""
    prefix, size = rng.choice(
        (("4", 16), ("51", 16), ("55", 16), ("2301", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14), ("62", 16))
    )
    value = draw_valid(rng, "luhn", lambda rng: prefix + draw_digits(rng, size - len(prefix)))
    blank = rng.choice(("", " ", "-", "\u00a0", "."))
    sizes = (4, 6, 5) if size in (14, 15) else (4, 4, 4, 4)
    return _spaced(value, sizes, blank) if blank else value


def iban(rng: random.Random) -> str:
    """An international account number."""
    country, bank, size = rng.choice(
        (
            ("DE", "", 22),
            ("FR", "", 27),
            ("GB", "NWBK", 22),
            ("NL", "ABNA", 18),
            ("ES", "", 24),
            ("IT", "X", 27),
            ("PL", "", 28),
            ("CH", "", 21),
            ("BE", "", 16),
        )
        + (
            ("AT", "", 20),
            ("SE", "", 24),
            ("NO", "", 15),
            ("PT", "", 25),
            ("IE", "AIBK", 22),
            ("FI", "", 18),
            ("TR", "", 26),
            ("SA", "", 24),
            ("DK", "", 18),
        )
    )
    body = f"{country}00{bank}{draw_digits(rng, size - 4 - len(bank))}"
    rest = body[4:] + body[:2]
    check = 98 - int("".join(str(int(sign, 36)) for sign in rest) + "00") % 97
    value = f"{body[:2]}{check:02d}{body[4:]}"
    return rng.choice((value, _spaced(value, (4,) * 8, " "), value.lower(), _spaced(value, (4,) * 8, "-")))


BARE_IDS: dict[str, Maker] = {
    "kr": lambda rng: _dated(rng, "{y}{m}{d}-", 0) + rng.choice("1256") + draw_digits(rng, 6),
    "us": lambda rng: f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
    "cn": lambda rng: draw_valid(
        rng, "cn.ric", lambda rng: f"11010{rng.randint(1, 9)}19{_dated(rng, '{y}{m}{d}{r}', 3)}{rng.choice('0123456789X')}"
    ),
    "in": lambda rng: _spaced(draw_valid(rng, "in_.aadhaar", lambda rng: rng.choice("23456789") + draw_digits(rng, 11)), (4, 4, 4), " "),
    "br": lambda rng: (lambda v: f"{v[:3]}.{v[3:6]}.{v[6:9]}-{v[9:]}")(draw_valid(rng, "br.cpf", lambda rng: draw_digits(rng, 11))),
    "it": lambda rng: draw_valid(
        rng,
        "it.codicefiscale",
        lambda rng: (
            f"RSSMR{rng.choice('AO')}{rng.randint(50, 99)}{rng.choice('ABCDEHLM')}{rng.randint(1, 28):02d}H501{rng.choice('ABCDEFGHIJ')}"
        ),
    ),
    "es": lambda rng: draw_valid(rng, "es.dni", lambda rng: draw_digits(rng, 8) + rng.choice(string.ascii_uppercase)),
    "es_nie": lambda rng: draw_valid(
        rng, "es.nie", lambda rng: rng.choice("XYZ") + draw_digits(rng, 7) + rng.choice(string.ascii_uppercase)
    ),
    "fr": lambda rng: draw_valid(
        rng, "fr.nir", lambda rng: rng.choice("12") + _dated(rng, "{y}{m}", 0) + f"{rng.randint(1, 19):02d}" + draw_digits(rng, 8)
    ),
    "gb": lambda rng: (
        f"{rng.choice('AEHJL')}{rng.choice('ABCE')} {draw_digits(rng, 2)} {draw_digits(rng, 2)} {draw_digits(rng, 2)} {rng.choice('ABCD')}"
    ),
    "pl": lambda rng: draw_valid(rng, "pl.pesel", lambda rng: _dated(rng, "{y}{m}{d}{r}", 5)),
    "se": lambda rng: draw_valid(rng, "se.personnummer", lambda rng: _dated(rng, "{y}{m}{d}-{r}", 4)),
    "no": lambda rng: draw_valid(rng, "no.fodselsnummer", lambda rng: _dated(rng, "{d}{m}{y}{r}", 5)),
    "fi": lambda rng: draw_valid(
        rng, "fi.hetu", lambda rng: _dated(rng, "{d}{m}{y}-{r}", 3) + rng.choice("0123456789ABCDEFHJKLMNPRSTUVWXY")
    ),
    "be": lambda rng: (lambda v: f"{v[:2]}.{v[2:4]}.{v[4:6]}-{v[6:9]}.{v[9:]}")(
        draw_valid(rng, "be.nn", lambda rng: _dated(rng, "{y}{m}{d}{r}", 5))
    ),
    "ch": lambda rng: (lambda v: f"{v[:3]}.{v[3:7]}.{v[7:11]}.{v[11:]}")(
        draw_valid(rng, "ch.ssn", lambda rng: "756" + draw_digits(rng, 10))
    ),
    "cz": lambda rng: draw_valid(rng, "cz.rc", lambda rng: _dated(rng, "{y}{m}{d}/{r}", 4)),
    "ro": lambda rng: draw_valid(
        rng, "ro.cnp", lambda rng: rng.choice("12") + _dated(rng, "{y}{m}{d}", 0) + f"{rng.randint(1, 46):02d}" + draw_digits(rng, 4)
    ),
    "tr": lambda rng: draw_valid(rng, "tr.tckimlik", lambda rng: rng.choice("123456789") + draw_digits(rng, 10)),
    "za": lambda rng: draw_valid(rng, "za.idnr", lambda rng: _dated(rng, "{y}{m}{d}{r}", 4) + "08" + draw_digits(rng, 1)),
    "cl": lambda rng: (lambda v: f"{v[:2]}.{v[2:5]}.{v[5:8]}-{v[8:]}")(
        draw_valid(rng, "cl.rut", lambda rng: draw_digits(rng, 8) + rng.choice("0123456789K"))
    ),
    "ar": lambda rng: (lambda v: f"{v[:2]}-{v[2:10]}-{v[10:]}")(
        draw_valid(rng, "ar.cuit", lambda rng: rng.choice(("20", "27")) + draw_digits(rng, 9))
    ),
    "mx": lambda rng: draw_valid(
        rng,
        "mx.curp",
        lambda rng: (
            f"GOME{_dated(rng, '{y}{m}{d}', 0)}H{rng.choice(('DF', 'JC'))}{draw_signs(rng, 'BCDFGHJKLMNP', 3)}0{draw_digits(rng, 1)}"
        ),
    ),
    "my": lambda rng: draw_valid(
        rng, "my.nric", lambda rng: _dated(rng, "{y}{m}{d}-", 0) + f"{rng.randint(1, 16):02d}-{draw_digits(rng, 4)}"
    ),
    "pk": lambda rng: draw_valid(
        rng, "pk.cnic", lambda rng: f"{rng.choice('12345')}{draw_digits(rng, 4)}-{draw_digits(rng, 7)}-{rng.randint(1, 9)}"
    ),
}
_LABELLED_IDS: tuple[tuple[str, Maker], ...] = (
    ("SSN", lambda rng: draw_digits(rng, 9)),
    ("Steuer-ID", lambda rng: draw_valid(rng, "de.idnr", lambda rng: rng.choice("123456789") + draw_digits(rng, 10))),
    ("マイナンバー", lambda rng: draw_digits(rng, 12)),
    ("BSN", lambda rng: draw_valid(rng, "nl.bsn", lambda rng: draw_digits(rng, 9))),
    ("NHS number", lambda rng: _spaced(draw_digits(rng, 10), (3, 3, 4), " ")),
    ("TFN", lambda rng: _spaced(draw_digits(rng, 9), (3, 3, 3), " ")),
    ("SIN", lambda rng: _spaced(draw_digits(rng, 9), (3, 3, 3), " ")),
    ("주민등록번호", lambda rng: _dated(rng, "{y}{m}{d}", 0) + rng.choice("12") + draw_digits(rng, 6)),
    ("CPF", lambda rng: draw_digits(rng, 11)),
    ("DNI", lambda rng: draw_digits(rng, 8)),
    ("codice fiscale", lambda rng: f"VRDGPP{rng.randint(50, 99)}A{rng.randint(10, 28)}F205{rng.choice(string.ascii_uppercase)}"),
    ("ИНН", lambda rng: draw_digits(rng, 12)),
    ("OIB", lambda rng: draw_digits(rng, 11)),
    ("身份证号码", lambda rng: f"110101199{draw_digits(rng, 9)}"),
    ("national ID", lambda rng: draw_digits(rng, 10)),
)
LABELLED: dict[str, tuple[tuple[str, Maker], ...]] = {
    "national id, labelled": _LABELLED_IDS,
    "document": (
        ("Passport number", lambda rng: rng.choice("ABCEGM") + draw_digits(rng, 8)),
        ("Reisepassnummer", lambda rng: "C" + draw_signs(rng, "0123456789FGHJKLMNP", 3) + draw_digits(rng, 5)),
        ("여권번호", lambda rng: "M" + draw_digits(rng, 8)),
        ("パスポート番号", lambda rng: "T" + rng.choice("RKZ") + draw_digits(rng, 7)),
        ("Driver's license", lambda rng: rng.choice("DFS") + draw_digits(rng, 7)),
        ("护照号码", lambda rng: "E" + draw_digits(rng, 8)),
        ("permis de conduire", lambda rng: draw_digits(rng, 12)),
        ("운전면허번호", lambda rng: f"{rng.randint(11, 28)}-{draw_digits(rng, 2)}-{draw_digits(rng, 6)}-{draw_digits(rng, 2)}"),
    ),
    "account": (
        ("account number", lambda rng: draw_digits(rng, 10)),
        ("Kontonummer", lambda rng: draw_digits(rng, 10)),
        ("계좌번호", lambda rng: f"110-{draw_digits(rng, 3)}-{draw_digits(rng, 6)}"),
        ("국민은행 계좌", lambda rng: f"{draw_digits(rng, 6)}-{draw_digits(rng, 2)}-{draw_digits(rng, 6)}"),
        ("口座番号", lambda rng: draw_digits(rng, 7)),
        ("routing number", lambda rng: draw_digits(rng, 9)),
        ("sort code", lambda rng: f"{draw_digits(rng, 2)}-{draw_digits(rng, 2)}-{draw_digits(rng, 2)}"),
        ("CLABE", lambda rng: draw_digits(rng, 18)),
    ),
    "phone, labelled": (
        ("phone", lambda rng: f"{rng.randint(201, 989)} {rng.randint(200, 999)} {draw_digits(rng, 4)}"),
        ("Tel.", lambda rng: f"0{rng.randint(20, 99)}/{draw_digits(rng, 7)}"),
        ("전화번호", lambda rng: f"010{draw_digits(rng, 8)}"),
        ("携帯", lambda rng: f"080{draw_digits(rng, 8)}"),
        ("手机号", lambda rng: f"13{draw_digits(rng, 9)}"),
        ("móvil", lambda rng: f"6{draw_digits(rng, 8)}"),
        ("WhatsApp", lambda rng: draw_digits(rng, 10)),
        ("numer telefonu", lambda rng: _spaced(f"5{draw_digits(rng, 8)}", (3, 3, 3), " ")),
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
KEYS: tuple[Maker, ...] = (
    lambda rng: "sk-proj-" + draw_signs(rng, ALNUM, 48),
    lambda rng: "sk-ant-api03-" + draw_signs(rng, ALNUM, 60),
    lambda rng: "AKIA" + draw_signs(rng, string.ascii_uppercase + "234567", 16),
    lambda rng: "ghp_" + draw_signs(rng, ALNUM, 36),
    lambda rng: "glpat-" + draw_signs(rng, ALNUM, 20),
    lambda rng: "xoxb-" + draw_digits(rng, 12) + "-" + draw_digits(rng, 12) + "-" + draw_signs(rng, ALNUM, 24),
    lambda rng: "AIza" + draw_signs(rng, ALNUM, 35),
    lambda rng: "sk_live_" + draw_signs(rng, ALNUM, 24),
    lambda rng: "SG." + draw_signs(rng, ALNUM, 22) + "." + draw_signs(rng, ALNUM, 43),
    lambda rng: "hf_" + draw_signs(rng, string.ascii_letters, 34),
    lambda rng: "npm_" + draw_signs(rng, ALNUM, 36),
    lambda rng: "pypi-AgEIcHlwaS5vcmc" + draw_signs(rng, ALNUM, 60),
    lambda rng: "dckr_pat_" + draw_signs(rng, ALNUM, 27),
    lambda rng: "shpat_" + draw_signs(rng, HEX, 32),
    lambda rng: "hvs." + draw_signs(rng, ALNUM, 90),
    lambda rng: "dapi" + draw_signs(rng, HEX, 32),
    lambda rng: "dop_v1_" + draw_signs(rng, HEX, 64),
    lambda rng: "lin_api_" + draw_signs(rng, ALNUM, 40),
    lambda rng: "GOCSPX-" + draw_signs(rng, ALNUM, 28),
    lambda rng: "ya29." + draw_signs(rng, ALNUM, 60),
    lambda rng: "glsa_" + draw_signs(rng, ALNUM, 32) + "_" + draw_signs(rng, HEX, 8),
    lambda rng: "PMAK-" + draw_signs(rng, HEX, 24) + "-" + draw_signs(rng, HEX, 34),
    lambda rng: (
        "eyJhbGciOiJIUzI1NiJ9."
        + base64.urlsafe_b64encode(draw_signs(rng, ALNUM, 40).encode()).decode().rstrip("=")
        + "."
        + draw_signs(rng, ALNUM, 43)
    ),
    lambda rng: f"{draw_digits(rng, 10)}:AA" + draw_signs(rng, ALNUM, 33),
    lambda rng: (
        "https://hooks.slack.com/services/T"
        + draw_signs(rng, "ABC123", 8)
        + "/B"
        + draw_signs(rng, "ABC123", 8)
        + "/"
        + draw_signs(rng, ALNUM, 24)
    ),
    lambda rng: "SK" + draw_signs(rng, HEX, 32),
    lambda rng: "r8_" + draw_signs(rng, ALNUM, 37),
    lambda rng: "tskey-auth-" + draw_signs(rng, ALNUM, 17) + "-" + draw_signs(rng, ALNUM, 32),
)
