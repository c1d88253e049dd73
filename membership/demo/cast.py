"""Who and what there is in the demo: places, people, cars. All invented, all deterministic."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from members import products

CLUB = "远行车主俱乐部"
CLUB_STORE = "远行车主俱乐部客户中心"
MEMBERS = 300
# These, and every other one of the others, were there in the first days.
FOUNDERS = 20
FIRST_DAYS = 45
CARS = ("远行 S3", "远行 S5", "远行 S7 混动", "远行 E1 纯电", "远行 X6", "远行 V8 商务")

REGIONS = {"east": "华东区", "south": "华南区", "north": "华北区", "west": "西南区"}


@dataclass(frozen=True, slots=True)
class Shop:
    code: str
    name: str
    province: str
    city: str


@dataclass(frozen=True, slots=True)
class Dealer:
    code: str
    name: str
    region: str
    shops: tuple[Shop, ...]


DEALERS = (
    Dealer(
        "SHHT",
        "上海海天汽车销售服务有限公司",
        "east",
        (
            Shop("SH-PD", "海天浦东店", "上海市", "上海"),
            Shop("SH-MH", "海天闵行店", "上海市", "上海"),
        ),
    ),
    Dealer(
        "HZXL",
        "杭州西陵汽车有限公司",
        "east",
        (
            Shop("HZ-BJ", "西陵滨江店", "浙江省", "杭州"),
            Shop("HZ-YH", "西陵余杭店", "浙江省", "杭州"),
        ),
    ),
    Dealer(
        "NJZS",
        "南京钟山汽车贸易有限公司",
        "east",
        (
            Shop("NJ-JY", "钟山建邺店", "江苏省", "南京"),
            Shop("SZ-GX", "钟山苏州高新店", "江苏省", "苏州"),
        ),
    ),
    Dealer(
        "GZYC",
        "广州越城汽车有限公司",
        "south",
        (
            Shop("GZ-TH", "越城天河店", "广东省", "广州"),
            Shop("FS-CC", "越城佛山禅城店", "广东省", "佛山"),
        ),
    ),
    Dealer(
        "SZPC",
        "深圳鹏程汽车服务有限公司",
        "south",
        (
            Shop("SZ-NS", "鹏程南山店", "广东省", "深圳"),
            Shop("SZ-LG", "鹏程龙岗店", "广东省", "深圳"),
        ),
    ),
    Dealer(
        "BJYS",
        "北京燕山汽车销售有限公司",
        "north",
        (
            Shop("BJ-CY", "燕山朝阳店", "北京市", "北京"),
            Shop("BJ-FT", "燕山丰台店", "北京市", "北京"),
        ),
    ),
    Dealer(
        "XADT", "西安大唐汽车有限公司", "north", (Shop("XA-YT", "大唐雁塔店", "陕西省", "西安"),)
    ),
    Dealer(
        "CDSR",
        "成都蜀锐汽车有限公司",
        "west",
        (
            Shop("CD-WH", "蜀锐武侯店", "四川省", "成都"),
            Shop("CQ-YB", "蜀锐重庆渝北店", "重庆市", "重庆"),
        ),
    ),
)

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余"
COMPOUND_SURNAMES = ("欧阳", "司马", "上官", "诸葛", "司徒", "夏侯")
FEMALE = "芳娜敏静丽艳娟霞燕玲婷雪梅琳慧颖洁萍欣怡佳悦诗雨涵梓萱"
MALE = "伟强磊洋勇军杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆轩泽宸"
# Characters outside the Basic Multilingual Plane, or in few fonts: they must come through whole.
RARE_NAMES = ("李𠮷", "王㑇", "欧阳𠮷祥", "陈㑇怡")


@dataclass(frozen=True, slots=True)
class Person:
    """A member to be. `phone` is the key by which a second start finds who is there already."""

    position: int
    name: str
    sex: str
    birthday: date
    phone: str
    shop: Shop
    dealer: Dealer
    vin: str
    car: str
    bought_on: date
    joined_on: date


def people(*, start: date, end: date) -> list[Person]:
    """Invent the members, who join between two days: more than half of them at the beginning."""
    random = Random("people")  # noqa: S311 - a story, not a secret
    days = (end - start).days
    return [_person(random, position, start=start, days=days) for position in range(MEMBERS)]


def _person(random: Random, position: int, *, start: date, days: int) -> Person:
    sex = random.choice(("FEMALE", "MALE"))
    dealer = random.choice(DEALERS)
    is_founder = position < FOUNDERS or random.random() < 0.55
    after = random.randrange(FIRST_DAYS) if is_founder else random.randrange(FIRST_DAYS, days - 20)
    # Founders were there before whatever the story tells of them.
    joined_on = start + timedelta(days=after if position >= FOUNDERS else after % 10)
    return Person(
        position=position,
        name=RARE_NAMES[position] if position < len(RARE_NAMES) else _name(random, sex),
        sex=sex,
        birthday=date(random.randrange(1962, 2003), 1, 1) + timedelta(days=random.randrange(365)),
        phone=phone(position),
        shop=random.choice(dealer.shops),
        dealer=dealer,
        vin=vin(random),
        car=random.choice(CARS),
        bought_on=joined_on - timedelta(days=random.randrange(900)),
        joined_on=joined_on,
    )


def phone(position: int) -> str:
    return f"+86138000{position + 1:05d}"


def _name(random: Random, sex: str) -> str:
    compound = random.random() < 0.03
    surname = random.choice(COMPOUND_SURNAMES) if compound else random.choice(SURNAMES)
    given = random.choices(FEMALE if sex == "FEMALE" else MALE, k=random.choice((1, 2, 2, 2)))
    return surname + "".join(given)


def vin(random: Random) -> str:
    """A vehicle identification number of China (L), whose ninth character checks the others."""
    characters = "LYX" + "".join(random.choices(list(products.VIN_VALUES), k=8))
    return products.with_check_digit(f"{characters}{random.randrange(1_000_000):06d}")
