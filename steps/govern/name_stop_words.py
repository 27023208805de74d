"""Stop words of the name search: words in the place of a name that are no names, and the Korean family names."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# After "my name is".
NOT_NAMES = _words(
    "not on in the a an my your his her its for of to at by as is are was be been also very so too this that what which who how where"
    " when why and or but if only just still now here there used wrong right correct misspelled spelled registered listed shown printed"
    " showing displayed missing unknown private confidential taken already"
)
# After "I am", in capitals.
NOT_FIRST = _words(
    "The A An Not So Very In On At From Using Trying Looking Getting Having Running Working"
    " American British Korean Chinese Japanese French German Indian"
)
# First syllables of Korean family names.
SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄원채천방공현함변염여추도소석선설마길연위표명기반라왕금옥"
    "육인맹제모탁국어은편용예경봉사부"
)
# What looks like a family name with a given name: titles before 님, nouns before 씨, and what people say they are.
KOREAN_NOT_NAMES = _words(
    "고객 고객분 선생 사장 교수 부모 주인 담당자 관리자 의사 하나 예수 임금 원장 팀장 부장 과장 대리 이사 대표 기사 아버"
    " 어머 할머 장모 조교 주교 신부 공주 기자 이용자 사용자 변호사 강사 주임 소장 위원 위원장 회장 지점장 부회장 국장 실장"
    " 차장 조카 장인 시어머 여러분 이웃 유저 구매자 판매자 상담사 상담원 회원 도련 서방 형수 제수 심사관 전문가 도사 성인"
    " 남자 여자 남성 여성 주부 한국인 외국인 공무원 연구원 연구자 유학생 대학생 신입생 신입 신입사원 임원 직원 지원자 신청자"
    " 임차인 임대인 소비자 여행자 남학생 여학생 간호사 한의사 개발자 기획자 노인 우리 이번 이것 그것 여기 저기 모두 하지만"
    " 그런데 서울 인천 부산 경기 이름 성함 성명 고등학생 조언 문의 문의자 이해 이상 이제 주문 전화 전혀 정말 지금 현재 한번"
    " 오늘 내일 어제 방금 서울날 오늘날 마음 솜 글 날 말 아저 아가 맵 이용 유료회원 무료회원 정회원 준회원 신규회원 우수회원"
    " 가입 방문 안내 구독자 민원인 사업자 예약자 소유자 하느 원어민 이민자 채식주의자 전공자 초보자 주민 시민 국민 군인 상인"
    " 장애인"
)
