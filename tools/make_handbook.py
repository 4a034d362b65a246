"""Generate handbook.json: a fictional shop's handbook, and questions to it, in two languages.

    python tools/make_handbook.py

The prose is in `tools/handbook/*.txt`, every sentence written for this course in English and
Korean side by side: `# chapter`, `## section`, one sentence a line, an empty line between
paragraphs, `? sentence | question | answer` below each section, and `??` for a question that the
handbook doesn't answer. Two sections per product, about its warranty and its parts, are filled in
from the table below, in three wordings; they make passages that differ in a few words only, as a
real handbook's do. Answers are copied from the sentences that state them, so a script can tell
whether a passage contains one.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

TEXTS = Path(__file__).parent / "handbook"
DATA = Path(__file__).parents[1] / "notebooks" / "beyond" / "retrieval" / "handbook.json"

SEED = 2
DEV = 0.4
"""The fraction of the questions in the development split, on which thresholds are chosen."""

# product: name and kind | the same in Korean | years of warranty | what it excludes | the same in
# Korean | aisle | weight of the box in kilograms | country | the same in Korean | a part | the
# same in Korean | its price in dollars | days until it arrives
PRODUCTS = """
ardo | Ardo coffee grinder | 아르도 커피 그라인더 | 3 | worn burrs | 닳은 날 | 12 | 4.1 | Portugal | 포르투갈 | set of burrs | 날 세트 | 34 | 5
belmo | Belmo stand mixer | 벨모 스탠드 믹서 | 6 | scratches in the bowl | 볼의 긁힘 | 14 | 9.7 | Poland | 폴란드 | second bowl | 추가 볼 | 41 | 9
cira | Cira air purifier | 시라 공기청정기 | 4 | used filters | 다 쓴 필터 | 31 | 7.2 | Vietnam | 베트남 | HEPA filter | HEPA 필터 | 36 | 2
dalvi | Dalvi humidifier | 달비 가습기 | 2 | damage by lime | 물때로 생긴 고장 | 33 | 2.3 | Taiwan | 대만 | water tank | 물통 | 18 | 6
fenna | Fenna folding bed | 펜나 접이식 침대 | 7 | stains on the mattress | 매트리스 얼룩 | 52 | 16.5 | Slovenia | 슬로베니아 | hinge | 경첩 | 11 | 12
galto | Galto cordless drill | 갈토 충전 드릴 | 3 | broken bits | 부러진 비트 | 44 | 3.8 | Czechia | 체코 | charger | 충전기 | 29 | 4
hesta | Hesta pressure cooker | 헤스타 압력솥 | 10 | the silicone ring | 실리콘 패킹 | 15 | 3.4 | Italy | 이탈리아 | safety valve | 안전밸브 | 14 | 3
ilmar | Ilmar espresso machine | 일마르 에스프레소 머신 | 3 | missed descaling | 석회를 제거하지 않아 생긴 고장 | 11 | 8.8 | Spain | 스페인 | portafilter | 포터필터 | 46 | 8
jorda | Jorda compost bin | 요르다 퇴비통 | 12 | damage by frost | 얼어서 생긴 파손 | 71 | 13.6 | Denmark | 덴마크 | lid | 뚜껑 | 23 | 15
kelpa | Kelpa filter jug | 켈파 정수 주전자 | 1 | broken glass | 깨진 유리 | 17 | 1.6 | Austria | 오스트리아 | counter lid | 카운터 뚜껑 | 9 | 7
lindo | Lindo office chair | 린도 사무용 의자 | 5 | pulled threads | 올이 풀린 천 | 61 | 17.9 | Sweden | 스웨덴 | pair of armrests | 팔걸이 한 쌍 | 38 | 10
morro | Morro paper shredder | 모로 문서 세단기 | 2 | blades run without oil | 기름 없이 쓴 칼날 | 63 | 6.9 | Thailand | 태국 | waste bin | 파지함 | 16 | 11
nalu | Nalu hammock | 날루 해먹 | 2 | faded fabric | 빛바랜 천 | 74 | 21.4 | Brazil | 브라질 | replacement fabric | 교체용 천 | 64 | 14
osto | Osto pizza oven | 오스토 피자 화덕 | 4 | cracks in the stone | 돌판의 금 | 76 | 24.3 | Greece | 그리스 | baking stone | 돌판 | 32 | 13
pelia | Pelia sewing machine | 펠리아 재봉틀 | 8 | needles and bulbs | 바늘과 전구 | 36 | 7.7 | Switzerland | 스위스 | foot pedal | 발판 | 54 | 16
quina | Quina bathroom scale | 퀴나 체중계 | 2 | leaking batteries | 건전지 누액 | 38 | 2.1 | Malaysia | 말레이시아 | battery door | 건전지 덮개 | 4 | 5
ruvo | Ruvo robot vacuum | 루보 로봇청소기 | 3 | lost mops | 잃어버린 걸레 | 21 | 5.9 | Korea | 한국 | main brush | 메인 솔 | 21 | 3
selva | Selva hose reel | 셀바 호스 릴 | 5 | frozen hoses | 얼어 터진 호스 | 72 | 11.2 | Norway | 노르웨이 | wall hook | 벽 고리 | 13 | 9
tarn | Tarn steam iron | 타른 스팀다리미 | 2 | dropped irons | 떨어뜨린 다리미 | 23 | 1.9 | Hungary | 헝가리 | measuring cup | 계량컵 | 3 | 6
umbela | Umbela patio umbrella | 움벨라 파라솔 | 3 | storm damage | 폭풍 피해 | 75 | 19.5 | Turkey | 튀르키예 | crank | 손잡이 | 17 | 8
varde | Varde fire pit | 바르데 화로 | 15 | rust on the surface | 표면의 녹 | 77 | 26.1 | Finland | 핀란드 | grill grate | 그릴 망 | 28 | 10
wenda | Wenda bookshelf | 웬다 책장 | 9 | boards bent by overload | 과적으로 휜 선반 | 54 | 43.0 | Estonia | 에스토니아 | extra board | 추가 선반 | 22 | 12
yoma | Yoma alarm clock | 요마 자명종 | 2 | empty batteries | 다 쓴 건전지 | 26 | 0.8 | Japan | 일본 | power adapter | 전원 어댑터 | 12 | 4
zilo | Zilo bicycle pump | 질로 자전거 펌프 | 5 | punctured washers | 구멍 난 와셔 | 46 | 1.7 | France | 프랑스 | pump head | 펌프 헤드 | 8 | 6
"""

# The two sections of each product, one of three wordings each. A question is asked for one product
# in three about each fact, so that every wording is asked for.
WARRANTY = (
    """
The {name} comes with a warranty of {years}, counted from the day of purchase. | {ko_name}의 보증 기간은 구입한 날부터 {ko_years}입니다.
It covers material and workmanship but excludes {excluded}. | 재료와 제조 결함은 보증하지만 {ko_excluded}은(는) 제외합니다.

Register it in the customer account within four weeks and you don't need to keep the receipt. | 4주 안에 고객 계정에 등록하면 영수증을 보관하지 않아도 됩니다.
It is made in {country}, but repairs are done here. | {ko_country}에서 만들지만 수리는 여기에서 합니다.
""",
    """
We stand behind the {name}: defects that show within {years} are repaired at our expense. | {ko_name}은(는) 저희가 책임집니다. {ko_years} 안에 나타난 결함은 저희 비용으로 고칩니다.
Not included: {excluded}. | 제외 항목: {ko_excluded}.

The manufacturer in {country} decides within a week if a repair is not worth it. | 수리할 가치가 없을 때는 {ko_country}의 제조사가 일주일 안에 결정합니다.
In that case you choose between a new one and your money. | 그때는 새 제품과 환불 가운데 고르시면 됩니다.
""",
    """
For {years} after you buy a {name}, its maker in {country} answers for faults. | {ko_name} 구입 후 {ko_years} 동안 {ko_country}의 제조사가 결함을 책임집니다.
Bring it to any branch together with proof of the date. | 구입 날짜를 증명할 것과 함께 아무 매장에나 가져오세요.

There is no cover for {excluded}, nor for use in a business. | {ko_excluded}와(과) 영업용 사용은 보증하지 않습니다.
A swap does not start the period anew. | 교환해도 기간이 새로 시작하지는 않습니다.
""",
)
PARTS = (
    """
You find the {name} in aisle {aisle}; the carton weighs {weight} kilograms. | {ko_name}은(는) {aisle}번 통로에 있고 상자 무게는 {weight}킬로그램입니다.
One is unpacked there so that you can try it. | 시험해 볼 수 있도록 하나는 꺼내 두었습니다.

The {part} costs {price} dollars and is here {days} days after the order. | {ko_part}은(는) {price}달러이고 주문하고 {days}일 뒤에 들어옵니다.
Other parts are listed inside the manual. | 다른 부품은 설명서에 나와 있습니다.
""",
    """
The most requested spare for the {name} is the {part}, at {price} dollars. | {ko_name} 부품 가운데 가장 많이 찾는 것은 {price}달러인 {ko_part}입니다.
Ordered at the repair desk, it takes {days} days. | 수리 창구에서 주문하면 {days}일 걸립니다.

The article itself stands in aisle {aisle}. | 제품은 {aisle}번 통로에 있습니다.
Two people should lift a stack of boxes, {weight} kilograms each. | 상자 하나가 {weight}킬로그램이니 여러 개는 두 사람이 드세요.
""",
    """
The {name} is kept in aisle {aisle}, and more are in the stockroom. | {ko_name}은(는) {aisle}번 통로에 두며 창고에 더 있습니다.
Packed, it weighs {weight} kilograms. | 포장 무게는 {weight}킬로그램입니다.

Its {part} can be ordered separately for {price} dollars. | {ko_part}은(는) {price}달러에 따로 주문할 수 있습니다.
Delivery of the part takes {days} days, and the old one may be left with us. | 부품이 오는 데 {days}일 걸리며 헌것은 저희에게 두고 가도 됩니다.
""",
)
ASKED = (
    # about, question, question in Korean, answer, answer in Korean
    (
        "warranty",
        "Until when is the {kind} repaired free of charge?",
        "{ko_kind}은(는) 언제까지 무상으로 고쳐 주나요?",
        "{years}",
        "{ko_years}",
    ),
    (
        "parts",
        "Where in the shop can I look at the {kind}?",
        "{ko_kind}은(는) 매장 어디에서 볼 수 있나요?",
        "aisle {aisle}",
        "{aisle}번 통로",
    ),
    (
        "parts",
        "I broke the {part} of my {kind}. What does a new one cost me?",
        "{ko_kind}의 {ko_part}을(를) 망가뜨렸습니다. 새로 사려면 얼마인가요?",
        "{price} dollars",
        "{price}달러",
    ),
)
TITLES = {
    "warranty": ("Warranty of the {name}", "{ko_name} 보증"),
    "parts": ("Finding the {name} and its parts", "{ko_name} 위치와 부품"),
}


def particled(text: str) -> str:
    """Choose the Korean particle in "은(는)", "을(를)" and "와(과)" by the syllable before it."""
    for both in ("은(는)", "을(를)", "와(과)"):
        closed, opened = (both[0], both[2]) if both != "와(과)" else ("과", "와")
        while both in text:
            before, after = text.split(both, 1)
            syllable = ord(before[-1]) - 0xAC00
            if not 0 <= syllable < 11_172:
                raise ValueError(f"No Hangul before {both}: {before[-12:]}")
            text = before + (closed if syllable % 28 else opened) + after
    return text


def pair(line: str) -> tuple[str, str]:
    """Split "English | Korean"."""
    english, korean = (part.strip() for part in line.split(" | "))
    return english, korean


def section(name: str, title: tuple[str, str], chapter: tuple[str, str], lines: list[str]) -> dict:
    """Make one section from its lines: sentences, empty lines between paragraphs."""
    paragraphs: list[list[tuple[str, str]]] = [[]]
    for line in "\n".join(lines).strip().split("\n"):
        if line.strip():
            paragraphs[-1].append(pair(line))
        else:
            paragraphs.append([])
    return {
        "id": name,
        **{
            code: {
                "chapter": chapter[i],
                "title": title[i],
                "paragraphs": [" ".join(s[i] for s in sentences) for sentences in paragraphs],
            }
            for i, code in enumerate(("en", "ko"))
        },
        "_sentences": [sentence for sentences in paragraphs for sentence in sentences],
    }


def question(about: dict, which: str, english: str, korean: str, *answers: str) -> dict:
    """Make one question with its evidence: the sentences that state the answer."""
    first, _dash, last = which.partition("-")
    sentences = about["_sentences"][int(first) - 1 : int(last or first)]
    made = {"section": about["id"]}
    for i, (code, asked) in enumerate((("en", english), ("ko", korean))):
        evidence = " ".join(sentence[i] for sentence in sentences)
        if answers[i] not in evidence:
            raise ValueError(f"{about['id']}: {answers[i]!r} is not in {evidence!r}")
        made[code] = {"question": asked, "evidence": evidence, "answer": answers[i]}
    return made


def unanswerable(line: str) -> dict:
    """Make a question that the handbook does not answer."""
    return {
        "section": None,
        **{
            code: {"question": text, "evidence": "", "answer": ""}
            for code, text in zip(("en", "ko"), pair(line), strict=True)
        },
    }


def written() -> tuple[list[dict], list[dict]]:
    """Read the sections and questions in `tools/handbook/*.txt`."""
    sections: list[dict] = []
    questions: list[dict] = []
    chapter = ("", "")
    for name in ("products_1", "products_2", "house", "elsewhere"):
        blocks = ("\n" + (TEXTS / f"{name}.txt").read_text("utf-8")).split("\n## ")
        for number, block in enumerate(blocks):
            head, *lines = block.split("\n") if number else ("", *block.split("\n"))
            following = [line for line in lines if line.startswith("# ")]
            asked = [line for line in lines if line.startswith("?")]
            if head:
                text = [line for line in lines if not line.startswith(("? ", "?? ", "# "))]
                key, english, korean = (part.strip() for part in head.split(" | "))
                sections.append(section(key, (english, korean), chapter, text))
            for line in asked:
                if line.startswith("?? "):
                    questions.append(unanswerable(line.removeprefix("?? ")))
                else:
                    fields = [part.strip() for part in line.removeprefix("? ").split(" | ")]
                    questions.append(question(sections[-1], *fields))
            for line in following:
                _key, english, korean = (part.strip() for part in line[2:].split(" | "))
                chapter = (english, korean)
    return sections, questions


def filled() -> tuple[list[dict], list[dict]]:
    """Fill in the sections about each product's warranty and parts, with questions."""
    sections, questions = [], []
    names = (
        *("id", "name", "ko_name", "year", "excluded", "ko_excluded", "aisle", "weight"),
        *("country", "ko_country", "part", "ko_part", "price", "days"),
    )
    for i, row in enumerate(PRODUCTS.strip().splitlines()):
        facts = dict(zip(names, (part.strip() for part in row.split(" | ")), strict=True))
        facts["years"] = "one year" if facts["year"] == "1" else f"{facts['year']} years"
        facts["ko_years"] = f"{facts['year']}년"
        facts["kind"] = facts["name"].split(" ", 1)[1]
        facts["ko_kind"] = facts["ko_name"].split(" ", 1)[1]
        for about, wordings in (("warranty", WARRANTY), ("parts", PARTS)):
            # the wordings of the two sections take turns at different rates
            wording = wordings[(i if about == "warranty" else i // 3) % 3]
            english, korean = (text.format(**facts) for text in TITLES[about])
            lines = particled(wording.format(**facts)).strip().split("\n")
            chapter = ("Warranty and parts", "보증과 부품")
            made = section(f"{facts['id']}-{about}", (english, korean), chapter, lines)
            sections.append(made)
            which, english, korean, answer, ko_answer = ASKED[i % 3]
            if which == about:
                answers = (answer.format(**facts), ko_answer.format(**facts))
                (place,) = (
                    n for n, s in enumerate(made["_sentences"], start=1) if answers[0] in s[0]
                )
                asked = (english.format(**facts), particled(korean.format(**facts)))
                questions.append(question(made, str(place), *asked, *answers))
    return sections, questions


def main(out: Path = DATA) -> None:
    """Write the handbook and its questions to `out`."""
    sections, questions = (a + b for a, b in zip(written(), filled(), strict=True))
    if len({s["id"] for s in sections}) != len(sections):
        raise ValueError("Two sections have the same id.")
    for s in sections:
        del s["_sentences"]
    random.Random(SEED).shuffle(questions)
    for answered in (True, False):
        some = [q for q in questions if (q["section"] is not None) == answered]
        for i, q in enumerate(some):
            q["split"] = "dev" if i < DEV * len(some) else "test"
    data = {
        "about": "The handbook of a shop that doesn't exist, and questions to it; made by "
        "tools/make_handbook.py, every sentence written for this course, CC BY 4.0.",
        "sections": sections,
        "questions": questions,
    }
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    out.write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    main()
