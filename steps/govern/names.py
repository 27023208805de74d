"""Person names where people introduce themselves, sign, or are addressed, in English and Korean.

There is no dictionary of names: someone who is merely mentioned is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = r"[A-Z][a-zÀ-ÿ]*(?:['’-][A-Z]?[a-zÀ-ÿ]+)*\.?"
_NAME = rf"{_WORD}(?:[ \t]+(?:(?:van|von|der|den|de|da|di|del|la|bin|al)[ \t]+)*{_WORD}){{0,3}}"
_FULL_NAME = rf"[A-Z][a-zÀ-ÿ'’-]+(?:[ \t]+[A-Z]\.)?(?:[ \t]+(?:(?:van|von|der|den|de|da|di|del|la|bin|al)[ \t]+)*[A-Z][a-zÀ-ÿ'’-]+){{1,3}}"
_LOWER = r"[a-z]{2,20}(?:[ \t]+[a-z]{2,20})?"
_NOT_NAMES = frozenset(
    "not on in the a an my your his her its for of to at by as is are was be been also very so too this that what which who how where when why and or but if only"
    " just still now here there used wrong right correct misspelled spelled registered listed shown printed showing displayed missing unknown private confidential taken already".split()
)
# Words that follow "I am" in capitals and are no names; nationalities and products lead nowhere private.
_NOT_FIRST = frozenset("The A An Not So Very In On At From Using Trying Looking Getting Having Running Working American British Korean Chinese Japanese French German Indian".split())
_ENGLISH = (
    re.compile(rf"(?i:\bmy (?:full |first |last |real |user)?name(?:'s|’s| is|:)|\bi(?: am|'m|’m) called|\bcall me|\bmy friends call me)[ \t]+({_NAME})"),
    re.compile(rf"\b(?:I am|I'm|I’m|i am|i'm|Im)[ \t]+({_FULL_NAME})"),
    re.compile(rf"(?i:\bthis is)[ \t]+({_NAME})(?=[ \t]+(?:speaking|here|calling|writing|again|from)\b|,?[ \t]+and I\b)"),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|MR|MRS|MS|DR)\b\.?[ \t]+({_NAME})"),
    re.compile(rf"(?i:\b(?:best|kind|warm|with)? ?regards|\bsincerely(?: yours)?|\byours (?:truly|faithfully|sincerely)|\bcheers|\bthanks|\bthank you|\bbest wishes|\bbest)\s*[,.!]?[ \t]*\n\s*[-–—~]*[ \t]*({_NAME})[ \t]*(?=\n|$)"),
    re.compile(rf"(?i:\bregards|\bsincerely|\bcheers|\bthanks|\bthank you),[ \t]+({_NAME})[ \t]*$"),
)
_ENGLISH_LOWER = re.compile(rf"(?i:\bmy (?:full )?name is|\bmy name's|\bi am called)[ \t]+({_LOWER})(?=[ \t]*(?:[.,;!?\n]|and\b|$))")

_SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄원채천방공현함변염여추도소석선설마길연위표명기반라왕금옥육인맹제모탁국어은편용예경봉사부"
)
_HANGUL_NAME = rf"(?:남궁|황보|제갈|선우|독고|사공|서문|[{_SURNAMES}])[가-힣]{{1,2}}"
_PARTICLE = r"(?=께서|께|에게|한테|이라고|이라는|입니다|이에요|예요|이신|이랑|하고|으로|은|는|이|가|을|를|의|와|과|도|만|께|님|[^가-힣]|$)"
_COPULA = r"(?=입니다|이에요|예요|이라고|라고|이고|인데|이며|이요|[\s.,!?]|$)"
_KOREAN = (
    re.compile(rf"(?:제|내|저의|나의|본인|성함|고객)\s*(?:이름|성함|성명)(?:은|이|:)?\s*([가-힣]{{2,5}}?|{_NAME}){_COPULA}"),
    re.compile(rf"(?:이름|성함|성명)\s*(?:은|:|：)\s*({_HANGUL_NAME}){_COPULA}"),
    re.compile(rf"(?<![가-힣])(?:저는|나는|전|제가|안녕하세요,?|저|여기는)\s+({_HANGUL_NAME}|{_FULL_NAME})(?=입니다|이에요|예요|이라고|라고|이고|인데요)"),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s?님{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s?씨{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])([가-힣]{{2,3}})\s씨{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s*(?:올림|드림|배상)(?=[\s.!]|$)"),
)
# Words that look like a surname and a given name: titles before 님, nouns before 씨, and what people are.
_KOREAN_NOT_NAMES = frozenset(
    "고객 고객분 선생 사장 교수 부모 주인 담당자 관리자 의사 하나 예수 임금 원장 팀장 부장 과장 대리 이사 대표 기사 아버 어머 할머 장모 조교 주교 신부 공주 기자 이용자 사용자 변호사 강사 주임 소장 위원 위원장 회장 지점장 부회장 국장 실장 차장"
    " 조카 장인 시어머 여러분 이웃 유저 구매자 판매자 상담사 상담원 회원 도련 서방 형수 제수 심사관 전문가 도사 성인 남자 여자 남성 여성 주부 한국인 외국인 공무원 연구원 연구자 유학생 대학생 신입생 신입 신입사원 임원 직원 지원자 신청자"
    " 임차인 임대인 소비자 여행자 남학생 여학생 간호사 한의사 개발자 기획자 노인 우리 이번 이것 그것 여기 저기 모두 하지만 그런데 서울 인천 부산 경기 이름 성함 성명 고등학생 조언 문의 문의자 이해 이상 이제 주문 전화 전혀 정말 지금 현재 한번 오늘"
    " 내일 어제 방금 서울날 오늘날 마음 솜 글 날 말 아저 아가 맵 이용 유료회원 무료회원 정회원 준회원 신규회원 우수회원 가입 방문 안내 구독자 민원인 사업자 예약자 소유자 하느 원어민 이민자 채식주의자 전공자 초보자 주민 시민 국민 군인 상인 장애인".split()
)


def _english(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _ENGLISH:
        for match in pattern.finditer(text):
            first = match[1].split()[0].rstrip(".")
            if first not in _NOT_FIRST and first.lower() not in _NOT_NAMES:
                start, end = match.span(1)
                yield start, start + len(text[start:end].rstrip(".")) if not re.search(r"\b[A-Z]\.$", text[start:end]) else end
    for match in _ENGLISH_LOWER.finditer(text):
        words = match[1].split()
        if words and words[0] not in _NOT_NAMES:
            kept = words[: 1 if words[-1] in _NOT_NAMES else 2]
            yield match.start(1), match.start(1) + match[1].index(kept[-1], len(kept[0]) if len(kept) > 1 else 0) + len(kept[-1])


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Half-open spans of names in a text."""
    yield from _english(text)
    if not text.isascii():
        for pattern in _KOREAN:
            for match in pattern.finditer(text):
                if match[1] not in _KOREAN_NOT_NAMES:
                    yield match.span(1)
