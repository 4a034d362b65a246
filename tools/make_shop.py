"""Generate shop.json: the handbook of a fictional shop, and messages to it.

    python tools/make_shop.py

Every sentence below was written for this course, English and Korean side by side; no customer
wrote any of them. A topic has one rule in the handbook, which names the team that answers. For
about half of the topics the team can be guessed; for the others it is a house rule.

Each topic has ten sentences: the first five are for training, each in three variations (with a
greeting or a closing), the other five are held out, each used once. No held-out sentence is a
variation of a training sentence, but both have the same author, so a real shop's messages would
be harder.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

DATA = Path(__file__).parents[1] / "notebooks" / "beyond" / "prompting" / "shop.json"

SEED = 4
TEAMS = ("kitchen", "garden", "office", "billing", "delivery")
TRAINING, HELD_OUT, DRESSINGS = 5, 5, 3

# (before, after) a sentence, English and Korean
DRESSES = [
    (("", ""), ("", "")),
    (("Hello. ", ""), ("안녕하세요. ", "")),
    (("Good morning. ", ""), ("좋은 아침입니다. ", "")),
    (("", " Thank you."), ("", " 감사합니다.")),
    (("", " What should I do?"), ("", " 어떻게 해야 하나요?")),
    (("Hi there. ", " Can you help?"), ("안녕하세요. ", " 도와주실 수 있나요?")),
    (("I have bought from you for years. ", ""), ("몇 년째 이용하는 고객입니다. ", "")),
    (("", " I would be glad of a quick answer."), ("", " 빨리 답해 주시면 고맙겠습니다.")),
    (("Sorry to bother you. ", ""), ("번거롭게 해서 죄송합니다. ", "")),
    (("", " Please write back."), ("", " 답장 부탁드립니다.")),
]

# topic, team, then the rule and ten sentences, English | Korean
TOPICS = """
# rice-cooker kitchen
The Sobi is our rice cooker. Messages about it go to the kitchen team. | 소비는 우리 전기밥솥입니다. 소비에 관한 메시지는 kitchen 팀이 맡습니다.
The rice in my Sobi comes out burnt at the bottom. | 소비로 밥을 하면 바닥이 눌어붙습니다.
My Sobi stops in the middle of cooking and beeps. | 소비가 취사 도중에 멈추고 삐 소리가 납니다.
How much water does the Sobi need for three cups? | 소비로 세 컵을 지으려면 물을 얼마나 넣어야 하나요?
The lid of the Sobi no longer closes tightly. | 소비 뚜껑이 더는 꽉 닫히지 않습니다.
Can I put the bowl of the Sobi in the dishwasher? | 소비 내솥을 식기세척기에 넣어도 되나요?
Steam escapes at the side of my Sobi. | 소비 옆쪽으로 김이 샙니다.
The Sobi keeps the rice warm for one hour only. | 소비의 보온이 한 시간밖에 안 됩니다.
The coating inside the Sobi is coming off. | 소비 안쪽 코팅이 벗겨지고 있습니다.
My rice cooker does not switch on any more. | 전기밥솥이 이제 켜지지 않습니다.
Does the Sobi have a setting for brown rice? | 소비에 현미 기능이 있나요?

# herb-planter kitchen
The Tilda is our herb planter for indoors. It stands in kitchens, so it belongs to the kitchen team. | 틸다는 실내용 허브 화분입니다. 부엌에 두는 제품이라 kitchen 팀이 맡습니다.
The basil in my Tilda has yellow leaves. | 틸다에 심은 바질 잎이 노래졌습니다.
The lamp above the Tilda flickers at night. | 틸다 위의 조명이 밤에 깜박거립니다.
How often must I refill the tank of the Tilda? | 틸다 물통은 얼마나 자주 채워야 하나요?
Nothing has sprouted in my Tilda after three weeks. | 3주가 지났는데 틸다에서 싹이 트지 않습니다.
The pump of my Tilda hums all day. | 틸다 펌프가 하루 종일 웅웅거립니다.
Can I grow tomatoes in the Tilda as well? | 틸다에서 토마토도 키울 수 있나요?
There are small flies around the soil of my Tilda. | 틸다 흙 주위에 작은 벌레가 날아다닙니다.
My herb planter lost water all over the shelf. | 허브 화분에서 물이 새서 선반이 다 젖었습니다.
The mint in the Tilda grows far too fast. | 틸다의 민트가 너무 빨리 자랍니다.
The Tilda shows a red light that I do not understand. | 틸다에 빨간불이 들어왔는데 무슨 뜻인지 모르겠습니다.

# toaster kitchen
The Kolo is our toaster. Messages about it go to the kitchen team. | 콜로는 우리 토스터입니다. 콜로에 관한 메시지는 kitchen 팀이 맡습니다.
My Kolo toasts one side only. | 콜로가 한쪽만 굽습니다.
The lever of the Kolo does not stay down. | 콜로 손잡이가 내려간 채로 있지 않습니다.
A slice is stuck in my Kolo and I cannot reach it. | 콜로에 빵이 끼었는데 손이 닿지 않습니다.
The Kolo burns the bread even on the lowest setting. | 콜로는 가장 약하게 해도 빵을 태웁니다.
Where do I empty the crumbs of the Kolo? | 콜로의 부스러기는 어디로 비우나요?
My Kolo throws the toast onto the floor. | 콜로가 빵을 바닥으로 튕겨 냅니다.
Bagels do not fit into the Kolo. | 베이글이 콜로에 들어가지 않습니다.
The timer knob of the Kolo broke off. | 콜로의 시간 조절 손잡이가 부러졌습니다.
My toaster takes ten minutes for two slices. | 토스터가 빵 두 쪽을 굽는 데 10분이 걸립니다.
The Kolo smells of plastic when it is hot. | 콜로가 뜨거워지면 플라스틱 냄새가 납니다.

# spare-parts kitchen
Spare parts and filters for all products are kept by the kitchen team. | 모든 제품의 부품과 필터는 kitchen 팀이 보관합니다.
I need a new filter, where can I order one? | 새 필터가 필요한데 어디에서 주문하나요?
Do you sell single replacement screws? | 교체용 나사를 낱개로도 파나요?
The rubber ring is worn out and I want another one. | 고무 패킹이 닳아서 새것을 사고 싶습니다.
Is the spare battery still made? | 예비 배터리가 아직 나오나요?
I lost the small cover and need a replacement. | 작은 덮개를 잃어버려서 대체품이 필요합니다.
Which filter fits the model from last year? | 작년 모델에는 어떤 필터가 맞나요?
Please send me a list of the spare parts you have. | 보유한 부품 목록을 보내 주세요.
A foot broke off, can I buy just that part? | 받침 하나가 부러졌는데 그 부품만 살 수 있나요?
How many filters come in a pack? | 필터 한 묶음에 몇 개가 들어 있나요?
I am looking for a replacement hose, two metres long. | 2미터짜리 교체용 호스를 찾고 있습니다.

# mower garden
The Mosa is our robot mower. Messages about it go to the garden team. | 모사는 우리 로봇 잔디깎이입니다. 모사에 관한 메시지는 garden 팀이 맡습니다.
My Mosa drives in circles and misses the edges. | 모사가 빙빙 돌기만 하고 가장자리를 빠뜨립니다.
The Mosa cannot find its charging station. | 모사가 충전대를 찾지 못합니다.
How do I change the blades of the Mosa? | 모사의 칼날은 어떻게 바꾸나요?
The Mosa stops whenever the grass is wet. | 풀이 젖으면 모사가 멈춥니다.
My Mosa drove into the pond. | 모사가 연못에 빠졌습니다.
Can two Mosas work on one lawn? | 잔디밭 하나에 모사 두 대를 쓸 수 있나요?
The Mosa leaves a strip of long grass by the wall. | 모사가 담 옆의 풀을 한 줄 남겨 놓습니다.
My robot mower wakes the neighbours at five. | 로봇 잔디깎이가 새벽 다섯 시에 이웃을 깨웁니다.
A wheel of the Mosa turns by itself. | 모사 바퀴 하나가 저절로 돕니다.
The Mosa climbs only half of the slope. | 모사가 비탈을 절반밖에 못 올라갑니다.

# cool-box garden
The Fjord is our cool box for picnics. The garden team answers for it. | 피오르는 소풍용 아이스박스입니다. garden 팀이 답합니다.
The ice in my Fjord melts within two hours. | 피오르에 넣은 얼음이 두 시간이면 녹습니다.
The handle of the Fjord broke at the beach. | 바닷가에서 피오르 손잡이가 부러졌습니다.
How many bottles fit into the Fjord? | 피오르에 병이 몇 개 들어가나요?
My Fjord smells of fish and I cannot get rid of it. | 피오르에서 생선 냄새가 나는데 없어지지 않습니다.
Does the Fjord plug into a car? | 피오르를 차에 꽂아 쓸 수 있나요?
Water runs out of the corner of my Fjord. | 피오르 모서리로 물이 샙니다.
The wheels of the Fjord got stuck in the sand. | 피오르 바퀴가 모래에 빠져 움직이지 않습니다.
How long does the Fjord keep drinks cold? | 피오르는 음료를 얼마나 오래 차게 유지하나요?
My cool box has a crack in the lid. | 아이스박스 뚜껑에 금이 갔습니다.
Is the Fjord safe for ice cream in summer? | 여름에 피오르에 아이스크림을 넣어도 괜찮나요?

# fan garden
The Breva is our fan. It is bought together with garden furniture, so the garden team has it. | 브레바는 우리 선풍기입니다. 정원 가구와 함께 들여오므로 garden 팀이 맡습니다.
My Breva rattles on the highest speed. | 브레바를 가장 세게 틀면 덜컹거립니다.
The Breva does not turn from side to side any more. | 브레바가 이제 좌우로 돌지 않습니다.
Can the Breva run all night? | 브레바를 밤새 틀어도 되나요?
The remote control of my Breva does nothing. | 브레바 리모컨이 듣지 않습니다.
How do I take the Breva apart for cleaning? | 브레바를 청소하려면 어떻게 분해하나요?
The Breva blows hardly any air. | 브레바에서 바람이 거의 나오지 않습니다.
My Breva tips over on the carpet. | 브레바가 카펫 위에서 넘어집니다.
Is there a quiet setting on the Breva for the bedroom? | 침실에서 쓸 만한 조용한 모드가 브레바에 있나요?
The fan stopped on the hottest day of the year. | 한 해 중 가장 더운 날에 선풍기가 멈췄습니다.
The display of the Breva is too bright in the dark. | 어두울 때 브레바 화면이 너무 밝습니다.

# smoke-alarm garden
The Orva is our smoke alarm. For historical reasons the garden team looks after it. | 오르바는 우리 화재경보기입니다. 예전부터 garden 팀이 맡고 있습니다.
My Orva beeps once a minute. | 오르바가 1분에 한 번씩 삐 소리를 냅니다.
The Orva goes off each time I cook. | 요리할 때마다 오르바가 울립니다.
Where should I hang the Orva in a small flat? | 작은 집에서는 오르바를 어디에 달아야 하나요?
How do I test the Orva? | 오르바는 어떻게 점검하나요?
The Orva fell off the ceiling. | 오르바가 천장에서 떨어졌습니다.
How many years does an Orva last? | 오르바는 몇 년이나 쓸 수 있나요?
My Orva woke us at night and there was no fire. | 불도 나지 않았는데 밤에 오르바가 울려 모두 깼습니다.
Can I paint over the Orva? | 오르바 위에 페인트를 칠해도 되나요?
The green light of the Orva has gone out. | 오르바의 초록 불이 꺼졌습니다.
Our smoke alarm is not loud enough for my father. | 화재경보기 소리가 작아서 아버지가 못 들으십니다.

# label-printer office
The Pico is our label printer. Messages about it go to the office team. | 피코는 우리 라벨 프린터입니다. 피코에 관한 메시지는 office 팀이 맡습니다.
My Pico prints empty labels. | 피코가 빈 라벨을 찍어 냅니다.
The Pico does not connect to my computer. | 피코가 컴퓨터에 연결되지 않습니다.
The tape is jammed inside the Pico. | 피코 안에 테이프가 걸렸습니다.
Can the Pico print bar codes? | 피코로 바코드를 찍을 수 있나요?
The letters from my Pico are far too pale. | 피코로 찍은 글자가 너무 흐립니다.
My Pico cuts the labels in the wrong place. | 피코가 라벨을 엉뚱한 곳에서 자릅니다.
Is there a phone app for the Pico? | 피코용 휴대폰 앱이 있나요?
The Pico prints everything upside down. | 피코가 모두 거꾸로 찍습니다.
How do I write Korean letters with the Pico? | 피코로 한글을 찍으려면 어떻게 하나요?
My label printer switches itself off after each label. | 라벨 프린터가 한 장 찍을 때마다 꺼집니다.

# desk-lamp office
The Lumo is our desk lamp. Messages about it go to the office team. | 루모는 우리 책상 조명입니다. 루모에 관한 메시지는 office 팀이 맡습니다.
My Lumo flickers when I dim it. | 밝기를 낮추면 루모가 깜박입니다.
The arm of the Lumo sinks slowly. | 루모의 팔이 조금씩 내려앉습니다.
Can I change the bulb of the Lumo myself? | 루모 전구를 제가 직접 바꿀 수 있나요?
The Lumo gets very hot after an hour. | 루모가 한 시간 지나면 몹시 뜨거워집니다.
How do I set the Lumo to warm light? | 루모를 따뜻한 색으로 맞추려면 어떻게 하나요?
The switch of my Lumo is loose. | 루모 스위치가 헐겁습니다.
My Lumo turns on in the middle of the night. | 한밤중에 루모가 저절로 켜집니다.
Does the Lumo charge a phone too? | 루모로 휴대폰도 충전되나요?
The desk lamp is too weak to read by. | 책상 조명이 어두워서 책을 읽을 수 없습니다.
The clamp of the Lumo scratched my table. | 루모의 고정대 때문에 책상이 긁혔습니다.

# kettle office
The Nimbus is our kettle. Most are sold to companies, so the office team has it. | 님버스는 우리 전기 주전자입니다. 대부분 회사에 팔려서 office 팀이 맡습니다.
My Nimbus takes ten minutes to boil one cup. | 님버스가 한 잔을 끓이는 데 10분이 걸립니다.
The Nimbus leaves a puddle on the counter. | 님버스를 쓰면 조리대에 물이 고입니다.
There are white flakes in the water from my Nimbus. | 님버스로 끓인 물에 하얀 가루가 떠 있습니다.
The Nimbus does not switch off when it boils. | 물이 끓어도 님버스가 꺼지지 않습니다.
How do I clean the Nimbus? | 님버스는 어떻게 청소하나요?
The tea tastes of metal since I use the Nimbus. | 님버스를 쓴 뒤로 차에서 쇠 맛이 납니다.
The lid of my Nimbus jumps open. | 님버스 뚜껑이 갑자기 열립니다.
My kettle whistles although nothing is in it. | 아무것도 없는데 주전자가 삑삑거립니다.
Can I make soup in the Nimbus? | 님버스로 국을 끓여도 되나요?
The handle of the Nimbus is too hot to hold. | 님버스 손잡이가 뜨거워서 잡을 수가 없습니다.

# company-invoice office
Invoices that must be made out to a company are written by the office team. | 회사 앞으로 내는 청구서는 office 팀이 씁니다.
Our firm needs the invoice with its tax number. | 우리 회사 세금 번호가 들어간 청구서가 필요합니다.
Please put the name of my employer on the invoice. | 청구서에 제 회사 이름을 넣어 주세요.
The invoice names me and not our company. | 청구서에 회사가 아니라 제 이름이 적혀 있습니다.
Can we get one invoice a month for the whole company? | 회사 전체 청구서를 한 달에 한 장으로 받을 수 있나요?
Our accountant asks for a proper company invoice. | 우리 회계 담당자가 정식 회사 청구서를 요구합니다.
The address of our firm on the invoice is out of date. | 청구서에 적힌 우리 회사 주소가 예전 것입니다.
We are a school and need an invoice in its name. | 우리는 학교인데 학교 이름으로 된 청구서가 필요합니다.
Please add our order number to the invoice for the company. | 회사 청구서에 우리 주문 번호를 넣어 주세요.
My boss will not accept a receipt without the firm on it. | 회사 이름이 없는 영수증은 상사가 받아 주지 않습니다.
Do you send electronic invoices to businesses? | 기업에는 전자 청구서를 보내 주나요?

# charged-twice billing
Wrong or double charges on a card are checked by the billing team. | 카드에 잘못되었거나 두 번 된 결제는 billing 팀이 확인합니다.
You charged my card twice for one order. | 주문은 하나인데 카드에서 두 번 결제되었습니다.
There is an amount on my statement that I do not know. | 카드 명세서에 모르는 금액이 있습니다.
I paid 40 euros but the price was 30. | 가격은 30유로인데 40유로를 냈습니다.
The payment failed and the money is gone all the same. | 결제는 실패했는데 돈은 빠져나갔습니다.
My card was charged before anything was sent. | 아무것도 보내지 않았는데 카드부터 결제되었습니다.
The same sum was taken on Monday and on Tuesday. | 월요일과 화요일에 같은 금액이 빠져나갔습니다.
I cancelled, and yet you took the money. | 취소했는데도 돈을 가져갔습니다.
Why did you charge me a fee that was never mentioned? | 말한 적도 없는 수수료를 왜 받았나요?
The discount was not taken off what I paid. | 낸 돈에서 할인이 빠지지 않았습니다.
My bank shows three payments to your shop instead of one. | 은행 내역에 결제가 한 번이 아니라 세 번 있습니다.

# refund billing
Refunds for goods that were sent back are paid by the billing team. | 돌려보낸 상품의 환불은 billing 팀이 지급합니다.
I sent the shoe rack back and wait for my money. | 신발장을 돌려보냈고 돈을 기다리고 있습니다.
When do I get my refund? | 환불은 언제 받나요?
You refunded only half of the price. | 가격의 절반만 환불되었습니다.
The return arrived at your place two weeks ago, and no money yet. | 반품이 2주 전에 도착했는데 아직 돈이 안 들어왔습니다.
I want my money back, I never used it. | 한 번도 쓰지 않았으니 돈을 돌려받고 싶습니다.
Can the refund go to another account? | 다른 계좌로 환불받을 수 있나요?
You promised to pay me back and nothing has come. | 돈을 돌려준다고 하고는 아무 소식이 없습니다.
I returned two items and was refunded for one. | 두 개를 반품했는데 하나만 환불되었습니다.
How long do I have to send something back for my money? | 돈을 돌려받으려면 언제까지 반품해야 하나요?
The refund came without the postage that I paid. | 환불금에 제가 낸 우편 요금이 빠져 있습니다.

# gift-card billing
Gift cards and vouchers are looked after by the billing team. | 상품권과 할인 쿠폰은 billing 팀이 관리합니다.
The code on my gift card is not accepted. | 상품권 번호가 인식되지 않습니다.
How much is left on my gift card? | 상품권에 얼마가 남아 있나요?
My voucher ran out yesterday, can you extend it? | 쿠폰이 어제 만료되었는데 연장해 주실 수 있나요?
I scratched the gift card too hard and cannot read it. | 상품권을 너무 세게 긁어서 번호를 읽을 수 없습니다.
Can I use two gift cards for one order? | 주문 하나에 상품권 두 장을 쓸 수 있나요?
My aunt gave me a voucher and I lost it. | 이모가 준 쿠폰을 잃어버렸습니다.
Do you have gift cards for 100 euros? | 100유로짜리 상품권이 있나요?
The gift card never came to my mailbox. | 상품권이 메일함에 오지 않았습니다.
Is it possible to turn a voucher into cash? | 쿠폰을 현금으로 바꿀 수 있나요?
The website says that my gift card is already used. | 사이트에서 상품권이 이미 사용되었다고 나옵니다.

# account billing
Customer accounts, passwords and log-ins are run by the billing team. | 고객 계정과 비밀번호, 로그인은 billing 팀이 운영합니다.
I forgot my password. | 비밀번호를 잊어버렸습니다.
I cannot log in with my new phone. | 새 휴대폰으로 로그인할 수가 없습니다.
Please delete my account. | 제 계정을 삭제해 주세요.
Somebody else logged in under my name. | 다른 사람이 제 이름으로 로그인했습니다.
How do I change the e-mail of my account? | 계정의 이메일은 어떻게 바꾸나요?
The link for a new password does not work. | 새 비밀번호를 만드는 링크가 열리지 않습니다.
I have two accounts and want only one. | 계정이 두 개인데 하나로 합치고 싶습니다.
The site throws me out a minute after I sign in. | 로그인하고 1분이면 사이트에서 튕겨 나갑니다.
Your page says that my user name does not exist. | 제 사용자 이름이 없다고 나옵니다.
I do not get the code for signing in. | 로그인용 인증 번호가 오지 않습니다.

# late-parcel delivery
Parcels that are late or lost are traced by the delivery team. | 늦거나 사라진 소포는 delivery 팀이 추적합니다.
My parcel should have come on Monday. | 소포가 월요일에 왔어야 합니다.
The tracking has not moved for a week. | 배송 조회가 일주일째 그대로입니다.
Where is my order? | 제 주문은 어디에 있나요?
It says delivered, but there is nothing at my door. | 배달 완료라고 나오는데 문 앞에 아무것도 없습니다.
I need it before Friday, will it be here? | 금요일 전에 필요한데 그때까지 오나요?
The courier never rang the bell. | 배달 기사가 초인종을 누르지 않았습니다.
I have waited for the package for ten days. | 소포를 열흘째 기다리고 있습니다.
Half of my order is still missing. | 주문한 것의 절반이 아직 오지 않았습니다.
My neighbour did not get the parcel either. | 옆집에서도 소포를 받지 못했습니다.
Has my order left your warehouse yet? | 제 주문이 창고에서 나갔나요?

# broken-on-arrival delivery
Goods that arrive broken or dented are a matter for the delivery team. | 깨지거나 찌그러져서 도착한 물건은 delivery 팀이 처리합니다.
The box was torn open when it came. | 상자가 찢어진 채로 왔습니다.
Two glasses were broken on arrival. | 도착했을 때 유리잔 두 개가 깨져 있었습니다.
The parcel looked as if a car had driven over it. | 소포가 차에 깔린 것 같았습니다.
It arrived with a big dent in the front. | 앞쪽이 크게 찌그러진 채로 도착했습니다.
The plate came in pieces. | 접시가 조각난 채로 왔습니다.
I unpacked it and found scratches all over. | 포장을 풀어 보니 온통 긁혀 있었습니다.
The package was wet, and so was all that was in it. | 소포가 젖어 있었고 안의 것도 다 젖었습니다.
A corner was smashed when I opened the box. | 상자를 열었더니 모서리가 부서져 있었습니다.
The mirror did not survive the trip. | 거울이 오는 길에 깨졌습니다.
Everything was badly packed, and one bowl is cracked. | 포장이 엉망이었고 그릇 하나에 금이 갔습니다.

# assembly delivery
Assembly at home is done by fitters whom the delivery team sends. | 가정 방문 조립은 delivery 팀이 보내는 기사가 합니다.
Can somebody put the cupboard together for me? | 찬장을 조립해 줄 사람이 있나요?
The fitter did not turn up. | 조립 기사가 오지 않았습니다.
What does it cost to have the shelf assembled? | 선반 조립을 맡기면 얼마인가요?
I booked assembly for Tuesday and must move it. | 화요일로 예약한 조립을 미뤄야 합니다.
The fitter mounted the door the wrong way round. | 기사가 문을 거꾸로 달았습니다.
I am no good with tools, do you offer help at home? | 공구를 잘 못 다루는데 집에 와서 도와주나요?
Will the fitters take the old wardrobe with them? | 기사님이 헌 옷장도 가져가나요?
The bed was assembled, but it wobbles. | 침대를 조립해 주셨는데 흔들립니다.
How long does it take to have a table assembled? | 식탁 조립은 얼마나 걸리나요?
I want to cancel the assembly that I booked. | 예약한 조립을 취소하고 싶습니다.

# pick-up delivery
Orders that customers pick up in the shop are prepared by the delivery team. | 손님이 매장에서 찾아가는 주문은 delivery 팀이 준비합니다.
Is my order ready to be picked up? | 제 주문을 찾아갈 수 있나요?
Until when can I pick it up in the shop? | 매장에서 언제까지 찾을 수 있나요?
Can my brother collect the order for me? | 동생이 주문을 대신 찾아가도 되나요?
I stood in the shop and nobody could find my order. | 매장에 갔는데 아무도 제 주문을 찾지 못했습니다.
I would rather collect it myself than have it sent. | 배송 대신 제가 직접 찾으러 가고 싶습니다.
Which papers do I bring to collect my order? | 주문을 찾으러 갈 때 무엇을 가져가야 하나요?
You told me to come to the shop, and it was closed. | 매장으로 오라고 했는데 문이 닫혀 있었습니다.
Can I change the shop where I collect the order? | 주문을 찾을 매장을 바꿀 수 있나요?
How long do you keep an order at the counter? | 주문을 계산대에서 며칠 동안 보관하나요?
The shop gave my order to somebody else. | 매장에서 제 주문을 다른 사람에게 내주었습니다.
"""

# Facts that the handbook learns after the training: four new rules, and one that changes.
LATER = """
# blanket garden
The Zeffa is our heated blanket, new this month. The garden team has it. | 제파는 이번 달에 나온 전기담요입니다. garden 팀이 맡습니다.
My Zeffa stays cold on one side. | 제파 한쪽이 차갑습니다.
Can I wash the Zeffa at 60 degrees? | 제파를 60도로 세탁해도 되나요?
The Zeffa turns off after twenty minutes. | 제파가 20분이면 꺼집니다.
Is the Zeffa safe for a child? | 아이가 제파를 써도 안전한가요?
The cable of my Zeffa is too short. | 제파의 전선이 너무 짧습니다.

# bread-maker office
The Runa is our bread maker, new this month. The office team has it. | 루나는 이번 달에 나온 제빵기입니다. office 팀이 맡습니다.
The dough in my Runa does not rise. | 루나에 넣은 반죽이 부풀지 않습니다.
How loud is the Runa at night? | 루나는 밤에 얼마나 시끄럽나요?
The Runa leaves a hole in the loaf. | 루나로 구우면 빵에 구멍이 남습니다.
Can the Runa bake without gluten? | 루나로 글루텐 없는 빵을 구울 수 있나요?
The crust from the Runa is too dark. | 루나로 구운 빵 껍질이 너무 탑니다.

# bicycle-light billing
The Velta is our bicycle light, new this month. The billing team has it. | 벨타는 이번 달에 나온 자전거 전조등입니다. billing 팀이 맡습니다.
My Velta falls off on bumpy roads. | 울퉁불퉁한 길에서 벨타가 떨어집니다.
The Velta does not charge any more. | 벨타가 더는 충전되지 않습니다.
How far does the Velta shine? | 벨타는 얼마나 멀리 비추나요?
Is the Velta allowed in the rain? | 비가 올 때 벨타를 써도 되나요?
The strap of the Velta tore. | 벨타의 끈이 끊어졌습니다.

# old-appliances delivery
Old appliances are taken away and recycled by the delivery team, new this month. | 헌 가전을 가져가 재활용하는 일은 이번 달부터 delivery 팀이 맡습니다.
Do you take my old fridge for recycling? | 헌 냉장고를 재활용하려고 하는데 가져가나요?
Where can I leave old appliances? | 헌 가전은 어디에 내놓나요?
Who takes away the broken washing machine? | 고장 난 세탁기는 누가 가져가나요?
Is recycling an old oven free? | 헌 오븐을 재활용하는 데 돈이 드나요?
I want to get rid of three old appliances. | 헌 가전 세 대를 처분하고 싶습니다.
"""

# A rule that changes: the topic, its new team and text. Its held-out messages stay as they are.
MOVED = (
    "kettle",
    "kitchen",
    "The Nimbus is our kettle. From this month on the kitchen team has it.",
    "님버스는 우리 전기 주전자입니다. 이번 달부터 kitchen 팀이 맡습니다.",
)


def topics(text: str) -> list[dict]:
    """The topics of a block as above: id, team, rule and sentences, both languages."""
    found = []
    for block in text.strip().split("\n\n"):
        head, rule, *sentences = block.splitlines()
        _mark, name, team = head.split()
        assert team in TEAMS, head
        pairs = [tuple(part.strip() for part in line.split(" | ")) for line in [rule, *sentences]]
        assert all(len(pair) == 2 for pair in pairs), name
        found.append({"topic": name, "team": team, "rule": pairs[0], "sentences": pairs[1:]})
    return found


def item(topic: dict, sentence: tuple[str, str], dress: tuple) -> dict:
    """One message: a sentence in a dress."""
    (before, after), (before_ko, after_ko) = dress
    return {
        "topic": topic["topic"],
        "team": topic["team"],
        "en": before + sentence[0] + after,
        "ko": before_ko + sentence[1] + after_ko,
    }


def rule(topic: dict) -> dict:
    """One entry of the handbook."""
    english, korean = topic["rule"]
    return {"topic": topic["topic"], "team": topic["team"], "en": english, "ko": korean}


def main(out: Path = DATA) -> None:
    """Write the shop's data to `out`."""
    chance = random.Random(SEED)
    known, new = topics(TOPICS), topics(LATER)
    training, held_out = [], []
    for topic in known:
        assert len(topic["sentences"]) == TRAINING + HELD_OUT, topic["topic"]
        for sentence in topic["sentences"][:TRAINING]:
            dresses = chance.sample(DRESSES, DRESSINGS)
            training += [item(topic, sentence, dress) for dress in dresses]
        for sentence in topic["sentences"][TRAINING:]:
            held_out.append(item(topic, sentence, chance.choice(DRESSES)))
    chance.shuffle(training)
    chance.shuffle(held_out)

    moved, team, english, korean = MOVED
    later = [
        item(topic, sentence, chance.choice(DRESSES))
        for topic in new
        for sentence in topic["sentences"]
    ]
    later += [{**message, "team": team} for message in held_out if message["topic"] == moved]
    changed = [rule(topic) for topic in new]
    changed.append({"topic": moved, "team": team, "en": english, "ko": korean})
    data = {
        "about": "A shop that doesn't exist; made by make_shop.py, every sentence ours.",
        "teams": TEAMS,
        "handbook": [rule(topic) for topic in known],
        "training": training,
        "held_out": held_out,
        "later": {"handbook": changed, "messages": later},
    }
    text = json.dumps(data, ensure_ascii=False, indent=1)
    out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
