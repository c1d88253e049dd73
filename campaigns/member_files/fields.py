"""What a file may tell of a member, and what such columns are usually called."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from members.models import Attribute

# In front of the code of an Attribute.
ATTRIBUTE = "attribute:"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a file may tell. `headers`: what people call its column, apart by blanks."""

    code: str
    label: Any
    headers: str
    is_day: bool = False


_ALL = (
    Field(
        "external_number",
        _("External number"),
        "external_number customer_number customer_id customer id 外部编号 客户编号 客户号 原会员号 "
        "会员编号 会员号 外部編號 客戶編號 客戶號 原會員號 會員編號 會員號",
    ),
    Field("name", _("Name"), "name full_name 姓名 名字 客户姓名 会员姓名 客戶姓名 會員姓名"),
    Field("sex", _("Sex"), "sex gender 性别 性別"),
    Field(
        "phone",
        _("Phone"),
        "phone mobile phone_number tel 手机 手机号 手机号码 电话 联系电话 手機 手機號 手機號碼 "
        "電話 聯繫電話",
    ),
    Field("email", _("E-mail"), "email e-mail mail 邮箱 电子邮箱 郵箱 電子郵箱"),
    Field(
        "birthday",
        _("Birthday"),
        "birthday date_of_birth birth_date dob 生日 出生日期",
        is_day=True,
    ),
    Field("age", _("Age (only checked)"), "age 年龄 年齡"),
    Field(
        "id_number",
        _("ID number"),
        "id_number id_card 身份证 身份证号 证件号 证件号码 身份證 身份證號 證件號 證件號碼",
    ),
    Field("province", _("Province"), "province 省 省份"),
    Field("city", _("City"), "city 市 城市"),
    Field(
        "joined_on",
        _("Joined on"),
        "joined_on joined_at joined became_member_on member_since 入会日期 入会时间 注册日期 "
        "注册时间 入會日期 入會時間 註冊日期",
        is_day=True,
    ),
    Field(
        "store",
        _("Code of the enrolling store"),
        "store store_code 门店 门店编码 门店代码 門店 門店編碼 門店代碼",
    ),
    Field("tags", _("Tags"), "tags tag 标签 標籤"),
    # What gives points is never guessed.
    Field("starting_points", _("Starting points"), ""),
    Field("spend", _("Last year's after-sales spend"), ""),
    Field(
        "product",
        _("Product identifier"),
        "product vin serial_number 车架号 序列号 車架號 序號",
    ),
    Field("product_name", _("Product"), "product_name model 车型 产品 車型 產品"),
    Field(
        "purchased_on",
        _("Purchased on"),
        "purchased_on purchase_date 购买日期 购车日期 購買日期 購車日期",
        is_day=True,
    ),
)
FIELDS: Mapping[str, Field] = {field.code: field for field in _ALL}


def guess(header: Iterable[str], definitions: Mapping[str, Attribute]) -> dict[str, str]:
    """
    Say which column probably tells what: field → column, as far as names are known.

    :param definitions: attributes in use, known by their codes and their names in any language
    """
    columns = {_plain(name): name for name in reversed(list(header)) if name}
    found = {}
    for field in FIELDS.values():
        name = next((each for each in map(_plain, field.headers.split()) if each in columns), None)
        if name is not None:
            found[field.code] = columns[name]
    for code, attribute in definitions.items():
        known = (code, *attribute.names.values())
        name = next((each for each in map(_plain, known) if each in columns), None)
        if name is not None:
            found[f"{ATTRIBUTE}{code}"] = columns[name]
    return found


def label_of(field: str, definitions: Mapping[str, Attribute]) -> str:
    """What staff call a field; its code if it is an attribute no longer in use."""
    if field in FIELDS:
        return str(FIELDS[field].label)
    attribute = definitions.get(field.removeprefix(ATTRIBUTE))
    return attribute.name if attribute else field


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()
