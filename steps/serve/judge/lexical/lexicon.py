"""Word lists of the lexical judge: what carries no information, what counts, what denies."""

from __future__ import annotations


def words(*lines: str) -> tuple[str, ...]:
    """The words of some lines of text."""
    return tuple(word for line in lines for word in line.split())


STOP = frozenset(
    words(
        "a an the of in on at to for and or is are was were be been being am by with as it its this that these those",
        "from which who whom whose what where when why how does do did done has have had having he she they them him",
        "his her hers their theirs you your we our us i my me can could will would shall should may might must about",
        "into than then there here if so but also too any all some such both each other another one's s t up out over",
        "via per after before during while between through under until upon within among because since however due yes",
        "just only very more most less least much many same well",
    )
)
GENERIC = words(
    "use used using make made locate located base based know known call called name named hold held include included",
    "became become consider considered work worked part type kind find found take took give given serve served",
    "feature featured involve involved play played one other group several various say said state stated mention",
    "mentioned describe described actually currently popular famous certain",
)
NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
            "seventeen eighteen nineteen twenty",
        )
    )
}
NUMBERS |= {word: str(10 * tens) for tens, word in enumerate(words("thirty forty fifty sixty seventy eighty ninety hundred"), start=3)}
NUMBERS |= {"thousand": "1000", "million": "1000000", "billion": "1000000000"}
ORDINALS = {
    word: str(value)
    for value, word in enumerate(words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), start=1)
}
NEGATIONS = frozenset(
    words(
        "not no never none without cannot nor neither nobody nothing isnt arent wasnt werent doesnt dont didnt hasnt",
        "havent hadnt wont cant couldnt wouldnt shouldnt",
    )
)
KOREAN_NEGATIONS = words("않 없 아니 못하")
SUFFIXES = words("ization isation ational ingly edly ally ying ings ing ies ied ers ors er or est ed es ly s e y")
PARTICLES = tuple(
    sorted(
        words(
            "은 는 이 가 을 를 의 에 에서 에게 께 로 으로 와 과 도 만 부터",
            "까지 보다 처럼 이다 입니다 이며 이고 인 라는 이라는 라고 이라고 였다 이었다 했다 하는 한다 합니다",
            "됩니다 된다",
            "되는 했습니다 있다 있습니다 있는 이나 나 랑 이랑 요 예요 이에요",
        ),
        key=len,
        reverse=True,
    )
)
NAME_LINKS = frozenset(words("of the and de la del van von for in to & a"))
END_WORDS = words("a an the of in on at to for and or is are was were by with as from has have had than that which its their his her")
