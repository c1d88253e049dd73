"""Many members by COPY, each with what the real operation would have written."""

import io
from random import Random

from django.db import connection

from common.fields import seal
from members import names
from members.numbers import member_number
from members.queries import phone_index, phone_tail_index
from tests.factories import dealer

# The commonest family names first, as they are: every tenth person here is a 王.
SURNAMES = (
    "王王王王王李李李李李张张张张刘刘刘陈陈陈杨杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋"
    "唐许韩冯邓曹彭曾肖"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国志文斌宇浩轩子涵梓豪欣怡"
    "雨泽嘉佳思琪晨曦"
)
COLUMNS = (
    "id, number, status, name, name_spelled, name_parts, sex, phone, email, id_number, province,"
    " city, attributes, joined_at, activated_at"
)


def seed_members(count: int) -> None:
    """Members 1 … count, with phones 13900000001 …, VINs and external numbers of one dealer."""
    random = Random(7)
    organization_id = dealer().pk
    sealed = seal("+8613900000001", column="members_member.phone")
    members, phones, products, external = io.StringIO(), io.StringIO(), io.StringIO(), io.StringIO()
    for n in range(1, count + 1):
        name = random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=random.choice((1, 2, 2))))
        parts = "{" + ",".join(names.parts(name)) + "}"
        spelled = names.spelled(name)
        members.write(
            f"{n}\t{member_number(n)}\tACTIVE\t{name}\t{spelled}\t{parts}\t\t{sealed}\t\t\t\t\t{{}}\t"
            "2024-01-01\t2024-01-01\n"
        )
        phone = f"+86{13900000000 + n}"
        index, tail = phone_index(phone).hex(), phone_tail_index(phone).hex()
        phones.write(f"\\\\x{index}\t\\\\x{tail}\t{n}\n")
        products.write(f"{n}\t{n}\tLFV{n:014d}\t\n")
        external.write(f"{n}\t{organization_id}\tC-{n}\t{n}\n")
    _copy("members_member", COLUMNS, members)
    _copy("members_phonedirectory", "phone_index, tail_index, member_id", phones)
    _copy("members_product", "id, member_id, identifier, name", products)
    _copy("members_externalnumber", "id, organization_id, number, member_id", external)


def _copy(table: str, columns: str, rows: io.StringIO) -> None:
    rows.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)
        cursor.execute(f"ANALYZE {table}")
