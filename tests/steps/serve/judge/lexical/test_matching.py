from __future__ import annotations

from steps.serve.judge.lexical.claims import claim_of
from steps.serve.judge.lexical.matching import contradicts, has_rival, in_words_of, is_broken
from steps.serve.judge.lexical.passages import passage_of

QUESTION = "Which port does Silver Falcon use?"
PASSAGE = passage_of("Silver Falcon listens on port 8443.\nSilver Raven listens on port 7000.")


def test_a_bare_number_of_another_subject_has_a_rival():
    assert has_rival(claim_of("7000", QUESTION), PASSAGE)
    assert not has_rival(claim_of("8443", QUESTION), PASSAGE)
    assert not has_rival(claim_of("8443", "Which port is it?"), PASSAGE)


def test_denials_contradict():
    sentence = PASSAGE[0]
    assert contradicts(claim_of("Silver Falcon does not listen on port 8443.", QUESTION), sentence)
    assert not contradicts(claim_of("Silver Falcon listens on port 8443.", QUESTION), sentence)
    denied = passage_of("Silver Falcon does not listen on port 9090.")[0]
    assert contradicts(claim_of("Silver Falcon listens on port 9090.", QUESTION), denied)


def test_a_denial_elsewhere_in_the_sentence_leaves_a_bare_value_alone():
    sentence = passage_of("The 6.2 km track is a public road, with speed limits when no races are run.")[0]
    assert not contradicts(claim_of("6.2 km", "How long is the track?"), sentence)


def test_a_sentence_without_its_value_is_broken():
    for text in ("Silver Falcon listens on port", "Silver Falcon listens on port.", "Silver Falcon listens on", "Silver Falcon listens"):
        assert is_broken(claim_of(text, QUESTION), PASSAGE), text
    for text in ("Silver Falcon listens on port 8443", "8443", "port 8443"):
        assert not is_broken(claim_of(text, QUESTION), PASSAGE), text


def test_korean_endings_do_not_hide_a_word():
    passage = passage_of("실버팔콘 서비스는 오하이오 리전에서 실행됩니다.")
    claim = in_words_of(claim_of("실버팔콘은 오하이오에서 실행된다.", "실버팔콘은 어느 리전에서 실행되나요?"), passage)
    assert claim.sentence.stems & passage[0].stems >= {"오하이오"}
